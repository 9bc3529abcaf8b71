"""The stage `decontaminate`: which prompts contain a question of a benchmark (FORMAT.md, `ngram-overlap/1`).

Runs of 13 words, and whole questions where they are shorter, are what GPT-3's authors looked for (Brown et al. 2020,
arXiv:2005.14165, section 4 and appendix C); that a single row must hold a share of a question's runs is Tülu 3's rule
(Lambert et al. 2024, arXiv:2411.15124): one shared run is often a figure of speech, half of a question is not.

Runs get numbers by doubling (Karp, Miller, Rosenberg 1972): a run of 2n words is a pair of runs of n words, and a pair
is looked up in the sorted pairs of the questions. Equal numbers mean equal words; nothing is hashed.
"""

import re
from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import repeat
from pathlib import Path
from typing import NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from curation.errors import RecipeError, SourceError
from curation.files import SourceFile, find_files
from curation.readers import read_rows
from curation.recipe import Columns, Decontaminate
from curation.traces import Cell, Fault
from manifests.disk import sha256_file
from manifests.identity import QuestionFile

EVALUATION_QUESTION = "evaluation-question"  # the reason that a row is dropped with
LEAST_WORDS = (
    8  # of a question: fewer words are met in ordinary text (GPT-3's appendix C stops there as well)
)

Numbers: TypeAlias = npt.NDArray[np.int64]

_PIECE_CHARS = 1 << 20
_CHUNK_WORDS = 1 << 18
_LOW = (1 << 32) - 1

# Fixed ranges instead of Unicode's classes, which move from version to version.
_JOINED = "0-9A-Za-z\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u0dff\u1e00-\u1fff\u2c00-\u2dff"
_ALONE = "\u0e00-\u1dff\u2e80-\u2fff\u3040-\ud7ff\uf900-\ufaff\U00020000-\U0003ffff"
_WORD = re.compile(f"[{_JOINED}]+|[{_ALONE}]")
_BETWEEN = re.compile(f"[^{_JOINED}]")
_ASCII = {code: chr(code).lower() if chr(code).isalnum() else " " for code in range(128)}


def words_of(text: str) -> list[str]:
    """The words of a text: ASCII letters in lower case; markup and punctuation, curly quotes as well, only part them.

    Letters and digits of scripts that write spaces run together, characters of others are a word each.
    """
    if text.isascii():
        return text.translate(_ASCII).split()
    return _WORD.findall(text.encode().lower().decode())  # lower() of bytes: ASCII only


class _Runs(NamedTuple):
    """The questions' runs of one length. A run is a pair: the runs of the level's span at its begin and at `shift`."""

    shift: int
    pairs: Numbers
    first: int  # the number of the first of them, among the runs of all lengths


