"""What the tests of exports share: facts of a manifest that was never written, and stores to export from."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from huggingface_hub import DatasetCard

from manifests.export.facts import Ancestor, ExportedFile, Facts
from manifests.identity import FileRecord, SourceRecord
from manifests.manifest import Manifest
from manifests.store import NamedVersion, Store
from tests.manifests.helpers import Parts, build_manifest, parts_of, publish, traces, write_jsonl

LATER = "later"


def front_matter(text: str) -> dict[str, Any]:
    """What the Hub's library reads before the text of a card."""
    content: dict[str, Any] = DatasetCard(text).data.to_dict()  # type: ignore[no-untyped-call]
    return content


def facts_of(
    parts: Parts | None = None,
    licenses: Mapping[str, str] | None = None,
    names: tuple[str, ...] = ("mix",),
    ancestors: tuple[Ancestor, ...] = (),
) -> Facts:
    """The facts of a manifest of two traces and one reject, or of these parts."""
    identity = (parts or parts_of(traces(2), dropped=1)).identity
    return Facts(
        identity=identity,
        receipt_name="mix",
        versions=tuple(NamedVersion(name, 1, identity.id) for name in names),
        licenses=licenses or {source.name: "Apache-2.0" for source in identity.sources},
        ancestors=ancestors,
        data=(ExportedFile("data/train-00000-of-00001.parquet", 100, "ef" * 32),),
        data_bytes=70,
    )


def parts_named(
    source: str, path: str, hub: tuple[str, str] | None = None, order: str = "sequential/1"
) -> Parts:
    """The parts of a manifest whose source, its file, its origin and the order are called so, whatever that is."""
    parts = parts_of(traces(2), source=source)
    files = (FileRecord(path, 1, "ab" * 32, 1, 2),)
    return replace(
        parts, identity=replace(parts.identity, order=order, sources=(SourceRecord(source, hub, files),))
    )


def chain(folder: Path) -> Store:
    """A store with `early`, and `later`, which is disjoint from it; their sources are under other licences."""
    write_jsonl(folder / "one.jsonl", traces(12))
    write_jsonl(folder / "two.jsonl", traces(12, first=10))
    store = folder / "store"
    build_manifest(store, "early", {"one": folder / "one.jsonl"}, one={"license": "MIT"})
    build_manifest(
        store,
        LATER,
        {"two": folder / "two.jsonl"},
        two={"license": "CC-BY-4.0"},
        disjoint={"from": ["early"]},
    )
    return Store(store, behind=())


def published(folder: Path, parts: Parts) -> tuple[Store, Manifest]:
    """A store that holds these parts as `mix`, and the manifest."""
    store = Store(folder / "store", behind=())
    return store, publish(store, parts)
