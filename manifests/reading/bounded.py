"""Files of a store are read as if a stranger had put them there: regular files only, parquet within stated limits.

What a parquet file's footer states is checked against what the manifest allows before anything is decoded, and columns
of repeated values are looked at before they are spread out: a small file can't be made to fill the memory by either.
"""

import stat
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import accumulate, groupby
from pathlib import Path
from typing import TypeAlias

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from manifests.errors import FormatError, VerificationError
from manifests.reading.parquet_layout import LARGEST_FOOTER, GroupLayout, read_layout
from manifests.tables import BLOCK_ROWS, TableForm, check_columns

LARGEST_JSON = 16 << 20
"""Bytes of a JSON file; the manifest of the real mixes has about 20 KB."""
MOST_COLUMNS = 1_000
"""Columns of a parquet file whose names are looked at."""
LONGEST_NAME = 64
LONGEST_DETAIL = 512
"""Bytes of a text in the rows and rejects tables, on average: names and ids; the detail of a reject."""

TextLimit: TypeAlias = Callable[[str, int, int], int]
"""(column, first row from 0, rows) → how many bytes the texts of these rows may have together."""

_SLACK = 1 << 20
_OVERHEAD = 16  # bytes a value: lengths, levels, indices


def check_regular(path: Path) -> int:
    """The size of a regular file in bytes. Raises VerificationError for a link, a pipe, a folder or nothing."""
    try:
        found = path.lstat()
    except OSError as error:
        raise VerificationError(
            f"{path}: can't be read ({error.strerror}); the manifest is incomplete"
        ) from error
    if not stat.S_ISREG(found.st_mode):
        kind = "a link" if stat.S_ISLNK(found.st_mode) else "no regular file"
        raise VerificationError(f"{path}: {kind}; a store holds files of its own, copy it there")
    return found.st_size


def check_folder(path: Path) -> None:
    """Raise VerificationError where something else than a folder of its own stands in a store."""
    try:
        found = path.lstat()
    except OSError as error:
        raise VerificationError(f"{path}: can't be read ({error.strerror}); fetch it again") from error
    if not stat.S_ISDIR(found.st_mode):
        kind = "a link" if stat.S_ISLNK(found.st_mode) else "no folder"
        raise VerificationError(f"{path}: {kind}; a store holds folders of its own, copy it there")


def read_json_bytes(path: Path) -> bytes:
    """The bytes of a JSON file of a store."""
    if check_regular(path) > LARGEST_JSON:
        raise FormatError(f"{path}: larger than {LARGEST_JSON:,} bytes; not a file of a manifest")
    try:
        with path.open("rb") as file:
            return file.read(LARGEST_JSON + 1)
    except OSError as error:
        raise VerificationError(
            f"{path}: can't be read ({error.strerror}); the manifest is incomplete"
        ) from error


def short_text(column: str, _first: int, rows: int) -> int:
    """The limit of the rows and rejects tables."""
    return rows * (LONGEST_DETAIL if column == "detail" else LONGEST_NAME)


def parquet_rows(path: Path) -> int:
    """The number of rows that a parquet file states. Raises VerificationError when it is none."""
    return sum(group.rows for group in read_layout(path, check_regular(path)))


