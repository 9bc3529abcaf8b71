"""What the loss promises: the plain cross-entropy, weighted by token, whatever the chunks."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from training import loss
from training.loss import chunk_length, chunked_cross_entropy, isolating_mask

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
        lambda x: chunked_cross_entropy(x, embedding, targets, weights, softcap).total
    )(hidden)
    expected, expected_gradient = jax.value_and_grad(
        lambda x: plain(x, embedding, targets, weights, softcap)
    )(hidden)
    np.testing.assert_allclose(result, expected, rtol=1e-6)
    np.testing.assert_allclose(gradient, expected_gradient, rtol=1e-5, atol=1e-6)


def test_the_number_of_tokens_is_that_of_the_whole_batch() -> None:
    hidden, embedding, targets, weights = example()
    assert float(chunked_cross_entropy(hidden, embedding, targets, weights, None).tokens) == float(
        weights.sum()
    )


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
