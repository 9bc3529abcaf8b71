"""A range of rows of parquet files by other tools. Run by the contest `rows`, each under a Python that has the tool.

    python rivals/rows.py duckdb|polars|datasets FOLDER FIRST LAST OUT

Rows FIRST to LAST, counted from 1 through the files in the order of their names, go to OUT/rows.parquet as they are.
"""

import importlib
import json
import sys
from pathlib import Path

CORES = 2


def main() -> None:
    """Run the one that was asked for."""
    name, folder, out = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[5])
    begin, count = int(sys.argv[3]) - 1, int(sys.argv[4]) - int(sys.argv[3]) + 1
    {"duckdb": in_duckdb, "polars": in_polars, "datasets": in_datasets}[name](folder, begin, count, out)
    print(json.dumps({}))


def in_duckdb(folder: Path, begin: int, count: int, out: Path) -> None:
    """One query; DuckDB keeps the order of insertion."""
    database = importlib.import_module("duckdb").connect()
    database.execute(f"SET threads = {CORES}")
    files = json.dumps(sorted(map(str, folder.glob("*.parquet")))).replace('"', "'")
    database.execute(
        f"COPY (SELECT * FROM read_parquet({files}) LIMIT {count} OFFSET {begin}) "  # noqa: S608
        f"TO '{out}/rows.parquet' (FORMAT parquet)"
    )


def in_polars(folder: Path, begin: int, count: int, out: Path) -> None:
    """One query."""
    polars = importlib.import_module("polars")
    polars.scan_parquet(folder / "*.parquet").slice(begin, count).sink_parquet(out / "rows.parquet")


def in_datasets(folder: Path, begin: int, count: int, out: Path) -> None:
    """`load_dataset` makes Arrow files of everything, then the rows are selected."""
    datasets = importlib.import_module("datasets")
    files = sorted(map(str, folder.glob("*.parquet")))
    split = f"train[{begin}:{begin + count}]"
    rows = datasets.load_dataset("parquet", data_files=files, split=split, cache_dir=str(out / "cache"))
    rows.to_parquet(str(out / "rows.parquet"))


if __name__ == "__main__":
    main()
