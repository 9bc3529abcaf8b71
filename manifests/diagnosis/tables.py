"""What is wrong with rows.parquet or rejects.parquet: the file, the row group, the rows, the very row and column."""

import hashlib
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from manifests.diagnosis.faults import Fault, plain, ranges
from manifests.diagnosis.flips import LARGEST_FLIPPED, flipped_bit
from manifests.errors import VerificationError
from manifests.identity import Identity
from manifests.json_object import HEX_64
from manifests.reading.bounded import check_regular, check_utf8, parquet_rows, parquet_tables, short_text
from manifests.tables import BLOCK_ROWS, TableForm, root_digest, table_digest
from manifests.words import SHORT_ID, count, cut


@dataclass(frozen=True, slots=True)
class Promise:
    """What a table's file must be: its form, rows and digest by the identity, the rest by the receipt or None."""

    form: TableForm
    rows: int
    digest: str
    size: int | None
    sha256: str | None
    blocks: tuple[str, ...] | None


def promise_of(identity: Identity, receipt: Mapping[str, object], form: TableForm, file: str) -> Promise:
    """The promise for the rows or the rejects table. Block digests count if they give the identity's digest."""
    rows, digest = (
        (identity.rejects, identity.rejects_digest)
        if form.name == "rejects"
        else (identity.rows, identity.rows_digest)
    )
    size, sha256 = stated_file(receipt, file)
    blocks = receipt.get("blocks")
    listed = blocks.get(form.name) if isinstance(blocks, dict) else None
    proven: tuple[str, ...] | None = None
    if isinstance(listed, list) and all(isinstance(text, str) and HEX_64.fullmatch(text) for text in listed):
        proven = tuple(listed) if root_digest(form, rows, listed) == digest else None
    return Promise(form, rows, digest, size, sha256, proven)


def stated_file(receipt: Mapping[str, object], file: str) -> tuple[int | None, str | None]:
    """Size and SHA-256 of a file as the receipt states them; None for what it does not state."""
    files = receipt.get("files")
    entry = files.get(file) if isinstance(files, dict) else None
    size, sha256 = (entry.get("size"), entry.get("sha256")) if isinstance(entry, dict) else (None, None)
    return (
        size if isinstance(size, int) else None,
        sha256 if isinstance(sha256, str) and HEX_64.fullmatch(sha256) else None,
    )


def table_faults(
    path: Path, promise: Promise, truth: pa.Table | None, others: Sequence[Identity]
) -> list[Fault]:
    """What is wrong with a table's file; nothing if it is the promised one.

    `truth` is the table as it must be, if it could be recomputed; `others` are manifests whose file it may be.
    """
    name, form = path.name, promise.form
    try:
        size = check_regular(path)
    except VerificationError as error:
        return [Fault(name, plain(error, path), cause="an incomplete copy; fetch it again")]
    table = read_table(path, form, promise.rows)
    digest, blocks = ("", []) if isinstance(table, str) else table_digest(form, table)
    if digest == promise.digest:
        return []
    true_bytes = _true_bytes(path, size, promise)
    if truth is None and true_bytes is not None:
        truth = _decoded_truth(true_bytes[1], promise)
    bit = (
        ""
        if true_bytes is None or truth is None
        else f"proven: one bit of byte {true_bytes[0] + 1:,} was turned"
    )
    shorter = promise.size is not None and size < promise.size
    cut_short = f"the file was cut short: {size:,} of {promise.size:,} bytes" if shorter else ""
    if isinstance(table, str):
        return [Fault(name, table, cause=bit or cut_short or "the file is damaged; fetch it again")]
    for other in others:
        if digest == (other.rejects_digest if form.name == "rejects" else other.rows_digest):
            cause = f"the file of manifest {other.id[:SHORT_ID]} was put here"
            return [Fault(name, "it is another manifest's", promise.digest, digest, cause=cause)]
    cause = bit or cut_short or _cause(table, promise, truth)
    if truth is not None:
        return [_row_fault(name, truth, table, cause)]
    if table.num_rows != promise.rows:
        found = f"{table.num_rows:,} rows"
        return [Fault(name, "another number of rows", f"{promise.rows:,} rows", found, cause=cause)]
    if promise.blocks is None:
        return [Fault(name, "its digest differs", promise.digest, digest, cause=cause)]
    wrong = [
        place for place, pair in enumerate(zip(promise.blocks, blocks, strict=True)) if pair[0] != pair[1]
    ]
    what = f"{count(len(wrong), 'block')} of {len(blocks):,} differ, first {ranges(wrong, BLOCK_ROWS, promise.rows)}"
    where = f"{name}, {ranges(wrong, BLOCK_ROWS, promise.rows)}"
    return [Fault(where, what, promise.blocks[wrong[0]], blocks[wrong[0]], cause=cause)]


