"""From a raw row to a trace, or to the reason why it can't be one: the stage `parse` (manifests/FORMAT.md, section 4).

Pure. Nothing is repaired: what does not fit leaves with its reason.
"""

from collections.abc import Sequence
from enum import StrEnum
from typing import NamedTuple

from curation.recipe import Tags
from manifests.keys import ASCII_WHITESPACE, Trace


class Fault(StrEnum):
    """Why a row is no trace. A reader puts one in the place of a value that is no text."""

    TOO_LARGE = "too-large"
    TOO_FEW_FIELDS = "too-few-fields"
    TOO_MANY_FIELDS = "too-many-fields"
    NULL = "null"
    NOT_TEXT = "not-text"
    INVALID_UTF8 = "invalid-utf8"
    LONE_SURROGATE = "lone-surrogate"
    NO_PROMPT = "no-prompt"
    NO_REASONING = "no-reasoning"
    NO_ANSWER = "no-answer"
    TAG_UNOPENED = "tag-unopened"
    TAG_UNCLOSED = "tag-unclosed"
    TAG_REPEATED = "tag-repeated"
    TEXT_BEFORE_REASONING = "text-before-reasoning"
    TEXT_BEFORE_ANSWER = "text-before-answer"
    TEXT_AFTER_ANSWER = "text-after-answer"


Cell = str | Fault
RawRow = Sequence[Cell] | Fault


def cell(value: object) -> Cell:
    """A value of JSON as a cell: its text, or what keeps it from being text."""
    if value is None:
        return Fault.NULL
    if not isinstance(value, str):
        return Fault.NOT_TEXT
    if not value.isascii():
        try:
            value.encode()
        except UnicodeEncodeError:
            return Fault.LONE_SURROGATE
    return value


def cell_of_bytes(value: bytes | None) -> Cell:
    """Stored bytes as a cell: their text, or what keeps them from being text."""
    if value is None:
        return Fault.NULL
    try:
        return value.decode()
    except UnicodeDecodeError:
        return Fault.INVALID_UTF8


def parse(raw: RawRow, tags: Tags | None) -> Trace | Fault:
    """The trace of a raw row, or why there is none.

    A raw row is (prompt, response), with `tags` to split the response by, or (prompt, reasoning, answer) without.
    """
    if isinstance(raw, Fault):
        return raw
    texts: list[str] = []
    for value in raw:
        if isinstance(value, Fault):
            return value
        texts.append(value.strip(ASCII_WHITESPACE))
    prompt = texts[0]
    if not prompt:
        return Fault.NO_PROMPT
    parts = (texts[1], texts[2]) if tags is None else split_response(texts[1], tags)
    if isinstance(parts, Fault):
        return parts
    reasoning, answer = parts
    if not reasoning:
        return Fault.NO_REASONING
    if not answer:
        return Fault.NO_ANSWER
    return Trace(prompt, reasoning, answer)


def split_response(response: str, tags: Tags) -> tuple[str, str] | Fault:
    """Reasoning and answer of a response, by its tags; the ASCII whitespace at their ends is gone."""
    reasoning = _find_pair(response, tags.reasoning, absent=Fault.NO_REASONING)
    if isinstance(reasoning, Fault):
        return reasoning
    answer = _find_pair(response, tags.answer, absent=Fault.NO_ANSWER)
    if isinstance(answer, Fault):
        return answer
    if reasoning is None:
        # Nothing marks the reasoning: it is all that stands before the answer.
        reasoning = _Pair(0, 0, len(response) if answer is None else answer.begin, 0)
    elif _stripped(response, 0, reasoning.begin):
        return Fault.TEXT_BEFORE_REASONING
    elif answer is None:
        answer = _Pair(reasoning.end, reasoning.end, len(response), len(response))
    elif answer.begin < reasoning.end or _stripped(response, reasoning.end, answer.begin):
        return Fault.TEXT_BEFORE_ANSWER
    if answer is None or _stripped(response, answer.end, len(response)):
        return Fault.TEXT_AFTER_ANSWER
    return (
        _stripped(response, reasoning.inner_begin, reasoning.inner_end),
        _stripped(response, answer.inner_begin, answer.inner_end),
    )


class _Pair(NamedTuple):
    """Where a pair of tags begins, where its inside begins and ends, and where it ends."""

    begin: int
    inner_begin: int
    inner_end: int
    end: int


def _find_pair(text: str, pair: tuple[str, str] | None, absent: Fault) -> _Pair | Fault | None:
    """Where a pair stands in a text, or what is wrong with it; None if there is none to look for."""
    if pair is None:
        return None
    start, end = pair
    begin = text.find(start)
    close = text.find(end) if end else len(text)
    if begin < 0:
        return absent if close < 0 or not end else Fault.TAG_UNOPENED
    if close < begin:
        return Fault.TAG_UNCLOSED
    if text.find(start, begin + len(start)) >= 0 or (end and text.find(end, close + len(end)) >= 0):
        return Fault.TAG_REPEATED
    return _Pair(begin, begin + len(start), close, close + len(end))


def _stripped(response: str, begin: int, end: int) -> str:
    return response[begin:end].strip(ASCII_WHITESPACE)
