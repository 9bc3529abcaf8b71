"""What counting operations promises: matrix products alone, times the trips of every loop around them."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import Mesh, PartitionSpec

from training.network.splash import SplashMask, attend
from training.preflight.operations import count_operations

LEFT, RIGHT = np.ones((4, 8)), np.ones((8, 16))
ONCE = 2 * 4 * 8 * 16


def count(function: Callable[..., Any], *arguments: Any) -> float:
    return count_operations(jax.make_jaxpr(function)(*arguments).jaxpr)


def test_a_product_is_two_operations_for_each_term_of_each_result() -> None:
    assert count(jnp.dot, LEFT, RIGHT) == ONCE
    assert (
        count(lambda a, b: jnp.einsum("bij,bkj->bik", a, b), jnp.ones((3, 4, 8)), jnp.ones((3, 16, 8)))
        == 3 * ONCE
    )
    assert count(lambda a: jnp.tanh(a) + a, LEFT) == 0


def test_a_loop_counts_for_each_of_its_trips_and_a_loop_in_it_for_each_of_theirs() -> None:
    def inner(b: jax.Array) -> Any:
        return jax.lax.map(lambda _: jnp.sum(LEFT @ b), jnp.arange(5)).sum()

    assert count(inner, RIGHT) == 5 * ONCE
    assert count(lambda b: jax.lax.map(lambda _: inner(b), jnp.arange(3)), RIGHT) == 15 * ONCE


def test_what_is_computed_again_counts_again() -> None:
    def loss(a: jax.Array, b: jax.Array) -> jax.Array:
        return jnp.sum(jnp.tanh(jnp.tanh(a @ b) @ b.T))

    plain, again = count(jax.grad(loss), LEFT, RIGHT), count(jax.grad(jax.checkpoint(loss)), LEFT, RIGHT)
    assert plain == 4 * ONCE  # two forward, and by `a` alone two backward
    assert again == 6 * ONCE  # both again: the derivative of tanh needs them


def test_of_branches_the_dearest_counts() -> None:
    function = lambda a, b: jax.lax.cond(a[0, 0] > 0, lambda: jnp.sum(a @ b), lambda: 0.0)  # noqa: E731
    assert count(function, LEFT, RIGHT) == ONCE


def test_a_loop_of_unknown_trips_with_products_in_it_is_refused() -> None:
    def until(a: jax.Array) -> jax.Array:
        return jax.lax.while_loop(lambda x: jnp.sum(x) < 100, lambda x: x @ jnp.ones((8, 8)), a)

    with pytest.raises(NotImplementedError, match="how often it runs"):
        count(until, LEFT)
    assert count(lambda a: jax.lax.while_loop(lambda x: jnp.sum(x) < 100, lambda x: x + 1, a), LEFT) == 0


def test_inside_a_shard_map_the_shapes_are_a_devices_own() -> None:
    mesh = Mesh(np.asarray(jax.devices()[:1]), ("data",))
    spec = PartitionSpec("data")  # type: ignore[no-untyped-call]
    spread = jax.shard_map(lambda a, b: a @ b, mesh=mesh, in_specs=(spec, PartitionSpec()), out_specs=spec)  # type: ignore[no-untyped-call]
    assert count(spread, LEFT, RIGHT) == ONCE


def test_an_attention_kernel_counts_the_blocks_that_it_computes() -> None:
    """Two products forward and seven backward for each block of scores, of 128 queries and keys."""
    length, heads, head = 512, 2, 128
    rows = [jnp.ones((1, length, count, head)) for count in (heads, 1, 1)]
    mask = SplashMask(jnp.ones((1, length), dtype=jnp.int32), interpreted=False)

    def total(query: jax.Array, key: jax.Array, value: jax.Array) -> jax.Array:
        return jnp.sum(attend(query, key, value, mask, None, None, "kept", 128))

    jaxpr = jax.make_jaxpr(jax.grad(total, argnums=(0, 1, 2)))(*rows).jaxpr
    grids: list[tuple[int, ...]] = []

    def share(grid: tuple[int, ...]) -> float:
        grids.append(grid)
        return 10 / 16  # on and below the diagonal of 4 × 4 blocks

    block = 2 * 128 * 128 * head
    beside = 2 * heads * length * head  # the row sums of what comes back times what went out
    assert count_operations(jaxpr, share) == 9 * heads * 10 * block + beside
    assert {int(np.prod(grid)) for grid in grids} == {heads * 16}
