import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from manifests.cli import main as manifests_main
from tests.curation.helpers import (
    ROOT,
    Command,
    Outcome,
    files_below,
    ledger_of,
    left_behind,
    run_command,
    source,
    store_at,
    traces,
    write_recipe,
    write_traces,
)


@pytest.fixture
def curation(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Command:
    """Runs `curation` in a folder of this test, whose store is the one of the environment."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ZEROCOST_STORE", str(tmp_path / "store"))

    def run(*arguments: object) -> Outcome:
        return run_command(capsys, *arguments)

    return run


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    """A recipe that can be built."""
    write_traces(tmp_path / "one.jsonl", [*traces(9), *traces(2)])
    return write_recipe(tmp_path / "recipe.toml", source("one", take={"first": 8}))


def test_build_prints_one_json_object_that_says_what_was_built(
    curation: Command, recipe: Path, tmp_path: Path
) -> None:
    outcome = curation("build", recipe, "--json")
    assert (outcome.status, outcome.err) == (0, "")
    assert outcome.out.count("\n") == 1
    result = outcome.result
    manifest = store_at(tmp_path / "store").manifest("mix")
    assert result == {
        "id": manifest.id,
        "name": "mix",
        "version": 1,
        "rows": 8,
        "rejects": 2,
        "content_digest": manifest.content_digest,
        "ledger": json.loads(manifest.identity.data)["ledger"],
        "parents": [],
        "notes": [],
    }


def test_build_tells_people_the_id_and_what_became_of_the_rows_of_each_source(
    curation: Command, recipe: Path, tmp_path: Path
) -> None:
    outcome = curation("build", recipe)
    manifest = store_at(tmp_path / "store").manifest("mix")
    assert (outcome.status, outcome.err) == (0, "")
    assert "built mix:1" in outcome.out
    assert manifest.id in outcome.out
    assert manifest.content_digest in outcome.out
    headings, one, *reasons = outcome.out.splitlines()[4:]
    assert headings.split("  ")[1].strip() == "source"
    # Rows in, rejected, not taken, out, share of the mix.
    assert one.split()[:6] == ["one", "11", "2", "1", "8", "100.0%"]
    assert [line.split() for line in reasons] == [["rejected:"], ["2", "one,", "duplicates:", "same-content"]]


def test_the_ledger_that_is_printed_conserves_rows(curation: Command, recipe: Path) -> None:
    ledger = curation("build", recipe, "--json").result["ledger"]
    assert isinstance(ledger, list)
    for entry in ledger:
        handed_on = entry["stages"][0]["in"]
        for stage in entry["stages"]:
            assert stage["in"] == handed_on == stage["out"] + sum(stage["dropped"].values())
            handed_on = stage["out"]
    assert [stage["stage"] for stage in ledger[0]["stages"]] == [
        "rows",
        "parse",
        "duplicates",
        "across",
        "take",
    ]


def test_the_number_of_workers_changes_nothing_that_is_said(curation: Command, recipe: Path) -> None:
    said = [curation("build", recipe, "--json", "--workers", number).result for number in (1, 2)]
    assert said[0] == said[1]
    for number in (1, 2):
        again = curation("regenerate", "mix", "--out", f"again-{number}", "--workers", number, "--json")
        assert (again.status, again.result["id"]) == (0, said[0]["id"])


def test_regenerate_tells_people_what_it_did(curation: Command, recipe: Path, tmp_path: Path) -> None:
    curation("build", recipe)
    manifest = store_at(tmp_path / "store").manifest("mix")
    outcome = curation("regenerate", "mix")
    assert outcome.status == 0
    assert f"dataset of {manifest.id[:12]} was whole already: 8 rows" in outcome.out
    outcome = curation("regenerate", "mix", "--out", "elsewhere")
    assert (outcome.status, outcome.err) == (0, "")
    assert "rebuilt from its sources" in outcome.out
    assert manifest.content_digest in outcome.out


def test_a_dry_run_says_how_much_there_is_and_reads_none_of_it(curation: Command, tmp_path: Path) -> None:
    (tmp_path / "one.jsonl").write_bytes(b"\xff" * 10)
    (tmp_path / "two.parquet").write_bytes(b"garbage")
    (tmp_path / "two.json").write_bytes(b"")
    path = write_recipe(tmp_path / "recipe.toml", source("one"), source("two", "two.*"))
    before = files_below(tmp_path)
    outcome = curation("build", path, "--dry-run", "--json")
    assert (outcome.status, outcome.err) == (0, "")
    assert outcome.result == {
        "sources": {
            "one": {"files": 1, "bytes": 10, "paths": ["one.jsonl"]},
            "two": {"files": 2, "bytes": 7, "paths": ["two.json", "two.parquet"]},
        },
        "bytes": 17,
    }
    outcome = curation("build", path, "--dry-run")
    assert "all rows, at most 1 of 1 files, 10 bytes, from " in outcome.out
    assert "at most 17 bytes to read" in outcome.out
    assert files_below(tmp_path) == before
    assert not (tmp_path / "store").exists()


def test_a_dry_run_refuses_what_a_build_would_refuse_before_it_reads(
    curation: Command, tmp_path: Path
) -> None:
    path = write_recipe(tmp_path / "recipe.toml", source("one", "absent.csv"))
    assert curation("build", path, "--dry-run").status == 2
    path = write_recipe(tmp_path / "recipe.toml", source("one", rows=[5, 3]))
    assert curation("build", path, "--dry-run").status == 2


@pytest.mark.parametrize(
    ("arguments", "status", "line"),
    [
        (["build", "absent.toml"], 2, "recipe 'absent.toml': no such file"),
        (["build", "."], 2, "recipe '.': is a folder"),
        (["build", "no-such-recipe"], 2, "recipe 'no-such-recipe': no such file"),
        (["build"], 2, "the following arguments are required: RECIPE"),
        (["build", "a.toml", "b.toml"], 2, "unrecognized arguments: b.toml"),
        (["build", "a.toml", "--quick"], 2, "unrecognized arguments: --quick"),
        *(
            ([*command, "--workers", number], 2, f"{number!r}: expected a whole number from 1 to 1,024")
            for command in (["build", "a.toml"], ["regenerate", "a"])
            for number in ("0", "-1", "two", "1.0", "1025", "9" * 50, "٣")
        ),
        (["rebuild"], 2, "invalid choice: 'rebuild'"),
        ([], 2, "the following arguments are required: COMMAND"),
        (["regenerate"], 2, "the following arguments are required: ID"),
        (["regenerate", "absent"], 2, "'absent': no manifest of that name"),
        (["regenerate", "Absent"], 2, "name 'Absent'"),
        (["demo-sources"], 2, "the following arguments are required: DIR"),
    ],
)
def test_a_request_that_can_not_be_carried_out_is_one_line_and_status_2(
    curation: Command, tmp_path: Path, arguments: list[str], status: int, line: str
) -> None:
    outcome = curation(*arguments)
    assert outcome.status == status
    assert line in outcome.error
    assert left_behind(tmp_path / "store") == []


@pytest.mark.parametrize(
    ("keys", "status", "line"),
    [
        ({"take": {"frist": 5}}, 2, "take: unknown key 'frist'"),
        ({"files": "absent.csv"}, 2, "source one: no file matches"),
        ({"columns": {"prompt": "question", "response": "answer"}}, 2, "no row has a 'question'"),
        ({"rows": [1, 12]}, 2, "it has only 11 rows"),
        ({"take": {"first": 10}}, 2, "only 9 rows are left"),
        ({"max_drop": 0}, 1, "stage duplicates would drop 2 of 11 rows"),
        ({"expect": {"rows": 10}}, 1, "9 rows in the finished manifest"),
    ],
)
def test_a_build_that_fails_is_one_line_and_the_status_of_its_cause(
    curation: Command, recipe: Path, tmp_path: Path, keys: dict[str, object], status: int, line: str
) -> None:
    write_recipe(recipe, source("one") | keys)
    for json_flag in ([], ["--json"]):
        outcome = curation("build", recipe, *json_flag)
        assert outcome.status == status
        assert line in outcome.error
        assert left_behind(tmp_path / "store") == []


def test_an_overlap_that_is_refused_is_status_1(curation: Command, recipe: Path) -> None:
    curation("build", recipe)
    disjoint = {"from": ["mix"], "on_overlap": "error"}
    write_recipe(recipe, source("one"), name="later", disjoint=disjoint)
    outcome = curation("build", recipe)
    assert outcome.status == 1
    assert outcome.error.startswith("8 rows are in an earlier manifest, the first one:1 ")


def test_an_error_shows_the_control_characters_of_its_data_escaped(curation: Command, tmp_path: Path) -> None:
    (tmp_path / "one.csv").write_bytes(b"a\x1b[31m\x07b,c\nd,e\n")
    path = write_recipe(tmp_path / "recipe.toml", source("one", "one.csv"))
    assert r"a\x1b[31m\x07b" in curation("build", path).error


@pytest.mark.parametrize("where", ["file", "below a file"])
def test_a_store_that_can_not_be_written_is_refused(
    curation: Command, recipe: Path, tmp_path: Path, where: str
) -> None:
    (tmp_path / "taken").touch()
    store = tmp_path / "taken" if where == "file" else tmp_path / "taken" / "store"
    before = files_below(tmp_path)
    outcome = curation("build", recipe, "--store", store)
    assert outcome.status == 2
    assert str(tmp_path / "taken") in outcome.error
    assert files_below(tmp_path) == before


def test_a_store_given_goes_before_that_of_the_environment(
    curation: Command, recipe: Path, tmp_path: Path
) -> None:
    assert curation("build", recipe, "--store", "other").status == 0
    assert (tmp_path / "other" / "manifests").is_dir()
    assert not (tmp_path / "store").exists()


def test_without_any_store_given_it_is_the_folder_store(
    curation: Command, recipe: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("ZEROCOST_STORE")
    assert curation("build", recipe.name).status == 0
    assert (tmp_path / "store" / "manifests").is_dir()


def test_what_curation_built_manifests_verifies(
    curation: Command, recipe: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    identifier = curation("build", recipe, "--json").result["id"]
    assert manifests_main(["verify", str(identifier), "--dataset", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["dataset_rows"] == 8


def test_the_module_is_the_command(recipe: Path, tmp_path: Path) -> None:
    """As a process of its own: nothing but the result on standard output, one line on standard error, no traceback."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}

    def run(*arguments: object) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "curation", *map(str, arguments)],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )

    done = run("build", recipe, "--json")
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout)["rows"] == 8
    write_recipe(recipe, source("one", take={"first": 100}))
    done = run("build", recipe)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("curation: error: source one: take = ")
    assert done.stderr.count("\n") == 1


def test_the_ledger_of_the_result_is_the_manifests(curation: Command, recipe: Path, tmp_path: Path) -> None:
    result = curation("build", recipe, "--json").result
    manifest = store_at(tmp_path / "store").manifest(str(result["id"]))
    assert ledger_of(manifest)["one"][-1] == ("take", 9, 8, {"not-taken": 1})
