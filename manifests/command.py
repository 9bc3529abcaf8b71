"""What the three console commands have in common: flags, output, exit status.

Standard output carries the result (with `--json` one object and nothing else); progress and errors go to standard
error; an error is one line, with the control characters of its data escaped.
"""

import argparse
import importlib
import json
import os
import re
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from io import TextIOWrapper
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn, TypeAlias

from manifests.errors import CommandError, StoreError, ZeroCostError

if TYPE_CHECKING:
    from manifests.store import Upstream

INTERRUPTED, READER_LEFT = 130, 141  # as shells report SIGINT and SIGPIPE
INTERRUPTION = "interrupted; the same command again goes on or starts over, nothing is half-written"
StorePlace: TypeAlias = "Path | Upstream"
_ONE_SLASH = re.compile(r"(s3a?|gs|gcs):/(?!/)", re.IGNORECASE)
Handler = Callable[[argparse.Namespace], int]


class Parser(argparse.ArgumentParser):
    """An argument parser whose complaints are one line, like every other error."""

    def error(self, message: str) -> NoReturn:
        """Raise CommandError instead of printing usage and leaving."""
        raise CommandError(f"{message}; see '{self.prog} --help'")


Commands: TypeAlias = "argparse._SubParsersAction[Parser]"  # noqa: SLF001 - argparse has no other name for it


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
        "--store",
        type=store_place,
        metavar="DIR",
        help="the store: a folder, s3://BUCKET/PREFIX or gs://BUCKET/PREFIX (default: $ZEROCOST_STORE, else ./store)",
    )
    flags.add_argument("--json", action="store_true", help="print one JSON object and nothing else")
    return flags


def default_store(chosen: "StorePlace | None") -> "StorePlace":
    """The store a command works on: `--store`, else `$ZEROCOST_STORE`, else `./store`."""
    if chosen is not None:
        return chosen
    text = os.environ.get("ZEROCOST_STORE") or "store"
    try:
        return store_place(text)
    except argparse.ArgumentTypeError as error:
        raise CommandError(f"ZEROCOST_STORE: {error}; set it to a folder") from error


def store_place(text: str) -> "StorePlace":
    """The value of `--store`: a folder, or the mirror of an object store."""
    if mistyped := _ONE_SLASH.match(text):
        raise argparse.ArgumentTypeError(f"{text!r}: a URL has two slashes: {mistyped[1]}://BUCKET/PREFIX")
    if "://" not in text:
        return path(text)
    from manifests.mirror import Mirror  # so that `--help` and Ctrl-C don't wait for pyarrow

    return Mirror.of(text)


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


def path(text: str) -> Path:
    """The value of a flag as a path of this machine, no URL; argparse turns the complaint into one line."""
    try:
        text.encode()
    except UnicodeEncodeError:
        raise argparse.ArgumentTypeError(f"{text!r} is not UTF-8; rename it") from None
    if not text:
        raise argparse.ArgumentTypeError("empty; give a path")
    if "://" in text or _ONE_SLASH.match(text):
        raise argparse.ArgumentTypeError(f"{text!r}: expected a path on this machine, found a URL")
    return Path(text)


def start(module: str) -> int:
    """Import the module of a command and run its `main`; Ctrl-C while the libraries are imported is no traceback."""
    try:
        status: int = importlib.import_module(module).main()
    except KeyboardInterrupt:
        return INTERRUPTED
    return status


@contextmanager
def _termination_as_interrupt() -> Iterator[None]:
    """SIGTERM ends a command the way Ctrl-C does: what it had staged is cleaned up, and it says so."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def run(parser: Parser, arguments: Sequence[str] | None = None) -> int:
    """Parse, call the chosen handler (`set_defaults(handler=…)`), and turn errors into a line and an exit status."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a terminal may not know every letter
    try:
        options = parser.parse_args(arguments)
        handler: Handler = options.handler
        with _termination_as_interrupt():
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
        status, message = INTERRUPTED, INTERRUPTION
    if message:
        say(f"{parser.prog}: error: {message}")
    return status
