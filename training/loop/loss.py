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


def token_losses(
    hidden: jax.Array, embedding: jax.Array, targets: jax.Array, softcap: float | None
) -> jax.Array:
    """[B, L] float32: the cross-entropy in nats of every place, through the tied head.

    hidden [B, L, D], embedding [V, D], targets [B, L] (the token that position t must predict). Logits, softcap and
    log-sum-exp are float32 whatever the model's type.
    """
    batch, length, _ = hidden.shape
    chunk = chunk_length(batch, length, embedding.shape[0])
    chunks = -(-length // chunk)

    def in_chunks(array: jax.Array) -> jax.Array:
        beyond = [(0, 0), (0, chunks * chunk - length), *[(0, 0)] * (array.ndim - 2)]
        return jnp.pad(array, beyond).reshape(batch, chunks, chunk, *array.shape[2:]).swapaxes(0, 1)

    @jax.checkpoint
    def one_chunk(parts: tuple[jax.Array, jax.Array]) -> jax.Array:
        hidden, targets = parts
        logits = soft_capped(
            jnp.einsum("bcd,vd->bcv", hidden, embedding, preferred_element_type=jnp.float32), softcap
        )
        chosen = jnp.take_along_axis(logits, targets[..., None], axis=-1)[..., 0]
        return jax.nn.logsumexp(logits, axis=-1) - chosen

    losses = jax.lax.map(one_chunk, (in_chunks(hidden), in_chunks(targets)))
    result: jax.Array = losses.swapaxes(0, 1).reshape(batch, chunks * chunk)[:, :length]
    return result


def soft_capped(logits: jax.Array, softcap: float | None) -> jax.Array:
    """Logits kept between -softcap and softcap (Bello et al., arXiv:1611.09940), as Gemma-2 has them."""
    return logits if softcap is None else jnp.tanh(logits / softcap) * softcap
