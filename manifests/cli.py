"""`manifests`: list, show, verify, audit. Parses and prints; what is done stands in the functions called."""

import argparse
import json
from collections.abc import Sequence

from manifests.audit import DEFAULT_TIERS, TIERS, audit
from manifests.command import Parser, common_flags, default_store, print_result, run
from manifests.dataset import total_rows
from manifests.describe import SHORT_ID, audit_lines, manifest_lines
from manifests.errors import CommandError
from manifests.store import Store


def build_parser() -> Parser:
    """The command line of `manifests`."""
    parser = Parser(
        prog="manifests", description="Look at manifests, verify them, audit what two of them share."
    )
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    flags = [common_flags()]

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

    compare = commands.add_parser(
        "audit", parents=flags, help="what two manifests share; exit status 1 if anything"
    )
    compare.add_argument("first", metavar="A")
    compare.add_argument("second", metavar="B")
    compare.add_argument(
        "--tiers",
        default=",".join(DEFAULT_TIERS),
        help=f"which kinds of overlap make the exit status 1: some of {','.join(TIERS)} (default: %(default)s)",
    )
    compare.set_defaults(handler=_audit)
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; its exit status."""
    return run(build_parser(), arguments)


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


def _audit(options: argparse.Namespace) -> int:
    store = Store.open(default_store(options.store))
    tiers = tuple(tier.strip() for tier in options.tiers.split(",") if tier.strip())
    if not tiers:
        raise CommandError(f"--tiers {options.tiers!r}: expected some of {', '.join(TIERS)}")
    outcome = audit(store.manifest(options.first), store.manifest(options.second), tiers)
    result = {
        "a": outcome.first.id,
        "b": outcome.second.id,
        "same_row": outcome.overlap.same_row,
        "same_content": outcome.overlap.same_content,
        "same_prompt": outcome.overlap.same_prompt,
        "near_duplicate": None,
        "tiers": list(tiers),
        "overlap": outcome.overlapping,
        "examples": outcome.examples,
    }
    print_result(result, audit_lines(outcome), as_json=options.json)
    return 1 if outcome.overlapping else 0
