"""CSV by RFC 4180, as Python's csv module reads it in its strict mode, with the place of every record.

A regular expression made for the file's number of fields takes one whole record; what it does not fit (another number
of fields, a record that goes on behind the window, a broken quote) is read field by field. The csv module itself tells
no places and holds a record in full, however long it is.

Records may hold line ends inside quotes. A cut is a guess, that quotes come in pairs: it holds unless a quote stands
inside an unquoted field. A span whose cut was wrong ends inside quotes, and says so.
"""

import re
from collections.abc import Iterator, Sequence
from typing import BinaryIO

from curation.files import SourceFile
from curation.formats.base import (
    BrokenRowError,
    Head,
    Layout,
    Notes,
    PlacedRow,
    Span,
    SpanEndError,
    text_begin,
)
from curation.formats.delimited import no_header, places_of
from curation.traces import Cell, Fault, RawRow, cell_of_bytes

_READ = 1 << 18
_SMALL_READ = 1 << 15  # bytes: about what one row needs
_PIECE = 1 << 20
_MOST_FIELDS = 10_000
_LONGEST_SEARCH = 32 << 20  # bytes: where no record ends within, none is cut

_INSIDE = rb'[^"]*+(?:""[^"]*+)*+'
_FIELD = rb'(?:"%b"|[^",\r\n][^,\r\n]*+|)' % _INSIDE
_RECORD_END = rb"(?:\r\n|\n|\r(?!\Z))"  # whether a CR at the very end is half of a CRLF is not known yet
_FIELD_AND_MARK = re.compile(rb"(%b)(,|%b)" % (_FIELD, _RECORD_END))
_MANY_FIELDS = re.compile(rb"(?:%b,){500}" % _FIELD)
_QUOTED_TEXT = re.compile(_INSIDE)
_PLAIN_TEXT = re.compile(rb"[^,\r\n]*+")
_LINE_ENDS = re.compile(rb"[\r\n]*+")
_QUOTES = re.compile(rb'""')


def head(file: SourceFile, layout: Layout) -> Head:
    """The first record says how many fields a record has, and with a header what they are called."""
    with file.here.open("rb") as stream:
        size = stream.seek(0, 2)
        stream.seek(0)
        window = _Window(stream, text_begin(stream), size, size, _SMALL_READ)
        if not window.find_record():
            if layout.header:
                raise no_header(file)
            return Head(size, size)
        begin = window.position
        fields = window.fields(layout.max_row_bytes, _MOST_FIELDS)
        if fields is None:
            raise BrokenRowError("the first record is too large; raise max_row_bytes")
        if len(fields) > _MOST_FIELDS:
            raise BrokenRowError(f"the first record has more than {_MOST_FIELDS:,} fields; mend the file")
        leading = [_unquoted(field).decode("utf-8", "surrogateescape") for field in fields]
        places = places_of(file, layout, leading)
        return Head(window.position if layout.header else begin, size, places, len(fields))


def spans(file: SourceFile, head: Head, size: int) -> Iterator[Span]:
    """Parts that end with a line outside of quotes."""
    begin = head.begin
    with file.here.open("rb") as stream:
        stream.seek(begin)
        while head.end - begin > size:
            end, quotes = begin, 0
            while end < begin + size:
                piece = stream.read(min(_PIECE, begin + size - end))
                quotes += piece.count(b'"')
                end += len(piece)
            end = _record_end(stream, end, inside=quotes % 2 == 1)
            if end < 0:
                break
            yield Span(begin, end)
            begin = end
        if begin < head.end:
            yield Span(begin, head.end)


def _record_end(stream: BinaryIO, position: int, *, inside: bool) -> int:
    """Where the line ends in which, or in whose quotes, `position` lies; -1 if that is not to be found."""
    furthest = position + _LONGEST_SEARCH
    while position < furthest and (line := stream.readline(_PIECE)):
        position += len(line)
        inside ^= line.count(b'"') % 2 == 1
        if not inside and line.endswith(b"\n"):
            return position
    return -1


def rows(file: SourceFile, layout: Layout, head: Head, span: Span, _notes: Notes) -> Iterator[PlacedRow]:
    """Every record of the span. A record of another width than the first, or one too large, is a fault."""
    record = _Record(head, layout.max_row_bytes)
    with file.here.open("rb") as stream:
        window = _Window(stream, span.begin, span.end, head.end, _READ)
        while window.find_record():
            yield window.position, record.read(window)


def rows_at(file: SourceFile, layout: Layout, head: Head, places: Sequence[int]) -> Iterator[RawRow]:
    """The records that begin at `places`."""
    record = _Record(head, layout.max_row_bytes)
    with file.here.open("rb") as stream:
        window = _Window(stream, head.begin, head.end, head.end, _SMALL_READ)
        for place in places:
            window.go_to(place)
            if not window.find_record():
                return
            yield record.read(window)


class _Record:
    """How a record of a file becomes cells."""

    def __init__(self, head: Head, longest: int) -> None:
        self._head, self._longest = head, longest
        chosen = sorted(set(head.places))
        self._order = [chosen.index(place) for place in head.places]
        self._match = _record_pattern(head.width, chosen).match

    def read(self, window: "_Window") -> RawRow:
        """The cells of the record that begins where the window stands; the window moves behind it."""
        found = self._match(window.buffer, window.at)
        if found is not None:
            if window.move(found.end()) > self._longest:
                return Fault.TOO_LARGE
            cells = [_cell(field) for field in found.groups()]
            return tuple([cells[place] for place in self._order])
        fields = window.fields(self._longest, self._head.width)
        if fields is None:
            return Fault.TOO_LARGE
        if len(fields) != self._head.width:
            return Fault.TOO_FEW_FIELDS if len(fields) < self._head.width else Fault.TOO_MANY_FIELDS
        return tuple([_cell(fields[place]) for place in self._head.places])


