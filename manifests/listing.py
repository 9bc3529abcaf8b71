"""The manifests of a store, one entry a name and version, as `manifests list` gives them."""

import json
from dataclasses import dataclass
from pathlib import Path

from manifests.errors import FormatError, VerificationError
from manifests.glance import read_identity
from manifests.reading.bounded import read_json_bytes
from manifests.store import Store
from manifests.words import cut


@dataclass(frozen=True, slots=True)
class Listed:
    """A manifest under one of its names; name "" and version None if it has none.

    `rows` is None when it is not in the store or damaged there, `created` (the receipt's UTC time) when nobody says.
    """

    name: str
    version: int | None
    id: str
    rows: int | None
    created: str | None


def list_manifests(store: Store) -> list[Listed]:
    """Every name and version in all stores searched, then the manifests without a name, by id. No table is read."""
    versions = store.versions()
    named: list[tuple[str, int | None, str]] = [(one.name, one.number, one.id) for one in versions]
    without = sorted(set(store.ids()) - {version.id for version in versions})
    looked_at = {
        identifier: _look(store, identifier) for identifier in {*without, *(one[2] for one in named)}
    }
    entries = [*named, *(("", None, identifier) for identifier in without)]
    return [Listed(name, number, identifier, *looked_at[identifier]) for name, number, identifier in entries]


def _look(store: Store, identifier: str) -> tuple[int | None, str | None]:
    try:
        folder = store.identity_folder(identifier)
        if folder is None:
            return None, None
        return read_identity(folder).rows, _created(folder)
    except (FormatError, VerificationError):
        return None, None


def _created(folder: Path) -> str | None:
    try:
        receipt = json.loads(read_json_bytes(folder / "receipt.json"))
    except (FormatError, VerificationError, ValueError, RecursionError):
        return None
    created = receipt.get("created") if isinstance(receipt, dict) else None
    return cut(created) if isinstance(created, str) else None
