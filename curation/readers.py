"""The rows of one file as cells, whatever its format (manifests/FORMAT.md, section 2).

A *row* that can't be text comes out with its fault in the place of the text; a *file* that can't be read as what it
claims to be is a SourceError that names file and row. Rows are counted from 1 within the file.
"""

from collections.abc import Iterator

from curation.errors import SourceError
from curation.files import SourceFile
from curation.formats import csv_records, json_document, jsonl, parquet, tsv
from curation.formats.base import SPAN_BYTES, BrokenRowError, Format, Head, Layout, Notes, PlacedRow, Span
from curation.recipe import Columns
from curation.traces import RawRow

_FORMATS: dict[str, Format] = {
    ".parquet": parquet,
    ".jsonl": jsonl,
    ".gz": jsonl,
    ".zst": jsonl,
    ".json": json_document,
    ".csv": csv_records,
    ".tsv": tsv,
}


def format_of(file: SourceFile) -> Format:
    """The format that the ending of a file's name says."""
    return _FORMATS[file.here.suffix]


def read_head(file: SourceFile, layout: Layout) -> Head:
    """How a file begins. Raises SourceError if it is not what it claims to be."""
    try:
        return format_of(file).head(file, layout)
    except BrokenRowError as error:
        raise SourceError(f"{file.here}: {error}") from error
    except OSError as error:
        raise unreadable(file, error) from error


def cut(file: SourceFile, head: Head, size: int = SPAN_BYTES) -> Iterator[Span]:
    """The parts of a file that can be read by themselves, of about `size` bytes each; one, if the file is empty."""
    span = None
    try:
        for span in format_of(file).spans(file, head, size):
            yield span
    except OSError as error:
        raise unreadable(file, error) from error
    if span is None:
        yield whole(head)


def whole(head: Head) -> Span:
    """A file in one piece."""
    return Span(head.begin, head.end)


def read_rows(
    file: SourceFile, columns: Columns, *, header: bool, first: int = 1, last: int | None = None
) -> Iterator[RawRow]:
    """The rows `first` to `last` (or to the end) of a file, each as the cells of the columns wanted."""
    layout = Layout(columns, header)
    head, notes, row = read_head(file, layout), Notes(), 0
    try:
        for row, (_, raw) in enumerate(format_of(file).rows(file, layout, head, whole(head), notes), 1):
            if row >= first:
                yield raw
            if row == last:
                break
    except BrokenRowError as error:
        raise broken(file, row + 1, error) from error
    except OSError as error:
        raise unreadable(file, error) from error
    check_found(file, layout, notes)


def placed_rows(
    file: SourceFile, layout: Layout, head: Head, span: Span, notes: Notes
) -> Iterator[PlacedRow]:
    """The rows of a span with their places. Raises what the formats raise."""
    yield from format_of(file).rows(file, layout, head, span, notes)


def check_found(file: SourceFile, layout: Layout, notes: Notes) -> None:
    """Raise SourceError for a column that none of the objects read has: the recipe names it wrongly."""
    missing = set(layout.names) - notes.found
    if missing and notes.objects:
        raise SourceError(f"{file.here}: no row has a {min(missing)!r}; mend 'columns'")


def broken(file: SourceFile, row: int, error: object) -> SourceError:
    """A row that can't be read."""
    return SourceError(f"{file.here}, row {row}: {error}")


def unreadable(file: SourceFile, error: OSError) -> SourceError:
    """A file that the system won't give us."""
    what = error.strerror or str(error)
    return SourceError(f"{file.here}: can't be read ({what}); check the path and its permissions")
