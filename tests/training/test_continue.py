"""What continuing a run promises: its adapter, a schedule of its own, and no row trained on twice."""

import json
import shutil
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from curation.build import build
from curation.recipe_reader import parse_recipe
from manifests.row_keys import row_keys
from manifests.store import Store
from tests.training.helpers import (
    COLUMNS,
    Requests,
    files_below,
    publish,
    record_of,
    sums,
    unfinished,
    write_traces,
)
from training.errors import OverlapError, ParentRunError, RunFolderError
from training.run import train_adapter
from training.runs.metrics import read_metrics
from training.runs.parent import open_parent, overlap_with, refuse_overlap, say_lineage


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
    assert record["held_out_first"]["loss"] < record_of(first)["held_out_first"]["loss"] - 1
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


def test_what_overlaps_is_counted_by_tier_with_examples_for_the_record(
    first: Path, request_for: Requests
) -> None:
    request = request_for("shared", first)
    overlap = overlap_with(open_parent(first), row_keys(request.store.manifest("shared")))
    consumed = 5 - _not_consumed(first, range(96, 101))
    assert overlap.record["counts"] == {"row": consumed, "content": consumed}
    assert all(len(overlap.record["examples"][tier]) == consumed for tier in ("row", "content"))
    assert json.loads(json.dumps(overlap.record)) == overlap.record
    none = overlap_with(open_parent(first), row_keys(request.store.manifest("two")))
    assert none.record == {"counts": {"row": 0, "content": 0}, "examples": {"row": [], "content": []}}
    refuse_overlap(open_parent(first), "two", none)


@pytest.mark.slow
def test_an_overlap_that_is_allowed_is_recorded(
    tmp_path: Path, request_for: Requests, first: Path, say: Callable[[str], None], said: list[str]
) -> None:
    request = replace(request_for("shared", tmp_path / "run", first, steps=1), allow_overlap=True)
    record = train_adapter(request, say)
    assert record["overlap"]["counts"]["row"] > 0
    assert any("overlap allowed: " in line for line in said)


def test_what_an_adapter_hangs_on_is_checked_before_anything_is_tokenised(
    tmp_path: Path, request_for: Requests, first: Path, say: Callable[[str], None], said: list[str]
) -> None:
    with pytest.raises(ParentRunError, match=r"trained with alpha = 4\.0, asked for 2\.0"):
        train_adapter(request_for("two", tmp_path / "next", first, alpha=2.0), say)
    assert said == []


def test_a_manifest_that_goes_on_from_another_one_is_told_of(
    tmp_path: Path, store: Store, trace_file: Path, first: Path
) -> None:
    publish(store, "one", trace_file, (1, 100))
    publish(store, "other", trace_file, (1, 99))
    for name, rows in (("one", (1, 100)), ("other", (1, 99))):
        table = {
            "name": "later",
            "order": "sequential",
            "continue": {"from": [name]},
            "source": [
                {
                    "name": "sums",
                    "files": str(trace_file),
                    "columns": COLUMNS,
                    "rows": [101, 160],
                    "duplicates": "keep",
                }
            ],
        }
        build(parse_recipe(table, tmp_path, "test"), store)
        manifest, said = store.manifest("later"), list[str]()
        say_lineage(open_parent(first), manifest, said.append)
        say_lineage(None, manifest, said.append)
        expected = (
            ["goes on from ", "starts from a new adapter"]
            if name == "other"
            else ["starts from a new adapter"]
        )
        assert len(said) == len(expected), rows
        assert all(words in line for words, line in zip(expected, said, strict=True))
