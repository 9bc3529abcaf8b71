"""What a run promises: the same adapter every time, its place kept through a kill, and no row trained on twice."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.training.helpers import Requests, files_below, record_of, unfinished
from training.batches.tokenizer import Tokenizer
from training.errors import RunFolderError
from training.models import TINY
from training.network.gemma import adapter_start
from training.network.tensors import read_tensors, tensors_digest
from training.run import train_adapter
from training.runs.metrics import read_metrics
from training.settings import Settings


def test_training_lowers_the_loss_of_what_it_sees_and_of_what_it_does_not(first: Path) -> None:
    record = record_of(first)
    assert record["last_loss"] < record["first_loss"] - 1
    assert record["held_out_last"]["loss"] < record["held_out_first"]["loss"] - 1


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
    [session] = record["sessions"]
    assert session["versions"].keys() >= {"jax", "google-tunix"}
    assert (session["from"], session["to"], session["device_count"]) == (0, record["cursor"], 1)
    assert record["schedule"] == {"steps": record["steps"], "laid_at": 0}
    assert (record["seen"], record["unseen"], record["left"]) == (record["traces"], 0, None)
    assert (first / "tokenizer.model").read_bytes() == tokenizer.model
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
    alone = record_of(first)
    assert {**record, "resumed_from": 0, "sessions": alone["sessions"]} == alone
    assert [(one["from"], one["to"], one["ended"]) for one in record["sessions"]] == [
        (0, record["steps"], None),
        (record["steps"], record["steps"], "finished"),
    ]


def test_a_finished_run_whose_adapter_was_damaged_or_lost_is_not_called_finished(
    tmp_path: Path, request_for: Requests, first: Path, say: Callable[[str], None]
) -> None:
    out = tmp_path / "run"
    shutil.copytree(first, out)
    adapter = out / "adapter" / "adapter.safetensors"
    data = bytearray(adapter.read_bytes())
    data[-1] ^= 1
    adapter.write_bytes(data)
    with pytest.raises(RunFolderError, match="the run is damaged"):
        train_adapter(request_for("one", out), say)
    adapter.unlink()
    with pytest.raises(RunFolderError, match="can't be read as an adapter"):
        train_adapter(request_for("one", out), say)


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


def test_a_folder_that_is_no_run_is_refused_and_left_alone(
    tmp_path: Path, request_for: Requests, say: Callable[[str], None]
) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(RunFolderError, match="not a run"):
        train_adapter(request_for("one", tmp_path), say)
    assert files_below(tmp_path) == {"notes.txt": b"mine"}


def test_a_run_without_held_out_traces_has_no_held_out_loss(
    tmp_path: Path, request_for: Requests, say: Callable[[str], None]
) -> None:
    record = train_adapter(request_for("one", tmp_path / "run", held_out="0", steps=1, evaluate_every=1), say)
    assert (record["held_out_first"], record["held_out_last"]) == (None, None)


def test_held_out_traces_are_evaluated_as_often_as_asked(
    tmp_path: Path, request_for: Requests, say: Callable[[str], None]
) -> None:
    record = train_adapter(request_for("one", tmp_path / "run", steps=4, evaluate_every=2), say)
    lines = read_metrics(tmp_path / "run" / "metrics.jsonl")
    assert [line["step"] for line in lines if "held_out" in line] == [2, 4]
    assert lines[3]["held_out"] == record["held_out_last"]["loss"]
