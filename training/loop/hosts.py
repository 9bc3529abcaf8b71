"""Several hosts that train one run together: who speaks, who writes, and what they agree on.

Every host runs the same command. The first (host 0) makes the run's folder, writes everything in it but its share of
Orbax's checkpoints, and speaks; the others read that folder, which all of them must see.
"""

import os
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace

import jax
import numpy as np
from flax import nnx
from jax.experimental import multihost_utils

from training.errors import HostsError
from training.loop.budget import Budget
from training.network.gemma import Network

ANOTHER = "another host was told to stop"
ADDRESS, COUNT, NUMBER = "JAX_COORDINATOR_ADDRESS", "JAX_NUM_PROCESSES", "JAX_PROCESS_ID"


def join(environment: Mapping[str, str] = os.environ) -> None:
    """Join the other hosts when the environment names a coordinator; must come before anything else of JAX.

    `JAX_COORDINATOR_ADDRESS` is host:port of the first, `JAX_NUM_PROCESSES` how many they are, `JAX_PROCESS_ID` which
    this is, from 0. Raises `HostsError` when they can't be used, the others don't come, or there is no device.
    """
    address = environment.get(ADDRESS)
    if address is None:
        _look_for_devices()
        return
    try:
        count, number = int(environment[COUNT]), int(environment[NUMBER])
    except (KeyError, ValueError):
        raise HostsError(
            f"{ADDRESS} is set, and {COUNT} = {environment.get(COUNT)}, {NUMBER} = {environment.get(NUMBER)}; "
            "set both to numbers, or neither of the three"
        ) from None
    try:
        jax.distributed.initialize(address, count, number)
    except (RuntimeError, ValueError) as error:
        raise HostsError(f"{ADDRESS} = {address}: host {number} of {count} can't join ({error})") from error
    _look_for_devices()


def _look_for_devices() -> None:
    """Raises `HostsError` when JAX finds none of those that it is to use."""
    try:
        jax.devices()
    except RuntimeError as error:
        reason = str(error).strip().splitlines()[0]
        raise HostsError(
            f"no device to train on: {reason}; JAX_PLATFORMS names what is looked for, without it the CPU will do"
        ) from error


@contextmanager
def standard_output_kept(environment: Mapping[str, str] = os.environ) -> Iterator[None]:
    """What libraries print to standard output goes to standard error: Gloo says there whom it is connected to."""
    if ADDRESS not in environment:
        yield
        return
    sys.stdout.flush()
    kept = os.dup(1)
    try:
        os.dup2(2, 1)
        yield
    finally:
        os.dup2(kept, 1)
        os.close(kept)


def first() -> bool:
    """Whether this is the host that writes and speaks; always so where there is one."""
    return jax.process_index() == 0


def speaking(say: Callable[[str], None]) -> Callable[[str], None]:
    """`say` on the first host, silence on the others."""
    return say if first() else lambda _line: None


@contextmanager
def first_before_others() -> Iterator[None]:
    """The block on the first host, then on the others, who raise `HostsError` when it failed there.

    All leave it together.
    """
    if jax.process_count() == 1:
        yield
        return
    if not first() and not _told(went_well=False):
        raise HostsError("the first host gave up; its message says why")
    went_well = False
    try:
        yield
        went_well = True
    finally:
        if first():
            _told(went_well=went_well)
    meet("first before others")


def meet(where: str) -> None:
    """Wait until all hosts have come to the place `where`."""
    if jax.process_count() > 1:
        multihost_utils.sync_global_devices(where)


def agreed(reason: str | None) -> str | None:
    """A host's reason to stop, or that another has one; all of them have to ask."""
    if jax.process_count() == 1:
        return reason
    somebody = bool(np.any(multihost_utils.process_allgather(np.asarray(reason is not None))))
    return reason or (ANOTHER if somebody else None)


def shared(budget: Budget) -> Budget:
    """The budget by the first host's clock, on all of them: they have to look at it together."""
    if jax.process_count() == 1:
        return budget
    return replace(budget, elapsed=lambda: _of_first(budget.elapsed()))


def _of_first(number: float) -> float:
    """The first host's number, on all of them; float64, bit for bit."""
    halves = np.frombuffer(np.float64(number).tobytes(), dtype=np.uint32)
    told = np.asarray(multihost_utils.broadcast_one_to_all(halves), dtype=np.uint32)
    return float(np.frombuffer(told.tobytes(), dtype=np.float64)[0])


def local_copy(network: Network) -> Network:
    """The network as this host has it, for what it does without the others. Every weight is on every host."""
    if jax.process_count() == 1:
        return network
    graph, state = nnx.split(network)
    copy: Network = nnx.merge(graph, jax.tree.map(lambda leaf: leaf.addressable_data(0), state))
    return copy


def _told(*, went_well: bool) -> bool:
    """What the first host says of its own block, on all of them."""
    return bool(multihost_utils.broadcast_one_to_all(np.asarray(went_well)))
