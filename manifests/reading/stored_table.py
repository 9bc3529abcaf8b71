"""A table of a manifest in its folder: verified as it is read the first time, and whenever it is read again."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import pyarrow as pa

from manifests.errors import VerificationError
from manifests.reading.bounded import (
    check_utf8,
    chosen_blocks,
    in_blocks,
    parquet_rows,
    parquet_tables,
    short_text,
)
from manifests.tables import BLOCK_ROWS, TableForm, block_digest, empty_table, root_digest


class Blocks(Protocol):
    """Rows that can be gone through any number of times, 8,192 at a time."""

    def blocks(self, numbers: Sequence[int] | None = None) -> Iterator[pa.Table]:
        """The blocks, in order: all, or those with these ascending numbers (from 0)."""


@dataclass(frozen=True, slots=True)
class StoredTable:
    """A table that was verified; `digests` are those of its blocks."""

    path: Path
    form: TableForm
    digests: tuple[str, ...]

    def blocks(self, numbers: Sequence[int] | None = None) -> Iterator[pa.Table]:
        """The blocks again. Raises VerificationError when the file is no longer the one that was verified."""
        wanted = range(len(self.digests)) if numbers is None else numbers
        for number in wanted:
            if number >= len(self.digests):
                raise IndexError(number)
        found = _read(self.path, self.form, None if numbers is None else wanted)
        for number in wanted:
            block = next(found, None)
            if block is None or block_digest(self.form, block) != self.digests[number]:
                raise _changed(self.path)
            yield block
        if next(found, None) is not None:
            raise _changed(self.path)


@dataclass(slots=True)
class FirstReading:
    """The first reading of a table: its blocks, for whoever has more to check, and in the end its digest."""

    path: Path
    form: TableForm
    rows: int
    _digests: list[str] = field(default_factory=list)

    def blocks(self) -> Iterator[pa.Table]:
        """The blocks; nothing of them is known to be true before `verified` says so.

        Raises VerificationError when the file can't be read, has other columns, or another number of rows than stated.
        """
        if (rows := parquet_rows(self.path)) != self.rows:
            raise VerificationError(
                f"{self.path}: {rows:,} rows, manifest.json says {self.rows:,}; fetch it again"
            )
        for block in _read(self.path, self.form):
            self._digests.append(block_digest(self.form, block))
            yield block

    def verified(self, digest: str, stated_blocks: Sequence[str]) -> StoredTable:
        """The table, if its digest is this one. `stated_blocks` help to say where it is not."""
        observed = root_digest(self.form, self.rows, self._digests)
        if observed != digest:
            raise VerificationError(
                f"{self.path}: digest {observed}, manifest.json says {digest}{self._where(digest, stated_blocks)}; "
                "the file is damaged, fetch it again"
            )
        return StoredTable(self.path, self.form, tuple(self._digests))

    def _where(self, digest: str, stated_blocks: Sequence[str]) -> str:
        if root_digest(self.form, self.rows, stated_blocks) != digest:
            return ""
        pairs = enumerate(zip(self._digests, stated_blocks, strict=False))
        number = next((number for number, (ours, theirs) in pairs if ours != theirs), len(self._digests))
        last = min((number + 1) * BLOCK_ROWS, self.rows)
        return f", first in rows {number * BLOCK_ROWS + 1:,} to {last:,}"


def load(table: Blocks, form: TableForm) -> pa.Table:
    """All rows of a table."""
    blocks = list(table.blocks())
    return pa.concat_tables(blocks).cast(form.schema) if blocks else empty_table(form)


def _read(path: Path, form: TableForm, numbers: Sequence[int] | None = None) -> Iterator[pa.Table]:
    blocks = (
        in_blocks(parquet_tables(path, form, short_text))
        if numbers is None
        else chosen_blocks(path, form, short_text, numbers)
    )
    for block in blocks:
        check_utf8(path, block)
        yield block


def _changed(path: Path) -> VerificationError:
    return VerificationError(f"{path}: it changed while it was being read; fetch it again")
