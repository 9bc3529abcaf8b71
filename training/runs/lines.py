"""Files of a line a record (JSON, ASCII), appended while a run goes on and cut when it goes back to a checkpoint."""

import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from training.errors import RunFolderError

MOST_BYTES = 1 << 28  # of a file; the metrics of a million steps have less
_DIGITS = 18


def append_line(path: Path, values: Mapping[str, object]) -> None:
    """Add a line, on disk when this returns."""
    with path.open("a", encoding="ascii") as file:
        file.write(json.dumps(values) + "\n")
        file.flush()
        os.fsync(file.fileno())


def read_lines(path: Path) -> list[dict[str, Any]]:
    """The records of a file, none when there is no file; a last line that was not written whole is left out.

    Raises `RunFolderError` for a file that is too large, can't be read, or holds anything but JSON objects.
    """
    return [record for record, _ in _records(path)]


def cut_lines(path: Path, steps: int) -> None:
    """Cut the records behind `step` number `steps`: what ran past a checkpoint runs again. No file is nothing to cut.

    Raises `RunFolderError` as `read_lines` does.
    """
    if path.exists():
        kept = 0
        for record, end in _records(path):
            if _step(path, record) > steps:
                break
            kept = end
        os.truncate(path, kept)


def _records(path: Path) -> Iterator[tuple[dict[str, Any], int]]:
    """Each record with the place in the file where its line ends."""
    try:
        size = path.stat().st_size
        if size > MOST_BYTES:
            raise RunFolderError(
                f"{path}: {size:,} bytes, at most {MOST_BYTES:,} are read; the run is damaged"
            )
        data = path.read_bytes()
    except FileNotFoundError:
        return
    except OSError as error:
        raise RunFolderError(f"{path}: can't be read ({error.strerror})") from error
    start = 0
    while end := data.find(b"\n", start) + 1:
        try:
            record = json.loads(data[start:end], parse_int=_whole)
        except (ValueError, RecursionError):
            record = None
        if not isinstance(record, dict):
            line = data.count(b"\n", 0, end)
            raise RunFolderError(f"{path}, line {line}: not a JSON object; the run is damaged")
        yield record, end
        start = end


def _whole(digits: str) -> int | float:
    """A whole number; beyond 18 digits, which nothing here has, as a float, which may be infinite."""
    return int(digits) if len(digits) <= _DIGITS else float(digits)


def _step(path: Path, record: Mapping[str, object]) -> int:
    step = record.get("step")
    if not isinstance(step, int):
        raise RunFolderError(f"{path}: a line without its step; the run is damaged")
    return step
