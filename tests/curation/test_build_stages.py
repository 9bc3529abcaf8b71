"""Evaluation questions and near duplicates in whole builds: what a manifest says of them, and its dataset again."""

import json
import shutil
from decimal import Decimal
from pathlib import Path

import pytest

from manifests.cli import main as manifests_main
from manifests.disk import sha256_file
from manifests.keys import Trace
from manifests.manifest import Manifest
from tests.curation.helpers import (
    build_mix,
    files_below,
    ledger_of,
    numbers_of,
    rejects_of,
    run_command,
    source,
    traces,
    write_traces,
)

QUESTION = (
    "A baker sells forty loaves at the market every day. How many loaves does the baker sell in one week?"
)
OTHER = "Two trains leave the same town at noon. How far apart are the two trains after three long hours?"


def write_questions(path: Path, *questions: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps({"question": text}) + "\n" for text in questions), encoding="utf-8")
    return path


def words(*numbers: int) -> str:
    return " ".join(f"word{number}" for number in numbers)


def near_rows() -> list[Trace]:
    """Row 2 is near row 1, row 4 near row 3, row 5 near nothing."""
    one, two = words(*range(100)), words(*range(200, 300))
    return [
        Trace("First?", one, "1"),
        Trace("First?", one + " more", "1"),
        Trace("Second?", two, "2"),
        Trace("Second?", "well " + two, "2"),
        Trace("Third?", words(*range(0, 200, 2)), "3"),
    ]


def held_again(folder: Path, manifest: Manifest, capsys: pytest.CaptureFixture[str]) -> None:
    """A manifest verifies with its dataset, and its dataset comes back byte for byte."""
    store = folder / "store"
    assert manifests_main(["verify", manifest.id, "--dataset", "--store", str(store)]) == 0
    before = files_below(store / "datasets" / manifest.id)
    shutil.rmtree(store / "datasets" / manifest.id)
    assert run_command(capsys, "regenerate", manifest.id, "--store", store).status == 0
    assert files_below(store / "datasets" / manifest.id) == before


