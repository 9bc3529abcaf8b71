"""Between the network's tensors and those of Google's own checkpoints, as Kaggle ships them. Pure, and free of JAX.

The layouts are the network's, but for the feed-forward block: gate and up are stacked in one `gating_einsum`, in
Gemma-2 as [2, inputs, outputs], in Gemma-3 as [2, outputs, inputs] (tunix.models.gemma.model, gemma3.params).
"""

from collections.abc import Sequence

from training.models import GEMMA2, Shape
from training.weights.names import Array, network_names

_FEED_FORWARD = {
    "mlp.gate_proj.kernel": "mlp/gating_einsum/w",
    "mlp.up_proj.kernel": "mlp/gating_einsum/w",
    "mlp.down_proj.kernel": "mlp/linear/w",
}
_GATING = {"mlp.gate_proj.kernel": 0, "mlp.up_proj.kernel": 1}


def kaggle_names(_shape: Shape, name: str) -> tuple[str]:
    """The one tensor that the network's tensor `name` comes from, without the prefix `transformer/`."""
    if not name.startswith("layers."):
        return (name.replace(".", "/"),)
    _, layer, part = name.split(".", 2)
    part = part.replace("post_attn_norm", "post_attention_norm")
    return (f"layer_{layer}/{_FEED_FORWARD.get(part) or part.replace('.', '/')}",)


def kaggle_shapes(shape: Shape, name: str, vocabulary: int) -> dict[str, tuple[int, ...]]:
    """The shape that `kaggle_names` must have."""
    size = network_names(shape, vocabulary)[name]
    if _part(name) in _GATING:
        size = (2, *(size if shape.family == GEMMA2 else size[::-1]))
    return dict.fromkeys(kaggle_names(shape, name), size)


def assemble_kaggle(shape: Shape, name: str, parts: Sequence[Array]) -> Array:
    """The network's tensor `name` from the tensor of `kaggle_shapes`, as a view. The type of the values is kept."""
    [tensor] = parts
    if (which := _GATING.get(_part(name))) is None:
        return tensor
    gate_or_up: Array = tensor[which]
    return gate_or_up if shape.family == GEMMA2 else gate_or_up.T


def _part(name: str) -> str:
    return name.split(".", 2)[-1]
