"""Verify: everything that one manifest promises, recomputed, and the faults where it does not hold.

manifest → dataset → deep; where reading the manifest fails, `damage` says why
"""

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from manifests import disk
from manifests.dataset import CARD_FILE, card_is_ours, is_part
from manifests.diagnosis.damage import damage_faults, other_identities, rows_of
from manifests.diagnosis.dataset import dataset_faults
from manifests.diagnosis.deep import (
    duplicate_faults,
    order_faults,
    parent_faults,
    reject_faults,
    stranger_faults,
    take_faults,
)
from manifests.diagnosis.faults import Fault, Verification, fault_of_error, plain
from manifests.diagnosis.observed import Watch, nobody, observe
from manifests.diagnosis.tables import first_difference, stated_file
from manifests.errors import FormatError, UnknownManifestError, VerificationError
from manifests.glance import manifest_folder
from manifests.keys import ASCII_WHITESPACE, Trace
from manifests.manifest import Manifest, read_manifest
from manifests.row_keys import fixed_width_column
from manifests.similarity.sketch import sketches, text_of
from manifests.store import Store
from manifests.words import SHORT_ID, count, cut

_STATED = ("manifest.json", "rejects.parquet", "rows.parquet")
_TEXTS = ("prompt", "reasoning", "answer")


def verify(
    store: Store, reference: str, *, dataset: bool = False, deep: bool = False, watch: Watch = nobody
) -> Verification:
    """Recompute all that a manifest states; with `dataset` also every row of its dataset.

    With `deep` also what digests do not prove: order, draws, duplicates, rejects, parents, receipt, names, and, if a
    store has the dataset, the characters and sketches of its text. What is damaged is a fault, never an error.
    `watch` is told (what, how much is done, of how much). Raises UnknownManifestError, AmbiguousIdError,
    NameNotAllowedError; FormatError for a manifest of another format; MissingDatasetError when `dataset` is not here.
    """
    identifier = store.resolve(reference)
    folder = manifest_folder(store, identifier)
    if folder is None:
        raise UnknownManifestError(
            f"{cut(reference)!r}: its manifest {identifier} is not in {store.where}; fetch it again"
        )
    try:
        manifest = read_manifest(folder)
    except (FormatError, VerificationError) as error:
        refused = type(error)(str(error))  # without the traceback, which holds all that was read
    else:
        return _recomputed(store, manifest, watch, dataset=dataset, deep=deep)
    damaged, why = damage_faults(store, folder, refused, watch)
    rows, digest = (None, None) if damaged is None else (damaged.rows, damaged.content_digest)
    return Verification(identifier, rows, digest, None, (), (), tuple(why))


def _recomputed(store: Store, manifest: Manifest, watch: Watch, *, dataset: bool, deep: bool) -> Verification:
    """What a manifest that can be read states beyond itself: of its dataset, and what digests do not prove."""
    identity = manifest.identity
    checks = [
        f"manifest {manifest.id[:SHORT_ID]}: {count(identity.rows, 'row')}, digests, ledger and id hold"
    ]
    faults: list[Fault] = []
    notes: list[str] = []
    dataset_rows = None
    if dataset or (deep and store.dataset_folder(manifest) is not None):
        faults += _dataset(store, manifest, store.dataset_blocks(manifest), watch, deep=deep)
        if not faults:
            dataset_rows = identity.rows
            checks.append(f"dataset: {count(identity.rows, 'row')}, each is the manifest's")
    elif deep:
        notes.append("characters and sketches of the text: the dataset is not here")
    if deep:
        found, missing = _deep(store, manifest, watch)
        faults += found
        notes += missing
        if not found:
            checks.append("deep: order, draws, duplicates, rejects, parents, receipt and names hold")
    return Verification(
        id=manifest.id,
        rows=identity.rows,
        content_digest=identity.content_digest,
        dataset_rows=dataset_rows,
        checks=tuple(checks),
        notes=tuple(notes),
        faults=tuple(faults),
    )


def _dataset(
    store: Store, manifest: Manifest, blocks: Iterator[pa.Table], watch: Watch, *, deep: bool
) -> list[Fault]:
    done, rows = 0, manifest.identity.rows
    faults: list[Fault] = []
    expected = manifest.row_blocks()
    try:
        for block in blocks:
            if deep and not faults:
                faults = text_faults(block, next(expected), done)
            done += block.num_rows
            watch("dataset", done, rows)
        faults += _card_faults(store.dataset_folder(manifest), manifest)
    except VerificationError as error:
        folder = store.dataset_folder(manifest)
        if folder is None:
            return [Fault("dataset", plain(error), cause="it was taken away while it was being read")]
        if folder.is_symlink():
            return [fault_of_error("dataset", error, folder)]
        observed = observe(folder, manifest.rows.column("chars").to_numpy(), manifest.identity.rows, watch)
        others = other_identities(store, manifest.id)
        found = dataset_faults(
            folder, observed, manifest.rows, manifest.content_digest, others, lambda one: rows_of(store, one)
        )
        return found or [fault_of_error("dataset", error, folder)]
    return faults


