"""The folder of a run. Everything that a run writes is in it.

```
RUN/run.json              what was trained on what, status "running" or "finished"; replaced atomically
RUN/plan.parquet          the plan (training/plan.py)
RUN/held_out.parquet      the batches of the held-out traces
RUN/keys.parquet          the row keys of the manifest, in its order (manifests/row_keys.py)
RUN/ancestors.parquet     the row keys that the runs before this one consumed
RUN/metrics.jsonl         a line a step, written before the step's checkpoint
RUN/checkpoints/<step>/   the newest two
RUN/adapter/adapter.safetensors
```
"""

import fcntl
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from manifests import disk
from training.errors import RunFolderError
from training.tensors import Tensor, read_tensors, tensors_digest

FORMAT = 1
RECORD = "run.json"
ADAPTER = "adapter/adapter.safetensors"
RUNNING, FINISHED = "running", "finished"
REQUEST = ("manifest", "tokenizer", "model", "settings", "continued_from")

Record = dict[str, Any]


def open_run(path: Path, request: Mapping[str, object]) -> Record | None:
    """The record of the run in `path`, which must be the one that `request` asks for.

    None for no folder or an empty one. Raises `RunFolderError` for a folder that is no run, or a run of another
    request.
    """
    if not path.exists() or (path.is_dir() and not any(path.iterdir())):
        return None
    record = read_record(path)
    check_same(path, {key: record.get(key) for key in REQUEST}, {key: request[key] for key in REQUEST})
    return record


def read_record(path: Path) -> Record:
    """The `run.json` of the run in `path`. Raises `RunFolderError` when there is none, or one of another format."""
    try:
        record = json.loads((path / RECORD).read_bytes())
    except FileNotFoundError:
        what = f"no {RECORD} in it, and not empty" if path.is_dir() else "there is no such folder"
        raise RunFolderError(f"{path}: not a run ({what}); take another folder") from None
    except (OSError, ValueError, RecursionError) as error:
        raise RunFolderError(f"{path / RECORD}: can't be read ({error}); take another folder") from error
    if not isinstance(record, dict) or record.get("format") != FORMAT:
        raise RunFolderError(
            f"{path / RECORD}: not a record of format {FORMAT}; take another folder, or the version that wrote it"
        )
    return record


def check_same(path: Path, recorded: Mapping[str, object], asked: Mapping[str, object]) -> None:
    """Raises `RunFolderError` that names the first difference of two parts of a record."""
    old, new = _flat(recorded), _flat(asked)
    for key in sorted(old.keys() | new.keys()):
        if old.get(key) != new.get(key):
            raise RunFolderError(
                f"{path}: a run with {key} = {json.dumps(old.get(key))}, asked for {json.dumps(new.get(key))}; "
                "ask for the same to go on with it, or take another --out"
            )


def create_run(path: Path, record: Record, tables: Mapping[str, pa.Table]) -> Record:
    """Make the folder of a new run, whole or not at all. The record returned has the SHA-256 of each table's file."""
    with disk.staging(path.absolute().parent) as staged:
        files = {}
        for name, table in tables.items():
            pq.write_table(table, staged / name, compression="zstd", write_page_checksum=True)
            files[name] = disk.sha256_file(staged / name)[1]
        record = {**record, "files": files}
        disk.write_file(staged / RECORD, _encoded(record))
        if not disk.move_into_place(staged, path.absolute()):
            raise RunFolderError(f"{path}: filled by somebody else meanwhile; take another --out")
    return record


def write_record(path: Path, record: Record) -> None:
    """Replace the record of a run, atomically."""
    disk.replace_file(path / RECORD, _encoded(record))


def read_table(path: Path, record: Record, name: str) -> pa.Table:
    """A table of a run, checked against its record. Raises `RunFolderError` when it is missing or another."""
    files = record.get("files")
    expected = files.get(name) if isinstance(files, dict) else None
    try:
        observed = disk.sha256_file(path / name)[1]
    except OSError as error:
        raise RunFolderError(
            f"{path / name}: can't be read ({error.strerror}); the run is damaged"
        ) from error
    if observed != expected:
        raise RunFolderError(
            f"{path / name}: SHA-256 {observed}, {RECORD} says {expected}; the run is damaged"
        )
    return pq.read_table(path / name)


def check_adapter(path: Path, record: Record) -> dict[str, Tensor]:
    """The adapter of a finished run. Raises `RunFolderError` when it is missing or not the one of the record."""
    adapter = read_tensors(path / ADAPTER)
    if (digest := tensors_digest(adapter)) != record.get("adapter_digest"):
        raise RunFolderError(
            f"{path / ADAPTER}: adapter digest {digest}, {RECORD} says {record.get('adapter_digest')}; "
            "the run is damaged"
        )
    return adapter


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Keep other processes out of a run's folder until the end, however it comes."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise RunFolderError(
                f"{path}: another process trains in it; wait for it, or take another --out"
            ) from None
        yield
    finally:
        os.close(descriptor)


def _encoded(record: Record) -> bytes:
    return json.dumps(record, indent=2).encode() + b"\n"


def _flat(part: Mapping[str, object], prefix: str = "") -> dict[str, object]:
    flat: dict[str, object] = {}
    for key, value in part.items():
        if isinstance(value, Mapping):
            flat.update(_flat(value, f"{prefix}{key}."))
        else:
            flat[prefix + key] = value
    return flat
