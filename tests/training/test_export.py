"""`training export` on a run: what each format holds, what is refused, and that it is whole or not there."""

import hashlib
import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors
import safetensors.numpy

from tests.training.helpers import files_below, record_of
from training.cli import main
from training.errors import OtherBaseError, SettingsError
from training.export.exporting import Exported, export_run, write_export
from training.export.trained import open_trained
from training.network.gemma import DrawnBase
from training.runs.folder import write_record
from training.weights.folder import base_of, open_base
from training.weights.names import network_names

COMMON = {"README.md", "provenance.json", "tokenizer.model"}
TOKENIZER = {"tokenizer.json", "tokenizer_config.json"}
# As if the disk were full: a kernel of a feed-forward block is larger than any file may be.
ALMOST_FULL = """
import resource, sys
from training.cli import main

resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 18, 1 << 18))
sys.exit(main(sys.argv[1:]))
"""
KEYS = ("manifest", "plan", "tokenizer")


def quiet(_line: str) -> None:
    """Nobody looks on."""


def export(run: Path, kind: str, out: Path, base: Path | None = None) -> Exported:
    return export_run(run, kind, out, base, quiet)


@pytest.fixture
def copied(first: Path, tmp_path: Path) -> Path:
    """The finished run, to be changed."""
    return Path(shutil.copytree(first, tmp_path / "copied"))


def change(run: Path, **values: object) -> Path:
    write_record(run, {**record_of(run), **values})
    return run


@pytest.mark.parametrize(
    ("kind", "own"),
    [
        ("peft", TOKENIZER | {"adapter_model.safetensors", "adapter_config.json"}),
        ("merged", TOKENIZER | {"model.safetensors", "config.json", "generation_config.json"}),
        ("orbax", {"tiny/_METADATA", "tiny/manifest.ocdbt"}),
    ],
)
def test_a_run_becomes_a_folder_that_says_what_it_is_of(
    kind: str, own: set[str], first: Path, tmp_path: Path
) -> None:
    before = files_below(first)
    exported = export(first, kind, tmp_path / "out")
    assert files_below(first) == before
    files = files_below(tmp_path / "out")
    assert set(exported.files) == set(files)
    assert files.keys() >= COMMON | own
    if kind != "orbax":
        assert files.keys() == COMMON | own
    record, told = record_of(first), json.loads(files["provenance.json"])
    assert told["cursor"] == record["cursor"] == exported.cursor
    assert {key: told[key] for key in KEYS} == {key: record[key] for key in KEYS}
    assert told["base"] == record["base_digest"]
    assert told["template"] == record["settings"]["template"]
    assert told["sessions"] == record["sessions"]
    listed = {
        name: hashlib.sha256(data).hexdigest() for name, data in files.items() if name != "provenance.json"
    }
    assert {name: each["sha256"] for name, each in told["files"].items()} == listed
    assert files["tokenizer.model"] == (first / "tokenizer.model").read_bytes()
    for name in files:
        if name.endswith(".safetensors"):
            with safetensors.safe_open(tmp_path / "out" / name, framework="numpy") as file:  # type: ignore[no-untyped-call]
                metadata = file.metadata()
            assert metadata.pop("format") == "pt"
            assert metadata == {key: str(told[key]) for key in metadata}
            assert metadata.keys() == {*KEYS, "cursor", "template", "base"}


def test_a_merged_model_is_the_base_with_the_adapter_added_and_can_be_a_base_again(
    first: Path, tmp_path: Path
) -> None:
    export(first, "merged", tmp_path / "hf")
    export(first, "orbax", tmp_path / "kaggle")
    run = open_trained(first)
    drawn = base_of(run.model, None, run.vocabulary)
    rows = drawn.vocabulary
    both = [open_base(tmp_path / name, run.model.shape, rows) for name in ("hf", "kaggle")]
    moved = 0
    for name, size in network_names(run.model.shape, rows).items():
        one, other = (base.tensor(name, size) for base in both)
        assert one.dtype == np.float32
        np.testing.assert_array_equal(one, other)
        moved += bool((one != drawn.tensor(name, size)).any())
    assert moved == 6 * run.model.shape.layers  # the projections, keys and values as one


def test_a_stopped_run_is_exported_with_its_cursor(copied: Path, tmp_path: Path) -> None:
    change(copied, status="stopped", cursor=2)
    exported = export(copied, "peft", tmp_path / "out")
    assert exported.cursor == 2
    assert "2 of " in (tmp_path / "out" / "README.md").read_text()
    trained = [source.trained for source in open_trained(copied).mix]
    assert 0 < trained[0] < record_of(copied)["traces"]


