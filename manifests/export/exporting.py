"""Export, top to bottom: manifest and ancestors → data, verified as it is read → what the folder says → its place.

Every exported folder is itself a store: manifests, names, and but for `messages` the dataset. Whoever gets it can
verify it with what it holds.
"""

import shutil
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from manifests import disk
from manifests.dataset import DatasetWriter
from manifests.errors import CommandError, UnknownManifestError
from manifests.export import croissant as croissant_format
from manifests.export import kaggle
from manifests.export.card import CONTENT_FEATURES, card, card_body
from manifests.export.facts import Ancestor, ExportedFile, Facts
from manifests.export.licenses import stated_licenses
from manifests.export.markup import json_text
from manifests.export.messages import FEATURES, TURN_BYTES, write_messages
from manifests.identity import Identity
from manifests.manifest import Manifest, read_manifest
from manifests.store import NamedVersion, Store

FORMATS = HUB, CROISSANT, KAGGLE, MESSAGES = ("hub", "croissant", "kaggle", "messages")

Progress = Callable[[int, int], None]
"""Told the rows that are done and the rows there are."""

_MANIFEST_FILES = ("manifest.json", "rows.parquet", "rejects.parquet", "receipt.json")
_ORIGIN = "`source` and `row` (where a trace comes from, rows counted from 1)"
_COLUMNS = f"Columns: {_ORIGIN}, `prompt`, `reasoning`, `answer`."
_CHAT_COLUMNS = (
    "Columns: `messages` (a user's turn, the prompt, and an assistant's: `<think>`, the reasoning, `</think>`, an "
    f"empty line, the answer), {_ORIGIN}.\n\n"
    "The texts are those that `training` puts into its default template, `gemma-think/1`. A chat template may do two "
    "things to them: strip other whitespace than ASCII's from their ends, and read a marker such as `<start_of_turn>` "
    "in them as one."
)


@dataclass(frozen=True, slots=True)
class Exported:
    """What was written: the manifest's id, the format, the folder, and all files in it by path."""

    id: str
    format: str
    folder: Path
    files: tuple[ExportedFile, ...]


def export(
    store: Store,
    reference: str,
    kind: str,
    out: Path,
    *,
    owner: str | None = None,
    progress: Progress | None = None,
) -> Exported:
    """Write a manifest and its dataset into the new folder `out`, as `kind` says: one of FORMATS.

    `owner` is the user or organisation that a `kaggle` folder will belong to. Every row is verified as it is read; the
    folder is whole or not there. The same manifest in the same store gives the same texts, byte for byte, on any
    machine and day. Raises CommandError (a folder that is there, a format that is not), MissingDatasetError, and what
    reading raises.
    """
    if kind not in FORMATS:
        raise CommandError(f"format {kind!r}: expected one of {', '.join(FORMATS)}")
    if owner is not None and kind != KAGGLE:
        raise CommandError(f"--owner {owner!r}: only the format kaggle has an owner; leave it out")
    owner = kaggle.NO_OWNER if owner is None else kaggle.check_owner(owner)
    if out.exists() or out.is_symlink():
        raise _taken(out)
    manifest = store.manifest(reference)
    blocks = store.dataset_blocks(manifest)
    with disk.staging(out.parent) as staged:
        manifest = _copy_manifest(manifest, staged)
        ancestors = _copy_ancestors(store, manifest, staged)
        versions = _write_names(store, staged)
        counted = _Counted(blocks, manifest.identity.rows, progress)
        below = _write_data(kind, staged, manifest.identity, counted)
        facts = Facts(
            identity=manifest.identity,
            receipt_name=manifest.name,
            versions=tuple(version for version in versions if version.id == manifest.id),
            licenses=stated_licenses(manifest.receipt, (source.name for source in manifest.identity.sources)),
            ancestors=_named(ancestors, versions),
            data=tuple(_files(staged, sorted((staged / below).glob("*.parquet")))),
            data_bytes=counted.bytes + (TURN_BYTES * manifest.identity.rows if kind == MESSAGES else 0),
        )
        for name, text in _texts(kind, facts, owner).items():
            (staged / name).write_text(text, encoding="utf-8")
        known = {file.path for file in facts.data}
        others = [path for path in staged.rglob("*") if path.is_file() and _below(staged, path) not in known]
        files = sorted([*facts.data, *_files(staged, others)], key=lambda file: file.path)
        if not disk.move_into_place(staged, out):
            raise _taken(out)
    return Exported(manifest.id, kind, out, tuple(files))


