"""The words of a contest: who takes part, in which environment, on what, and how their results are compared."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

OWN = "ours"
"""The environment of the project itself: the Python that runs this."""

RIVALS = Path(__file__).parents[1] / "rivals"


@dataclass(frozen=True, slots=True)
class Sizes:
    """How much work the contests are. The defaults keep the hour on two cores."""

    rounds: int = 3
    one_in: int = 1
    """One in so many rows of the generated sources, and of every other size."""
    share: float = 0.01
    """Of every source, for the usual scripts."""
    rows: int = 300_000
    """Of CoT-Collection, for exact duplicates and the reservoir."""
    reservoir: int = 10_000
    near: int = 33_443
    texts: int = 10_000
    slow_texts: int = 1_000
    """Of these, for langdetect."""
    first_row: int = 30_001
    last_row: int = 130_000
    audited: int = 10_000_000
    steps: int = 12

    def few(self, count: int) -> int:
        """A size, divided by `one_in`."""
        return max(1, count // self.one_in)


@dataclass(frozen=True, slots=True)
class Place:
    """Where a contest finds what it needs."""

    sources: Path
    """What `curation demo-sources DIR --scale full` writes."""
    folder: Path
    """Its own, empty."""
    shared: Path
    """What several contests use."""
    sizes: Sizes
    real: Path | None = None
    """A folder with flan-cot, if there is one."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a contestant said and wrote in its last round."""

    told: Mapping[str, Any]
    out: Path


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a contestant's result is beside ours. `sound` is False where it differs and nothing explains it."""

    text: str
    sound: bool = True


@dataclass(frozen=True, slots=True)
class Contestant:
    """A command that does the work. `{out}` in it stands for an empty folder, another one in every round."""

    name: str
    environment: str
    command: tuple[str, ...]
    """What follows `python`."""
    did: str
    """What it had to do, in a sentence."""
    ahead: str = ""
    """Why it is faster than ours, where it is."""
    behind: str = ""
    """Why it is slower."""
    units: int | None = None
    """The work that it does, where it can't do all of it in the time."""
    statuses: tuple[int, ...] = (0,)
    limit: float = 300.0


@dataclass(frozen=True, slots=True)
class Match:
    """A contest that is ready to be run. The first contestant is ours: what the others are compared with."""

    about: str
    units: int
    contestants: tuple[Contestant, ...]
    check: Callable[[Mapping[str, Answer]], Mapping[str, Verdict]]
    """The verdicts by the names of the contestants that answered; ours is among them."""
    absent: Mapping[str, str] = field(default_factory=dict)
    """Who can't take part, and why."""


class Contest(Protocol):
    """A module of `contests`."""

    TITLE: str
    UNIT: str

    def prepare(self, place: Place) -> Match:
        """Write the files, and name the contestants."""
        ...


def script(name: str) -> str:
    """A rival's script."""
    return str(RIVALS / name)
