"""What a run promises: the same adapter every time, its place kept through a kill, and no row trained on twice."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from manifests.store import Store
from tests.training.helpers import publish, sums, write_traces
from training.errors import OverlapError, ParentRunError, RunFolderError
from training.models import TINY
from training.network import adapter_start
from training.run import RunRequest, train_adapter
from training.settings import Settings
from training.tensors import read_tensors, tensors_digest
from training.tokenizer import Tokenizer
from training.trainer import read_metrics

ROOT = Path(__file__).parents[2]
Requests = Callable[..., RunRequest]
CPU = {**os.environ, "JAX_PLATFORMS": "cpu"}


@pytest.fixture(scope="module")
def request_for(
    tmp_path_factory: pytest.TempPathFactory, trace_file: Path, tokenizer: Tokenizer, small: Settings
) -> Requests:
    """Requests on a store with the manifests one (rows 1 to 100), two (101 to 160), and shared (96 to 120)."""
    store = Store(tmp_path_factory.mktemp("world") / "store", behind=())
    publish(store, "one", trace_file, (1, 100))
    publish(store, "two", trace_file, (101, 160))
    publish(store, "shared", trace_file, (96, 120))

    def make(
        reference: str,
        out: Path,
        continue_from: Path | None = None,
        tokenizer: Tokenizer = tokenizer,
        **changed: Any,
    ) -> RunRequest:
        settings = replace(small, **changed)
        return RunRequest(store, reference, tokenizer, TINY, settings, out, continue_from)

    return make


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory, request_for: Requests) -> Path:
    """A finished run on one, left alone."""
    out = tmp_path_factory.mktemp("first") / "run"
    train_adapter(request_for("one", out), lambda _line: None)
    return out


@pytest.fixture(scope="module")
def second(tmp_path_factory: pytest.TempPathFactory, request_for: Requests, first: Path) -> Path:
    """A run on two that went on from the first."""
    out = tmp_path_factory.mktemp("second") / "run"
    train_adapter(request_for("two", out, first, steps=3), lambda _line: None)
    return out


@pytest.fixture
def command_for(
    tmp_path: Path, request_for: Requests, tokenizer_file: Path, small: Settings
) -> Callable[[Path], list[str]]:
    """The command line of the first run, into another folder."""
    config = tmp_path / "small.toml"
    changed = ("length", "batch", "rank", "alpha", "warmup", "checkpoint_every", "held_out")
    config.write_text("".join(f"{key} = {getattr(small, key)}\n" for key in changed))

    def make(out: Path) -> list[str]:
        store = request_for("one", out).store.root
        command = [
            sys.executable,
            "-m",
            "training",
            "run",
            "one",
            "--model",
            "tiny",
            "--json",
            "--store",
            str(store),
        ]
        return [*command, "--tokenizer", str(tokenizer_file), "--config", str(config), "--out", str(out)]

    return make


def record_of(run: Path) -> dict[str, Any]:
    record: dict[str, Any] = json.loads((run / "run.json").read_text())
    return record


def files_below(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def unfinished(run: Path, out: Path, **changed: object) -> Path:
    """A copy of a run as it stands when it is killed behind its last checkpoint, before its record."""
    shutil.copytree(run, out)
    shutil.rmtree(out / "adapter")
    record = {
        key: value
        for key, value in record_of(run).items()
        if not key.startswith(("adapter", "first_", "last_"))
    }
    (out / "run.json").write_text(json.dumps({**record, "status": "running", **changed}))
    return out


def test_training_lowers_the_loss_of_what_it_sees_and_of_what_it_does_not(first: Path) -> None:
    record = record_of(first)
    assert record["last_loss"] < record["first_loss"] - 1
    assert record["held_out_last_loss"] < record["held_out_first_loss"] - 1


def test_every_tensor_of_the_adapter_has_moved_from_its_start(first: Path, small: Settings) -> None:
    adapter = read_tensors(first / "adapter" / "adapter.safetensors")
    assert len(adapter) == 2 * 6 * TINY.shape.layers
    for name, tensor in adapter.items():
        moved = np.abs(tensor - adapter_start(small.seed, name, tensor.shape)).max()
        assert moved > 1e-4, name


def test_the_same_run_again_gives_the_same_adapter_and_metrics(
    tmp_path: Path, request_for: Requests, first: Path, say: Callable[[str], None]
) -> None:
    again = train_adapter(request_for("one", tmp_path / "run"), say)
    assert again["adapter_digest"] == record_of(first)["adapter_digest"]
    assert (tmp_path / "run" / "metrics.jsonl").read_bytes() == (first / "metrics.jsonl").read_bytes()


def test_the_record_says_what_was_trained_on_what(
    first: Path, request_for: Requests, tokenizer: Tokenizer, small: Settings
) -> None:
    record = record_of(first)
    manifest = request_for("one", first).store.manifest("one")
    assert (record["manifest"], record["manifest_name"]) == (manifest.id, "one")
    assert record["content_digest"] == manifest.content_digest
    assert record["tokenizer"] == tokenizer.digest
    assert record["settings"]["length"] == small.length
    assert (record["status"], record["resumed_from"], record["continued_from"]) == ("finished", 0, None)
    assert [left["source"] for left in record["over_length"]] == ["sums"]
    assert record["versions"].keys() >= {"jax", "google-tunix"}
    adapter = read_tensors(first / record["adapter"])
    assert tensors_digest(adapter) == record["adapter_digest"]


def test_the_newest_two_checkpoints_are_kept(first: Path, small: Settings) -> None:
    steps = record_of(first)["steps"]
    kept = sorted(int(path.name) for path in (first / "checkpoints").iterdir())
    assert kept[-1] == steps
    assert len(kept) == 2
    assert kept[0] == (steps - 1) // small.checkpoint_every * small.checkpoint_every


def test_metrics_have_a_line_a_step(first: Path) -> None:
    lines = read_metrics(first / "metrics.jsonl")
    assert [line["step"] for line in lines] == list(range(1, record_of(first)["steps"] + 1))
    assert all(line["tokens"] > 0 and line["gradient_norm"] > 0 for line in lines)


def test_a_finished_run_is_returned_again_without_training(
    request_for: Requests, first: Path, say: Callable[[str], None], said: list[str]
) -> None:
    before = files_below(first)
    assert train_adapter(request_for("one", first), say) == record_of(first)
    assert files_below(first) == before
    assert said == [f"{first}: finished before, nothing to do"]


def test_a_run_killed_behind_its_last_checkpoint_is_finished(
    tmp_path: Path, request_for: Requests, first: Path, say: Callable[[str], None]
) -> None:
    out = unfinished(first, tmp_path / "run")
    record = train_adapter(request_for("one", out), say)
    assert record["resumed_from"] == record["steps"]
    assert {**record, "resumed_from": 0} == record_of(first)


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        ({"reference": "two"}, "manifest"),
        ({"learning_rate": 0.5}, "settings.learning_rate"),
        ({"length": 161}, "settings.length"),
        ({"steps": 3}, "settings.steps"),
        ({"tokenizer": "other"}, "tokenizer"),
    ],
)
def test_another_request_is_refused_and_nothing_changes(
    tmp_path: Path,
    request_for: Requests,
    first: Path,
    say: Callable[[str], None],
    tokenizer_file: Path,
    changed: dict[str, Any],
    named: str,
) -> None:
    if "tokenizer" in changed:
        (tmp_path / "other.model").write_bytes(tokenizer_file.read_bytes() + b"\x9a\x06\x00")
        changed = {"tokenizer": Tokenizer.open(tmp_path / "other.model")}
    before = files_below(first)
    asked = request_for(**{"reference": "one", "out": first, **changed})
    with pytest.raises(RunFolderError, match=f"a run with {named} = ") as caught:
        train_adapter(asked, say)
    assert caught.value.exit_status == 2
    assert files_below(first) == before


@pytest.mark.parametrize("key", ["plan", "base_digest"])
def test_an_unfinished_run_of_another_plan_or_base_is_refused(
    tmp_path: Path, request_for: Requests, first: Path, say: Callable[[str], None], key: str
) -> None:
    out = unfinished(first, tmp_path / "run", **{key: "00" * 32})
    before = files_below(out)
    with pytest.raises(RunFolderError, match=f'a run with {key} = "0000'):
        train_adapter(request_for("one", out), say)
    assert files_below(out) == before


def test_a_checkpoint_of_another_run_is_refused(
    tmp_path: Path, request_for: Requests, first: Path, second: Path, say: Callable[[str], None]
) -> None:
    out = unfinished(first, tmp_path / "run")
    shutil.rmtree(out / "checkpoints")
    shutil.copytree(second / "checkpoints", out / "checkpoints")
    with pytest.raises(RunFolderError, match="a checkpoint of "):
        train_adapter(request_for("one", out), say)


def test_a_damaged_checkpoint_is_refused_in_one_line_with_what_to_do(
    tmp_path: Path, command_for: Callable[[Path], list[str]], first: Path
) -> None:
    out = unfinished(first, tmp_path / "run")
    newest = out / "checkpoints" / str(record_of(first)["steps"])
    for path in newest.rglob("manifest.ocdbt"):
        path.write_bytes(path.read_bytes()[:-9])
    done = subprocess.run(command_for(out), cwd=ROOT, env=CPU, capture_output=True, text=True, check=False)
    [_, line] = done.stderr.splitlines()
    assert line.startswith(f"training: error: {newest}: the newest checkpoint can't be restored (")
    assert line.endswith("delete it to go on from the one before")
    assert (done.returncode, done.stdout) == (2, "")


def test_a_folder_that_is_no_run_is_refused_and_left_alone(
    tmp_path: Path, request_for: Requests, say: Callable[[str], None]
) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(RunFolderError, match="not a run"):
        train_adapter(request_for("one", tmp_path), say)
    assert files_below(tmp_path) == {"notes.txt": b"mine"}


def test_a_manifest_that_overlaps_what_a_run_consumed_is_refused(
    tmp_path: Path, request_for: Requests, first: Path, say: Callable[[str], None]
) -> None:
    consumed = 5 - _not_consumed(first, range(96, 101))
    with pytest.raises(
        OverlapError, match=f"{consumed} same rows, {consumed} same contents, first sums:9"
    ) as caught:
        train_adapter(request_for("shared", tmp_path / "run", first), say)
    assert caught.value.exit_status == 1
    assert not (tmp_path / "run").exists()


def _not_consumed(run: Path, rows: Iterable[int]) -> int:
    """How many of these samples of a run's manifest were held out or too long."""
    trained = set(pq.read_table(run / "plan.parquet").column("sample").to_pylist())
    return len(set(rows) - trained)


