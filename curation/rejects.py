"""The rows that were dropped, and why: twenty bytes each, because a source may be mostly what is dropped of it."""

from array import array
from collections import Counter, defaultdict
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from manifests.tables import REJECTS, table_of

_PART_ROWS = 1 << 20


class Why(NamedTuple):
    """Why a row was dropped: the columns of the rejects table that many rows have in common."""

    stage: str
    reason: str
    detail: str = ""
    kept_manifest: str = ""
    kept_source: str = ""


class Rejects:
    """The rejected rows of one source, each once."""

    def __init__(self) -> None:
        self._numbers: dict[Why, int] = {}
        self._rows, self._whys, self._kept_rows = array("Q"), array("I"), array("Q")
        self._counts: dict[str, Counter[str]] = defaultdict(Counter)
        self._firsts: dict[tuple[str, str], int] = {}

    def add(self, row: int, why: Why, kept_row: int = 0) -> None:
        """Note a row; `kept_row` is the one that stays for it, if that is why."""
        self._rows.append(row)
        self._whys.append(self._numbers.setdefault(why, len(self._numbers)))
        self._kept_rows.append(kept_row)
        self._counts[why.stage][why.reason] += 1
        self._firsts.setdefault((why.stage, why.reason), row)

    def counts(self, stage: str) -> dict[str, int]:
        """How many rows a stage dropped, by reason, in the order in which reasons were met."""
        return dict(self._counts.get(stage, {}))

    def first(self, stage: str, reason: str) -> int:
        """The first row that was noted as dropped by a stage for a reason."""
        return self._firsts[stage, reason]

    def table(self, source: str) -> pa.Table:
        """The rejects table of a source, ascending by row, in parts: a column of texts can pass what one part holds."""
        rows, whys, kept_rows = (
            np.frombuffer(column, f"<u{column.itemsize}")
            for column in (self._rows, self._whys, self._kept_rows)
        )
        order = np.argsort(rows, kind="stable")
        texts = {
            name: pa.array([getattr(why, name) for why in self._numbers], pa.string()) for name in Why._fields
        }
        parts = []
        for start in range(0, max(1, len(rows)), _PART_ROWS):
            part = order[start : start + _PART_ROWS]
            numbers = pa.array(whys[part])
            columns = {name: column.take(numbers) for name, column in texts.items()}
            columns["source"] = pa.repeat(pa.scalar(source), len(part))
            columns["row"], columns["kept_row"] = pa.array(rows[part]), pa.array(kept_rows[part])
            parts.append(table_of(REJECTS, [columns[name] for name in REJECTS.schema.names]))
        return pa.concat_tables(parts)
