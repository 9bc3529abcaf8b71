"""Attention for a few queries at a time, in plain JAX on any device: the scores of all never exist at once.

A chunk of queries meets the keys that its static mask leaves it, those before it or inside the window, and no others.
Its scores are computed again in the backward pass (Rabe and Staats, arXiv:2112.05682), so memory grows with the length
and not with its square. Scores and softmax are float32, as in the splash kernel.
"""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
from jax.ad_checkpoint import checkpoint_name

QUERIES = 1024  # of a chunk
MASKED = -1e38  # a score that has no share, in float32


@dataclass(frozen=True)
class ChunkedMask:
    """Takes the place of an attention mask: [B, L] segment numbers, 0 for padding."""

    segments: jax.Array
    queries: int = QUERIES


def attend(
    query: jax.Array,
    key: jax.Array,
    value: jax.Array,
    mask: ChunkedMask,
    window: int | None,
    softcap: float | None,
    residuals: str,
) -> jax.Array:
    """[B, L, heads, H] queries (scaled), [B, L, key-value heads, H] keys and values to [B, L, heads, H].

    window     tokens that a token sees, itself counted; None: all before it
    residuals  the name under which a remat policy can keep what comes out
    """
    length = query.shape[1]

    def of_chunk(start: int) -> jax.Array:
        end = min(start + mask.queries, length)
        first = 0 if window is None else max(0, start + 1 - window)

        # The whole arrays go in, and are cut inside: what is kept for the backward pass is shared by the chunks.
        def compute(query: jax.Array, key: jax.Array, value: jax.Array, segments: jax.Array) -> jax.Array:
            return _attended(
                query[:, start:end], key[:, first:end], value[:, first:end],
                _seen(segments, start, end, first, window), softcap,
            )  # fmt: skip

        attended: jax.Array = jax.checkpoint(compute)(query, key, value, mask.segments)
        return attended

    whole = jnp.concatenate([of_chunk(start) for start in range(0, length, mask.queries)], axis=1)
    named: jax.Array = checkpoint_name(whole, residuals)  # type: ignore[no-untyped-call]
    return named


def _seen(segments: jax.Array, start: int, end: int, first: int, window: int | None) -> jax.Array:
    """[B, end - start, end - first]: which keys from `first` the queries from `start` see."""
    distance = jnp.arange(start, end)[:, None] - jnp.arange(first, end)[None, :]
    near = distance >= 0
    if window is not None:
        near &= distance < window
    return near & (segments[:, start:end, None] == segments[:, None, first:end])


def _attended(
    query: jax.Array, key: jax.Array, value: jax.Array, seen: jax.Array, softcap: float | None
) -> jax.Array:
    batch, queries, heads, size = query.shape
    grouped = query.reshape(batch, queries, key.shape[2], -1, size)
    scores = jnp.einsum("btkgh,bskh->bkgts", grouped, key, preferred_element_type=jnp.float32)
    if softcap is not None:
        scores = jnp.tanh(scores / softcap) * softcap
    scores = jnp.where(seen[:, None, None], scores, MASKED)
    shares = jax.nn.softmax(scores, axis=-1).astype(value.dtype)
    return jnp.einsum("bkgts,bskh->btkgh", shares, value).reshape(batch, queries, heads, size)
