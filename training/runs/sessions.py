"""The starts of a run: from which step to which, with what. Pure but for `environment`.

A run is trained in one session or many. Each start adds an entry to `sessions` of its record:

from, to               steps done when it began and when it ended; `to` is None while it runs
ended                  why: "finished", "budget", "SIGINT", "SIGTERM"; None while it runs, or when it was killed
versions, device, device_count   what it ran with

What a killed session did behind its last checkpoint is done again: the next start sets its `to` to where it goes on.
"""

from collections.abc import Callable, Sequence
from importlib.metadata import version
from typing import Any

import jax

LIBRARIES = (
    "jax",
    "jaxlib",
    "flax",
    "google-tunix",
    "qwix",
    "optax",
    "orbax-checkpoint",
    "sentencepiece",
    "numpy",
)

Session = dict[str, Any]


def environment() -> Session:
    """What this process runs with: versions of the libraries that results hang on, kind and number of devices."""
    devices = jax.devices()
    return {
        "versions": {library: version(library) for library in LIBRARIES},
        "device": devices[0].device_kind,
        "device_count": len(devices),
    }


def begun(earlier: Sequence[Session], step: int, now: Session) -> list[Session]:
    """The sessions of a run with a new one, which goes on from `step`."""
    cut = [
        {**session, "to": step if session["to"] is None else min(session["to"], step)} for session in earlier
    ]
    return [*cut, {"from": step, "to": None, "ended": None, **now}]


def ended(sessions: Sequence[Session], step: int, why: str) -> list[Session]:
    """The sessions of a run whose last one has ended at `step`."""
    return [*sessions[:-1], {**sessions[-1], "to": step, "ended": why}]


def say_moved(earlier: Sequence[Session], now: Session, say: Callable[[str], None]) -> None:
    """Same bits are promised for the same libraries and devices only: say so when they are others than last time."""
    for key in now if earlier else ():
        if earlier[-1][key] != now[key]:
            say(
                f"{key} changed since the run was last started: from here the weights may differ "
                "from an undisturbed run's by rounding"
            )
