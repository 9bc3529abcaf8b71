"""What the ledger and the sources say of the rows and rejects, held against the tables themselves."""

from collections import Counter

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from manifests.errors import FormatError, VerificationError
from manifests.identity import Identity, SourceRecord
from manifests.reading.row_range import raw_range

MOST_ROWS = 1 << 28
"""Rows of the raw ranges of all sources that can be checked: a byte of memory each."""


class Tally:
    """Counts the rows and rejects of a manifest block by block, and notes which rows of each source were seen."""

    def __init__(self, identity: Identity) -> None:
        """Raises FormatError when the raw ranges of all sources have more than MOST_ROWS rows together."""
        spans = [raw_range(identity, source) for source in identity.sources]
        if (rows := sum(last - first + 1 for first, last in spans)) > MOST_ROWS:
            raise FormatError(
                f"manifest {identity.id[:12]}: raw ranges of {rows:,} rows, this version reads up to {MOST_ROWS:,}"
            )
        self._identity = identity
        self._rows: Counter[str] = Counter()
        self._rejects: Counter[tuple[str, str, str]] = Counter()
        self._seen: dict[str, _Seen] = {source.name: _Seen(identity, source) for source in identity.sources}

    def add_rows(self, block: pa.Table) -> None:
        """Count a block of the rows table."""
        self._note(block)
        for entry in pc.value_counts(block.column("source")).to_pylist():
            self._rows[entry["values"]] += entry["counts"]

    def add_rejects(self, block: pa.Table) -> None:
        """Count a block of the rejects table."""
        self._note(block)
        keys = ["source", "stage", "reason"]
        counted = block.select(keys).group_by(keys).aggregate([([], "count_all")])
        for source, stage, reason, rows in zip(
            *(counted.column(name).to_pylist() for name in (*keys, "count_all")), strict=True
        ):
            self._rejects[source, stage, reason] += rows

    def check(self, where: str) -> None:
        """Raise VerificationError unless ledger and sources agree with what was counted."""
        identity = self._identity
        stated = {source.source: source.rows for source in identity.ledger if source.rows}
        if dict(self._rows) != stated:
            raise VerificationError(
                f"{where}: rows by source {dict(self._rows)}, the ledger says {stated}; it is damaged"
            )
        dropped = {
            (ledger.source, stage, reason): rows
            for ledger in identity.ledger
            for stage, reason, rows in ledger.rejected()
            if rows
        }
        if dict(self._rejects) != dropped:
            differing = min(set(self._rejects.items()) ^ set(dropped.items()))
            raise VerificationError(
                f"{where}: rejects and ledger differ, first at {differing}; it is damaged"
            )
        for seen in self._seen.values():
            seen.check(where)

    def _note(self, block: pa.Table) -> None:
        sources = block.column("source").combine_chunks().dictionary_encode()
        codes, rows = sources.indices.to_numpy(), block.column("row").to_numpy()
        for code, name in enumerate(sources.dictionary.to_pylist()):
            if name in self._seen:  # another name is told by the counts
                self._seen[name].add(rows[codes == code])


class _Seen:
    """Which rows of a source's raw range stand in the tables."""

    def __init__(self, identity: Identity, source: SourceRecord) -> None:
        self._name = source.name
        self._first, self._last = raw_range(identity, source)
        self._seen = np.zeros(max(self._last - self._first + 1, 0), np.bool_)
        self._count = 0
        self._lowest: int | None = None
        self._highest: int | None = None

    def add(self, rows: npt.NDArray[np.uint64]) -> None:
        lowest, highest = int(rows.min()), int(rows.max())
        self._lowest = lowest if self._lowest is None else min(self._lowest, lowest)
        self._highest = highest if self._highest is None else max(self._highest, highest)
        self._count += len(rows)
        if self._first <= lowest and highest <= self._last:
            self._seen[rows - np.uint64(self._first)] = True

    def check(self, where: str) -> None:
        if self._lowest is None or self._highest is None:
            return
        if self._lowest < self._first or self._highest > self._last:
            raise VerificationError(
                f"{where}: source {self._name}: rows {self._lowest} to {self._highest}, "
                f"its raw range is {self._first} to {self._last}; it is damaged"
            )
        if np.count_nonzero(self._seen) != self._count:
            raise VerificationError(
                f"{where}: source {self._name}: a row stands twice; the manifest is damaged"
            )
