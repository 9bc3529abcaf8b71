"""The text of chosen rows, brought into manifest order without holding it in memory.

Sources are read in their own order, a manifest stands in another: texts are spilled to temporary files as they come,
with an index of where each lies, and gathered from there block by block.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from curation.errors import SourceError
from curation.files import SourceFile
from curation.formats import parquet
from curation.formats.base import BrokenRowError, Head
from curation.progress import Progress
from curation.readers import format_of, unreadable
from curation.scan import KEY_BYTES, Job, KeyBytes, Numbers
from curation.spill import PLACE, TEXTS, Places, SpillReader, SpillWriter
from curation.traces import Fault, parse
from curation.workers.base import Workers
from manifests.identity import SourceRecord
from manifests.keys import Trace, trace_keys
from manifests.tables import BLOCK_ROWS, CONTENT, table_of

Indices: TypeAlias = npt.NDArray[np.int64]

_CHUNK_ROWS = 512


class MissingRow(NamedTuple):
    """A row that is not to be found: its number, and what is wrong; `readable` if the file is, but has no such row."""

    number: int
    what: str
    readable: bool


@dataclass(frozen=True, slots=True)
class HeldRows:
    """Chosen rows of one file: their numbers in the source, ascending, and where the format finds each.

    `missing` is the next one, if that is not to be found.
    """

    file: SourceFile
    head: Head
    numbers: Numbers
    places: Numbers
    missing: MissingRow | None = None


@dataclass(frozen=True, slots=True)
class ChosenRows:
    """The chosen rows of a source, file by file, and how they are read.

    `texts` are the places of their texts, ascending by row, if these were put aside when they were first read.
    """

    name: str
    job: Job
    files: tuple[HeldRows, ...]
    texts: Places | None = None


def held_rows(
    record: SourceRecord,
    files: Sequence[SourceFile],
    heads: Mapping[str, Head],
    numbers: Numbers,
    places: Numbers,
) -> Iterator[HeldRows]:
    """Chosen rows of a source file by file; `numbers` ascend, and `places` are where the format finds each."""
    here = {file.path: file for file in files}
    for file in record.files:
        begin, end = np.searchsorted(numbers, np.array([file.first_row, file.last_row + 1], np.uint64))
        if begin < end:
            yield HeldRows(here[file.path], heads[file.path], numbers[begin:end], places[begin:end])


class RowDifferenceError(Exception):
    """A row whose text is not the one that the rows table stands for."""

    def __init__(self, source: str, row: int, what: str) -> None:
        super().__init__(f"source {source}, row {row}: {what}")
        self.source, self.row = source, row


class UnreadableSourceError(SourceError):
    """A file of a source that can't be read any more; `path` is its path in the manifest, `row` the row wanted."""

    def __init__(self, source: str, path: str, row: int, what: object) -> None:
        super().__init__(f"source {source}, row {row}: {what}")
        self.source, self.path = source, path


def gather(
    sources: Iterable[ChosenRows], rows: pa.Table, folder: Path, workers: Workers, progress: Progress
) -> Iterator[pa.Table]:
    """The content table of a rows table, in blocks, read from the sources, each of which is asked for when it is due.

    `folder` holds what has to be put aside meanwhile. Raises RowDifferenceError at the first row, in the order of
    sources and rows, whose keys are not those of the rows table; UnreadableSourceError when a file can't be read.
    """
    return blocks_of_texts(put_aside(sources, rows, folder, workers, progress), rows, folder)


def blocks_of_texts(texts: Places, rows: pa.Table, folder: Path) -> Iterator[pa.Table]:
    """The content table of a rows table, in blocks, from the places in `folder` where each row's text was put aside."""
    with SpillReader(folder) as reader:
        for start in range(0, rows.num_rows, BLOCK_ROWS):
            part = rows.slice(start, BLOCK_ROWS)
            columns = reader.columns(texts[start : start + BLOCK_ROWS])
            yield table_of(CONTENT, [part.column("source"), part.column("row"), *columns])


def put_aside(
    sources: Iterable[ChosenRows], rows: pa.Table, folder: Path, workers: Workers, progress: Progress
) -> Places:
    """Where the text of every row of a rows table lies, in its order. What was not put aside before is now.

    `folder` is where. Raises what `gather` raises.
    """
    contents, prompts = (_keys(rows.column(name)) for name in ("content", "prompt"))
    where = np.zeros(rows.num_rows, PLACE)
    for source in sources:
        places = _by_row(rows, source.name)
        if source.texts is not None:
            where[places] = source.texts
            continue
        progress.begin(f"{source.name}: text of the rows taken")
        job, chunks = replace(source.job, spill=folder), _chunks(source, places, contents, prompts)
        for chunk, spilled in workers.putting_aside(_spill, job, chunks):
            count = len(spilled.texts)
            if spilled.difference:
                raise RowDifferenceError(source.name, int(chunk.numbers[count]), spilled.difference)
            if spilled.unreadable:
                row = int(chunk.numbers[count])
                raise UnreadableSourceError(source.name, chunk.file.path, row, spilled.unreadable)
            where[chunk.manifest_places] = spilled.texts
            progress.step(count, sum(int(spilled.texts[text].sum()) for text in TEXTS))
    return where


