"""What the formats have in common: how a file is to be read, where it is cut, what can be wrong with it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import BinaryIO, Protocol, TypeAlias

from curation.files import SourceFile
from curation.recipe import DEFAULT_MAX_EXPANSION, DEFAULT_MAX_ROW_BYTES, Columns
from curation.traces import RawRow

SPAN_BYTES = 8 << 20
BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_PIECE = 1 << 20

PlacedRow: TypeAlias = tuple[int, RawRow]
"""Where a row begins, as the format finds it again (a byte, or the row's number from 0), and its cells."""


@dataclass(frozen=True, slots=True)
class Layout:
    """How the files of a source are read."""

    columns: Columns
    header: bool = True
    max_row_bytes: int = DEFAULT_MAX_ROW_BYTES
    max_expansion: int = DEFAULT_MAX_EXPANSION

    @property
    def names(self) -> list[str]:
        """The columns as text."""
        return [str(name) for name in self.columns.chosen]


@dataclass(frozen=True, slots=True)
class Head:
    """What every span of a file has to know of it.

    Rows lie from `begin` to `end` (bytes, or row groups). `places` and `width` are those of delimited fields;
    `container` is the bracket that a JSON document opens with.
    """

    begin: int
    end: int
    places: tuple[int, ...] = ()
    width: int = 0
    container: str = ""


@dataclass(frozen=True, slots=True)
class Span:
    """A part of a file."""

    begin: int
    end: int


@dataclass(slots=True)
class Notes:
    """What is noticed on the way: which of the columns wanted occurred, and in how many objects they were sought."""

    found: set[str] = field(default_factory=set)
    objects: int = 0


class BrokenRowError(Exception):
    """The row that would come next can't be read: what is wrong, and what to do."""


class SpanEndError(Exception):
    """A span that was cut by a guess does not end where a row does."""


class Format(Protocol):
    """A module of this package. Each function may raise BrokenRowError, SourceError and OSError."""

    def head(self, file: SourceFile, layout: Layout) -> Head:
        """How the file begins."""

    def spans(self, file: SourceFile, head: Head, size: int) -> Iterator[Span]:
        """Where it may be cut, into parts of about `size` bytes: each begins where the one before ends."""

    def rows(
        self, file: SourceFile, layout: Layout, head: Head, span: Span, notes: Notes
    ) -> Iterator[PlacedRow]:
        """The rows of a span. Raises SpanEndError if it does not end with a row."""

    def rows_at(
        self, file: SourceFile, layout: Layout, head: Head, places: Sequence[int]
    ) -> Iterator[RawRow]:
        """The rows that begin at `places`, ascending; fewer, if the file ends before."""


def text_begin(stream: BinaryIO) -> int:
    """Where text begins: behind a byte order mark. The stream stands at its beginning, and is read."""
    return len(BYTE_ORDER_MARK) if stream.read(len(BYTE_ORDER_MARK)) == BYTE_ORDER_MARK else 0


def read_lines(
    stream: BinaryIO, begin: int, end: int | None, longest: int
) -> Iterator[tuple[int, bytes, bool]]:
    """(position, line with its end, whether it was too long) from `begin` to `end`.

    A line of more than `longest` bytes is passed over piece by piece, and only its first piece given: the first that is
    not blank, if there is one.
    """
    position = begin
    while (end is None or position < end) and (line := stream.readline(longest + 1)):
        start, too_long = position, len(line) > longest
        position += len(line)
        piece = line
        while too_long and not piece.endswith(b"\n") and (piece := stream.readline(_PIECE)):
            position += len(piece)
            if line.isspace() and not piece.isspace():
                line = piece
        yield start, line, too_long


def lines_at(stream: BinaryIO, places: Sequence[int], longest: int) -> Iterator[tuple[bytes, bool]]:
    """(line, whether it was too long) of the lines that begin at `places`; fewer, if the file ends before."""
    for place in places:
        stream.seek(place)
        found = next(read_lines(stream, place, None, longest), None)
        if found is None:
            return
        yield found[1:]


def cut_lines(file: SourceFile, head: Head, size: int) -> Iterator[Span]:
    """Spans that end with a line."""
    begin = head.begin
    with file.here.open("rb") as stream:
        while begin < head.end:
            stream.seek(begin + size)
            end = begin + size
            while end < head.end and (piece := stream.readline(_PIECE)):
                end += len(piece)
                if piece.endswith(b"\n"):
                    break
            end = min(end, head.end)
            yield Span(begin, end)
            begin = end
