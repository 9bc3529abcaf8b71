"""The elements of one JSON list, or the members of one JSON object, without ever holding the whole text.

The standard decoder reads one value at a time from a window that grows until the value is complete.
"""

import json
from collections.abc import Iterator
from typing import TextIO

LARGEST_ROW = 256 << 20  # characters: past this a row that does not end is taken for damage
_READ = 1 << 20
_LONGEST_TOKEN = 16  # characters: what a cut can leave half of, an escape or a word such as "false"
_SPACE = " \t\n\r"


class JsonStreamError(ValueError):
    """The text is no JSON list or object, or ends before it does."""


def stream_rows(text: TextIO) -> Iterator[tuple[object, str]]:
    """Each element or member of the top value with the text it was read from.

    Raises JsonStreamError where the text stops being JSON.
    """
    window = _Window(text)
    opening = window.next_token()
    if opening not in {"[", "{"}:
        raise JsonStreamError(f"expected a list or an object, found {opening or 'the end'!r}")
    closing = "]" if opening == "[" else "}"
    window.skip(1)
    if window.next_token() == closing:
        window.skip(1)
    else:
        while True:
            if opening == "{":
                name, _ = window.value()
                if not isinstance(name, str) or window.next_token() != ":":
                    raise JsonStreamError("expected a name and a colon")
                window.skip(1)
            yield window.value()
            mark = window.next_token()
            window.skip(1)
            if mark == closing:
                break
            if mark != ",":
                raise JsonStreamError(
                    "cut short" if not mark else f"expected a comma or the end, found {mark!r}"
                )
    if rest := window.next_token():
        raise JsonStreamError(f"text after the end: {rest!r}")


class _Window:
    """The part of the text that was read and not yet used up."""

    def __init__(self, text: TextIO) -> None:
        self._text, self._buffer, self._at = text, "", 0
        self._decoder = json.JSONDecoder()
        self._ended = False

    def next_token(self) -> str:
        """The next character that is no whitespace, still unused; "" at the end."""
        while True:
            while self._at < len(self._buffer) and self._buffer[self._at] in _SPACE:
                self._at += 1
            if self._at < len(self._buffer):
                return self._buffer[self._at]
            if not self._more():
                return ""

    def skip(self, characters: int) -> None:
        self._at += characters

    def value(self) -> tuple[object, str]:
        """The next JSON value and its text."""
        if not self.next_token():
            raise JsonStreamError("cut short")
        while True:
            try:
                value, end = self._decoder.raw_decode(self._buffer, self._at)
            except (ValueError, RecursionError) as error:
                # Only an error at the very end can be for want of text; a string without end is reported at its start.
                near_end = isinstance(error, json.JSONDecodeError) and (
                    len(self._buffer) - error.pos < _LONGEST_TOKEN
                    or error.msg.startswith("Unterminated string")
                )
                if near_end and len(self._buffer) - self._at < LARGEST_ROW and self._more():
                    continue
                reason = (
                    "cut short" if near_end and self._ended else f"not JSON ({str(error).split(': line')[0]})"
                )
                raise JsonStreamError(reason) from error
            # A number at the window's edge may go on behind it.
            if len(self._buffer) - end <= len("e+") and self._more():
                continue
            text = self._buffer[self._at : end]
            self._at = end
            return value, text

    def _more(self) -> bool:
        """Read on, twice as much as is unused, so that a long value costs no more than twice its length."""
        unused = len(self._buffer) - self._at
        chunk = self._text.read(max(_READ, unused))
        if not chunk:
            self._ended = True
            return False
        self._buffer, self._at = self._buffer[self._at :] + chunk, 0
        return True
