"""TSV: a line is a row, tabs part its fields, nothing is quoted."""

from collections.abc import Iterator, Sequence

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
from curation.formats.delimited import no_header, places_of
from curation.traces import Fault, RawRow, cell_of_bytes


def head(file: SourceFile, layout: Layout) -> Head:
    """The first record says how many fields a record has, and with a header what they are called."""
    with file.here.open("rb") as stream:
        size = stream.seek(0, 2)
        stream.seek(0)
        begin = stream.seek(text_begin(stream))
        for start, line, too_long in read_lines(stream, begin, None, layout.max_row_bytes):
            if too_long:
                raise BrokenRowError("the first line is too large; raise max_row_bytes")
            if record := _record(line):
                leading = record.decode("utf-8", "surrogateescape").split("\t")
                places = places_of(file, layout, leading)
                return Head(start + len(line) if layout.header else start, size, places, len(leading))
    if layout.header:
        raise no_header(file)
    return Head(size, size)


spans = cut_lines


def rows(file: SourceFile, layout: Layout, head: Head, span: Span, _notes: Notes) -> Iterator[PlacedRow]:
    """Every line that is not empty. One of another width than the first, or one too large, is a fault."""
    with file.here.open("rb") as stream:
        stream.seek(span.begin)
        for start, line, too_long in read_lines(stream, span.begin, span.end, layout.max_row_bytes):
            if record := _record(line):
                yield start, Fault.TOO_LARGE if too_long else _cells(record, head)


def rows_at(file: SourceFile, layout: Layout, head: Head, places: Sequence[int]) -> Iterator[RawRow]:
    """The lines that begin at `places`."""
    with file.here.open("rb") as stream:
        for line, too_long in lines_at(stream, places, layout.max_row_bytes):
            yield Fault.TOO_LARGE if too_long else _cells(_record(line), head)


def _record(line: bytes) -> bytes:
    return line.removesuffix(b"\n").removesuffix(b"\r")


def _cells(record: bytes, head: Head) -> RawRow:
    fields = record.split(b"\t")
    if len(fields) != head.width:
        return Fault.TOO_FEW_FIELDS if len(fields) < head.width else Fault.TOO_MANY_FIELDS
    return tuple([cell_of_bytes(fields[place]) for place in head.places])
