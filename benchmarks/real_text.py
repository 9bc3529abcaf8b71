"""A mix with the lengths of another and real text in it, so that a tokenizer makes as many tokens of it as of the real.

    python benchmarks/real_text.py ID --store DIR --data DIR --out DIR

Generated sources have the real lengths in characters, and sentences from templates, of which Gemma's tokenizer makes
half as many characters a token as of prose. Here every text of the mix `ID` is replaced by as many characters of real
reasoning: nine parts of STAR-1's answers (DeepSeek-R1), one part of gsm8k's rationales (flan-cot), both from `--data`,
from a place that the row decides. `--out` gets a parquet file for each source and `recipe.toml`, for `curation build`.
"""

import argparse
import hashlib
import json
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from manifests.store import Store

COLUMNS = ("prompt", "reasoning", "answer")
SCHEMA = pa.schema([(name, pa.string()) for name in COLUMNS])
RECIPE = 'name = "real-text"\norder = "mixed"\nseed = 42\n'
SOURCE = """
[[source]]
name = "{name}"
files = "{name}.parquet"
columns = {{ prompt = "prompt", reasoning = "reasoning", answer = "answer" }}
duplicates = "keep"
"""


def main() -> None:
    """Write the files."""
    parser = argparse.ArgumentParser(description="A mix's lengths, filled with real text.")
    parser.add_argument("id", help="the manifest whose lengths are taken")
    parser.add_argument("--store", type=Path, required=True)
    parser.add_argument("--data", type=Path, required=True, help="a folder with star-1 and flan-cot")
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    store = Store.open(options.store)
    manifest = store.manifest(options.id)
    text = 2 * corpus(options.data)  # so that a text can begin anywhere in the first half
    writers: dict[str, pq.ParquetWriter] = {}
    for block in store.dataset_blocks(manifest):
        sources = block.column("source").to_pylist()
        for name in sorted(set(sources)):
            mask = pa.array([source == name for source in sources])
            table = pa.table(
                dict(zip(COLUMNS, zip(*_rows(block.filter(mask), text), strict=True), strict=True)), SCHEMA
            )
            if name not in writers:
                writers[name] = pq.ParquetWriter(options.out / f"{name}.parquet", SCHEMA)
            writers[name].write_table(table)
    for writer in writers.values():
        writer.close()
    recipe = RECIPE + "".join(SOURCE.format(name=name) for name in sorted(writers))
    (options.out / "recipe.toml").write_text(recipe, encoding="utf-8")


def corpus(data: Path) -> str:
    """Real reasoning, one text: nine parts of STAR-1's answers, one part of gsm8k's rationales."""
    [file] = (data / "star-1").rglob("*.json")
    prose = " ".join(row["response"] for row in json.loads(file.read_text(encoding="utf-8")))
    lines = (
        (data / "flan-cot/flan/v2/cot_data/gsm8k_train.tsv").read_text(encoding="utf-8").strip().split("\n")
    )
    sums = " ".join(line.split("\t")[2] for line in lines)[: len(prose) // 9]
    # In turn, so that any place has both near it. Tags and turn markers would make a trace unusable.
    pieces = (f"{prose[at : at + 900]} {sums[at // 9 : at // 9 + 100]} " for at in range(0, len(prose), 900))
    return "".join(pieces).replace("<", " ").replace(">", " ").replace("\n", " ")


def _rows(block: pa.Table, text: str) -> Iterator[tuple[str, ...]]:
    half = len(text) // 2
    columns = (block.column(name).to_pylist() for name in ("source", "row", *COLUMNS))
    for source, row, *texts in zip(*columns, strict=True):
        digest = hashlib.sha256(f"{source} {row}".encode()).digest()
        at = int.from_bytes(digest[:8], "little") % half
        filled = []
        for old in texts:
            filled.append(text[at : at + len(old)].strip() or "x")
            at = (at + len(old)) % half
        yield tuple(filled)


if __name__ == "__main__":
    main()