def _taken(out: Path) -> CommandError:
    return CommandError(f"--out {out}: it exists already, and an export makes a new folder; choose another")


def _texts(kind: str, facts: Facts, owner: str) -> dict[str, str]:
    """The files at the top of the folder, by name."""
    if kind == CROISSANT:
        return {croissant_format.FILE_NAME: json_text(croissant_format.croissant(facts))}
    if kind == KAGGLE:
        description = card_body(facts, _COLUMNS)
        return {kaggle.FILE_NAME: json_text(kaggle.kaggle_metadata(facts, owner, description))}
    if kind == MESSAGES:
        return {"README.md": card(facts, FEATURES, _CHAT_COLUMNS)}
    return {"README.md": card(facts, CONTENT_FEATURES, _COLUMNS)}


class _Counted:
    """Blocks on their way from the store to a file: the bytes of their text and numbers, and how far they are."""

    def __init__(self, blocks: Iterable[pa.Table], rows: int, progress: Progress | None) -> None:
        self.bytes = 0
        self._blocks, self._rows, self._progress = blocks, rows, progress

    def __iter__(self) -> Iterator[pa.Table]:
        done = 0
        for block in self._blocks:
            texts = sum(
                pc.sum(pc.binary_length(column)).as_py()
                for column in block.columns
                if pa.types.is_string(column.type)
            )
            self.bytes += texts + 8 * block.num_rows
            done += block.num_rows
            yield block
            if self._progress is not None:
                self._progress(done, self._rows)


def _write_data(kind: str, staged: Path, identity: Identity, blocks: Iterable[pa.Table]) -> str:
    """Write the data below the staged folder; where its parquet files are."""
    if kind == MESSAGES:
        write_messages(staged, blocks, identity.rows)
        return "data"
    folder = staged / "datasets" / identity.id
    folder.mkdir(parents=True)
    writer = DatasetWriter(folder, identity.rows)
    writer.write_all(blocks)
    writer.finish(identity.id, identity.rows)
    return f"datasets/{identity.id}/data"


def _copy_ancestors(store: Store, manifest: Manifest, staged: Path) -> list[Ancestor]:
    """Copy all that the store has of a manifest's ancestors, parents before grandparents; the ancestors."""
    ancestors: list[Ancestor] = []
    seen = {manifest.id}
    waiting = deque([manifest.identity])
    while waiting:
        identity = waiting.popleft()
        for parent in identity.parents:
            if parent.id in seen:
                continue
            seen.add(parent.id)
            try:
                found = store.manifest(parent.id)
            except UnknownManifestError:
                ancestors.append(Ancestor(parent.id, parent.relation, identity.id, (), None))
                continue
            waiting.append(_copy_manifest(found, staged).identity)
            ancestors.append(Ancestor(parent.id, parent.relation, identity.id, (), found.identity.rows))
    return ancestors


def _copy_manifest(manifest: Manifest, staged: Path) -> Manifest:
    """Copy the files of a manifest below the staged folder; the copy, verified where it lies."""
    target = staged / "manifests" / manifest.id
    target.mkdir(parents=True)
    for name in _MANIFEST_FILES:
        shutil.copyfile(manifest.folder / name, target / name)
    return read_manifest(target)


def _write_names(store: Store, staged: Path) -> list[NamedVersion]:
    """Give the manifests in the staged folder the names and versions that they have in the store; all of these."""
    versions = [version for version in store.versions() if (staged / "manifests" / version.id).is_dir()]
    for version in versions:
        path = staged / "refs" / version.name / str(version.number)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{version.id}\n", encoding="ascii")
    return versions


def _named(ancestors: Iterable[Ancestor], versions: Iterable[NamedVersion]) -> tuple[Ancestor, ...]:
    names: dict[str, list[str]] = {}
    for version in versions:
        names.setdefault(version.id, []).append(f"{version.name}:{version.number}")
    return tuple(
        Ancestor(each.id, each.relation, each.child, tuple(names.get(each.id, ())), each.rows)
        for each in ancestors
    )


def _files(staged: Path, paths: Iterable[Path]) -> Iterator[ExportedFile]:
    for path in paths:
        yield ExportedFile(_below(staged, path), *disk.sha256_file(path))


def _below(staged: Path, path: Path) -> str:
    return path.relative_to(staged).as_posix()
