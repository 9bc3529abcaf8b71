"""From a manifest and its sources to the dataset again: no filter and no draw runs, the manifest says which rows.

resolve → find files → find the rows in them → read those chosen → check every row and the whole → publish
"""

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import numpy as np
import pyarrow.compute as pc

from curation.errors import RegenerationError, SourceError
from curation.files import SourceFile
from curation.formats.base import Layout
from curation.hints import recall_sources
from curation.hub.repository import HubRepository
from curation.hub.settings import hub_settings
from curation.hub.transport import HubHttp, quiet
from curation.progress import Progress, Silence
from curation.readers import broken, cut, read_head, unreadable
from curation.recipe import PinnedFile
from curation.recipe_reader import read_form
from curation.scan import Job, Numbers, Part, index
from curation.source_rows import read_parts
from curation.texts import (
    ChosenRows,
    HeldRows,
    MissingRow,
    RowDifferenceError,
    UnreadableSourceError,
    gather,
)
from curation.workers.base import Cluster, Workers
from curation.workers.choice import choose_workers
from manifests import disk
from manifests.dataset import DatasetWriter
from manifests.errors import StoreError
from manifests.identity import FileRecord, SourceRecord
from manifests.manifest import Manifest
from manifests.objects import Location, ObjectFile, url_fault
from manifests.publish import publish_dataset, publishing, whole_dataset
from manifests.store import Store
from manifests.tables import CONTENT, root_digest

Files: TypeAlias = dict[str, list[SourceFile]]


@dataclass(frozen=True, slots=True)
class Regenerated:
    """A dataset that is the manifest's, row by row.

    `rewritten` names source files with other bytes and the same rows, where that was allowed; `was_whole` says that
    nothing had to be done.
    """

    manifest: Manifest
    folder: Path
    rewritten: tuple[str, ...]
    was_whole: bool = False


def regenerate(
    store: Store,
    reference: str,
    folders: Mapping[str, Location],
    out: Path | None = None,
    *,
    allow_rewritten: bool = False,
    progress: Progress | None = None,
    workers: int | Cluster | None = None,
    notice: Callable[[str], None] = quiet,
) -> Regenerated:
    """Rebuild the dataset of a manifest, into the store or into a new folder `out`.

    `folders` says where sources lie; of the others, this machine remembers where it had them, or they are fetched from
    the Hub. Raises RegenerationError, and publishes nothing, when a source no longer gives the manifest's rows, or when
    its files have other bytes (unless `allow_rewritten` says that equal rows are enough); SourceError when a source is
    not to be found; StoreError when there can't be written. `notice` is told when the store makes us wait.
    """
    manifest = store.manifest(reference)
    if unknown := [name for name in folders if manifest.identity.source(name) is None]:
        names = ", ".join(source.name for source in manifest.identity.sources)
        raise SourceError(f"--sources {unknown[0]}: the manifest has no source of that name; it has {names}")
    if out is None and (folder := whole_dataset(store, manifest)) is not None:
        return Regenerated(manifest, folder, (), was_whole=True)
    if out is not None and out.exists():
        raise _taken(out)
    found = _find_all(manifest, recall_sources(store, manifest.id), folders)
    changed = _changed_files(manifest, found)
    size = sum(file.here.stat().st_size for files in found.values() for file in files)
    parent = store.root / "datasets" if out is None else out.parent
    with ExitStack() as stack:
        if parent.resolve().is_relative_to(store.root.resolve()):
            stack.enter_context(publishing(store, notice))
        stack.enter_context(disk.writing(parent))
        staging, spill = (stack.enter_context(disk.staging(parent)) for _ in range(2))
        processes = stack.enter_context(choose_workers(size, workers))
        _rebuild(manifest, found, changed, staging, spill, processes, progress or Silence())
        if changed and not allow_rewritten:
            raise _rewritten(manifest, changed)
        if out is None:
            folder = publish_dataset(store, staging, manifest)
        elif disk.move_into_place(staging, out):
            folder = out
        else:
            raise _taken(out)
    rewritten = tuple(f"{source}: {file}" for source, files in changed.items() for file in files)
    return Regenerated(manifest, folder, rewritten)


