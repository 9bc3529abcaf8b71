"""The audit of two manifests of millions of rows, beside DuckDB and polars doing the same joins.

    python benchmarks/audit.py --rows 22000000 --rival-python PATH [--rounds 1] [--folder DIR]

Two manifests are generated (random keys, so many rows of the second shared with the first as `--shared` says) and each
program is run as a command of its own, start-up included: median seconds and the largest memory of a run. Ours verifies
both manifests (digests, ledger, every row once) before it counts; the rivals read the parquet files as they are, and
count the distinct contents, prompts and rows that both have. `--rival-python` is a Python with duckdb and polars.
"""

import argparse
import statistics
import subprocess
import sys
import tempfile
from importlib import metadata
from pathlib import Path

# This folder holds modules named like packages of the project.
sys.path[:] = [entry for entry in sys.path if Path(entry or ".").resolve() != Path(__file__).parent]

import numpy as np
import pyarrow as pa

from manifests.identity import FileRecord, Identity, SourceRecord
from manifests.ledger import SourceLedger, Stage
from manifests.publish import stage_manifest
from manifests.row_keys import fixed_width_column
from manifests.tables import (
    BLOCK_ROWS,
    CONTENT,
    REJECTS,
    ROWS,
    empty_table,
    root_digest,
    table_digest,
    table_of,
)

SOURCE = "glaive"

DUCKDB = """
import sys, duckdb
db = duckdb.connect()
db.execute("SET threads = 2")
db.execute("SET enable_progress_bar = false")
if len(sys.argv) > 3:
    db.execute(f"SET memory_limit = '{sys.argv[3]}'")
for keys in ("content", "prompt", "row"):
    print(keys, db.execute(
        f"SELECT count(*) FROM (SELECT DISTINCT {keys} FROM read_parquet(?) "
        f"INTERSECT SELECT DISTINCT {keys} FROM read_parquet(?))", sys.argv[1:3]).fetchone()[0])
"""
POLARS = """
import sys, polars as pl
for keys in ("content", "prompt", "row"):
    first, second = (pl.scan_parquet(path).select(keys) for path in sys.argv[1:3])
    shared = first.join(second, on=keys, how="semi").unique().select(pl.len())
    print(keys, shared.collect(engine="streaming").item())
"""


def write_manifest(
    store: Path, first_row: int, keys: "np.ndarray[tuple[int, int], np.dtype[np.uint8]]"
) -> str:
    """Write a manifest of rows with these keys (16 bytes of content, 16 of prompt); its id."""
    rows = len(keys)
    last_row = first_row + rows - 1
    table = table_of(
        ROWS,
        [
            pa.array([SOURCE]).take(pa.array(np.zeros(rows, np.int32))),
            pa.array(np.arange(first_row, last_row + 1, dtype=np.uint64)),
            fixed_width_column(keys[:, :16]),
            fixed_width_column(keys[:, 16:]),
            pa.array(np.full(rows, 7_000, np.uint64)),
        ],
    )
    blocks = [f"{number:064x}" for number in range(-(-rows // BLOCK_ROWS))]
    rejects = empty_table(REJECTS)
    stages = [Stage("rows", rows, rows, {}), Stage("parse", rows, rows, {}), Stage("take", rows, rows, {})]
    before = (("before.parquet", first_row - 1),) if first_row > 1 else ()
    identity = Identity(
        rows=rows,
        rejects=0,
        content_digest=root_digest(CONTENT, rows, blocks),
        rows_digest=table_digest(ROWS, table)[0],
        rejects_digest=table_digest(REJECTS, rejects)[0],
        ledger=(SourceLedger(SOURCE, tuple(stages)),),
        order="sequential/1",
        takes={SOURCE: "all/1"},
        detectors={},
        parents=(),
        recipe={"order": "sequential", "source": [{"name": SOURCE, "duplicates": "keep"}]},
        sources=(
            SourceRecord(
                SOURCE, None, (FileRecord("a.parquet", 1, f"{first_row:064x}", first_row, last_row),), before
            ),
        ),
    )
    (store / "manifests").mkdir(parents=True, exist_ok=True)
    return stage_manifest(store / "manifests", identity, table, rejects, blocks, f"from-{first_row}").name


def main() -> None:
    """Generate, run, and print a table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--other-rows", type=int, help="rows of the second manifest (default: as many)")
    parser.add_argument("--shared", type=int, default=1_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--rival-python", type=Path)
    parser.add_argument("--folder", type=Path, help="where to generate (default: a temporary folder)")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        compare(options, Path(folder))


def compare(options: argparse.Namespace, folder: Path) -> None:
    """Generate the manifests, run each program, print the table."""
    store, generator = folder / "store", np.random.default_rng(42)
    first = generator.integers(0, 256, (options.rows, 32), np.uint8)
    one = write_manifest(store, 1, first)
    second = generator.integers(0, 256, (options.other_rows or options.rows, 32), np.uint8)
    second[: options.shared] = first[: options.shared]
    del first
    other = write_manifest(store, options.rows + 1, second)
    del second
    files = [str(store / "manifests" / identifier / "rows.parquet") for identifier in (one, other)]
    sizes = ", ".join(f"{Path(file).stat().st_size / 2**20:,.0f} MiB" for file in files)
    versions = {name: metadata.version(name) for name in ("polars", "pyarrow", "numpy")}
    print(
        f"{options.rows:,} and {options.other_rows or options.rows:,} rows, {options.shared:,} shared; {sizes}"
    )
    print(f"Python {sys.version.split()[0]}, {versions}")
    ours = [sys.executable, "-m", "manifests", "audit", one, other, "--store", str(store), "--json"]
    commands = {"manifests audit": ours}
    if options.rival_python:
        commands["DuckDB"] = [str(options.rival_python), "-c", DUCKDB, *files]
        commands["polars"] = [str(options.rival_python), "-c", POLARS, *files]
    measured: dict[str, list[tuple[float, float, str]]] = {name: [] for name in commands}
    for _ in range(options.rounds):
        for name, command in commands.items():
            measured[name].append(timed(command))
    for name, rounds in measured.items():
        seconds = statistics.median(second for second, _, _ in rounds)
        memory = max(memory for _, memory, _ in rounds)
        print(f"{name:<16} {seconds:8.2f} s  {memory:8,.0f} MiB  {rounds[0][2][:100]}")


def timed(command: list[str]) -> tuple[float, float, str]:
    """Seconds, the largest memory in MiB, and what was printed, of a command run as a child of a child.

    `ru_maxrss` of the children is the largest of all of them, so each command gets a parent of its own.
    """
    script = (
        "import resource, subprocess, sys, time; began = time.perf_counter(); "
        "done = subprocess.run(sys.argv[1:], capture_output=True, text=True); "
        "print(time.perf_counter() - began, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024); "
        "print(' '.join((done.stdout or done.stderr).split()))"
    )
    done = subprocess.run(  # noqa: S603 - our own commands
        [sys.executable, "-c", script, *command],
        capture_output=True,
        text=True,
        check=True,
    )
    figures, _, told = done.stdout.partition("\n")
    seconds, memory = map(float, figures.split())
    return seconds, memory, told.strip()


if __name__ == "__main__":
    main()
