"""`manifests export` as it is typed, and the commands that an exported folder tells to whoever gets it."""

import argparse
import json
import shlex
from pathlib import Path

import pytest

from manifests.command import Parser, common_flags, run
from manifests.commands import export
from manifests.export.exporting import FORMATS
from manifests.store import Store
from tests.manifests.export_parts import LATER, chain
from tests.manifests.helpers import files_below, run_python


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """A store with `early` and `later`; nobody changes it."""
    return chain(tmp_path_factory.mktemp("chain"))


def typed(*arguments: object) -> int:
    parser = Parser(prog="manifests")
    export.add(parser.add_subparsers(required=True), [common_flags()])
    return run(parser, ["export", *map(str, arguments)])


@pytest.mark.parametrize("kind", FORMATS)
def test_json_names_id_format_folder_and_files(
    kind: str, store: Store, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    assert typed(LATER, "--format", kind, "--out", out, "--store", store.root, "--json") == 0
    told = json.loads(capsys.readouterr().out)
    assert told.keys() == {"id", "format", "out", "files"}
    assert (told["id"], told["format"], told["out"]) == (store.resolve(LATER), kind, str(out))
    assert {file["path"]: file["size"] for file in told["files"]} == {
        path: len(data) for path, data in files_below(out).items()
    }
    assert all(file.keys() == {"path", "size", "sha256"} for file in told["files"])


def test_the_text_names_the_files_and_the_command_that_uploads_them(
    store: Store, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "a b"
    assert typed(LATER, "--format", "kaggle", "--out", out, "--owner", "me", "--store", store.root) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == f"manifest {store.resolve(LATER)} as kaggle in {out}"
    assert lines[-1] == f"to upload it: kaggle datasets create -p {shlex.quote(str(out))} --dir-mode zip"
    assert any(line.endswith("  dataset-metadata.json") for line in lines)


def test_croissant_goes_wherever_the_data_go_and_names_no_place(
    store: Store, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert typed(LATER, "--format", "croissant", "--out", tmp_path / "out", "--store", store.root) == 0
    assert "upload" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ((LATER, "--format", "zip", "--out", "x"), "invalid choice: 'zip'"),
        ((LATER, "--format", "hub"), "--out"),
        ((LATER, "--out", "x"), "--format"),
        (("never", "--format", "hub", "--out", "x"), "no manifest of that name"),
        ((LATER, "--format", "hub", "--out", "."), "it exists already"),
        ((LATER, "--format", "hub", "--out", "x", "--owner", "me"), "only the format kaggle"),
    ],
)
def test_a_request_that_can_not_be_met_is_one_line_and_status_2(
    arguments: tuple[str, ...],
    told: str,
    store: Store,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert typed(*arguments, "--store", store.root) == 2
    errors = capsys.readouterr().err
    assert errors.count("\n") == 1
    assert told in errors
    assert list(tmp_path.iterdir()) == []


def test_progress_comes_after_two_seconds_with_rate_and_time_left(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    times = iter([100.0, 101.0, 102.5, 103.0, 110.0])
    monkeypatch.setattr("time.monotonic", lambda: next(times))
    tell = export._progress()
    for done in (1_000, 5_000, 6_000, 10_000):
        tell(done, 20_000)
    assert capsys.readouterr().err.splitlines() == [
        "export: 5,000 of 20,000 rows, 2,000 a second, 8 s left",
        "export: 10,000 of 20,000 rows, 1,000 a second, 10 s left",
    ]


def test_the_commands_of_the_card_verify_and_regenerate(store: Store, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert typed(LATER, "--format", "hub", "--out", out, "--store", store.root) == 0
    commands = [
        shlex.split(line.replace("=DIR", f"={store.root.parent}").replace("--store .", f"--store {out}"))
        for line in (out / "README.md").read_text().splitlines()
        if line.startswith(("manifests ", "curation "))
    ]
    assert [command[0] for command in commands] == ["manifests", "curation"]
    for program, *arguments in commands:
        done = run_python(
            "-m", program, *(str(tmp_path / "again") if "-again" in each else each for each in arguments)
        )
        assert done.returncode == 0, done.stderr
    rebuilt, sent = (sorted(folder.rglob("train-*")) for folder in (tmp_path / "again", out))
    assert [file.read_bytes() for file in rebuilt] == [file.read_bytes() for file in sent]


def test_the_flag_for_the_format_lists_what_there_is() -> None:
    parser = Parser(prog="manifests")
    commands = parser.add_subparsers(required=True)
    export.add(commands, [common_flags()])
    flags = {action.dest: action for action in commands.choices["export"]._actions}
    assert isinstance(flags["format"], argparse.Action)
    assert tuple(flags["format"].choices or ()) == FORMATS
