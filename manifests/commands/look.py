"""`manifests list`, `show` and `verify`."""

import argparse
import json
from collections.abc import Sequence

from manifests.command import Commands, Parser, default_store, print_result
from manifests.dataset import total_rows
from manifests.describe import SHORT_ID, manifest_lines
from manifests.store import Store


def add(commands: Commands, flags: Sequence[Parser]) -> None:
    """Add the commands to the parser."""
    listing = commands.add_parser(
        "list", parents=flags, help="the manifests of the store, and the published ones"
    )
    listing.set_defaults(handler=_list)

    show = commands.add_parser("show", parents=flags, help="what one manifest is made of")
    show.add_argument(
        "manifest", metavar="ID", help="an id, its beginning (8 digits or more), a name or name:version"
    )
    show.set_defaults(handler=_show)

    verify = commands.add_parser("verify", parents=flags, help="recompute everything a manifest states")
    verify.add_argument("manifest", metavar="ID")
    verify.add_argument("--dataset", action="store_true", help="also every row of the dataset")
    verify.set_defaults(handler=_verify)


def _list(options: argparse.Namespace) -> int:
    store = Store.open(default_store(options.store))
    versions = store.versions()
    named = {version.id for version in versions}
    entries: list[tuple[str, int | None, str]] = [
        (version.name, version.number, version.id) for version in versions
    ]
    entries += [("", None, identifier) for identifier in store.ids() if identifier not in named]
    result = {
        "manifests": [
            {"name": name, "version": number, "id": identifier} for name, number, identifier in entries
        ]
    }
    lines = [
        f"{f'{name}:{number}' if name else '(no name)':<28} {identifier}"
        for name, number, identifier in entries
    ]
    print_result(result, lines or [f"no manifests in {store.root}"], as_json=options.json)
    return 0


def _show(options: argparse.Namespace) -> int:
    store = Store.open(default_store(options.store))
    manifest = store.manifest(options.manifest)
    names = [f"{version.name}:{version.number}" for version in store.versions() if version.id == manifest.id]
    dataset = store.dataset_folder(manifest)
    result = {
        "id": manifest.id,
        "rows": manifest.identity.rows,
        "names": names,
        "dataset": None if dataset is None else str(dataset),
        "content_digest": manifest.content_digest,
        "manifest": json.loads(manifest.identity.data),
        "receipt": manifest.receipt,
    }
    where = (
        f"dataset {dataset}"
        if dataset
        else f"dataset not here; 'curation regenerate {manifest.id[:SHORT_ID]}' rebuilds it"
    )
    print_result(result, [*manifest_lines(manifest, names), where], as_json=options.json)
    return 0


def _verify(options: argparse.Namespace) -> int:
    store = Store.open(default_store(options.store))
    manifest = store.manifest(options.manifest)
    checked = total_rows(store.dataset_blocks(manifest)) if options.dataset else None
    result = {
        "id": manifest.id,
        "rows": manifest.identity.rows,
        "content_digest": manifest.content_digest,
        "verified": True,
        "dataset_rows": checked,
    }
    lines = [
        f"manifest {manifest.id[:SHORT_ID]}: {manifest.identity.rows:,} rows, digests, ledger and id hold"
    ]
    if checked is not None:
        lines.append(f"dataset: {checked:,} rows, each is the manifest's")
    print_result(result, lines, as_json=options.json)
    return 0
