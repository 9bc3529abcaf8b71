"""`draw = "raw"`: what the scripts of the time drew, row for row; what can't be used of it is simply missing."""

import csv
import json
import random
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from manifests.keys import Trace
from tests.curation.helpers import (
    build_mix,
    files_below,
    ledger_of,
    numbers_of,
    reasons_of,
    rejects_of,
    run_command,
    source,
    texts_of,
    traces,
    write_traces,
)

COLUMNS = {"prompt": "instruction", "response": "output"}
TAGS = {"reasoning": ["<Thought>", "</Thought>"], "answer": ["<Output>", "</Output>"]}
SCRIPT = {"is": "en", "by": "script", "without": ["Han"]}

Reader = Callable[[Path], Iterator[dict[str, str]]]


def openo1(count: int) -> list[dict[str, str]]:
    """Rows like OpenO1-SFT's: some Chinese in prompt or response, some without tags, some twice."""
    generator, rows = random.Random(3), list[dict[str, str]]()
    for number in range(count):
        prompt, thought, answer = f'Question "{number}", what?\nAnd why?', f"Think of {number}.", str(number)
        kind = generator.randrange(10)
        if kind == 0:
            prompt = f"问题 {number}"
        elif kind == 1:
            thought = f"First {number}, 然后 more"
        output = f"<Thought>\n{thought}\n</Thought>\n<Output>\n{answer}\n</Output>"
        if kind == 2:
            output = answer
        row = {"instruction": prompt, "output": output}
        rows.append(rows[-5] if kind == 3 and number > 5 else row)
    return rows


