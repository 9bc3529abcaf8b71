"""Why a manifest can't be read: its files one after another, each held against whatever proves it."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path

import pyarrow as pa

from manifests import disk
from manifests.diagnosis.document import FILE, Substitution, document_fault
from manifests.diagnosis.document import Path as FieldPath
from manifests.diagnosis.faults import Fault, fault_of_error, plain
from manifests.diagnosis.observed import Watch, observe
from manifests.diagnosis.tables import promise_of, read_table, stated_file, table_faults
from manifests.errors import FormatError, VerificationError
from manifests.glance import known_identities, manifest_folder
from manifests.identity import FORMAT, Identity, schemas
from manifests.json_object import HEX_64
from manifests.keys import CONTENT_ALGORITHM, PROMPT_ALGORITHM
from manifests.reading.bounded import parquet_rows, read_json_bytes
from manifests.reading.identity_reader import parse_identity
from manifests.store import Store
from manifests.tables import (
    CONTENT,
    ENCODING,
    REJECTS,
    ROWS,
    SKETCHED_ROWS,
    TableForm,
    root_digest,
    table_digest,
)

MOST_RECOMPUTED = 1 << 22  # rows of a table that is read when nobody knows how many it must have
_TABLES = ("rows.parquet", "rejects.parquet")
_FORGED = "its id is right, so it was published like this: not by a build"
_AGAIN = "the file is damaged; fetch it again"


def damage_faults(
    store: Store, folder: Path, error: FormatError | VerificationError, watch: Watch
) -> tuple[Identity | None, list[Fault]]:
    """What is wrong with a manifest that reading refused with `error`; at least one fault.

    And its identity, where the stored one is right or the right one was found and proven by the id. Raises the error
    itself when the id is right and the format is another.
    """
    path = folder / FILE
    if folder.is_symlink():
        return None, [fault_of_error("folder", error, folder)]
    try:
        data = read_json_bytes(path)
    except (FormatError, VerificationError) as unreadable:
        return None, [Fault(FILE, plain(unreadable, path), cause="an incomplete copy; fetch it again")]
    found = _receipt(folder)
    receipt = found if isinstance(found, dict) else {}
    faults: list[Fault] = []
    if hashlib.sha256(data).hexdigest() != folder.name:
        ids = [identifier for identifier in store.ids() if identifier != folder.name]
        fault, true = document_fault(data, folder.name, _recomputed(folder, receipt), ids)
        faults.append(fault)
        if true is None:
            return None, [*faults, *_changed_files(folder, receipt)]
        data = true
    identity = parse_identity(data, str(path))
    faults += _table_faults(store, folder, identity, receipt, watch)
    if isinstance(found, str):
        faults.append(Fault("receipt.json", found, cause=_AGAIN))
    else:
        faults += _receipt_faults(identity, receipt)
    return identity, faults or [Fault("manifest", plain(error, folder), cause=_FORGED)]


def other_identities(store: Store, identifier: str) -> list[Identity]:
    """The identities of the other manifests in the stores searched, of the first 1,000."""
    return [identity for identity in known_identities(store) if identity.id != identifier]


def rows_of(store: Store, identity: Identity) -> pa.Table | None:
    """The rows table of a manifest, if a store has it whole."""
    folder = manifest_folder(store, identity.id)
    table = None if folder is None else read_table(folder / "rows.parquet", identity.rows_form, identity.rows)
    if not isinstance(table, pa.Table) or table_digest(identity.rows_form, table)[0] != identity.rows_digest:
        return None
    return table


def _table_faults(
    store: Store, folder: Path, identity: Identity, receipt: Mapping[str, object], watch: Watch
) -> list[Fault]:
    faults: list[Fault] = []
    others = other_identities(store, identity.id)
    for name, form in zip(_TABLES, (identity.rows_form, REJECTS), strict=True):
        promise = promise_of(identity, receipt, form, name)
        found = table_faults(folder / name, promise, None, others)
        if found and name == _TABLES[0] and (truth := _rows_by_text(store, identity, watch)) is not None:
            found = table_faults(folder / name, promise, truth, others)
        faults += found
    return faults


def _rows_by_text(store: Store, identity: Identity, watch: Watch) -> pa.Table | None:
    """The rows table (without sketches) recomputed from the dataset, if a store has it whole."""
    folder = next(
        (found for root in store.roots if (found := root / "datasets" / identity.id).is_dir()), None
    )
    if folder is None:
        return None
    observed = observe(folder, None, identity.rows, watch)
    return observed.rows if observed.digest == identity.content_digest else None


def _receipt(folder: Path) -> dict[str, object] | str:
    """The receipt, or in one line why there is none."""
    path = folder / "receipt.json"
    try:
        receipt = json.loads(read_json_bytes(path))
    except (FormatError, VerificationError, ValueError, RecursionError) as error:
        return plain(error, path)
    return receipt if isinstance(receipt, dict) else f"expected an object, found {type(receipt).__name__}"


def _receipt_faults(identity: Identity, receipt: Mapping[str, object]) -> list[Fault]:
    blocks = _content_blocks(receipt)
    if blocks is None:
        return [Fault("receipt.json, blocks content", "no list of block digests", cause=_AGAIN)]
    observed = root_digest(CONTENT, identity.rows, blocks)
    if observed != identity.content_digest:
        what = "the block digests do not give content_digest"
        return [Fault("receipt.json, blocks content", what, identity.content_digest, observed, cause=_AGAIN)]
    return []


def _content_blocks(receipt: Mapping[str, object]) -> list[str] | None:
    blocks = receipt.get("blocks")
    listed = blocks.get("content") if isinstance(blocks, dict) else None
    if not isinstance(listed, list) or not all(
        isinstance(text, str) and HEX_64.fullmatch(text) for text in listed
    ):
        return None
    return listed


def _changed_files(folder: Path, receipt: Mapping[str, object]) -> list[Fault]:
    """The tables of a manifest without an identity, against what the receipt states of their files."""
    faults = []
    for name in _TABLES:
        size, sha256 = stated_file(receipt, name)
        if sha256 is None:
            continue
        try:
            observed_size, observed = disk.sha256_file(folder / name)
        except OSError as error:
            faults.append(
                Fault(
                    name, f"it can't be read ({error.strerror})", cause="an incomplete copy; fetch it again"
                )
            )
            continue
        if observed != sha256:
            what = "it is not the file of the receipt"
            values = f"{size} bytes, {sha256}", f"{observed_size} bytes, {observed}"
            faults.append(Fault(name, what, *values, cause="the file, or the receipt, is damaged"))
    return faults


def _recomputed(folder: Path, receipt: Mapping[str, object]) -> Substitution:
    """What the fields of an identity must be by the tables beside it, by the receipt's blocks, and by the format."""
    fields: dict[FieldPath, object] = {
        ("format",): FORMAT,
        ("encoding",): ENCODING,
        ("algorithms", "content"): CONTENT_ALGORITHM,
        ("algorithms", "prompt"): PROMPT_ALGORITHM,
    }
    for name, forms in (("rows", (ROWS, SKETCHED_ROWS)), ("rejects", (REJECTS,))):
        for form in forms:
            table = _bounded_table(folder / f"{name}.parquet", form)
            if table is None:
                continue
            fields["counts", name] = table.num_rows
            fields[(f"{name}_digest",)] = table_digest(form, table)[0]
            blocks = _content_blocks(receipt)
            if name == "rows":
                fields[("schemas",)] = schemas(form)
                if blocks is not None:
                    fields[("content_digest",)] = root_digest(CONTENT, table.num_rows, blocks)
    return fields


def _bounded_table(path: Path, form: TableForm) -> pa.Table | None:
    try:
        if parquet_rows(path) > MOST_RECOMPUTED:
            return None
    except VerificationError:
        return None
    table = read_table(path, form, MOST_RECOMPUTED)
    return table if isinstance(table, pa.Table) else None
