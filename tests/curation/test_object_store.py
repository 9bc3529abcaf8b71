"""A store in an object store, against a local S3 server: what is published there, and what another machine reads."""

from pathlib import Path

import pytest

from manifests.cli import main as manifests_main
from tests.curation.helpers import Outcome, files_below, run_command, source, traces, write_recipe, write_traces
from tests.object_server import Bucket, bucket, object_server

__all__ = ["bucket", "object_server"]


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    write_traces(tmp_path / "one.jsonl", traces(20))
    return write_recipe(tmp_path / "mix.toml", source("one", tmp_path / "one.jsonl"))


def manifests(capture: pytest.CaptureFixture[str], *arguments: object) -> Outcome:
    capture.readouterr()
    status = manifests_main([str(argument) for argument in arguments])
    return Outcome(status, *capture.readouterr())


def another_machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str = "another") -> None:
    """From now on nothing is mirrored here."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / f"cache-of-{name}"))


def test_what_one_machine_builds_another_lists_shows_and_verifies(
    bucket: Bucket,
    recipe: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    store = f"{bucket.url}/team/store"
    local = run_command(capsys, "build", recipe, "--store", tmp_path / "store", "--json").result
    built = run_command(capsys, "build", recipe, "--store", store, "--json").result
    assert built == local
    assert sorted(bucket.objects()) == sorted(
        f"team/store/{path}" for path in files_below(tmp_path / "store") if not path.startswith("local/")
    )
    another_machine(monkeypatch, tmp_path)
    listed = manifests(capsys, "list", "--store", store, "--json").result
    shown = manifests(capsys, "show", "mix", "--store", store, "--json").result
    checked = manifests(capsys, "verify", "mix:1", "--dataset", "--deep", "--store", store, "--json").result
    assert [entry["name"] for entry in listed["manifests"]][-1:] == ["mix"]
    assert shown["id"] == built["id"]
    assert shown["dataset"] == f"{store}/datasets/{built['id']}"
    assert checked["dataset_rows"] == 20
