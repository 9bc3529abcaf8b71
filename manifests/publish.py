"""Publishing: a manifest, its dataset and its name get their places, each atomically, each only once."""

import json
import platform
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path

import pyarrow as pa

from manifests import disk
from manifests.dataset import parquet_writer, read_dataset, total_rows
from manifests.errors import FormatError, StoreError, VerificationError
from manifests.identity import Identity
from manifests.manifest import Manifest, read_manifest
from manifests.store import NamedVersion, Store, check_name, read_reference
from manifests.tables import REJECTS, TableForm, table_digest

TOOLS = ("tunix-zero-cost", "pyarrow", "polars", "xxhash", "langdetect")


def stage_manifest(
    folder: Path,
    identity: Identity,
    rows: pa.Table,
    rejects: pa.Table,
    content_blocks: Sequence[str],
    name: str,
) -> Path:
    """Write the four files of a manifest into a new folder below `folder`, named by the id; that folder."""
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
    """Give a staged dataset its place. A whole one that is there already stays; a damaged one is replaced."""
    target = store.root / "datasets" / manifest.id
    while not disk.move_into_place(staged, target):
        if is_whole(target, manifest):
            break
        with disk.staging(target.parent) as discarded, suppress(FileNotFoundError):
            target.rename(discarded / "damaged")
    return target


def is_whole(dataset: Path, manifest: Manifest) -> bool:
    """Whether the rows in a folder are exactly those of a manifest's dataset."""
    try:
        total_rows(read_dataset(dataset, manifest))
    except (VerificationError, OSError):  # OSError: another process is replacing it
        return False
    return True


def publish_manifest(store: Store, staged: Path) -> Manifest:
    """Give a staged manifest its place. If another publisher was first, theirs is verified and returned.

    `staged` is a folder whose name is the id; it is verified from disk before it is moved.
    """
    read_manifest(staged)
    target = store.root / "manifests" / staged.name
    disk.move_into_place(staged, target)
    try:
        return read_manifest(target)
    except (FormatError, VerificationError) as error:
        raise type(error)(
            f"{error} (a manifest of this id was here before; move it away and build again)"
        ) from error


def publish_name(store: Store, name: str, manifest_id: str) -> NamedVersion:
    """Give a manifest the next version of a name, unless the newest version is this manifest already."""
    folder = store.root / "refs" / check_name(name)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StoreError(
            f"{folder}: can't be written ({error.strerror}); choose another store with --store"
        ) from error
    while True:
        versions = store.versions(name)
        newest = versions[-1] if versions else NamedVersion(name, 0, "")
        number = newest.number if newest.id == manifest_id else newest.number + 1
        path = folder / str(number)
        if disk.write_once(path, f"{manifest_id}\n".encode()) or read_reference(path) == manifest_id:
            return NamedVersion(name, number, manifest_id)
