"""Runs that can't be exported: damaged, forged, killed, or trained in at this moment. Each is one line."""

import fcntl
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.training.helpers import record_of, unfinished
from training.errors import ModelError, RunFolderError, SettingsError, TokenizerError
from training.export.exporting import export_run
from training.network.tensors import read_tensors, write_tensors
from training.runs.folder import ADAPTER, write_record


def export(run: Path, out: Path) -> None:
    export_run(run, "peft", out, None, lambda _line: None)


@pytest.fixture
def copied(first: Path, tmp_path: Path) -> Path:
    """The finished run, to be damaged."""
    return Path(shutil.copytree(first, tmp_path / "copied"))


def change(run: Path, **values: object) -> Path:
    """Forge a record, its own digest with it."""
    write_record(run, {**record_of(run), **values})
    return run


Damage = Callable[[Path], object]


def other_adapter(run: Path) -> None:
    tensors = read_tensors(run / ADAPTER)
    tensors[min(tensors)][0] += 1
    write_tensors(run / ADAPTER, tensors, {})


def settings_with(**values: object) -> Damage:
    return lambda run: change(run, settings={**record_of(run)["settings"], **values})


def flip(name: str) -> Damage:
    def damage(run: Path) -> None:
        data = bytearray((run / name).read_bytes())
        data[len(data) // 2] ^= 1
        (run / name).write_bytes(data)

    return damage


@pytest.mark.parametrize(
    ("damage", "error", "message"),
    [
        (lambda run: change(run, status="running"), RunFolderError, "has no adapter yet"),
        (lambda run: change(run, status=3), RunFolderError, "has no adapter yet"),
        (lambda run: change(run, status=["finished"]), RunFolderError, "has no adapter yet"),
        (lambda run: change(run, format=1), RunFolderError, "not a record of format"),
        (lambda run: (run / "run.json").unlink(), RunFolderError, "not a run"),
        (other_adapter, RunFolderError, "adapter digest .*; the run is damaged"),
        (lambda run: (run / ADAPTER).write_bytes(b"no"), RunFolderError, "can't be read as an adapter"),
        (lambda run: (run / ADAPTER).unlink(), RunFolderError, "can't be read as an adapter"),
        (settings_with(rank=5), RunFolderError, "expected float32 .4, 48, 5."),
        (settings_with(alpha="much"), SettingsError, "alpha = 'much'"),
        (settings_with(rank=10**15), RunFolderError, "the run is damaged"),
        (flip("tokenizer.model"), (RunFolderError, TokenizerError), "tokenizer.model"),
        (lambda run: (run / "tokenizer.model").unlink(), TokenizerError, "No such file"),
        (flip("keys.parquet"), RunFolderError, "keys.parquet: SHA-256"),
        (flip("plan.parquet"), RunFolderError, "plan.parquet: SHA-256"),
        (flip("held_out.parquet"), RunFolderError, "held_out.parquet: SHA-256"),
        (lambda run: change(run, model="huge"), ModelError, "'huge' is not known"),
        (lambda run: change(run, model=["tiny"]), RunFolderError, "model = .*expected a text"),
        (lambda run: change(run, manifest="../x"), RunFolderError, "manifest = '../x', expected 64 hex"),
        (lambda run: change(run, cursor=0), RunFolderError, "cursor = 0, expected an integer from 1"),
        (lambda run: change(run, cursor=True), RunFolderError, "cursor = True"),
        (lambda run: change(run, cursor=10**9), RunFolderError, "cursor = 1000000000"),
        (lambda run: change(run, steps=10**9, cursor=10**9), RunFolderError, "tables can't be read"),
        (
            lambda run: change(run, last_loss=float("nan")),
            RunFolderError,
            "last_loss = nan, expected a finite",
        ),
        (
            lambda run: change(run, held_out_last=[1]),
            RunFolderError,
            "held_out_last = .1., expected an object",
        ),
        (
            lambda run: change(run, held_out_last={"loss": 1.0, "by_source": {}}),
            RunFolderError,
            "by_source.sums",
        ),
        (lambda run: change(run, continued_from={}), RunFolderError, "continued_from.manifest"),
    ],
)
def test_a_damaged_or_forged_run_is_one_line(
    damage: Damage,
    error: type[Exception] | tuple[type[Exception], ...],
    message: str,
    copied: Path,
    tmp_path: Path,
) -> None:
    damage(copied)
    with pytest.raises(error, match=message) as caught:
        export(copied, tmp_path / "out")
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "out").exists()


def test_a_killed_run_has_no_adapter_to_export(first: Path, tmp_path: Path) -> None:
    with pytest.raises(RunFolderError, match="has no adapter yet"):
        export(unfinished(first, tmp_path / "killed"), tmp_path / "out")


def test_a_run_that_trains_is_left_alone_and_one_that_is_read_is_not_in_the_way(
    copied: Path, tmp_path: Path
) -> None:
    descriptor = os.open(copied, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        with pytest.raises(RunFolderError, match="another process trains in it"):
            export(copied, tmp_path / "out")
        fcntl.flock(descriptor, fcntl.LOCK_SH)
        export(copied, tmp_path / "out")
    finally:
        os.close(descriptor)
