"""What happened to a text whose keys are known: every likely change is undone and held against them. Pure."""

import html
import unicodedata
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice, permutations

from xxhash import xxh3_128_digest

from manifests.keys import ASCII_WHITESPACE, Trace, prompt_key, trace_keys
from manifests.words import cut

LARGEST_SEARCHED = 16 << 10  # bytes of a part of which every bit is tried
LARGEST_TEXT = 4 << 20  # characters of a trace that is looked into at all
MOST_TRIES = 400_000  # single characters tried for one trace
MOST_BYTES = 2 << 30  # of these, in characters of the whole trace
_LETTERS = "".join(map(chr, range(0x20, 0x7F))) + "\n\t"
_AROUND = 20  # characters shown on either side of a change


@dataclass(frozen=True, slots=True)
class TextFault:
    """What differs in a trace: the column ("" where nobody can tell), the true text where found, and the cause."""

    column: str
    expected: str | None
    observed: str | None
    cause: str


def text_fault(trace: Trace, content: bytes, prompt: bytes, chars: int) -> TextFault:
    """Why a trace has not these keys. `chars` is the number of characters that it should have."""
    digests = [xxh3_128_digest(part.encode()) for part in trace]
    missing = chars - sum(map(len, trace))
    if sum(map(len, trace)) > LARGEST_TEXT:
        return TextFault("", None, None, "the text was edited; too long to look for how")
    if any(xxh3_128_digest(b"".join(order)) == content for order in permutations(digests)):
        return TextFault("", None, None, "proven: a tool swapped its columns")
    for cause, undone in _undone(trace):
        if trace_keys(undone)[0] == content:
            return _changed(trace, undone, f"proven: a tool rewrote the text: {cause}")
    for cause, place, part in _single_changes(trace, missing):
        if (
            xxh3_128_digest(b"".join([*digests[:place], xxh3_128_digest(part), *digests[place + 1 :]]))
            == content
        ):
            whole = trace._replace(**{Trace._fields[place]: part.decode(errors="replace")})
            return _changed(trace, whole, f"proven: {cause}")
    column = "prompt" if prompt_key(trace.prompt) != prompt else ""
    return TextFault(column, None, None, _likely(trace, missing))


def _undone(trace: Trace) -> Iterator[tuple[str, Trace]]:
    """The trace with what each tool does undone, in all its columns or in one."""
    for cause, undo in _TOOLS:
        whole = Trace(*(_applied(undo, part) for part in trace))
        yield cause, whole
        for name in Trace._fields:
            yield cause, trace._replace(**{name: getattr(whole, name)})


def _single_changes(trace: Trace, missing: int) -> Iterator[tuple[str, int, bytes]]:
    """A cause, a column and its bytes with one bit turned, or one character put in, taken out or replaced.

    Which of these, `missing` allows: how many characters are too few.
    """
    for place, part in enumerate(trace):
        data = part.encode()
        for changed in _turned(data) if len(data) <= LARGEST_SEARCHED else ():
            yield "one bit was turned, by a disk, a memory or a copy", place, changed
    tries = min(MOST_TRIES, MOST_BYTES // max(1, sum(map(len, trace))))
    yield from islice(
        (
            (cause, place, data)
            for place, part in enumerate(trace)
            for cause, data in _characters(part, missing)
        ),
        tries,
    )


def _turned(data: bytes) -> Iterator[bytes]:
    turned = bytearray(data)
    for place in range(len(turned)):
        for bit in range(8):
            turned[place] ^= 1 << bit
            yield bytes(turned)
            turned[place] ^= 1 << bit


def _characters(part: str, missing: int) -> Iterator[tuple[str, bytes]]:
    if missing == -1:
        for place in range(len(part)):
            yield "one character was added", f"{part[:place]}{part[place + 1 :]}".encode()
    if missing in {0, 1}:
        cause = "one character was lost" if missing else "one character was changed"
        for place in range(len(part) + missing):
            for letter in _LETTERS:
                yield cause, f"{part[:place]}{letter}{part[place + 1 - missing :]}".encode()


def _applied(undo: Callable[[str], str], part: str) -> str:
    try:
        return undo(part)
    except UnicodeError:
        return part


def _normalised(form: str) -> Callable[[str], str]:
    return lambda text: unicodedata.normalize(form, text)  # type: ignore[arg-type]


_TOOLS: tuple[tuple[str, Callable[[str], str]], ...] = (
    *(
        (f"Unicode normalisation, it was in form {form}", _normalised(form))
        for form in ("NFC", "NFD", "NFKC", "NFKD")
    ),
    ("LF was made CRLF", lambda text: text.replace("\r\n", "\n")),
    ("CRLF was made LF", lambda text: text.replace("\n", "\r\n")),
    ("CR was made LF", lambda text: text.replace("\n", "\r")),
    ("whitespace was put at its ends", lambda text: text.strip(ASCII_WHITESPACE)),
    ("it was escaped as HTML", html.unescape),
    ("it was unescaped from HTML", html.escape),
    ("UTF-8 was read as Latin-1", lambda text: text.encode("latin-1").decode("utf-8")),
    ("UTF-8 was read as Windows-1252", lambda text: text.encode("cp1252").decode("utf-8")),
)


def _likely(trace: Trace, missing: int) -> str:
    text = "".join(trace)
    if "\ufffd" in text:
        return "likely bytes that could not be decoded were replaced by U+FFFD"
    if missing > 0:
        if not any(run in text for run in ("\n", "\t", "\r", "  ")):
            return f"likely a tool folded whitespace: {missing:,} characters fewer, and no run of whitespace"
        if not text.isascii() and unicodedata.is_normalized("NFC", text):
            return f"likely Unicode normalisation or a cut: {missing:,} characters fewer"
        return f"{missing:,} characters fewer: likely the text was cut or edited"
    if missing < 0:
        return f"{-missing:,} characters more: likely the text was edited"
    return "the text was edited; as many characters as it should have"


def _changed(observed: Trace, true: Trace, cause: str) -> TextFault:
    """The first column that differs, and both texts around the first difference in it."""
    for name, ours, theirs in zip(Trace._fields, observed, true, strict=True):
        if ours != theirs:
            first = next(
                (place for place, pair in enumerate(zip(ours, theirs, strict=False)) if pair[0] != pair[1]),
                min(len(ours), len(theirs)),
            )
            here = slice(max(0, first - _AROUND), first + _AROUND)
            return TextFault(name, cut(repr(theirs[here]), 160), cut(repr(ours[here]), 160), cause)
    return TextFault("", None, None, cause)
