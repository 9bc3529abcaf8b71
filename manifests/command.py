"""What the three console commands have in common: flags, output, exit status.

Standard output carries the result (with `--json` one object and nothing else); progress and errors go to standard
error; an error is one line, with the control characters of its data escaped.
"""

import argparse
import json
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from io import TextIOWrapper
from pathlib import Path
from typing import NoReturn

from manifests.errors import CommandError, StoreError, ZeroCostError

INTERRUPTED, READER_LEFT = 130, 141  # as shells report SIGINT and SIGPIPE
Handler = Callable[[argparse.Namespace], int]


class Parser(argparse.ArgumentParser):
    """An argument parser whose complaints are one line, like every other error."""

    def error(self, message: str) -> NoReturn:
        """Raise CommandError instead of printing usage and leaving."""
        raise CommandError(f"{message}; see '{self.prog} --help'")


def printable(text: str) -> str:
    """`text` on one line, with whatever could move a terminal's cursor shown as an escape."""
    return "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode("ascii")
        for character in text
    )


def common_flags() -> Parser:
    """The flags that every command takes, for `parents=[…]`."""
    flags = Parser(add_help=False)
    flags.add_argument(
        "--store", type=Path, metavar="DIR", help="the store (default: $ZEROCOST_STORE, else ./store)"
    )
    flags.add_argument("--json", action="store_true", help="print one JSON object and nothing else")
    return flags


def default_store(chosen: Path | None) -> Path:
    """The store a command works on: `--store`, else `$ZEROCOST_STORE`, else `./store`."""
    if chosen is not None:
        return chosen
    return Path(os.environ.get("ZEROCOST_STORE") or "store")


def say(line: str) -> None:
    """One line of progress, on standard error."""
    print(printable(line), file=sys.stderr, flush=True)


def print_result(result: Mapping[str, object], lines: Sequence[str], *, as_json: bool) -> None:
    """Print `result` as one JSON object, or `lines` for people."""
    if as_json:
        print(json.dumps(result, ensure_ascii=True))
    else:
        for line in lines:
            print(printable(line))


def run(parser: Parser, arguments: Sequence[str] | None = None) -> int:
    """Parse, call the chosen handler (`set_defaults(handler=…)`), and turn errors into a line and an exit status."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a terminal may not know every letter
    try:
        options = parser.parse_args(arguments)
        handler: Handler = options.handler
        status, message = handler(options), ""
        sys.stdout.flush()
    except ZeroCostError as error:
        status, message = error.exit_status, str(error)
    except BrokenPipeError:
        # Whoever read has seen enough (`| head`). What is still buffered must not be tried again at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return READER_LEFT
    except OSError as error:
        # What the modules do not foresee (a full disk, a lost mount) still has a file and a reason.
        where = f": {error.filename}" if error.filename else ""
        status, message = StoreError.exit_status, f"{error.strerror or error}{where}"
    except KeyboardInterrupt:
        status, message = (
            INTERRUPTED,
            "interrupted; the same command again goes on or starts over, nothing is half-written",
        )
    if message:
        say(f"{parser.prog}: error: {message}")
    return status
