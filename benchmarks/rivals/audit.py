"""What two manifests share, by other tools. Run by the contest `audit`, each under a Python that has the tool.

    python rivals/audit.py duckdb|polars|sets FIRST SECOND

FIRST and SECOND are `rows.parquet` of two manifests. Prints the number of distinct contents, prompts and rows that both
have, read as they are: nothing is verified.
"""

import importlib
import json
import sys

CORES = 2
KEYS = ("content", "prompt", "row")


def main() -> None:
    """Run the one that was asked for."""
    name, *files = sys.argv[1:]
    print(json.dumps({"duckdb": in_duckdb, "polars": in_polars, "sets": in_sets}[name](files)))


def in_duckdb(files: list[str]) -> dict[str, int]:
    """A query for each key."""
    database = importlib.import_module("duckdb").connect()
    database.execute(f"SET threads = {CORES}")
    database.execute("SET enable_progress_bar = false")
    return {
        keys: database.execute(
            f"SELECT count(*) FROM (SELECT DISTINCT {keys} FROM read_parquet(?) "  # noqa: S608
            f"INTERSECT SELECT DISTINCT {keys} FROM read_parquet(?))",
            files,
        ).fetchone()[0]
        for keys in KEYS
    }


def in_polars(files: list[str]) -> dict[str, int]:
    """A query for each key."""
    polars = importlib.import_module("polars")
    shared = {}
    for keys in KEYS:
        first, second = (polars.scan_parquet(path).select(keys) for path in files)
        both = first.join(second, on=keys, how="semi").unique().select(polars.len())
        shared[keys] = both.collect(engine="streaming").item()
    return shared


def in_sets(files: list[str]) -> dict[str, int]:
    """A set of the first file's keys, and the second's that are in it; one column at a time."""
    parquet = importlib.import_module("pyarrow.parquet")
    shared = {}
    for keys in KEYS:
        first: set[object] = set()
        for batch in parquet.ParquetFile(files[0]).iter_batches(columns=[keys]):
            first.update(batch.column(0).to_pylist())
        both: set[object] = set()
        for batch in parquet.ParquetFile(files[1]).iter_batches(columns=[keys]):
            both.update(first.intersection(batch.column(0).to_pylist()))
        shared[keys] = len(both)
        del first, both
    return shared


if __name__ == "__main__":
    main()
