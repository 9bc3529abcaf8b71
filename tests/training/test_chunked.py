"""What chunked attention promises: dense attention's results, for packed rows, past the window, for any chunk."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import numpy.typing as npt
import pytest

from tests.training.helpers import computation, drawn_network
from tests.training.test_splash import GEMMA2, GEMMA3, ROWS, VOCABULARY, gradient_of, packed
from training.loop.computation import CHUNKED, DENSE
from training.loop.update import losses_in_pieces
from training.models import Shape
from training.network.chunked import ChunkedMask, attend

LENGTH, HEADS, SIZE = 300, 4, 16
Arrays = tuple[jax.Array, ...]


def drawn(key_heads: int) -> tuple[Arrays, npt.NDArray[np.int32]]:
    """Queries, keys, values, and segments: traces of 130, 1, 100 and 49 tokens, and padding."""
    generator = np.random.default_rng(5)
    shapes = [(2, LENGTH, heads, SIZE) for heads in (HEADS, key_heads, key_heads)]
    arrays = tuple(jnp.asarray(generator.standard_normal(shape), dtype=jnp.float32) for shape in shapes)
    row = np.repeat([1, 2, 3, 4, 0], [130, 1, 100, 49, 20]).astype(np.int32)
    return arrays, np.stack([row, np.where(row == 0, 0, 1)])


def reference(
    arrays: Arrays, segments: npt.NDArray[np.int32], window: int | None, softcap: float | None
) -> Any:
    """Attention as it is defined, all scores at once."""
    query, key, value = arrays
    key, value = (jnp.repeat(array, HEADS // array.shape[2], axis=2) for array in (key, value))
    scores = jnp.einsum("bqhd,bkhd->bhqk", query, key)
    scores = scores if softcap is None else jnp.tanh(scores / softcap) * softcap
    distance = np.arange(LENGTH)[:, None] - np.arange(LENGTH)[None, :]
    seen = (segments[:, :, None] == segments[:, None, :]) & (distance >= 0) & (distance < (window or LENGTH))
    weights = jax.nn.softmax(jnp.where(seen[:, None], scores, -1e30), axis=-1)
    return jnp.einsum("bhqk,bkhd->bqhd", weights, value)


@pytest.mark.parametrize(
    ("key_heads", "window", "softcap", "queries"),
    [(2, None, 5.0, 64), (1, 64, None, 70), (4, 64, 5.0, 128), (2, 1000, None, 1024)],
)
def test_it_is_attention_forward_and_backward(
    key_heads: int, window: int | None, softcap: float | None, queries: int
) -> None:
    arrays, segments = drawn(key_heads)
    mask = ChunkedMask(jnp.asarray(segments), queries)

    def attended(arrays: Arrays) -> jax.Array:
        query, key, value = arrays
        return attend(query, key, value, mask, window, softcap, "kept")

    # A weight for each place: a plain sum would hide what one place gives to another.
    weights = jnp.asarray(np.random.default_rng(6).standard_normal(arrays[0].shape), dtype=jnp.float32)
    ours = jax.value_and_grad(lambda arrays: jnp.sum(attended(arrays) * weights))(arrays)
    exact = jax.value_and_grad(
        lambda arrays: jnp.sum(reference(arrays, segments, window, softcap) * weights)
    )(arrays)
    for one, other in zip(jax.tree.leaves(ours), jax.tree.leaves(exact), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-4 * float(jnp.abs(other).max()))


@pytest.mark.slow
@pytest.mark.parametrize(("shape", "remat"), [(GEMMA2, "none"), (GEMMA2, "projections"), (GEMMA3, "up")])
def test_a_networks_gradient_is_that_of_dense_attention(shape: Shape, remat: str) -> None:
    inputs = packed(ROWS, 640)
    dense_loss, dense = gradient_of(shape, inputs, DENSE)
    loss, chunked = gradient_of(shape, inputs, CHUNKED, remat)
    assert loss == pytest.approx(dense_loss, rel=1e-5)
    for name, expected in dense.items():
        scale = float(np.abs(expected).max())
        assert scale > 0, name
        np.testing.assert_allclose(chunked[name], expected, rtol=0, atol=1e-4 * scale, err_msg=name)


def test_no_array_of_a_step_has_all_scores() -> None:
    """Rows of 4,096: of a step with chunked attention no array in the program has 4,096 × 4,096 places."""
    network, _ = drawn_network(GEMMA2, VOCABULARY)
    inputs = packed([[4096]], 4096)
    for attention, expected in ((CHUNKED, False), (DENSE, True)):
        how = computation(attention=attention)
        jaxpr = jax.make_jaxpr(lambda *a, how=how: losses_in_pieces(network, a, how))(*inputs[:3])
        assert ("4096,4096]" in str(jaxpr)) is expected
