"""An adapter in Hugging Face's layout, and its sum with the base. Pure, and free of JAX.

LoRA (Hu et al., arXiv:2106.09685) adds x·A·B·alpha/rank to what a projection gives. The network's A and B have axes for
heads, and keys and values share one LoRA; Hugging Face's have none and do not: A is [rank, inputs], B [outputs, rank],
and the projection's weight [outputs, inputs]. Keys and values both get the A they shared; B is split between them.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from training.errors import RunFolderError
from training.models import Shape
from training.network.tensors import Tensor
from training.weights.names import huggingface_names, take_apart

Array: TypeAlias = npt.NDArray[Any]

QUERY, KEY_VALUE, OUTPUT = "attn.q_einsum.w", "attn.kv_einsum.w", "attn.attn_vec_einsum.w"
FEED_FORWARD = ("mlp.gate_proj.kernel", "mlp.up_proj.kernel", "mlp.down_proj.kernel")
A, B = "_lora_a", "_lora_b"


class Pair(NamedTuple):
    """The LoRA of one projection: `a` [rank, inputs] and `b` [outputs, rank], float32."""

    a: Tensor
    b: Tensor


def adapter_shapes(shape: Shape, rank: int) -> dict[str, tuple[int, ...]]:
    """Every tensor of an adapter of that rank, by the network's names, and its shape."""
    heads, kept, head = shape.heads, shape.key_value_heads, shape.head
    pairs = {
        QUERY: ((shape.embed, rank), (rank, heads, head)),
        KEY_VALUE: ((shape.embed, rank), (rank, 2, kept, head)),
        OUTPUT: ((heads, head, rank), (rank, shape.embed)),
        FEED_FORWARD[0]: ((shape.embed, rank), (rank, shape.hidden)),
        FEED_FORWARD[1]: ((shape.embed, rank), (rank, shape.hidden)),
        FEED_FORWARD[2]: ((shape.hidden, rank), (rank, shape.embed)),
    }
    shapes: dict[str, tuple[int, ...]] = {}
    for layer in range(shape.layers):
        for part, (a, b) in pairs.items():
            shapes |= {f"layers.{layer}.{part}{A}": a, f"layers.{layer}.{part}{B}": b}
    return shapes


def check_adapter_shapes(where: str, shape: Shape, rank: int, adapter: Mapping[str, Array]) -> None:
    """Raises `RunFolderError`, which begins with `where`, for an adapter that is not one of that model and rank."""
    expected = adapter_shapes(shape, rank)
    for name in sorted(expected.keys() | adapter.keys()):
        observed = adapter[name].shape if name in adapter else None
        if observed != expected.get(name) or adapter[name].dtype != np.float32:
            kind = "missing" if observed is None else f"{adapter[name].dtype} {list(observed)}"
            wanted = f"float32 {list(expected[name])}" if name in expected else "no such tensor"
            raise RunFolderError(f"{where}: {name} is {kind}, expected {wanted}; the run is damaged")


def lora_pairs(shape: Shape, adapter: Mapping[str, Tensor], name: str) -> dict[str, Pair]:
    """The LoRA of the base's tensor `name`, by the Hugging Face tensors that it is part of; none where it has none."""
    if name + A not in adapter:
        return {}
    a, b = adapter[name + A], adapter[name + B]
    rank = a.shape[-1]
    a = a.reshape(-1, rank).T
    # [rank, …, outputs]: what is left of the axes between are heads, or keys and values and then heads.
    parts = [b[:, 0], b[:, 1]] if name.endswith(KEY_VALUE) else [b]
    names = huggingface_names(shape, name)
    return {each: Pair(a, part.reshape(rank, -1).T) for each, part in zip(names, parts, strict=True)}


def peft_tensors(shape: Shape, adapter: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The adapter as PEFT names and lays it out, for a model that is loaded as `AutoModelForCausalLM`."""
    tensors = {}
    for name in adapter:
        if name.endswith(A):
            for module, pair in lora_pairs(shape, adapter, name.removesuffix(A)).items():
                prefix = f"base_model.model.{module.removesuffix('.weight')}"
                tensors[f"{prefix}.lora_A.weight"], tensors[f"{prefix}.lora_B.weight"] = pair
    return tensors


def merged_tensors(
    shape: Shape, adapter: Mapping[str, Tensor], scale: float, name: str, base: Array
) -> dict[str, Array]:
    """The base's tensor `name` with its LoRA added, by Hugging Face names, in the base's own precision.

    `scale` is alpha/rank. The sum is taken in float32 and rounded once.
    """
    parts = take_apart(shape, name, base)
    for each, pair in lora_pairs(shape, adapter, name).items():
        update = (pair.b @ pair.a) * np.float32(scale)
        parts[each] = (parts[each].astype(np.float32) + update).astype(base.dtype)
    return parts
