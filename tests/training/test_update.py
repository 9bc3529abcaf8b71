"""What an update promises: each trained token weighs the same, wherever it stands and however the batch is cut."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import numpy.typing as npt
import pytest
from flax import nnx

from tests.training.helpers import TINY_GEMMA3, computation, drawn_network, sums
from training.batches.templates import EncodedTrace, encode_traces, template_of
from training.batches.tokenizer import Tokenizer
from training.loop.loss import LossSum, isolating_mask
from training.loop.update import (
    Inputs,
    build_optimizer,
    in_precision,
    losses_in_pieces,
    summed_gradient,
    update,
)
from training.models import TINY, Shape
from training.network.gemma import Network, adapter_tensors, tensor_name

SHAPES = pytest.mark.parametrize("shape", [TINY.shape, TINY_GEMMA3], ids=["gemma2", "gemma3"])
Gradient = dict[str, npt.NDArray[np.float32]]


@pytest.fixture(scope="module")
def traces(tokenizer: Tokenizer) -> list[EncodedTrace]:
    return encode_traces(template_of("gemma-think/1"), tokenizer, *map(list, zip(*sums(8), strict=True)))


def laid_out(rows: list[list[EncodedTrace]], length: int) -> Inputs:
    """Traces in rows, one behind the other."""
    tokens, segments = np.zeros((2, len(rows), length), dtype=np.int32)
    weights = np.zeros((len(rows), length), dtype=np.float32)
    for row, row_traces in enumerate(rows):
        offset = 0
        for number, trace in enumerate(row_traces, 1):
            end = offset + len(trace.ids)
            tokens[row, offset:end], segments[row, offset:end] = trace.ids, number
            weights[row, offset + trace.loss_start - 1 : offset + trace.loss_end - 1] = 1
            offset = end
    targets = np.zeros_like(tokens)
    targets[:, :-1] = tokens[:, 1:]
    arrays = map(jnp.asarray, (tokens, segments, targets, weights, np.float32(0.1)))
    return Inputs(*arrays)


def gradient_of(network: Network, inputs: Inputs, micro_batches: int = 1) -> tuple[Gradient, LossSum]:
    run: Any = nnx.jit(lambda n, i: summed_gradient(n, i, computation(micro_batches)))
    state, loss = run(network, inputs)
    return {tensor_name(path): np.asarray(leaf[...]) for path, leaf in nnx.to_flat_state(state)}, loss


def assert_close(one: Gradient, other: Gradient) -> None:
    assert one.keys() == other.keys()
    for name in one:
        scale = float(np.abs(one[name]).max())
        assert scale > 0, name
        np.testing.assert_allclose(one[name], other[name], rtol=0, atol=2e-4 * scale, err_msg=name)


@SHAPES
def test_packed_and_unpacked_traces_give_the_same_gradient_past_the_window_too(
    shape: Shape, traces: list[EncodedTrace]
) -> None:
    network, _ = drawn_network(shape)
    longest = max(len(trace.ids) for trace in traces)
    packed = laid_out([traces[:4], traces[4:]], sum(len(trace.ids) for trace in traces))
    assert int((packed.segments[0] > 0).sum()) > 2 * shape.sliding_window
    alone = laid_out([[trace] for trace in traces], longest)
    one, one_loss = gradient_of(network, packed)
    other, other_loss = gradient_of(network, alone)
    assert float(one_loss.tokens) == float(other_loss.tokens)
    np.testing.assert_allclose(one_loss.total, other_loss.total, rtol=1e-5)
    assert_close(one, other)


@SHAPES
@pytest.mark.parametrize("micro_batches", [2, 4])
def test_a_batch_cut_into_very_uneven_micro_batches_gives_the_gradient_of_the_whole(
    shape: Shape, traces: list[EncodedTrace], micro_batches: int
) -> None:
    """One row has three traces, the others hold one token that is trained on, or none."""
    network, _ = drawn_network(shape)
    inputs = laid_out([traces[:3], [traces[3]], [traces[4]], [traces[5]]], 400)
    weights = np.asarray(inputs.weights).copy()
    [trained] = np.nonzero(weights[1])
    weights[1, trained[1:]] = 0
    weights[2:] = 0
    inputs = inputs._replace(weights=jnp.asarray(weights))
    whole, whole_loss = gradient_of(network, inputs)
    cut, cut_loss = gradient_of(network, inputs, micro_batches)
    assert float(whole_loss.tokens) == float(cut_loss.tokens) == weights.sum()
    np.testing.assert_allclose(whole_loss.total, cut_loss.total, rtol=1e-6)
    assert_close(whole, cut)


@pytest.mark.parametrize("micro_batches", [2, 4])
def test_losses_computed_in_pieces_stand_where_those_of_the_whole_batch_stand(
    traces: list[EncodedTrace], micro_batches: int
) -> None:
    network, _ = drawn_network(TINY.shape)
    arrays = laid_out([[trace] for trace in traces[:4]], 200)[:3]
    whole = nnx.jit(lambda n, *a: losses_in_pieces(n, a, computation()))(network, *arrays)
    cut = nnx.jit(lambda n, *a: losses_in_pieces(n, a, computation(micro_batches)))(network, *arrays)
    assert whole.shape == cut.shape == (4, 200)
    np.testing.assert_allclose(cut, whole, rtol=1e-4, atol=1e-5)


def test_an_update_is_adamw_behind_a_clip_at_the_rate_that_it_is_given(traces: list[EncodedTrace]) -> None:
    """Against the formulas of the paper, written out."""
    network, _ = drawn_network(TINY.shape)
    settings = TINY.defaults
    optimizer = nnx.Optimizer(network, build_optimizer(settings), wrt=nnx.LoRAParam)
    inputs = laid_out([traces[:2], traces[2:4]], 300)
    before = adapter_tensors(network)
    gradient, loss = gradient_of(network, inputs)
    updated = nnx.jit(lambda n, o, i: update(n, o, i, computation(2)))(network, optimizer, inputs)
    after = adapter_tensors(network)
    mean = {name: value / float(loss.tokens) for name, value in gradient.items()}
    norm = np.sqrt(sum(float((value.astype(np.float64) ** 2).sum()) for value in mean.values()))
    np.testing.assert_allclose(updated.gradient_norm, norm, rtol=1e-4)
    assert norm != pytest.approx(settings.clip_norm, rel=0.01)
    for name, start in before.items():
        clipped = mean[name] * min(1.0, settings.clip_norm / norm)
        # At the first update the corrected moments are the gradient and its square.
        step = clipped / (np.abs(clipped) + 1e-8) + settings.weight_decay * start
        moved = np.abs(clipped) > 1e-6
        np.testing.assert_allclose(
            (after[name] - start)[moved], (-0.1 * step)[moved], rtol=2e-2, err_msg=name
        )


def test_bfloat16_computes_in_bfloat16_and_keeps_a_float32_adapter(traces: list[EncodedTrace]) -> None:
    network, _ = drawn_network(TINY.shape, precision="bfloat16")
    exact, _ = drawn_network(TINY.shape)
    inputs = laid_out([traces[:2]], 300)
    run = nnx.jit(lambda n, i: summed_gradient(n, i, computation(precision="bfloat16")))
    gradient, loss = run(network, inputs)
    assert {str(leaf.dtype) for leaf in jax.tree.leaves(gradient)} == {"float32"}
    positions = jnp.broadcast_to(jnp.arange(300), (1, 300))
    mask = isolating_mask(inputs.segments)
    hidden, _ = nnx.jit(lambda n, t: in_precision(n, "bfloat16")(t, positions, None, mask))(
        network, inputs.tokens
    )
    assert hidden.dtype == jnp.bfloat16
    _, expected = gradient_of(exact, inputs)
    np.testing.assert_allclose(loss.total, expected.total, rtol=2e-2)
