"""Parquet: row groups are read one by one, only the columns wanted, a few rows at a time."""

import os
from collections.abc import Iterator, Sequence

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from curation.errors import SourceError
from curation.files import SourceFile
from curation.formats.base import BrokenRowError, Head, Layout, Notes, PlacedRow, Span
from curation.traces import Cell, Fault, RawRow, cell_of_bytes
from manifests.objects import ObjectFile

_BATCH_ROWS = 128
_BATCH_BYTES = 16 << 20
_INDEX_BYTES, _PAGE_BYTES = (
    8,
    4096,
)  # about what pages take that only point into a dictionary


def head(file: SourceFile, layout: Layout) -> Head:
    """From the first row group to the last. Raises SourceError unless the columns wanted are text."""
    with open_parquet(file) as parquet:
        for name in layout.names:
            _check_column(file, parquet.schema_arrow, name)
        return Head(0, parquet.num_row_groups)


def spans(file: SourceFile, head: Head, size: int) -> Iterator[Span]:
    """The whole file: who wants parts asks for `group_rows`."""
    del file, size
    yield Span(head.begin, head.end)


def group_rows(file: SourceFile) -> list[int]:
    """The number of rows of each row group, from the footer."""
    with open_parquet(file) as parquet:
        return [parquet.metadata.row_group(group).num_rows for group in range(parquet.num_row_groups)]


def group_sizes(file: SourceFile) -> list[int]:
    """The stored bytes of each row group, from the footer."""
    with open_parquet(file) as parquet:
        groups = [parquet.metadata.row_group(group) for group in range(parquet.num_row_groups)]
        return [
            sum(group.column(column).total_compressed_size for column in range(group.num_columns))
            for group in groups
        ]


def rows(file: SourceFile, layout: Layout, head: Head, span: Span, _notes: Notes) -> Iterator[PlacedRow]:
    """The rows of some row groups; a row is placed by its number in the file, from 0."""
    del head
    with open_parquet(file) as parquet:
        place = sum(parquet.metadata.row_group(group).num_rows for group in range(span.begin))
        for group in range(span.begin, span.end):
            for raw in _group(parquet, group, layout):
                yield place, raw
                place += 1


def rows_at(file: SourceFile, layout: Layout, head: Head, places: Sequence[int]) -> Iterator[RawRow]:
    """The rows numbered `places`, from 0."""
    del head
    with open_parquet(file) as parquet:
        wanted = iter(places)
        place, row = next(wanted, None), 0
        for group in range(parquet.num_row_groups):
            begin, row = row, row + parquet.metadata.row_group(group).num_rows
            if place is None:
                return
            if place >= row:
                continue
            for number, raw in enumerate(_group(parquet, group, layout), begin):
                if number == place:
                    yield raw
                    place = next(wanted, None)
                    if place is None or place >= row:
                        break


def open_parquet(file: SourceFile) -> pq.ParquetFile:
    """The file, its footer read. Raises SourceError if it is no whole parquet file."""
    try:
        return pq.ParquetFile(file.here.ranges() if isinstance(file.here, ObjectFile) else file.here)
    except (pa.ArrowException, OSError) as error:
        if isinstance(error, OSError) and error.errno is not None:
            # Of files, pyarrow puts a sentence of its own into strerror.
            what = error.strerror if isinstance(file.here, ObjectFile) else os.strerror(error.errno)
            raise SourceError(
                f"{file.here}: can't be read ({what}); check the path and its permissions"
            ) from error
        raise SourceError(
            f"{file.here}: not a whole parquet file ({_first_line(error)}); fetch it again"
        ) from error


def _batch_rows(group: pq.RowGroupMetaData, names: Sequence[str]) -> int:
    """How many rows are read at once: as many as will not take too much memory, by what the footer says."""
    row_bytes = 0.0
    for column in (group.column(number) for number in range(group.num_columns)):
        if column.path_in_schema in names:
            size, rows = column.total_uncompressed_size, max(group.num_rows, 1)
            # Where rows only point into a dictionary, each of them may be all that is in it.
            row_bytes += size if _points_only(column, rows) else size / rows
    return max(1, min(_BATCH_ROWS, int(_BATCH_BYTES / max(row_bytes, 1))))


def _points_only(column: pq.ColumnChunkMetaData, rows: int) -> bool:
    if not column.has_dictionary_page:
        return False
    dictionary = column.data_page_offset - column.dictionary_page_offset
    return bool(column.total_compressed_size - dictionary <= _INDEX_BYTES * rows + _PAGE_BYTES)


def _group(parquet: pq.ParquetFile, number: int, layout: Layout) -> Iterator[RawRow]:
    names = layout.names
    rows = _batch_rows(parquet.metadata.row_group(number), names)
    try:
        for batch in parquet.iter_batches(rows, row_groups=[number], columns=names):
            columns = {
                name: batch.column(batch.schema.get_field_index(name)).cast(pa.large_binary())
                for name in names
            }
            chosen = [columns[name] for name in names]
            sizes = [pc.fill_null(pc.binary_length(column), 0).to_numpy() for column in columns.values()]
            if names and (sum(sizes) > layout.max_row_bytes).any():
                yield from _without_large(chosen, sum(sizes).tolist(), layout.max_row_bytes)
            else:
                yield from zip(*map(_cells, chosen), strict=True) if names else [()] * len(batch)
    except (pa.ArrowException, OSError) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise  # the system or the store won't give it to us; the file may be whole
        raise BrokenRowError(f"can't be read ({_first_line(error)}); fetch the file again") from error


def _without_large(columns: Sequence[pa.Array], sizes: Sequence[int], longest: int) -> Iterator[RawRow]:
    for number, size in enumerate(sizes):
        if size > longest:
            yield Fault.TOO_LARGE
        else:
            yield tuple([cell_of_bytes(column[number].as_py()) for column in columns])


def _cells(column: pa.Array) -> list[Cell]:
    return [cell_of_bytes(value) for value in column.to_pylist()]


def _check_column(file: SourceFile, schema: pa.Schema, name: str) -> None:
    if schema.names.count(name) != 1:
        raise SourceError(
            f"{file.here}: expected one column {name!r}, the file has {', '.join(schema.names)}; mend 'columns'"
        )
    kind = schema.field(name).type
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    if not (pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind)):
        raise SourceError(f"{file.here}: column {name!r} is {kind}, expected text; mend 'columns'")


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
