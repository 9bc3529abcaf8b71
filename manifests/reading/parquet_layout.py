"""What a parquet file says of its row groups, columns and pages, read without trusting any of it.

pyarrow decodes whatever a page header announces, and a damaged footer makes it end the whole process when it is asked
for a column's sizes. So the few numbers that bound a decoder's memory are read here first: from the footer and from the
header of every page (https://github.com/apache/parquet-format, `parquet.thrift`; encoded in Thrift's compact protocol,
https://github.com/apache/thrift/blob/master/doc/specs/thrift-compact-protocol.md).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, TypeAlias

from manifests.errors import VerificationError

LARGEST_FOOTER = 4 << 20
LARGEST_PAGE_HEADER = 1 << 20
"""Bytes that are read of a footer, and of the header of a page."""
MOST_VALUES = 1 << 18
"""Values that are decoded of a footer: a column of a row group has about 30."""
LARGEST_PAGE = 256 << 20
"""Bytes that a page may decompress to; writers aim at one megabyte."""

Value: TypeAlias = "int | bytes | ValueList | Struct"
Struct: TypeAlias = "dict[int, tuple[int, Value]]"
"""The fields of a struct by number, each with its kind: decoders pass over a field of another kind than they expect."""

# The numbers of the fields in parquet.thrift: of FileMetaData, RowGroup, ColumnChunk, ColumnMetaData, PageHeader.
_ROW_GROUPS = 4
_GROUP_COLUMNS, _GROUP_ROWS = 1, 3
_CHUNK_FILE, _CHUNK_COLUMN = 1, 3
_ENCODINGS, _COMPRESSED, _DATA_PAGE, _DICTIONARY = 2, 7, 9, 11
_PAGE_KIND, _PAGE_DECOMPRESSED, _PAGE_COMPRESSED = 1, 2, 3

_MAGIC = b"PAR1"
_DEEPEST = 16
_FIRST_GUESS = 1 << 12  # bytes that most page headers fit into
_DICTIONARY_PAGE = 2
_DICTIONARY_ENCODINGS = {2, 8}
_TRUE, _FALSE, _BYTE, _DOUBLE, _BINARY, _STRUCT = 1, 2, 3, 7, 8, 12
_INTEGERS, _LISTS = (4, 5, 6), (9, 10)
_INTEGER_32, _INTEGER_64 = 5, 6
_LAST_FIELD = 32_767
_WIDE_LIST = 15


@dataclass(frozen=True, slots=True)
class ColumnLayout:
    """A column of a row group: the bytes that its pages decompress to, and whether it refers to a dictionary."""

    decompressed: int
    by_dictionary: bool


@dataclass(frozen=True, slots=True)
class GroupLayout:
    """A row group: its rows and its columns."""

    rows: int
    columns: tuple[ColumnLayout, ...]


def read_layout(path: Path, size: int) -> list[GroupLayout]:
    """The row groups of a parquet file of `size` bytes, its pages counted one by one.

    Raises VerificationError for a file that is none, whose footer is too large, or whose parts don't fit into it.
    """
    try:
        with path.open("rb") as file:
            footer = _read_footer(path, file, size)
            return [_group(file, group, size) for group in _structs(footer, _ROW_GROUPS)]
    except (_DamagedError, RecursionError, IndexError, OSError) as error:
        raise VerificationError(f"{path}: can't be read ({error}); the file is damaged") from error


class _DamagedError(Exception):
    """Bytes that are not what the format has there."""


@dataclass(frozen=True, slots=True)
class ValueList:
    """A list, and the kind of its values."""

    kind: int
    values: list[Value]


def _read_footer(path: Path, file: BinaryIO, size: int) -> "Struct":
    file.seek(max(size - 8, 0))
    trailer = file.read(8)
    if trailer[4:] != _MAGIC:
        raise _DamagedError("its last bytes are not PAR1")
    length = int.from_bytes(trailer[:4], "little")
    if length > LARGEST_FOOTER:
        raise VerificationError(
            f"{path}: a footer of {length:,} bytes, at most {LARGEST_FOOTER:,} are read; not this format's table"
        )
    if length > size - 12:
        raise _DamagedError(f"a footer of {length:,} bytes in a file of {size:,}")
    file.seek(size - 8 - length)
    return _Compact(file.read(length)).struct(0)


def _group(file: BinaryIO, group: "Struct", size: int) -> GroupLayout:
    columns = tuple(_column(file, chunk, size) for chunk in _structs(group, _GROUP_COLUMNS))
    return GroupLayout(_integer(group, _GROUP_ROWS, _INTEGER_64), columns)


def _column(file: BinaryIO, chunk: "Struct", size: int) -> ColumnLayout:
    if _CHUNK_FILE in chunk:
        raise _DamagedError("a column in another file")
    column = _struct(chunk.get(_CHUNK_COLUMN, (0, 0)))
    offsets = [_integer(column, field, _INTEGER_64) for field in (_DATA_PAGE, _DICTIONARY) if field in column]
    start = min((offset for offset in offsets if offset), default=0)  # 0: there is no such page
    length = _integer(column, _COMPRESSED, _INTEGER_64)
    if start + length > size:
        raise _DamagedError("a column beyond the end of the file")
    encodings = {encoding for encoding in _list(column, _ENCODINGS, _INTEGER_32) if isinstance(encoding, int)}
    decompressed, by_dictionary = 0, bool(encodings & _DICTIONARY_ENCODINGS)
    for header in _page_headers(file, start, start + length):
        page = _integer(header, _PAGE_DECOMPRESSED, _INTEGER_32)
        if page > LARGEST_PAGE:
            raise _DamagedError(f"a page of {page:,} bytes, at most {LARGEST_PAGE:,} are read")
        decompressed += page
        by_dictionary |= _integer(header, _PAGE_KIND, _INTEGER_32) == _DICTIONARY_PAGE
    return ColumnLayout(decompressed, by_dictionary)


def _page_headers(file: BinaryIO, start: int, end: int) -> Iterator["Struct"]:
    while start < end:
        header, length = _page_header(file, start, end)
        yield header
        start += length + _integer(header, _PAGE_COMPRESSED, _INTEGER_32)
    if start != end:
        raise _DamagedError("a page beyond the end of its column")


def _page_header(file: BinaryIO, start: int, end: int) -> tuple["Struct", int]:
    """A page's header and its length in bytes."""
    guess = _FIRST_GUESS
    while True:
        most = min(guess, end - start)
        file.seek(start)
        reading = _Compact(file.read(most))
        try:
            return reading.struct(0), reading.place
        except _DamagedError:
            if most == end - start or guess >= LARGEST_PAGE_HEADER:
                raise
        guess = LARGEST_PAGE_HEADER


