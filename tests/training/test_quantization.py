"""What `quantize = "nf4"` promises: the same adapter on a smaller base, which computes nearly alike."""

import math
from dataclasses import replace
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import numpy.typing as npt
import pytest
from flax import nnx
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from tests.training.helpers import TINY_GEMMA3, Requests, computation, drawn_network, record_of
from training.loop.update import Inputs, batch_losses, summed_gradient
from training.models import GEMMA2, GEMMA3, MODELS, TINY, Shape
from training.network.gemma import Network, adapter_tensors, tensor_name
from training.network.quantization import BLOCK, CODES, SCALES, lora_rules, quantize
from training.network.tensors import tensors_digest
from training.run import train_adapter
from training.weights.names import network_names

VOCABULARY = 512
LENGTH = 160
KINDS = ("none", "nf4")
# Appendix E of arXiv:2305.14314.
NF4 = np.array(
    [
        *(-1.0, -0.6961928, -0.5250731, -0.3949175, -0.2844414, -0.1847734, -0.09105, 0.0),
        *(0.0795803, 0.1609302, 0.2461123, 0.3379152, 0.4407098, 0.562617, 0.7229568, 1.0),
    ]
)

Pair = dict[str, tuple[Network, str]]


@pytest.fixture(
    scope="module",
    params=[
        pytest.param(TINY.shape, id=GEMMA2),
        pytest.param(replace(TINY_GEMMA3, layers=2), id=GEMMA3, marks=pytest.mark.slow),
    ],
)
def shape(request: pytest.FixtureRequest) -> Shape:
    shape: Shape = request.param
    return shape


@pytest.fixture(scope="module")
def pair(shape: Shape) -> Pair:
    """The same network on its whole base and on the quantized one, each with the base's digest."""
    return {kind: drawn_network(shape, VOCABULARY, quantize=kind) for kind in KINDS}


def rows() -> tuple[jax.Array, jax.Array, jax.Array]:
    tokens = np.random.default_rng(0).integers(1, VOCABULARY, (2, LENGTH))
    return jnp.asarray(tokens), jnp.ones((2, LENGTH), jnp.int32), jnp.asarray(np.roll(tokens, -1, 1))


@nnx.jit
def losses(network: Network) -> jax.Array:
    return batch_losses(network, *rows())


def base_variables(network: Network) -> dict[str, jax.Array]:
    state = nnx.to_flat_state(nnx.state(network, nnx.All(nnx.Param, nnx.Not(nnx.LoRAParam))))
    return {tensor_name(path): variable.get_value() for path, variable in state}


