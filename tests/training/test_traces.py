"""What a batch is: the plan's lines filled with the dataset's tokens."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from manifests.errors import MissingDatasetError, VerificationError
from manifests.store import Store
from tests.training.helpers import publish
from training.plan import build_plan
from training.prepare import Prepared, plan_inputs, prepare
from training.settings import Settings
from training.templates import template_of
from training.tokenizer import Tokenizer
from training.traces import Batch, assemble_batch, encode_manifest


@pytest.fixture
def prepared(
    store: Store, trace_file: Path, tokenizer: Tokenizer, small: Settings, say: Callable[[str], None]
) -> Prepared:
    return prepare(store, publish(store, "one", trace_file, (1, 60)), tokenizer, small, say)


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
            expected = encoded.tokens[encoded.offsets[sample - 1] : encoded.offsets[sample]]
            assert np.array_equal(batch.tokens[row - 1, offset : offset + length], expected)
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
    again = prepare(other, publish(other, "renamed", trace_file, (1, 60)), tokenizer, small, say)
    assert again.plan.id == prepared.plan.id


def test_an_over_long_trace_is_said_and_recorded(
    store: Store,
    trace_file: Path,
    tokenizer: Tokenizer,
    small: Settings,
    say: Callable[[str], None],
    said: list[str],
) -> None:
    manifest = publish(store, "one", trace_file, (1, 60))
    plan = prepare(store, manifest, tokenizer, replace(small, length=100), say).plan
    [left] = plan.over_length
    assert said == [f"sums: {left.traces} traces ({left.tokens:,} tokens) left out, longer than 100 tokens"]
    assert plan.traces + plan.held_out.num_rows + left.traces == 60


def test_a_manifest_without_its_dataset_is_refused(
    store: Store, trace_file: Path, tokenizer: Tokenizer, small: Settings, say: Callable[[str], None]
) -> None:
    manifest = publish(store, "one", trace_file, (1, 60))
    folder = store.root / "datasets" / manifest.id
    folder.rename(folder.with_name("elsewhere"))
    with pytest.raises(MissingDatasetError):
        prepare(store, manifest, tokenizer, small, say)


def test_a_dataset_that_is_not_the_manifests_is_refused(
    store: Store, trace_file: Path, tokenizer: Tokenizer, small: Settings, say: Callable[[str], None]
) -> None:
    one, two = publish(store, "one", trace_file, (1, 60)), publish(store, "two", trace_file, (2, 61))
    datasets = store.root / "datasets"
    (datasets / one.id).rename(datasets / "gone")
    (datasets / two.id).rename(datasets / one.id)
    with pytest.raises(VerificationError):
        prepare(store, one, tokenizer, small, say)


def test_encoding_reports_how_far_it_is(
    store: Store, trace_file: Path, tokenizer: Tokenizer, small: Settings
) -> None:
    done: list[int] = []
    manifest = publish(store, "one", trace_file, (1, 60))
    encoded = encode_manifest(store, manifest, tokenizer, template_of(small.template), done.append)
    assert done == [60]
    plan = build_plan(plan_inputs(manifest.id, tokenizer.digest, small), encoded.sizes)
    assert plan.tokens <= len(encoded.tokens)
