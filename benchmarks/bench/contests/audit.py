"""The audit of two manifests of millions of rows, beside other tools that count the same.

Two manifests are generated: random keys, `SHARED` of them in both. Ours verifies both manifests (digests, ledger, every
row once) before it counts; the rivals read the parquet files as they are.
"""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pyarrow as pa

from benchmarks.bench.contest import OWN, Answer, Contestant, Match, Place, Verdict, script
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

TITLE, UNIT = "Audit", "rows"
OURS = "manifests audit"
SOURCE, SHARED = "glaive", 1_000
KEYS = ("content", "prompt", "row")


def prepare(place: Place) -> Match:
    """Generate the manifests."""
    store, generator = place.folder / "store", np.random.default_rng(42)
    count = place.sizes.few(place.sizes.audited)
    shared = min(SHARED, count)
    first = generator.integers(0, 256, (count, 32), np.uint8)
    one = _write_manifest(store, 1, first)
    second = generator.integers(0, 256, (count, 32), np.uint8)
    second[:shared] = first[:shared]
    del first
    other = _write_manifest(store, count + 1, second)
    del second
    files = [str(store / "manifests" / identifier / "rows.parquet") for identifier in (one, other)]
    megabytes = sum(Path(file).stat().st_size for file in files) / 2**20

    def theirs(
        name: str, tool: str, environment: str, did: str, ahead: str = "", behind: str = ""
    ) -> Contestant:
        return Contestant(name, environment, (script("audit.py"), tool, *files), did, ahead, behind)

    def check(answers: Mapping[str, Answer]) -> Mapping[str, Verdict]:
        wanted = {"content": shared, "prompt": shared, "row": 0}
        return {
            name: Verdict(
                ", ".join(f"{counts[key]:,} {key}" for key in KEYS) + " in both", sound=counts == wanted
            )
            for name, counts in ((name, _counts(name, answer)) for name, answer in answers.items())
        }

    unverified = (
        "it reads the two files as they are: no digest is recomputed, no ledger, no row looked at twice"
    )
    return Match(
        f"two manifests of {count:,} rows each, {shared:,} contents and prompts in both; {megabytes:,.0f} MiB of "
        "parquet; start-up included",
        2 * count,
        (
            Contestant(
                OURS,
                OWN,
                ("-m", "manifests", "audit", one, other, "--store", str(store), "--json"),
                "both manifests verified, then the same rows, contents and prompts counted",
                statuses=(1,),
            ),
            theirs(
                "DuckDB",
                "duckdb",
                "duckdb",
                "INTERSECT of the distinct keys, three queries",
                ahead=unverified,
                behind="it makes each column distinct in both files before it intersects them",
            ),
            theirs(
                "polars",
                "polars",
                "polars",
                "a semi join for each key, streaming",
                ahead=unverified,
                behind="it reads the files for each key anew",
            ),
            theirs(
                "Python sets",
                "sets",
                "datasets",
                "a set of the first file's keys, batch by batch, for each key",
                ahead=unverified,
                behind="every key becomes a Python object, on one core",
            ),
        ),
        check,
        {"datatrove, data-juicer": "they drop duplicates within one dataset, and count no overlap of two"},
    )


def _counts(name: str, answer: Answer) -> dict[str, int]:
    told = answer.told
    return {key: int(told[f"same_{key}" if name == OURS else key]) for key in KEYS}


def _write_manifest(
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