def test_rows_consumed_two_runs_ago_are_refused_too(
    tmp_path: Path, request_for: Requests, first: Path, second: Path, say: Callable[[str], None]
) -> None:
    assert record_of(second)["continued_from"]["adapter_digest"] == record_of(first)["adapter_digest"]
    with pytest.raises(OverlapError):
        train_adapter(request_for("shared", tmp_path / "run", second), say)


def test_equal_content_from_another_file_is_an_overlap(
    tmp_path: Path, request_for: Requests, first: Path, say: Callable[[str], None]
) -> None:
    asked = request_for("copied", tmp_path / "run", first)
    publish(asked.store, "copied", write_traces(tmp_path / "copied.jsonl", sums(200)[:100][::-1]), (1, 100))
    with pytest.raises(
        OverlapError, match=r"0 same rows, [1-9]\d* same contents, first sums:\d+ = sums:\d+ \(same content\)"
    ):
        train_adapter(asked, say)


def test_continuing_starts_from_the_adapter_with_a_schedule_of_its_own(first: Path, second: Path) -> None:
    record = record_of(second)
    assert record["held_out_first_loss"] < record_of(first)["held_out_first_loss"] - 1
    assert (record["steps"], record["resumed_from"]) == (3, 0)
    rates = [
        [line["learning_rate"] for line in read_metrics(run / "metrics.jsonl")] for run in (first, second)
    ]
    assert rates[1][0] == rates[0][0]


