"""Where this machine had the sources of a manifest: hints in `<store>/local`, trusted for nothing, never exported."""

import json
from collections.abc import Mapping
from pathlib import Path

from manifests import disk
from manifests.objects import Location, location
from manifests.publish import publishing
from manifests.store import Store


def remember_sources(store: Store, manifest_id: str, folders: Mapping[str, Location]) -> None:
    """Note the folder or URL below which the files of each source lie. StoreError when the store can't be written."""
    absolute = {
        name: str(folder.resolve() if isinstance(folder, Path) else folder)
        for name, folder in folders.items()
    }
    with publishing(store) as publisher:
        publisher.folder("local")
        disk.replace_file(
            _path(store, manifest_id), json.dumps(absolute, indent=1, sort_keys=True).encode() + b"\n"
        )


def recall_sources(store: Store, manifest_id: str) -> dict[str, Location]:
    """The folders and URLs noted for a manifest; none if there is no hint, or no use in it."""
    try:
        hints = json.loads(_path(store, manifest_id).read_bytes())
    except (OSError, ValueError):
        return {}
    if not isinstance(hints, dict):
        return {}
    return {name: location(folder) for name, folder in hints.items() if isinstance(folder, str)}


def _path(store: Store, manifest_id: str) -> Path:
    return store.root / "local" / f"{manifest_id}.json"
