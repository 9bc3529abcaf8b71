"""JSONL, plain or compressed (gzip, zstd): a line that is not blank is an object."""

import io
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, BinaryIO

import pyarrow as pa

from curation.files import SourceFile
from curation.formats.base import (
    BrokenRowError,
    Head,
    Layout,
    Notes,
    PlacedRow,
    Span,
    cut_lines,
    lines_at,
    read_lines,
    text_begin,
)
from curation.formats.objects import decode, object_cells
from curation.traces import Fault, RawRow

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

LEAST_EXPANSION = 64 << 20  # bytes that any compressed file may expand to, however small it is

_CODECS = {".gz": "gzip", ".zst": "zstd"}
_READ = 1 << 18


def head(file: SourceFile, layout: Layout) -> Head:
    """Where the lines begin: behind a byte order mark."""
    size = file.here.stat().st_size
    with _opened(file, layout) as stream:
        return Head(text_begin(stream), size)


def spans(file: SourceFile, head: Head, size: int) -> Iterator[Span]:
    """Parts that end with a line; a compressed file can't be cut."""
    if file.here.suffix in _CODECS:
        yield Span(head.begin, head.end)
    else:
        yield from cut_lines(file, head, size)


def rows(file: SourceFile, layout: Layout, head: Head, span: Span, notes: Notes) -> Iterator[PlacedRow]:
    """Every line that is not blank."""
    names, compressed = layout.names, file.here.suffix in _CODECS
    with _opened(file, layout) as stream:
        if compressed:
            stream.read(head.begin)
        else:
            stream.seek(span.begin)
        end = None if compressed else span.end
        for start, line, too_long in read_lines(stream, span.begin, end, layout.max_row_bytes):
            if not line.isspace():
                yield start, Fault.TOO_LARGE if too_long else _cells(line, names, notes)


def rows_at(file: SourceFile, layout: Layout, head: Head, places: Sequence[int]) -> Iterator[RawRow]:
    """The lines that begin at `places`; a compressed file is read up to the last of them."""
    names, notes = layout.names, Notes()
    with _opened(file, layout) as stream:
        if file.here.suffix in _CODECS:
            lines = _lines_met(stream, head.begin, places, layout.max_row_bytes)
        else:
            lines = lines_at(stream, places, layout.max_row_bytes)
        for line, too_long in lines:
            yield Fault.TOO_LARGE if too_long else _cells(line, names, notes)


def _lines_met(
    stream: BinaryIO, begin: int, places: Sequence[int], longest: int
) -> Iterator[tuple[bytes, bool]]:
    """The lines at `places`, as `lines_at` gives them, of what can be read in order only."""
    stream.read(begin)
    lines = read_lines(stream, begin, None, longest)
    for place in places:
        for start, line, too_long in lines:
            if start == place:
                yield line, too_long
                break


def _cells(line: bytes, names: Sequence[str], notes: Notes) -> RawRow:
    try:
        value = decode(line.decode())
    except UnicodeDecodeError:
        return Fault.INVALID_UTF8
    except (ValueError, RecursionError) as error:
        raise BrokenRowError(
            f"not a line of JSON ({error}); mend the line or fetch the file again"
        ) from error
    return object_cells(value, names, notes)


@contextmanager
def _opened(file: SourceFile, layout: Layout) -> Iterator[BinaryIO]:
    codec = _CODECS.get(file.here.suffix)
    with file.here.open("rb") as stored:
        if codec is None:
            yield stored
            return
        size = stored.seek(0, os.SEEK_END)
        stored.seek(0)
        if size == 0:
            raise BrokenRowError(f"no {codec} data, the file is empty; fetch the file again")
        most = max(LEAST_EXPANSION, layout.max_expansion * size)
        with pa.CompressedInputStream(stored, codec) as expanded:
            yield io.BufferedReader(_Expanded(codec, expanded, most), _READ)


class _Expanded(io.RawIOBase):
    """What a compressed file expands to, up to so many bytes."""

    def __init__(self, codec: str, stream: BinaryIO, most: int) -> None:
        super().__init__()
        self._codec, self._stream, self._most, self._left = codec, stream, most, most

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: "WriteableBuffer", /) -> int:
        view = memoryview(buffer)
        try:
            data = self._stream.read(len(view))
        except (pa.ArrowException, OSError) as error:
            if isinstance(error, OSError) and error.errno is not None:
                raise
            raise BrokenRowError(f"not whole {self._codec} data ({error}); fetch the file again") from error
        self._left -= len(data)
        if self._left < 0:
            raise BrokenRowError(
                f"the file expands to more than {self._most:,} bytes; "
                "set max_expansion (times its size) if that is meant"
            )
        view[: len(data)] = data
        return len(data)
