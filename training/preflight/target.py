"""A TPU to compile for, and what its chips can do."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from jax.experimental import topologies

from training.errors import PreflightError
from training.preflight.absent import ANSWERS
from training.watch.peak import peak_of

EXAMPLES = "v5e:2x4 (Kaggle's eight chips), v5e:2x2, v6e:2x4"
GIB = 2**30

ENVIRONMENT = ANSWERS | {
    "JAX_PLATFORMS": "cpu",
    "ALLOW_MULTIPLE_LIBTPU_LOAD": "1",  # nobody uses a TPU here, so several may compile at a time
}


@dataclass(frozen=True)
class Chip:
    """What the maker's data sheet says of a chip: bytes of memory, bytes a second to it and over its links."""

    memory: int
    memory_rate: float
    link_rate: float


# https://cloud.google.com/tpu/docs/v5e and its neighbours, one for each kind.
CHIPS = {
    "TPU v5 lite": Chip(16 * GIB, 819e9, 200e9),
    "TPU v5": Chip(95 * GIB, 2765e9, 600e9),
    "TPU v6 lite": Chip(32 * GIB, 1640e9, 448e9),
}


@dataclass(frozen=True)
class Target:
    """The devices of a topology such as `v5e:2x4`; `peak` is operations a second of one of them, in bfloat16."""

    name: str
    devices: Sequence[Any]
    kind: str
    chip: Chip
    peak: float
    compiler: str


def prepare_environment() -> None:
    """Make this process one that compiles for TPUs and has none, whatever its shell says. Before JAX is used."""
    os.environ.update(ENVIRONMENT)


def open_target(name: str) -> Target:
    """The target of that name. Raises `PreflightError` without libtpu, and for a name that it does not know."""
    try:
        compiler = f"libtpu {version('libtpu')}"
    except PackageNotFoundError:
        raise PreflightError(
            "preflight compiles with libtpu, which is not installed; install the extra tpu: "
            "pip install 'tunix-zero-cost[tpu]'"
        ) from None
    try:
        devices: Sequence[Any] = topologies.get_topology_desc(platform="tpu", topology_name=name).devices
    except Exception as error:  # jaxlib raises its own kinds, and a plain RuntimeError without the library
        reason = str(error).strip().splitlines()[0]
        raise PreflightError(f"--topology {name}: {reason}; known are for example {EXAMPLES}") from error
    kind = devices[0].device_kind
    chip, peak = CHIPS.get(kind), peak_of(kind)
    if chip is None or peak is None:
        raise PreflightError(f"--topology {name}: nothing is known of {kind}; known: {', '.join(CHIPS)}")
    return Target(name, devices, kind, chip, peak, compiler)