def write_csv(path: Path, rows: list[dict[str, str]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, ["instruction", "output"])
        writer.writeheader()
        writer.writerows(rows)


def read_csv(path: Path) -> Iterator[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        yield from csv.DictReader(file)


def write_jsonl(path: Path, rows: list[dict[str, str]]) -> None:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


def read_jsonl(path: Path) -> Iterator[dict[str, str]]:
    with path.open(encoding="utf-8") as file:
        yield from map(json.loads, file)


def is_chinese(text: str) -> bool:
    return any("\u4e00" <= c <= "\u9fff" for c in text)


def plain_script(path: Path, read: Reader, count: int) -> list[tuple[int, dict[str, str]]]:
    """What the script of the time took: the English rows, shuffled, the first of them. With their numbers."""
    rows = [
        (number, row)
        for number, row in enumerate(read(path), 1)
        if not is_chinese(row["instruction"]) and not is_chinese(row["output"])
    ]
    random.seed(42)
    random.shuffle(rows)
    return rows[:count]


def usable(row: dict[str, str]) -> bool:
    return "<Thought>" in row["output"]


@pytest.mark.parametrize(
    ("name", "write", "read"), [("one.csv", write_csv, read_csv), ("one.jsonl", write_jsonl, read_jsonl)]
)
def test_with_english_by_script_first_it_is_the_plain_script_row_for_row(
    tmp_path: Path, name: str, write: Callable[[Path, list[dict[str, str]]], None], read: Reader
) -> None:
    write(tmp_path / name, openo1(600))
    entry = source(
        *("one", name),
        columns=COLUMNS,
        tags=TAGS,
        language=SCRIPT,
        draw="raw",
        take={"shuffle": 300, "seed": 42},
    )
    built = build_mix(tmp_path, entry)
    drawn = plain_script(tmp_path / name, read, 300)
    assert len(drawn) == 300

    seen: dict[str, int] = {}
    for number, row in sorted(drawn, key=lambda pair: pair[0]):
        if usable(row):
            seen.setdefault(json.dumps(row), number)
    expected = [(number, row) for number, row in drawn if seen.get(json.dumps(row)) == number]
    assert 0 < len(expected) < 300
    assert numbers_of(built.manifest) == [number for number, _ in expected]
    assert [trace.prompt for trace in texts_of(built, tmp_path / "store")] == [
        row["instruction"] for _, row in expected
    ]
    assert [
        f"<Thought>\n{trace.reasoning}\n</Thought>\n<Output>\n{trace.answer}\n</Output>"
        for trace in texts_of(built, tmp_path / "store")
    ] == [row["output"] for _, row in expected]

    chinese = {
        number
        for number, row in enumerate(read(tmp_path / name), 1)
        if is_chinese(row["instruction"]) or is_chinese(row["output"])
    }
    without_tags = {number for number, row in drawn if not usable(row)}
    twice = {number for number, row in drawn if usable(row)} - {number for number, _ in expected}
    english, taken = 600 - len(chinese), 300 - len(without_tags)
    assert reasons_of(built.manifest) == {
        **dict.fromkeys(chinese, ("language", "other-script")),
        **dict.fromkeys(without_tags, ("parse", "no-reasoning")),
        **dict.fromkeys(twice, ("duplicates", "same-content")),
    }
    assert ledger_of(built.manifest)["one"] == [
        ("rows", 600, 600, {}),
        ("language", 600, english, {"other-script": len(chinese)}),
        ("take", english, 300, {"not-taken": english - 300}),
        ("parse", 300, taken, {"no-reasoning": len(without_tags)}),
        ("duplicates", taken, len(expected), {"same-content": len(twice)}),
        ("across", len(expected), len(expected), {}),
    ]
    assert built.manifest.identity.detectors["one"].algorithm == "script/1"


def test_the_rule_on_raw_rows_looks_at_the_cells_that_are_text_whatever_parsing_will_say(
    tmp_path: Path,
) -> None:
    rows: list[object] = [
        {"instruction": "plain", "output": "<think>a</think>b"},
        {"instruction": None, "output": "中"},
        {"instruction": None, "output": "null stays until it is parsed"},
        {"instruction": "中", "output": 5},
        {"instruction": "no tags", "output": "中"},
        {"instruction": "elsewhere", "output": "<think>a</think>b", "other": "中"},
    ]
    (tmp_path / "one.jsonl").write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    entry = source("one", columns=COLUMNS, language=SCRIPT, draw="raw", take={"first": 3})
    manifest = build_mix(tmp_path, entry).manifest
    assert rejects_of(manifest) == [
        ("one", 2, "language", "other-script", "Han", "", "", 0),
        ("one", 3, "parse", "null", "", "", "", 0),
        ("one", 4, "language", "other-script", "Han", "", "", 0),
        ("one", 5, "language", "other-script", "Han", "", "", 0),
    ]
    assert numbers_of(manifest) == [1, 6]


def test_english_by_langdetect_looks_at_what_was_drawn(tmp_path: Path) -> None:
    english = "The train leaves the station at nine and arrives before the rain begins"
    german = "Der Zug verlässt den Bahnhof um neun und kommt an, bevor der Regen beginnt"
    texts = [Trace(f"{text} {n}", text, text) for n in range(10) for text in (english, german)]
    write_traces(tmp_path / "one.jsonl", texts)
    entry = source("one", language="en", draw="raw", take={"shuffle": 12, "seed": 5}, max_drop=1)
    manifest = build_mix(tmp_path, entry).manifest
    numbers = list(range(1, 21))
    random.seed(5)
    random.shuffle(numbers)
    drawn = numbers[:12]
    assert numbers_of(manifest) == [number for number in drawn if number % 2]
    germans = sum(number % 2 == 0 for number in drawn)
    assert ledger_of(manifest)["one"] == [
        ("rows", 20, 20, {}),
        ("take", 20, 12, {"not-taken": 8}),
        ("parse", 12, 12, {}),
        ("language", 12, 12 - germans, {"other-language": germans}),
        ("duplicates", 12 - germans, 12 - germans, {}),
        ("across", 12 - germans, 12 - germans, {}),
    ]


def test_without_a_count_a_raw_draw_takes_every_row_that_can_be_used(tmp_path: Path) -> None:
    write_traces(tmp_path / "one.jsonl", [*traces(4), Trace("", "a", "b"), *traces(1)])
    manifest = build_mix(tmp_path, source("one", draw="raw")).manifest
    assert numbers_of(manifest) == [1, 2, 3, 4]
    assert ledger_of(manifest)["one"][:3] == [
        ("rows", 6, 6, {}),
        ("take", 6, 6, {}),
        ("parse", 6, 5, {"no-prompt": 1}),
    ]


def test_a_rule_on_raw_rows_is_guarded(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_jsonl(tmp_path / "one.jsonl", [{"instruction": "中", "output": "<think>a</think>b"}] * 5)
    (tmp_path / "recipe.toml").write_text(
        'name = "mix"\n[[source]]\nname = "one"\nfiles = "one.jsonl"\ndraw = "raw"\n'
        'columns = { prompt = "instruction", response = "output" }\nlanguage = { by = "script" }\n'
    )
    outcome = run_command(capsys, "build", tmp_path / "recipe.toml", "--store", tmp_path / "store")
    assert outcome.status == 1
    assert "stage language would drop 5 of 5 rows" in outcome.error
    assert "5 of them other-script" in outcome.error


def test_too_few_rows_behind_the_rule_are_an_error_that_says_how_many(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_jsonl(tmp_path / "one.jsonl", openo1(20))
    (tmp_path / "recipe.toml").write_text(
        'name = "mix"\n[[source]]\nname = "one"\nfiles = "one.jsonl"\ndraw = "raw"\ntake = { shuffle = 20 }\n'
        'columns = { prompt = "instruction", response = "output" }\nlanguage = { by = "script" }\n'
    )
    english = sum(not is_chinese(json.dumps(row, ensure_ascii=False)) for row in openo1(20))
    outcome = run_command(capsys, "build", tmp_path / "recipe.toml", "--store", tmp_path / "store")
    assert outcome.status == 2
    assert outcome.error.startswith(
        f"source one: take = {{ shuffle = 20 }}, but only {english} rows are left; "
    )


@pytest.mark.parametrize("suffix", [".parquet", ".jsonl", ".json", ".csv", ".tsv"])
def test_a_raw_draw_from_a_range_of_several_files_is_regenerated(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], suffix: str
) -> None:
    for number, letter in enumerate("abcd"):
        rows = [
            Trace("中", "b", "c") if n % 9 == 4 else row
            for n, row in enumerate(traces(15, first=1 + 15 * number))
        ]
        write_traces(tmp_path / "data" / f"{letter}{suffix}", rows)
    entry = source(
        "one", f"data/*{suffix}", rows=[20, 50], language={"by": "script"}, draw="raw", take={"reservoir": 20}
    )
    built = build_mix(tmp_path, entry)
    assert len(numbers_of(built.manifest)) == 20
    out = tmp_path / "again"
    store = tmp_path / "store"
    outcome = run_command(capsys, "regenerate", built.manifest.id, "--store", store, "--out", out, "--json")
    assert (outcome.status, outcome.err) == (0, "")
    assert files_below(out) == files_below(store / "datasets" / built.manifest.id)
