"""Exact duplicates dropped by other tools. Run by the contest `duplicates`, each under a Python that has the tool.

    python rivals/duplicates.py duckdb|polars|datasets|datatrove|data-juicer FOLDER OUT

FOLDER has parquet files with the columns row, prompt, reasoning, answer. What is left, with the lowest row of each,
goes to parquet files in OUT. Two rows are duplicates if all three texts are equal.
"""

import importlib
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

CORES = 2
ROLES = ("prompt", "reasoning", "answer")
BETWEEN = "\x1f"


def main() -> None:
    """Run the one that was asked for."""
    name, folder, out = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3])
    Path(out / "rows").mkdir()
    tools = {
        "duckdb": in_duckdb,
        "polars": in_polars,
        "datasets": in_datasets,
        "datatrove": in_datatrove,
        "data-juicer": in_data_juicer,
    }
    tools[name](folder, out)
    print(json.dumps({}))


def in_duckdb(folder: Path, out: Path) -> None:
    """One query."""
    database = importlib.import_module("duckdb").connect()
    database.execute(f"SET threads = {CORES}")
    database.execute(
        f"COPY (SELECT min(row) AS row, {', '.join(ROLES)} FROM read_parquet('{folder}/*.parquet') "  # noqa: S608
        f"GROUP BY {', '.join(ROLES)} ORDER BY row) TO '{out}/rows/0.parquet' (FORMAT parquet)"
    )


def in_polars(folder: Path, out: Path) -> None:
    """One query."""
    polars = importlib.import_module("polars")
    left = polars.scan_parquet(folder / "*.parquet").unique(
        subset=list(ROLES), keep="first", maintain_order=True
    )
    left.sink_parquet(out / "rows" / "0.parquet")


def in_datasets(folder: Path, out: Path) -> None:
    """A set in a filter: one process, for the set is one."""
    datasets = importlib.import_module("datasets")
    files = sorted(map(str, folder.glob("*.parquet")))
    rows = datasets.load_dataset("parquet", data_files=files, split="train", cache_dir=str(out / "cache"))
    seen: set[tuple[str, ...]] = set()

    def first(prompt: str, reasoning: str, answer: str) -> bool:
        trace = (prompt, reasoning, answer)
        return not (trace in seen or seen.add(trace))  # type: ignore[func-returns-value]

    rows.filter(first, input_columns=list(ROLES)).to_parquet(str(out / "rows" / "0.parquet"))


def as_document(_: Any, data: Mapping[str, Any], path: str, _place: int) -> dict[str, Any]:
    """A row as datatrove wants it: one text. A file's number stands in its name."""
    text = BETWEEN.join(data[role] for role in ROLES)
    return {"text": text, "id": str(data["row"]), "metadata": {"row": data["row"], "part": int(path[5:-8])}}


def content(document: Any) -> str:
    """What is hashed."""
    return str(document.text)


def earlier_first(document: Any) -> int:
    """Documents of an earlier file are kept before those of a later one."""
    return 1000 - int(document.metadata["part"])


def in_datatrove(folder: Path, out: Path) -> None:
    """Its three steps, a task for each file, as many at once as there are cores."""
    dedup = importlib.import_module("datatrove.pipeline.dedup")
    executor = importlib.import_module("datatrove.executor").LocalPipelineExecutor
    reader = importlib.import_module("datatrove.pipeline.readers").ParquetReader
    writer = importlib.import_module("datatrove.pipeline.writers").ParquetWriter
    config = dedup.exact_dedup.ExactDedupConfig(content_getter=content, document_priority=earlier_first)
    signatures, found, tasks = (
        str(out / "signatures"),
        str(out / "found"),
        len(list(folder.glob("*.parquet"))),
    )
    steps = (
        (
            tasks,
            [
                reader(str(folder), adapter=as_document),
                dedup.exact_dedup.ExactDedupSignature(signatures, config),
            ],
        ),
        (1, [dedup.exact_dedup.ExactFindDedups(signatures, found, config)]),
        (
            tasks,
            [
                reader(str(folder), adapter=as_document),
                dedup.exact_dedup.ExactDedupFilter(found, config),
                writer(str(out / "rows"), adapter=as_row, compression="snappy"),
            ],
        ),
    )
    for number, (count, pipeline) in enumerate(steps):
        executor(
            pipeline, tasks=count, workers=min(count, CORES), logging_dir=str(out / f"log-{number}")
        ).run()


def as_row(_: Any, document: Any) -> dict[str, Any]:
    """A document as it is written."""
    return {
        "row": document.metadata["row"],
        **dict(zip(ROLES, document.text.split(BETWEEN), strict=True)),
    }


def in_data_juicer(folder: Path, out: Path) -> None:
    """Its operator on one text a row, which is joined first."""
    datasets = importlib.import_module("datasets")
    nested = importlib.import_module("data_juicer.core.data").NestedDataset
    operator = importlib.import_module(
        "data_juicer.ops.deduplicator.document_deduplicator"
    ).DocumentDeduplicator(text_key="text", num_proc=CORES)
    files = sorted(map(str, folder.glob("*.parquet")))
    rows = datasets.load_dataset("parquet", data_files=files, split="train", cache_dir=str(out / "cache"))
    rows = rows.map(lambda row: {"text": BETWEEN.join(row[role] for role in ROLES)}, num_proc=CORES)
    left = nested(rows).process([operator], open_monitor=False)
    left.select_columns(["row", *ROLES]).to_parquet(str(out / "rows" / "0.parquet"))


if __name__ == "__main__":
    main()
