"""What a stop promises: on an update's boundary, with the adapter exported; and the end it comes to all the same."""

import os
import shutil
import signal
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from tests.training.helpers import Requests, record_of
from training.errors import RunFolderError, SettingsError
from training.loop.budget import Budget
from training.loop.interruption import Interruption
from training.request import RunRequest
from training.run import train_adapter
from training.runs.checkpoints import read_checkpoint
from training.runs.folder import Record, check_adapter
from training.runs.metrics import read_metrics


def stopped_by(number: signal.Signals, request: RunRequest, say: Callable[[str], None]) -> Record:
    """A start that gets a real signal when its first step is done."""
    interruption = Interruption()

    def say_and_signal(line: str) -> None:
        say(line)
        if line.startswith("step "):
            os.kill(os.getpid(), number)

    with interruption.installed(say):
        return train_adapter(request, say_and_signal, interruption)


def budget_of(steps: float, run: Path) -> Budget:
    """A budget for so many steps, by a clock on which each takes ten seconds and nothing else takes any."""

    def elapsed() -> float:
        metrics = run / "metrics.jsonl"
        return 10.0 * len(read_metrics(metrics)) if metrics.exists() else 0.0

    return Budget(10.0 * steps, elapsed)


@pytest.fixture(scope="session")
def stopped(tmp_path_factory: pytest.TempPathFactory, request_for: Requests) -> Path:
    """A run that was asked to stop when its first step was done, left alone."""
    out = tmp_path_factory.mktemp("stopped") / "run"
    stopped_by(signal.SIGTERM, request_for("one", out), lambda _line: None)
    return out


@pytest.fixture
def copied(stopped: Path, tmp_path: Path) -> Path:
    """A copy of it, to go on with."""
    shutil.copytree(stopped, tmp_path / "run")
    return tmp_path / "run"


def test_a_signal_stops_a_run_on_the_boundary_with_its_adapter_and_says_what_is_left(stopped: Path) -> None:
    record = record_of(stopped)
    assert (record["status"], record["cursor"]) == ("stopped", 1)
    assert record["left"]["steps"] == record["steps"] - 1
    assert record["left"]["traces"] == record["traces"] - record["seen"]
    assert [(one["from"], one["to"], one["ended"]) for one in record["sessions"]] == [(0, 1, "SIGTERM")]
    check_adapter(stopped, record)
    assert read_checkpoint(stopped / "checkpoints" / "1").told["cursor"] == 1
    assert len(read_metrics(stopped / "metrics.jsonl")) == 1


def test_the_same_command_again_and_again_comes_to_the_end_of_a_run_left_alone(
    copied: Path, first: Path, request_for: Requests, say: Callable[[str], None], said: list[str]
) -> None:
    second = stopped_by(signal.SIGINT, request_for("one", copied), say)
    assert (second["resumed_from"], second["cursor"]) == (1, 2)
    assert any(line.startswith("stopped behind step 2 (SIGINT); left: ") for line in said)
    record = train_adapter(request_for("one", copied), say)
    alone = record_of(first)
    assert (record["status"], record["resumed_from"]) == ("finished", 2)
    assert record["adapter_digest"] == alone["adapter_digest"]
    assert {key: record[key] for key in record if key not in {"resumed_from", "sessions"}} == {
        key: alone[key] for key in alone if key not in {"resumed_from", "sessions"}
    }
    assert [(one["from"], one["to"], one["ended"]) for one in record["sessions"]] == [
        (0, 1, "SIGTERM"),
        (1, 2, "SIGINT"),
        (2, record["steps"], "finished"),
    ]
    assert (copied / "metrics.jsonl").read_bytes() == (first / "metrics.jsonl").read_bytes()
    last = f"checkpoints/{record['steps']}"
    ours, theirs = (read_checkpoint(run / last) for run in (copied, first))
    assert ours.told == theirs.told
    assert all((ours.tensors[name] == theirs.tensors[name]).all() for name in theirs.tensors)


@pytest.mark.slow
def test_a_stopped_run_can_be_continued_and_counts_as_consumed_only_what_it_read(
    copied: Path, first: Path, tmp_path: Path, request_for: Requests, say: Callable[[str], None]
) -> None:
    seen = record_of(copied)["seen"]
    assert seen < record_of(first)["seen"]
    record = train_adapter(request_for("two", tmp_path / "next", copied, steps=1), say)
    assert record["continued_from"]["cursor"] == 1
    assert pq.read_table(tmp_path / "next" / "ancestors.parquet").num_rows == seen


@pytest.mark.slow
def test_a_budget_stops_in_time_and_the_next_start_goes_on(
    tmp_path: Path, request_for: Requests, say: Callable[[str], None], said: list[str]
) -> None:
    out = tmp_path / "run"
    record = train_adapter(replace(request_for("one", out), budget=budget_of(1.9, out)), say)
    assert (record["status"], record["cursor"], record["schedule"]) == ("stopped", 1, None)
    assert record["sessions"][-1]["ended"] == "budget"
    assert any(line.startswith("budget 19s: ") for line in said)
    assert record["unseen"] == 0
    record = train_adapter(request_for("one", out), say)
    assert record["schedule"] == {"steps": record["steps"], "laid_at": 1}
    assert record["status"] == "finished"


def test_a_schedule_is_laid_in_the_record_before_a_step_depends_on_it_and_ends_the_run(
    tmp_path: Path, request_for: Requests, say: Callable[[str], None], said: list[str]
) -> None:
    out = tmp_path / "run"
    request = request_for("one", out, checkpoint_every=50)
    record = train_adapter(replace(request, budget=budget_of(15, out)), say)
    laid = record["schedule"]
    assert laid == {"steps": 13, "laid_at": 6}
    assert (record["status"], record["cursor"]) == ("finished", laid["steps"])
    assert record["seen"] + record["unseen"] == record["traces"]
    assert record["unseen"] > 0
    assert any(line.startswith(f"the schedule was laid for {laid['steps']} of the plan's") for line in said)
    assert train_adapter(request, say) == record


@pytest.mark.slow
def test_a_budget_that_is_used_up_before_the_first_step_is_refused_and_the_run_can_go_on(
    tmp_path: Path, request_for: Requests, say: Callable[[str], None]
) -> None:
    request = replace(request_for("one", tmp_path / "run"), budget=Budget(60, lambda: 61.0))
    with pytest.raises(SettingsError, match="--budget 1m00s: used up before the first step"):
        train_adapter(request, say)
    assert not list((tmp_path / "run" / "checkpoints").iterdir())
    record = stopped_by(signal.SIGTERM, request_for("one", tmp_path / "run"), say)
    assert record["cursor"] == 1


def test_a_record_that_was_edited_is_refused(
    copied: Path, request_for: Requests, say: Callable[[str], None]
) -> None:
    path = copied / "run.json"
    path.write_text(path.read_text().replace('"cursor": 1', '"cursor": 2'))
    with pytest.raises(RunFolderError, match="damaged or edited"):
        train_adapter(request_for("one", copied), say)


@pytest.mark.slow
def test_a_run_whose_checkpoints_are_gone_says_that_it_begins_anew(
    copied: Path, request_for: Requests, say: Callable[[str], None], said: list[str]
) -> None:
    shutil.rmtree(copied / "checkpoints")
    record = stopped_by(signal.SIGTERM, request_for("one", copied), say)
    assert "no checkpoint in it yet: begins anew" in said
    assert [(one["from"], one["to"]) for one in record["sessions"]] == [(0, 0), (0, 1)]
