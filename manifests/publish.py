"""Publishing: a manifest, its dataset and its name get their places, each atomically, each only once."""

import json
import platform
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from types import MappingProxyType

import pyarrow as pa

from manifests import disk
from manifests.dataset import card_is_ours, dataset_blocks, parquet_writer, read_dataset, total_rows
from manifests.errors import FormatError, StoreError, VerificationError
from manifests.identity import Identity
from manifests.lock import shared
from manifests.manifest import Manifest, read_manifest
from manifests.store import NamedVersion, Store, check_name, read_reference
from manifests.tables import REJECTS, TableForm, table_digest

TOOLS = ("tunix-zero-cost", "pyarrow", "polars", "xxhash", "langdetect")
_NO_LICENSES: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Publisher:
    """Somebody who may write in a store: no one cleans it up meanwhile. Made by `publishing`."""

    root: Path

    def folder(self, *below: str) -> Path:
        """A folder of the store, made if need be; its name is durable."""
        return disk.make_folders(self.root.joinpath(*below), self.root)

    @contextmanager
    def staging(self, *below: str) -> Iterator[Path]:
        """A new folder in a folder of the store, for what is in the making; gone at the end unless it was moved."""
        with disk.staging(self.folder(*below)) as staged:
            yield staged


@contextmanager
def publishing(store: Store, notice: Callable[[str], None] = lambda _: None) -> Iterator[Publisher]:
    """Keep `manifests gc` out of a store for as long as something is staged or half published in it.

    Waits while somebody cleans up, and tells `notice` after a second. One process may do so repeatedly. Any error of
    the disk within is raised as StoreError.
    """
    if store.upstream is not None:
        store.upstream.prepare_to_publish()
    with disk.writing(store.root):
        disk.make_folders(store.root, store.root)
        with shared(store.root, notice):
            yield Publisher(store.root)


def stage_manifest(
    folder: Path,
    identity: Identity,
    rows: pa.Table,
    rejects: pa.Table,
    content_blocks: Sequence[str],
    name: str,
    *,
    licenses: Mapping[str, str] = _NO_LICENSES,
) -> Path:
    """Write the four files of a manifest into a new folder below `folder`, named by the id; that folder.

    `licenses` is what the recipe states of its sources, by name; the receipt keeps it.
    """
    staged = folder / identity.id
    staged.mkdir()
    (staged / "manifest.json").write_bytes(identity.data)
    _write_table(staged / "rows.parquet", identity.rows_form, rows)
    _write_table(staged / "rejects.parquet", REJECTS, rejects)
    files = {path.name: disk.sha256_file(path) for path in sorted(staged.iterdir())}
    receipt = {
        "name": name,
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "files": {file: {"size": size, "sha256": sha256} for file, (size, sha256) in files.items()},
        "blocks": {
            "content": list(content_blocks),
            "rejects": table_digest(REJECTS, rejects)[1],
            "rows": table_digest(identity.rows_form, rows)[1],
        },
        "licenses": dict(licenses),
        "tools": {"python": platform.python_version()} | {tool: metadata.version(tool) for tool in TOOLS},
    }
    (staged / "receipt.json").write_text(
        json.dumps(receipt, indent=1, sort_keys=True) + "\n", encoding="ascii"
    )
    return staged


def _write_table(path: Path, form: TableForm, table: pa.Table) -> None:
    with parquet_writer(path, form.schema) as writer:
        writer.write_table(table)


def publish_dataset(store: Store, staged: Path, manifest: Manifest) -> Path:
    """Give a staged dataset its place. A whole one that is there already stays; a damaged one is replaced.

    An object store is not read for that: of a dataset there stays what has our bytes, or was put as a part of it
    (manifests/mirror.py).

    It is flushed to the disk, and the digest of every block read back from there, before it gets its place. Raises
    VerificationError for a dataset that is not the manifest's, StoreError when the store can't be written.
    """
    with publishing(store) as publisher:
        target = publisher.folder("datasets") / manifest.id
        while not is_whole(target, manifest):
            with publisher.staging("datasets") as discarded, suppress(FileNotFoundError):
                target.rename(discarded / "damaged")
            disk.sync_tree(staged)
            total_rows(dataset_blocks(staged, manifest))
            if disk.rename_into_place(staged, target):
                break
        else:
            disk.sync(target.parent)  # whoever published it may have died, or be about to, before this
        if store.upstream is not None:
            store.upstream.send_dataset(target, manifest)
    return target


def whole_dataset(store: Store, manifest: Manifest) -> Path | None:
    """The folder of a manifest's dataset, if a store has it whole; what an object store lacks of it is sent there."""
    try:
        folder = store.dataset_folder(manifest)
    except VerificationError:  # of an object store: it could not be brought here
        return None
    if folder is None or not is_whole(folder, manifest):
        return None
    if store.upstream is not None:
        store.upstream.send_dataset(folder, manifest)
    return folder


def is_whole(dataset: Path, manifest: Manifest) -> bool:
    """Whether a folder is a manifest's dataset: exactly its rows, and its card."""
    try:
        total_rows(read_dataset(dataset, manifest))
        return card_is_ours(dataset, manifest.id, manifest.identity.rows)
    except (VerificationError, OSError):  # OSError: another process is replacing it
        return False


def publish_manifest(store: Store, staged: Path) -> Manifest:
    """Give a staged manifest its place. If another publisher was first, theirs is verified and returned.

    `staged` is a folder whose name is the id; it is flushed to the disk and verified from there before it gets its
    place. Raises StoreError when the store can't be written, FormatError or VerificationError when a damaged manifest
    is in the way.
    """
    with publishing(store) as publisher:
        target = publisher.folder("manifests") / staged.name
        disk.sync_tree(staged)
        read_manifest(staged)
        disk.rename_into_place(staged, target)
        try:
            manifest = read_manifest(target)
        except (FormatError, VerificationError) as error:
            raise type(error)(
                f"{error} (a manifest of this id was here before; move it away and build again)"
            ) from error
        if store.upstream is not None:
            store.upstream.send_manifest(target)
    return manifest


def publish_name(store: Store, name: str, manifest_id: str) -> NamedVersion:
    """Give a manifest the next version of a name, unless the newest version is this manifest already.

    Raises NameNotAllowedError, StoreError.
    """
    check_name(name)
    with publishing(store) as publisher:
        folder, taken = publisher.folder("refs", name), 0
        while True:
            versions = store.versions(name)
            newest = versions[-1] if versions else NamedVersion(name, 0, "")
            number = newest.number if newest.id == manifest_id else newest.number + 1
            if newest.number < taken:
                raise StoreError(
                    f"{store.where}/refs/{name}/{taken}: the store has it, and does not list it, so it can't be told "
                    "which number is free; check address and rights, and run the same command again"
                )
            path = folder / str(number)
            if store.upstream is not None:
                if store.upstream.claim(name, number, manifest_id) == manifest_id:
                    disk.replace_file(path, f"{manifest_id}\n".encode())
                    return NamedVersion(name, number, manifest_id)
                taken = number
                continue
            if disk.write_once(path, f"{manifest_id}\n".encode()) or read_reference(path) == manifest_id:
                return NamedVersion(name, number, manifest_id)
