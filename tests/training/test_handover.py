"""What a hand-over promises: a run goes on in another folder, and the folder that it came from is only read."""

import shutil
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from manifests.errors import StoreError
from tests.training.helpers import Requests, files_below, record_of, unfinished
from training.errors import RunFolderError
from training.run import train_adapter
from training.runs import folder, handover
from training.runs.checkpoints import Checkpoint, DamagedError, read_checkpoint, steps_in
from training.runs.folder import write_record
from training.runs.handover import take_over
from training.runs.metrics import read_metrics


def asked_of(run: Path) -> folder.Record:
    return {key: record_of(run)[key] for key in folder.REQUEST}


@pytest.fixture
def killed(first: Path, tmp_path: Path) -> Path:
    """A run killed at step 18 of 20: checkpoints of 12 (a copy of 16's metrics) and 16, two lines more of metrics."""
    run = unfinished(first, tmp_path / "killed")
    shutil.rmtree(run / "checkpoints" / "20")
    lines = (run / "metrics.jsonl").read_bytes().splitlines(keepends=True)
    (run / "metrics.jsonl").write_bytes(b"".join(lines[:18]) + b'{"step": 19, "lo')
    return run


@pytest.fixture
def read_only(killed: Path) -> Iterator[Path]:
    """The same, as it looks mounted read-only."""
    paths = [killed, *killed.rglob("*")]
    for path in paths:
        path.chmod(0o555 if path.is_dir() else 0o444)
    yield killed
    for path in paths:
        path.chmod(0o755)


def taken_over(source: Path, out: Path, said: list[str]) -> bool:
    return take_over(source, out, asked_of(source), said.append)


def test_what_is_needed_is_copied_with_the_metrics_cut_to_the_checkpoint(
    read_only: Path, tmp_path: Path, said: list[str]
) -> None:
    before = files_below(read_only)
    out = tmp_path / "deep" / "out"
    assert taken_over(read_only, out, said)
    assert files_below(read_only) == before
    assert steps_in(out / "checkpoints") == [16]
    assert read_checkpoint(out / "checkpoints" / "16").told["cursor"] == 16
    assert len(read_metrics(out / "metrics.jsonl")) == 16
    assert record_of(out) == record_of(read_only)
    copied = {name for name in files_below(out) if not name.startswith(("checkpoints", "tensorboard"))}
    assert copied >= {*record_of(out)["files"], "run.json", "metrics.jsonl", "tokens.arrow", "tokens.json"}
    assert all(path.stat().st_mode & 0o200 for path in out.rglob("*"))
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["out"]
    assert said == [f"{out}: taken over from {read_only} at step 16"]


@pytest.mark.slow
def test_the_run_goes_on_to_the_end_of_one_left_alone(
    read_only: Path, first: Path, tmp_path: Path, request_for: Requests, said: list[str]
) -> None:
    request = replace(request_for("one", tmp_path / "out"), resume_from=read_only)
    record = train_adapter(request, said.append)
    assert (record["resumed_from"], record["status"]) == (16, "finished")
    assert record["adapter_digest"] == record_of(first)["adapter_digest"]
    assert (tmp_path / "out" / "metrics.jsonl").read_bytes() == (first / "metrics.jsonl").read_bytes()
    said.clear()
    assert train_adapter(request, said.append) == record
    assert "as far or further; going on with it, not with" in said[0]
    assert said[1].endswith("finished before, nothing to do")


def test_a_finished_run_is_taken_over_with_its_adapter(
    first: Path, tmp_path: Path, request_for: Requests, say: Callable[[str], None]
) -> None:
    out = tmp_path / "out"
    record = train_adapter(replace(request_for("one", out), resume_from=first), say)
    assert record == record_of(first)
    folder.check_adapter(out, record)


def test_a_damaged_newest_checkpoint_is_left_out(
    killed: Path, first: Path, tmp_path: Path, said: list[str]
) -> None:
    shutil.copytree(first / "checkpoints" / "20", killed / "checkpoints" / "20")
    shutil.rmtree(killed / "checkpoints" / "20" / "model_params")
    (killed / "checkpoints" / "24").mkdir()
    taken_over(killed, tmp_path / "out", said)
    assert steps_in(tmp_path / "out" / "checkpoints") == [16]
    assert [line.split(": ", 1)[1].split(" (")[0] for line in said[:2]] == ["damaged", "damaged"]


def test_a_run_with_nothing_but_damaged_checkpoints_is_refused(
    killed: Path, tmp_path: Path, said: list[str]
) -> None:
    shutil.rmtree(killed / "checkpoints" / "16" / "model_params")
    with pytest.raises(RunFolderError, match=r"none of its checkpoints can be restored \(16\)"):
        taken_over(killed, tmp_path / "out", said)
    assert not (tmp_path / "out").exists()


def test_a_run_without_a_checkpoint_is_taken_over_from_its_beginning(
    killed: Path, tmp_path: Path, said: list[str]
) -> None:
    shutil.rmtree(killed / "checkpoints")
    taken_over(killed, tmp_path / "out", said)
    assert said == [f"{tmp_path / 'out'}: taken over from {killed} at step 0"]
    assert not (tmp_path / "out" / "metrics.jsonl").exists()


