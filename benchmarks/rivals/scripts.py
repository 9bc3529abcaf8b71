"""What is usually written to build such a mix: loops over the rows, source by source. Run by the contest `mix`.

    python rivals/scripts.py TASK ROWS

Tags are split by hand, languages told by langdetect row by row, duplicates found by a set, draws made by `random`.
Nothing is written but a digest of each row that was taken, to ROWS, after the clock has stopped. Prints the seconds.
"""

import csv
import hashlib
import importlib
import json
import random
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

Triple = tuple[str, str, str]

THINK = ("<think>", "</think>", "", "")
THOUGHT = ("<Thought>", "</Thought>", "<Output>", "</Output>")
_NONE: Triple = ("", "", "")


def main() -> None:
    """Build, tell the seconds, name the rows."""
    task, rows = (Path(argument) for argument in sys.argv[1:])
    told = json.loads(task.read_bytes())
    traces, seconds = mix(Path(told["data"]), told["taken"])
    digests = (hashlib.sha256("\0".join(trace).encode()).hexdigest() for trace in traces)
    rows.write_text("\n".join(digests) + "\n", encoding="ascii")
    print(json.dumps({"seconds": sum(seconds.values()), "by source": seconds}))


def mix(  # noqa: C901 - the scripts of four sources, as they are written: in one piece
    data: Path, taken: Mapping[str, int]
) -> tuple[set[Triple], dict[str, float]]:
    """What people write, source by source: the rows, and the seconds that each source took."""
    load_dataset = importlib.import_module("datasets").load_dataset
    langdetect = importlib.import_module("langdetect")

    langdetect.DetectorFactory.seed = 0
    seen: set[Triple] = set()

    def english(trace: Triple) -> bool:
        try:
            return bool(langdetect.detect("\n".join(trace)) == "en")
        except langdetect.LangDetectException:
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
        rows = (tuple(clean(row[name]) for name in ("source", "rationale", "target")) for row in members)
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

    taken_rows: set[Triple] = set()
    seconds = {}
    for source in (raiden, openo1, cot, glaive):
        started = time.perf_counter()
        taken_rows |= {trace for trace in source() if all(trace)}
        seconds[source.__name__] = time.perf_counter() - started
    return taken_rows, seconds


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
