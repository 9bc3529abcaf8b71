"""The files of a manifest as they are written: what the receipt says, what nothing tells, checksums."""

import json
import re
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from manifests import disk
from manifests.store import Store
from tests.manifests.helpers import parts_of, publish, traces

FIRST = parts_of(traces(3), dropped=1)


@pytest.fixture
def store(store_path: Path) -> Store:
    return Store(store_path, behind=())


def test_the_receipt_holds_what_is_known_of_the_files(store: Store) -> None:
    folder = publish(store, FIRST, "mix").folder
    receipt = json.loads((folder / "receipt.json").read_text())
    assert sorted(receipt) == ["blocks", "created", "files", "licenses", "name", "tools"]
    assert receipt["name"] == "mix"
    assert {file: (entry["size"], entry["sha256"]) for file, entry in receipt["files"].items()} == {
        file: disk.sha256_file(folder / file) for file in ("manifest.json", "rejects.parquet", "rows.parquet")
    }
    assert {table: len(blocks) for table, blocks in receipt["blocks"].items()} == {
        "content": 1,
        "rejects": 1,
        "rows": 1,
    }
    assert receipt["blocks"]["content"] == FIRST.blocks
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00", receipt["created"])
    assert {"python", "pyarrow", "tunix-zero-cost"} <= receipt["tools"].keys()


def test_nothing_of_a_manifest_tells_where_or_when_it_was_built(tmp_path: Path) -> None:
    one, other = (publish(Store(tmp_path / name, behind=()), FIRST, name).folder for name in ("one", "other"))
    for file in ("manifest.json", "rows.parquet", "rejects.parquet"):
        assert (one / file).read_bytes() == (other / file).read_bytes()
    assert str(tmp_path) not in (one / "receipt.json").read_text()


def test_parquet_files_are_written_with_page_checksums(store: Store) -> None:
    folder = publish(store, FIRST).folder
    for file in (
        folder / "rows.parquet",
        folder / "rejects.parquet",
        *(store.root / "datasets").rglob("*.parquet"),
    ):
        with pq.ParquetFile(file) as parquet:
            column = parquet.metadata.row_group(0).column(1)
        first = column.dictionary_page_offset or column.data_page_offset
        damaged = bytearray(file.read_bytes())
        damaged[first + column.total_compressed_size - 1] ^= 1
        file.write_bytes(damaged)
        with (
            pq.ParquetFile(file, page_checksum_verification=True) as parquet,
            pytest.raises(OSError, match="CRC checksum"),
        ):
            parquet.read()