def _card_faults(folder: Path | None, manifest: Manifest) -> list[Fault]:
    """Whether what stands beside the data leads other readers (`datasets.load_dataset`) to other data."""
    if folder is None:
        return []
    found = sorted(path.name for path in folder.iterdir() if not path.name.startswith("."))
    strange = [name for name in found if name not in {"data", CARD_FILE}]
    strange += [f"data/{path.name}" for path in sorted((folder / "data").iterdir()) if not is_part(path.name)]
    cause = "somebody put it there; other readers may take it for the data"
    faults = [
        Fault(f"dataset, {cut(name)}", "a file that is not of the dataset", cause=cause)
        for name in strange[:3]
    ]
    if CARD_FILE in found and not card_is_ours(folder, manifest.id, manifest.identity.rows):
        faults.append(Fault(f"dataset, {CARD_FILE}", "not the card of this dataset", cause=cause))
    return faults


def text_faults(block: pa.Table, rows: pa.Table, start: int) -> list[Fault]:
    """Whether characters and sketches that the rows table states are those of the text, in one block."""
    lengths = [pc.utf8_length(block.column(name)).to_numpy().astype(np.uint64) for name in _TEXTS]
    faults = [
        Fault(
            f"dataset, column {name}",
            "a text that is empty or begins or ends with white space",
            cause=_NO_BUILD,
        )
        for name in _TEXTS
        if _unstripped(block.column(name))
    ]
    faults += _column_faults("chars", pa.array(lengths[0] + lengths[1] + lengths[2]), rows, start)
    if "sketch" in rows.column_names:
        texts = zip(*(block.column(name).to_pylist() for name in _TEXTS), strict=True)
        observed = fixed_width_column(sketches(text_of(Trace(*parts)) for parts in texts))
        faults += _column_faults("sketch", observed, rows, start)
    return faults


_NO_BUILD = "it was not made by a build of this recipe"


def _unstripped(column: pa.ChunkedArray) -> bool:
    """Whether a text is empty or has ASCII white space at an end."""
    stripped = pc.ascii_trim(column, characters=ASCII_WHITESPACE)
    return bool(pc.any(pc.or_(pc.not_equal(stripped, column), pc.equal(column, ""))).as_py())


def _column_faults(name: str, true: pa.Array, rows: pa.Table, start: int) -> list[Fault]:
    """A fault for a column of the rows table that is not what its text gives."""
    keys = rows.select(["source", "row"])
    found = first_difference(keys.append_column(name, true), rows.select(["source", "row", name]))
    if found is None:
        return []
    place, _, expected, observed, differing = found
    row = f"{rows.column('source')[place].as_py()}:{rows.column('row')[place].as_py()}"
    where = f"rows.parquet, row {start + place + 1:,} ({cut(row)}), column {name}"
    what = "it is not that of the text"
    return [Fault(where, what, cut(expected), cut(observed), differing, rows.num_rows, _NO_BUILD)]


def _deep(store: Store, manifest: Manifest, watch: Watch) -> tuple[list[Fault], list[str]]:
    steps: list[Callable[[], list[Fault]]] = [
        lambda: order_faults(manifest),
        lambda: take_faults(manifest),
        lambda: duplicate_faults(manifest),
        lambda: reject_faults(manifest),
        lambda: stranger_faults(manifest),
        lambda: _receipt_faults(manifest),
        lambda: _name_faults(store),
    ]
    faults: list[Fault] = []
    notes: list[str] = []
    parents = manifest.identity.parents
    for place, step in enumerate(steps):
        watch("deep checks", place, len(steps) + len(parents))
        faults += step()
    for place, parent in enumerate(parents, len(steps)):
        watch("deep checks", place, len(steps) + len(parents))
        try:
            faults += parent_faults(manifest, store.manifest(parent.id), parent.relation)
        except UnknownManifestError:
            notes.append(f"parent {parent.id[:SHORT_ID]} ({parent.relation}) is not here")
        except (FormatError, VerificationError) as error:
            where = f"parent {parent.id[:SHORT_ID]} ({parent.relation})"
            faults.append(
                Fault(where, plain(error), cause=f"'manifests verify {parent.id[:SHORT_ID]}' says why")
            )
    return faults, notes


def _receipt_faults(manifest: Manifest) -> list[Fault]:
    """Whether the files are those that the receipt states; their contents are proven already."""
    faults = []
    cause = "the file or the receipt was written anew, with the same content"
    for name in _STATED:
        size, sha256 = stated_file(manifest.receipt, name)
        observed_size, observed = disk.sha256_file(manifest.folder / name)
        if size != observed_size:
            values = f"{size} bytes", f"{observed_size} bytes"
            faults.append(Fault(f"receipt.json, files {name}", "another size", *values, cause=cause))
        elif sha256 != observed:
            faults.append(
                Fault(f"receipt.json, files {name}", "another SHA-256", sha256, observed, cause=cause)
            )
    return faults


def _name_faults(store: Store) -> list[Fault]:
    return [
        Fault("refs", damage, cause="the file of a name is damaged") for damage in store.damaged_references()
    ]
