"""How long building session 1 takes at its real size, beside merely reading its columns and beside the usual scripts.

    python benchmarks/curation.py [--data DIR] [--rounds N] [--share S]

`--data` is a folder that `curation demo-sources DIR --scale full` wrote (4.4 GB; without it, one is written to a
temporary folder first). All contestants run on the same files, in turn, each in a process of its own; medians are
reported, and the ratios are what counts.

- floor: polars reads the columns that the recipe names from CSV and parquet, the streaming parsers those of JSONL and
  of the JSON object; nothing is done with them.
- build: `curation build`, without the language stage and with it; everything it promises included: digests, rejects,
  ledger, duplicates, draws, the dataset written and checked, publish.
- scripts: what is usually written: `datasets`, `csv` and `json` loops over the rows, tags split by hand, langdetect row
  by row, duplicates by a set, draws by `random`. They write nothing and keep no record. They take too long to run
  whole, so they run on the first `--share` of every source, and the time is divided by it; the same share is built, and
  the rows of both are compared.
"""

import argparse
import csv
import json
import os
import platform
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from importlib.metadata import version
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import polars as pl

Triple = tuple[str, str, str]

COLUMNS = {
    "raiden": ("raiden/*.csv", ["prompt", "response"]),
    "openo1": ("openo1/*.jsonl", ["instruction", "output"]),
    "cot": ("cot-collection/*.json", ["source", "rationale", "target"]),
    "glaive": ("glaive/*.parquet", ["prompt", "response"]),
}
TAKEN = {"openo1": 20_000, "cot": 10_000, "glaive": 30_000}
ROWS = {"raiden": 62_925, "openo1": 77_685, "cot": 1_837_928, "glaive": 30_000}


