"""Exact duplicates of CoT-Collection's rows dropped: equal prompt, reasoning and answer, the lowest row survives."""

from collections import Counter
from collections.abc import Mapping
from pathlib import Path

import polars as pl

from benchmarks.bench.contest import OWN, Answer, Contestant, Match, Place, Verdict, script
from benchmarks.bench.files import ROLES, cot_rows, rows_built, write_recipe

TITLE, UNIT = "Exact duplicates", "rows"
OURS, STRIPPING = "curation build", "data-juicer"
BETWEEN = "\x1f"  # as the rivals join texts
_MEANT = {"same-content": "equal to another but for whitespace at the ends of a text"}


def prepare(place: Place) -> Match:
    """Rows as parquet in four files."""
    files = cot_rows(place)
    recipe = place.folder / "duplicates.toml"
    write_recipe(recipe, "cot", str(files.parquet / "*.parquet"), dict(zip(ROLES, ROLES, strict=True)), "")

    def theirs(name: str, environment: str, did: str, ahead: str = "", behind: str = "") -> Contestant:
        command = (script("duplicates.py"), environment, str(files.parquet), "{out}")
        return Contestant(name, environment, command, did, ahead, behind)

    return Match(
        f"{files.rows:,} rows of generated CoT-Collection, three texts each, four parquet files; what is left is "
        "written as parquet by everybody",
        files.rows,
        (
            Contestant(
                OURS,
                OWN,
                ("-m", "curation", "build", str(recipe), "--store", "{out}/store"),
                "the whole build of a recipe with this one source: digests, rejects, ledger, the dataset written, read "
                "back, published",
            ),
            theirs(
                "DuckDB",
                "duckdb",
                "one query: GROUP BY the three texts, the lowest row of each",
                ahead="it drops duplicates and nothing else: no digest of a row, no record of what left, no check "
                "of what it wrote",
                behind="it groups by whole texts, not by digests of them",
            ),
            theirs(
                "polars",
                "polars",
                "one query: `unique`, first kept, in order",
                ahead="it drops duplicates and nothing else: no digest that is kept, no record of what left, no "
                "check of what it wrote",
                behind="keeping the order costs it its streaming",
            ),
            theirs(
                "datasets and a set",
                "datasets",
                "`load_dataset`, a filter with a set of tuples, `to_parquet`",
                ahead="a set of tuples is all that it keeps of a row",
                behind="it writes everything as Arrow first, and calls Python for every row on one core",
            ),
            theirs(
                "datatrove",
                "datatrove",
                "its three steps, a task a file, two at once; the texts joined to one, priorities by file so that "
                "the lowest row survives",
                behind="it reads everything twice, makes a Python object of every row, and starts processes for each "
                "step",
            ),
            theirs(
                STRIPPING,
                "data-juicer",
                "`document_deduplicator` with two processes; the texts joined to one by a map before it",
                behind="every row goes through Python three times, and everything through Arrow files after each of "
                "them",
            ),
        ),
        lambda answers: check(answers, files.parquet),
    )


def check(answers: Mapping[str, Answer], parquet: Path) -> Mapping[str, Verdict]:
    """What each left, against what its own rule leaves; and how that is told from what we leave."""
    texts = pl.concat([pl.read_parquet(path) for path in sorted(parquet.glob("*.parquet"))]).sort("row")
    equal = set(texts.unique(ROLES, keep="first")["row"].to_list())
    ours, rejected = _left(OURS, answers[OURS]), _rejected(answers[OURS])
    verdicts = {OURS: Verdict(f"{len(ours):,} rows left")}
    for name, answer in answers.items():
        if name == OURS:
            continue
        rows = _left(name, answer)
        ends = name == STRIPPING
        rule = _first_stripped(texts) if ends else equal
        more = Counter(rejected.get(row, "") for row in rows - ours)
        explained = rows == rule and "" not in more and (ends or not ours - rows)
        if rows == ours:
            verdicts[name] = Verdict("the same rows left")
        elif explained:
            verdicts[name] = Verdict(f"{len(rows):,} rows left, {_told(more, len(ours - rows))}")
        else:
            told = f"{len(rows):,} rows left, {len(rows & ours):,} of them ours"
            verdicts[name] = Verdict(told, sound=False)
    return verdicts


def _told(more: Counter[str], fewer: int) -> str:
    reasons = ", ".join(f"{count} {_MEANT.get(reason, reason)}" for reason, count in more.most_common())
    kept = f"with {more.total()} that we reject ({reasons})" if more else ""
    dropped = f"{fewer} more dropped, equal to another but for spaces at the ends" if fewer else ""
    return "; ".join(filter(None, (kept, dropped)))


def _first_stripped(texts: pl.DataFrame) -> set[int]:
    """The first row of each text that is equal when all is joined and spaces at both ends are taken off."""
    first: dict[str, int] = {}
    for row, *parts in texts.select("row", *ROLES).iter_rows():
        first.setdefault(BETWEEN.join(parts).strip(), row)
    return set(first.values())


def _rejected(answer: Answer) -> dict[int, str]:
    """Why we rejected rows, by row: what is no trace, and what is equal to another as its key is made."""
    (path,) = (answer.out / "store" / "manifests").glob("*/rejects.parquet")
    return dict(pl.read_parquet(path, columns=["row", "reason"]).iter_rows())


def _left(name: str, answer: Answer) -> set[int]:
    if name == OURS:
        return set(rows_built(answer.out / "store")["row"].to_list())
    # Every folder below: datatrove writes a file a task.
    rows = [
        pl.read_parquet(path, columns=["row"]) for path in sorted((answer.out / "rows").rglob("*.parquet"))
    ]
    numbers = pl.concat(rows)["row"].to_list()
    if len(set(numbers)) != len(numbers):
        return set()
    return set(numbers)
