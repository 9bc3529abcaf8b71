"""Manifests for the tests: real ones, built from small files, and false ones, put together from chosen parts."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from multiprocessing.synchronize import Barrier
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from curation.build import Built, build
from curation.recipe_reader import parse_recipe
from manifests import disk
from manifests.dataset import DatasetWriter
from manifests.identity import FileRecord, Identity, SourceRecord
from manifests.keys import Trace, content_key, prompt_key
from manifests.ledger import SourceLedger, Stage
from manifests.manifest import Manifest, read_manifest
from manifests.publish import publish_dataset, publish_manifest, publish_name, stage_manifest
from manifests.store import Store
from manifests.tables import CONTENT, REJECTS, ROWS, blocks_of, table_digest, table_of

ROOT = Path(__file__).resolve().parents[2]
NO_ANSWER = Trace("A question without an answer?", "Nobody knows.", "")
COLUMNS = {"prompt": "prompt", "reasoning": "reasoning", "answer": "answer"}


@dataclass(frozen=True)
class HeldTable:
    """A table in memory that is gone through in blocks, as those in a folder are."""

    table: pa.Table

    def blocks(self, numbers: Sequence[int] | None = None) -> Iterator[pa.Table]:
        """The blocks, in order, or those with these numbers."""
        blocks = list(blocks_of(self.table))
        return iter(blocks if numbers is None else [blocks[number] for number in numbers])


def held_manifest(identity: Identity, rows: pa.Table) -> Manifest:
    """A manifest of these rows that is in no folder and was never checked."""
    return Manifest(Path(), identity, HeldTable(rows), HeldTable(REJECTS.schema.empty_table()), (), {})


def traces(count: int, first: int = 1) -> list[Trace]:
    """Traces that differ from each other, numbered from `first`; their text is partly outside ASCII."""
    return [
        Trace(f"What is {number} + 1?", f"Zähle von {number} eins weiter.", f"{number + 1}")
        for number in range(first, first + count)
    ]


def write_jsonl(path: Path, rows: Sequence[Trace]) -> Path:
    """Write traces as the lines of a JSONL file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row._asdict()) + "\n" for row in rows), encoding="utf-8")
    return path


def build_manifest(store: Path, name: str, sources: Mapping[str, Path], **keys: object) -> Built:
    """Build and publish a mix of JSONL files, one a source, in their order. `keys` are keys of the recipe.

    A key named like a source holds keys of that source.
    """
    tables = [
        {"name": source, "files": str(path), "columns": COLUMNS, **_table(keys.pop(source, {}))}
        for source, path in sources.items()
    ]
    table = {"name": name, "order": "sequential", "source": tables, **keys}
    return build(parse_recipe(table, store.parent, "test"), Store(store, behind=()))


def _table(value: object) -> dict[str, object]:
    return dict(value) if isinstance(value, dict) else {}


@dataclass(frozen=True)
class Parts:
    """All that a manifest and its dataset are made of. Change a part and `sealed` makes the digests fit again."""

    identity: Identity
    rows: pa.Table
    rejects: pa.Table
    content: pa.Table

    @property
    def blocks(self) -> list[str]:
        """The digests of the dataset's blocks."""
        return table_digest(CONTENT, self.content)[1]

    def sealed(self) -> "Parts":
        """The same parts with counts and digests that are theirs: only what the parts say can be wrong with them."""
        identity = replace(
            self.identity,
            rows=self.rows.num_rows,
            rejects=self.rejects.num_rows,
            content_digest=table_digest(CONTENT, self.content)[0],
            rows_digest=table_digest(self.identity.rows_form, self.rows)[0],
            rejects_digest=table_digest(REJECTS, self.rejects)[0],
        )
        return replace(self, identity=identity)

    def changed(self, **identity: object) -> "Parts":
        """The same parts with other fields of the identity, sealed."""
        return replace(self, identity=replace(self.identity, **identity)).sealed()  # type: ignore[arg-type]

    def write(self, folder: Path) -> Path:
        """Write the manifest below `folder`, whatever may be wrong with it; its folder."""
        folder.mkdir(parents=True, exist_ok=True)
        return stage_manifest(folder, self.identity, self.rows, self.rejects, self.blocks, "mix")


