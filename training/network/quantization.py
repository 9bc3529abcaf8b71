"""A frozen base in four bits (QLoRA, Dettmers et al., arXiv:2305.14314): which tensors, in which blocks.

Every tensor that has an adapter is stored as NormalFloat-4 codes, with one scale for a block of `BLOCK` inputs of an
output; embedding and norms stay as they are. qwix computes with the values that the codes stand for, in the precision
of the run. `attn_vec_einsum` has its inputs on two axes, heads and their parts: there a block is the same parts of all
heads, because qwix cuts one axis only.
"""

import math
from functools import partial

import jax
import jax.numpy as jnp
import qwix

from training.models import Shape
from training.settings import Settings
from training.weights.names import Array

NF4 = "nf4"
BLOCK = 64
CODES, SCALES = ".array.qvalue", ".array.scale"  # how flax and qwix name the parts of a tensor in four bits


def lora_rules(shape: Shape, settings: Settings) -> list[qwix.LoraRule]:
    """Which modules get an adapter, and in what blocks their tensors are cut where the settings quantize them.

    A block is the largest divisor of the axis that also divides `BLOCK`: `BLOCK` itself in every real model.
    """
    inputs = {
        ".*q_einsum|.*kv_einsum|.*gate_proj|.*up_proj": shape.embed,
        ".*attn_vec_einsum": shape.head,
        ".*down_proj": shape.hidden,
    }
    quantized = {"weight_qtype": NF4} if settings.quantize == NF4 else {}
    return [
        qwix.LoraRule(
            module_path=modules,
            rank=settings.rank,
            alpha=settings.alpha,
            **({**quantized, "tile_size": math.gcd(BLOCK, size)} if quantized else {}),
        )
        for modules, size in inputs.items()
    ]


def quantize(tensor: Array, scales: tuple[int, ...], precision: str) -> tuple[jax.Array, jax.Array]:
    """The codes of a tensor (uint4, of its shape) and their scales, in `precision` and of the shape `scales`.

    Codes and scales are found in float32; then the scales are rounded to `precision`.
    """
    codes, rounded = _quantize(jnp.asarray(tensor, dtype=jnp.float32), scales, precision)
    return codes, rounded


@partial(jax.jit, static_argnums=(1, 2))
def _quantize(tensor: jax.Array, scales: tuple[int, ...], precision: str) -> tuple[jax.Array, jax.Array]:
    blocks = {
        axis: size // count for axis, (size, count) in enumerate(zip(tensor.shape, scales, strict=True))
    }
    result = qwix.quantize(tensor, NF4, tiled_axes=blocks, scale_dtype=precision)
    return result.qvalue, result.scale