class _Level(NamedTuple):
    """The questions' runs of `span` words, as pairs of runs of half the span, and what ends between here and twice."""

    span: int
    pairs: Numbers
    runs: tuple[_Runs, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Questions:
    """The questions of benchmarks, ready to be looked for. Made once, pickled to every worker process."""

    files: tuple[QuestionFile, ...]
    _vocabulary: dict[str, int]
    _levels: tuple[_Level, ...]
    _longest: int
    _holders: Numbers  # questions that hold run 0, then run 1, …
    _holders_from: Numbers  # where those of each run begin; one more than there are runs
    _runs_of: Numbers  # distinct runs of each question
    _required: Numbers  # how many of them a prompt must hold
    _origins: Numbers  # file and row of each question, shape (questions, 2)

    def matches(self, prompts: Sequence[str]) -> list[str | None]:
        """For each prompt the question that it contains, as `path:row`, or None. Each on its own: batches say nothing.

        Of several the one with the largest share of its runs in the prompt, then the first in order of files and rows.
        Prompts must be encodable as UTF-8. Time and memory grow with the words of the batch, and for each prompt at
        most with the runs of all questions.
        """
        found: list[str | None] = [None] * len(prompts)
        numbers, ends = self._number(prompts)
        hits = [np.empty(0, dtype=np.int64)]
        for places, runs in self._find(numbers):
            hits.append(np.searchsorted(ends, places, side="right") << 32 | runs)
        distinct = np.unique(np.concatenate(hits))
        held_by, begins = np.unique(distinct >> 32, return_index=True)
        for prompt, runs in zip(held_by.tolist(), np.split(distinct & _LOW, begins[1:]), strict=False):
            found[prompt] = self._best(runs)
        return found

    def _number(self, prompts: Sequence[str]) -> tuple[npt.NDArray[np.uintc], Numbers]:
        """The numbers of all words, prompt after prompt, and where each ends. 0: no question's word, or an end."""
        numbers, ends = array("I"), []
        for prompt in prompts:
            for piece in _pieces(prompt):
                numbers.extend(map(self._vocabulary.get, words_of(piece), repeat(0)))
            numbers.append(0)
            ends.append(len(numbers))
        return np.array(numbers, dtype=np.uintc), np.array(ends, dtype=np.int64)

    def _find(self, numbers: npt.NDArray[np.uintc]) -> Iterator[tuple[Numbers, Numbers]]:
        """Where runs of questions begin, and which: chunk by chunk, so that only what was found takes memory."""
        for start in range(0, len(numbers), _CHUNK_WORDS):
            known = numbers[start : start + _CHUNK_WORDS + self._longest - 1].astype(np.int64)
            for level in self._levels:
                if level.span > 1:
                    places, found = _look_up(level.pairs, *_pair(known, level.span // 2))
                    known = _spread(places, found, len(known))
                for runs in level.runs:
                    places, found = _look_up(runs.pairs, *_pair(known, runs.shift))
                    yield start + places, runs.first + found - 1

    def _best(self, runs: Numbers) -> str | None:
        """The question of which these distinct runs make up the largest share, if one has enough of them."""
        begins = self._holders_from[runs]
        counts = self._holders_from[runs + 1] - begins
        holders = np.repeat(begins - np.cumsum(counts) + counts, counts) + np.arange(counts.sum())
        asked, held = np.unique(self._holders[holders], return_counts=True)
        enough = held >= self._required[asked]
        if not enough.any():
            return None
        asked, held = asked[enough], held[enough]
        # Correctly rounded, so equal shares are equal and, below 2^26 runs, different ones differ. argmax: the first.
        file, row = self._origins[asked[np.argmax(held / self._runs_of[asked])]].tolist()
        return f"{self.files[file].path}:{row}"


def read_questions(decontaminate: Decontaminate, folder: Path) -> Questions:
    """The questions of the benchmark files, paths relative to `folder`; files in the order of `against`, then of paths.

    Raises SourceError for a pattern that matches nothing, a file that can't be read, lacks the column, changes while
    it is read or holds no question long enough, and for a question that is no text; RecipeError when two patterns find
    files of the same path below their fixed parts, because a question is named by it.
    """
    questions = _Collected()
    files: list[QuestionFile] = []
    for file in _benchmark_files(decontaminate.against, folder):
        size, sha256 = _digest(file)
        first, too_short = len(questions.counts), 0
        for row, text in _texts(file, decontaminate.column):
            if isinstance(text, Fault):
                raise SourceError(
                    f"decontaminate: {file.here}, row {row}: column {decontaminate.column!r}: expected a question, "
                    f"found {text}; mend the row, or name the column that holds the question"
                )
            words = words_of(text)
            if len(words) < min(LEAST_WORDS, decontaminate.words):
                too_short += 1
            else:
                questions.add(words, (len(files), row))
        if _digest(file) != (size, sha256):
            raise SourceError(f"decontaminate: {file.here}: it changed while it was being read; build again")
        held = len(questions.counts) - first
        if not held:
            raise SourceError(
                f"decontaminate: {file.here}: none of {too_short:,} questions has "
                f"{min(LEAST_WORDS, decontaminate.words)} words or more in column {decontaminate.column!r}; "
                "nothing could be found by it: name another column or leave the file out"
            )
        files.append(QuestionFile(file.path, size, sha256, held, too_short))
    return questions.index(tuple(files), decontaminate)


def _benchmark_files(patterns: Sequence[str], folder: Path) -> list[SourceFile]:
    found: dict[str, SourceFile] = {}
    for pattern in patterns:
        for file in find_files("decontaminate", pattern, folder)[1]:
            if file.path in found:
                raise RecipeError(
                    f"decontaminate: against = {pattern!r}: {file.here} and {found[file.path].here} are both named "
                    f"{file.path!r}; use one pattern that tells them apart, such as '*/{file.here.name}'"
                )
            found[file.path] = file
    return list(found.values())


def _texts(file: SourceFile, column: str | int) -> Iterator[tuple[int, Cell]]:
    """Row number and question of every row of a file, or what keeps it from being text."""
    rows = read_rows(file, Columns((column,)), header=not isinstance(column, int))
    for row, raw in enumerate(rows, 1):
        yield row, raw if isinstance(raw, Fault) else raw[0]


def _digest(file: SourceFile) -> tuple[int, str]:
    try:
        return sha256_file(file.here)
    except OSError as error:
        raise SourceError(
            f"decontaminate: {file.here}: can't be read ({error.strerror}); check its permissions"
        ) from error


@dataclass(slots=True)
class _Collected:
    """Questions as they are read: the numbers of their words, a 0 behind each question."""

    vocabulary: dict[str, int] = field(default_factory=dict)
    numbers: "array[int]" = field(default_factory=lambda: array("I"))
    counts: list[int] = field(default_factory=list)  # words of each question
    origins: list[tuple[int, int]] = field(default_factory=list)

    def add(self, words: Sequence[str], origin: tuple[int, int]) -> None:
        self.numbers.extend(self.vocabulary.setdefault(word, len(self.vocabulary) + 1) for word in words)
        self.numbers.append(0)
        self.counts.append(len(words))
        self.origins.append(origin)

    def index(self, files: tuple[QuestionFile, ...], decontaminate: Decontaminate) -> Questions:
        """The runs of all questions: those of `words` words, and one of all words of a question that has fewer."""
        counts = np.array(self.counts, dtype=np.int64)
        owners = np.repeat(np.arange(len(counts)), counts + 1)
        begins = np.cumsum(counts + 1) - counts - 1
        lengths = np.minimum(counts, decontaminate.words)
        levels: list[_Level] = []
        held: list[Numbers] = []
        known, pairs, span, first = np.array(self.numbers, dtype=np.int64), np.empty(0, dtype=np.int64), 1, 0
        while span <= lengths.max():
            if span > 1:
                places, keys = _pair(known, span // 2)
                pairs, found = np.unique(keys, return_inverse=True)
                known = _spread(places, found + 1, len(known))
            runs = []
            for length in np.unique(lengths[(lengths >= span) & (lengths < 2 * span)]).tolist():
                places, keys = _pair(known, length - span)
                if length < decontaminate.words:
                    whole = np.isin(places, begins[counts == length])
                    places, keys = places[whole], keys[whole]
                distinct, found = np.unique(keys, return_inverse=True)
                runs.append(_Runs(length - span, distinct, first))
                held.append((first + found) << 32 | owners[places])
                first += len(distinct)
            levels.append(_Level(span, pairs, tuple(runs)))
            span *= 2
        holding = np.unique(np.concatenate(held))
        holders = holding & _LOW
        runs_of = np.bincount(holders, minlength=len(counts))
        share = Fraction(decontaminate.minimum)
        required = [-(-share.numerator * number // share.denominator) for number in runs_of.tolist()]
        return Questions(
            files=files,
            _vocabulary=self.vocabulary,
            _levels=tuple(levels),
            _longest=int(lengths.max()),
            _holders=holders,
            _holders_from=np.searchsorted(holding >> 32, np.arange(first + 1)),
            _runs_of=runs_of,
            _required=np.array(required, dtype=np.int64),
            _origins=np.array(self.origins, dtype=np.int64),
        )


def _pair(known: Numbers, shift: int) -> tuple[Numbers, Numbers]:
    """Where a known run and the one `shift` words on begin, and the two as one number."""
    places = np.flatnonzero(known[: max(0, len(known) - shift)])
    places = places[known[places + shift] > 0]
    return places, known[places] << 32 | known[places + shift]


def _look_up(pairs: Numbers, places: Numbers, keys: Numbers) -> tuple[Numbers, Numbers]:
    """The places whose pair is among the sorted `pairs`, and its number there, counted from 1."""
    numbers = np.searchsorted(pairs, keys)
    found = pairs.take(numbers, mode="clip") == keys
    return places[found], numbers[found] + 1


def _spread(places: Numbers, values: Numbers, length: int) -> Numbers:
    spread = np.zeros(length, dtype=np.int64)
    spread[places] = values
    return spread


def _pieces(text: str) -> Iterator[str]:
    """The text in pieces of about 1 MiB, cut between words: the words of a long text take far more than the text."""
    begin = 0
    while len(text) - begin > _PIECE_CHARS:
        cut = _BETWEEN.search(text, begin + _PIECE_CHARS)
        if cut is None:
            break
        yield text[begin : cut.start()]
        begin = cut.start()
    yield text[begin:]
