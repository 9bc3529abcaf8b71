"""The text of chosen rows, brought into manifest order without holding it in memory.

Sources are read in their own order, a manifest stands in another: texts are spilled to one temporary file as they
come, with an index of where each lies, and gathered from there block by block.
"""

import mmap
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Self, TypeAlias

import numpy as np
import pyarrow as pa

from curation.errors import SourceError
from curation.files import SourceFile
from curation.readers import read_rows
from curation.recipe import Columns, Tags
from curation.source_rows import SourceRows
from curation.traces import Fault, RawRow, parse
from manifests.keys import Trace, content_key, prompt_key
from manifests.tables import BLOCK_ROWS, CONTENT, table_of

ChosenRow: TypeAlias = tuple[int, int, Trace]


class TextSpill:
    """Texts by place in the manifest. A context manager; the file lies in `folder` and goes with it."""

    def __init__(self, folder: Path, rows: int) -> None:
        self._file: BinaryIO = (folder / "texts.spill").open("w+b")
        self._ends = np.zeros(
            (rows, 4), dtype=np.uint64
        )  # where prompt begins, and prompt, reasoning, answer end
        self._position = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def put(self, place: int, trace: Trace) -> None:
        """Note the text of the row at `place` (from 0)."""
        ends = [self._position]
        for text in trace:
            data = text.encode()
            self._file.write(data)
            self._position += len(data)
            ends.append(self._position)
        self._ends[place] = ends

    def blocks(self, sources: Sequence[str], rows: Sequence[int]) -> Iterator[pa.Table]:
        """The content table in blocks; `sources` and `rows` say where the row at each place comes from."""
        self._file.flush()
        if not self._position:
            return
        with mmap.mmap(self._file.fileno(), 0, access=mmap.ACCESS_READ) as text:
            for start in range(0, len(rows), BLOCK_ROWS):
                ends = self._ends[start : start + BLOCK_ROWS].tolist()
                columns = [
                    pa.array([text[row[part] : row[part + 1]] for row in ends], type=pa.binary()).cast(
                        pa.string()
                    )
                    for part in range(3)
                ]
                yield table_of(
                    CONTENT, [sources[start : start + BLOCK_ROWS], rows[start : start + BLOCK_ROWS], *columns]
                )


@dataclass(frozen=True, slots=True)
class FileRows:
    """A file of a source, and which rows of the source it holds."""

    file: SourceFile
    first_row: int
    last_row: int


@dataclass(frozen=True, slots=True)
class SourceToRead:
    """What it takes to read chosen rows of a source again: no filters, no draw."""

    name: str
    columns: Columns
    tags: Tags | None
    header: bool
    files: tuple[FileRows, ...]


def rows_to_read(source: SourceRows) -> SourceToRead:
    """A source that was read once, to be read again."""
    here = {file.path: file for file in source.files}
    recipe = source.recipe
    files = tuple(FileRows(here[file.path], file.first_row, file.last_row) for file in source.record.files)
    return SourceToRead(recipe.name, recipe.columns, recipe.tags, recipe.header, files)


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


def gather(sources: Sequence[SourceToRead], rows: pa.Table, folder: Path) -> Iterator[pa.Table]:
    """The content table of a rows table, in blocks, read from the sources.

    `folder` holds what has to be put aside meanwhile. Raises RowDifferenceError at the first row, in the order of
    sources and rows, whose keys are not those of the rows table; UnreadableSourceError when a file can't be read.
    """
    names, numbers = rows.column("source").to_pylist(), rows.column("row").to_pylist()
    contents, prompts = rows.column("content").to_pylist(), rows.column("prompt").to_pylist()
    wanted: dict[str, dict[int, int]] = {source.name: {} for source in sources}
    for place, (name, number) in enumerate(zip(names, numbers, strict=True)):
        wanted[name][number] = place
    with TextSpill(folder, len(names)) as spill:
        for source in sources:
            for number, place, trace in _chosen_rows(source, wanted[source.name]):
                if content_key(trace) != contents[place] or prompt_key(trace.prompt) != prompts[place]:
                    what = f"expected content {contents[place].hex()}, found {content_key(trace).hex()}"
                    raise RowDifferenceError(source.name, number, what)
                spill.put(place, trace)
        yield from spill.blocks(names, numbers)


def _readable(source: str, path: str, rows: Iterator[RawRow], first: int) -> Iterator[tuple[int, RawRow]]:
    """The rows with their numbers, from `first`; an error of their file names the row at which it came."""
    number = first - 1
    try:
        for number, raw in enumerate(rows, first):
            yield number, raw
    except SourceError as error:
        raise UnreadableSourceError(source, path, number + 1, error) from error


def _chosen_rows(source: SourceToRead, wanted: Mapping[int, int]) -> Iterator[ChosenRow]:
    """(row, place, trace) of the wanted rows, file by file; RowDifferenceError where there is no such trace."""
    ascending = sorted(wanted)
    for held in source.files:
        begin, end = bisect_left(ascending, held.first_row), bisect_right(ascending, held.last_row)
        if begin == end:
            continue
        first, last = ascending[begin], ascending[end - 1]
        read = read_rows(
            held.file,
            source.columns,
            header=source.header,
            first=first - held.first_row + 1,
            last=last - held.first_row + 1,
        )
        number = first - 1
        for number, raw in _readable(source.name, held.file.path, read, first):
            if number in wanted:
                trace = parse(raw, source.tags)
                if isinstance(trace, Fault):
                    raise RowDifferenceError(
                        source.name, number, f"expected a trace, found a row that is none ({trace})"
                    )
                yield number, wanted[number], trace
        if number < last:
            raise RowDifferenceError(
                source.name, number + 1, f"expected rows up to {last}, but {held.file.here} ends before"
            )
