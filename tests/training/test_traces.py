"""What a batch is: the plan's lines filled with the dataset's tokens."""

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from manifests.errors import MissingDatasetError, VerificationError
from manifests.keys import Trace
from manifests.store import Store
from tests.training.helpers import publish, sums, write_traces
from training.batches import traces
from training.batches.prepare import Prepared, prepare
from training.batches.templates import template_of
from training.batches.tokenizer import Tokenizer
from training.batches.traces import Batch, assemble_batch, encoded_batches
from training.settings import Settings


@pytest.fixture
def prepared(
    store: Store,
    trace_file: Path,
    tokenizer: Tokenizer,
    small: Settings,
    tmp_path: Path,
    say: Callable[[str], None],
) -> Prepared:
    manifest = publish(store, "one", trace_file, (1, 60))
    return prepare(store, manifest, tokenizer, small, tmp_path / "tokens", say)


def batch_of(prepared: Prepared, small: Settings, step: int) -> Batch:
    return assemble_batch(
        prepared.plan.batches.lines(step), prepared.encoded, small.batch, small.length, pad=0
    )


def test_every_token_of_every_planned_trace_is_in_the_batches_once(
    prepared: Prepared, small: Settings
) -> None:
    """And each stands where the plan says, in a segment of its own."""
    encoded = prepared.encoded
    for step in range(1, prepared.plan.steps + 1):
        batch = batch_of(prepared, small, step)
        columns = prepared.plan.batches.lines(step)
        seen = set()
        for row, offset, length, sample in zip(
            *(columns[k] for k in ("row", "offset", "length", "sample")), strict=True
        ):
            assert np.array_equal(batch.tokens[row - 1, offset : offset + length], encoded.tokens(sample))
            segment = set(batch.segments[row - 1, offset : offset + length].tolist())
            assert len(segment) == 1
            assert not segment & {0}
            seen.add((row, *segment))
        assert len(seen) == len(columns["row"])
        assert int((batch.segments > 0).sum()) == int(columns["length"].sum())


def test_what_is_trained_on_decodes_to_the_completions(
    prepared: Prepared, small: Settings, tokenizer: Tokenizer
) -> None:
    batch = batch_of(prepared, small, 1)
    for row in range(small.batch):
        trained = batch.targets[row][batch.weights[row] == 1]
        completions = [text for text in tokenizer.decode(trained).split("<end_of_turn>") if text]
        assert len(completions) == batch.segments[row].max()
        assert all(text.startswith("<think>\nLet me add them") for text in completions)
        assert all("</think>\n\nThe sum is" in text for text in completions)


def test_no_weight_lies_on_a_target_of_another_trace(prepared: Prepared, small: Settings) -> None:
    for step in range(1, prepared.plan.steps + 1):
        batch = batch_of(prepared, small, step)
        rows, places = np.nonzero(batch.weights)
        assert np.array_equal(batch.segments[rows, places], batch.segments[rows, places + 1])
        assert np.array_equal(batch.targets[rows, places], batch.tokens[rows, places + 1])


def test_the_plan_of_a_manifest_is_the_same_from_any_store(
    prepared: Prepared,
    trace_file: Path,
    tmp_path: Path,
    tokenizer: Tokenizer,
    small: Settings,
    say: Callable[[str], None],
) -> None:
    other = Store(tmp_path / "other", behind=())
    manifest = publish(other, "renamed", trace_file, (1, 60))
    again = prepare(other, manifest, tokenizer, small, tmp_path / "others", say)
    assert again.plan.id == prepared.plan.id


