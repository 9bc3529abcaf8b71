"""The model that is trained: Tunix's Gemma with hidden states for output, a drawn base, and qwix LoRA.

The base and the start of the adapter are drawn tensor by tensor (`training.tensors`): Tunix would leave norm scales and
MLP kernels at zero, and with dead MLPs their LoRA never learns.
"""

import math
from collections.abc import Iterable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import qwix
from flax import nnx
from tunix.models.gemma import model as gemma

from training.models import Model, Shape
from training.tensors import Tensor, draw_uniform

LORA_MODULES = ".*q_einsum|.*kv_einsum|.*attn_vec_einsum|.*gate_proj|.*up_proj|.*down_proj"
VOCABULARY_MULTIPLE = 128
NORM_DEVIATION = 0.1


class HiddenGemma(gemma.Gemma):
    """Gemma whose call ends at the final norm, so that the loss can go through the head in chunks.

    It must be the class's own `__call__`: that is what qwix intercepts. A forward pass from outside trains nothing.
    """

    def __call__(
        self,
        last_tokens: jax.Array,
        positions: jax.Array,
        cache: None,  # noqa: ARG002 - Tunix and qwix call every model with it
        attention_mask: jax.Array,
    ) -> tuple[jax.Array, None]:
        """[B, L] tokens and absolute positions, [B, L, L] mask to ([B, L, D] hidden states, None); no cache."""
        hidden = self.embedder.encode(last_tokens)
        for layer in self.layers:
            _, hidden = layer(hidden, positions, None, attention_mask)
        return self.final_norm(hidden), None


def model_config(shape: Shape, vocabulary: int) -> gemma.ModelConfig:
    """Tunix's configuration of a shape; the embedding has `vocabulary` rows, rounded up to a multiple of 128."""
    types = (gemma.AttentionType.LOCAL_SLIDING, gemma.AttentionType.GLOBAL)
    return gemma.ModelConfig(
        num_layers=shape.layers,
        num_embed=-(-vocabulary // VOCABULARY_MULTIPLE) * VOCABULARY_MULTIPLE,
        embed_dim=shape.embed,
        hidden_dim=shape.hidden,
        num_heads=shape.heads,
        head_dim=shape.head,
        num_kv_heads=shape.key_value_heads,
        final_logit_softcap=shape.logit_softcap,
        use_post_attn_norm=True,
        use_post_ffw_norm=True,
        attention_types=tuple(types[layer % 2] for layer in range(shape.layers)),
        attn_logits_soft_cap=shape.attention_softcap,
        sliding_window_size=shape.sliding_window,
    )


def build_network(model: Model, vocabulary: int, rank: int, alpha: float, seed: int) -> HiddenGemma:
    """The model with its drawn base and a new adapter: A drawn with `seed`, B zero."""

    def adapted() -> HiddenGemma:
        network = HiddenGemma(model_config(model.shape, vocabulary), rngs=nnx.Rngs(0))
        provider = qwix.LoraProvider(module_path=LORA_MODULES, rank=rank, alpha=alpha)
        result: HiddenGemma = qwix.apply_lora_to_model(
            network, provider, rngs=nnx.Rngs(0), **network.get_model_input()
        )
        return result

    graph, state = nnx.split(nnx.eval_shape(adapted))
    for path, variable in nnx.to_flat_state(state):
        name = tensor_name(path)
        start = adapter_start if isinstance(variable, nnx.LoRAParam) else base_tensor
        tensor_seed = seed if start is adapter_start else model.base_seed
        variable.set_value(jnp.asarray(start(tensor_seed, name, variable.get_value().shape)))
    network: HiddenGemma = nnx.merge(graph, state)
    return network


def base_tensor(seed: int, name: str, shape: tuple[int, ...]) -> Tensor:
    """A tensor of a base without real weights: scales around 0, all else with deviation 1/√(inputs)."""
    if name.endswith("scale"):
        return draw_uniform(seed, name, shape, NORM_DEVIATION)
    if name.endswith("attn_vec_einsum.w"):
        inputs = shape[0] * shape[1]
    elif name.endswith("embedding"):
        inputs = shape[1]
    else:
        inputs = shape[-2]
    return draw_uniform(seed, name, shape, 1 / math.sqrt(inputs))


def adapter_start(seed: int, name: str, shape: tuple[int, ...]) -> Tensor:
    """A tensor of a new adapter (Hu et al., arXiv:2106.09685): B zero, A as He et al. (arXiv:1502.01852) draw it."""
    if name.endswith("_lora_b"):
        return np.zeros(shape, dtype=np.float32)
    return draw_uniform(seed, name, shape, math.sqrt(2 / math.prod(shape[:-1])))


def tensor_name(path: Iterable[object]) -> str:
    """The name of a variable: its path in the model, joined by dots."""
    return ".".join(map(str, path))


def adapter_tensors(network: nnx.Module) -> dict[str, Tensor]:
    """The adapter of a model, in float32, by name."""
    return _tensors(nnx.state(network, nnx.LoRAParam))


def base_tensors(network: nnx.Module) -> dict[str, Tensor]:
    """Everything of a model but its adapter, in float32, by name."""
    return _tensors(nnx.state(network, nnx.All(nnx.Param, nnx.Not(nnx.LoRAParam))))


def load_adapter(network: nnx.Module, tensors: Mapping[str, Tensor]) -> None:
    """Put an adapter's tensors into a model. The names and shapes must be the model's."""
    state = nnx.state(network, nnx.LoRAParam)
    for path, variable in nnx.to_flat_state(state):
        variable.set_value(jnp.asarray(tensors[tensor_name(path)], dtype=variable.get_value().dtype))
    nnx.update(network, state)


def _tensors(state: "nnx.State[Any, Any]") -> dict[str, Tensor]:
    values = jax.device_get(
        {tensor_name(path): variable.get_value() for path, variable in nnx.to_flat_state(state)}
    )
    return {name: value.astype("float32") for name, value in values.items()}
