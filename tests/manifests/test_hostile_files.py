"""Files that a stranger put into a store: refused in one line, in little memory and time.

Each is met by the command itself, as a process of its own, so that its memory can be measured.
"""

import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from manifests.dataset import parquet_writer
from manifests.identity import FileRecord, SourceRecord
from manifests.tables import CONTENT, ROWS
from tests.manifests.helpers import ROOT, build_manifest, parts_of, traces, write_jsonl

MOST_MEMORY, MOST_SECONDS = 768, 20
"""MiB and seconds of a command, start-up included (about 200 MiB and a second of that are the libraries)."""

_MEASURED = """
import resource, subprocess, sys
done = subprocess.run(sys.argv[1:], capture_output=True, text=True)
memory = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
print(done.returncode, memory, repr(done.stdout), repr(done.stderr))
"""


def verify(folder: Path, *flags: str) -> str:
    """What `manifests verify` says of the manifest in a folder of a store, which it must refuse."""
    began = time.monotonic()
    done = subprocess.run(
        [
            *(sys.executable, "-c", _MEASURED, sys.executable, "-m", "manifests", "verify"),
            *(folder.name, "--store", str(folder.parents[1]), *flags),
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    status, memory, *_ = done.stdout.split(" ", 2)
    assert status in {"1", "2"}, done.stdout
    assert int(memory) < MOST_MEMORY * 1024, done.stdout
    assert time.monotonic() - began < MOST_SECONDS
    assert "Traceback" not in done.stdout
    return done.stdout


@pytest.fixture
def folder(store_path: Path, tmp_path: Path) -> Path:
    """The folder of a manifest in a store, with its dataset."""
    file = write_jsonl(tmp_path / "a.jsonl", traces(6))
    return build_manifest(store_path, "mix", {"a": file}).manifest.folder


def dataset_file(folder: Path) -> Path:
    (path,) = (folder.parents[1] / "datasets" / folder.name / "data").iterdir()
    return path


def dictionary_bomb(path: Path) -> None:
    """A text that stands there once and counts six times."""
    text = pa.DictionaryArray.from_arrays(pa.array([0] * 6), pa.array(["a" * 900_000]))
    pq.write_table(pa.table({**columns(6), "source": text.cast(pa.string())}), path, compression="zstd")


def columns(rows: int) -> dict[str, pa.Array]:
    return {
        "source": pa.array(["a"] * rows),
        "row": pa.array(range(1, rows + 1), pa.uint64()),
        "content": pa.array([bytes(16)] * rows, pa.binary(16)),
        "prompt": pa.array([bytes(16)] * rows, pa.binary(16)),
        "chars": pa.array([1] * rows, pa.uint64()),
    }


def large_row(path: Path, size: int = 200_000_000) -> None:
    """A row with a text of so many bytes, compressed to almost nothing."""
    big = pa.array(["a" * size, *"bcdef"])
    pq.write_table(pa.table({**columns(6), "source": big}), path, compression="zstd", use_dictionary=False)


def million_columns(path: Path) -> None:
    """A footer that announces a million columns, each with a name of a letter."""
    footer = b"\x29\xfc\xc0\x84\x3d" + b"\x48\x01c\x00" * 1_000_000 + b"\x00"
    path.write_bytes(b"PAR1" + footer + len(footer).to_bytes(4, "little") + b"PAR1")


def some_columns(path: Path) -> None:
    names = [f"c{number}" for number in range(2_000)]
    pq.write_table(pa.table([pa.array([], pa.int8())] * len(names), names), path)


def extension_types(path: Path) -> None:
    table = pa.table(columns(6))
    uuid = pa.ExtensionArray.from_storage(pa.uuid(), table.column("content").combine_chunks())
    pq.write_table(table.set_column(2, "content", uuid), path)


def pickled_metadata(path: Path) -> None:
    """The schema of an extension type of old pyarrow, which was a pickle that ran on reading."""
    evil = b"cposix\nsystem\n(S'touch unpickled'\ntR."
    field = pa.field(
        "content",
        pa.binary(16),
        metadata={b"ARROW:extension:name": b"arrow.py_extension_type", b"ARROW:extension:metadata": evil},
    )
    table = pa.table(columns(6))
    pq.write_table(pa.table(table.columns, schema=table.schema.set(2, field)), path)


PARQUET: dict[str, Callable[[Path], object]] = {
    "a dictionary bomb": dictionary_bomb,
    "a row of 200 MB": large_row,
    "a million columns": million_columns,
    "two thousand columns": some_columns,
    "extension types": extension_types,
    "pickled metadata": pickled_metadata,
    "a pipe": os.mkfifo,
    "a link": lambda path: path.symlink_to("/etc/passwd"),
    "an endless link": lambda path: path.symlink_to("/dev/zero"),
    "a folder": Path.mkdir,
    "nothing": lambda _: None,
}


@pytest.mark.parametrize("what", PARQUET)
def test_a_table_of_a_manifest_is_refused(what: str, folder: Path) -> None:
    (folder / "rows.parquet").unlink()
    PARQUET[what](folder / "rows.parquet")
    assert "rows.parquet" in verify(folder)
    assert not (ROOT / "unpickled").exists()


@pytest.mark.parametrize(
    "what", sorted(set(PARQUET) - {"nothing", "two thousand columns", "a dictionary bomb"})
)
def test_a_file_of_a_dataset_is_refused(what: str, folder: Path) -> None:
    path = dataset_file(folder)
    path.unlink()
    PARQUET[what](path)
    assert "train-00000-of-00001.parquet" in verify(folder, "--dataset")


@pytest.mark.slow
def test_a_row_of_a_gigabyte_is_refused_without_being_decoded(folder: Path) -> None:
    large_row(folder / "rows.parquet", 1 << 30)
    assert "a page of 1,073,741," in verify(folder)


def test_a_text_that_is_longer_than_the_manifest_counts_is_not_spread_out(folder: Path) -> None:
    path = dataset_file(folder)
    table = pq.read_table(path)
    texts = pa.DictionaryArray.from_arrays(pa.array([0] * table.num_rows), pa.array(["a" * 3_000_000]))
    table = table.set_column(3, "reasoning", texts.cast(pa.string()))
    with pq.ParquetWriter(path, CONTENT.schema, use_dictionary=True) as writer:
        writer.write_table(table.cast(CONTENT.schema))
    assert "characters more: likely the text was edited" in verify(folder, "--dataset")


JSON: dict[str, bytes] = {
    "keys that stand twice": b'{"format":1,"format":1}',
    "deep nesting": b"[" * 1_000_000,
    "deep objects": b'{"a":' * 1_000_000,
    "a number of a million digits": b'{"format":' + b"9" * 1_000_000 + b"}",
    "a float": b'{"format":1.0}',
    "no object": b"[]",
    "no JSON": b"\x00" * 1_000,
    "many small lists": b"[" + b"[]," * (5 << 20) + b"[]]",
}


@pytest.mark.parametrize("what", JSON)
@pytest.mark.parametrize("file", ["manifest.json", "receipt.json"])
def test_a_json_file_is_refused(what: str, file: str, folder: Path) -> None:
    (folder / file).write_bytes(JSON[what])
    assert file in verify(folder)


def test_a_json_file_of_endless_size_is_refused(folder: Path) -> None:
    os.truncate(folder / "manifest.json", 1 << 40)
    assert "larger than" in verify(folder)


@pytest.mark.parametrize("path", ["../../../etc/passwd", "/etc/passwd", "a//b", "a/./b", "", "a\0b"])
def test_a_source_file_outside_its_folder_is_refused(path: str, store_path: Path) -> None:
    honest = parts_of(traces(5))
    record = SourceRecord("traces", None, (FileRecord(path, 1, "ab" * 32, 1, 5),))
    folder = honest.changed(sources=(record,)).write(store_path / "manifests")
    assert "a relative path" in verify(folder)


def test_a_manifest_folder_that_is_a_link_is_refused(folder: Path, tmp_path: Path) -> None:
    moved = folder.rename(tmp_path / folder.name)
    folder.symlink_to(moved)
    assert "a link; a store holds folders of its own" in verify(folder)


def test_a_dataset_folder_that_is_a_link_is_refused(folder: Path, tmp_path: Path) -> None:
    dataset = folder.parents[1] / "datasets" / folder.name
    dataset.symlink_to(dataset.rename(tmp_path / folder.name))
    assert "a link; a store holds folders of its own" in verify(folder, "--dataset")


@pytest.mark.parametrize("content", ["../../etc/passwd\n", "a" * 64 + "\n" + "b" * 64, "", "\x1b[2J"])
def test_a_name_that_leads_nowhere_is_refused(content: str, folder: Path) -> None:
    (folder.parents[1] / "refs" / "mix" / "1").write_text(content)
    done = subprocess.run(
        [sys.executable, "-m", "manifests", "show", "mix", "--store", str(folder.parents[1])],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "\x1b" not in done.stderr


@pytest.mark.parametrize("kind", ["a pipe", "an endless link", "a folder"])
@pytest.mark.parametrize(("command", "status"), [(["show", "mix"], 2), (["list"], 0)])
def test_a_name_that_is_no_file_is_refused_and_hides_no_other(
    kind: str, command: list[str], status: int, folder: Path
) -> None:
    path = folder.parents[1] / "refs" / "mix" / "1"
    path.unlink()
    PARQUET[kind](path)
    done = subprocess.run(
        [sys.executable, "-m", "manifests", *command, "--store", str(folder.parents[1])],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (4 << 30, 4 << 30)),
    )
    assert done.returncode == status
    assert "no regular file" in done.stderr or "a link" in done.stderr


def test_honest_files_are_written_with_texts_that_need_no_dictionary(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    with parquet_writer(path, CONTENT.schema) as writer:
        writer.write_table(parts_of(traces(50)).content)
    encodings = {
        name: pq.read_metadata(path).row_group(0).column(place).encodings
        for place, name in enumerate(CONTENT.schema.names)
    }
    assert "RLE_DICTIONARY" in encodings["source"]
    assert "RLE_DICTIONARY" not in encodings["reasoning"]
    assert json.dumps(ROWS.columns).isascii()
