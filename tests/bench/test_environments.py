"""The rivals' environments: whole lists of exact versions, nothing from elsewhere, and a reason where there is none."""

import importlib
import re
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import cast

import pytest

from benchmarks.bench import environments
from benchmarks.bench.contest import OWN, RIVALS, Contest
from benchmarks.bench.environments import BROUGHT, open_environment, own, read_list
from benchmarks.bench.run import CONTESTS, ROOT

LISTS = sorted(RIVALS.glob("*.txt"))


@pytest.mark.parametrize("path", LISTS, ids=lambda path: path.stem)
def test_a_list_names_exact_versions_and_nothing_else(path: Path) -> None:
    lines = [line for line in read_list(path) if line != BROUGHT]
    assert all(re.fullmatch(r"[a-z0-9][a-z0-9._-]*==[0-9][A-Za-z0-9.+!]*", line) for line in lines)
    assert len({line.partition("==")[0] for line in lines}) == len(lines)


def test_each_environment_that_a_contest_names_has_its_list_and_each_list_is_used() -> None:
    text = "".join(path.read_text() for path in (ROOT / "benchmarks" / "bench" / "contests").glob("*.py"))
    used = {path.stem for path in LISTS if f'"{path.stem}"' in text}
    assert used == {path.stem for path in LISTS}


@pytest.mark.parametrize("key", CONTESTS)
def test_a_contest_says_its_title_and_what_it_counts(key: str) -> None:
    contest = cast("Contest", importlib.import_module(f"benchmarks.bench.contests.{key}"))
    assert contest.TITLE
    assert contest.UNIT
    assert importlib.import_module(f"benchmarks.bench.contests.{key}").__doc__


def test_our_own_environment_is_the_python_that_runs() -> None:
    ours = open_environment(OWN, Path("/nowhere"), {})
    assert ours == own()
    assert ours.python == Path(sys.executable)
    assert {"polars", "pyarrow"} <= set(ours.versions)


def test_a_python_that_is_given_is_taken_and_asked_for_its_versions() -> None:
    given = open_environment("datasets", Path("/nowhere"), {"datasets": Path(sys.executable)})
    assert given.problem == ""
    assert set(given.versions) >= {"datasets", "langdetect"}


def test_a_python_that_cannot_be_run_is_said(tmp_path: Path) -> None:
    given = open_environment("duckdb", tmp_path, {"duckdb": tmp_path / "python"})
    assert (given.python, given.problem) == (None, "its Python can't be run: FileNotFoundError")


def an_environment(
    name: str, folder: Path, monkeypatch: pytest.MonkeyPatch, *lines: str
) -> environments.Environment:
    """One from a list of the test's own, without the index."""
    (folder / "lists").mkdir(exist_ok=True)
    (folder / "lists" / f"{name}.txt").write_text("".join(f"{line}\n" for line in lines))
    monkeypatch.setattr(environments, "RIVALS", folder / "lists")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    return open_environment(name, folder / "made", {})


@pytest.mark.slow
def test_an_environment_is_made_once_and_anew_when_its_list_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "wheels"))
    wheel(tmp_path / "wheels", "first")
    wheel(tmp_path / "wheels", "second")
    made = an_environment("some", tmp_path, monkeypatch, "first==1", BROUGHT, "second==1")
    assert made.problem == ""
    assert made.versions == {"first": "1"}
    assert made.python is not None
    (made.python.parent / "kept").touch()
    again = an_environment("some", tmp_path, monkeypatch, "first==1", BROUGHT, "second==1")
    assert again == made
    assert (made.python.parent / "kept").exists()
    an_environment("some", tmp_path, monkeypatch, "second==1")
    assert not (made.python.parent / "kept").exists()
    asked = [str(made.python), "-c", "import second; import first"]
    done = subprocess.run(asked, check=False, capture_output=True, text=True)
    assert "No module named 'first'" in done.stderr


@pytest.mark.slow
def test_what_cannot_be_installed_is_said_and_tried_again_the_next_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(2):
        made = an_environment("some", tmp_path, monkeypatch, "no-such-thing==1")
        assert made.python is None
        assert made.problem.startswith("can't be installed: ERROR: No matching distribution")
        assert not (tmp_path / "made" / "some" / "made-from").exists()


def wheel(folder: Path, name: str) -> None:
    """The smallest wheel."""
    folder.mkdir(exist_ok=True)
    info = f"{name}-1.dist-info"
    with zipfile.ZipFile(folder / f"{name}-1-py3-none-any.whl", "w") as file:
        file.writestr(f"{name}.py", "")
        file.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: 1\n")
        file.writestr(
            f"{info}/WHEEL", "Wheel-Version: 1.0\nGenerator: t\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        file.writestr(f"{info}/RECORD", f"{name}.py,,\n{info}/METADATA,,\n{info}/WHEEL,,\n{info}/RECORD,,\n")