def test_what_is_left_out_is_said_and_recorded(
    store: Store,
    tmp_path: Path,
    tokenizer: Tokenizer,
    small: Settings,
    say: Callable[[str], None],
    said: list[str],
) -> None:
    forged = Trace("What is <end_of_turn>?", "A marker.", "It ends a turn.")
    broken = Trace("What is this?", "It begins. </think> It goes on.", "A tag.")
    path = write_traces(tmp_path / "traces.jsonl", [*sums(58), forged, broken])
    manifest = publish(store, "one", path, (1, 60))
    plan = prepare(store, manifest, tokenizer, replace(small, length=100), tmp_path / "tokens", say).plan
    [long], [forgery], [breach] = plan.over_length, plan.forged_turn, plan.broken_format
    assert (forgery.traces, breach.traces) == (1, 1)
    assert said == [
        f"sums: {long.traces} traces ({long.tokens:,} tokens) left out, longer than 100 tokens",
        f"sums: 1 traces ({forgery.tokens} tokens) left out, a turn marker stands in their text",
        (
            f"sums: 1 traces ({breach.tokens} tokens) left out, a tag of gemma-think/1 stands in their reasoning or "
            "answer (a recipe's tags take it out)"
        ),
    ]
    assert plan.traces + plan.held_out.num_rows + long.traces + 2 == 60


def test_a_manifest_without_its_dataset_is_refused(
    store: Store,
    trace_file: Path,
    tokenizer: Tokenizer,
    small: Settings,
    tmp_path: Path,
    say: Callable[[str], None],
) -> None:
    manifest = publish(store, "one", trace_file, (1, 60))
    folder = store.root / "datasets" / manifest.id
    folder.rename(folder.with_name("elsewhere"))
    with pytest.raises(MissingDatasetError):
        prepare(store, manifest, tokenizer, small, tmp_path / "tokens", say)
    assert not list(tmp_path.glob("tokens/*"))


def test_a_dataset_that_is_not_the_manifests_is_refused(
    store: Store,
    trace_file: Path,
    tokenizer: Tokenizer,
    small: Settings,
    tmp_path: Path,
    say: Callable[[str], None],
) -> None:
    one, two = publish(store, "one", trace_file, (1, 60)), publish(store, "two", trace_file, (2, 61))
    datasets = store.root / "datasets"
    (datasets / one.id).rename(datasets / "gone")
    (datasets / two.id).rename(datasets / one.id)
    with pytest.raises(VerificationError):
        prepare(store, one, tokenizer, small, tmp_path / "tokens", say)
    assert not list(tmp_path.glob("tokens/*"))


def test_where_the_tokens_are_kept_the_dataset_is_not_read_again(
    prepared: Prepared,
    store: Store,
    tokenizer: Tokenizer,
    small: Settings,
    tmp_path: Path,
    say: Callable[[str], None],
) -> None:
    shutil.rmtree(store.root / "datasets")
    again = prepare(store, store.manifest("one"), tokenizer, small, tmp_path / "tokens", say)
    assert again.plan.id == prepared.plan.id
    for step in range(1, again.plan.steps + 1):
        pairs = zip(batch_of(again, small, step), batch_of(prepared, small, step), strict=True)
        assert all(np.array_equal(one, other) for one, other in pairs)


def test_encoding_reports_how_far_it_is_and_does_not_depend_on_how_many_go_together(
    store: Store, trace_file: Path, tokenizer: Tokenizer, monkeypatch: pytest.MonkeyPatch
) -> None:
    manifest, template = publish(store, "one", trace_file, (1, 60)), template_of("gemma-think/1")
    whole, pieces = list[int](), list[int]()
    [together] = encoded_batches(store.dataset_blocks(manifest), tokenizer, template, whole.append)
    monkeypatch.setattr(traces, "AT_ONCE", 17)
    apart = list(encoded_batches(store.dataset_blocks(manifest), tokenizer, template, pieces.append))
    assert (whole, pieces) == ([60], [17, 34, 51, 60])
    assert pa.Table.from_batches(apart).to_pylist() == together.to_pylist()


def test_what_a_plan_knows_of_a_trace_is_the_manifests(prepared: Prepared, store: Store) -> None:
    sizes, rows = prepared.encoded.sizes, store.manifest("one").rows
    assert [row.tobytes() for row in sizes.contents] == rows.column("content").to_pylist()
    assert [sizes.source_of(sample) for sample in range(1, 61)] == rows.column("source").to_pylist()
