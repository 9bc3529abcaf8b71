"""Session 1 at its real size, built: beside merely reading its columns, and beside the usual scripts.

- reading: polars reads the columns that the recipe names from CSV and parquet, the streaming parsers those of JSONL and
  of the JSON object; nothing is done with them.
- build: `curation build`, with the language stage and without; everything it promises included: digests, rejects,
  ledger, duplicates, draws, the dataset written and checked, publish.
- scripts: what is usually written, see `rivals/scripts.py`. They take too long to run whole, so they run on the first
  `share` of every source; the same share is built, and the rows of both are compared.
"""

import csv
import hashlib
import json
import subprocess
import sys
from collections.abc import Mapping
from functools import partial
from itertools import islice
from pathlib import Path

import polars as pl

from benchmarks.bench.contest import OWN, Answer, Contestant, Match, Place, Verdict, script
from benchmarks.bench.files import ROLES, dataset_built, rows_built

TITLE, UNIT = "Whole mix", "rows"

COLUMNS = {
    "raiden": ("raiden/*.csv", ["prompt", "response"]),
    "openo1": ("openo1/*.jsonl", ["instruction", "output"]),
    "cot": ("cot-collection/*.json", ["source", "rationale", "target"]),
    "glaive": ("glaive/*.parquet", ["prompt", "response"]),
}
TAKEN = {"openo1": 20_000, "cot": 10_000, "glaive": 30_000}

BUILD, PLAIN = "curation build", "curation build, without telling languages"
READING, SCRIPTS = "merely reading the same columns", "the usual scripts"


def prepare(place: Place) -> Match:
    """Write the recipes and cut the share."""
    taken = {name: place.sizes.few(count) for name, count in TAKEN.items()}
    counts = {**json.loads((place.sources / "truth.json").read_bytes())["rows"], "glaive": taken["glaive"]}
    share = place.sizes.share
    part, part_taken = place.folder / "share", {name: round(count * share) for name, count in taken.items()}
    part_counts = _cut(place.sources, part, {name: round(count * share) for name, count in counts.items()})
    recipes = {
        name: str(_recipe(place, data, name, language=language, taken=numbers))
        for name, data, language, numbers in (
            ("english", place.sources, True, taken),
            ("plain", place.sources, False, taken),
            ("share", part, True, part_taken),
        )
    }
    build = ("-m", "curation", "build")
    read = {name: [str(place.sources / files), columns] for name, (files, columns) in COLUMNS.items()}
    reading, task = place.folder / "reading.json", place.folder / "scripts.json"
    reading.write_text(json.dumps({"columns": read, "glaive": taken["glaive"]}), encoding="utf-8")
    task.write_text(json.dumps({"data": str(part), "taken": part_taken}), encoding="utf-8")
    shared_store = place.folder / "share-store"
    command = [sys.executable, *build, recipes["share"], "--store", str(shared_store)]
    subprocess.run(command, check=True, capture_output=True)  # noqa: S603 - our own command
    size = sum(path.stat().st_size for path in place.sources.rglob("*") if path.is_file())

    def check(answers: Mapping[str, Answer]) -> Mapping[str, Verdict]:
        return _verdicts(answers, dataset_built(shared_store))

    return Match(
        f"session 1 from sources of {size / 1e9:.1f} GB, {sum(counts.values()):,} rows, in CSV, JSONL, one JSON object "
        f"and parquet; the scripts had the first {share:.1%} of every source, {sum(part_counts.values()):,} rows",
        sum(counts.values()),
        (
            Contestant(
                BUILD,
                OWN,
                (*build, recipes["english"], "--store", "{out}/store"),
                "built, checked, published",
            ),
            Contestant(
                PLAIN,
                OWN,
                (*build, recipes["plain"], "--store", "{out}/store"),
                "the same without the language stage",
                ahead="it leaves a stage out",
            ),
            Contestant(
                READING,
                OWN,
                ("-m", "benchmarks.ours.reading", str(reading)),
                "polars and our streaming parsers read what the recipe names, and drop it",
                ahead="it does nothing with what it reads: no filter, no digest, no draw, nothing written",
            ),
            Contestant(
                SCRIPTS,
                "datasets",
                (script("scripts.py"), str(task), "{out}/rows.txt"),
                "`datasets`, `csv` and `json` loops, langdetect row by row, a set, `random`; writes no dataset, keeps "
                "no record; timed without start-up",
                behind="langdetect in plain Python takes nearly all of its time, and it uses one core",
                units=sum(part_counts.values()),
            ),
        ),
        check,
    )


