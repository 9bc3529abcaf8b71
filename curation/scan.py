"""What is done to the rows of one part of a file: parse, language, length, decontaminate, keys.

These functions run in worker processes. They take a part of a file and give back arrays: the text of a row is seen
here, once, and let go. Nothing here depends on how a file was cut into parts.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from curation.decontamination import Questions
from curation.files import SourceFile
from curation.formats.base import BrokenRowError, Head, Layout, Notes, PlacedRow, Span, SpanEndError
from curation.language.filters import LanguageFilter, make_filter
from curation.near.search import band_keys
from curation.readers import format_of, placed_rows
from curation.recipe import Language, Near, SourceRecipe, Tags
from curation.spill import PLACE, Places, SpillWriter
from curation.traces import Fault, RawRow, parse
from manifests.keys import Trace, trace_keys
from manifests.objects import Location, ObjectFile

TOO_LONG = "too-long"
EVALUATION_QUESTION = "evaluation-question"
KEY_BYTES = 16

Numbers: TypeAlias = npt.NDArray[np.uint64]
KeyBytes: TypeAlias = npt.NDArray[np.uint8]
Seen: TypeAlias = tuple[int, int]
"""Size and time of modification (in ns) of a file."""
Verdict: TypeAlias = tuple[str, str, str]
"""Stage, reason and detail of a row that is dropped."""

_BATCH_ROWS = 256
_BATCH_CHARACTERS = 4 << 20  # rows can be large: what is held at once is bounded as well


@dataclass
class Job:
    """How the rows of a source become keys. Sent to a worker once, its filters are made there."""

    layout: Layout
    tags: Tags | None
    language: Language | None = None
    max_chars: int | None = None
    near: Near | None = None
    questions: Questions | None = None
    spill: Path | None = None
    """Where the texts of rows are put aside that will all be taken, so that their source is read only once."""

    @cached_property
    def language_filter(self) -> LanguageFilter | None:
        """What tells languages; loading it takes a moment."""
        return None if self.language is None else make_filter(self.language)

    def __getstate__(self) -> dict[str, object]:
        return {name: value for name, value in vars(self).items() if name != "language_filter"}


def job_of(recipe: SourceRecipe, questions: Questions | None = None) -> Job:
    """What a recipe asks to be done to the rows of a source."""
    return Job(
        Layout(recipe.columns, recipe.header, recipe.max_row_bytes, recipe.max_expansion),
        recipe.tags,
        None if recipe.script_first else recipe.language,
        recipe.max_chars,
        recipe.near,
        questions,
    )


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a file with `size` stored bytes, to be read up to row `rows` of the part (None: to its end).

    `before` is the number of the file's rows in front of it; None where only those who read them can tell.
    """

    file: SourceFile
    head: Head
    span: Span
    size: int
    before: int | None = None
    rows: int | None = None


@dataclass(slots=True)
class Found:
    """How many rows a part has, what was noticed, and what ended it early, if anything did.

    `broken` says what is wrong with the row after the last; `wrong_end` that the part does not end with a row;
    `seen` what the file was to whoever read the part, if it is one of a file system.
    """

    rows: int = 0
    notes: Notes = field(default_factory=Notes)
    broken: str = ""
    unreadable: OSError | None = None
    wrong_end: bool = False
    seen: Seen | None = None


@dataclass(slots=True)
class Index(Found):
    """Where the rows of a part begin; and, where a script rule looks at raw rows, the script that bars each."""

    places: Numbers = field(default_factory=lambda: np.empty(0, np.uint64))
    barred: dict[int, tuple[str, str]] = field(default_factory=dict)


@dataclass(slots=True)
class RowKeys:
    """Keys of rows: `rows` counts from 0 within the part.

    `places` are where the format finds them again, `bands` the keys by which near duplicates are sought, if they are,
    and `texts` the places of their texts, if these were put aside.
    """

    rows: Numbers
    places: Numbers
    characters: Numbers
    contents: KeyBytes
    prompts: KeyBytes
    bands: Numbers
    texts: Places

    def at(self, which: slice) -> "RowKeys":
        """The keys of some of the rows."""
        return RowKeys(
            self.rows[which],
            self.places[which],
            self.characters[which],
            self.contents[which],
            self.prompts[which],
            self.bands[which],
            self.texts[which] if len(self.texts) else self.texts,
        )