def test_the_folder_of_a_run_is_enough_to_continue_and_is_not_written_to(
    tmp_path: Path, request_for: Requests, first: Path, second: Path, say: Callable[[str], None]
) -> None:
    moved = tmp_path / "mounted"
    shutil.copytree(first, moved)
    shutil.rmtree(moved / "checkpoints")
    for path in [moved, *moved.rglob("*")]:
        path.chmod(0o555 if path.is_dir() else 0o444)
    before = files_below(moved)
    record = train_adapter(request_for("two", tmp_path / "run", moved, steps=3), say)
    assert record["adapter_digest"] == record_of(second)["adapter_digest"]
    assert files_below(moved) == before


def test_an_unfinished_run_can_not_be_continued(
    tmp_path: Path, request_for: Requests, first: Path, say: Callable[[str], None]
) -> None:
    out = unfinished(first, tmp_path / "run")
    with pytest.raises(ParentRunError, match="has not finished"):
        train_adapter(request_for("two", tmp_path / "next", out), say)


def test_an_adapter_of_another_rank_can_not_be_continued(
    tmp_path: Path, request_for: Requests, first: Path, say: Callable[[str], None]
) -> None:
    with pytest.raises(ParentRunError, match="trained with rank = 4, asked for 2"):
        train_adapter(request_for("two", tmp_path / "next", first, rank=2), say)
    assert not (tmp_path / "next").exists()


