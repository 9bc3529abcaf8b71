"""`manifests audit`."""

import argparse
from collections.abc import Sequence
from decimal import Decimal, InvalidOperation

from manifests.audit import DEFAULT_THRESHOLD, DEFAULT_TIERS, TIERS, audit, audit_json, confirm
from manifests.command import Commands, Parser, default_store, path, print_result
from manifests.errors import CommandError
from manifests.page.chain import with_ancestors
from manifests.page.text import audit_lines
from manifests.page.write import check_target, write_page
from manifests.store import Store


def add(commands: Commands, flags: Sequence[Parser]) -> None:
    """Add the command to the parser."""
    compare = commands.add_parser(
        "audit", parents=flags, help="what manifests share with each other; exit status 1 if anything"
    )
    compare.add_argument(
        "manifests",
        nargs="+",
        metavar="ID",
        help="two or more; or one and --ancestors; earlier sessions first",
    )
    compare.add_argument(
        "--ancestors", action="store_true", help="also everything that stands before them in their lineage"
    )
    compare.add_argument(
        "--tiers",
        default=",".join(DEFAULT_TIERS),
        help=f"which kinds of overlap make the exit status 1: some of {','.join(TIERS)} (default: %(default)s)",
    )
    compare.add_argument(
        "--threshold",
        type=_threshold,
        default=DEFAULT_THRESHOLD,
        metavar="J",
        help="the least similarity of near duplicates (default: %(default)s)",
    )
    compare.add_argument(
        "--verify-near", action="store_true", help="confirm near duplicates on the texts of the datasets"
    )
    compare.add_argument("--html", type=path, metavar="FILE", help="also write the audit as a page")
    compare.set_defaults(handler=_audit)


def _threshold(value: str) -> Decimal:
    try:
        threshold = Decimal(value)
    except InvalidOperation:
        raise argparse.ArgumentTypeError(f"{value!r} is no number; give a similarity, as in 0.8") from None
    if not threshold.is_finite():
        raise argparse.ArgumentTypeError(f"{value!r} is no similarity; give one above 0, at most 1")
    return threshold


def _audit(options: argparse.Namespace) -> int:
    tiers = tuple(tier.strip() for tier in options.tiers.split(",") if tier.strip())
    if not tiers:
        raise CommandError(f"--tiers {options.tiers!r}: expected some of {', '.join(TIERS)}")
    if options.html is not None:
        check_target(options.html)
    store = Store.open(default_store(options.store))
    compared = [store.manifest(reference) for reference in options.manifests]
    if options.ancestors:
        compared = with_ancestors(store, compared)
    outcome = audit(compared, tiers, options.threshold)
    if options.verify_near:
        outcome = confirm(store, outcome)
    result = audit_json(outcome)
    lines = audit_lines(outcome)
    if options.html is not None:
        write_page(options.html, store, outcome)
        result = {**result, "html": str(options.html)}
    print_result(result, lines, as_json=options.json)
    return 1 if outcome.overlapping else 0
