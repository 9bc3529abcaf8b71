"""The loss: cross-entropy on completion tokens, in chunks, and the mask that keeps packed traces apart. Pure JAX.

The logits of a vocabulary of 256,000 over a whole batch would take gigabytes; here only a chunk of them exists at a
time, in the backward pass too (`jax.checkpoint` computes them again).
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp

LOGITS_AT_ONCE = 1 << 26


class LossSum(NamedTuple):
    """Sum of the losses of the tokens trained on, in nats, and their number; both float32 scalars."""

    total: jax.Array
    tokens: jax.Array


def isolating_mask(segments: jax.Array) -> jax.Array:
    """[B, L] segment numbers to the [B, L, L] attention mask: causal, and only inside a segment.

    With absolute positions this gives a packed trace exactly the attention it would have alone: RoPE is relative, and a
    sliding window measures distances.
    """
    same = segments[:, :, None] == segments[:, None, :]
    length = segments.shape[1]
    causal = jnp.tril(jnp.ones((length, length), dtype=jnp.bool_))
    return same & causal


def chunk_length(batch: int, length: int, vocabulary: int) -> int:
    """Positions of each row to compute logits for at once, so that their number keeps to LOGITS_AT_ONCE."""
    return min(length, max(1, LOGITS_AT_ONCE // (batch * vocabulary)))


def chunked_cross_entropy(
    hidden: jax.Array,
    embedding: jax.Array,
    targets: jax.Array,
    weights: jax.Array,
    softcap: float | None,
) -> LossSum:
    """Cross-entropy of the tied head, summed over positions with their weights.

    hidden [B, L, D], embedding [V, D], targets [B, L] (the token that position t must predict), weights [B, L] float32.
    Logits, softcap and log-sum-exp are float32 whatever the model's type.
    """
    batch, length, _ = hidden.shape
    chunk = chunk_length(batch, length, embedding.shape[0])

    chunks = -(-length // chunk)

    def in_chunks(array: jax.Array) -> jax.Array:
        beyond = [(0, 0), (0, chunks * chunk - length), *[(0, 0)] * (array.ndim - 2)]
        return jnp.pad(array, beyond).reshape(batch, chunks, chunk, *array.shape[2:]).swapaxes(0, 1)

    @jax.checkpoint
    def one_chunk(hidden: jax.Array, targets: jax.Array, weights: jax.Array) -> jax.Array:
        logits = jnp.einsum("bcd,vd->bcv", hidden, embedding, preferred_element_type=jnp.float32)
        if softcap is not None:
            logits = jnp.tanh(logits / softcap) * softcap
        chosen = jnp.take_along_axis(logits, targets[..., None], axis=-1)[..., 0]
        return jnp.sum((jax.nn.logsumexp(logits, axis=-1) - chosen) * weights)

    def add(total: jax.Array, parts: tuple[jax.Array, jax.Array, jax.Array]) -> tuple[jax.Array, None]:
        return total + one_chunk(*parts), None

    parts = (in_chunks(hidden), in_chunks(targets), in_chunks(weights))
    total, _ = jax.lax.scan(add, jnp.float32(0), parts)
    return LossSum(total, jnp.sum(weights))
