"""A manifest read from its folder, and everything a reader must hold against it (FORMAT.md, section 8)."""

import json
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from manifests.errors import FormatError, VerificationError
from manifests.identity import Identity
from manifests.identity_reader import parse_identity
from manifests.json_object import HEX_64
from manifests.ledger import check_conservation, check_stages
from manifests.tables import CONTENT, REJECTS, TableForm, check_columns, root_digest, table_digest

LARGEST_JSON = 64 << 20  # bytes; the real mixes need about 20 KB


@dataclass(frozen=True, slots=True)
class Manifest:
    """A manifest whose every promise was checked when it was read.

    `rows` is the rows table in training order; `rejects` what was dropped; `content_blocks` the digests of the
    dataset's blocks; `receipt` what is known of the build beside its identity.
    """

    folder: Path
    identity: Identity
    rows: pa.Table
    rejects: pa.Table
    content_blocks: tuple[str, ...]
    receipt: dict[str, object]

    @property
    def id(self) -> str:
        """64 hex digits."""
        return self.identity.id

    @property
    def name(self) -> str:
        """The name of the recipe it was built from; not part of the identity."""
        return str(self.receipt.get("name", ""))

    @property
    def content_digest(self) -> str:
        """The digest of its rows' text, in order."""
        return self.identity.content_digest


def read_manifest(folder: Path) -> Manifest:
    """Read and verify a manifest.

    Raises FormatError for a `manifest.json` that is none of this format, VerificationError for whatever is damaged,
    missing or contradicts it.
    """
    data = _read_json(folder / "manifest.json")
    identity = parse_identity(data, str(folder / "manifest.json"))
    if identity.id != folder.name:
        raise VerificationError(
            f"{folder}: manifest.json has the id {identity.id}, the folder another; "
            "it was renamed or changed, fetch it again"
        )
    check_stages(identity.ledger, str(folder))
    check_conservation(identity.ledger, str(folder))
    rows = _read_table(folder / "rows.parquet", identity.rows_form, identity.rows, identity.rows_digest)
    rejects = _read_table(folder / "rejects.parquet", REJECTS, identity.rejects, identity.rejects_digest)
    _check_ledger(folder, identity, rows, rejects)
    _check_origins(folder, identity, rows, rejects)
    receipt = _read_receipt(folder / "receipt.json")
    return Manifest(folder, identity, rows, rejects, _content_blocks(folder, identity, receipt), receipt)


def _read_json(path: Path) -> bytes:
    try:
        if path.stat().st_size > LARGEST_JSON:
            raise FormatError(f"{path}: larger than {LARGEST_JSON} bytes; not a manifest")
        return path.read_bytes()
    except OSError as error:
        raise VerificationError(
            f"{path}: can't be read ({error.strerror}); the manifest is incomplete"
        ) from error


def _read_table(path: Path, form: TableForm, rows: int, digest: str) -> pa.Table:
    try:
        with pq.ParquetFile(path, page_checksum_verification=True) as file:
            check_columns(form, file.schema_arrow)
            if file.metadata.num_rows != rows:
                raise VerificationError(
                    f"{path}: {file.metadata.num_rows} rows, manifest.json says {rows}; fetch it again"
                )
            table = file.read()
            table.validate(full=True)  # reading does not look whether text is UTF-8
    except (pa.ArrowException, OSError, ValueError) as error:
        raise VerificationError(
            f"{path}: can't be read ({str(error).splitlines()[0]}); the manifest is damaged"
        ) from error
    observed, _ = table_digest(form, table)
    if observed != digest:
        raise VerificationError(
            f"{path}: digest {observed}, manifest.json says {digest}; the file is damaged, fetch it again"
        )
    return table


def _check_ledger(folder: Path, identity: Identity, rows: pa.Table, rejects: pa.Table) -> None:
    """The ledger's ends: what it says came out is in `rows`, what it says was dropped is in `rejects`."""
    names = [source.name for source in identity.sources]
    if [source.source for source in identity.ledger] != names or len(set(names)) != len(names):
        raise VerificationError(f"{folder}: the ledger's sources are not the manifest's; it is damaged")
    counted = {
        entry["values"]: entry["counts"] for entry in pc.value_counts(rows.column("source")).to_pylist()
    }
    stated = {source.source: source.rows for source in identity.ledger if source.rows}
    if counted != stated:
        raise VerificationError(
            f"{folder}: rows by source {counted}, the ledger says {stated}; it is damaged"
        )
    reasons = Counter(
        zip(*(rejects.column(name).to_pylist() for name in ("source", "stage", "reason")), strict=True)
    )
    dropped = {
        (s.source, stage, reason): n for s in identity.ledger for stage, reason, n in s.rejected() if n
    }
    if dict(reasons) != dropped:
        differing = min(set(reasons.items()) ^ set(dropped.items()))
        raise VerificationError(f"{folder}: rejects and ledger differ, first at {differing}; it is damaged")


def _check_origins(folder: Path, identity: Identity, rows: pa.Table, rejects: pa.Table) -> None:
    """Every row lies in a file of its source, and none stands twice."""
    for source in identity.sources:
        numbers = np.concatenate(
            [
                table.filter(pc.equal(table.column("source"), source.name)).column("row").to_numpy()
                for table in (rows, rejects)
            ]
        )
        if len(np.unique(numbers)) != len(numbers):
            raise VerificationError(
                f"{folder}: source {source.name}: a row stands twice; the manifest is damaged"
            )
        first, last = source.files[0].first_row, source.files[-1].last_row
        if len(numbers) and not first <= int(numbers.min()) <= int(numbers.max()) <= last:
            raise VerificationError(
                f"{folder}: source {source.name}: rows {numbers.min()} to {numbers.max()}, "
                f"its files hold {first} to {last}; it is damaged"
            )


def _read_receipt(path: Path) -> dict[str, object]:
    try:
        receipt = json.loads(_read_json(path))
    except (ValueError, RecursionError) as error:
        raise VerificationError(
            f"{path}: not JSON ({error}); the manifest is damaged, fetch it again"
        ) from error
    if not isinstance(receipt, dict) or not isinstance(receipt.get("blocks"), dict):
        raise VerificationError(f"{path}: not a receipt; the manifest is damaged, fetch it again")
    return receipt


def _content_blocks(folder: Path, identity: Identity, receipt: dict[str, object]) -> tuple[str, ...]:
    blocks = receipt["blocks"]
    content = blocks.get("content") if isinstance(blocks, dict) else None
    if not isinstance(content, list) or not all(
        isinstance(text, str) and HEX_64.fullmatch(text) for text in content
    ):
        raise VerificationError(
            f"{folder / 'receipt.json'}: no list of block digests; the manifest is damaged, fetch it again"
        )
    if root_digest(CONTENT, identity.rows, content) != identity.content_digest:
        raise VerificationError(
            f"{folder / 'receipt.json'}: block digests that don't give content_digest; fetch it again"
        )
    return tuple(content)
