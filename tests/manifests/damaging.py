"""Stores to damage, and what verification says then."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from manifests.diagnosis.faults import Fault, Verification
from manifests.diagnosis.flow import verify
from manifests.manifest import Manifest
from manifests.store import Store

CONTENT_COLUMNS = ("source", "row", "prompt", "reasoning", "answer")


def only_fault(verification: Verification) -> Fault:
    """The one fault of a verification that failed."""
    assert not verification.verified
    assert len(verification.faults) == 1, verification.faults
    return verification.faults[0]


def fault_of(store: Store, manifest: Manifest, *, dataset: bool = False, deep: bool = False) -> Fault:
    """The one fault that verifying a manifest finds."""
    return only_fault(verify(store, manifest.id, dataset=dataset, deep=deep))


def rewrite_json(path: Path, change: Callable[[dict[str, Any]], None]) -> None:
    """Change the object in a canonical JSON file, and write it canonically."""
    value = json.loads(path.read_text(encoding="ascii"))
    change(value)
    path.write_text(json.dumps(value, sort_keys=True, separators=(",", ":")), encoding="ascii")


def flip(path: Path, place: int, bit: int) -> None:
    """Turn one bit of the byte at a place (from 0) of a file."""
    data = bytearray(path.read_bytes())
    data[place] ^= 1 << bit
    path.write_bytes(data)


def rewrite_dataset(folder: Path, change: Callable[[pa.Table], pa.Table]) -> None:
    """Change the content table in the one file of a dataset."""
    file = min((folder / "data").glob("*.parquet"))
    table = pq.read_table(file)
    pq.write_table(change(table), file)


def with_text(table: pa.Table, place: int, column: str, text: str) -> pa.Table:
    """A content table with another text in one cell."""
    texts = table.column(column).to_pylist()
    texts[place] = text
    number = table.column_names.index(column)
    return table.set_column(
        number, table.schema.field(number), pa.array(texts, table.schema.field(number).type)
    )
