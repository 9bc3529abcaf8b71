"""`training export`."""

import argparse
from collections.abc import Sequence

from manifests.command import Commands, Parser, path, print_result, say
from training.commands.chosen import quiet_libraries


def add(commands: Commands, flags: Sequence[Parser]) -> None:
    """Put the command among `commands`, with `flags`."""
    exporting = commands.add_parser("export", parents=flags, help="write a run's adapter as others load it")
    exporting.add_argument("run", type=path, metavar="RUN", help="the folder of a finished or stopped run")
    exporting.add_argument(
        "--format",
        required=True,
        choices=("peft", "merged", "orbax"),
        help="peft: the adapter; merged: the whole model for transformers; orbax: the same, in Kaggle's layout",
    )
    exporting.add_argument(
        "--base",
        type=path,
        metavar="DIR",
        help="the weights that the run was trained on (merged and orbax; tiny has none)",
    )
    exporting.add_argument("--out", type=path, required=True, metavar="DIR", help="a new folder")
    exporting.set_defaults(handler=_export)


def _export(options: argparse.Namespace) -> int:
    quiet_libraries()
    from training.export.exporting import export_run  # JAX takes seconds to import

    exported = export_run(options.run, options.format, options.out, options.base, say)
    result = {
        "run": str(options.run),
        "manifest": exported.manifest,
        "plan": exported.plan,
        "cursor": exported.cursor,
        "format": exported.format,
        "folder": str(exported.folder),
        "files": list(exported.files),
    }
    lines = [
        f"export    {exported.format} in {exported.folder}: {len(exported.files)} files",
        f"manifest  {exported.manifest}",
        f"plan      {exported.plan}",
        f"cursor    step {exported.cursor}",
    ]
    print_result(result, lines, as_json=options.json)
    return 0
