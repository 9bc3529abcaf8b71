"""What is recorded of each step: a line of `metrics.jsonl`, on disk before the checkpoint of its step."""

import json
import os
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from training.errors import RunFolderError


@dataclass(frozen=True)
class StepMetrics:
    """The numbers of a step; every one of them comes out the same when the step is run again.

    loss           the mean over the batch's trained tokens, in nats, before the update
    tokens         how many those are
    useful         tokens of the batch that are not padding
    gradient_norm  global, before clipping
    held_out       after the step, where one was asked for: the mean loss over all held-out traces' trained tokens
    by_source      the same by source
    """

    step: int
    loss: float
    tokens: int
    useful: int
    gradient_norm: float
    learning_rate: float
    held_out: float | None = None
    by_source: dict[str, float] = field(default_factory=dict)


def append_metrics(path: Path, metrics: StepMetrics) -> None:
    """Add a step's line, on disk when this returns."""
    values = {key: value for key, value in asdict(metrics).items() if value not in (None, {})}
    with path.open("a", encoding="ascii") as file:
        file.write(json.dumps(values) + "\n")
        file.flush()
        os.fsync(file.fileno())


def keep_metrics(path: Path, steps: int) -> None:
    """Cut the metrics behind step `steps`: what ran past its checkpoint runs again.

    Raises `RunFolderError` when lines are missing.
    """
    lines = path.read_bytes().splitlines(keepends=True) if path.exists() else []
    if len(lines) < steps:
        raise RunFolderError(
            f"{path}: {len(lines)} steps, the checkpoint is of step {steps}; "
            "the run is damaged, take another --out"
        )
    if len(lines) > steps:
        os.truncate(path, sum(map(len, lines[:steps])))


def read_metrics(path: Path) -> list[dict[str, Any]]:
    """The lines of a run's metrics, one a step."""
    return [json.loads(line) for line in path.read_text(encoding="ascii").splitlines()]