def read_table(path: Path, form: TableForm, rows: int) -> pa.Table | str:
    """The table in a file, or in one line why there is none. At most `rows` and one block more are read."""
    tables: list[pa.Table] = []
    done = 0
    try:
        if (stated := parquet_rows(path)) > rows + BLOCK_ROWS:
            return f"{stated:,} rows, expected {rows:,}"
        for table in parquet_tables(path, form, short_text):
            if any(column.null_count for column in table.columns):
                return f"rows {done + 1:,} to {done + table.num_rows:,}: a null where none may be"
            check_utf8(path, table)
            tables.append(table)
            done += table.num_rows
    except VerificationError as error:
        return f"{f'after row {done:,}: ' if done else ''}{plain(error, path)}"
    return pa.concat_tables(tables) if tables else form.schema.empty_table()


def first_difference(expected: pa.Table, observed: pa.Table) -> tuple[int, str, str, str, int] | None:
    """Where two tables of one form differ: the first row (from 0), its first such column, both values, how many rows.

    Rows that only one has are differing rows. None when there is no difference.
    """
    rows = min(expected.num_rows, observed.num_rows)
    apart = abs(expected.num_rows - observed.num_rows)
    wrong = {name: _differing(expected, observed, name, rows) for name in expected.column_names}
    differing = np.flatnonzero(np.logical_or.reduce(list(wrong.values())))
    if not len(differing):
        if not apart:
            return None
        shown = ["a row", "none"] if expected.num_rows > rows else ["none", "a row"]
        return rows, "row", shown[0], shown[1], apart
    place = int(differing[0])
    column = next(name for name, mask in wrong.items() if mask[place])
    values = [_value(table.column(column)[place].as_py()) for table in (expected, observed)]
    return place, column, values[0], values[1], len(differing) + apart


def _differing(
    expected: pa.Table, observed: pa.Table, name: str, rows: int
) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    ours, theirs = (table.column(name).slice(0, rows).combine_chunks() for table in (expected, observed))
    mask: np.ndarray[tuple[int], np.dtype[np.bool_]] = pc.not_equal(ours, theirs).to_numpy(
        zero_copy_only=False
    )
    return mask


def _value(value: object) -> str:
    return value.hex() if isinstance(value, bytes) else cut(str(value))


def _row_fault(name: str, truth: pa.Table, table: pa.Table, cause: str) -> Fault:
    shared = [column for column in truth.column_names if column in table.column_names]
    found = first_difference(truth, table.select(shared))
    if found is None:
        return Fault(name, "its digest differs in columns that can't be recomputed", cause=cause)
    place, column, expected, observed, differing = found
    named = truth.slice(min(place, truth.num_rows - 1), 1)
    row = (
        f"{named.column('source')[0].as_py()}:{named.column('row')[0].as_py()}" if truth.num_rows else "none"
    )
    where = f"{name}, row {place + 1:,} ({row}), column {column}"
    return Fault(where, f"{column} differs", expected, observed, differing, truth.num_rows, cause)


def _cause(table: pa.Table, promise: Promise, truth: pa.Table | None) -> str:
    if truth is not None and table.num_rows == truth.num_rows:
        keys = [("source", "ascending"), ("row", "ascending")]
        ours, theirs = (one.select(["source", "row"]).sort_by(keys) for one in (truth, table))
        if ours.equals(theirs) and not truth.select(["source", "row"]).equals(
            table.select(["source", "row"])
        ):
            return "the rows stand in another order: a tool wrote the file anew"
    if table.num_rows != promise.rows:
        return "a tool wrote the file anew, or rows were lost; fetch it again"
    return "the file was damaged or written anew; fetch it again"


def _true_bytes(path: Path, size: int, promise: Promise) -> tuple[int, bytes] | None:
    """The file with one bit turned back, if that gives the SHA-256 that the receipt states."""
    if promise.sha256 is None or size > LARGEST_FLIPPED or size != promise.size:
        return None
    try:
        data = path.read_bytes()
    except OSError:
        return None
    whole = hashlib.sha256(data).hexdigest() == promise.sha256
    return None if whole else flipped_bit(data, promise.sha256)


def _decoded_truth(data: bytes, promise: Promise) -> pa.Table | None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "mended.parquet")
        path.write_bytes(data)
        table = read_table(path, promise.form, promise.rows)
    if isinstance(table, str) or table_digest(promise.form, table)[0] != promise.digest:
        return None
    return table
