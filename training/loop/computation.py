"""How a step is computed on its devices. What it computes is the same for every choice here, but for rounding."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax
from jax.sharding import Mesh, PartitionSpec

from training.network.sharding import AXIS

ROWS, EVERYWHERE = PartitionSpec(AXIS), PartitionSpec()  # type: ignore[no-untyped-call]

DENSE, CHUNKED, SPLASH, INTERPRETED = "dense", "chunked", "splash", "splash, interpreted"


@dataclass(frozen=True)
class Computation:
    """What a compiled step was compiled for.

    mesh           the devices, along one axis
    micro_batches  pieces that a device computes its rows in, one after the other
    precision      of the computation, float32 or bfloat16
    attention      dense: all scores at once, on any device. chunked: those of some queries at a time, on any device.
                   splash: JAX's kernel for TPUs, for the shapes that it takes (chunked for others). interpreted: the
                   same kernel on any device, slowly
    """

    mesh: Mesh
    micro_batches: int
    precision: str
    attention: str = DENSE


def on_each_device(
    function: Callable[..., Any], mesh: Mesh, inputs: tuple[Any, ...], outputs: Any
) -> Callable[..., Any]:
    """`function` of what each device holds, run on all of them: nothing crosses the links but where it says so."""
    spread: Callable[..., Any] = jax.shard_map(
        function, mesh=mesh, in_specs=inputs, out_specs=outputs, check_vma=False
    )
    return spread


def sum_over_devices(arrays: Any) -> Any:
    """Inside `on_each_device`: the sums of all devices' arrays. They cross the links."""
    return jax.lax.psum(arrays, AXIS)  # type: ignore[no-untyped-call]
