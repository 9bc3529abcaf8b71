"""The rows of a source, numbered through its files: the stage `rows`.

Reads only the files, and of parquet only the row groups, that the range needs. Files before it are counted, those
behind it not opened.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Generic, TypeVar

from curation.errors import RecipeError, SourceError
from curation.files import SourceFile, find_files
from curation.formats import parquet
from curation.formats.base import SPAN_BYTES, Head, Notes, Span
from curation.hub.cache import FetchedFile, HubFile
from curation.hub.repository import HubRepository
from curation.hub.transport import HubHttp
from curation.progress import Progress
from curation.readers import broken, check_found, cut, read_head, unreadable
from curation.recipe import SourceRecipe
from curation.scan import Found, Job, Part, Seen, index, seen_at
from curation.workers.base import Workers, waited
from manifests.disk import sha256_file
from manifests.identity import FileRecord, SourceRecord
from manifests.objects import Location, ObjectFile
from manifests.reading.tally import MOST_ROWS

Result = TypeVar("Result", bound=Found)
Work = Callable[[Job, Part], Result]


@dataclass(frozen=True, slots=True)
class Piece(Generic[Result]):
    """What became of one part of a file.

    `before` is the number of the source's rows in front of it. Of its own rows, counted from 0, those from `begin` up
    to `end` (not included) are in the range.
    """

    before: int
    begin: int
    end: int
    part: Part
    result: Result


def read_parts(
    workers: Workers, work: Work[Result], job: Job, parts: Iterable[Part]
) -> Iterator[tuple[Part, Result]]:
    """What `work` makes of the parts of files, in order.

    Where a part does not end with a row, the cut was wrong: it is read on to the end of its file. That it begins with a
    row is proven by the part before it.
    """
    # Only `scan` puts texts aside, and what it finds says where.
    carry: Any = workers.ordered if job.spill is None else workers.putting_aside
    carried: Callable[[Work[Result], Job, Iterable[Part]], Iterator[tuple[Part, Result]]] = carry
    ended: SourceFile | None = None
    for part, result in carried(work, job, parts):
        if part.file is ended:
            continue
        if result.wrong_end:
            ended = part.file
            rest = replace(part, span=Span(part.span.begin, part.head.end))
            yield from carried(work, job, [rest])
        else:
            yield part, result


@dataclass(frozen=True, slots=True)
class _Digested:
    """Size and SHA-256 of a file, and what it was to whoever read it."""

    size: int
    sha256: str
    seen: Seen | None = None


@dataclass(slots=True)
class _OpenFile:
    """A file whose parts are coming in."""

    file: SourceFile
    first_row: int
    digest: Future[_Digested]
    rows: int = 0
    notes: Notes = field(default_factory=Notes)


@dataclass
class SourceRows:
    """The rows of a source's raw range. Once they were read to the end, `record` says in which files they lay.

    `remote` are the files of a Hub source by their paths; they are fetched when they are needed.
    """

    recipe: SourceRecipe
    base: Location
    files: list[SourceFile]
    hub: HubRepository | None = None
    remote: dict[str, HubFile] = field(default_factory=dict)
    span_bytes: int = SPAN_BYTES
    heads: dict[str, Head] = field(default_factory=dict)
    _fetched: dict[str, FetchedFile] = field(default_factory=dict)
    _row: int = 0  # the last row seen
    _spans: list[FileRecord] = field(default_factory=list)
    _before: list[tuple[str, int]] = field(default_factory=list)
    _stamps: dict[Location, tuple[object, ...]] = field(default_factory=dict)

    @classmethod
    def find(cls, recipe: SourceRecipe, folder: Path, http: HubHttp | None = None) -> "SourceRows":
        """The files of a source, none of them read yet. `http` is how the Hub is reached.

        Raises SourceError when no file fits, RecipeError for a Hub source whose revision is no commit.
        """
        if recipe.hub is None:
            base, files = find_files(recipe.name, recipe.files or "", folder)
            return cls(recipe, base, files)
        if http is None:
            raise RecipeError(
                f"source {recipe.name}: hub = {recipe.hub!r}: nothing was given to reach the Hub with"
            )
        hub = HubRepository(http, recipe.name, recipe.hub, recipe.revision, recipe.pinned)
        remote = {file.path: file for file in hub.files(recipe.files)}
        return cls(recipe, Path(recipe.hub), [SourceFile(path, Path(path)) for path in remote], hub, remote)

    @property
    def record(self) -> SourceRecord:
        """The source as it stands in a manifest."""
        recipe = self.recipe
        origin = (recipe.hub, recipe.revision) if recipe.hub and recipe.revision else None
        return SourceRecord(self.recipe.name, origin, tuple(self._spans), tuple(self._before))

    def read(
        self, workers: Workers, work: Work[Result], job: Job, progress: Progress
    ) -> Iterator[Piece[Result]]:
        """What `work` makes of the parts of all files that the range needs, in order.

        Raises SourceError when a file can't be read, the source is empty, or the range passes its last row.
        """
        self._spans, self._before, self._row = [], [], 0
        for places in self._runs():
            if self._ended:
                break
            now: _OpenFile | None = None
            parts = self._parts(places, workers, job, progress)
            for part, result in read_parts(workers, work, job, parts):
                if now is None or part.file is not now.file:
                    self._close(now, job)
                    now = _OpenFile(part.file, self._row + 1, self._digest(part.file, workers))
                yield self._piece(now, part, result)
                progress.step(result.rows, part.size)
                if self._ended:
                    break
            self._close(now, job)
        self._check_range()

    def size_to_read(self) -> int:
        """The stored bytes that reading takes, at most: files before a range of parquet don't count.

        Raises SourceError when a file is not what it claims to be.
        """
        return sum(size for _, size in self.plan())

    def plan(self) -> list[tuple[SourceFile, int]]:
        """The files that the range needs, as far as can be told without reading, with the stored bytes to read."""
        planned, row = list[tuple[SourceFile, int]](), 0
        known = self.recipe.rows is not None  # whether `row` is the number of rows before the file
        for file in self.files:
            if file.path in self.remote:
                planned.append((file, self.remote[file.path].size))
            elif self.recipe.rows is None or not known or not file.path.endswith(".parquet"):
                planned.append((file, self._size(file)))
                known = False  # what lies behind a file of text may be behind the range: it is not opened
            elif row < self.recipe.rows[1]:
                first, last = self.recipe.rows
                held = sum(parquet.group_rows(file))
                if row + held >= first:
                    parts = _row_groups(file, Head(0, 0), first - row, last - row, self.span_bytes)
                    planned.append((file, sum(part.size for part in parts)))
                row += held
        return planned

    @property
    def _ended(self) -> bool:
        return self.recipe.rows is not None and self._row >= self.recipe.rows[1]

    def _runs(self) -> Iterator[Sequence[int]]:
        """Places of files that are read in one go. How far text reaches into a range shows only file by file."""
        if self.recipe.rows is None or all(file.path.endswith(".parquet") for file in self.files):
            yield range(len(self.files))
        else:
            yield from ([place] for place in range(len(self.files)))

    def _parts(self, places: Sequence[int], workers: Workers, job: Job, progress: Progress) -> Iterator[Part]:
        """The parts of some files that overlap the range: at least one of every file that is read."""
        first, last = self.recipe.rows or (1, None)
        row = self._row  # the rows in front of the file, as far as the range makes them matter
        for place in places:
            if last is not None and row >= last:
                return
            path, held = self.files[place].path, 0
            if self.recipe.rows and (row + 1 < first or path.endswith(".parquet")):
                held = self._count(place, first - row, workers, job, progress)
                if row + held < first:
                    self._before.append((path, held))
                    row = self._row = row + held
                    continue
            file = self._here(place)
            self._stamp(file)
            head = self.heads[file.path] = read_head(file, job.layout)
            if path.endswith(".parquet"):
                yield from _row_groups(
                    file, head, first - row, None if last is None else last - row, self.span_bytes
                )
            else:
                yield from self._text_parts(file, head)
            row += held

    def _count(self, place: int, enough: int, workers: Workers, job: Job, progress: Progress) -> int:
        """The number of rows of a file; of a file of text with `enough` rows, no more of it is read than shows that."""
        file = self.files[place]
        if file.path.endswith(".parquet"):
            if self.hub is not None:
                return self.hub.count_parquet_rows(self.remote[file.path])
            return sum(parquet.group_rows(self._here(place)))
        here, held = self._here(place), 0
        self._stamp(here)
        parts = self._text_parts(here, read_head(here, job.layout))
        for part, result in read_parts(workers, index, replace(job, language=None, spill=None), parts):
            progress.step(result.rows, part.size)
            self.check_same(here, result.seen)
            held += result.rows
            if held >= enough:
                break
            _check_whole(here, held, result)
        return held

    def _text_parts(self, file: SourceFile, head: Head) -> Iterator[Part]:
        for span in cut(file, head, self.span_bytes):
            yield Part(file, head, span, span.end - span.begin)

    def _piece(self, now: _OpenFile, part: Part, result: Result) -> Piece[Result]:
        self.check_same(now.file, result.seen)
        first, last = self.recipe.rows or (1, None)
        in_file = now.rows if part.before is None else part.before
        before = now.first_row - 1 + in_file
        end = result.rows if last is None else min(result.rows, last - before)
        if last is None or before + result.rows < last:
            _check_whole(now.file, in_file + result.rows, result)
        now.rows = in_file + result.rows
        now.notes.found |= result.notes.found
        now.notes.objects += result.notes.objects
        self._row = before + end
        if self._row - first >= MOST_ROWS:  # or hours later nobody could read the manifest
            raise SourceError(
                f"source {self.recipe.name}: {now.file.here}: more than {MOST_ROWS:,} rows, and no manifest can have "
                "more; take a part of them with 'rows', and the others in another manifest"
            )
        return Piece(before, min(max(0, first - 1 - before), end), end, part, result)

    def _close(self, now: _OpenFile | None, job: Job) -> None:
        """Record a file whose parts are all in."""
        if now is None:
            return
        if self.recipe.rows is None:  # how much is read beyond a range depends on where files are cut
            check_found(now.file, job.layout, now.notes)
        try:
            digested = waited(now.digest)
        except OSError as error:
            raise self._unreadable(now.file, error) from error
        self.check_unchanged(now.file)
        self.check_same(now.file, digested.seen)
        if self.recipe.rows and self._row < self.recipe.rows[0]:
            self._before.append((now.file.path, 0))  # an empty file: the range begins with the next
        else:
            self._spans.append(
                FileRecord(now.file.path, digested.size, digested.sha256, now.first_row, self._row)
            )

    def _here(self, place: int) -> SourceFile:
        """A file that is on this machine; a Hub file is fetched if it is not."""
        path = self.files[place].path
        if self.hub is not None and path not in self._fetched:
            fetched = self._fetched[path] = self.hub.fetch(self.remote[path])
            self.files[place] = SourceFile(path, fetched.here)
        return self.files[place]

    def check_unchanged(self, *files: SourceFile) -> None:
        """Raise SourceError if one of the files (by default: of all that were read) is no longer the one digested."""
        for file in files or self.files:
            if file.here in self._stamps and self._stamp_now(file) != self._stamps[file.here]:
                raise SourceError(
                    f"source {self.recipe.name}: {file.here}: it changed while it was being read; build again"
                )

    def check_same(self, file: SourceFile, seen: Seen | None) -> None:
        """Raise SourceError if a worker saw another file than the one that this process sees there."""
        if seen is None or seen == self._stamps[file.here][1:]:
            return
        self.check_unchanged(file)  # or it changed, for everybody
        raise SourceError(
            f"source {self.recipe.name}: {file.here}: the file that a worker sees is another one "
            f"(expected {_told(seen_at(file.here))}, found {_told(seen)}); all nodes must see the same files"
        )

    def _stamp(self, file: SourceFile) -> None:
        self._stamps.setdefault(file.here, self._stamp_now(file))

    def _stamp_now(self, file: SourceFile) -> tuple[object, ...]:
        try:
            return _stamp(file.here)
        except OSError as error:
            raise self._unreadable(file, error) from error

    def _digest(self, file: SourceFile, workers: Workers) -> Future[_Digested]:
        if fetched := self._fetched.get(file.path):  # taken when it was fetched
            known: Future[_Digested] = Future()
            known.set_result(_Digested(fetched.size, fetched.sha256))
            return known
        return workers.beside(_digested, file.everywhere)

    def _size(self, file: SourceFile) -> int:
        try:
            return file.here.stat().st_size
        except OSError as error:
            raise self._unreadable(file, error) from error

    def _unreadable(self, file: SourceFile, error: OSError) -> SourceError:
        return SourceError(
            f"source {self.recipe.name}: {file.here}: can't be read ({error.strerror}); check its permissions"
        )

    def _check_range(self) -> None:
        name, rows = self.recipe.name, self._row
        if rows == 0:
            raise SourceError(
                f"source {name}: {self.base}: no rows in {len(self.files)} files; an empty source can't be right"
            )
        if self.recipe.rows and rows < self.recipe.rows[1]:
            first, last = self.recipe.rows
            raise SourceError(
                f"source {name}: rows = [{first}, {last}], but it has only {rows:,} rows; ask for a range within"
            )


def _check_whole(file: SourceFile, rows: int, found: Found) -> None:
    """Raise SourceError if the file could be read only up to so many rows of it."""
    if found.unreadable is not None:
        raise unreadable(file, found.unreadable)
    if found.broken:
        raise broken(file, rows + 1, found.broken)


def _row_groups(file: SourceFile, head: Head, first: int, last: int | None, size: int) -> Iterator[Part]:
    """The row groups of a parquet file with rows from `first` to `last`, several small ones together."""
    groups, sizes = parquet.group_rows(file), parquet.group_sizes(file)
    row = begin_row = begin = stored = 0
    for group, rows in enumerate(groups):
        if row + rows < first:
            begin, begin_row = group + 1, row + rows
        else:
            stored += sizes[group]
            ends = group == len(groups) - 1 or (last is not None and row + rows >= last)
            if ends or stored >= size:
                most = None if last is None else last - begin_row
                yield Part(file, head, Span(begin, group + 1), stored, begin_row, most)
                begin, begin_row, stored = group + 1, row + rows, 0
            if ends:
                return
        row += rows
    if begin_row == row:
        yield Part(file, head, Span(begin, begin), 0, row)


def _digested(here: Location) -> _Digested:
    seen = seen_at(here)
    return _Digested(*sha256_file(here), seen)


def _told(seen: Seen | None) -> str:
    if seen is None:
        return "an object"
    seconds, rest = divmod(seen[1], 10**9)
    return f"{seen[0]:,} bytes of {datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M:%S}.{rest:09}"


def _stamp(here: Location) -> tuple[object, ...]:
    """What tells a file from one that was put or written in its place."""
    if isinstance(here, ObjectFile):
        return here.stat()
    status = here.stat()
    return status.st_ino, status.st_size, status.st_mtime_ns
