"""A dataset as it lies there, read past its faults: keys of every row, what can't be decoded, and the text of some."""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from manifests.dataset import MOST_BYTES_A_CHARACTER
from manifests.diagnosis.faults import Fault, plain
from manifests.errors import VerificationError
from manifests.keys import Trace, trace_keys
from manifests.reading.bounded import TextLimit, parquet_tables, short_text
from manifests.tables import BLOCK_ROWS, CONTENT, ROWS, block_digest, root_digest, table_of

Characters: TypeAlias = npt.NDArray[np.uint64]
Watch: TypeAlias = Callable[[str, int, int], None]
_FILE = re.compile(r"train-([0-9]{5})-of-([0-9]{5})\.parquet")
_LEAST_LIMIT, _LIMIT_WITHOUT = 64 << 20, 1 << 30  # bytes of a column in a row group
_NO_KEY = bytes(16)
_DAMAGED = "the file is damaged or cut short; 'curation regenerate' rebuilds it"


def nobody(_what: str, _done: int, _of: int) -> None:
    """A watch that nobody looks at."""


@dataclass
class Observed:
    """What a dataset's files hold.

    `rows` has the columns of a rows table without sketches, keys recomputed from the text; a row that can't be read as
    a trace has zeros for keys and is in `unreadable` (place from 0: why). `faults` are files and row groups that can't
    be decoded: their rows are not in `rows`. `digest` is the content digest, None if something could not be read.
    """

    rows: pa.Table
    digest: str | None = None
    unreadable: dict[int, str] = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)


def observe(folder: Path, chars: Characters | None, expected_rows: int, watch: Watch = nobody) -> Observed:
    """Read all of a dataset of so many rows, at most one block more.

    `chars` are the characters that its rows should have, None if nobody knows; what a file may decode to is bounded as
    `text_limit` says.
    """
    faults: list[Fault] = []
    unreadable: dict[int, str] = {}
    tables: list[pa.Table] = []
    held: list[pa.Table] = []
    digests: list[str] = []
    start = 0
    for table in _readable(folder, text_limit(chars), faults):
        tables.append(_keyed(table, start, unreadable))
        start += table.num_rows
        held.append(table)
        while not unreadable and sum(map(len, held)) >= BLOCK_ROWS:
            together = pa.concat_tables(held)
            digests.append(block_digest(CONTENT, together.slice(0, BLOCK_ROWS)))
            held = [together.slice(BLOCK_ROWS)]
        if unreadable:
            held = []
        watch("dataset", start, expected_rows)
        if start > expected_rows + BLOCK_ROWS:
            break
    rows = pa.concat_tables(tables) if tables else ROWS.schema.empty_table()
    if faults or unreadable:
        return Observed(rows, None, unreadable, faults)
    if sum(map(len, held)):
        digests.append(block_digest(CONTENT, pa.concat_tables(held)))
    return Observed(rows, root_digest(CONTENT, rows.num_rows, digests))


def text_at(folder: Path, chars: Characters, place: int) -> Trace | None:
    """The text of the row at a place (from 0), counted over what can be decoded; None if there is none."""
    start = 0
    for table in _readable(folder, text_limit(chars), []):
        if place < start + table.num_rows:
            return _trace(table.slice(place - start, 1))
        start += table.num_rows
    return None


def missing_files(folder: Path) -> list[str]:
    """The names of the files that the names of the others promise; of many the first ten."""
    found = [match for path in _files(folder) if (match := _FILE.fullmatch(path.name))]
    if not found:
        return []
    total = min(int(found[0][2]), 100_000)
    numbers = {int(match[1]) for match in found}
    absent = (number for number in range(total) if number not in numbers)
    return [f"train-{number:05}-of-{total:05}.parquet" for number, _ in zip(absent, range(10), strict=False)]


def _files(folder: Path) -> list[Path]:
    return sorted((folder / "data").glob("train-*.parquet"))


def _readable(folder: Path, limit: TextLimit, faults: list[Fault]) -> Iterator[pa.Table]:
    """Every part of a file up to where it can't be decoded; of each file that can't be read to its end a fault."""
    for path in _files(folder):
        where, done = f"dataset, data/{path.name}", 0
        try:
            for table in parquet_tables(path, CONTENT, limit):
                yield table
                done += table.num_rows
        except VerificationError as error:
            after = f"after its row {done:,}: " if done else ""
            faults.append(Fault(where, f"{after}{plain(error, path)}", cause=_DAMAGED))


def text_limit(chars: Characters | None) -> TextLimit:
    """How many bytes so many rows may have in any order: four for each character of the longest, or 64 MiB.

    Where nobody knows the characters: 1 GiB.
    """
    if chars is None:
        return lambda column, first, rows: (
            _LIMIT_WITHOUT if column in Trace._fields else short_text(column, first, rows)
        )
    sums = np.concatenate([np.zeros(1, np.uint64), np.sort(chars)[::-1]]).cumsum()

    def limit(column: str, first: int, rows: int) -> int:
        if column not in Trace._fields:
            return short_text(column, first, rows)
        return max(_LEAST_LIMIT, MOST_BYTES_A_CHARACTER * int(sums[min(rows, len(sums) - 1)]))

    return limit


def _keyed(table: pa.Table, start: int, unreadable: dict[int, str]) -> pa.Table:
    """The rows table of a part of the content table; what can't be read is noted by its place."""
    texts = [table.column(name).cast(pa.binary()).to_pylist() for name in Trace._fields]
    keys: list[tuple[bytes, bytes]] = []
    chars: list[int] = []
    for place, parts in enumerate(zip(*texts, strict=True), start):
        try:
            trace = Trace(*(part.decode() for part in parts))
        except (UnicodeDecodeError, AttributeError):
            unreadable[place] = "a null where none may be" if None in parts else "text that is not UTF-8"
            keys.append((_NO_KEY, _NO_KEY))
            chars.append(0)
            continue
        keys.append(trace_keys(trace))
        chars.append(sum(map(len, trace)))
    numbers = pc.fill_null(table.column("row"), 0)
    contents, prompts = zip(*keys, strict=True) if keys else ((), ())
    return table_of(ROWS, [_names(table, start, unreadable), numbers, contents, prompts, chars])


def _names(table: pa.Table, start: int, unreadable: dict[int, str]) -> Sequence[str]:
    names: list[str] = []
    for place, (name, row) in enumerate(
        zip(
            table.column("source").cast(pa.binary()).to_pylist(), table.column("row").to_pylist(), strict=True
        ),
        start,
    ):
        if name is None or row is None:
            unreadable.setdefault(place, "a null where none may be")
        names.append("" if name is None else name.decode(errors="replace"))
    return names


def _trace(row: pa.Table) -> Trace | None:
    try:
        return Trace(*(row.column(name).cast(pa.binary())[0].as_py().decode() for name in Trace._fields))
    except (UnicodeDecodeError, AttributeError):
        return None
