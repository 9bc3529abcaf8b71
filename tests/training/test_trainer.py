"""What the trainer adds to Tunix's: the schedule, and metrics that a resumed run takes up."""

from dataclasses import replace
from pathlib import Path

import jax.numpy as jnp
import numpy as np
import pytest

from training.errors import RunFolderError
from training.settings import Settings
from training.trainer import (
    StepMetrics,
    append_metrics,
    keep_metrics,
    learning_rate_schedule,
    read_metrics,
)


@pytest.mark.parametrize("warmup", [0, 1, 4, 20])
@pytest.mark.parametrize("steps", [1, 2, 10])
def test_the_learning_rate_rises_then_falls_and_is_never_zero(
    small: Settings, warmup: int, steps: int
) -> None:
    rate = learning_rate_schedule(replace(small, warmup=warmup, learning_rate=0.5), steps)
    rates = np.array([float(rate(jnp.int32(done))) for done in range(steps)])
    assert (rates > 0).all()
    assert (rates <= 0.5 + 1e-6).all()
    top = min(warmup, steps - 1)
    assert (np.diff(rates[: top + 1]) >= -1e-7).all()
    assert (np.diff(rates[top:]) <= 1e-7).all()


def test_the_learning_rate_ends_near_a_tenth_of_its_peak(small: Settings) -> None:
    rate = learning_rate_schedule(replace(small, warmup=2, learning_rate=1.0), 100)
    assert float(rate(1)) == 1.0
    assert float(rate(2)) == 1.0
    assert float(rate(100)) == pytest.approx(0.1)


def metrics(step: int) -> StepMetrics:
    return StepMetrics(step, loss=1 / 3, tokens=7, gradient_norm=0.5, learning_rate=1e-3, held_out_loss=None)


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
