"""The rows of a source at the full size, some thousands at a time. Pure.

The lengths that are known of the upstream sources, in characters (p50, p90, p95, p99): the response of Glaive 7,078 /
9,398 / 10,362 / 15,731; the output of OpenO1 4,120 / 7,575 / 8,920 / 12,173; the response of Raiden 9,769 / 22,547 /
28,791 / 37,339; CoT-Collection's rationale 238 / 563 / 722 / 867 and target 6 / 38 / 63 / 138. Its prompts are as long
as make the file its 2.4 GB. All other quantiles are guesses.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from curation.demo.full.phrases import Phrases
from curation.demo.full.plan import Plan
from curation.demo.full.stream import Lengths, Stream, Whole
from curation.demo.layouts import tag_characters
from curation.demo.planting import Planted, Row, padded, retouched
from curation.demo.templates import SHORT, Draw, Trace

Place = tuple[str, int]
"""Source and row."""

RESPONSES: Mapping[str, Lengths] = {
    "raiden": Lengths(
        ((0, 1500), (100, 4200), (500, 9769), (900, 22547), (950, 28791), (990, 37339), (1000, 45000))
    ),
    "openo1": Lengths(
        ((0, 900), (100, 2300), (500, 4120), (900, 7575), (950, 8920), (990, 12173), (1000, 15000))
    ),
    "glaive": Lengths(
        ((0, 1800), (100, 4700), (500, 7078), (900, 9398), (950, 10362), (990, 15731), (1000, 19000))
    ),
}
"""Reasoning and answer, with their tags."""
RATIONALES = Lengths(((0, 60), (100, 110), (500, 238), (900, 563), (950, 722), (990, 867), (1000, 1100)))
TARGETS = Lengths(((0, 1), (250, 3), (500, 6), (900, 38), (950, 63), (990, 138), (1000, 300)))

_PROMPTS = Lengths(((0, 40), (500, 180), (900, 700), (990, 1800), (1000, 4000)))
"""What is told before the question."""
_PASSAGES = Lengths(((0, 120), (250, 300), (500, 540), (750, 880), (900, 1370), (990, 3100), (1000, 6000)))
"""What is told before the question in CoT-Collection."""
_LONG_PASSAGE = 600
"""Characters in which a word more or less is little: in CoT-Collection, rows that are repeated have no fewer."""

_ANSWER_SHARE = 100, 250
"""Per mille of a response."""

_ROWS_AT_ONCE = {"raiden": 1_000, "openo1": 1_000, "cot": 8_000, "glaive": 1_000}
_TASKS = tuple(sorted({task for task, _ in SHORT}))


def tell_rows(
    source: str, rows: int, seed: int, phrases: Mapping[str, Phrases], plan: Plan, kept: dict[Place, Row]
) -> Iterator[list[Row]]:
    """All rows of a source, in lots.

    `phrases` are those of its languages. The rows of a lot depend on the seed, the source, the lot's number and what
    is planted in it. Rows that are repeated are added to `kept`, and leave it with their repetition.
    """
    at_once = _ROWS_AT_ONCE[source]
    planted, originals = plan.planted[source], plan.originals[source]
    for start in range(1, rows + 1, at_once):
        numbers = range(start, min(start + at_once, rows + 1))
        stream = f"demo sources, seed {seed}, {source} from row {start}"
        # The lot is always told whole, so that a row is the same whatever stands behind it.
        if source == "cot":
            repeated = np.array([number in originals for number in range(start, start + at_once)])
            lot = _short(Stream(stream), phrases["en"], repeated)[: len(numbers)]
        else:
            lot = _long(source, Stream(stream), phrases["en"], at_once)[: len(numbers)]
        here = [planted[number] for number in numbers if number in planted]
        for language in sorted({one.detail for one in here if one.kind == "language"}):
            where = [one.row for one in here if one.kind == "language" and one.detail == language]
            others = _long(source, Stream(f"{stream}, {language}"), phrases[language], len(where))
            for number, row in zip(where, others, strict=True):
                lot[number - start] = row
        for number in numbers:
            row = lot[number - start]
            if number in originals:
                kept[source, number] = row
            elif number in planted:
                lot[number - start] = _planted(row, planted[number], seed, plan, kept)
        yield lot


def _planted(row: Row, one: Planted, seed: int, plan: Plan, kept: dict[Place, Row]) -> Row:
    if one.kind == "language":
        return row
    if one.kind == "malformed":
        return replace(row, defect=one.detail, variant=one.variant)
    original = kept.pop((plan.source_of[one.of_part], one.of_row))
    change = padded if one.kind == "duplicate" else retouched
    draw = Draw(f"demo sources, seed {seed}, {one.part} row {one.row}", care=0)
    return replace(original, trace=change(draw, original.trace), task=row.task)


def _long(source: str, stream: Stream, phrases: Phrases, count: int) -> list[Row]:
    lengths = RESPONSES[source].draw(stream, count) - tag_characters(source)
    low, high = _ANSWER_SHARE
    answers = lengths * (low + stream.below(high - low, count)) // 1000
    reasonings = phrases.compose(stream, lengths - answers)
    prompts = _prompts(stream, phrases, _PROMPTS.draw(stream, count))
    texts = zip(prompts, reasonings, phrases.compose(stream, answers), strict=True)
    return [Row(Trace(*three)) for three in texts]


def _short(stream: Stream, phrases: Phrases, repeated: NDArray[np.bool_]) -> list[Row]:
    count = len(repeated)
    rationales = phrases.compose(stream, RATIONALES.draw(stream, count))
    targets = phrases.answer(stream, TARGETS.draw(stream, count))
    passages = _PASSAGES.draw(stream, count)
    prompts = _prompts(stream, phrases, np.where(repeated, np.maximum(passages, _LONG_PASSAGE), passages))
    tasks = map(_TASKS.__getitem__, stream.below(len(_TASKS), count).tolist())
    texts = zip(prompts, rationales, targets, tasks, strict=True)
    return [Row(Trace(prompt, rationale, target), task) for prompt, rationale, target, task in texts]


def _prompts(stream: Stream, phrases: Phrases, lengths: Whole) -> list[str]:
    """A text of each length, and then a question."""
    questions = phrases.ask(stream, len(lengths))
    return [f"{text}\n\n{one}" for text, one in zip(phrases.compose(stream, lengths), questions, strict=True)]
