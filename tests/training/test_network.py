"""What the network promises: Tunix's Gemma, LoRA that is really trained, and traces that don't see each other."""

import jax
import jax.numpy as jnp
import numpy as np
import numpy.typing as npt
import pytest
from flax import nnx
from tunix.models.gemma import model as gemma2
from tunix.models.gemma3 import model as gemma3

from tests.training.helpers import TINY_GEMMA3, computation, drawn_network, sums
from training.batches.packing import pack
from training.batches.templates import encode_traces, template_of
from training.batches.tokenizer import Tokenizer
from training.loop.loss import isolating_mask, soft_capped
from training.loop.update import Inputs, summed_gradient
from training.models import GEMMA2, TINY, Shape
from training.network.gemma import (
    Network,
    adapter_tensors,
    base_tensors,
    load_adapter,
    model_config,
    tensor_name,
)
from training.network.tensors import tensors_digest

Row = tuple[npt.NDArray[np.int32], npt.NDArray[np.int32]]

VOCABULARY = 512
LENGTH = 300  # more than twice the sliding windows
SHAPES = pytest.mark.parametrize("shape", [TINY.shape, TINY_GEMMA3], ids=["gemma2", "gemma3"])


@pytest.fixture(scope="module")
def row(tokenizer: Tokenizer) -> Row:
    """A real row: traces packed together, as tokens and segments, [1, L] each."""
    traces = encode_traces(template_of("gemma-think/1"), tokenizer, *map(list, zip(*sums(20), strict=True)))
    lengths = np.array([len(trace.ids) for trace in traces])
    fullest = max(pack(range(20), lengths, LENGTH), key=len)
    tokens = np.zeros((1, LENGTH), dtype=np.int32)
    segments = np.zeros((1, LENGTH), dtype=np.int32)
    for number, (offset, sample) in enumerate(fullest, 1):
        tokens[0, offset : offset + lengths[sample]] = traces[sample].ids
        segments[0, offset : offset + lengths[sample]] = number
    assert len(fullest) >= 3
    return tokens, segments


@nnx.jit
def logits(network: Network, tokens: jax.Array, segments: jax.Array) -> jax.Array:
    positions = jnp.broadcast_to(jnp.arange(tokens.shape[1]), tokens.shape)
    hidden, _ = network(tokens, positions, None, isolating_mask(segments))
    result: jax.Array = network.embedder.decode(hidden)
    return result


@SHAPES
def test_it_computes_what_tunixs_own_gemma_computes(row: Row, shape: Shape) -> None:
    """Without its adapter (B zero), softcap aside: that belongs to the loss."""
    tokens, segments = row
    plain, _ = drawn_network(shape, VOCABULARY, trained=False)
    kind = gemma2.Gemma if shape.family == GEMMA2 else gemma3.Gemma3
    stock = kind(model_config(shape, VOCABULARY), rngs=nnx.Rngs(0))
    state = nnx.state(stock, nnx.Param)
    base = base_tensors(plain)
    for path, variable in nnx.to_flat_state(state):
        variable.set_value(jnp.asarray(base[tensor_name(path)]))
    nnx.update(stock, state)
    positions = jnp.broadcast_to(jnp.arange(LENGTH), tokens.shape)
    expected, _ = nnx.jit(lambda m, t: m(t, positions, None, isolating_mask(jnp.asarray(segments))))(
        stock, tokens
    )
    observed = soft_capped(logits(plain, jnp.asarray(tokens), jnp.asarray(segments)), shape.logit_softcap)
    np.testing.assert_allclose(observed, expected, rtol=1e-5, atol=1e-5)


@SHAPES
def test_every_tensor_of_the_adapter_has_a_gradient(row: Row, shape: Shape) -> None:
    network, _ = drawn_network(shape, VOCABULARY)
    tokens, segments = (jnp.asarray(part) for part in row)
    weights = jnp.asarray(segments > 0, dtype=jnp.float32)
    inputs = Inputs(tokens, segments, jnp.roll(tokens, -1, axis=1), weights, jnp.float32(0))
    gradients, _ = nnx.jit(lambda n, i: summed_gradient(n, i, computation()))(network, inputs)
    norms = {
        tensor_name(path): float(jnp.abs(leaf[...]).max()) for path, leaf in nnx.to_flat_state(gradients)
    }
    assert norms.keys() == adapter_tensors(network).keys()
    assert len(norms) == 2 * 6 * shape.layers
    assert all(norm > 1e-5 for norm in norms.values()), min(norms.items(), key=lambda item: item[1])


