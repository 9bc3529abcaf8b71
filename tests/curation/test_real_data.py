"""Two sessions from real reasoning data: drawn as plain scripts draw them, audited, and kept apart."""

import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from curation.errors import OverlapError
from manifests import cli as manifests_cli
from manifests.manifest import Manifest
from tests.curation.helpers import (
    build_mix,
    ledger_of,
    left_behind,
    numbers_of,
    plain_reservoir,
    plain_shuffle,
    rejects_of,
    rows_of,
    store_at,
)

TAGGED = {"reasoning": ["<think>", "</think>"], "answer": ["<answer>", "</answer>"]}
FLAN_ROWS, STAR_ROWS, GAME_ROWS = 33_443, 1_000, 1_638


def flan(data: Path, files: str = "*.tsv", **keys: object) -> dict[str, object]:
    columns = {"prompt": 1, "answer": 2, "reasoning": 3}
    path = str(data / "flan-cot" / "flan" / "v2" / "cot_data" / files)
    return {
        "name": "flan-cot",
        "files": path,
        "header": False,
        "columns": columns,
        "duplicates": "keep",
        **keys,
    }


def star(data: Path) -> dict[str, object]:
    path = str(data / "star-1" / "data" / "STAR-1.json")
    return {"name": "star-1", "files": path, "columns": {"prompt": "question", "response": "response"}}


def game(data: Path, first: int, last: int) -> dict[str, object]:
    path = str(data / "game24-r1" / "data" / "24game_sft" / "train.parquet")
    columns = {"prompt": "prompt", "response": "completion"}
    return {"name": "game24", "files": path, "columns": columns, "tags": TAGGED, "rows": [first, last]}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("real")


@pytest.fixture(scope="module")
def session1(shared_data: Path, folder: Path) -> Manifest:
    reservoir = {"reservoir": 10_000, "seed": 42}
    sources = flan(shared_data, take=reservoir), star(shared_data), game(shared_data, 1, 800)
    return build_mix(folder, *sources, name="session1", order="mixed", seed=42).manifest


@pytest.fixture(scope="module")
def session2(shared_data: Path, folder: Path) -> Manifest:
    return build_mix(
        folder, game(shared_data, 801, GAME_ROWS), name="session2", order="mixed", seed=42
    ).manifest


@pytest.fixture(scope="module")
def raw_rows(shared_data: Path) -> list[tuple[str, ...]]:
    """The rows of flan-cot as a plain script sees them: prompt, answer, reasoning."""
    paths = sorted((shared_data / "flan-cot" / "flan" / "v2" / "cot_data").glob("*.tsv"))
    return [
        tuple(line.split("\t"))
        for path in paths
        for line in path.read_text(encoding="utf-8").split("\n")
        if line
    ]


def audit(
    folder: Path, capture: pytest.CaptureFixture[str], *arguments: str
) -> tuple[int, dict[str, object]]:
    """Exit status and result of `manifests audit`."""
    status = manifests_cli.main(["audit", *arguments, "--store", str(folder / "store"), "--json"])
    result = json.loads(capture.readouterr().out)
    assert isinstance(result, dict)
    return status, result


def test_the_reservoir_is_what_the_plain_script_draws_from_the_raw_rows(
    shared_data: Path, folder: Path, raw_rows: list[tuple[str, ...]]
) -> None:
    assert len(raw_rows) == FLAN_ROWS
    built = build_mix(folder, flan(shared_data, take={"reservoir": 10_000, "seed": 42}))
    drawn = plain_reservoir(raw_rows, 10_000, 42)
    blocks = store_at(folder / "store").dataset_blocks(built.manifest)
    found = [
        (row["prompt"], row["answer"], row["reasoning"]) for block in blocks for row in block.to_pylist()
    ]
    assert found == [tuple(text.strip() for text in row) for row in drawn]
    assert numbers_of(built.manifest) == plain_reservoir(range(1, FLAN_ROWS + 1), 10_000, 42)


def test_the_shuffle_is_what_random_shuffle_leaves(shared_data: Path, folder: Path) -> None:
    built = build_mix(folder, flan(shared_data, take={"shuffle": 10_000}))
    assert numbers_of(built.manifest) == plain_shuffle(range(1, FLAN_ROWS + 1), 10_000, 42)


