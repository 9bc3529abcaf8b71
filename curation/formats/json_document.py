"""JSON: the elements of one list, or the members of one object, without ever holding the whole document.

The standard decoder reads one value at a time from a window of the text. A value that the window does not hold is
measured by its brackets before it is decoded, or passed over.
"""

import codecs
import json
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
from curation.formats.json_extent import value_end
from curation.formats.objects import DECODER, object_cells
from curation.traces import Fault, RawRow

_READ = 1 << 16
_SMALL_READ = 1 << 14  # bytes: about what one row needs
_WINDOW = 1 << 20  # characters: a value that does not end within is measured first
_LONGEST_TOKEN = 16  # characters: what a cut can leave half of, an escape or a word such as "false"
_FIRST_SEARCH, _LONGEST_SEARCH = 1 << 16, 8 << 20
_CLOSING = {"[": "]", "{": "}"}
_SPACE = re.compile(r"[ \t\n\r]*")
# What stands between two rows: a comma, and in an object a name without escapes.
_BETWEEN = {
    "[": re.compile(r"[ \t\n\r]*,[ \t\n\r]*()(?=\{)"),
    "{": re.compile(r'[ \t\n\r]*,[ \t\n\r]*("[^"\\\x00-\x1f]*"[ \t\n\r]*:[ \t\n\r]*)(?=\{)'),
}
# Where a row seems to begin: behind the end of an object and a comma. Text can look the same.
_BEGINNINGS = {
    "[": re.compile(rb"\}\s*,\s*(?=\{)"),
    "{": re.compile(rb'\}\s*,\s*(?="(?:[^"\\]|\\.){0,256}"\s*:\s*\{)'),
}


def head(file: SourceFile, layout: Layout) -> Head:
    """The bracket that the document opens with."""
    del layout
    with file.here.open("rb") as stream:
        size = stream.seek(0, 2)
        stream.seek(0)
        window = _Window(stream, text_begin(stream), 0, _SMALL_READ)
        opening = window.next_token()
        if opening not in _CLOSING:
            raise _broken(f"not JSON (expected a list or an object, found {opening or 'the end'!r})")
        return Head(window.place, size, container=opening)


def spans(file: SourceFile, head: Head, size: int) -> Iterator[Span]:
    """Parts that seem to end where a row begins."""
    begin = head.begin
    with file.here.open("rb") as stream:
        target = begin + size
        while target < head.end:
            end = _beginning(stream, head.container, target)
            if begin < end < head.end:
                yield Span(begin, end)
                begin = end
            target = max(begin, target) + size
    yield Span(begin, head.end)


def _beginning(stream: BinaryIO, container: str, target: int) -> int:
    """Where the first row seems to begin behind `target`; -1 if that is not to be found."""
    length = _FIRST_SEARCH
    while length <= _LONGEST_SEARCH:
        stream.seek(target)
        found = _BEGINNINGS[container].search(stream.read(length))
        if found:
            return target + found.end()
        length *= 4
    return -1


def rows(file: SourceFile, layout: Layout, head: Head, span: Span, notes: Notes) -> Iterator[PlacedRow]:
    """Every element or member of the span, placed by where it begins (a member: its name)."""
    names = layout.names
    with file.here.open("rb") as stream:
        for place, value in elements(stream, head, span, layout.max_row_bytes, _READ):
            yield place, value if isinstance(value, Fault) else object_cells(value, names, notes)


def elements(
    stream: BinaryIO, head: Head, span: Span, longest: int, read: int
) -> Iterator[tuple[int, object]]:
    """The JSON values in a span of a document, read in pieces of `read` bytes, with the places where they begin.

    A Fault takes the place of a value of more than `longest` bytes, or that is no UTF-8. Raises BrokenRowError where
    the text stops being JSON, SpanEndError if the span does not end where a value begins.
    """
    window = _Window(stream, span.begin, longest, read)
    closing = _CLOSING[head.container]
    if span.begin == head.begin:
        window.skip_token()
        if window.next_token() == closing:
            _check_end(window, head, span)
            return
    while True:
        window.next_token()
        if window.place >= span.end and span.end < head.end:
            if window.place > span.end:
                raise SpanEndError
            return
        yield window.place, window.element(head.container)
        yield from window.simple_elements(head.container, span.end)
        mark = window.next_token()
        if mark == closing:
            _check_end(window, head, span)
            return
        if mark != ",":
            raise _broken(f"expected a comma or the end, found {mark!r}" if mark else "cut short")
        window.skip_token()


def rows_at(file: SourceFile, layout: Layout, head: Head, places: Sequence[int]) -> Iterator[RawRow]:
    """The elements that begin at `places`."""
    names, notes = layout.names, Notes()
    with file.here.open("rb") as stream:
        window = _Window(stream, head.begin, layout.max_row_bytes, _SMALL_READ)
        for place in places:
            if window.next_token() == ",":
                window.skip_token()
                window.next_token()
            window.go_to(place)
            value = window.element(head.container)
            yield value if isinstance(value, Fault) else object_cells(value, names, notes)


def _check_end(window: "_Window", head: Head, span: Span) -> None:
    if span.end < head.end:
        raise SpanEndError
    window.skip_token()
    if rest := window.next_token():
        raise _broken(f"text after the end: {rest!r}")


def _broken(what: str) -> BrokenRowError:
    return BrokenRowError(f"{what}; fetch the file again")


