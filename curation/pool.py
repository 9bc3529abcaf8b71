"""A source's rows on their way through the stages: their keys, which of them are left, and where the others went.

Sixteen bytes a key and no text: what a pool holds stays small beside the source.
"""

from array import array
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from curation.errors import GuardError
from curation.recipe import SourceRecipe
from manifests.audit import fixed_width_column, key_table
from manifests.identity import SourceRecord
from manifests.keys import Trace, content_key, prompt_key
from manifests.ledger import SourceLedger, Stage
from manifests.origins import KeyBytes, Numbers, locate_rows

KEY_BYTES = 16


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


class Keys:
    """The keys of rows, gathered one by one."""

    def __init__(self) -> None:
        self._rows, self._characters = array("Q"), array("Q")
        self._contents, self._prompts = bytearray(), bytearray()

    def add(self, row: int, trace: Trace) -> None:
        """Note the keys of a row's trace."""
        self._rows.append(row)
        self._characters.append(sum(map(len, trace)))
        self._contents += content_key(trace)
        self._prompts += prompt_key(trace.prompt)

    @property
    def rows(self) -> Numbers:
        """Row numbers."""
        return np.frombuffer(self._rows, dtype=np.uint64)

    @property
    def characters(self) -> Numbers:
        """Code points of prompt, reasoning and answer together."""
        return np.frombuffer(self._characters, dtype=np.uint64)

    @property
    def contents(self) -> KeyBytes:
        """Content keys, shape (rows, 16)."""
        return np.frombuffer(self._contents, dtype=np.uint8).reshape(-1, KEY_BYTES)

    @property
    def prompts(self) -> KeyBytes:
        """Prompt keys, shape (rows, 16)."""
        return np.frombuffer(self._prompts, dtype=np.uint8).reshape(-1, KEY_BYTES)


@dataclass
class Pool:
    """The rows of one source that became traces, in upstream order, and what each stage did to them.

    `order` is the order of a raw draw, as row numbers; None when the draw comes last.
    """

    recipe: SourceRecipe
    record: SourceRecord
    keys: Keys
    stages: list[Stage]
    rejects: list[Reject]
    order: list[int] | None = None
    left: npt.NDArray[np.bool_] = field(init=False)

    def __post_init__(self) -> None:
        self.left = np.ones(len(self.keys.rows), dtype=np.bool_)

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
