"""The rows of one file as cells, streamed: parquet, JSONL, JSON, CSV, TSV (manifests/FORMAT.md, section 2).

A *row* that can't be text comes out with its fault in the place of the text; a *file* that can't be read as what it
claims to be is a SourceError that names file and row. Rows are counted from 1 within the file.
"""

import csv
import io
import json
import re
from collections.abc import Callable, Iterator, Sequence
from itertools import chain, islice
from typing import IO

import pyarrow as pa
import pyarrow.parquet as pq

from curation.errors import SourceError
from curation.files import SourceFile
from curation.json_stream import JsonStreamError, stream_rows
from curation.recipe import Columns
from curation.traces import Cell, Fault, RawRow, cell, cell_of_bytes
from manifests.keys import ASCII_WHITESPACE

LARGEST_FIELD = 256 << 20  # characters of a CSV field; csv's own limit, 128 KiB, is below real traces

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_BLANK = ASCII_WHITESPACE.encode()
_BATCH_ROWS = 1024
_ESCAPED_BYTE = re.compile("[\udc80-\udcff]")  # what "surrogateescape" makes of bytes that are not UTF-8


def read_rows(
    file: SourceFile, columns: Columns, *, header: bool, first: int = 1, last: int | None = None
) -> Iterator[RawRow]:
    """The rows `first` to `last` (or to the end) of a file, each as the cells of the columns wanted."""
    try:
        match file.here.suffix:
            case ".parquet":
                yield from _parquet(file, columns, first, last)
            case ".jsonl":
                yield from _objects(file, columns, islice(_jsonl(file), first - 1, last), first)
            case ".json":
                yield from _objects(file, columns, islice(_json(file), first - 1, last), first)
            case ".csv":
                yield from _delimited(file, columns, _csv_records, first, last, header=header)
            case _:
                yield from _delimited(file, columns, _tsv_records, first, last, header=header)
    except OSError as error:
        raise SourceError(f"{file.here}: can't be read ({error.strerror or error})") from error


def count_rows(file: SourceFile, *, header: bool) -> int:
    """The number of rows in a file; of a parquet file, from its footer."""
    try:
        match file.here.suffix:
            case ".parquet":
                with _open_parquet(file) as parquet:
                    return int(parquet.metadata.num_rows)
            case ".jsonl":
                return sum(1 for _ in _lines(file))
            case ".json":
                return sum(1 for _ in _json(file))
            case ".csv":
                return max(0, sum(1 for _ in _csv_records(file)) - header)
            case _:
                return max(0, sum(1 for _ in _tsv_records(file)) - header)
    except OSError as error:
        raise SourceError(f"{file.here}: can't be read ({error.strerror or error})") from error


def _open_parquet(file: SourceFile) -> pq.ParquetFile:
    try:
        return pq.ParquetFile(file.here)
    except (pa.ArrowException, OSError) as error:
        raise SourceError(
            f"{file.here}: not a whole parquet file ({_first_line(error)}); fetch it again"
        ) from error


def _parquet(file: SourceFile, columns: Columns, first: int, last: int | None) -> Iterator[RawRow]:
    with _open_parquet(file) as parquet:
        names = [str(name) for name in columns.chosen]
        for name in names:
            _check_parquet_column(file, parquet.schema_arrow, name)
        row = 0  # the last row of the row groups seen
        for group in range(parquet.num_row_groups):
            begin, row = row + 1, row + parquet.metadata.row_group(group).num_rows
            if row < first:
                continue
            if last is not None and begin > last:
                return
            number = begin
            try:
                for batch in parquet.iter_batches(_BATCH_ROWS, row_groups=[group], columns=names):
                    cells = [_text_column(batch.column(batch.schema.get_field_index(name))) for name in names]
                    for values in zip(*cells, strict=True):
                        if number >= first and (last is None or number <= last):
                            yield values
                        number += 1
            except (pa.ArrowException, OSError) as error:
                raise SourceError(
                    f"{file.here}, row {number}: can't be read ({_first_line(error)}); fetch the file again"
                ) from error


def _check_parquet_column(file: SourceFile, schema: pa.Schema, name: str) -> None:
    if schema.names.count(name) != 1:
        raise SourceError(
            f"{file.here}: expected one column {name!r}, the file has {', '.join(schema.names)}; mend 'columns'"
        )
    kind = schema.field(name).type
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    if not (pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind)):
        raise SourceError(f"{file.here}: column {name!r} is {kind}, expected text; mend 'columns'")


def _text_column(array: pa.Array) -> list[Cell]:
    return [cell_of_bytes(value) for value in array.cast(pa.large_binary()).to_pylist()]


def _lines(file: SourceFile) -> Iterator[bytes]:
    with file.here.open("rb") as stream:
        _skip_byte_order_mark(stream)
        for line in stream:
            if line.strip(_BLANK):
                yield line


