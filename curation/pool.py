"""A source's rows on their way through the stages: their keys, which of them are left, and where the others went.

What a pool holds in memory is a key and a mark a row, see `candidates`.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from curation.candidates import Candidates
from curation.errors import GuardError
from curation.recipe import SourceRecipe
from curation.rejects import Rejects, Why
from curation.scan import Job, Numbers
from curation.shelf import Places
from curation.source_rows import SourceRows
from manifests.identity import SourceRecord
from manifests.ledger import SourceLedger, Stage

_BLOCK_ROWS = 1 << 18


@dataclass
class Pool:
    """The rows of one source that became traces, in upstream order, and what each stage did to them.

    `order` is the order of a raw draw, as row numbers of the source; None when the draw comes last.
    """

    source: SourceRows
    job: Job
    candidates: Candidates
    stages: list[Stage]
    rejects: Rejects
    order: list[int] | None = None
    left: npt.NDArray[np.bool_] = field(init=False)

    def __post_init__(self) -> None:
        self.left = np.ones(len(self.candidates), dtype=np.bool_)

    @property
    def recipe(self) -> SourceRecipe:
        """What the recipe asks of the source."""
        return self.source.recipe

    @property
    def record(self) -> SourceRecord:
        """The source as it stands in a manifest."""
        return self.source.record

    @property
    def name(self) -> str:
        """The name of the source."""
        return self.recipe.name

    @property
    def rows_left(self) -> int:
        """How many rows are left."""
        return int(np.count_nonzero(self.left))

    def places(self) -> Iterator[Places]:
        """The places of the rows that are left, in upstream order, some at a time."""
        for start in range(0, len(self.left), _BLOCK_ROWS):
            yield np.flatnonzero(self.left[start : start + _BLOCK_ROWS]) + start

    def places_of(self, numbers: Sequence[int] | Places) -> Places:
        """The places of the rows that are left which have these numbers among them, from 0, in any order."""
        wanted = np.asarray(numbers, np.int64)
        order = np.argsort(wanted, kind="stable")
        found, begin, before = np.empty(len(wanted), np.int64), 0, 0
        for places in self.places():
            end = int(np.searchsorted(wanted, before + len(places), sorter=order))
            found[order[begin:end]] = places[wanted[order[begin:end]] - before]
            begin, before = end, before + len(places)
        return found

    def rows_at(self, places: Places) -> Numbers:
        """The numbers in the source of the rows at places."""
        return self.candidates.at(places, "rows")[0]

    def reject(self, stage: str, places: Places, whys: Iterable[tuple[Why, int]]) -> None:
        """Drop the rows at places, each for a reason and maybe another row, which stays for it.

        Raises GuardError when the stage drops more than the recipe allows.
        """
        for row, (why, kept_row) in zip(self.each_row(places), whys, strict=True):
            self.rejects.add(row, why, kept_row)
        close_stage(self.recipe, self.stages, self.rejects, stage, self.rows_left)
        self.left[places] = False

    def each_row(self, places: Places) -> Iterator[int]:
        """The numbers in the source of the rows at places, one by one."""
        for start in range(0, len(places), _BLOCK_ROWS):
            yield from self.rows_at(places[start : start + _BLOCK_ROWS]).tolist()

    @property
    def ledger(self) -> SourceLedger:
        """The stages so far."""
        return SourceLedger(self.name, tuple(self.stages))


def close_stage(
    recipe: SourceRecipe, stages: list[Stage], rejects: Rejects, stage: str, rows_in: int
) -> None:
    """Enter a stage into the ledger, with what it dropped of the rows that came in.

    Raises GuardError when that is a larger share than the recipe's `max_drop`.
    """
    counts = rejects.counts(stage)
    dropped = sum(counts.values())
    if rows_in and dropped > recipe.max_drop * rows_in:
        reason, most = max(counts.items(), key=lambda entry: entry[1])
        raise GuardError(
            f"source {recipe.name}: stage {stage} would drop {dropped:,} of {rows_in:,} rows "
            f"({dropped / rows_in:.1%}, max_drop allows {recipe.max_drop:.1%}): {most:,} of them {reason}, "
            f"first row {rejects.first(stage, reason)}; mend the recipe, or set max_drop if it is meant"
        )
    stages.append(Stage(stage, rows_in, rows_in - dropped, counts))
