"""Files that contests share: rows of CoT-Collection that nothing is wrong with, and recipes over local files."""

import json
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import polars as pl

from benchmarks.bench.contest import Place
from manifests.keys import ASCII_WHITESPACE

PARTS = 4
ROLES = ("prompt", "reasoning", "answer")
UPSTREAM = ("source", "rationale", "target")


class CotRows(NamedTuple):
    """The same rows twice: a JSONL file, and a folder of parquet files. Columns: row, prompt, reasoning, answer."""

    json_lines: Path
    parquet: Path
    rows: int


def cot_rows(place: Place) -> CotRows:
    """The first rows of CoT-Collection with three texts that can be written. Made once for all contests."""
    folder = place.shared / "cot"
    lines, parquet = folder / "cot.jsonl", folder / "parquet"
    if not parquet.is_dir():
        folder.mkdir(parents=True)
        wanted = place.sizes.few(place.sizes.rows)
        rows = list(islice(_clean(place.sources / "cot-collection" / "cot-collection.json"), wanted))
        frame = pl.DataFrame(rows, schema=ROLES, orient="row").with_row_index("row", offset=1)
        frame = frame.with_columns(pl.col("row").cast(pl.Int64))
        frame.write_ndjson(lines)
        parquet.mkdir()
        size = -(-len(rows) // PARTS)
        for part in range(PARTS):
            frame.slice(part * size, size).write_parquet(
                parquet / f"part-{part}.parquet", row_group_size=50_000
            )
    return CotRows(lines, parquet, pl.scan_parquet(parquet / "*.parquet").select(pl.len()).collect().item())


def _clean(path: Path) -> Iterator[tuple[str, ...]]:
    """The generator writes a member a line."""
    with path.open(encoding="utf-8", errors="surrogateescape") as lines:
        for line in lines:
            if not line.startswith('"'):
                continue
            (member,) = json.loads("{" + line.rstrip().rstrip(",") + "}").values()
            texts = [member.get(name) for name in UPSTREAM]
            if all(isinstance(text, str) and text.strip(ASCII_WHITESPACE) for text in texts):
                try:
                    "".join(texts).encode()
                except UnicodeEncodeError:
                    continue
                yield tuple(texts)


def write_recipe(path: Path, source: str, files: str, columns: dict[str, str], more: str) -> None:
    """A recipe of one source."""
    named = ", ".join(f"{role} = {json.dumps(column)}" for role, column in columns.items())
    lines = ['name = "bench"', "seed = 42", 'order = "sequential"', "", "[[source]]"]
    lines += [f"name = {json.dumps(source)}", f"files = {json.dumps(files)}"]
    lines += [f"columns = {{ {named} }}", more]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def rows_built(store: Path) -> pl.DataFrame:
    """The rows of the one manifest in a store."""
    (rows,) = (store / "manifests").glob("*/rows.parquet")
    return pl.read_parquet(rows)


def dataset_built(store: Path) -> pl.DataFrame:
    """The dataset of the one manifest in a store."""
    (data,) = (store / "datasets").glob("*/data")
    return pl.read_parquet(data)
