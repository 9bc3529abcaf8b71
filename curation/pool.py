"""A source's rows on their way through the stages: their keys, which of them are left, and where the others went.

Sixteen bytes a key and no text: what a pool holds stays small beside the source.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from curation.errors import GuardError
from curation.recipe import SourceRecipe
from curation.scan import Job, RowKeys
from curation.source_rows import SourceRows
from manifests.identity import SourceRecord
from manifests.ledger import SourceLedger, Stage
from manifests.origins import locate_rows
from manifests.row_keys import fixed_width_column, key_table


class Reject(NamedTuple):
    """A row that was dropped: the columns of the rejects table, in its order."""

    source: str
    row: int
    stage: str
    reason: str
    detail: str = ""
    kept_manifest: str = ""
    kept_source: str = ""
    kept_row: int = 0


@dataclass
class Pool:
    """The rows of one source that became traces, in upstream order, and what each stage did to them.

    `keys.rows` are numbers of the source. `order` is the order of a raw draw, as such numbers; None when the draw comes
    last.
    """

    source: SourceRows
    job: Job
    keys: RowKeys
    stages: list[Stage]
    rejects: list[Reject]
    order: list[int] | None = None
    left: npt.NDArray[np.bool_] = field(init=False)

    def __post_init__(self) -> None:
        self.left = np.ones(len(self.keys.rows), dtype=np.bool_)

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
    def places(self) -> npt.NDArray[np.int64]:
        """The places of the rows that are left, in upstream order."""
        return np.flatnonzero(self.left)

    def reject(self, stage: str, dropped: Sequence[tuple[int, Reject]]) -> None:
        """Drop rows by place. Raises GuardError when the stage drops more than the recipe allows."""
        close_stage(
            self.recipe,
            self.stages,
            self.rejects,
            stage,
            int(self.left.sum()),
            [reject for _, reject in dropped],
        )
        self.left[[place for place, _ in dropped]] = False

    def key_table(self, places: npt.NDArray[np.int64]) -> pa.Table:
        """The row keys at `places`, as the audit compares them."""
        rows = self.keys.rows[places]
        origins, within = locate_rows(self.record, rows)
        return key_table(
            pa.array([self.name] * len(places), type=pa.string()),
            pa.array(rows),
            origins,
            within,
            fixed_width_column(self.keys.contents[places]),
            fixed_width_column(self.keys.prompts[places]),
        )

    @property
    def ledger(self) -> SourceLedger:
        """The stages so far."""
        return SourceLedger(self.name, tuple(self.stages))


def close_stage(
    recipe: SourceRecipe,
    stages: list[Stage],
    rejects: list[Reject],
    stage: str,
    rows_in: int,
    dropped: Iterable[Reject],
) -> None:
    """Enter a rejecting stage into ledger and rejects.

    Raises GuardError when it drops a larger share than the recipe's `max_drop`.
    """
    dropped = list(dropped)
    counts = Counter(reject.reason for reject in dropped)
    if rows_in and len(dropped) > recipe.max_drop * rows_in:
        (reason, most), *_ = counts.most_common(1)
        first = next(reject for reject in dropped if reject.reason == reason)
        raise GuardError(
            f"source {recipe.name}: stage {stage} would drop {len(dropped):,} of {rows_in:,} rows "
            f"({len(dropped) / rows_in:.1%}, max_drop allows {recipe.max_drop:.1%}): {most:,} of them {reason}, "
            f"first row {first.row}; mend the recipe, or set max_drop if it is meant"
        )
    stages.append(Stage(stage, rows_in, rows_in - len(dropped), dict(counts)))
    rejects.extend(dropped)