def test_the_mix_counts_rows_trained_on_and_held_out(first: Path) -> None:
    record, [source] = record_of(first), open_trained(first).mix
    assert (source.name, source.rows, source.trained) == ("sums", 100, record["traces"])
    assert source.held_out == record["held_out_traces"]


def test_a_run_that_goes_on_from_another_says_so(second: Path, tmp_path: Path) -> None:
    export(second, "peft", tmp_path / "out")
    parent = record_of(second)["continued_from"]["manifest"]
    assert parent in (tmp_path / "out" / "README.md").read_text()


def test_a_run_is_exported_from_a_folder_that_can_only_be_read(copied: Path, tmp_path: Path) -> None:
    for path in (*copied.rglob("*"), copied):
        path.chmod(path.stat().st_mode & ~0o222)
    try:
        export(copied, "peft", tmp_path / "out")
    finally:
        for path in (copied, *copied.rglob("*")):
            path.chmod(path.stat().st_mode | 0o200)


@pytest.mark.parametrize("kind", ["file", "folder", "link"])
def test_what_is_there_stays_as_it_is(kind: str, first: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    if kind == "file":
        out.write_text("mine")
    elif kind == "folder":
        out.mkdir()
    else:
        out.symlink_to(tmp_path / "nowhere")
    before = sorted(tmp_path.iterdir())
    with pytest.raises(SettingsError, match="it exists already"):
        export(first, "peft", out)
    assert sorted(tmp_path.iterdir()) == before
    assert not out.is_file() or out.read_text() == "mine"


def test_a_folder_that_appears_meanwhile_is_not_overwritten(first: Path, tmp_path: Path) -> None:
    run, out = open_trained(first), tmp_path / "out"

    def appear(_line: str) -> None:
        out.mkdir(exist_ok=True)
        (out / "mine").touch()

    with pytest.raises(SettingsError, match="it exists already"):
        write_export(run, "merged", out, base_of(run.model, None, run.vocabulary), appear)
    assert [path.name for path in tmp_path.iterdir()] == ["out"]
    assert [path.name for path in out.iterdir()] == ["mine"]


def test_a_base_that_is_not_the_runs_is_a_check_that_said_no(first: Path, tmp_path: Path) -> None:
    run = open_trained(first)
    other = DrawnBase(43, base_of(run.model, None, run.vocabulary).vocabulary)
    with pytest.raises(
        OtherBaseError, match=f"the run was trained on {run.digests['base_digest']}"
    ) as caught:
        write_export(run, "merged", tmp_path / "out", other, quiet)
    assert caught.value.exit_status == 1
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("kind", ["peft", "merged", "orbax"])
def test_a_base_too_many_is_refused(kind: str, first: Path, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="leave --base out"):
        export(first, kind, tmp_path / "out", tmp_path)


@pytest.mark.parametrize("kind", ["merged", "orbax"])
def test_a_disk_without_room_is_one_line_and_leaves_nothing_behind(
    kind: str, first: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    done = subprocess.run(
        [sys.executable, "-c", ALMOST_FULL, "export", str(first), "--format", kind, "--out", str(out)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    [error] = [line for line in done.stderr.splitlines() if "error" in line]
    assert "can't be written" in error
    assert "File too large" in error
    assert done.stderr.count("\n") == 3  # and two of progress
    assert list(tmp_path.iterdir()) == []


def test_an_unknown_format_is_refused(first: Path, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="format 'gguf': expected one of peft, merged, orbax"):
        export(first, "gguf", tmp_path / "out")


def test_the_command_prints_what_it_wrote(
    first: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["export", str(first), "--format", "peft", "--out", str(tmp_path / "one"), "--json"]
    assert main(arguments) == 0
    result: dict[str, Any] = json.loads(capsys.readouterr().out)
    record = record_of(first)
    assert (result["manifest"], result["cursor"], result["format"]) == (
        record["manifest"],
        record["cursor"],
        "peft",
    )
    assert set(result["files"]) == files_below(tmp_path / "one").keys()
    assert main(arguments) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.count("\n") == 1
    assert main([*arguments[:-3], "--out", str(tmp_path / "two")]) == 0
    assert record["plan"] in capsys.readouterr().out