@SHAPES
@pytest.mark.parametrize("changed", [1, 2, 3])
def test_changing_one_trace_leaves_its_neighbours_logits_bit_for_bit(
    row: Row, shape: Shape, changed: int
) -> None:
    network, _ = drawn_network(shape, VOCABULARY)
    tokens, segments = row
    other = np.where(segments == changed, (tokens + 7) % 400, tokens)
    before, after = (
        np.asarray(logits(network, jnp.asarray(t), jnp.asarray(segments))) for t in (tokens, other)
    )
    mine = segments == changed
    assert np.array_equal(before[~mine], after[~mine])
    assert not np.array_equal(before[mine], after[mine])


@SHAPES
def test_a_packed_trace_has_the_logits_that_it_has_alone(row: Row, shape: Shape) -> None:
    """Also behind the sliding window: positions are absolute, and only distances count."""
    network, _ = drawn_network(shape, VOCABULARY)
    tokens, segments = row
    packed = np.asarray(logits(network, jnp.asarray(tokens), jnp.asarray(segments)))
    last = int(segments.max())
    [places] = np.nonzero(segments[0] == last)
    assert places[0] > shape.sliding_window
    alone = np.zeros_like(tokens)
    alone[0, : len(places)] = tokens[0, places]
    expected = np.asarray(logits(network, jnp.asarray(alone), jnp.asarray(alone > 0, dtype=jnp.int32)))
    np.testing.assert_allclose(packed[0, places], expected[0, : len(places)], rtol=1e-4, atol=1e-4)


def test_the_base_is_frozen_and_nothing_in_it_is_dead() -> None:
    network, digest = drawn_network(TINY.shape, VOCABULARY)
    base = base_tensors(network)
    assert digest == tensors_digest(base)
    assert digest == "68f585d92e369d79a585303dddf8c2416f00c03c6fa56d6aca8a23e7709497b8"
    assert all(float(tensor.std()) > 0.03 for tensor in base.values())


def test_the_base_does_not_depend_on_the_adapter() -> None:
    [(_, one), (_, other)] = (
        drawn_network(TINY.shape, VOCABULARY, rank=rank, alpha=1.0, seed=seed)
        for rank, seed in ((2, 1), (8, 2))
    )
    assert one == other


def test_a_new_adapter_changes_nothing_yet(row: Row) -> None:
    tokens, segments = (jnp.asarray(part) for part in row)
    small, _ = drawn_network(TINY.shape, trained=False, rank=2, alpha=1.0)
    large, _ = drawn_network(TINY.shape, trained=False, rank=8, alpha=9.0, seed=2)
    assert np.array_equal(logits(small, tokens, segments), logits(large, tokens, segments))


def test_an_adapter_that_was_loaded_is_the_one_read_back() -> None:
    trained, _ = drawn_network(TINY.shape)
    other, _ = drawn_network(TINY.shape, trained=False, seed=9)
    load_adapter(other, adapter_tensors(trained))
    assert tensors_digest(adapter_tensors(other)) == tensors_digest(adapter_tensors(trained))
    assert jax.tree.all(jax.tree.map(lambda tensor: tensor.dtype == np.float32, adapter_tensors(other)))


@SHAPES
def test_the_digest_is_the_bases_own_whatever_the_precision_of_the_run(shape: Shape) -> None:
    exact, exact_digest = drawn_network(shape)
    rounded, rounded_digest = drawn_network(shape, precision="bfloat16")
    assert exact_digest == rounded_digest
    assert {str(leaf.dtype) for leaf in jax.tree.leaves(nnx.state(rounded, nnx.Not(nnx.LoRAParam)))} == {
        "bfloat16"
    }
    assert {str(leaf.dtype) for leaf in jax.tree.leaves(nnx.state(exact))} == {"float32"}
