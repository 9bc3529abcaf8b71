"""What the metrics of a run promise: the same bytes for the same run, and a table made of them alone."""

from pathlib import Path

import polars as pl
import pytest

from training.errors import RunFolderError
from training.runs.metrics import METRICS, StepMetrics, append_metrics, step_metrics, write_metrics_table

FIRST = StepMetrics(1, loss=1 / 3, tokens=7, useful=9, gradient_norm=0.5, learning_rate=1e-3)
SECOND = StepMetrics(
    2, float("nan"), 5, 8, 0.25, 2e-3, held_out=1.5, by_source={"glaive": 1.25, 'co"t\n': 1.75}
)


def test_metrics_are_read_back_as_they_were_written(tmp_path: Path) -> None:
    for metrics in (FIRST, SECOND):
        append_metrics(tmp_path / METRICS, metrics)
    first, second = step_metrics(tmp_path / METRICS)
    assert first == FIRST
    assert str(second) == str(SECOND)  # a NaN is not itself
    assert step_metrics(tmp_path / "none") == []


def test_the_table_has_a_row_a_step_and_a_column_a_source_and_always_the_same_bytes(tmp_path: Path) -> None:
    written = []
    for name in ("one", "two"):
        run = tmp_path / name
        run.mkdir()
        append_metrics(run / METRICS, FIRST)
        write_metrics_table(run)
        append_metrics(run / METRICS, SECOND)
        write_metrics_table(run)  # in place of the earlier one
        written.append((run / "metrics.parquet").read_bytes())
    assert written[0] == written[1]
    table = pl.read_parquet(tmp_path / "one" / "metrics.parquet")
    assert table.columns == [
        *("step", "loss", "tokens", "useful", "gradient_norm", "learning_rate", "held_out"),
        *('held_out/co"t\n', "held_out/glaive"),
    ]
    assert table["loss"].to_list()[0] == 1 / 3
    assert table["useful"].to_list() == [9, 8]
    assert table["held_out"].to_list() == [None, 1.5]
    assert table["held_out/glaive"].to_list() == [None, 1.25]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('{"step": 1}', "lacks a number of its step"),
        ('{"step": 1, "lost": 2}', "not the metrics of a step"),
        ('{"step": "1", "loss": 2}', "not the metrics of a step"),
        ('{"step": 1, "by_source": [1]}', "not the metrics of a step"),
        ('{"step": 1, "by_source": {"a": "b"}}', "not the metrics of a step"),
    ],
)
def test_a_line_that_is_no_steps_is_named(tmp_path: Path, line: str, message: str) -> None:
    (tmp_path / METRICS).write_text(line + "\n")
    with pytest.raises(RunFolderError, match=f"line 1: {message}"):
        step_metrics(tmp_path / METRICS)