class Cost(NamedTuple):
    """Seconds of wall clock and of processors, and the largest memory of one process in MiB."""

    seconds: float
    processor: float
    memory: float


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description="Session 1 beside reading alone and beside the usual scripts."
    )
    parser.add_argument(
        "--data", type=Path, help="a folder that `curation demo-sources DIR --scale full` wrote"
    )
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--share", type=float, default=0.01, help="of every source, for the scripts")
    parser.add_argument("--floor", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.floor:
        read_only(options.floor)
        return
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        data = options.data or folder / "sources"
        if not options.data:
            run("-P", "-m", "curation", "demo-sources", str(data), "--scale", "full")
        report(measure(data.resolve(), folder, options.rounds), data, options.rounds)
        compare_with_scripts(data.resolve(), folder, options.share)


def measure(data: Path, folder: Path, rounds: int) -> dict[str, list[Cost]]:
    """Run floor and builds in turn."""
    plain, english = (recipe(data, folder, language=language) for language in (False, True))
    contestants: Mapping[str, Callable[[int], Cost]] = {
        "floor": lambda _: run(
            "-P", __file__, "--floor", str(data)
        ),  # -P: this file is not the package curation
        "build": lambda number: build(plain, folder / f"plain-{number}"),
        "build with English": lambda number: build(english, folder / f"english-{number}"),
    }
    costs: dict[str, list[Cost]] = {name: [] for name in contestants}
    for number in range(rounds):
        for name, contestant in contestants.items():
            costs[name].append(contestant(number))
            print(f"round {number + 1}, {name}: {costs[name][-1].seconds:.1f} s", file=sys.stderr)
    return costs


def report(costs: Mapping[str, list[Cost]], data: Path, rounds: int) -> None:
    """Print the medians."""
    size = sum(path.stat().st_size for path in data.rglob("*") if path.is_file())
    print(f"session 1 at its real size: {size / 1e9:.1f} GB of sources, {rounds} rounds, medians")
    print(
        f"python {platform.python_version()}, polars {version('polars')}, {len(os.sched_getaffinity(0))} cores"
    )
    floor = statistics.median(cost.seconds for cost in costs["floor"])
    for name, runs in costs.items():
        seconds, processor, memory = (statistics.median(column) for column in zip(*runs, strict=True))
        spread = f"{min(cost.seconds for cost in runs):.1f} to {max(cost.seconds for cost in runs):.1f}"
        print(
            f"{name:<20} {seconds:7.1f} s ({spread})  {seconds / floor:5.2f} × the floor  "
            f"{processor:7.1f} s of processors  {memory:6.0f} MiB in the largest process"
        )


def compare_with_scripts(data: Path, folder: Path, share: float) -> None:
    """Run the scripts and the build on a share of the sources, and hold their rows against each other."""
    part = folder / "share"
    counts = cut(data, part, share)
    taken = {name: max(1, round(count * share)) for name, count in TAKEN.items()}
    path = recipe(part, folder, language=True, taken=taken)
    built = build(path, folder / "share-store")
    mix, seconds_by_source = scripts(part, taken)
    seconds = sum(seconds_by_source.values())
    dataset = next((folder / "share-store" / "datasets").glob("*/data"))
    ours = set(pl.read_parquet(dataset, columns=["prompt", "reasoning", "answer"]).iter_rows())
    print(f"\nthe usual scripts, on the first {share:.1%} of every source ({sum(counts.values()):,} rows)")
    for name, spent in seconds_by_source.items():
        print(f"  {name:<10} {spent:8.1f} s for {counts[name]:,} rows")
    print(
        f"  the scripts took {len(mix):,} rows, the build {len(ours):,}, the same in both: {len(mix & ours):,}"
    )
    print(
        f"  scripts {seconds:.1f} s, divided by the share {seconds / share:,.0f} s; "
        f"the build of the share {built.seconds:.1f} s"
    )


def build(path: Path, store: Path) -> Cost:
    """One build, into a store of its own."""
    return run("-P", "-m", "curation", "build", str(path), "--store", str(store))


def run(*arguments: str) -> Cost:
    """A command of this Python, and what it cost with its children."""
    started = time.perf_counter()
    process = subprocess.Popen(  # noqa: S603 - this Python and this project
        [sys.executable, *arguments], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    )
    said = process.stderr.read() if process.stderr else b""
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - started
    if os.waitstatus_to_exitcode(status):
        sys.exit(said.decode())
    return Cost(seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024)


def recipe(data: Path, folder: Path, *, language: bool, taken: Mapping[str, int] = TAKEN) -> Path:
    """The recipe of session 1 over local files."""
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
        roles = ("prompt", "reasoning", "answer") if name == "cot" else ("prompt", "response")
        named = ", ".join(f'{role} = "{column}"' for role, column in zip(roles, columns, strict=True))
        lines += ["", "[[source]]", f'name = "{name}"', f"files = {json.dumps(str(data / files))}"]
        lines += [f"columns = {{ {named} }}", more.get(name, "")]
    path = folder / f"session1-{language}-{taken['cot']}.toml"
    path.write_text("\n".join(lines), encoding="utf-8")
    return path


def read_only(data: Path) -> None:
    """The floor: every text read and decoded, its length summed so that nothing can be left out."""
    from curation.files import SourceFile  # noqa: PLC0415 - only this contestant needs it
    from curation.formats import json_document, jsonl  # noqa: PLC0415
    from curation.formats.base import Layout, Notes, Span  # noqa: PLC0415
    from curation.recipe import Columns  # noqa: PLC0415

    frames = {
        "raiden": pl.scan_csv(data / "raiden/*.csv", encoding="utf8-lossy"),
        "glaive": pl.scan_parquet(data / "glaive/*.parquet").head(ROWS["glaive"]),
    }
    for name, frame in frames.items():
        lengths = pl.col(COLUMNS[name][1]).str.len_bytes().sum()
        frame.select(lengths).collect(engine="streaming")
    # polars reads no JSON object keyed by id, and no JSONL with a line that is not UTF-8.
    for name, form in (("openo1", jsonl), ("cot", json_document)):
        path = next(data.glob(COLUMNS[name][0]))
        layout, file = Layout(Columns(tuple(COLUMNS[name][1]))), SourceFile(path.name, path)
        head = form.head(file, layout)
        for _ in form.rows(file, layout, head, Span(head.begin, head.end), Notes()):
            pass


def cut(data: Path, part: Path, share: float) -> dict[str, int]:
    """Write the first share of every source's rows, in the same layout; the numbers of rows."""
    counts = {name: max(1, round(rows * share)) for name, rows in ROWS.items()}
    for name in ("raiden", "openo1", "cot-collection", "glaive"):
        (part / name).mkdir(parents=True)
    with (
        (data / "raiden/raiden.csv").open(encoding="utf-8", errors="surrogateescape", newline="") as whole,
        (part / "raiden/raiden.csv").open(
            "w", encoding="utf-8", errors="surrogateescape", newline=""
        ) as cut_off,
    ):
        csv.writer(cut_off).writerows(islice(csv.reader(whole), counts["raiden"] + 1))
    with (
        (data / "openo1/openo1.jsonl").open("rb") as lines,
        (part / "openo1/openo1.jsonl").open("wb") as few,
    ):
        few.writelines(islice((line for line in lines if line.strip()), counts["openo1"]))
    with (
        (data / "cot-collection/cot-collection.json").open(
            encoding="utf-8", errors="surrogateescape"
        ) as members,
        (part / "cot-collection/cot-collection.json").open(
            "w", encoding="utf-8", errors="surrogateescape"
        ) as fewer,
    ):
        kept = list(islice(members, counts["cot"] + 1))  # the generator writes a member a line
        fewer.write("".join(kept).rstrip().rstrip(",") + "\n}\n")
    glaive = pl.scan_parquet(data / "glaive/*.parquet").head(counts["glaive"]).collect()
    glaive.write_parquet(part / "glaive/train.parquet")
    return counts


def scripts(  # noqa: C901 - the scripts of four sources, as they are written: in one piece
    data: Path, taken: Mapping[str, int]
) -> tuple[set[Triple], dict[str, float]]:
    """What people write, source by source: the rows, and the seconds that each source took."""
    from datasets import load_dataset  # noqa: PLC0415 - only the rival needs it
    from langdetect import DetectorFactory, LangDetectException, detect  # noqa: PLC0415

    DetectorFactory.seed = 0
    seen: set[Triple] = set()

    def english(trace: Triple) -> bool:
        try:
            return bool(detect("\n".join(trace)) == "en")
        except LangDetectException:
            return False

    def unique(traces: Iterator[Triple]) -> list[Triple]:
        own: set[Triple] = set()
        left = [trace for trace in traces if not (trace in own or own.add(trace))]  # type: ignore[func-returns-value]
        return [trace for trace in left if not (trace in seen or seen.add(trace))]  # type: ignore[func-returns-value]

    def raiden() -> list[Triple]:
        with (data / "raiden/raiden.csv").open(
            encoding="utf-8", errors="surrogateescape", newline=""
        ) as file:
            return unique(split(row["prompt"], row["response"], THINK) for row in csv.DictReader(file))

    def openo1() -> list[Triple]:
        with (data / "openo1/openo1.jsonl").open(encoding="utf-8", errors="surrogateescape") as file:
            rows = (json.loads(line) for line in file if line.strip())
            traces = (split(row["instruction"], row["output"], THOUGHT) for row in rows)
            left = unique(trace for trace in traces if all(trace) and english(trace))
        random.Random(42).shuffle(left)
        return left[: taken["openo1"]]

    def cot() -> list[Triple]:
        text = (data / "cot-collection/cot-collection.json").read_text(encoding="utf-8")
        members = json.loads(text).values()
        rows = (tuple(clean(row[name]) for name in COLUMNS["cot"][1]) for row in members)
        left = unique(row for row in rows if all(row))  # type: ignore[misc]
        generator, slots = random.Random(42), left[: taken["cot"]]
        for number, trace in enumerate(left[taken["cot"] :], taken["cot"] + 1):
            slot = generator.randint(0, number - 1)
            if slot < len(slots):
                slots[slot] = trace
        return slots

    def glaive() -> list[Triple]:
        files = str(data / "glaive/*.parquet")
        rows = load_dataset("parquet", data_files=files, split="train", streaming=True)
        return unique(split(row["prompt"], row["response"], THINK) for row in rows)

    mix: set[Triple] = set()
    seconds = {}
    for source in (raiden, openo1, cot, glaive):
        started = time.perf_counter()
        mix |= {trace for trace in source() if all(trace)}
        seconds[source.__name__] = time.perf_counter() - started
    return mix, seconds


THINK = ("<think>", "</think>", "", "")
THOUGHT = ("<Thought>", "</Thought>", "<Output>", "</Output>")
_NONE: Triple = ("", "", "")


def clean(value: object) -> str:
    """A text without whitespace at its ends; nothing, if it is no text or can't be written."""
    if not isinstance(value, str):
        return ""
    try:
        value.encode()
    except UnicodeEncodeError:
        return ""
    return value.strip(" \t\n\v\f\r")


def split(prompt: object, response: object, tags: tuple[str, str, str, str]) -> Triple:
    """Prompt, reasoning and answer; empty texts if the tags are not there once and in order."""
    question, text = clean(prompt), clean(response)
    begin, end, answer_begin, answer_end = tags
    if any(text.count(tag) != 1 for tag in tags if tag):
        return _NONE
    before, _, rest = text.partition(begin)
    reasoning, closed, answer = rest.partition(end)
    if before or not closed:
        return _NONE
    if answer_begin:
        between, _, answer = answer.partition(answer_begin)
        answer, _, after = answer.partition(answer_end)
        if clean(between) or clean(after):
            return _NONE
    trace = question, clean(reasoning), clean(answer)
    return trace if all(trace) else _NONE


if __name__ == "__main__":
    main()
