"""The raw rows of a source, numbered through its files: the stage `rows`.

Reads only the files that the range needs; those before it are counted, those behind it not opened.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from curation.errors import RecipeError, SourceError
from curation.files import SourceFile, find_files
from curation.readers import count_rows, read_rows
from curation.recipe import SourceRecipe
from curation.traces import RawRow
from manifests.disk import sha256_file
from manifests.identity import FileRecord, SourceRecord


@dataclass
class SourceRows:
    """The rows of a source's raw range. Once they were read to the end, `record` says in which files they lay."""

    recipe: SourceRecipe
    base: Path
    files: list[SourceFile]
    _spans: list[FileRecord] = field(default_factory=list)
    _before: list[tuple[str, int]] = field(default_factory=list)
    _stamps: dict[Path, tuple[int, int, int]] = field(default_factory=dict)

    @classmethod
    def find(cls, recipe: SourceRecipe, folder: Path) -> "SourceRows":
        """The files of a source, none of them read yet.

        Raises RecipeError for a Hub source, SourceError when no file fits.
        """
        if recipe.files is None or recipe.hub is not None:
            raise RecipeError(
                f"source {recipe.name}: hub = {recipe.hub!r}: Hub sources come next and can't be read yet; "
                'download the files and give them as files = "folder/*"'
            )
        base, files = find_files(recipe.name, recipe.files, folder)
        return cls(recipe, base, files)

    def __iter__(self) -> Iterator[tuple[int, RawRow]]:
        """(row number, raw row) of the range, in order.

        Raises SourceError when a file can't be read, the source is empty, or the range passes its last row.
        """
        first, last = self.recipe.rows or (1, None)
        self._spans, self._before = [], []
        row = 0  # the last row of the files seen
        for file in self.files:
            if last is not None and row >= last:
                break
            if row + 1 < first:
                held = count_rows(file, header=self.recipe.header)
                if row + held < first:
                    self._before.append((file.path, held))
                    row += held
                    continue
            size, sha256 = self._digest(file)
            file_first, row = row + 1, max(row, first - 1)
            wanted_last = None if last is None else last - file_first + 1
            for raw in read_rows(
                file,
                self.recipe.columns,
                header=self.recipe.header,
                first=row - file_first + 2,
                last=wanted_last,
            ):
                row += 1
                yield row, raw
            self.check_unchanged(file)
            if self.recipe.rows and row < first:
                self._before.append((file.path, 0))  # an empty file: the range begins with the next
            else:
                self._spans.append(FileRecord(file.path, size, sha256, file_first, row))
        self._check_range(row)

    def check_unchanged(self, *files: SourceFile) -> None:
        """Raise SourceError if one of the files (by default: of all that were read) is no longer the one digested."""
        for file in files or self.files:
            if file.here in self._stamps and _stamp(file.here) != self._stamps[file.here]:
                raise SourceError(
                    f"source {self.recipe.name}: {file.here}: it changed while it was being read; build again"
                )

    def _digest(self, file: SourceFile) -> tuple[int, str]:
        try:
            self._stamps.setdefault(file.here, _stamp(file.here))
            self.check_unchanged(file)
            return sha256_file(file.here)
        except OSError as error:
            raise SourceError(
                f"source {self.recipe.name}: {file.here}: can't be read ({error.strerror}); check its permissions"
            ) from error

    def count(self) -> int:
        """The number of rows of the range, told without looking into them.

        Raises SourceError like iterating does.
        """
        first, last = self.recipe.rows or (1, None)
        row = 0
        for file in self.files:
            if last is not None and row >= last:
                break
            row += count_rows(file, header=self.recipe.header)
        self._check_range(row)
        return (row if last is None else last) - first + 1

    @property
    def record(self) -> SourceRecord:
        """The source as it stands in a manifest."""
        return SourceRecord(self.recipe.name, None, tuple(self._spans), tuple(self._before))

    def _check_range(self, rows: int) -> None:
        name, last = self.recipe.name, self.recipe.rows[1] if self.recipe.rows else None
        if rows == 0:
            raise SourceError(
                f"source {name}: {self.base}: no rows in {len(self.files)} files; an empty source can't be right"
            )
        if last is not None and rows < last:
            first = self.recipe.rows[0] if self.recipe.rows else 1
            raise SourceError(
                f"source {name}: rows = [{first}, {last}], but it has only {rows:,} rows; ask for a range within"
            )


def _stamp(path: Path) -> tuple[int, int, int]:
    """What tells a file from one that was put or written in its place."""
    status = path.stat()
    return status.st_ino, status.st_size, status.st_mtime_ns