class _Window:
    """The part of the document that was read and not yet used up; bytes that are no UTF-8 stand in it escaped."""

    def __init__(self, stream: BinaryIO, begin: int, longest: int, read: int) -> None:
        self._stream, self._longest, self._read = stream, longest, read
        self._decode = DECODER.raw_decode
        self._begin(begin)

    def _begin(self, place: int) -> None:
        self.place = place
        self._stream.seek(place)
        self._bytes_decoder = codecs.getincrementaldecoder("utf-8")("surrogateescape")
        self._text, self._at, self._ended, self._ascii = "", 0, False, True

    def go_to(self, place: int) -> None:
        """Stand at a place of the file."""
        if place != self.place:
            self._begin(place)

    def next_token(self) -> str:
        """The next character that is no whitespace, still unused; "" at the end."""
        while True:
            found = _SPACE.match(self._text, self._at)
            if found:
                self._move(found.end())
            if self._at < len(self._text):
                return self._text[self._at]
            if not self._more():
                return ""

    def skip_token(self) -> None:
        """Use up the next character that is no whitespace."""
        self.next_token()
        self._move(self._at + 1)

    def element(self, container: str) -> object:
        """The next element, or the value of the next member; a Fault where it is too large, or no UTF-8."""
        if container == "{":
            if self.next_token() == '"':
                self._value()
            if self.next_token() != ":":
                raise _broken("cut short" if not self.next_token() else "expected a name and a colon")
            self.skip_token()
        if not self.next_token():
            raise _broken("cut short")
        return self._value()

    def simple_elements(self, container: str, end: int) -> list[tuple[int, object]]:
        """The elements that follow, up to the first that is not whole in the window, or not simply an object.

        They begin before `end`. What is done here is done for almost every row: nothing is called that need not be.
        """
        text, at, place, only_ascii = self._text, self._at, self.place, self._ascii
        between, decode, longest = _BETWEEN[container].match, self._decode, self._longest
        elements = list[tuple[int, object]]()
        while found := between(text, at):
            start, begin = found.span(1)
            begin_place = place + (start - at if only_ascii else _size(text[at:start]))
            if begin_place >= end:
                break
            try:
                value, value_end = decode(text, begin)
            except (ValueError, RecursionError):
                break
            if only_ascii:
                place += value_end - at
                size = value_end - begin
            else:
                size, is_utf8 = _size_and_health(text[begin:value_end])
                place = begin_place + _size(text[start:begin]) + size
                value = value if is_utf8 else Fault.INVALID_UTF8
            elements.append((begin_place, Fault.TOO_LARGE if size > longest else value))
            at = value_end
        self._at, self.place = at, place
        return elements

    def _value(self) -> object:
        """The value that begins here."""
        while True:
            try:
                value, end = self._decode(self._text, self._at)
            except RecursionError:
                return self._measured_value()
            except json.JSONDecodeError as error:
                if self._is_certain(error):
                    raise _broken(f"not JSON ({error.msg})") from error
                if len(self._text) - self._at < _WINDOW and self._more():
                    continue
                return self._measured_value()
            # A number at the window's edge may go on behind it.
            if len(self._text) - end <= len("e+") and self._text[end - 1] not in '}]"' and self._more():
                continue
            return self._checked(value, end)

    def _is_certain(self, error: json.JSONDecodeError) -> bool:
        """Whether the text is wrong, however it may go on, and within the first _WINDOW characters of the value."""
        near_end = len(self._text) - error.pos < _LONGEST_TOKEN
        far = error.pos - self._at >= _WINDOW - _LONGEST_TOKEN
        # A string without end is reported at its start.
        return not (near_end or far or error.msg.startswith("Unterminated string"))

    def _measured_value(self) -> object:
        """The value that begins here, of which the window holds a part only."""
        begin, end = self.place, value_end(self._stream, self.place)
        if end is None:
            raise _broken("cut short")
        if end - begin > self._longest:
            self._begin(end)
            return Fault.TOO_LARGE
        self._stream.seek(begin)
        data = self._stream.read(end - begin)
        self._begin(end)
        text = data.decode("utf-8", "surrogateescape")
        try:
            value = DECODER.decode(text)
        except json.JSONDecodeError as error:
            raise _broken(f"not JSON ({error.msg})") from error
        except RecursionError as error:
            raise _broken("not JSON that can be read (nested too deeply)") from error
        return value if _size_and_health(text)[1] else Fault.INVALID_UTF8

    def _checked(self, value: object, end: int) -> object:
        """The value up to `end`, used up."""
        size, is_utf8 = _size_and_health(self._text[self._at : end])
        self._at, self.place = end, self.place + size
        if size > self._longest:
            return Fault.TOO_LARGE
        return value if is_utf8 else Fault.INVALID_UTF8

    def _move(self, to: int) -> None:
        self.place += _size(self._text[self._at : to])
        self._at = to

    def _more(self) -> bool:
        """Read on, twice as much as is unused, so that a long value costs no more than twice its length."""
        if self._ended:
            return False
        unused = len(self._text) - self._at
        chunk = self._stream.read(max(self._read, unused))
        self._ended = not chunk
        self._text = self._text[self._at :] + self._bytes_decoder.decode(chunk, final=self._ended)
        self._at, self._ascii = 0, self._text.isascii()
        return True


def _size(text: str) -> int:
    """The bytes of a text."""
    return _size_and_health(text)[0]


def _size_and_health(text: str) -> tuple[int, bool]:
    """The bytes of a text, and whether they are UTF-8."""
    if text.isascii():
        return len(text), True
    try:
        return len(text.encode()), True
    except UnicodeEncodeError:  # what "surrogateescape" makes of bytes that are not UTF-8
        return len(text.encode("utf-8", "surrogateescape")), False