def read_traces(file: SourceFile, job: Job, head: Head, places: Sequence[int]) -> Iterator[Trace | Fault]:
    """The rows of a file at `places`, ascending, parsed. Raises what the formats raise, and SourceError."""
    try:
        for raw in format_of(file).rows_at(file, job.layout, head, places):
            yield parse(raw, job.tags)
    except OSError as error:
        raise unreadable(file, error) from error


@dataclass(frozen=True, slots=True)
class _Chunk:
    """Some chosen rows of a file, the keys that they must have, and where they stand in the manifest."""

    file: SourceFile
    head: Head
    numbers: Numbers
    places: Numbers
    contents: KeyBytes
    prompts: KeyBytes
    manifest_places: Indices
    missing: MissingRow | None = None


@dataclass(slots=True)
class _Spilled:
    """Where the texts of a chunk were put. There are fewer when the next row differs or can't be read."""

    texts: Places
    difference: str = ""
    unreadable: str = ""


def _spill(job: Job, chunk: _Chunk) -> _Spilled:
    """Put the texts of a chunk aside; stop at the first row that is not the one expected."""
    difference = unreadable_file = ""
    if chunk.missing is not None:
        return _unspilled(chunk.missing)
    if job.spill is None:
        raise ValueError("texts are put aside in no folder")
    with SpillWriter(job.spill) as spill:
        count = 0
        traces = read_traces(chunk.file, job, chunk.head, chunk.places.tolist())
        try:
            for count, trace in enumerate(traces, 1):
                if difference := _difference(trace, chunk.contents[count - 1], chunk.prompts[count - 1]):
                    break
                if not isinstance(trace, Fault):
                    spill.put(trace)
            if count < len(chunk.places) and not difference:
                difference = f"expected a trace, but {chunk.file.here} ends before it"
        except BrokenRowError as error:
            unreadable_file = f"{chunk.file.here}: {error}"
        except SourceError as error:
            unreadable_file = str(error)
        return _Spilled(spill.places(), difference, unreadable_file)


def _unspilled(missing: MissingRow) -> _Spilled:
    places = np.empty(0, PLACE)
    return _Spilled(places, missing.what) if missing.readable else _Spilled(places, "", missing.what)


def _difference(trace: Trace | Fault, content: KeyBytes, prompt: KeyBytes) -> str:
    """What is wrong with a row that should have these keys; nothing, if it has them."""
    if isinstance(trace, Fault):
        return f"expected a trace, found a row that is none ({trace})"
    found, found_prompt = trace_keys(trace)
    if found != content.tobytes() or found_prompt != prompt.tobytes():
        return f"expected content {content.tobytes().hex()}, found {found.hex()}"
    return ""


def _chunks(source: ChosenRows, places: Indices, contents: KeyBytes, prompts: KeyBytes) -> Iterator[_Chunk]:
    done = 0
    for held in source.files:
        for begin, end in cuts(held):
            part = places[done + begin : done + end]
            yield _Chunk(
                held.file,
                held.head,
                held.numbers[begin:end],
                held.places[begin:end],
                contents[part],
                prompts[part],
                part,
            )
        done += len(held.numbers)
        if held.missing is not None:
            number, none = np.array([held.missing.number], np.uint64), np.empty(0, np.uint64)
            yield _Chunk(
                *(held.file, held.head, number, none, contents[:0], prompts[:0], places[:0]),
                held.missing,
            )


def cuts(held: HeldRows) -> Iterator[tuple[int, int]]:
    """Where the rows of a file are cut: row groups are not, and a compressed file is read in one go."""
    count, path = len(held.numbers), held.file.path
    if path.endswith(".parquet"):
        groups = np.cumsum(np.array(parquet.group_rows(held.file), np.uint64), dtype=np.uint64)
        edges = [0, *np.unique(np.searchsorted(held.places, groups)).tolist(), count]
    elif path.endswith((".gz", ".zst")):
        edges = [0, count]
    else:
        edges = [*range(0, count, _CHUNK_ROWS), count]
    return ((begin, end) for begin, end in pairwise(edges) if begin < end)


def _by_row(rows: pa.Table, source: str) -> Indices:
    """The places in the manifest of a source's rows, ascending by row."""
    places = np.flatnonzero(pc.equal(rows.column("source"), source).to_numpy())
    numbers = rows.column("row").to_numpy()[places]
    return places[np.argsort(numbers)]


def _keys(column: pa.ChunkedArray) -> KeyBytes:
    whole = column.combine_chunks()
    if isinstance(whole, pa.ChunkedArray):
        whole = whole.chunk(0) if whole.num_chunks else pa.array([], type=column.type)
    data = whole.buffers()[1]
    if data is None:
        return np.empty((0, KEY_BYTES), np.uint8)
    keys = np.frombuffer(data, np.uint8).reshape(-1, KEY_BYTES)
    return keys[whole.offset : whole.offset + len(whole)]
