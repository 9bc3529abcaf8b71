"""`manifests export`."""

import argparse
import shlex
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict

from manifests.command import Commands, Parser, default_store, path, print_result, say
from manifests.export.exporting import FORMATS, HUB, KAGGLE, MESSAGES, export
from manifests.store import Store

_EVERY = 2.0  # seconds between two lines of progress
# Kaggle's command skips folders unless told otherwise.
_UPLOADS = {
    HUB: "to upload it: hf upload OWNER/NAME {out} --repo-type dataset",
    KAGGLE: "to upload it: kaggle datasets create -p {out} --dir-mode zip",
    MESSAGES: "to upload it: hf upload OWNER/NAME {out} --repo-type dataset",
}


def add(commands: Commands, flags: Sequence[Parser]) -> None:
    """Add the command to the parser."""
    hand_on = commands.add_parser(
        "export", parents=flags, help="a manifest and its dataset as a folder that other tools read"
    )
    hand_on.add_argument("manifest", metavar="ID")
    hand_on.add_argument(
        "--format",
        required=True,
        choices=FORMATS,
        help="hub: a dataset of the Hugging Face Hub; croissant: JSON-LD beside the data; kaggle: a dataset of Kaggle; "
        "messages: chats, as TRL takes them",
    )
    hand_on.add_argument("--out", type=path, required=True, metavar="DIR", help="the folder to make")
    hand_on.add_argument("--owner", metavar="NAME", help="kaggle: the user or organisation it will belong to")
    hand_on.set_defaults(handler=_export)


def _export(options: argparse.Namespace) -> int:
    store = Store.open(default_store(options.store))
    done = export(
        store, options.manifest, options.format, options.out, owner=options.owner, progress=_progress()
    )
    result = {
        "id": done.id,
        "format": done.format,
        "out": str(done.folder),
        "files": [asdict(file) for file in done.files],
    }
    lines = [
        f"manifest {done.id} as {done.format} in {done.folder}",
        *(f"  {file.size:>14,} bytes  {file.path}" for file in done.files),
    ]
    if done.format in _UPLOADS:
        lines.append(_UPLOADS[done.format].format(out=shlex.quote(str(done.folder))))
    print_result(result, lines, as_json=options.json)
    return 0


def _progress() -> Callable[[int, int], None]:
    """Lines on standard error, the first after two seconds: how far, how fast, how long still."""
    started = told = time.monotonic()

    def tell(done: int, rows: int) -> None:
        nonlocal told
        now = time.monotonic()
        if now - told < _EVERY:
            return
        told = now
        rate = done / (now - started)
        say(f"export: {done:,} of {rows:,} rows, {rate:,.0f} a second, {(rows - done) / rate:,.0f} s left")

    return tell