class _Compact:
    """A reader of Thrift's compact protocol: structs as dictionaries by field number, doubles and maps refused."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._values = 0
        self.place = 0

    def struct(self, depth: int) -> "Struct":
        if depth > _DEEPEST:
            raise _DamagedError("nested too deep")
        fields: Struct = {}
        field = 0
        while head := self._byte():
            step, kind = head >> 4, head & 15
            field = field + step if step else self._zigzag()
            if field in fields or not 0 < field <= _LAST_FIELD:
                raise _DamagedError(f"a field {field} that stands twice or can't be")
            fields[field] = kind, int(kind == _TRUE) if kind in {_TRUE, _FALSE} else self._value(kind, depth)
        return fields

    def _value(self, kind: int, depth: int) -> Value:
        self._values += 1
        if self._values > MOST_VALUES:
            raise _DamagedError(f"more than {MOST_VALUES:,} values")
        if kind in {_BYTE, _TRUE, _FALSE}:  # in a list a truth value is a byte of its own
            return self._byte()
        if kind in _INTEGERS:
            return self._zigzag()
        if kind == _BINARY:
            return self._take(self._varint())
        if kind == _DOUBLE:
            return self._take(8)
        if kind in _LISTS:
            return self._list(depth + 1)
        if kind == _STRUCT:
            return self.struct(depth + 1)
        raise _DamagedError(f"a value of kind {kind}")

    def _list(self, depth: int) -> ValueList:
        if depth > _DEEPEST:
            raise _DamagedError("nested too deep")
        head = self._byte()
        count = self._varint() if head >> 4 == _WIDE_LIST else head >> 4
        if count > len(self._data) - self.place:  # an entry takes at least a byte
            raise _DamagedError(f"a list of {count:,} entries")
        return ValueList(head & 15, [self._value(head & 15, depth) for _ in range(count)])

    def _zigzag(self) -> int:
        number = self._varint()
        return (number >> 1) ^ -(number & 1)

    def _varint(self) -> int:
        number = shift = 0
        while True:
            byte = self._byte()
            number |= (byte & 127) << shift
            if byte < 128:  # noqa: PLR2004 - the high bit says that more follows
                return number
            shift += 7
            if shift > 63:  # noqa: PLR2004 - bits of the largest integer
                raise _DamagedError("an endless number")

    def _byte(self) -> int:
        if self.place >= len(self._data):
            raise _DamagedError("it ends too early")
        self.place += 1
        return self._data[self.place - 1]

    def _take(self, length: int) -> bytes:
        if length > len(self._data) - self.place:
            raise _DamagedError("it ends too early")
        self.place += length
        return self._data[self.place - length : self.place]


def _struct(field: "tuple[int, Value]") -> "Struct":
    kind, value = field
    if kind != _STRUCT or not isinstance(value, dict):
        raise _DamagedError("a part of the footer is missing")
    return value


def _structs(fields: "Struct", field: int) -> "list[Struct]":
    return [_struct((_STRUCT, value)) for value in _list(fields, field, _STRUCT)]


def _list(fields: "Struct", field: int, kind: int) -> list[Value]:
    _, value = fields.get(field, (0, 0))
    if not isinstance(value, ValueList) or (value.values and value.kind != kind):
        raise _DamagedError("a list of the footer is missing")
    return value.values


def _integer(fields: "Struct", field: int, kind: int) -> int:
    """A size or a number of rows."""
    found, value = fields.get(field, (0, 0))
    if found != kind or not isinstance(value, int) or value < 0:
        raise _DamagedError("a number is missing, below 0, or of another kind")
    return value