@pytest.mark.parametrize(
    "name", ["adapter/adapter.safetensors", "keys.parquet", "plan.parquet", "ancestors.parquet"]
)
def test_a_damaged_run_can_not_be_continued(
    tmp_path: Path, request_for: Requests, first: Path, say: Callable[[str], None], name: str
) -> None:
    out = tmp_path / "run"
    shutil.copytree(first, out)
    data = bytearray((out / name).read_bytes())
    data[-5] ^= 1
    (out / name).write_bytes(data)
    with pytest.raises((ParentRunError, RunFolderError), match="the run is damaged"):
        train_adapter(request_for("two", tmp_path / "next", out), say)


def test_a_run_without_held_out_traces_has_no_held_out_loss(
    tmp_path: Path, request_for: Requests, say: Callable[[str], None]
) -> None:
    record = train_adapter(request_for("one", tmp_path / "run", held_out="0", steps=1, evaluate_every=1), say)
    assert (record["held_out_first_loss"], record["held_out_last_loss"]) == (None, None)


def test_held_out_traces_are_evaluated_as_often_as_asked(
    tmp_path: Path, request_for: Requests, say: Callable[[str], None]
) -> None:
    record = train_adapter(request_for("one", tmp_path / "run", steps=4, evaluate_every=2), say)
    lines = read_metrics(tmp_path / "run" / "metrics.jsonl")
    assert [line["step"] for line in lines if "held_out_loss" in line] == [2, 4]
    assert lines[3]["held_out_loss"] == record["held_out_last_loss"]


def test_a_run_killed_at_a_checkpoint_ends_as_if_it_had_been_left_alone(
    tmp_path: Path, command_for: Callable[[Path], list[str]], first: Path
) -> None:
    out = tmp_path / "run"
    command = command_for(out)
    quiet = subprocess.DEVNULL
    with subprocess.Popen(command, cwd=ROOT, env=CPU, stdout=quiet, stderr=quiet) as killed:
        deadline = time.monotonic() + 120
        while (
            not (out / "checkpoints" / "4").is_dir() and killed.poll() is None and time.monotonic() < deadline
        ):
            time.sleep(0.01)
        killed.send_signal(signal.SIGKILL)
    assert killed.returncode == -signal.SIGKILL

    done = subprocess.run(command, cwd=ROOT, env=CPU, capture_output=True, text=True, check=True)
    result = json.loads(done.stdout)
    assert result["resumed_from"] > 0
    assert result["adapter_digest"] == record_of(first)["adapter_digest"]
    assert (out / "metrics.jsonl").read_bytes() == (first / "metrics.jsonl").read_bytes()
    assert all(
        line.startswith(("sums: ", "going on from step ", "step ")) for line in done.stderr.splitlines()
    )
