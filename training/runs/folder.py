"""The folder of a run. Everything that a run writes is in it, and nothing else is needed to go on with it.

```
RUN/run.json              what was trained on what, and how far (`status`); replaced atomically, says its own digest
RUN/plan.parquet          the plan (training/batches/plan.py)
RUN/held_out.parquet      the batches of the held-out traces
RUN/keys.parquet          the row keys of the manifest, in its order (manifests/row_keys.py)
RUN/ancestors.parquet     the row keys that the runs before this one consumed
RUN/tokenizer.model       a copy of the tokenizer
RUN/tokens.arrow, .json   the tokens of all traces (training/batches/token_cache.py)
RUN/metrics.jsonl         a line a step, written before the step's checkpoint; metrics.parquet is made of it
RUN/pace.jsonl, samples.jsonl, tensorboard/   for people who watch (training/watch); no result hangs on them
RUN/checkpoints/<step>/   the newest two (training/runs/checkpoints.py)
RUN/damaged/<step>/       checkpoints that could not be restored
RUN/adapter/adapter.safetensors   once the run is stopped or finished
```

`run.json` has the SHA-256 of the files that never change (`files`). Its `status`:

running    a process trains, or was killed while it did; the same command goes on from the newest checkpoint
stopped    ended on an update's boundary, by a budget or a signal: adapter exported, more to do
finished   the schedule has ended

Nothing of a path, a host or a user of the machine is in it.
"""

import errno
import fcntl
import hashlib
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from manifests import disk
from training.errors import RunFolderError
from training.network.tensors import Tensor, read_tensors, tensors_digest

FORMAT = 2
RECORD = "run.json"
RECORD_MOST = 1 << 26  # bytes
DIGEST = (
    "digest"  # the record's own: SHA-256 of the JSON of all its other keys, sorted, in ASCII without spaces
)
TOKENIZER = "tokenizer.model"
ADAPTER = "adapter/adapter.safetensors"
RUNNING, STOPPED, FINISHED = "running", "stopped", "finished"
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
        with (path / RECORD).open("rb") as file:
            record = json.loads(file.read(RECORD_MOST))
    except FileNotFoundError:
        what = f"no {RECORD} in it, and not empty" if path.is_dir() else "there is no such folder"
        raise RunFolderError(f"{path}: not a run ({what}); take another folder") from None
    except (OSError, ValueError, RecursionError) as error:
        raise RunFolderError(f"{path / RECORD}: can't be read ({error}); take another folder") from error
    if not isinstance(record, dict) or record.get("format") != FORMAT:
        raise RunFolderError(
            f"{path / RECORD}: not a record of format {FORMAT}; take another folder, or the version that wrote it"
        )
    digest = record.pop(DIGEST, None)
    if (observed := _digest(record)) != digest:
        raise RunFolderError(
            f"{path / RECORD}: damaged or edited (SHA-256 {observed}, it says {digest}); bring back the file as it was"
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


def create_run(
    path: Path,
    record: Record,
    tables: Mapping[str, pa.Table],
    tokenizer: bytes,
    moved: Sequence[Path] = (),
) -> Record:
    """Make the folder of a new run, whole or not at all. The record returned has the SHA-256 of the files it names.

    The files of `moved`, which lie on the same disk, are moved into it. Raises `RunFolderError` when `path` is no place
    for a run, `StoreError` (of manifests) when it can't be written.
    """
    with disk.writing(path), disk.staging(path.absolute().parent) as staged:
        for name, table in tables.items():
            pq.write_table(table, staged / name, compression="zstd", write_page_checksum=True)
        disk.write_file(staged / TOKENIZER, tokenizer)
        files = {name: disk.sha256_file(staged / name)[1] for name in (*tables, TOKENIZER)}
        for file in moved:
            file.rename(staged / file.name)
        record = {**record, "files": files}
        disk.write_file(staged / RECORD, encoded(record))
        put_in_place(staged, path)
    return record


def put_in_place(staged: Path, path: Path) -> None:
    """Give a staged run its name. Raises `RunFolderError` when the name is taken, or a disk of its own."""
    try:
        moved = disk.move_into_place(staged, path.absolute())
    except OSError as error:
        if error.errno not in {errno.EBUSY, errno.EXDEV}:
            raise
        raise RunFolderError(
            f"{path}: another disk is mounted there; take a folder in it as --out"
        ) from error
    if not moved:
        raise RunFolderError(f"{path}: filled by somebody else meanwhile; take another --out")


def write_record(path: Path, record: Record) -> None:
    """Replace the record of a run, atomically."""
    disk.replace_file(path / RECORD, encoded(record))


def encoded(record: Record) -> bytes:
    """The bytes of a `run.json`."""
    return json.dumps({**record, DIGEST: _digest(record)}, indent=2).encode() + b"\n"


def check_file(path: Path, record: Record, name: str) -> Path:
    """The path of a file that a record has the SHA-256 of. Raises `RunFolderError` when it is missing or another."""
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
    return path / name


def read_table(path: Path, record: Record, name: str) -> pa.Table:
    """A table of a run, checked as `check_file` does."""
    return pq.read_table(check_file(path, record, name))


def check_adapter(path: Path, record: Record) -> dict[str, Tensor]:
    """The adapter of a stopped or finished run. Raises `RunFolderError` when it is not the one of the record."""
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


def _digest(record: Record) -> str:
    text = json.dumps(record, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def _flat(part: Mapping[str, object], prefix: str = "") -> dict[str, object]:
    flat: dict[str, object] = {}
    for key, value in part.items():
        if isinstance(value, Mapping):
            flat.update(_flat(value, f"{prefix}{key}."))
        else:
            flat[prefix + key] = value
    return flat