@pytest.mark.parametrize("name", ["plan.parquet", "keys.parquet", "tokenizer.model", "ancestors.parquet"])
def test_a_file_that_is_not_the_one_of_the_record_is_not_taken_over(
    killed: Path, tmp_path: Path, said: list[str], name: str
) -> None:
    (killed / name).write_bytes((killed / name).read_bytes() + b"x")
    with pytest.raises(RunFolderError, match="the run is damaged"):
        taken_over(killed, tmp_path / "out", said)
    assert not (tmp_path / "out").exists()


def test_a_run_of_another_request_is_refused_as_in_its_own_folder(
    killed: Path, tmp_path: Path, request_for: Requests, say: Callable[[str], None]
) -> None:
    request = replace(request_for("one", tmp_path / "out", learning_rate=0.5), resume_from=killed)
    with pytest.raises(RunFolderError, match=r"a run with settings\.learning_rate = "):
        train_adapter(request, say)
    assert not (tmp_path / "out").exists()


def test_a_folder_without_a_run_is_refused(
    tmp_path: Path, request_for: Requests, say: Callable[[str], None]
) -> None:
    (tmp_path / "empty").mkdir()
    for source, expected in (
        ("empty", "no run in it to go on with"),
        ("missing", "no run in it to go on with"),
    ):
        request = replace(request_for("one", tmp_path / "out"), resume_from=tmp_path / source)
        with pytest.raises(RunFolderError, match=expected):
            train_adapter(request, say)


def test_out_is_gone_on_with_when_it_is_as_far(killed: Path, tmp_path: Path, said: list[str]) -> None:
    out = tmp_path / "out"
    taken_over(killed, out, said)
    before = files_below(out)
    said.clear()
    assert not taken_over(killed, out, said)
    assert files_below(out) == before
    assert said == [
        f"{out}: holds the run of {killed}, as far or further; going on with it, not with {killed}"
    ]


def test_out_that_is_behind_or_another_run_is_refused_and_left_alone(
    killed: Path, first: Path, tmp_path: Path, said: list[str]
) -> None:
    out = tmp_path / "out"
    taken_over(killed, out, said)
    before = files_below(out)
    with pytest.raises(RunFolderError, match=r"holds the same run at step 16, .* is at step 20"):
        take_over(first, out, asked_of(first), said.append)
    assert files_below(out) == before
    write_record(out, {**record_of(out), "schedule": {"steps": 9, "laid_at": 6}})
    with pytest.raises(RunFolderError, match=r"a run with schedule\.laid_at = 6, asked for 0"):
        taken_over(killed, out, said)


def test_a_source_that_changes_meanwhile_is_copied_again(
    killed: Path, first: Path, tmp_path: Path, said: list[str]
) -> None:
    """As a run does that trains: it renames a new checkpoint into place, and removes the oldest."""
    over = threading.Event()

    def train() -> None:
        spare = tmp_path / "spare"
        while not over.is_set():
            shutil.rmtree(spare, ignore_errors=True)
            shutil.copytree(first / "checkpoints" / "20", spare)
            spare.rename(killed / "checkpoints" / "20")
            over.wait(0.02)
            (killed / "checkpoints" / "20").rename(spare)

    # The metrics are always ahead of the checkpoints.
    shutil.copyfile(first / "metrics.jsonl", killed / "metrics.jsonl")
    thread = threading.Thread(target=train)
    thread.start()
    try:
        for number in range(5):
            out = tmp_path / f"out-{number}"
            try:
                taken_over(killed, out, said)
            except RunFolderError as error:
                assert "changes faster than it can be copied" in str(error)  # noqa: PT017
                assert not out.exists()
                continue
            [step] = steps_in(out / "checkpoints")
            assert read_checkpoint(out / "checkpoints" / str(step)).told["cursor"] == step
            assert len(read_metrics(out / "metrics.jsonl")) == step
    finally:
        over.set()
        thread.join()
    assert not any("damaged" in line for line in said)


def test_a_checkpoint_that_is_removed_while_it_is_copied_is_not_called_damaged(
    killed: Path, first: Path, tmp_path: Path, said: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    newest = killed / "checkpoints" / "20"
    shutil.copytree(first / "checkpoints" / "20", newest)

    def read_half_of_it(path: Path) -> Checkpoint:
        if newest.exists():
            shutil.rmtree(newest)
            raise DamagedError("half of it is there")
        return read_checkpoint(path)

    monkeypatch.setattr(handover, "read_checkpoint", read_half_of_it)
    assert taken_over(killed, tmp_path / "out", said)
    assert said == [f"{tmp_path / 'out'}: taken over from {killed} at step 16"]


def test_a_place_that_can_not_be_written_is_one_line(killed: Path, tmp_path: Path, said: list[str]) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(StoreError, match="can't be written"):
        take_over(killed, tmp_path / "file" / "out", asked_of(killed), said.append)
