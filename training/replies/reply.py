"""The format of a reply: one reasoning block, closed, then an answer that is not empty, then the end of the turn. Pure.

A template's tags say what the format is. With two of them the answer is all that stands behind the block:

    <think>…</think>…

With four it has a block of its own, and nothing but white space stands outside of the two:

    <reasoning>…</reasoning> <answer>…</answer>

White space around the parts is free: whoever splits a reply at its tags gets the same parts with or without it.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from training.batches.templates import Template


class Lapse(StrEnum):
    """How a reply does not keep the format. The first one in the order of reading is told."""

    NEVER_OPENED = "the reasoning was never opened"
    TEXT_BEFORE = "text before the reasoning"
    NEVER_CLOSED = "the reasoning was never closed"
    TWICE = "a tag stands twice"
    NO_ANSWER = "no answer"
    OUT_OF_PLACE = "text or a tag out of its place"
    ANSWER_NEVER_CLOSED = "the answer was never closed"
    NO_END = "the turn was never ended"


@dataclass(frozen=True)
class Reply:
    """A reply in its parts; a part that could not be found is None. `lapse` is None when the format is kept."""

    reasoning: str | None
    answer: str | None
    lapse: Lapse | None


def read_reply(template: Template, text: str, *, ended: bool) -> Reply:
    """Split a reply and say whether it keeps the format of `template`.

    `text` is the reply without its end of turn, `ended` whether it had one. What `template.completion` makes of a
    reasoning and an answer without tags in them, the answer not blank, keeps the format, and comes apart into the same
    two but for white space around them.
    """
    opening, closing = template.tags[:2]
    before, opened, rest = text.partition(opening)
    if not opened:
        return Reply(None, None, Lapse.NEVER_OPENED)
    reasoning, closed, behind = rest.partition(closing)
    if not closed:
        return Reply(_part(reasoning), None, Lapse.TEXT_BEFORE if before.strip() else Lapse.NEVER_CLOSED)
    answer, lapse = _answer(template.tags[2:], behind)
    if before.strip():
        lapse = Lapse.TEXT_BEFORE
    elif any(text.count(tag) > 1 for tag in template.tags):
        lapse = Lapse.TWICE
    elif lapse is None and not ended:
        lapse = Lapse.NO_END
    return Reply(_part(reasoning), _part(answer), lapse)


def kept_share(lapses: Iterable[str | None]) -> float:
    """The share of replies that keep the format, of at least one reply."""
    every = list(lapses)
    return sum(lapse is None for lapse in every) / len(every)


def _answer(tags: tuple[str, ...], behind: str) -> tuple[str | None, Lapse | None]:
    """The answer in what stands behind the reasoning, and what is wrong with it."""
    if not tags:
        return behind, None if behind.strip() else Lapse.NO_ANSWER
    opening, closing = tags
    between, opened, rest = behind.partition(opening)
    if not opened:
        return None, Lapse.OUT_OF_PLACE if between.strip() else Lapse.NO_ANSWER
    answer, closed, after = rest.partition(closing)
    if between.strip() or after.strip():
        return answer, Lapse.OUT_OF_PLACE
    if not answer.strip():
        return answer, Lapse.NO_ANSWER
    return answer, None if closed else Lapse.ANSWER_NEVER_CLOSED


def _part(text: str | None) -> str | None:
    return None if text is None else text.strip()