@dataclass(slots=True)
class Scanned(Found):
    """The keys of the rows of a part that are left, and why the others are not: (row in the part, verdict)."""

    keys: RowKeys | None = None
    rejects: list[tuple[int, Verdict]] = field(default_factory=list)

    @property
    def texts(self) -> Places:
        """Where the texts of the rows that are left were put aside, if they were."""
        return np.empty(0, PLACE) if self.keys is None else self.keys.texts

    @texts.setter
    def texts(self, places: Places) -> None:
        if self.keys is not None:
            self.keys.texts = places


def index(job: Job, part: Part) -> Index:
    """Where the rows of a part begin."""
    found = Index()
    places: list[int] = []

    def note(batch: Sequence[tuple[int, PlacedRow]]) -> None:
        places.extend(place for _, (place, _) in batch)
        if job.language_filter is not None:
            texts = [raw_text(raw) for _, (_, raw) in batch]
            for (row, _), verdict in zip(batch, job.language_filter.raw_verdicts(texts), strict=True):
                if verdict is not None:
                    found.barred[row] = verdict

    _each_batch(job, part, found, note)
    found.places = np.array(places, np.uint64)
    return found


def scan(job: Job, part: Part) -> Scanned:
    """The keys of the rows of a part."""
    found = Scanned()
    with ExitStack() as stack:
        spill = None if job.spill is None else stack.enter_context(SpillWriter(job.spill))
        keys = _Keys(job, spill)
        _each_batch(job, part, found, lambda batch: _judge(job, batch, keys, found.rejects))
        found.keys = keys.arrays()
    return found


@dataclass(frozen=True, slots=True)
class Chosen:
    """Some rows of a file: where they begin, ascending, and the numbers that they go by."""

    file: SourceFile
    head: Head
    places: Numbers
    numbers: Numbers


def scan_chosen(job: Job, chosen: Chosen) -> Scanned:
    """The keys of chosen rows; their `rows` are the numbers that they go by. One that is gone is `broken`."""
    found, keys = Scanned(), _Keys(job, None)
    rows = format_of(chosen.file).rows_at(chosen.file, job.layout, chosen.head, chosen.places.tolist())
    numbered = zip(chosen.numbers.tolist(), zip(chosen.places.tolist(), rows, strict=False), strict=False)
    try:
        found.seen = seen_at(chosen.file.here)
        for batch in _batches(numbered):
            found.rows += len(batch)
            _judge(job, batch, keys, found.rejects)
    except BrokenRowError as error:
        found.broken = str(error)
    except OSError as error:
        found.unreadable = error
    if found.rows < len(chosen.numbers) and found.unreadable is None:
        found.broken = found.broken or "the file ends before it"
    found.keys = keys.arrays()
    return found


def seen_at(here: Location) -> Seen | None:
    """What a file is to this process. OSError when it can't be asked. An object is the same wherever it is read."""
    if isinstance(here, ObjectFile):
        return None
    status = here.stat()
    return status.st_size, status.st_mtime_ns


def raw_text(raw: RawRow) -> str:
    """The text of a raw row's cells; cells that are no text have none."""
    if isinstance(raw, Fault):
        return ""
    return "\n".join(cell for cell in raw if not isinstance(cell, Fault))


def _each_batch(
    job: Job, part: Part, found: Found, use: Callable[[Sequence[tuple[int, PlacedRow]]], None]
) -> None:
    """Use the rows of a part, numbered from 0, batch by batch, and note how it ended."""
    rows = placed_rows(part.file, job.layout, part.head, part.span, found.notes)
    batch: list[tuple[int, PlacedRow]] = []
    size = 0
    try:
        found.seen = seen_at(part.file.here)
        for placed in rows:
            batch.append((found.rows, placed))
            found.rows += 1
            size += _size(placed[1])
            if len(batch) == _BATCH_ROWS or size > _BATCH_CHARACTERS:
                use(batch)
                batch, size = [], 0
            if found.rows == part.rows:
                break
    except SpanEndError:
        found.wrong_end = True
        return
    except BrokenRowError as error:
        found.broken = str(error)
    except OSError as error:
        found.unreadable = error
    use(batch)