def _jsonl(file: SourceFile) -> Iterator[object]:
    for row, line in enumerate(_lines(file), 1):
        try:
            yield json.loads(line.decode())
        except UnicodeDecodeError:
            yield Fault.INVALID_UTF8
        except (ValueError, RecursionError) as error:
            raise SourceError(
                f"{file.here}, row {row}: not a line of JSON ({error}); mend the line or fetch the file again"
            ) from error


def _json(file: SourceFile) -> Iterator[object]:
    with file.here.open("rb") as stream:
        _skip_byte_order_mark(stream)
        text = io.TextIOWrapper(stream, encoding="utf-8", errors="surrogateescape", newline="")
        row = 0
        try:
            for value, source_text in stream_rows(text):
                row += 1
                yield Fault.INVALID_UTF8 if _has_escaped_bytes(source_text) else value
        except JsonStreamError as error:
            raise SourceError(f"{file.here}, after row {row}: {error}; fetch the file again") from error


def _objects(file: SourceFile, columns: Columns, rows: Iterator[object], first: int) -> Iterator[RawRow]:
    """The cells of JSON objects. A column that none of the rows has is an error: the recipe names it wrongly."""
    names = [str(name) for name in columns.chosen]
    missing, objects = set(names), 0
    for row, value in enumerate(rows, first):
        if isinstance(value, Fault):
            yield value
            continue
        if not isinstance(value, dict):
            raise SourceError(
                f"{file.here}, row {row}: expected an object, found {_json_kind(value)}; mend the row or the recipe"
            )
        missing -= value.keys()
        objects += 1
        yield tuple(cell(value.get(name)) for name in names)
    if missing and objects:
        raise SourceError(f"{file.here}: no row has a {min(missing)!r}; mend 'columns'")


def _delimited(
    file: SourceFile,
    columns: Columns,
    records_of: Callable[[SourceFile], Iterator[list[str]]],
    first: int,
    last: int | None,
    *,
    header: bool,
) -> Iterator[RawRow]:
    records = records_of(file)
    leading = next(records, None)
    if leading is None:
        if header:
            raise SourceError(f"{file.here}: empty, expected a header; set header = false if it has none")
        return
    places = _places(file, columns, leading, header=header)
    rows = records if header else chain([leading], records)
    width = len(leading)
    for fields in islice(rows, first - 1, last):
        if len(fields) != width:
            yield Fault.TOO_FEW_FIELDS if len(fields) < width else Fault.TOO_MANY_FIELDS
        else:
            yield tuple(
                Fault.INVALID_UTF8 if _has_escaped_bytes(fields[place]) else fields[place] for place in places
            )


def _places(file: SourceFile, columns: Columns, leading: Sequence[str], *, header: bool) -> list[int]:
    places = []
    for name in columns.chosen:
        if header:
            if leading.count(str(name)) != 1:
                shown = ", ".join(leading)[:200].encode("utf-8", "backslashreplace").decode()
                raise SourceError(
                    f"{file.here}: expected one column {name!r}, the header has {shown}; "
                    "mend 'columns' or set header = false"
                )
            places.append(leading.index(str(name)))
        elif isinstance(name, int):
            if name > len(leading):
                raise SourceError(
                    f"{file.here}: no column {name}, the first row has {len(leading)} fields; mend 'columns'"
                )
            places.append(name - 1)
    return places


def _csv_records(file: SourceFile) -> Iterator[list[str]]:
    # The csv module keeps its limit for the whole process; it only ever guards against runaway quotes.
    csv.field_size_limit(LARGEST_FIELD)
    with file.here.open("rb") as stream:
        _skip_byte_order_mark(stream)
        text = io.TextIOWrapper(stream, encoding="utf-8", errors="surrogateescape", newline="")
        reader = csv.reader(text, strict=True)
        record = 0
        try:
            for fields in reader:
                if fields:
                    record += 1
                    yield fields
        except csv.Error as error:
            raise SourceError(
                f"{file.here}, record {record + 1} (line {reader.line_num}): not CSV ({error}); "
                "mend the quotes or fetch the file again"
            ) from error


def _tsv_records(file: SourceFile) -> Iterator[list[str]]:
    with file.here.open("rb") as stream:
        _skip_byte_order_mark(stream)
        for line in stream:
            record = line.removesuffix(b"\n").removesuffix(b"\r")
            if record:
                yield record.decode("utf-8", "surrogateescape").split("\t")


def _has_escaped_bytes(text: str) -> bool:
    return not text.isascii() and _ESCAPED_BYTE.search(text) is not None


def _skip_byte_order_mark(stream: IO[bytes]) -> None:
    if stream.read(len(_BYTE_ORDER_MARK)) != _BYTE_ORDER_MARK:
        stream.seek(0)


def _json_kind(value: object) -> str:
    kinds = {list: "a list", str: "a string", type(None): "null", bool: "true or false"}
    return kinds.get(type(value), "a number")


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
