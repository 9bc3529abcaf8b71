"""The loss: cross-entropy on completion tokens, in chunks, and the mask that keeps packed traces apart. Pure JAX.

The logits of a vocabulary of 256,000 over a whole batch would take gigabytes; here only a chunk of them exists at a
time. The gradient is taken with them, chunk by chunk, and not later from logits computed again.
"""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp

LOGITS_AT_ONCE = 1 << 26
TILE = 128


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
    """Positions of each row to compute logits for at once, so that their number keeps to LOGITS_AT_ONCE.

    Above 128 it is a multiple of it: a matrix unit computes in such tiles, and the usual lengths divide by it.
    """
    chunk = min(length, max(1, LOGITS_AT_ONCE // (batch * vocabulary)))
    return chunk if chunk < TILE or chunk == length else chunk // TILE * TILE


@partial(jax.custom_vjp, nondiff_argnums=(4,))
def weighted_loss(
    hidden: jax.Array, embedding: jax.Array, targets: jax.Array, weights: jax.Array, softcap: float | None
) -> jax.Array:
    """[] float32: the sum of `token_losses` times weights [B, L]. The embedding is frozen: it gets no gradient."""
    return jnp.sum(token_losses(hidden, embedding, targets, softcap) * weights)


def _weighted_loss_forward(
    hidden: jax.Array, embedding: jax.Array, targets: jax.Array, weights: jax.Array, softcap: float | None
) -> tuple[jax.Array, jax.Array]:
    """The loss, and its gradient by `hidden`: the loss is a sum, so what comes back can only scale it."""

    def one_chunk(parts: tuple[jax.Array, ...]) -> tuple[jax.Array, jax.Array]:
        hidden, targets, weights = parts

        def of_logits(logits: jax.Array) -> jax.Array:
            return jnp.sum(_cross_entropy(soft_capped(logits, softcap), targets) * weights)

        loss, gradient = jax.value_and_grad(of_logits)(_logits(hidden, embedding))
        gradient = jnp.einsum(
            "bcv,vd->bcd", gradient.astype(embedding.dtype), embedding, preferred_element_type=jnp.float32
        )
        return loss, gradient.astype(hidden.dtype)

    length = hidden.shape[1]
    losses, gradients = jax.lax.map(one_chunk, _in_chunks((hidden, targets, weights), embedding.shape[0]))
    return jnp.sum(losses), _whole(gradients, length)


def _weighted_loss_backward(
    softcap: float | None, gradient: jax.Array, cotangent: jax.Array
) -> tuple[jax.Array | None, ...]:
    del softcap
    return (cotangent * gradient).astype(gradient.dtype), None, None, None


weighted_loss.defvjp(_weighted_loss_forward, _weighted_loss_backward)


def token_losses(
    hidden: jax.Array, embedding: jax.Array, targets: jax.Array, softcap: float | None
) -> jax.Array:
    """[B, L] float32: the cross-entropy in nats of every place, through the tied head.

    hidden [B, L, D], embedding [V, D], targets [B, L] (the token that position t must predict). Logits, softcap and
    log-sum-exp are float32 whatever the model's type.
    """

    @jax.checkpoint
    def one_chunk(parts: tuple[jax.Array, ...]) -> jax.Array:
        hidden, targets = parts
        return _cross_entropy(soft_capped(_logits(hidden, embedding), softcap), targets)

    losses = jax.lax.map(one_chunk, _in_chunks((hidden, targets), embedding.shape[0]))
    return _whole(losses, hidden.shape[1])


def soft_capped(logits: jax.Array, softcap: float | None) -> jax.Array:
    """Logits kept between -softcap and softcap (Bello et al., arXiv:1611.09940), as Gemma-2 has them."""
    return logits if softcap is None else jnp.tanh(logits / softcap) * softcap


def _logits(hidden: jax.Array, embedding: jax.Array) -> jax.Array:
    return jnp.einsum("bcd,vd->bcv", hidden, embedding, preferred_element_type=jnp.float32)


def _cross_entropy(logits: jax.Array, targets: jax.Array) -> jax.Array:
    chosen = jnp.take_along_axis(logits, targets[..., None], axis=-1)[..., 0]
    return jax.nn.logsumexp(logits, axis=-1) - chosen


def _in_chunks(arrays: tuple[jax.Array, ...], vocabulary: int) -> tuple[jax.Array, ...]:
    """Arrays [B, L, ...] as [chunks, B, chunk, ...], filled up with zeros at the end."""
    batch, length = arrays[0].shape[:2]
    chunk = chunk_length(batch, length, vocabulary)
    chunks = -(-length // chunk)

    def cut(array: jax.Array) -> jax.Array:
        beyond = [(0, 0), (0, chunks * chunk - length), *[(0, 0)] * (array.ndim - 2)]
        return jnp.pad(array, beyond).reshape(batch, chunks, chunk, *array.shape[2:]).swapaxes(0, 1)

    return tuple(cut(array) for array in arrays)


def _whole(chunks: jax.Array, length: int) -> jax.Array:
    """What `_in_chunks` cut: [chunks, B, chunk, ...] as [B, L, ...]."""
    joined = chunks.swapaxes(0, 1)
    return joined.reshape(joined.shape[0], -1, *joined.shape[3:])[:, :length]
