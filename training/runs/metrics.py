"""What is recorded of each step: a line of `metrics.jsonl`, on disk before the checkpoint of its step.

The same run gives the same lines, bit for bit: there is no clock in them. `metrics.parquet` is made of them alone.
"""

import io
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from manifests.disk import replace_file
from training.errors import RunFolderError
from training.runs.lines import append_line, read_lines

METRICS, TABLE = "metrics.jsonl", "metrics.parquet"
HELD_OUT = "held_out/"  # how the columns of single sources begin


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
    append_line(path, {key: value for key, value in asdict(metrics).items() if value not in (None, {})})


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
    """The lines of a run's metrics, one a step. Raises `RunFolderError` when they can't be read."""
    return read_lines(path)


def step_metrics(path: Path) -> list[StepMetrics]:
    """The metrics of a run, each value checked for its type; none without the file.

    Raises `RunFolderError` for a line that is no step's.
    """
    steps = []
    for number, line in enumerate(read_lines(path), 1):
        by_source = line.get("by_source", {})
        known = line.keys() <= _COLUMNS_AND_SOURCES and isinstance(by_source, dict)
        if not known or not all(isinstance(value, int | float) for value in _numbers(line, by_source)):
            raise RunFolderError(f"{path}, line {number}: not the metrics of a step; the run is damaged")
        try:
            steps.append(StepMetrics(**line))
        except TypeError:
            raise RunFolderError(
                f"{path}, line {number}: lacks a number of its step; the run is damaged"
            ) from None
    return steps


def metrics_table(lines: Sequence[Mapping[str, Any]]) -> pa.Table:
    """Metrics as a table with a row a step.

    Columns: step, loss, tokens, useful, gradient_norm, learning_rate, held_out, and `held_out/<source>` for every
    source in order of name; a held-out loss is null at a step without one.
    """
    whole = pa.uint64()
    columns = {
        name: pa.array([line.get(name) for line in lines], whole if name in _WHOLE else pa.float64())
        for name in _COLUMNS
    }
    losses = [line.get("by_source", {}) for line in lines]
    for source in sorted({source for by_source in losses for source in by_source}):
        columns[HELD_OUT + source] = pa.array([by_source.get(source) for by_source in losses], pa.float64())
    return pa.table(columns)


def write_metrics_table(run: Path) -> None:
    """Write `metrics.parquet` from the metrics of a run, in place of an earlier one: whole or not at all."""
    buffer = io.BytesIO()
    pq.write_table(
        metrics_table(read_metrics(run / METRICS)), buffer, compression="zstd", write_page_checksum=True
    )
    replace_file(run / TABLE, buffer.getvalue())


_WHOLE = ("step", "tokens", "useful")
_COLUMNS = ("step", "loss", "tokens", "useful", "gradient_norm", "learning_rate", "held_out")
_COLUMNS_AND_SOURCES = {*_COLUMNS, "by_source"}


def _numbers(line: Mapping[str, Any], by_source: Mapping[str, Any]) -> list[Any]:
    return [*(value for key, value in line.items() if key != "by_source"), *by_source.values()]