def test_a_row_with_an_evaluation_question_is_rejected_with_the_question_it_matched(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = [Trace(f"Please solve: {OTHER} Thanks.", "a", "b"), Trace(QUESTION.upper(), "a", "b")]
    write_traces(tmp_path / "one.jsonl", [*traces(4), *asked])
    write_traces(tmp_path / "two.csv", [*traces(4, first=50), asked[0]])
    questions = write_questions(tmp_path / "tests" / "a" / "test.jsonl", QUESTION, "Too short?", OTHER)
    manifest = build_mix(
        tmp_path,
        source("one"),
        source("two", "two.csv", draw="raw"),
        decontaminate={"against": ["tests/*/test.jsonl"], "min": Decimal("0.8")},
    ).manifest
    label = "a/test.jsonl"
    assert rejects_of(manifest) == [
        ("one", 5, "decontaminate", "evaluation-question", f"{label}:3", "", "", 0),
        ("one", 6, "decontaminate", "evaluation-question", f"{label}:1", "", "", 0),
        ("two", 5, "decontaminate", "evaluation-question", f"{label}:3", "", "", 0),
    ]
    assert [stage for stage, *_ in ledger_of(manifest)["one"]] == [
        *("rows", "parse", "decontaminate", "duplicates", "across", "take"),
    ]
    assert [stage for stage, *_ in ledger_of(manifest)["two"]] == [
        *("rows", "take", "parse", "decontaminate", "duplicates", "across"),
    ]
    identity = json.loads(manifest.identity.data)
    size, sha256 = sha256_file(questions)
    assert identity["decontamination"] == {
        "algorithm": "ngram-overlap/1",
        "files": [{"path": label, "size": size, "sha256": sha256, "questions": 2, "too_short": 1}],
    }
    assert identity["recipe"]["decontaminate"] == {"min": "0.8"}
    shutil.rmtree(tmp_path / "tests")  # who regenerates needs no questions
    held_again(tmp_path, manifest, capsys)


def test_the_id_holds_what_the_question_files_hold_and_not_where_they_lie(tmp_path: Path) -> None:
    write_traces(tmp_path / "one.jsonl", traces(4))

    def identifier(against: object, **keys: object) -> str:
        return build_mix(
            tmp_path, source("one"), decontaminate={"against": [str(against)], **keys}
        ).manifest.id

    here = write_questions(tmp_path / "test.jsonl", QUESTION)
    there = write_questions(tmp_path / "else" / "where" / "test.jsonl", QUESTION)
    assert identifier("test.jsonl") == identifier(there) == identifier("else/where/*")
    renamed = write_questions(tmp_path / "named.jsonl", QUESTION)
    others = {
        identifier("test.jsonl"),
        identifier(renamed),
        identifier("test.jsonl", min=1),
        identifier("test.jsonl", words=8),
        build_mix(tmp_path, source("one")).manifest.id,
    }
    assert len(others) == 5
    before = identifier(here)
    write_questions(here, QUESTION, OTHER)
    assert identifier(here) != before


def test_without_decontamination_or_near_duplicates_the_identity_has_no_key_for_them(tmp_path: Path) -> None:
    write_traces(tmp_path / "one.jsonl", traces(4))
    identity = json.loads(build_mix(tmp_path, source("one")).manifest.identity.data)
    assert "decontamination" not in identity
    assert set(identity["algorithms"]) == {"content", "prompt", "order", "takes"}


def test_questions_that_nothing_matches_leave_a_stage_that_drops_nothing(tmp_path: Path) -> None:
    write_traces(tmp_path / "one.jsonl", traces(4))
    write_questions(tmp_path / "test.jsonl", QUESTION)
    manifest = build_mix(tmp_path, source("one"), decontaminate={"against": ["test.jsonl"]}).manifest
    assert ledger_of(manifest)["one"][2] == ("decontaminate", 4, 4, {})


@pytest.mark.parametrize("suffix", [".parquet", ".jsonl", ".csv"])
@pytest.mark.parametrize("take", ["all", {"first": 3}], ids=["all", "drawn"])
def test_a_near_duplicate_is_rejected_with_the_row_that_is_kept(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], suffix: str, take: object
) -> None:
    """With every row taken its text is put aside at the first reading; else candidates are read once more."""
    write_traces(tmp_path / f"one{suffix}", [*near_rows(), near_rows()[1]])
    entry = source("one", f"one{suffix}", near={"threshold": Decimal("0.8")}, take=take)
    manifest = build_mix(tmp_path, entry).manifest
    assert rejects_of(manifest) == [
        ("one", 2, "near", "near-duplicate", "", "", "one", 1),
        ("one", 4, "near", "near-duplicate", "", "", "one", 3),
        ("one", 6, "duplicates", "same-content", "", "", "one", 2),
    ]
    assert numbers_of(manifest) == [1, 3, 5]
    assert ledger_of(manifest)["one"] == [
        ("rows", 6, 6, {}),
        ("parse", 6, 6, {}),
        ("duplicates", 6, 5, {"same-content": 1}),
        ("near", 5, 3, {"near-duplicate": 2}),
        ("across", 3, 3, {}),
        ("take", 3, 3, {}),
    ]
    identity = json.loads(manifest.identity.data)
    assert identity["algorithms"]["near"] == {"one": "near/minhash-lsh/1"}
    assert identity["recipe"]["source"][0]["near"] == {"threshold": "0.8"}
    held_again(tmp_path, manifest, capsys)


def test_near_duplicates_are_sought_where_a_source_asks_for_them_and_not_across_sources(
    tmp_path: Path,
) -> None:
    write_traces(tmp_path / "one.jsonl", near_rows()[:4])
    write_traces(tmp_path / "two.jsonl", [row._replace(answer="other") for row in near_rows()[:4]])
    manifest = build_mix(tmp_path, source("one", near={}), source("two")).manifest
    assert json.loads(manifest.identity.data)["algorithms"]["near"] == {"one": "near/minhash-lsh/1"}
    assert {(row[0], row[1]) for row in rejects_of(manifest)} == {("one", 2), ("one", 4)}


def test_near_duplicates_are_guarded(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    same = [Trace("First?", words(*range(100)) + f" {number}", "1") for number in range(5)]
    write_traces(tmp_path / "one.jsonl", same)
    (tmp_path / "recipe.toml").write_text(
        'name = "mix"\n[[source]]\nname = "one"\nfiles = "one.jsonl"\nnear = {}\n'
        'columns = { prompt = "prompt", reasoning = "reasoning", answer = "answer" }\n'
    )
    outcome = run_command(capsys, "build", tmp_path / "recipe.toml", "--store", tmp_path / "store")
    assert outcome.status == 1
    assert "stage near would drop 4 of 5 rows" in outcome.error
    assert "4 of them near-duplicate" in outcome.error


def test_a_raw_draw_seeks_near_duplicates_among_what_was_drawn(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_traces(tmp_path / "one.jsonl", near_rows())
    entry = source("one", near={}, draw="raw", rows=[2, 5], take={"first": 4})
    manifest = build_mix(tmp_path, entry).manifest
    assert numbers_of(manifest) == [2, 3, 5]
    assert [stage for stage, *_ in ledger_of(manifest)["one"]] == [
        *("rows", "take", "parse", "duplicates", "near", "across"),
    ]
    held_again(tmp_path, manifest, capsys)