def _record_pattern(width: int, chosen: Sequence[int]) -> re.Pattern[bytes]:
    """A record of `width` fields, with a group for each of the fields chosen."""
    pattern = b"(%b)" % _FIELD if 0 in chosen else _FIELD
    before = 1
    for place in chosen:
        if place > 0:
            pattern += b"(?:,%b){%d},(%b)" % (_FIELD, place - before, _FIELD)
            before = place + 1
    return re.compile(pattern + b"(?:,%b){%d}" % (_FIELD, max(width - before, 0)) + _RECORD_END)


def _cell(field: bytes) -> Cell:
    return cell_of_bytes(_unquoted(field))


def _unquoted(field: bytes) -> bytes:
    if not field.startswith(b'"'):
        return field
    inner = field[1:-1]
    return _QUOTES.sub(b'"', inner) if b'"' in inner else inner


def _broken(what: str) -> BrokenRowError:
    return BrokenRowError(f"not CSV ({what}); mend the quotes or fetch the file again")


class _Window:
    """The part of a span that was read and not yet used up: `buffer`, used up to `at`.

    A line end is put behind the last byte, so that every record has one.
    """

    def __init__(self, stream: BinaryIO, begin: int, end: int, file_end: int, read: int) -> None:
        self.buffer, self.at = b"", 0
        self._stream, self._base, self._end, self._file_end, self._read = stream, begin, end, file_end, read
        self._ended = False
        stream.seek(begin)

    @property
    def position(self) -> int:
        """Where in the file the unused part begins."""
        return min(self._base + self.at, self._end)

    def go_to(self, place: int) -> None:
        """Stand at a place of the file."""
        if place != self.position:
            self._stream.seek(place)
            self.buffer, self.at, self._base, self._ended = b"", 0, place, False

    def move(self, to: int) -> int:
        """Use the buffer up to `to`; the bytes of the file in between."""
        begin, self.at = self.position, to
        return self.position - begin

    def find_record(self) -> bool:
        """Pass over empty lines; whether a record begins behind them."""
        while True:
            self.at = _end(_LINE_ENDS, self.buffer, self.at)
            if self.at < len(self.buffer):
                return True
            if not self._more(0):
                return False

    def fields(self, longest: int, most: int) -> list[bytes] | None:
        """The fields of the next record as they are stored, but of those beyond `most` no more than one.

        None if it has more than `longest` bytes; of what is too large, nothing is held. Raises SpanEndError if the
        record goes on behind the span.
        """
        begin, fields = self.position, list[bytes]()
        while True:
            found = _FIELD_AND_MARK.match(self.buffer, self.at)
            if found is None:
                self._check_quote(begin)
                left = longest - (self._base + len(self.buffer) - begin)
                if left < 0:
                    self._forget()
                if not self._more(left):
                    if self._end < self._file_end:
                        raise SpanEndError
                    raise _broken(f"nothing closes a quote of the record at byte {begin:,}")
                if len(fields) > most:
                    self._pass_over_many()
                continue
            self.at = found.end()
            if len(fields) <= most:
                fields.append(found[1])
                if len(fields) > most:
                    self._pass_over_many()
            if found[2] != b",":
                return None if self.position - begin > longest else fields

    def _pass_over_many(self) -> None:
        """Pass over fields of which no more need be known than that they are whole, as far as the window goes."""
        while found := _MANY_FIELDS.match(self.buffer, self.at):
            self.at = found.end()

    def _check_quote(self, begin: int) -> None:
        """Raise BrokenRowError if the quoted field that begins here has text behind its end."""
        if self.buffer.startswith(b'"', self.at):
            end = _end(_QUOTED_TEXT, self.buffer, self.at + 1)
            if self.buffer[end + 1 : end + 2] not in {b"", b",", b"\r", b"\n"}:
                raise _broken(f"text behind a closing quote in the record at byte {begin:,}")

    def _forget(self) -> None:
        """Let go of the text of the field that has not ended yet: how it began is all that matters of it."""
        if self.at < len(self.buffer):
            text = _QUOTED_TEXT if self.buffer.startswith(b'"', self.at) else _PLAIN_TEXT
            end = _end(text, self.buffer, self.at + 1)
            self._base += end - 1
            self.buffer, self.at = self.buffer[self.at : self.at + 1] + self.buffer[end:], 0

    def _more(self, left: int) -> bool:
        """Read on: twice as much as is unused, so that a long field costs no more than twice its length.

        But little beyond the `left` bytes that its record may still have.
        """
        if self._ended:
            return False
        unused = len(self.buffer) - self.at
        size = max(self._read, min(unused, left + 1))
        held = self._base + len(self.buffer)
        chunk = self._stream.read(min(size, self._end - held))
        if not chunk:
            self._ended, chunk = True, b"\n"
        self._base += self.at
        self.buffer, self.at = self.buffer[self.at :] + chunk, 0
        return True


def _end(pattern: re.Pattern[bytes], text: bytes, at: int) -> int:
    """Where a pattern that always matches ends."""
    found = pattern.match(text, at)
    return at if found is None else found.end()
