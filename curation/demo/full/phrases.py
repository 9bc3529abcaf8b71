"""The sentences that rows are composed of: what the templates tell, taken apart. Pure.

Tens of thousands of sentences, with the numbers and names of the stories they come from, a few of them drawn for each
text: two texts of 300 characters are equal with a probability below 10^-15. Fresh rows share the wording of some
sentences: the Jaccard index of their runs of five words is about 0.01, and below 0.1 for two rows of 37,000
characters, the longest of the sources (measured).
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np

from curation.demo.full.stream import Stream, Whole
from curation.demo.templates import FOREIGN, LONG, SHORT, Draw, Template, Trace

_BREAK = "\n\n"
_SENTENCE_END = re.compile(r"(?<=[.?!])\s+|(?<=[。！？])|\n+")  # noqa: RUF001 - as Chinese is written
_SHORTEST, _LONGEST = 12, 160
"""Characters of a sentence."""

_SENTENCES_A_PARAGRAPH = 4
_LONG_WORD, _HALF_A_WORD = 12, 3
"""Characters before and behind the end of a text in which the end of a word is sought."""

_OPEN_ENDS = " \n.,;:?!。，；：？！"  # noqa: RUF001 - Chinese has stops of its own
_TOLD_IN_VAIN = 5_000
"""So many traces in a row without a new sentence, and the templates have told all they have."""

_ANSWERS_OF_A_LENGTH = 64
_LONGEST_ANSWER = 320
_TEXTS_CUT = 6_000
_SHORTEST_ANSWERS = (*"0123456789ABCDE", "no", "yes", *map(str, range(10, 1000, 7)))


@dataclass(frozen=True, slots=True)
class Phrases:
    """Sentences and whole questions of one style, and short answers by their length."""

    pieces: tuple[str, ...]
    """Every sentence with what parts it from the next, then every sentence with the end of a paragraph."""
    sizes: Whole
    """The characters of the pieces."""
    questions: tuple[str, ...]
    stop: str = "."
    answers: tuple[tuple[str, ...], ...] = ()
    """By length in characters: at least one of each length from 1 on."""

    def compose(self, stream: Stream, lengths: Whole) -> list[str]:
        """Texts of these lengths in characters, off by half a word: the last sentence is cut short to fit."""
        sentences = len(self.pieces) // 2
        average = int(self.sizes.sum()) // len(self.pieces)
        # More than is needed, so that each text begins with a whole sentence.
        goals = np.cumsum(lengths + int(self.sizes.max()) + _HALF_A_WORD)
        picked = np.empty(0, dtype=np.int64)
        told = 0
        while told <= goals[-1]:
            missing = (int(goals[-1]) - told) // average + len(lengths)
            drawn = stream.below(sentences * _SENTENCES_A_PARAGRAPH, missing)
            picked = np.append(picked, np.where(drawn < sentences, drawn + sentences, drawn % sentences))
            told = int(self.sizes[picked].sum())
        ends = np.searchsorted(np.cumsum(self.sizes[picked]), goals).tolist()
        pieces = list(map(self.pieces.__getitem__, picked[: ends[-1]].tolist()))
        return [
            self._cut("".join(pieces[start:end]), length)
            for (start, end), length in zip(pairwise([0, *ends]), lengths.tolist(), strict=True)
        ]

    def _cut(self, text: str, length: int) -> str:
        end = text.rfind(" ", max(length - _LONG_WORD, 1), length + _HALF_A_WORD)
        return text[: end if end > 0 else length].rstrip(_OPEN_ENDS) + self.stop

    def ask(self, stream: Stream, count: int) -> list[str]:
        """Whole questions, as a template asks them."""
        return list(map(self.questions.__getitem__, stream.below(len(self.questions), count).tolist()))

    def answer(self, stream: Stream, lengths: Whole) -> list[str]:
        """Short answers of exactly these lengths; lengths beyond the longest answer are cut to it."""
        capped = np.minimum(lengths, len(self.answers) - 1).tolist()
        drawn = stream.below(1 << 20, len(capped)).tolist()
        return [
            of_length[number % len(of_length)]
            for of_length, number in zip(map(self.answers.__getitem__, capped), drawn, strict=True)
        ]


def english(seed: int, sentences: int) -> Phrases:
    """The style of long traces: `sentences` different sentences, or as many as the templates have."""
    return _phrases(Draw(f"demo sources, seed {seed}, phrases en", care=0.7), LONG, sentences)


def foreign(seed: int, language: str, sentences: int) -> Phrases:
    """The style of long traces in another language."""
    draw = Draw(f"demo sources, seed {seed}, phrases {language}", care=0.7)
    if language == "zh":
        return _phrases(draw, FOREIGN[language], sentences, space="", stop="。")
    return _phrases(draw, FOREIGN[language], sentences)


def short_english(seed: int, sentences: int) -> Phrases:
    """The style of short rationales, with short answers."""
    draw = Draw(f"demo sources, seed {seed}, phrases of short rationales", care=0.3)
    templates = (*(template for _, template in SHORT), *LONG)
    phrases = _phrases(draw, templates, sentences)
    return replace(phrases, answers=_answers(phrases.pieces))


def _phrases(
    draw: Draw, templates: Sequence[Template], count: int, space: str = " ", stop: str = "."
) -> Phrases:
    sentences: dict[str, None] = {}
    questions: dict[str, None] = {}
    in_vain = 0
    for trace in _told(draw, templates):
        before = len(sentences)
        questions[trace.prompt] = None
        for sentence in _SENTENCE_END.split(f"{trace.reasoning}\n{trace.answer}"):
            if _SHORTEST <= len(sentence) <= _LONGEST:
                sentences[sentence] = None
        in_vain = 0 if len(sentences) > before else in_vain + 1
        if len(sentences) >= count or in_vain >= _TOLD_IN_VAIN:
            break
    chosen = list(sentences)[:count]
    pieces = (*(sentence + space for sentence in chosen), *(sentence + _BREAK for sentence in chosen))
    return Phrases(pieces, np.array(list(map(len, pieces)), dtype=np.int64), tuple(questions), stop)


def _told(draw: Draw, templates: Sequence[Template]) -> Iterator[Trace]:
    while True:
        for template in draw.order(templates):
            yield template(draw)


def _answers(pieces: Sequence[str]) -> tuple[tuple[str, ...], ...]:
    """By length: the first words of what a few sentences say, and numbers and letters for the shortest."""
    found: list[dict[str, None]] = [{} for _ in range(_LONGEST_ANSWER + 1)]
    for text in _SHORTEST_ANSWERS:
        found[len(text)][text] = None
    for start in range(0, min(len(pieces) // 2, _TEXTS_CUT), 3):
        text = ""
        for word in " ".join(pieces[start : start + 12]).split():
            text = f"{text} {word}" if text else word
            if len(text) > _LONGEST_ANSWER:
                break
            if len(found[len(text)]) < _ANSWERS_OF_A_LENGTH:
                found[len(text)][text] = None
    for shorter, own in pairwise(found):
        own.update(
            {} if own else shorter
        )  # a length that no text has takes the answers of the next shorter one
    return tuple(map(tuple, found))
