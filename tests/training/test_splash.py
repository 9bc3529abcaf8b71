"""What the attention kernel promises: dense attention's results, for packed rows, past the window, whatever is kept.

The kernel runs in Pallas' interpreter here: what it computes is what it computes on a TPU, but for rounding.
"""

from dataclasses import replace
from itertools import pairwise
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from tests.training.helpers import TINY_GEMMA3, computation, drawn_network
from training.loop.computation import DENSE, INTERPRETED
from training.loop.update import Inputs, losses_in_pieces, summed_gradient
from training.models import TINY, Shape
from training.network.gemma import tensor_name
from training.network.remat import LEVELS, kept_bytes
from training.network.splash import SplashMask, attend, block_length, executed_blocks, fits
from training.preflight.operations import count_operations

VOCABULARY = 512
# Heads that the kernel takes, and a window that a trace passes; gemma2 has both kinds of layers, and the soft cap.
GEMMA2 = replace(TINY.shape, embed=64, hidden=128, heads=4, key_value_heads=2, head=128, sliding_window=128)
GEMMA3 = replace(TINY_GEMMA3, head=128, sliding_window=128)
SHAPES = pytest.mark.parametrize("shape", [GEMMA2, GEMMA3], ids=["gemma2", "gemma3"])


def packed(rows: list[list[int]], length: int) -> Inputs:
    """Rows of traces of these lengths, with padding behind them."""
    generator = np.random.default_rng(7)
    tokens = generator.integers(3, VOCABULARY, (len(rows), length), dtype=np.int32)
    segments = np.zeros_like(tokens)
    for row, lengths in enumerate(rows):
        ends = np.cumsum(lengths)
        for number, (end, trace) in enumerate(zip(ends, lengths, strict=True), 1):
            segments[row, end - trace : end] = number
    weights = ((segments > 0) & (generator.random(tokens.shape) < 0.7)).astype(np.float32)
    arrays = (tokens, segments, np.roll(tokens, -1, axis=1), weights, np.float32(0))
    return Inputs(*map(jnp.asarray, arrays))


def gradient_of(
    shape: Shape, inputs: Inputs, attention: str, remat: str = "none"
) -> tuple[float, dict[str, Any]]:
    network, _ = drawn_network(shape, VOCABULARY)
    network.remat = remat
    how = computation(micro_batches=2, attention=attention)
    gradient, loss = nnx.jit(lambda n, i: summed_gradient(n, i, how))(network, inputs)
    return float(loss.total), {
        tensor_name(path): np.asarray(leaf[...]) for path, leaf in nnx.to_flat_state(gradient)
    }


ROWS = [
    [300, 180, 120],
    [640],
]  # traces past the window, one of them alone in its row; 40 and 0 places of padding


@pytest.mark.slow
@pytest.mark.parametrize(("shape", "remat"), [(GEMMA2, "none"), (GEMMA2, "projections"), (GEMMA3, "up")])
def test_its_gradient_is_that_of_dense_attention(shape: Shape, remat: str) -> None:
    inputs = packed(ROWS, 640)
    dense_loss, dense = gradient_of(shape, inputs, DENSE)
    loss, splash = gradient_of(shape, inputs, INTERPRETED, remat)
    assert loss == pytest.approx(dense_loss, rel=1e-5)
    assert splash.keys() == dense.keys()
    for name, expected in dense.items():
        scale = float(np.abs(expected).max())
        assert scale > 0, name
        np.testing.assert_allclose(splash[name], expected, rtol=0, atol=2e-4 * scale, err_msg=name)


@pytest.mark.slow
@pytest.mark.parametrize(
    "shape", [replace(GEMMA2, layers=1), replace(GEMMA3, layers=1)], ids=["gemma2", "gemma3"]
)
def test_what_is_computed_again_changes_nothing(shape: Shape) -> None:
    inputs = packed([[100, 28], [90]], 128)
    loss, gradient = gradient_of(shape, inputs, DENSE)
    for remat in LEVELS[1:]:
        again_loss, again = gradient_of(shape, inputs, DENSE, remat)
        assert again_loss == pytest.approx(loss, rel=1e-6)
        for name, expected in gradient.items():
            scale = float(np.abs(expected).max())
            assert scale > 0, name
            np.testing.assert_allclose(again[name], expected, rtol=0, atol=1e-5 * scale, err_msg=name)


