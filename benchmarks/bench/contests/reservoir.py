"""A reservoir of random rows from a big JSONL file."""

from collections.abc import Mapping
from pathlib import Path

import polars as pl

from benchmarks.bench.contest import OWN, Answer, Contestant, Match, Place, Verdict, script
from benchmarks.bench.files import ROLES, cot_rows, rows_built, write_recipe

TITLE, UNIT = "Reservoir", "rows"
OURS, SCRIPT = "curation build", "Algorithm R in Python"


def prepare(place: Place) -> Match:
    """Rows as JSONL."""
    files, size = cot_rows(place), place.sizes.few(place.sizes.reservoir)
    recipe = place.folder / "reservoir.toml"
    more = f'duplicates = "keep"\ntake = {{ reservoir = {size}, seed = 42 }}'
    write_recipe(recipe, "cot", str(files.json_lines), dict(zip(ROLES, ROLES, strict=True)), more)

    def theirs(
        name: str, tool: str, environment: str, did: str, ahead: str = "", behind: str = ""
    ) -> Contestant:
        command = (script("reservoir.py"), tool, str(files.json_lines), str(size), "{out}")
        return Contestant(name, environment, command, did, ahead, behind)

    def check(answers: Mapping[str, Answer]) -> Mapping[str, Verdict]:
        drawn = {name: _drawn(name, answer.out) for name, answer in answers.items()}
        return {
            name: _verdict(name, rows, size, files.rows, drawn.get(OURS, [])) for name, rows in drawn.items()
        }

    return Match(
        f"{size:,} of {files.rows:,} rows of generated CoT-Collection, a JSONL file of "
        f"{files.json_lines.stat().st_size / 1e9:.2f} GB; the rows drawn are written with their texts",
        files.rows,
        (
            Contestant(
                OURS,
                OWN,
                ("-m", "curation", "build", str(recipe), "--store", "{out}/store"),
                "the whole build of a recipe with `take = { reservoir = N }`",
            ),
            theirs(
                "DuckDB",
                "duckdb",
                "duckdb",
                "`USING SAMPLE reservoir` with a seed, one thread, as its documentation asks for a draw that can be "
                "repeated",
                ahead="its JSON reader is C++ throughout, and it checks, hashes and records nothing of the rows",
                behind="a draw that can be repeated is made by one thread",
            ),
            theirs(
                "polars",
                "polars",
                "polars",
                "`read_ndjson` of everything, then `sample` with a seed",
                ahead="its JSON reader is Rust on both cores, and it checks, hashes and records nothing of the rows",
                behind="it holds every row in memory before it draws",
            ),
            theirs(
                SCRIPT,
                "script",
                "datasets",
                "every line parsed by `json`, slots by `random.Random(42)`",
                ahead="one pass over the lines, and nothing is kept but the slots",
                behind="it parses on one core",
            ),
        ),
        check,
        {"datatrove": "its sampler keeps each row with a probability, and draws no stated number of rows"},
    )


def _drawn(name: str, out: Path) -> list[int]:
    if name == OURS:
        return list(rows_built(out / "store")["row"].to_list())
    frame = pl.read_ndjson(out / "rows.jsonl") if name == SCRIPT else pl.read_parquet(out / "rows.parquet")
    return list(frame["row"].to_list())


def _verdict(name: str, rows: list[int], size: int, candidates: int, ours: list[int]) -> Verdict:
    wrong = len(set(rows)) != size or len(rows) != size or not set(rows) <= set(range(1, candidates + 1))
    if wrong:
        return Verdict(f"{len(rows):,} rows, {len(set(rows)):,} different ones", sound=False)
    if name == OURS:
        return Verdict(f"{size:,} different rows, drawn by Algorithm R")
    if name == SCRIPT:
        return Verdict(
            "the same rows in the same slots" if rows == ours else "other rows", sound=rows == ours
        )
    return Verdict(f"{size:,} different rows, others: its random numbers are its own")
