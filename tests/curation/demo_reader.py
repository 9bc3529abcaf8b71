"""Reads the demo sources back with plain Python that knows only the upstream layouts."""

import csv
import io
import json
import re
from collections.abc import Mapping
from pathlib import Path

import pyarrow.parquet as pq

WHITESPACE = " \t\n\r\v\f"
PARQUET_FILES = [f"glaive/train-{number:05d}-of-00004.parquet" for number in range(4)]
TAGS = {
    "raiden": ("prompt", "response", ("<think>", "</think>"), None),
    "glaive": ("prompt", "response", ("<think>", "</think>"), None),
    "openo1": ("instruction", "output", ("<Thought>", "</Thought>"), ("<Output>", "</Output>")),
}
SURROGATES = re.compile("[\ud800-\udfff]")

Fields = Mapping[str, object]
Trace = tuple[str, str, str]
Place = tuple[str, int]


def read_all(directory: Path) -> dict[str, list[Fields]]:
    """All rows; a byte that is not UTF-8 becomes the lone surrogate that stands for it."""
    raiden = (directory / "raiden/raiden.csv").read_bytes().decode("utf-8", "surrogateescape")
    openo1 = (directory / "openo1/openo1.jsonl").read_bytes().decode("utf-8", "surrogateescape")
    cot = json.loads((directory / "cot-collection/cot-collection.json").read_bytes())
    glaive = [row for path in PARQUET_FILES for row in pq.read_table(directory / path).to_pylist()]
    return {
        "raiden": list(csv.DictReader(io.StringIO(raiden, newline=""), strict=True)),
        "openo1": [json.loads(line) for line in openo1.split("\n") if line.strip()],
        "cot": list(cot.values()),
        "glaive": glaive,
    }


def parse(source: str, row: Fields) -> Trace | str:
    """The trace of a row, or why there is none."""
    keys = TAGS[source][:2] if source in TAGS else ("source", "rationale", "target")
    texts = []
    for key in keys:
        text = row[key]
        if not isinstance(text, str):
            return "null" if text is None else "not-text"
        if surrogates := SURROGATES.findall(text):
            return "invalid-utf8" if "\udc80" <= surrogates[0] <= "\udcff" else "lone-surrogate"
        texts.append(text.strip(WHITESPACE))
    if source in TAGS and texts[0]:
        parts = split(texts.pop(), *TAGS[source][2:])
        if isinstance(parts, str):
            return parts
        texts += parts
    missing = [name for name, text in zip(("prompt", "reasoning", "answer"), texts, strict=False) if not text]
    return f"no-{missing[0]}" if missing else (texts[0], texts[1], texts[2])


def read_traces(directory: Path) -> dict[Place, Trace]:
    """The rows that parse, by source and row."""
    rows = read_all(directory)
    parsed = {
        (source, number): parse(source, row) for source in rows for number, row in enumerate(rows[source], 1)
    }
    return {place: trace for place, trace in parsed.items() if not isinstance(trace, str)}


def split(response: str, tags: tuple[str, str], answer_tags: tuple[str, str] | None) -> list[str] | str:
    """Reasoning and answer of a response, or why they can't be told apart."""
    for start, end in filter(None, (tags, answer_tags)):
        if response.count(start) > 1:
            return "tag-repeated"
        if response.count(start) > response.count(end):
            return "tag-unclosed"
    before, start, rest = response.partition(tags[0])
    if not start:
        return "no-reasoning"
    if before.strip(WHITESPACE):
        return "text-before-reasoning"
    reasoning, _, answer = rest.partition(tags[1])
    answer = answer.strip(WHITESPACE)
    if answer_tags and answer:
        assert answer.startswith(answer_tags[0])
        assert answer.endswith(answer_tags[1])
        answer = answer.removeprefix(answer_tags[0]).removesuffix(answer_tags[1])
    return [reasoning.strip(WHITESPACE), answer.strip(WHITESPACE)]
