"""What the loss promises: the plain cross-entropy, weighted by token, whatever the chunks."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from training.loop import loss
from training.loop.loss import chunk_length, isolating_mask, token_losses

BATCH, LENGTH, WIDTH, VOCABULARY = 3, 10, 8, 50


def example() -> tuple[jax.Array, jax.Array, jax.Array, jax.Array]:
    draw = np.random.default_rng(0)
    hidden = jnp.asarray(draw.normal(size=(BATCH, LENGTH, WIDTH)), dtype=jnp.float32)
    embedding = jnp.asarray(draw.normal(size=(VOCABULARY, WIDTH)), dtype=jnp.float32)
    targets = jnp.asarray(draw.integers(0, VOCABULARY, size=(BATCH, LENGTH)))
    weights = jnp.asarray(draw.integers(0, 2, size=(BATCH, LENGTH)), dtype=jnp.float32)
    return hidden, embedding, targets, weights


def plain(
    hidden: jax.Array, embedding: jax.Array, targets: jax.Array, weights: jax.Array, softcap: float | None
) -> jax.Array:
    logits = hidden @ embedding.T
    if softcap is not None:
        logits = softcap * jnp.tanh(logits / softcap)
    return jnp.sum(optax.softmax_cross_entropy_with_integer_labels(logits, targets) * weights)


@pytest.mark.parametrize("softcap", [None, 5.0])
@pytest.mark.parametrize("at_once", [1, 450, 600, 1 << 20])  # chunks of 1, 3, 4 and 10 positions
def test_chunks_give_the_plain_loss_and_gradient(
    monkeypatch: pytest.MonkeyPatch, at_once: int, softcap: float | None
) -> None:
    monkeypatch.setattr(loss, "LOGITS_AT_ONCE", at_once)
    hidden, embedding, targets, weights = example()
    result, gradient = jax.value_and_grad(
        lambda x: jnp.sum(token_losses(x, embedding, targets, softcap) * weights)
    )(hidden)
    expected, expected_gradient = jax.value_and_grad(
        lambda x: plain(x, embedding, targets, weights, softcap)
    )(hidden)
    np.testing.assert_allclose(result, expected, rtol=1e-6)
    np.testing.assert_allclose(gradient, expected_gradient, rtol=1e-5, atol=1e-6)


def test_losses_stand_at_their_places_and_padding_of_a_last_chunk_is_cut() -> None:
    hidden, embedding, targets, _ = example()
    expected = optax.softmax_cross_entropy_with_integer_labels(hidden @ embedding.T, targets)
    np.testing.assert_allclose(token_losses(hidden, embedding, targets, None), expected, rtol=1e-5, atol=1e-5)


def test_logits_and_their_sums_are_float32_when_the_model_is_not() -> None:
    hidden, embedding, targets, _ = example()
    small = token_losses(hidden.astype(jnp.bfloat16), embedding.astype(jnp.bfloat16), targets, 5.0)
    hidden, embedding = (array.astype(jnp.bfloat16).astype(jnp.float32) for array in (hidden, embedding))
    assert small.dtype == jnp.float32
    np.testing.assert_allclose(small, token_losses(hidden, embedding, targets, 5.0), rtol=1e-5, atol=1e-5)


def test_a_large_vocabulary_is_met_with_short_chunks() -> None:
    assert chunk_length(8, 512, 256_000) * 8 * 256_000 <= loss.LOGITS_AT_ONCE
    assert chunk_length(8, 512, 4096) == 512
    assert chunk_length(64, 512, 1 << 30) == 1


def test_the_mask_is_causal_and_never_crosses_a_segment() -> None:
    segments = np.array([[1, 1, 2, 2, 2, 0]])
    mask = np.asarray(isolating_mask(jnp.asarray(segments)))
    for query in range(6):
        for key in range(6):
            expected = key <= query and segments[0, key] == segments[0, query]
            assert mask[0, query, key] == expected
