"""Files read by the readers, in one span or in many, for their tests."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from curation.files import SourceFile
from curation.formats.base import BrokenRowError, Layout, Notes, PlacedRow, SpanEndError
from curation.readers import (
    broken,
    check_found,
    cut,
    format_of,
    placed_rows,
    read_head,
    read_rows,
    whole,
)
from curation.recipe import Columns
from curation.scan import Found, Job, Part
from curation.source_rows import read_parts
from curation.traces import RawRow
from curation.workers.local import LocalWorkers

PAIR = Columns(("prompt", "response"))


def rows_of(
    path: Path, columns: Columns = PAIR, *, header: bool = True, first: int = 1, last: int | None = None
) -> list[RawRow]:
    return list(read_rows(SourceFile(path.name, path), columns, header=header, first=first, last=last))


def held(path: Path, *, header: bool = True) -> int:
    """The number of rows in a file, whatever its columns are."""
    file, layout = SourceFile(path.name, path), Layout(Columns(()), header)
    head = read_head(file, layout)
    return sum(1 for _ in placed_rows(file, layout, head, whole(head), Notes()))


@dataclass(slots=True)
class Read(Found):
    """The rows of a part, or of a file, with their places."""

    placed: list[PlacedRow] = field(default_factory=list)

    @property
    def raw(self) -> list[RawRow]:
        return [raw for _, raw in self.placed]

    @property
    def outcome(self) -> tuple[list[PlacedRow], str]:
        """The rows, and what is wrong with the one behind them."""
        return self.placed, self.broken


def collect(job: Job, part: Part) -> Read:
    """The rows of a part, as the functions of `scan` go through them."""
    read = Read()
    try:
        for placed in placed_rows(part.file, job.layout, part.head, part.span, read.notes):
            read.placed.append(placed)
            read.rows += 1
    except SpanEndError:
        read.wrong_end = True
    except BrokenRowError as error:
        read.broken = str(error)
    return read


def read_whole(path: Path, layout: Layout) -> Read:
    """A file read in one span."""
    file = SourceFile(path.name, path)
    head = read_head(file, layout)
    return collect(Job(layout, None), Part(file, head, whole(head), head.end))


def read_cut(path: Path, layout: Layout, size: int) -> Read:
    """A file read in spans of about `size` bytes, as a build reads it."""
    file, read = SourceFile(path.name, path), Read()
    head = read_head(file, layout)
    parts = [Part(file, head, span, span.end - span.begin) for span in cut(file, head, size)]
    assert [parts[0].span.begin, *(part.span.end for part in parts)] == [
        *(part.span.begin for part in parts),
        head.end,
    ]
    with LocalWorkers(0) as workers:
        for _, found in read_parts(workers, collect, Job(layout, None), parts):
            assert not found.wrong_end
            read.placed += found.placed
            read.rows += found.rows
            read.notes.found |= found.notes.found
            read.notes.objects += found.notes.objects
            if found.broken:
                read.broken = found.broken
                break
    return read


def read_checked(path: Path, layout: Layout, size: int) -> Read:
    """A file read in spans of about `size` bytes. Raises SourceError as a build does."""
    file, read = SourceFile(path.name, path), read_cut(path, layout, size)
    if read.broken:
        raise broken(file, read.rows + 1, read.broken)
    check_found(file, layout, read.notes)
    return read


def read_at(path: Path, layout: Layout, places: Sequence[int]) -> list[RawRow]:
    """The rows of a file that begin at some places."""
    file = SourceFile(path.name, path)
    return list(format_of(file).rows_at(file, layout, read_head(file, layout), places))


def wrong_cuts(path: Path, layout: Layout, size: int) -> int:
    """How many spans of about `size` bytes do not end with a row, though they begin with one."""
    file = SourceFile(path.name, path)
    head = read_head(file, layout)
    wrong = 0
    for span in cut(file, head, size):
        if collect(Job(layout, None), Part(file, head, span, 0)).wrong_end:
            wrong += 1
            break
    return wrong
