"""A row of 100 MB is too large, and costs neither its size in memory nor more than seconds."""

import gzip
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

BYTES = 100_000_000
MOST_MEGABYTES = 60
MOST_SECONDS = 30  # a few, on a busy machine
SMALL = b'{"prompt": "a", "response": "b"}'

SCRIPT = """
import resource, sys, time
from pathlib import Path
from curation.errors import SourceError
from curation.files import SourceFile
from curation.formats.base import Layout, Notes
from curation.readers import cut, placed_rows, read_head
from curation.recipe import Columns
import curation.formats.base

path = Path(sys.argv[1])
file, layout = SourceFile(path.name, path), Layout(Columns(("prompt", "response")))
before, started = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.process_time()
rows = []
try:
    head = read_head(file, layout)
    for span in cut(file, head):
        for _, raw in placed_rows(file, layout, head, span, Notes()):
            rows.append(str(raw) if isinstance(raw, str) else "row")
except curation.formats.base.BrokenRowError as error:
    rows.append(str(error))
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print((peak - before) // 1024, time.process_time() - started, ",".join(rows), sep="|")
"""


def measured(path: Path) -> tuple[int, float, str]:
    """Megabytes and seconds that reading a file takes, and what came of it."""
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(path)], capture_output=True, text=True, check=True
    )
    megabytes, seconds, rows = done.stdout.strip().split("|")
    return int(megabytes), float(seconds), rows


def between(before: bytes, pieces: Iterator[bytes] | list[bytes], after: bytes) -> list[bytes]:
    return [before, *pieces, after]


def repeated(piece: bytes, size: int = BYTES) -> list[bytes]:
    times = (1 << 20) // len(piece)
    return [piece * times] * (size // (len(piece) * times))


CSV = b"prompt,response\na,b\nc,"
OBJECT = b"[" + SMALL + b', {"prompt": '
ENDED = b"}, " + SMALL + b"]"
FILES = {
    "line.jsonl": between(SMALL + b'\n{"prompt": "', repeated(b"x"), b'"}\n' + SMALL),
    "line.tsv": between(b"prompt\tresponse\na\tb\nc\t", repeated(b"x"), b"\na\tb\n"),
    "line.csv": between(CSV, repeated(b"x"), b"\na,b\n"),
    "lines.csv": between(CSV + b'"', repeated(b"some text\n"), b'"\na,b\n'),
    "quotes.csv": between(CSV + b'"', repeated(b'""'), b'"\na,b\n'),
    "commas.csv": between(CSV, repeated(b","), b"\na,b\n"),
    "fields.csv": between(CSV, repeated(b'"",'), b"\na,b\n"),
    "string.json": between(OBJECT + b'"', repeated(b"x"), b'"' + ENDED),
    "escapes.json": between(OBJECT + b'"', repeated(b'\\"'), b'"' + ENDED),
    "backslashes.json": between(OBJECT + b'"', repeated(b"\\\\"), b'"' + ENDED),
    "wide.json": between(OBJECT + b'"', repeated("\U0001f600".encode()), b'"' + ENDED),
    "lists.json": between(OBJECT + b"[", repeated(b"[],"), b"[]]" + ENDED),
    "deep.json": between(OBJECT, [*repeated(b"[", BYTES // 2), *repeated(b"]", BYTES // 2)], ENDED),
    "digits.json": between(OBJECT, repeated(b"1"), ENDED),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", FILES)
def test_a_row_of_100_mb_is_too_large_and_its_neighbours_are_read(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    with path.open("wb") as file:
        file.writelines(FILES[name])
    megabytes, seconds, rows = measured(path)
    path.unlink()
    assert rows == "row,too-large,row"
    assert megabytes < MOST_MEGABYTES
    assert seconds < MOST_SECONDS


@pytest.mark.slow
def test_white_space_and_a_name_of_100_mb_are_passed_over(tmp_path: Path) -> None:
    for name, data in {
        "space.json": between(b"[" + SMALL + b",", repeated(b" "), SMALL + b"]"),
        "name.json": between(b'{"a": ' + SMALL + b', "', repeated(b"n"), b'": ' + SMALL + b"}"),
    }.items():
        path = tmp_path / name
        with path.open("wb") as file:
            file.writelines(data)
        megabytes, _, rows = measured(path)
        path.unlink()
        assert rows == "row,row"
        assert megabytes < MOST_MEGABYTES


@pytest.mark.slow
def test_a_compression_bomb_is_stopped_in_little_memory(tmp_path: Path) -> None:
    path = tmp_path / "bomb.jsonl.gz"
    with gzip.open(path, "wb") as file:
        file.writelines([b'{"prompt": "', *repeated(b"x", 10 * BYTES)])
    megabytes, _, rows = measured(path)
    assert rows.startswith("the file expands to more than ")
    assert megabytes < MOST_MEGABYTES