def _batches(rows: Iterable[tuple[int, PlacedRow]]) -> Iterator[list[tuple[int, PlacedRow]]]:
    batch: list[tuple[int, PlacedRow]] = []
    size = 0
    for entry in rows:
        batch.append(entry)
        size += _size(entry[1][1])
        if len(batch) == _BATCH_ROWS or size > _BATCH_CHARACTERS:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def _size(raw: RawRow) -> int:
    return 0 if isinstance(raw, Fault) else sum(map(len, raw))


class _Keys:
    """Keys of rows, gathered batch by batch."""

    def __init__(self, job: Job, spill: SpillWriter | None) -> None:
        self._near, self._spill = job.near, spill
        self._rows: list[int] = []
        self._places: list[int] = []
        self._characters: list[int] = []
        self._contents, self._prompts = bytearray(), bytearray()
        self._bands = [np.empty((0, 0 if job.near is None else job.near.bands), np.uint64)]

    def add(self, rows: Sequence[tuple[int, int, Trace]]) -> None:
        """Note (row, place, trace)."""
        for row, place, trace in rows:
            self._rows.append(row)
            self._places.append(place)
            self._characters.append(len(trace.prompt) + len(trace.reasoning) + len(trace.answer))
            content, prompt = trace_keys(trace)
            self._contents += content
            self._prompts += prompt
            if self._spill is not None:
                self._spill.put(trace)
        if self._near is not None and rows:
            self._bands.append(band_keys([trace for _, _, trace in rows], self._near))

    def arrays(self) -> RowKeys:
        """All of them."""
        return RowKeys(
            np.array(self._rows, np.uint64),
            np.array(self._places, np.uint64),
            np.array(self._characters, np.uint64),
            np.frombuffer(bytes(self._contents), np.uint8).reshape(-1, KEY_BYTES),
            np.frombuffer(bytes(self._prompts), np.uint8).reshape(-1, KEY_BYTES),
            np.concatenate(self._bands),
            np.empty(0, PLACE) if self._spill is None else self._spill.places(),
        )


def _judge(
    job: Job, batch: Sequence[tuple[int, PlacedRow]], keys: _Keys, rejects: list[tuple[int, Verdict]]
) -> None:
    """The stages that look at one row at a time, in their order; the keys of what is left."""
    left: list[tuple[int, int, Trace]] = []
    for row, (place, raw) in batch:
        trace = parse(raw, job.tags)
        if isinstance(trace, Fault):
            rejects.append((row, ("parse", trace.value, "")))
        else:
            left.append((row, place, trace))
    if job.language_filter is not None:
        verdicts = job.language_filter.verdicts([trace for _, _, trace in left])
        left = _without(left, [verdict and ("language", *verdict) for verdict in verdicts], rejects)
    if job.max_chars is not None:
        most = job.max_chars
        long = [("length", TOO_LONG, "") if sum(map(len, trace)) > most else None for _, _, trace in left]
        left = _without(left, long, rejects)
    if job.questions is not None:
        questions = job.questions.matches([trace.prompt for _, _, trace in left])
        left = _without(
            left,
            [None if label is None else ("decontaminate", EVALUATION_QUESTION, label) for label in questions],
            rejects,
        )
    keys.add(left)


def _without(
    rows: Sequence[tuple[int, int, Trace]],
    verdicts: Sequence[Verdict | None],
    rejects: list[tuple[int, Verdict]],
) -> list[tuple[int, int, Trace]]:
    """The rows that no verdict drops; the others are noted."""
    left = []
    for entry, verdict in zip(rows, verdicts, strict=True):
        if verdict is None:
            left.append(entry)
        else:
            rejects.append((entry[0], verdict))
    return left
