"""Attention by JAX's splash kernel for TPUs: the memory grows with the length, not with its square.

It is FlashAttention (Dao, arXiv:2307.08691) over blocks, with a static mask (causal, or a sliding window), segment
numbers that keep packed traces apart, and Gemma-2's soft cap on the scores. Blocks that the static mask empties are
never computed; nor, here, are those in which no query shares a segment with any key: what a row costs follows the
lengths of its traces.
"""

from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import numpy.typing as npt
from jax.experimental.pallas.ops.tpu.splash_attention import splash_attention_kernel as kernel
from jax.experimental.pallas.ops.tpu.splash_attention import splash_attention_mask as masks

BLOCK = 512  # queries and keys of a block, at most: larger ones compute more that no trace needs
LAST = 2**31 - 1
LANES = 128  # of a TPU's vector unit: lengths and heads of the kernel are multiples of it


@dataclass(frozen=True)
class SplashMask:
    """Takes the place of an attention mask: [B, L] segment numbers, ascending along a row, 0 for padding at its end."""

    segments: jax.Array
    interpreted: bool


def fits(length: int, head: int) -> bool:
    """Whether the kernel takes rows of this length and heads of this size."""
    return length % LANES == 0 and head % LANES == 0


def attend(
    query: jax.Array,
    key: jax.Array,
    value: jax.Array,
    mask: SplashMask,
    window: int | None,
    softcap: float | None,
    residuals: str,
    block: int | None = None,
) -> jax.Array:
    """[B, L, heads, H] queries (scaled), [B, L, key-value heads, H] keys and values to [B, L, heads, H].

    window     tokens that a token sees, itself counted; None: all before it
    residuals  the name under which a remat policy can keep what the backward pass needs
    block      queries and keys of a block; None: `block_length` of the row
    """
    length, heads = query.shape[1:3]
    schedule = length, heads, window, block or block_length(length)
    static = _kernel(*schedule, softcap=softcap, residuals=residuals, interpreted=mask.interpreted)

    def of_row(query: jax.Array, key: jax.Array, value: jax.Array, segments: jax.Array) -> jax.Array:
        attended = _only_shared(static, segments)(
            query, key, value, kernel.SegmentIds(q=segments, kv=segments)
        )
        result: jax.Array = attended
        return result

    rows = zip(*(array.swapaxes(1, 2) for array in (query, key, value)), mask.segments, strict=True)
    # Row by row, not all at once: the kernel's schedule is read before it starts, and hangs on the row.
    return jnp.stack([of_row(*row) for row in rows]).swapaxes(1, 2)


def _kernel(
    length: int,
    heads: int,
    window: int | None,
    block: int,
    *,
    softcap: float | None = None,
    residuals: str = "",
    interpreted: bool = False,
) -> Any:
    shape = (length, length)
    mask: masks.Mask = masks.CausalMask(shape)
    if window is not None and window < length:
        mask = masks.LocalMask(shape, (window - 1, 0), 0)
    return kernel.make_splash_mha(
        masks.MultiHeadMask([mask] * heads),
        head_shards=1,
        q_seq_shards=1,
        attn_logits_soft_cap=softcap,
        residual_checkpoint_name=residuals,
        interpret=interpreted,
        block_sizes=kernel.BlockSizes(
            block_q=block,
            block_kv=block,
            block_kv_compute=block,
            block_q_dkv=block,
            block_kv_dkv=block,
            block_kv_dkv_compute=block,
            block_q_dq=block,
            block_kv_dq=block,
        ),
    )


def block_length(length: int) -> int:
    """The largest block of at most BLOCK lanes that divides a row."""
    return max(block for block in range(LANES, min(BLOCK, length) + 1, LANES) if length % block == 0)


def executed_blocks(segments: npt.NDArray[np.int32], window: int | None, block: int) -> int:
    """Blocks of scores, of `block` queries and as many keys, that one head computes for a row of [L] segments."""
    length = len(segments)
    blocks = np.arange(length // block)
    query, key = blocks[:, None], blocks[None, :]
    seen = key <= query
    if window is not None and window < length:
        seen &= (query - key - 1) * block < window - 1
    return int((seen & np.asarray(_sharing(np, segments, block))).sum())


def schedule_steps(length: int, window: int | None) -> set[int]:
    """How many blocks the schedules of a row have, for each head: those of the kernels, forward and backward."""
    schedules, _ = _kernel(length, 1, window, block_length(length)).tree_flatten()
    return {int(schedule.data_next.size) for schedule in schedules}


def _sharing(library: Any, segments: Any, block: int) -> Any:
    """[blocks, blocks] in NumPy or JAX: whether two blocks of a row share a segment."""
    numbers = segments.reshape(-1, block)
    # Padding is segment 0 at a row's end: behind all others, so that the numbers ascend.
    numbers = library.where(numbers == 0, LAST, numbers)
    first, last = numbers[:, 0], numbers[:, -1]
    return (first[:, None] <= last[None, :]) & (first[None, :] <= last[:, None])


def _only_shared(static: Any, segments: jax.Array) -> Any:
    """The kernel with the blocks taken out in which no query shares a segment with any key."""
    infos, rest = static.tree_flatten()
    shared = _sharing(jnp, segments, rest["block_sizes"].block_q)

    def without_unshared(info: Any, own_axis: int) -> Any:
        """The schedule's place says which block is computed (`own_axis`), its `data_next` which one is read for it."""
        read = info.data_next.astype(jnp.int32)
        own = jax.lax.broadcasted_iota(jnp.int32, read.shape, own_axis)
        kept = jnp.where(shared[own, read], info.block_mask, 0)
        return info._replace(block_mask=kept.astype(info.block_mask.dtype))

    forward, of_queries, of_keys = infos
    schedules = (without_unshared(forward, 1), without_unshared(of_queries, 1), without_unshared(of_keys, 2))
    return type(static).tree_unflatten(rest, schedules)