def parquet_metadata(path: Path) -> dict[str, str]:
    """What a parquet file says of itself by name, where that is text. Raises VerificationError when it is damaged."""
    read_layout(path, check_regular(path))
    try:
        with pq.ParquetFile(path, **_THRIFT) as file:
            found = file.metadata.metadata or {}
        return {name.decode(): value.decode() for name, value in found.items()}
    except (pa.ArrowException, OSError, ValueError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise VerificationError(f"{path}: can't be read ({reason}); the file is damaged") from error


def parquet_tables(
    path: Path, form: TableForm, limit: TextLimit, first: int = 0, groups: Sequence[int] | None = None
) -> Iterator[pa.Table]:
    """The rows of a parquet file, some thousands at a time: of all row groups, or of these.

    `first` is the number, from 0, of the file's first row. Nulls and text that is not UTF-8 are passed on: reading does
    not look for them. Raises VerificationError when the file is damaged, has other columns than `form`, or more text
    than `limit` allows.
    """
    layout = read_layout(path, check_regular(path))
    by_dictionary = _check_layout(path, layout, form, limit, first)
    chosen = range(len(layout)) if groups is None else groups
    begins = list(accumulate((group.rows for group in layout), initial=first))
    try:
        with pq.ParquetFile(path, **_THRIFT) as file:
            _check_columns(path, form, file)
            metadata = file.metadata
        with pq.ParquetFile(
            path, metadata=metadata, read_dictionary=by_dictionary, page_checksum_verification=True, **_THRIFT
        ) as file:
            for number in chosen:
                begin = begins[number]
                for batch in file.iter_batches(batch_size=BLOCK_ROWS, row_groups=[number]):
                    table = _spread_out(path, pa.Table.from_batches([batch]), limit, begin)
                    yield pa.Table.from_arrays(table.columns, schema=form.schema)
                    begin += table.num_rows
    except (pa.ArrowException, OSError, ValueError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise VerificationError(f"{path}: can't be read ({reason}); the file is damaged") from error


def chosen_blocks(
    path: Path, form: TableForm, limit: TextLimit, numbers: Sequence[int]
) -> Iterator[pa.Table]:
    """The blocks with these ascending numbers (from 0); only the row groups that hold them are read."""
    begins = list(accumulate((group.rows for group in read_layout(path, check_regular(path))), initial=0))
    rows = begins[-1]
    for _, run in groupby(numbers, key=lambda number: bisect_right(begins, number * BLOCK_ROWS)):
        wanted = list(run)
        start, end = wanted[0] * BLOCK_ROWS, min((wanted[-1] + 1) * BLOCK_ROWS, rows)
        groups = range(bisect_right(begins, start) - 1, bisect_left(begins, end))
        held = parquet_tables(path, form, limit, groups=groups)
        skipped = start - begins[groups.start]
        for number, block in enumerate(in_blocks(_without_first(held, skipped)), wanted[0]):
            if number in wanted:
                yield block.slice(0, min(BLOCK_ROWS, rows - number * BLOCK_ROWS))
            if number == wanted[-1]:
                break


def _without_first(tables: Iterable[pa.Table], rows: int) -> Iterator[pa.Table]:
    for table in tables:
        yield table.slice(min(rows, table.num_rows))
        rows = max(rows - table.num_rows, 0)


def check_utf8(path: Path, table: pa.Table) -> None:
    """Raise VerificationError where a text of a table is not UTF-8."""
    try:
        table.validate(full=True)
    except pa.ArrowInvalid as error:
        raise VerificationError(f"{path}: text that is not UTF-8; the file is damaged") from error


def in_blocks(tables: Iterable[pa.Table]) -> Iterator[pa.Table]:
    """The same rows in blocks of 8,192, the last may be shorter."""
    held: list[pa.Table] = []
    rows = 0
    for table in tables:
        held.append(table)
        rows += table.num_rows
        while rows >= BLOCK_ROWS:
            together = pa.concat_tables(held)
            yield together.slice(0, BLOCK_ROWS).combine_chunks()
            held, rows = [together.slice(BLOCK_ROWS)], rows - BLOCK_ROWS
    if rows:
        yield pa.concat_tables(held).combine_chunks()


_THRIFT = {"thrift_string_size_limit": LARGEST_FOOTER, "thrift_container_size_limit": 1 << 20}


def _check_layout(
    path: Path, layout: Sequence[GroupLayout], form: TableForm, limit: TextLimit, first: int
) -> list[str]:
    """Refuse what would decode to more than its rows may have. The columns that refer to a dictionary of texts."""
    texts: dict[str, bool] = {}
    for number, group in enumerate(layout, 1):
        for column, field in zip(group.columns, form.schema, strict=False):  # pyarrow tells of other columns
            is_text = pa.types.is_string(field.type)
            values = (
                limit(field.name, first, group.rows) if is_text else group.rows * (field.type.bit_width // 8)
            )
            most = values + group.rows * _OVERHEAD + _SLACK
            if column.decompressed > most:
                raise VerificationError(
                    f"{path}: row group {number}, column {field.name}: {column.decompressed:,} bytes, its "
                    f"{group.rows:,} rows have at most {most:,}; the file is damaged"
                )
            texts[field.name] = texts.get(field.name, False) or (is_text and column.by_dictionary)
        first += group.rows
    return [name for name, by_dictionary in texts.items() if by_dictionary]


def _check_columns(path: Path, form: TableForm, file: pq.ParquetFile) -> None:
    if file.metadata.num_columns > MOST_COLUMNS:
        raise VerificationError(
            f"{path}: {file.metadata.num_columns:,} columns, expected {len(form.schema)}; not this format's table"
        )
    try:
        check_columns(form, file.schema_arrow)
    except VerificationError as error:
        raise VerificationError(f"{path}: {error}") from error


def _spread_out(path: Path, table: pa.Table, limit: TextLimit, first: int) -> pa.Table:
    """The same rows with every text written out, once it is known that there is room for them."""
    for place, field in enumerate(table.schema):
        if not pa.types.is_dictionary(field.type):
            continue
        size = 0
        for chunk in table.column(place).chunks:
            lengths = pc.binary_length(chunk.dictionary).take(chunk.indices)
            size += pc.sum(pc.cast(lengths, pa.int64())).as_py() or 0
        if size > (most := limit(field.name, first, table.num_rows)):
            raise VerificationError(
                f"{path}: rows {first + 1:,} to {first + table.num_rows:,}, column {field.name}: {size:,} bytes "
                f"of text, at most {most:,}; the file is damaged"
            )
        table = table.set_column(
            place, pa.field(field.name, pa.string()), table.column(place).cast(pa.string())
        )
    return table
