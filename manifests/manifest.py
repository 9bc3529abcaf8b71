"""A manifest read from its folder, and everything a reader must hold against it (FORMAT.md, section 8)."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import pyarrow as pa

from manifests.errors import VerificationError
from manifests.identity import Identity
from manifests.json_object import HEX_64
from manifests.ledger import check_conservation, check_stages
from manifests.reading.bounded import check_folder, read_json_bytes
from manifests.reading.consistency import check_consistency
from manifests.reading.identity_reader import parse_identity
from manifests.reading.stored_table import Blocks, FirstReading, StoredTable, load
from manifests.reading.tally import Tally
from manifests.tables import CONTENT, REJECTS, root_digest

MARKER, RECEIPT = "manifest.json", "receipt.json"
FILES = ("rows.parquet", "rejects.parquet", RECEIPT, MARKER)
"""The files of a manifest. Where files come one by one, `manifest.json` comes last: without it there is none."""


@dataclass(frozen=True)
class Manifest:
    """A manifest whose every promise was checked when it was read.

    `row_table` has the rows in training order and `reject_table` what was dropped: both stay in the folder, and are
    verified whenever they are read. `content_blocks` are the digests of the dataset's blocks; `receipt` is what is
    known of the build beside its identity.
    """

    folder: Path
    identity: Identity
    row_table: Blocks
    reject_table: Blocks
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

    @cached_property
    def rows(self) -> pa.Table:
        """The rows table, whole. Of millions of rows, go through `row_blocks` instead."""
        return load(self.row_table, self.identity.rows_form)

    @cached_property
    def rejects(self) -> pa.Table:
        """The rejects table, whole."""
        return load(self.reject_table, REJECTS)

    def row_blocks(self, numbers: Sequence[int] | None = None) -> Iterator[pa.Table]:
        """The rows, 8,192 at a time: all blocks, or those with these ascending numbers (from 0)."""
        return self.row_table.blocks(numbers)


def read_manifest(folder: Path) -> Manifest:
    """Read and verify a manifest.

    Raises FormatError for a `manifest.json` that is none of this format, VerificationError for whatever is damaged,
    missing or contradicts it.
    """
    check_folder(folder)
    data = read_json_bytes(folder / "manifest.json")
    identity = parse_identity(data, str(folder / "manifest.json"))
    if identity.id != folder.name:
        raise VerificationError(
            f"{folder}: manifest.json has the id {identity.id}, the folder another; "
            "it was renamed or changed, fetch it again"
        )
    where = str(folder / "manifest.json")
    check_stages(identity.ledger, where)
    check_conservation(identity.ledger, where)
    check_consistency(identity, where)
    receipt = _read_receipt(folder / "receipt.json")
    rows, rejects = _read_tables(folder, identity, receipt)
    return Manifest(folder, identity, rows, rejects, _content_blocks(folder, identity, receipt), receipt)


def _read_tables(
    folder: Path, identity: Identity, receipt: dict[str, object]
) -> tuple[StoredTable, StoredTable]:
    """Both tables, their digests and what the ledger says of them checked in one reading."""
    tally = Tally(identity)
    rows = FirstReading(folder / "rows.parquet", identity.rows_form, identity.rows)
    for block in rows.blocks():
        tally.add_rows(block)
    row_table = rows.verified(identity.rows_digest, _stated_blocks(receipt, "rows"))
    rejects = FirstReading(folder / "rejects.parquet", REJECTS, identity.rejects)
    for block in rejects.blocks():
        tally.add_rejects(block)
    reject_table = rejects.verified(identity.rejects_digest, _stated_blocks(receipt, "rejects"))
    tally.check(str(folder))
    return row_table, reject_table


def _read_receipt(path: Path) -> dict[str, object]:
    try:
        receipt = json.loads(read_json_bytes(path))
    except (ValueError, RecursionError) as error:
        raise VerificationError(
            f"{path}: not JSON ({error}); the manifest is damaged, fetch it again"
        ) from error
    if not isinstance(receipt, dict) or not isinstance(receipt.get("blocks"), dict):
        raise VerificationError(f"{path}: not a receipt; the manifest is damaged, fetch it again")
    return receipt


def _stated_blocks(receipt: dict[str, object], table: str) -> tuple[str, ...]:
    """The block digests that a receipt states of a table; none if it is not a list of digests."""
    blocks = receipt["blocks"]
    stated = blocks.get(table) if isinstance(blocks, dict) else None
    if not isinstance(stated, list) or not all(
        isinstance(text, str) and HEX_64.fullmatch(text) for text in stated
    ):
        return ()
    return tuple(stated)


def _content_blocks(folder: Path, identity: Identity, receipt: dict[str, object]) -> tuple[str, ...]:
    content = _stated_blocks(receipt, "content")
    if not content and identity.rows:
        raise VerificationError(
            f"{folder / 'receipt.json'}: no list of block digests; the manifest is damaged, fetch it again"
        )
    if root_digest(CONTENT, identity.rows, content) != identity.content_digest:
        raise VerificationError(
            f"{folder / 'receipt.json'}: block digests that don't give content_digest; "
            "the manifest is damaged, fetch it again"
        )
    return content