def test_session_1_is_the_reservoir_with_all_of_star_1_and_the_range_of_game24(session1: Manifest) -> None:
    rows = rows_of(session1)
    assert {row for name, row in rows if name == "flan-cot"} == set(
        plain_reservoir(range(1, FLAN_ROWS + 1), 10_000, 42)
    )
    assert sorted(row for name, row in rows if name == "star-1") == list(range(1, STAR_ROWS + 1))
    assert sorted(row for name, row in rows if name == "game24") == list(range(1, 801))
    assert len(rows) == 11_800
    assert session1.identity.rejects == 0
    assert ledger_of(session1)["flan-cot"][-1] == ("take", FLAN_ROWS, 10_000, {"not-taken": 23_443})


def test_game24_is_read_as_its_parquet_says(shared_data: Path, folder: Path, session2: Manifest) -> None:
    table = pq.read_table(game(shared_data, 1, 1)["files"], columns=["prompt", "completion"]).to_pylist()[
        800:
    ]
    blocks = store_at(folder / "store").dataset_blocks(session2)
    found = {row["row"]: row for block in blocks for row in block.to_pylist()}
    assert sorted(found) == list(range(801, GAME_ROWS + 1))
    for number, row in enumerate(table, 801):
        opening, thought, rest = row["completion"].partition("<think>")
        reasoning, _, rest = rest.partition("</think>")
        between, _, rest = rest.partition("<answer>")
        answer, _, after = rest.partition("</answer>")
        assert (opening + between + after).strip() == ""
        assert thought
        expected = [text.strip() for text in (row["prompt"], reasoning, answer)]
        assert [found[number][column] for column in ("prompt", "reasoning", "answer")] == expected


def test_the_audit_finds_nothing_between_the_two_ranges_of_game24(
    folder: Path, session1: Manifest, session2: Manifest, capsys: pytest.CaptureFixture[str]
) -> None:
    status, result = audit(folder, capsys, session1.id, session2.id, "--tiers", "row,content,prompt")
    assert status == 0
    assert [result[key] for key in ("same_row", "same_content", "same_prompt")] == [0, 0, 0]


def test_the_audit_finds_gsm8ks_questions_in_flan_cot(
    shared_data: Path, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = str(shared_data / "gsm8k" / "grade_school_math" / "data" / "train.jsonl")
    columns, tags = {"prompt": "question", "response": "answer"}, {"answer": ["####", ""]}
    build_mix(folder, {"name": "gsm8k", "files": path, "columns": columns, "tags": tags}, name="gsm8k")
    build_mix(folder, flan(shared_data, "gsm8k_train.tsv"), name="flan-gsm8k")
    status, result = audit(folder, capsys, "gsm8k", "flan-gsm8k", "--tiers", "prompt")
    assert status == 1
    assert result["same_prompt"] == 7_473
    assert result["same_row"] == 0


def test_a_session_2_that_reaches_back_loses_the_rows_it_shares(
    shared_data: Path, folder: Path, session1: Manifest
) -> None:
    overlapping = build_mix(
        folder, game(shared_data, 700, GAME_ROWS), disjoint={"from": ["session1"]}
    ).manifest
    assert ledger_of(overlapping)["game24"][-2] == ("disjoint", 939, 838, {"same-row": 101})
    assert [reject[1:4] for reject in rejects_of(overlapping)] == [
        (row, "disjoint", "same-row") for row in range(700, 801)
    ]
    assert {reject[5:7] for reject in rejects_of(overlapping)} == {(session1.id, "game24")}
    assert sorted(numbers_of(overlapping)) == list(range(801, GAME_ROWS + 1))


@pytest.mark.usefixtures("session1")
def test_a_session_2_that_reaches_back_is_refused_if_the_recipe_says_so(
    shared_data: Path, folder: Path
) -> None:
    before = left_behind(folder / "store")
    with pytest.raises(
        OverlapError,
        match=r"^101 rows are in an earlier manifest, the first game24:700 \(same-row as game24:700",
    ):
        build_mix(
            folder, game(shared_data, 700, GAME_ROWS), disjoint={"from": ["session1"], "on_overlap": "error"}
        )
    assert left_behind(folder / "store") == before
