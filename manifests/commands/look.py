"""`manifests list`, `show` and `verify`."""

import argparse
import json
import time
from collections.abc import Sequence

from manifests.command import Commands, Parser, default_store, path, print_result, say
from manifests.describe import listing_lines, manifest_lines
from manifests.diagnosis.faults import complaint, verification_json, verification_lines
from manifests.diagnosis.flow import verify
from manifests.errors import VerificationError
from manifests.lineage import lineage, lineage_json, lineage_lines
from manifests.listing import list_manifests
from manifests.scores import read_scores, scores_json, scores_lines
from manifests.store import Store
from manifests.words import SHORT_ID

_FIRST_WORD, _BETWEEN = 1.0, 5.0  # seconds


def add(commands: Commands, flags: Sequence[Parser]) -> None:
    """Add the commands to the parser."""
    listing = commands.add_parser(
        "list", parents=flags, help="the manifests of the store, and the published ones"
    )
    listing.set_defaults(handler=_list)

    show = commands.add_parser("show", parents=flags, help="what one manifest is made of, and its lineage")
    show.add_argument(
        "manifest", metavar="ID", help="an id, its beginning (8 digits or more), a name or name:version"
    )
    show.add_argument(
        "--scores",
        type=path,
        metavar="FILE",
        help="rank its sources by the losses that 'training score' wrote, and list the traces that stand out",
    )
    show.set_defaults(handler=_show)

    check = commands.add_parser(
        "verify",
        parents=flags,
        help="recompute everything a manifest states; exit status 1 if it does not hold",
    )
    check.add_argument("manifest", metavar="ID")
    check.add_argument("--dataset", action="store_true", help="also every row of the dataset")
    check.add_argument(
        "--deep",
        action="store_true",
        help="also what digests do not prove: order, draws, duplicates, rejects, parents, names, the text",
    )
    check.set_defaults(handler=_verify)


def _list(options: argparse.Namespace) -> int:
    store = Store.open(default_store(options.store))
    entries = list_manifests(store)
    for damage in store.damaged_references():
        say(damage)
    result = {
        "manifests": [
            {
                "name": entry.name,
                "version": entry.version,
                "id": entry.id,
                "rows": entry.rows,
                "created": entry.created,
            }
            for entry in entries
        ]
    }
    print_result(result, listing_lines(entries) or [f"no manifests in {store.where}"], as_json=options.json)
    return 0


def _show(options: argparse.Namespace) -> int:
    store = Store.open(default_store(options.store))
    manifest = store.manifest(options.manifest)
    names = [f"{version.name}:{version.number}" for version in store.versions() if version.id == manifest.id]
    scores = None if options.scores is None else read_scores(options.scores, manifest)
    dataset = store.dataset_place(manifest)
    tree = lineage(store, manifest)
    result = {
        "id": manifest.id,
        "rows": manifest.identity.rows,
        "names": names,
        "dataset": dataset,
        "content_digest": manifest.content_digest,
        "lineage": lineage_json(tree),
        "manifest": json.loads(manifest.identity.data),
        "receipt": manifest.receipt,
        **({} if scores is None else {"scores": scores_json(scores, options.scores)}),
    }
    where = (
        f"dataset {dataset}"
        if dataset
        else f"dataset not here; 'curation regenerate {manifest.id[:SHORT_ID]}' rebuilds it"
    )
    lines = [*manifest_lines(manifest, names, lineage_lines(tree)), where]
    lines += [] if scores is None else scores_lines(scores)
    print_result(result, lines, as_json=options.json)
    return 0


def _verify(options: argparse.Namespace) -> int:
    store = Store.open(default_store(options.store))
    outcome = verify(store, options.manifest, dataset=options.dataset, deep=options.deep, watch=_Ticker())
    print_result(verification_json(outcome), verification_lines(outcome), as_json=options.json)
    if not outcome.verified:
        raise VerificationError(complaint(outcome))
    return 0


class _Ticker:
    """Says how far a verification is: after a second, then every five."""

    def __init__(self) -> None:
        self._next = time.monotonic() + _FIRST_WORD

    def __call__(self, what: str, done: int, of: int) -> None:
        """So much is done, of so much."""
        if (now := time.monotonic()) >= self._next:
            self._next = now + _BETWEEN
            say(f"{what}: {done:,} of {of:,}")
