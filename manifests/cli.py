"""`manifests`: the command line. What each command takes and prints stands in `manifests.commands`."""

from collections.abc import Sequence

from manifests.command import Parser, common_flags, run
from manifests.commands import audit, compare, export, gc, look


def build_parser() -> Parser:
    """The command line of `manifests`."""
    parser = Parser(
        prog="manifests", description="Look at manifests, verify them, audit what they share, hand them on."
    )
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    flags = [common_flags()]
    for part in (look, compare, audit, export, gc):
        part.add(commands, flags)
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; its exit status."""
    return run(build_parser(), arguments)
