"""One file read by the readers, for their tests."""

from pathlib import Path

from curation.files import SourceFile
from curation.readers import count_rows, read_rows
from curation.recipe import Columns
from curation.traces import RawRow

PAIR = Columns(("prompt", "response"))


def rows_of(
    path: Path, columns: Columns = PAIR, *, header: bool = True, first: int = 1, last: int | None = None
) -> list[RawRow]:
    return list(read_rows(SourceFile(path.name, path), columns, header=header, first=first, last=last))


def held(path: Path, *, header: bool = True) -> int:
    return count_rows(SourceFile(path.name, path), header=header)