def parts_of(rows: Sequence[Trace], dropped: int = 0, source: str = "traces") -> Parts:
    """The parts of a manifest of one source whose first rows are these traces and whose last were no traces."""
    count = len(rows)
    names, numbers = [source] * count, list(range(1, count + 1))
    columns = [[trace[part] for trace in rows] for part in range(3)]
    contents, prompts = [content_key(trace) for trace in rows], [prompt_key(trace.prompt) for trace in rows]
    file = FileRecord("traces.jsonl", 1, "ab" * 32, 1, count + dropped)
    stages = (
        Stage("rows", count + dropped, count + dropped, {}),
        Stage("parse", count + dropped, count, {"no-answer": dropped} if dropped else {}),
        Stage("take", count, count, {}),
    )
    identity = Identity(
        rows=0,
        rejects=0,
        content_digest="",
        rows_digest="",
        rejects_digest="",
        ledger=(SourceLedger(source, stages),),
        order="sequential/1",
        takes={source: "all/1"},
        detectors={},
        parents=(),
        recipe={"order": "sequential", "source": [{"name": source, "duplicates": "keep"}]},
        sources=(SourceRecord(source, None, (file,)),),
    )
    return Parts(
        identity,
        table_of(ROWS, [names, numbers, contents, prompts, [sum(map(len, trace)) for trace in rows]]),
        rejects_of([(source, count + place, "parse", "no-answer") for place in range(1, dropped + 1)]),
        table_of(CONTENT, [names, numbers, *columns]),
    ).sealed()


def rejects_of(entries: Sequence[tuple[str, int, str, str]]) -> pa.Table:
    """A rejects table of (source, row, stage, reason)."""
    rows = [(*entry, "", "", "", 0) for entry in entries]
    return table_of(REJECTS, list(zip(*rows, strict=True)) if rows else [[]] * len(REJECTS.schema))


def publish(store: Store, parts: Parts, name: str = "mix") -> Manifest:
    """Publish manifest, dataset and name the way a build does."""
    with disk.staging(store.root / "datasets") as dataset, disk.staging(store.root / "manifests") as staging:
        write_blocks(dataset, parts.content, parts.identity.id)
        staged = stage_manifest(staging, parts.identity, parts.rows, parts.rejects, parts.blocks, name)
        publish_dataset(store, dataset, read_manifest(staged))
        manifest = publish_manifest(store, staged)
    publish_name(store, name, manifest.id)
    return manifest


def damage(folder: Path) -> None:
    """Change one answer in the first file of a dataset."""
    file = min((folder / "data").glob("*.parquet"))
    table = pq.read_table(file)
    answers = ["damaged", *table.column("answer").to_pylist()[1:]]
    pq.write_table(table.set_column(4, table.schema.field(4), [answers]), file)


def publish_in_rounds(root: Path, rounds: Sequence[Sequence[Parts]], barrier: Barrier, who: int) -> None:
    """Publish `rounds[n][who]` in a store of its own, at the same time as somebody else does, and note the outcome."""
    for number, parts in enumerate(rounds):
        store = Store(root / str(number), behind=())
        barrier.wait()
        manifest = publish(store, parts[who])
        (root / f"{number}-{who}").write_text(manifest.id)


def fresh_copy(folder: Path, target: Path) -> Path:
    """Copy a folder to where nothing or an earlier copy is."""
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(folder, target)
    return target


def files_below(folder: Path) -> dict[str, bytes]:
    """Every file below a folder, hidden ones too, by path."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


# Root reads and writes past all permissions. Without CAP_DAC_OVERRIDE (1) and CAP_DAC_READ_SEARCH (2), which
# PR_CAPBSET_DROP (24) takes from it at the next exec, it is held to them like everybody else.
_HELD_TO_PERMISSIONS = """
import ctypes, os, sys
if os.geteuid() == 0:
    for capability in (1, 2):
        ctypes.CDLL(None).prctl(24, capability, 0, 0, 0)
os.execv(sys.executable, [sys.executable, *sys.argv[1:]])
"""
_WRITE = "import pathlib, sys; pathlib.Path(sys.argv[1], 'written').touch()"


def run_held_to_permissions(*arguments: object) -> subprocess.CompletedProcess[str]:
    """Run `python arguments…` as a user whom file permissions bind, even if we are root."""
    return run_python("-c", _HELD_TO_PERMISSIONS, *arguments)


@contextmanager
def read_only(folder: Path, mode: int = 0o555) -> Iterator[Path]:
    """Take the permission to write from a folder and all below it, for a while. Skips where that binds nobody."""
    everything = [folder, *folder.rglob("*")]
    for path in reversed(everything):
        path.chmod(mode if path.is_dir() else mode & 0o444)
    try:
        if not run_held_to_permissions("-c", _WRITE, folder).returncode:
            pytest.skip("permissions bind nobody here: a folder without write permission was written to")
        yield folder
    finally:
        for path in everything:
            path.chmod(0o755 if path.is_dir() else 0o644)


def run_python(*arguments: object, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run `python arguments…` from a folder that is not the checkout, with `environment` set besides our own."""
    inherited = {name: value for name, value in os.environ.items() if name != "ZEROCOST_STORE"}
    return subprocess.run(
        [sys.executable, *map(str, arguments)],
        cwd=ROOT.parent,
        env={**inherited, "PYTHONPATH": str(ROOT), **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def write_blocks(folder: Path, table: pa.Table, manifest_id: str) -> list[str]:
    """Write a whole content table as a dataset; its block digests."""
    writer = DatasetWriter(folder, table.num_rows)
    for block in blocks_of(table):
        writer.write(block)
    writer.finish(manifest_id, table.num_rows)
    return writer.block_digests