def test_a_level_keeps_what_it_says_and_less_than_the_one_before() -> None:
    """Counted by the products that the backward pass computes again."""
    inputs, shape, how = packed([[128]], 128), replace(GEMMA2, layers=1), computation(attention=INTERPRETED)
    counted = []
    for level in LEVELS:
        network, _ = drawn_network(shape, VOCABULARY, remat=level)
        graph, state = nnx.split(network)

        def gradient(state: Any, inputs: Inputs, graph: Any = graph) -> Any:
            return summed_gradient(nnx.merge(graph, state), inputs, how)

        counted.append(count_operations(jax.make_jaxpr(gradient)(state, inputs).jaxpr))
    none, elementwise, *others = counted
    # But for the adapter's inner products, of rank 4, nothing that "none" does not compute as well.
    assert none <= elementwise < 1.02 * none
    for fewer, more in pairwise([elementwise, *others]):
        assert more > fewer
    kept = [kept_bytes(shape, level, "bfloat16") for level in LEVELS]
    assert kept == sorted(kept, reverse=True)
    assert len(set(kept)) == len(LEVELS)


@SHAPES
def test_its_losses_are_those_of_dense_attention_at_every_place_of_a_trace(shape: Shape) -> None:
    network, _ = drawn_network(shape, VOCABULARY)
    inputs = packed(ROWS, 640)
    dense, splash = (
        np.asarray(nnx.jit(lambda n, *a, how=how: losses_in_pieces(n, a, how))(network, *inputs[:3]))
        for how in (computation(), computation(attention=INTERPRETED))
    )
    of_traces = np.asarray(inputs.segments) > 0
    np.testing.assert_allclose(splash[of_traces], dense[of_traces], rtol=1e-4, atol=1e-4)
    assert np.isfinite(splash).all()


@pytest.mark.parametrize("window", [None, 256])
def test_blocks_that_share_no_trace_are_left_out_and_nothing_changes(window: int | None) -> None:
    """Rows of many blocks, in which traces begin and end inside blocks, on their edges and behind each other."""
    generator = np.random.default_rng(1)
    length, block = 1536, 128
    query, key, value = (
        jnp.asarray(generator.standard_normal((1, length, heads, 128)), dtype=jnp.float32)
        for heads in (2, 1, 1)
    )
    segments = np.zeros((1, length), dtype=np.int32)
    edges = [0, 128, 384, 500, 501, 900, 1280, 1400]
    for number, (start, end) in enumerate(pairwise(edges), 1):
        segments[0, start:end] = number
    numbers = jnp.asarray(segments)
    observed = attend(
        query * 0.1, key, value, SplashMask(numbers, interpreted=True), window, 20.0, "kept", block
    )
    scores = jnp.einsum("bqhd,bkd->bhqk", query * 0.1, key[:, :, 0])
    scores = jnp.tanh(scores / 20.0) * 20.0
    places = np.arange(length)
    distance = places[:, None] - places[None, :]
    seen = (segments[0][:, None] == segments[0][None, :]) & (distance >= 0)
    seen &= distance < (window or length)
    weights = jnp.where(seen, jnp.exp(scores - scores.max()), 0)
    expected = jnp.einsum("bhqk,bkd->bqhd", weights / weights.sum(-1, keepdims=True), value[:, :, 0])
    np.testing.assert_allclose(observed, expected, rtol=0, atol=2e-5)
    blocks = seen.reshape(length // block, block, length // block, block).any(axis=(1, 3))
    assert executed_blocks(segments[0], window, block) == blocks.sum()
    assert executed_blocks(np.ones(length, dtype=np.int32), window, block) > 1.3 * blocks.sum()


@pytest.mark.parametrize(
    ("length", "block"), [(128, 128), (640, 128), (768, 384), (1024, 512), (1536, 512), (8192, 512)]
)
def test_blocks_divide_the_row(length: int, block: int) -> None:
    assert block_length(length) == block


def test_other_lengths_and_heads_are_left_to_dense_attention() -> None:
    assert fits(8192, 256)
    assert fits(640, 128)
    assert not fits(700, 256)
    assert not fits(768, 48)
