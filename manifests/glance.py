"""A glance at manifests: who they are, told from `manifest.json` alone and proven by the id; no table is read."""

from collections.abc import Iterator
from pathlib import Path

from manifests.errors import FormatError, StoreError, VerificationError
from manifests.identity import Identity
from manifests.reading.bounded import check_folder, read_json_bytes
from manifests.reading.identity_reader import parse_identity
from manifests.store import Store

MOST_KNOWN = 1_000  # manifests looked at when one is sought by what it holds


def manifest_folder(store: Store, identifier: str) -> Path | None:
    """The folder of a manifest, in the first store that has one."""
    return store.manifest_folder(identifier)


def read_identity(folder: Path) -> Identity:
    """The identity in a manifest's folder.

    Raises FormatError when it is none of this format, VerificationError when it is not the one of the folder's name.
    """
    check_folder(folder)
    path = folder / "manifest.json"
    identity = parse_identity(read_json_bytes(path), str(path))
    if identity.id != folder.name:
        raise VerificationError(
            f"{path}: its id is {identity.id}, the folder's another; 'manifests verify' says more"
        )
    return identity


def find_identity(store: Store, identifier: str) -> Identity | None:
    """The identity of a manifest; None when no store has it, or it is damaged there."""
    try:
        folder = store.identity_folder(identifier)
        return None if folder is None else read_identity(folder)
    except (FormatError, VerificationError):
        return None


def known_identities(store: Store) -> Iterator[Identity]:
    """The identities of the manifests in all stores searched, by id, damaged ones left out; the first 1,000."""
    for identifier in store.ids()[:MOST_KNOWN]:
        identity = find_identity(store, identifier)
        if identity is not None:
            yield identity


def names_by_id(store: Store) -> dict[str, list[str]]:
    """The names of each manifest as `name:version`; empty when a name in the store can't be read."""
    names: dict[str, list[str]] = {}
    try:
        for version in store.versions():
            names.setdefault(version.id, []).append(f"{version.name}:{version.number}")
    except StoreError:
        return {}
    return names