def _verdicts(answers: Mapping[str, Answer], share: pl.DataFrame) -> dict[str, Verdict]:
    verdicts = {}
    for name, answer in answers.items():
        if name in (BUILD, PLAIN):
            verdicts[name] = Verdict(f"{len(rows_built(answer.out / 'store')):,} rows")
        elif name == READING:
            verdicts[name] = Verdict("nothing is built")
        else:
            theirs = set((answer.out / "rows.txt").read_text(encoding="ascii").split())
            ours = {digest_of(row) for row in share.select(ROLES).iter_rows()}
            same = len(theirs & ours)
            verdicts[name] = Verdict(
                f"the same {same:,} rows as a build of its share"
                if theirs == ours
                else f"{len(theirs):,} rows, a build of its share has {len(ours):,}, both have {same:,}",
                sound=theirs == ours,
            )
    return verdicts


def digest_of(trace: tuple[str, ...]) -> str:
    """As the scripts name a row that they took."""
    return hashlib.sha256("\0".join(trace).encode()).hexdigest()


def _recipe(place: Place, data: Path, name: str, *, language: bool, taken: Mapping[str, int]) -> Path:
    path = place.folder / f"{name}.toml"
    path.write_text(_recipe_text(data, language=language, taken=taken), encoding="utf-8")
    return path


def _recipe_text(data: Path, *, language: bool, taken: Mapping[str, int]) -> str:
    lines = ['name = "session1"', "seed = 42"]
    more = {
        "openo1": (
            'tags = { reasoning = ["<Thought>", "</Thought>"], answer = ["<Output>", "</Output>"] }\n'
            f"take = {{ shuffle = {taken['openo1']}, seed = 42 }}" + ('\nlanguage = "en"' if language else "")
        ),
        "cot": f"take = {{ reservoir = {taken['cot']}, seed = 42 }}",
        "glaive": f"rows = [1, {taken['glaive']}]",
    }
    for name, (files, columns) in COLUMNS.items():
        roles = ROLES if name == "cot" else ("prompt", "response")
        named = ", ".join(f'{role} = "{column}"' for role, column in zip(roles, columns, strict=True))
        lines += ["", "[[source]]", f'name = "{name}"', f"files = {json.dumps(str(data / files))}"]
        lines += [f"columns = {{ {named} }}", more.get(name, "")]
    return "\n".join(lines)


def _cut(data: Path, part: Path, counts: Mapping[str, int]) -> Mapping[str, int]:
    """Write the first rows of every source, in the same layout."""
    for name in ("raiden", "openo1", "cot-collection", "glaive"):
        (part / name).mkdir(parents=True)
    text = partial(Path.open, encoding="utf-8", errors="surrogateescape", newline="")
    with (
        text(data / "raiden/raiden.csv") as whole,
        text(part / "raiden/raiden.csv", "w") as cut_off,
    ):
        csv.writer(cut_off).writerows(islice(csv.reader(whole), counts["raiden"] + 1))
    with (
        (data / "openo1/openo1.jsonl").open("rb") as lines,
        (part / "openo1/openo1.jsonl").open("wb") as few,
    ):
        few.writelines(islice((line for line in lines if line.strip()), counts["openo1"]))
    path = "cot-collection/cot-collection.json"
    with text(data / path) as members, text(part / path, "w") as fewer:
        kept = list(islice(members, counts["cot"] + 1))  # the generator writes a member a line
        fewer.write("".join(kept).rstrip().rstrip(",") + "\n}\n")
    glaive = pl.scan_parquet(data / "glaive/*.parquet").head(counts["glaive"]).collect()
    glaive.write_parquet(part / "glaive/train.parquet")
    return counts
