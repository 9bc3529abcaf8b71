"""Which columns of CSV and TSV are read, by their header or by number."""

from collections.abc import Sequence

from curation.errors import SourceError
from curation.files import SourceFile
from curation.formats.base import Layout

_LONGEST_SHOWN = 200


def places_of(file: SourceFile, layout: Layout, leading: Sequence[str]) -> tuple[int, ...]:
    """The places (from 0) of the columns wanted in the first record. Raises SourceError if one is not there."""
    if not layout.header:
        for number in layout.columns.chosen:
            if isinstance(number, int) and number > len(leading):
                raise SourceError(
                    f"{file.here}: no column {number}, the first row has {len(leading)} fields; mend 'columns'"
                )
        return tuple(int(number) - 1 for number in layout.columns.chosen)
    for name in layout.names:
        if leading.count(name) != 1:
            shown = ", ".join(leading)[:_LONGEST_SHOWN].encode("utf-8", "backslashreplace").decode()
            raise SourceError(
                f"{file.here}: expected one column {name!r}, the header has {shown}; "
                "mend 'columns' or set header = false"
            )
    return tuple(leading.index(name) for name in layout.names)


def no_header(file: SourceFile) -> SourceError:
    """What is wrong with an empty file that should have a header."""
    return SourceError(f"{file.here}: empty, expected a header; set header = false if it has none")
