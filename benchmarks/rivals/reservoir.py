"""So many random rows of a JSONL file by other tools. Run by the contest `reservoir`, each under a Python that has it.

    python rivals/reservoir.py duckdb|polars|script FILE SIZE OUT

FILE has an object with row, prompt, reasoning, answer on each line. The rows that are drawn go to OUT/rows, with their
texts: as parquet, by the script as JSONL.
"""

import importlib
import json
import random
import sys
from pathlib import Path

CORES, SEED = 2, 42


def main() -> None:
    """Run the one that was asked for."""
    name, file, size, out = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]), Path(sys.argv[4])
    {"duckdb": in_duckdb, "polars": in_polars, "script": in_python}[name](file, size, out)
    print(json.dumps({}))


def in_duckdb(file: Path, size: int, out: Path) -> None:
    """One query. A draw that is to be repeatable is made by one thread, as its documentation says."""
    database = importlib.import_module("duckdb").connect()
    database.execute("SET threads = 1")
    database.execute(
        f"COPY (SELECT * FROM read_json('{file}', format = 'newline_delimited') "  # noqa: S608
        f"USING SAMPLE reservoir({size} ROWS) REPEATABLE ({SEED})) TO '{out}/rows.parquet' (FORMAT parquet)"
    )


def in_polars(file: Path, size: int, out: Path) -> None:
    """All rows are read, then so many sampled."""
    polars = importlib.import_module("polars")
    polars.read_ndjson(file).sample(size, seed=SEED).write_parquet(out / "rows.parquet")


def in_python(file: Path, size: int, out: Path) -> None:
    """Algorithm R over the lines, as scripts have it: each is parsed, so that one that is no row is not drawn."""
    generator, slots = random.Random(SEED), list[dict[str, object]]()
    with file.open(encoding="utf-8") as lines:
        for number, line in enumerate(lines, 1):
            row = json.loads(line)
            if number <= size:
                slots.append(row)
            elif (slot := generator.randint(0, number - 1)) < size:
                slots[slot] = row
    with (out / "rows.jsonl").open("w", encoding="utf-8") as written:
        written.writelines(json.dumps(row) + "\n" for row in slots)


if __name__ == "__main__":
    main()
