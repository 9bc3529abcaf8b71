"""What the trainer adds to Tunix's: batches by step, a stop on a boundary, and metrics that a resumed run takes up."""

from pathlib import Path

import numpy as np
import pytest

from training.batches.traces import Batch
from training.errors import RunFolderError
from training.loop.trainer import Course, PlannedData
from training.runs.metrics import StepMetrics, append_metrics, keep_metrics, read_metrics


class Done:
    """As much of a trainer as is asked how far it is."""

    def __init__(self, steps: int) -> None:
        self.train_steps = steps


def batch(step: int) -> Batch:
    numbers = np.full((1, 1), step, dtype=np.int32)
    return Batch(numbers, numbers, numbers, numbers.astype(np.float32))


def course(steps: int, *, stop: bool) -> Course:
    return Course(steps, batch, lambda _: 1.0, lambda _: None, lambda _: None, lambda: stop)


def test_the_batch_is_that_of_the_step_behind_those_that_are_done() -> None:
    data = PlannedData(course(3, stop=False))
    batches = [data.load_next_train_batch(Done(done)) for done in range(4)]
    assert [None if one is None else int(one.tokens[0, 0]) for one in batches] == [1, 2, 3, None]


def test_there_is_no_batch_when_it_is_to_stop() -> None:
    assert PlannedData(course(3, stop=True)).load_next_train_batch(Done(0)) is None


def metrics(step: int) -> StepMetrics:
    return StepMetrics(step, loss=1 / 3, tokens=7, useful=9, gradient_norm=0.5, learning_rate=1e-3)


def test_metrics_behind_the_checkpoint_are_cut_even_a_torn_line(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    for step in range(1, 5):
        append_metrics(path, metrics(step))
    whole = path.read_bytes()
    path.write_bytes(whole + b'{"step": 5, "lo')
    keep_metrics(path, 4)
    assert path.read_bytes() == whole
    keep_metrics(path, 2)
    assert [line["step"] for line in read_metrics(path)] == [1, 2]
    assert read_metrics(path)[0]["loss"] == 1 / 3


def test_metrics_that_lack_steps_are_a_damaged_run(tmp_path: Path) -> None:
    append_metrics(tmp_path / "metrics.jsonl", metrics(1))
    with pytest.raises(RunFolderError, match="1 steps, the checkpoint is of step 2; the run is damaged"):
        keep_metrics(tmp_path / "metrics.jsonl", 2)
