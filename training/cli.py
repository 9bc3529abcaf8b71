"""The command `training`: its subcommands, each in a module of `training.commands`."""

from collections.abc import Sequence

from manifests.command import Parser, common_flags, run
from training.commands import export, planning, preflight, report, sample, score, train

MODULES = (train, planning, preflight, export, score, sample, report)


def main(arguments: Sequence[str] | None = None) -> int:
    """The command; its exit status."""
    parser = Parser(prog="training", description="From a manifest id to an adapter.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    flags = [common_flags()]
    for module in MODULES:
        module.add(commands, flags)
    return run(parser, arguments)