def _rebuild(
    manifest: Manifest,
    found: Files,
    changed: Mapping[str, list[str]],
    staging: Path,
    spill: Path,
    workers: Workers,
    progress: Progress,
) -> None:
    """Write the dataset into `staging`, every row of it checked."""
    writer = DatasetWriter(staging, manifest.identity.rows)
    try:
        sources = [
            _chosen(manifest, source, found[source.name], workers, progress)
            for source in manifest.identity.sources
        ]
        writer.write_all(gather(sources, manifest.rows, spill, workers, progress))
    except RowDifferenceError as error:
        records = {source.name: source for source in manifest.identity.sources}
        file, _ = records[error.source].locate(error.row)
        raise RegenerationError(_explain(error, error.source, file.path, changed)) from error
    except UnreadableSourceError as error:
        # A file that was read when the manifest was built and can't be now is not the manifest's source.
        if error.path in changed.get(error.source, ()):
            raise RegenerationError(_explain(error, error.source, error.path, changed)) from error
        raise
    observed = root_digest(CONTENT, manifest.identity.rows, writer.block_digests)
    if observed != manifest.content_digest:
        raise RegenerationError(
            f"manifest {manifest.id[:12]}: every row is there, but content_digest is {observed}, expected "
            f"{manifest.content_digest}; this version encodes rows differently, nothing was written"
        )
    writer.finish(manifest.id, manifest.identity.rows)


def _taken(out: Path) -> StoreError:
    return StoreError(f"{out}: exists already; --out takes a folder that is not there yet")


def _find_all(
    manifest: Manifest, remembered: Mapping[str, Location], folders: Mapping[str, Location]
) -> Files:
    """The files of every source, by its name; a folder given wins over one remembered, and that over the Hub."""
    places = {**remembered, **folders}
    return {source.name: _find(source, places.get(source.name)) for source in manifest.identity.sources}


def _find(source: SourceRecord, folder: Location | None) -> list[SourceFile]:
    if folder is None and source.hub is not None:
        return _fetch(source, *source.hub)
    if folder is None:
        raise SourceError(
            f"source {source.name}: this machine does not know where its files are; give --sources {source.name}=DIR, "
            f"the folder with {source.files[0].path}"
        )
    if isinstance(folder, ObjectFile) and (fault := url_fault(folder.url)):
        raise SourceError(f"source {source.name}: {folder}: {fault}")
    files = [SourceFile(file.path, folder / file.path) for file in source.files]
    for file in files:
        if not _is_there(file):
            raise SourceError(
                f"source {source.name}: {file.here} is not there; "
                f"give --sources {source.name}=DIR, the folder with {file.path}"
            )
    return files


def _is_there(file: SourceFile) -> bool:
    try:
        return file.here.is_file()
    except OSError as error:
        raise unreadable(file, error) from error


def _fetch(source: SourceRecord, hub: str, revision: str) -> list[SourceFile]:
    """The files of a Hub source, each with the bytes that the manifest names."""
    pinned = [PinnedFile(file.path, file.size, file.sha256) for file in source.files]
    with HubHttp(hub_settings()) as http:
        repository = HubRepository(http, source.name, hub, revision, pinned)
        return [SourceFile(file.path, repository.fetch(file).here) for file in repository.files(None)]


