"""`manifests gc`."""

import argparse
from collections.abc import Sequence

from manifests.command import Commands, Parser, default_store, print_result
from manifests.garbage import collect_garbage
from manifests.store import Store


def add(commands: Commands, flags: Sequence[Parser]) -> None:
    """Add the command to the parser."""
    cleaning = commands.add_parser(
        "gc", parents=flags, help="remove what builds left in the store when they were killed"
    )
    cleaning.add_argument("--dry-run", action="store_true", help="only tell what would be removed")
    cleaning.set_defaults(handler=_clean)


def _clean(options: argparse.Namespace) -> int:
    store = Store.open(default_store(options.store))
    garbage = collect_garbage(store, dry_run=options.dry_run)
    size = sum(found.size for found in garbage)
    result = {
        "dry_run": options.dry_run,
        "removed": [{"path": found.path, "bytes": found.size, "reason": found.reason} for found in garbage],
        "bytes": size,
    }
    verb, sum_of = ("would remove", "to remove") if options.dry_run else ("removed", "removed")
    lines = [f"{verb} {found.path}, {found.size:,} bytes: {found.reason}" for found in garbage]
    lines.append(f"{len(garbage):,} {sum_of}, {size:,} bytes" if garbage else "nothing to remove")
    print_result(result, lines, as_json=options.json)
    return 0
