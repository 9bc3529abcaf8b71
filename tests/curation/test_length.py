"""`length = { max_chars = N }`, and the story that the collapse guard is for."""

import json
import random
from pathlib import Path

import pytest

from manifests.cli import main as manifests_main
from manifests.keys import Trace
from tests.curation.helpers import (
    build_mix,
    ledger_of,
    left_behind,
    numbers_of,
    rejects_of,
    run_command,
    source,
    store_at,
    write_recipe,
    write_traces,
)

WORDS = ("so", "then", "the", "result", "is", "again", "not", "what", "we", "wanted", "therefore", "wait")


def lengths_like_glaive(count: int) -> list[int]:
    """Characters of Glaive's responses (p50 7,078, p90 9,398, p95 10,362, p99 15,731), in between straight lines."""
    shares, characters = (
        [0.0, 0.01, 0.5, 0.9, 0.95, 0.99, 1.0],
        [3_500, 4_100, 7_078, 9_398, 10_362, 15_731, 20_000],
    )
    found = []
    for number in range(count):
        share = (number + 0.5) / count
        upper = next(place for place, edge in enumerate(shares) if share < edge)
        within = (share - shares[upper - 1]) / (shares[upper] - shares[upper - 1])
        found.append(round(characters[upper - 1] + within * (characters[upper] - characters[upper - 1])))
    random.Random(1).shuffle(found)
    return found


def prose(number: int, characters: int) -> str:
    text = f"{number}: " + " ".join(random.Random(number).choices(WORDS, k=characters // 4))
    return text[: characters - 1].strip() + "."


def glaive(count: int) -> list[Trace]:
    return [
        Trace(f"Question {number}?", prose(number, characters), f"Answer {number}.")
        for number, characters in enumerate(lengths_like_glaive(count))
    ]


def test_the_length_is_that_of_prompt_reasoning_and_answer_in_code_points_and_exactly_so_many_may_stay(
    tmp_path: Path,
) -> None:
    rows = [
        Trace("a" * 4, "b" * 3, "c" * 3),
        Trace("a" * 4, "b" * 3, "c" * 4),
        Trace("é" * 4, "\U0001f600" * 3, "火" * 3),
        Trace("é" * 4, "\U0001f600" * 4, "火" * 3),
        Trace("e\u0301" * 2, "  b  ", "\n12345\n"),
        Trace("e\u0301" * 2, "b", "123456"),
    ]
    write_traces(tmp_path / "one.jsonl", rows)
    manifest = build_mix(tmp_path, source("one", length={"max_chars": 10})).manifest
    assert numbers_of(manifest) == [1, 3, 5]
    assert manifest.rows.column("chars").to_pylist() == [10, 10, 10]
    assert rejects_of(manifest) == [("one", row, "length", "too-long", "", "", "", 0) for row in (2, 4, 6)]
    assert ledger_of(manifest)["one"][1:3] == [("parse", 6, 6, {}), ("length", 6, 3, {"too-long": 3})]
    assert json.loads(manifest.identity.data)["recipe"]["source"][0]["length"] == {"max_chars": 10}


def test_a_length_that_drops_nothing_is_a_stage_and_another_id(tmp_path: Path) -> None:
    write_traces(tmp_path / "one.jsonl", glaive(5))
    without = build_mix(tmp_path, source("one")).manifest
    limited = build_mix(tmp_path, source("one", length={"max_chars": 50_000})).manifest
    assert ("length", 5, 5, {}) in ledger_of(limited)["one"]
    assert "length" not in [stage for stage, *_ in ledger_of(without)["one"]]
    assert limited.content_digest == without.content_digest
    assert limited.id != without.id


def test_the_story_a_length_filter_that_would_take_nearly_everything_stops_the_build_and_says_why(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Once, such a filter took 99 % of the rows in silence; training ran on the rest, and the model got worse."""
    written = glaive(400)
    dropped = sum(sum(map(len, trace)) > 4_000 for trace in written)
    assert dropped / 400 >= 0.99
    first = next(row for row, trace in enumerate(written, 1) if sum(map(len, trace)) > 4_000)
    write_traces(tmp_path / "glaive.jsonl", written)
    entry = source("glaive", length={"max_chars": 4_000})
    recipe, store = write_recipe(tmp_path / "recipe.toml", entry), tmp_path / "store"
    for flags in ([], ["--json"], ["--workers", "2"]):
        outcome = run_command(capsys, "build", recipe, "--store", store, *flags)
        assert outcome.status == 1
        assert outcome.error == (
            f"source glaive: stage length would drop {dropped} of 400 rows ({dropped / 400:.1%}, "
            f"max_drop allows 50.0%): {dropped} of them too-long, first row {first}; "
            "mend the recipe, or set max_drop if it is meant"
        )
        assert left_behind(store) == []

    # Who means it says so, and gets what is left, with every row that left on record.
    write_recipe(recipe, {**entry, "max_drop": 1})
    outcome = run_command(capsys, "build", recipe, "--store", store, "--json")
    assert (outcome.status, outcome.result["rows"]) == (0, 400 - dropped)
    manifest = store_at(store).manifest(str(outcome.result["id"]))
    assert ledger_of(manifest)["glaive"][2] == ("length", 400, 400 - dropped, {"too-long": dropped})
    assert manifests_main(["verify", manifest.id, "--dataset", "--store", str(store)]) == 0


@pytest.mark.parametrize(("allowed", "status"), [("0.99", 1), ("0.995", 0)])
def test_the_guard_counts_of_the_rows_that_came_to_the_stage(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], allowed: str, status: int
) -> None:
    """199 of 200 are too long; the 300 that are no traces have left before."""
    rows = [Trace("", "", "")] * 300 + [Trace(f"{number}", "b" * 20, "c") for number in range(199)]
    write_traces(tmp_path / "one.jsonl", [*rows, Trace("a", "b", "c")])
    recipe = write_recipe(tmp_path / "recipe.toml", source("one", length={"max_chars": 10}, max_drop=0.9))
    recipe.write_text(recipe.read_text().replace("max_drop = 0.9", f"max_drop = {allowed}"))
    outcome = run_command(capsys, "build", recipe, "--store", tmp_path / "store")
    assert outcome.status == status
    if status:
        assert "stage length would drop 199 of 200 rows (99.5%, max_drop allows 99.0%)" in outcome.error