def values_of(variables: dict[str, jax.Array], name: str) -> jax.Array:
    """What a tensor in four bits stands for, worked out from the paper."""
    codes, scales = variables[name + CODES], variables[name + SCALES]
    for axis, (size, count) in enumerate(zip(codes.shape, scales.shape, strict=True)):
        scales = jnp.repeat(scales, size // count, axis)
    return jnp.asarray(NF4, dtype=jnp.float32)[codes.astype(jnp.int32)] * scales


def test_it_computes_with_the_values_that_the_codes_stand_for(shape: Shape, pair: Pair) -> None:
    plain, _ = drawn_network(shape, VOCABULARY)
    variables = base_variables(pair["nf4"][0])
    state = nnx.state(plain, nnx.All(nnx.Param, nnx.Not(nnx.LoRAParam)))
    for path, variable in nnx.to_flat_state(state):
        if (name := tensor_name(path)) + CODES in variables:
            variable.set_value(values_of(variables, name))
    nnx.update(plain, state)
    np.testing.assert_allclose(losses(pair["nf4"][0]), losses(plain), rtol=1e-4, atol=1e-4)


def test_its_losses_are_near_those_of_the_whole_base(pair: Pair) -> None:
    """Of a random network, whose uniform weights suit NF4 badly: the mean of 6.6 to 7.2 nats within 0.05."""
    whole, quantized = (float(losses(pair[kind][0]).mean()) for kind in KINDS)
    assert 0 < abs(whole - quantized) < 0.05


def test_every_tensor_of_the_adapter_is_the_same_and_has_a_gradient(pair: Pair) -> None:
    network, _ = pair["nf4"]
    tokens, segments, targets = rows()
    inputs = Inputs(tokens, segments, targets, jnp.ones(tokens.shape), jnp.float32(0))
    gradient, _ = nnx.jit(summed_gradient, static_argnums=2)(network, inputs, computation())
    largest = {
        tensor_name(path): float(jnp.abs(leaf[...]).max()) for path, leaf in nnx.to_flat_state(gradient)
    }
    assert min(largest.values()) > 1e-4
    one, other = (adapter_tensors(network) for network, _ in pair.values())
    assert largest.keys() == one.keys()
    assert tensors_digest(one) == tensors_digest(other)


def test_a_weight_takes_four_bits_and_a_block_one_scale(shape: Shape, pair: Pair) -> None:
    """On a CPU, JAX gives four bits a byte of their own."""
    variables, sizes = base_variables(pair["nf4"][0]), network_names(shape, VOCABULARY)
    quantized = [name for name in sizes if name + CODES in variables]
    assert len(quantized) == 6 * shape.layers
    for name in quantized:
        codes, scales = variables[name + CODES], variables[name + SCALES]
        assert (codes.dtype, codes.shape, scales.dtype) == (jnp.uint4, sizes[name], jnp.float32)
        heads, tile = (shape.heads, math.gcd(BLOCK, shape.head)) if "attn_vec" in name else (1, BLOCK)
        assert codes.size / scales.size == heads * tile
    whole, four = (
        sum(
            array.nbytes
            for name, array in base_variables(pair[kind][0]).items()
            if "einsum" in name or "_proj" in name
        )
        for kind in KINDS
    )
    assert four < 0.35 * whole


def test_scales_are_in_the_precision_of_the_run(shape: Shape) -> None:
    network, _ = drawn_network(shape, VOCABULARY, quantize="nf4", precision="bfloat16")
    assert {str(array.dtype) for array in base_variables(network).values()} == {"uint4", "bfloat16"}


@pytest.mark.parametrize("name", [name for name, model in MODELS.items() if model.base_seed is None])
def test_a_real_models_blocks_are_the_papers(name: str) -> None:
    settings = MODELS[name].defaults
    rules = lora_rules(MODELS[name].shape, replace(settings, quantize="nf4"))
    assert [(rule.weight_qtype, rule.tile_size) for rule in rules] == [("nf4", 64)] * 3
    assert {(rule.weight_qtype, rule.tile_size) for rule in lora_rules(MODELS[name].shape, settings)} == {
        (None, None)
    }


def test_the_base_digest_is_that_of_the_whole_base_and_the_bits_repeat(shape: Shape, pair: Pair) -> None:
    assert pair["nf4"][1] == pair["none"][1]
    again, digest = drawn_network(shape, VOCABULARY, quantize="nf4")
    assert digest == pair["nf4"][1]
    one, other = base_variables(pair["nf4"][0]), base_variables(again)
    assert one.keys() == other.keys()
    assert all(jnp.array_equal(one[name], other[name]) for name in one)


@given(
    arrays.arrays(np.float32, (2, 128, 3), elements=st.floats(-4, 4, width=16)), st.sampled_from([1, 2, 4])
)
def test_every_weight_becomes_the_nearest_value_of_its_block(
    tensor: npt.NDArray[np.float32], blocks: int
) -> None:
    codes, scales = (np.asarray(part) for part in quantize(tensor, (2, blocks, 3), "float32"))
    assert np.isfinite(scales).all()
    largest = np.abs(tensor.reshape(2, blocks, -1, 3)).max(axis=2)
    np.testing.assert_allclose(scales[largest > 0], largest[largest > 0], rtol=1e-6)
    each = np.repeat(scales, 128 // blocks, axis=1)
    error = np.abs(NF4[codes.astype(int)] * each - tensor)
    best = np.abs(NF4 * each[..., None] - tensor[..., None]).min(axis=-1)
    np.testing.assert_allclose(error, best, atol=1e-5)


@pytest.mark.slow
def test_a_run_on_a_quantized_base_learns_and_repeats(request_for: Requests, tmp_path: Path) -> None:
    digests = set()
    for name in ("one", "other"):
        train_adapter(request_for("one", tmp_path / name, steps=4, quantize="nf4"), lambda _line: None)
        record = record_of(tmp_path / name)
        assert record["held_out_last"]["loss"] < record["held_out_first"]["loss"]
        digests.add(record["adapter_digest"])
    assert len(digests) == 1
