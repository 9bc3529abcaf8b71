"""Rows 30,001 to 130,000 of Glaive's parquet files, as the second session takes them."""

import json
from collections.abc import Mapping

import polars as pl

from benchmarks.bench.contest import OWN, Answer, Contestant, Match, Place, Verdict, script
from benchmarks.bench.files import dataset_built, rows_built, write_recipe
from manifests.keys import ASCII_WHITESPACE

TITLE, UNIT = "Range of rows", "rows"
OURS = "curation build"


def prepare(place: Place) -> Match:
    """The generated files as they are."""
    sizes, folder = place.sizes, place.sources / "glaive"
    first, last = sizes.few(sizes.first_row - 1) + 1, sizes.few(sizes.last_row)
    held = json.loads((place.sources / "truth.json").read_bytes())["rows"]["glaive"]
    recipe = place.folder / "rows.toml"
    more = f'rows = [{first}, {last}]\nduplicates = "keep"'
    write_recipe(
        recipe, "glaive", str(folder / "*.parquet"), {"prompt": "prompt", "response": "response"}, more
    )

    def theirs(name: str, environment: str, did: str, ahead: str = "", behind: str = "") -> Contestant:
        command = (script("rows.py"), environment, str(folder), str(first), str(last), "{out}")
        return Contestant(name, environment, command, did, ahead, behind)

    def check(answers: Mapping[str, Answer]) -> Mapping[str, Verdict]:
        return {
            name: _built(answer, last - first + 1)
            if name == OURS
            else _selected(answer, answers[OURS], first, last)
            for name, answer in answers.items()
        }

    return Match(
        f"rows {first:,} to {last:,} of {held:,} of generated Glaive, {len(list(folder.glob('*.parquet')))} "
        "parquet files; "
        "the rows are written as parquet",
        last - first + 1,
        (
            Contestant(
                OURS,
                OWN,
                ("-m", "curation", "build", str(recipe), "--store", "{out}/store"),
                "the whole build of a recipe with `rows`: each response split into reasoning and answer, what is no "
                "trace "
                "rejected, the files hashed",
            ),
            theirs(
                "DuckDB",
                "duckdb",
                "LIMIT and OFFSET over the files, written as they are",
                ahead="it copies columns: no text is split, hashed or judged, no file digested",
                behind="it decodes the rows before the range too",
            ),
            theirs(
                "polars",
                "polars",
                "`slice` of the scan, written as it is",
                ahead="it copies columns: no text is split, hashed or judged, no file digested",
                behind="it decodes more than the range",
            ),
            theirs(
                "datasets",
                "datasets",
                "`load_dataset` with a slice of the split, `to_parquet`",
                ahead="it copies columns: no text is split, hashed or judged, no file digested",
                behind="it writes all files as Arrow before it selects",
            ),
        ),
        check,
    )


def _built(answer: Answer, count: int) -> Verdict:
    (rejects,) = (answer.out / "store" / "manifests").glob("*/rejects.parquet")
    rows, rejected = len(rows_built(answer.out / "store")), len(pl.read_parquet(rejects))
    return Verdict(f"{rows:,} traces, {rejected:,} rows rejected", sound=rows + rejected == count)


def _selected(answer: Answer, ours: Answer, first: int, last: int) -> Verdict:
    """Whether the prompts at the rows that we took are ours."""
    theirs = pl.read_parquet(answer.out / "rows.parquet").with_row_index("row", offset=first)
    if len(theirs) != last - first + 1:
        return Verdict(f"{len(theirs):,} rows", sound=False)
    built, rows = dataset_built(ours.out / "store"), rows_built(ours.out / "store")
    own = pl.DataFrame({"row": rows["row"].cast(pl.UInt32), "own": built["prompt"]})
    both = own.join(theirs.with_columns(pl.col("row").cast(pl.UInt32)), on="row", how="left")
    same = both.select(
        (pl.col("prompt").str.strip_chars(ASCII_WHITESPACE) == pl.col("own")).fill_null(value=False).all()
    ).item()
    return Verdict(
        "the same rows, those that we reject among them" if same else "other rows at some places", sound=same
    )
