"""The step of a run as a program for devices that are not here: the same function, shapes, shardings and donation."""

import math
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx
from jax.sharding import NamedSharding

from training.loop.computation import EVERYWHERE, ROWS
from training.loop.devices import Devices
from training.loop.step import Step
from training.loop.update import Inputs, build_optimizer
from training.models import Shape
from training.network.gemma import abstract_network
from training.settings import Settings


@dataclass(frozen=True)
class Program:
    """A step traced for its devices: the jaxpr that its operations are counted in, and what is compiled.

    `argument_bytes` of a device are those of the arrays that it is called with.
    """

    jaxpr: Any
    lowered: Any
    devices: int
    argument_bytes: int


def step_program(shape: Shape, vocabulary: int, settings: Settings, devices: Devices) -> Program:
    """The step that a run of these settings compiles on `devices`. No array is made."""
    network = abstract_network(shape, vocabulary, settings)
    optimizer = nnx.eval_shape(
        lambda network: nnx.Optimizer(network, build_optimizer(settings), wrt=nnx.LoRAParam), network
    )
    rows, everywhere = (NamedSharding(devices.computation.mesh, spec) for spec in (ROWS, EVERYWHERE))
    nnx.update(network, _placed(nnx.state(network), devices.shardings(network)))
    moments = nnx.state(optimizer)
    nnx.update(optimizer, _placed(moments, jax.tree.map(lambda _: everywhere, moments)))
    batch = (settings.batch, settings.length)
    inputs = Inputs(
        tokens=_array(batch, jnp.int32, rows),
        segments=_array(batch, jnp.int32, rows),
        targets=_array(batch, jnp.int32, rows),
        weights=_array(batch, jnp.float32, rows),
        rate=_array((), jnp.float32, everywhere),
    )
    step = Step(network, optimizer, devices.computation)
    arguments = step.arguments(inputs)
    traced = step.compiled_as.trace(*arguments)
    return Program(traced.jaxpr.jaxpr, traced.lower(), devices.count, bytes_of_a_device(arguments))


def bytes_of_a_device(arrays: Any) -> int:
    """Bytes that one device holds of arrays, or of what stands in their places."""
    return sum(
        math.prod(leaf.sharding.shard_shape(leaf.shape)) * leaf.dtype.itemsize
        for leaf in jax.tree.leaves(arrays)
    )


def _placed(state: Any, shardings: Any) -> Any:
    return jax.tree.map(lambda leaf, sharding: _array(leaf.shape, leaf.dtype, sharding), state, shardings)


def _array(shape: tuple[int, ...], dtype: Any, sharding: NamedSharding) -> Any:
    return jax.ShapeDtypeStruct(shape, dtype, sharding=sharding)  # type: ignore[no-untyped-call]