def _chosen(
    manifest: Manifest, source: SourceRecord, files: list[SourceFile], workers: Workers, progress: Progress
) -> ChosenRows:
    """The manifest's rows of a source, found in its files."""
    form = read_form(manifest.identity.recipe, source.name, str(manifest.folder / "manifest.json"))
    # A compressed file that is the manifest's has expanded before.
    layout = Layout(form.columns, form.header, form.max_row_bytes, max_expansion=1 << 20)
    job = Job(layout, form.tags)
    rows = manifest.rows
    numbers = np.sort(rows.column("row").to_numpy()[pc.equal(rows.column("source"), source.name).to_numpy()])
    progress.begin(f"{source.name}: finding rows", sum(file.size for file in source.files))
    held = []
    for file, record in zip(files, source.files, strict=True):
        begin, end = np.searchsorted(numbers, np.array([record.first_row, record.last_row + 1], np.uint64))
        if begin < end:
            wanted = numbers[begin:end]
            try:
                held.append(_locate(file, record, wanted, job, workers, progress))
            except SourceError as error:
                raise UnreadableSourceError(source.name, record.path, int(wanted[0]), error) from error
    return ChosenRows(source.name, job, tuple(held))


def _locate(
    file: SourceFile, record: FileRecord, numbers: Numbers, job: Job, workers: Workers, progress: Progress
) -> HeldRows:
    """Where the rows of a file lie that have these numbers in the source."""
    head = read_head(file, job.layout)
    within = numbers - np.uint64(record.first_row)
    if file.path.endswith(".parquet"):
        return HeldRows(file, head, numbers, within)
    places, rows, missing = [np.empty(0, np.uint64)], 0, None
    parts = (Part(file, head, span, span.end - span.begin) for span in cut(file, head))
    for part, found in read_parts(workers, index, job, parts):
        here = within[slice(*np.searchsorted(within, np.array([rows, rows + len(found.places)], np.uint64)))]
        places.append(found.places[here - np.uint64(rows)])
        rows += found.rows
        progress.step(found.rows, part.size)
        if rows > within[-1]:
            break
        if found.broken or found.unreadable:
            error = (
                unreadable(file, found.unreadable)
                if found.unreadable
                else broken(file, rows + 1, found.broken)
            )
            missing = MissingRow(record.first_row + rows, str(error), readable=False)
            break
    known = int(np.searchsorted(within, np.uint64(rows)))
    if known < len(within) and missing is None:
        last = int(numbers[-1])
        missing = MissingRow(
            record.first_row + rows, f"expected rows up to {last}, but {file.here} ends before", readable=True
        )
    return HeldRows(file, head, numbers[:known], np.concatenate(places)[:known], missing)


def _changed_files(manifest: Manifest, found: Files) -> dict[str, list[str]]:
    """By source, the files whose bytes are no longer those that the manifest was built from."""
    changed: dict[str, list[str]] = {}
    for source in manifest.identity.sources:
        for record, file in zip(source.files, found[source.name], strict=True):
            if _digest(file) != (record.size, record.sha256):
                changed.setdefault(source.name, []).append(record.path)
    return changed


def _digest(file: SourceFile) -> tuple[int, str]:
    try:
        return disk.sha256_file(file.here)
    except OSError as error:
        raise unreadable(file, error) from error


def _explain(error: Exception, source: str, path: str, changed: Mapping[str, list[str]]) -> str:
    if path in changed.get(source, ()):
        cause = f"{path} is not the file the manifest was built from (SHA-256 differs); get that one"
    else:
        cause = (
            "its files are unchanged, so this version reads them differently; use the one the receipt names"
        )
    # A reader's own advice ("mend 'columns'") is for recipes; the recipe of a manifest was right once.
    what = str(error).rpartition("; ")[0] if isinstance(error, UnreadableSourceError) else str(error)
    return f"{what}: {cause}; nothing was written"


def _rewritten(manifest: Manifest, changed: Mapping[str, list[str]]) -> RegenerationError:
    name, files = next(iter(changed.items()))
    source = manifest.identity.source(name)
    record = next(file for file in source.files if file.path == files[0]) if source else None
    rows = f"rows {record.first_row} to {record.last_row}" if record else "rows"
    return RegenerationError(
        f"source {name}, {rows}: {files[0]} is not the file the manifest was built from (SHA-256 differs), though "
        "every row that the manifest takes from it reads the same; get that file, or say --allow-rewritten; "
        "nothing was written"
    )
