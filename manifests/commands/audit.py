"""`manifests audit`."""

import argparse
from collections.abc import Sequence

from manifests.audit import DEFAULT_TIERS, TIERS, audit
from manifests.command import Commands, Parser, default_store, print_result
from manifests.describe import audit_lines
from manifests.errors import CommandError
from manifests.store import Store


def add(commands: Commands, flags: Sequence[Parser]) -> None:
    """Add the command to the parser."""
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
