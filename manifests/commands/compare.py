"""`manifests diff` and `manifests explain`."""

import argparse
from collections.abc import Sequence

from manifests.command import Commands, Parser, default_store, print_result
from manifests.diff.difference import diff, difference_json, difference_lines
from manifests.explain import explain, explanation_json, explanation_lines, parse_row
from manifests.store import Store


def add(commands: Commands, flags: Sequence[Parser]) -> None:
    """Add the commands to the parser."""
    compare = commands.add_parser(
        "diff", parents=flags, help="what two manifests differ in, row by row and field by field, and why"
    )
    compare.add_argument("first", metavar="A", help="an id, its beginning, a name or name:version")
    compare.add_argument("second", metavar="B")
    compare.set_defaults(handler=_diff)

    ask = commands.add_parser("explain", parents=flags, help="why a row is in a manifest, or where it left")
    ask.add_argument("manifest", metavar="ID")
    ask.add_argument(
        "row", metavar="SOURCE:ROW", help="a row of a source, counted from 1, as in glaive:30001"
    )
    ask.set_defaults(handler=_explain)


def _diff(options: argparse.Namespace) -> int:
    store = Store.open(default_store(options.store))
    difference = diff(store.manifest(options.first), store.manifest(options.second))
    print_result(difference_json(difference), difference_lines(difference), as_json=options.json)
    return 0


def _explain(options: argparse.Namespace) -> int:
    store = Store.open(default_store(options.store))
    source, row = parse_row(options.row)
    told = explain(store, store.manifest(options.manifest), source, row)
    print_result(explanation_json(told), explanation_lines(told), as_json=options.json)
    return 0
