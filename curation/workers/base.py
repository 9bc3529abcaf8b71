"""What a build asks of those who work for it. The functions that they are given are pure; they only carry them."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, wait
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TypeVar

from curation import spill
from curation.duplicates import Marks, Places
from manifests.origins import KeyBytes

Common = TypeVar("Common")
Task = TypeVar("Task")
Result = TypeVar("Result")

_SECONDS_A_TURN = 0.2


@dataclass(frozen=True, slots=True)
class Cluster:
    """A Ray cluster to work on.

    address  `ray://HOST:PORT`, `HOST:PORT`, or `auto`; None: what RAY_ADDRESS says, else one on this machine, started
             for the moment
    cores    of it that are used at a time; None: all
    """

    address: str | None = None
    cores: int | None = None


class PutsAside(Protocol):
    """What tasks share that put texts aside: `spill` is the folder. A dataclass."""

    spill: Path | None


class PutAside(Protocol):
    """A result with the places of the texts that its task put aside."""

    texts: spill.Places


Aside = TypeVar("Aside", bound=PutAside)


def waited(future: Future[Result]) -> Result:
    """What a future brings, waited for in turns: Ctrl-C would not end a wait, because polars has signals restart it."""
    while not wait([future], _SECONDS_A_TURN).done:
        continue
    return future.result()


class Workers(Protocol):
    """Work on tasks side by side. However many there are, wherever they are, results are the same.

    Raises WorkerError when a worker is gone and the work can't be done again.
    """

    shares_files: bool
    """Whether they see the files that this process writes."""

    def ordered(
        self, function: Callable[[Common, Task], Result], common: Common, tasks: Iterable[Task]
    ) -> Iterator[tuple[Task, Result]]:
        """Each task with its result, in the order of the tasks.

        `function` is one of a module, `common` is what all tasks share. Tasks are taken as they are needed, a few ahead
        of the results. What `function` raises is raised here.
        """

    def putting_aside(
        self, function: Callable[[Any, Task], Aside], job: PutsAside, tasks: Iterable[Task]
    ) -> Iterator[tuple[Task, Aside]]:
        """As `ordered`, for a function that puts texts aside in `job.spill`: they are there, here, with each result."""

    def beside(self, function: Callable[[Task], Result], argument: Task) -> Future[Result]:
        """One call beside the others. On leaving nobody waits for what was not asked for yet."""

    def repeated(self, keys: Sequence[KeyBytes], among: Sequence[Marks]) -> tuple[Places, Places]:
        """What `duplicates.repeated` finds."""
