"""`training report`: the page of a run."""

import argparse
from collections.abc import Sequence

from manifests.command import Commands, Parser, path, print_result
from training.report.write import write_report


def add(commands: Commands, flags: Sequence[Parser]) -> None:
    """Put the command among `commands`, with `flags`."""
    report = commands.add_parser(
        "report", parents=flags, help="write a page about a run: curves, mix, samples, provenance"
    )
    report.add_argument(
        "run", type=path, metavar="RUN", help="the folder of a run, running, stopped or finished"
    )
    report.add_argument("--out", type=path, required=True, metavar="FILE", help="the HTML file to write")
    report.set_defaults(handler=_report)


def _report(options: argparse.Namespace) -> int:
    written = write_report(options.run, options.out)
    print_result(
        {"run": str(options.run), "report": str(written)},
        [f"report    {written}: open it in a browser"],
        as_json=options.json,
    )
    return 0
