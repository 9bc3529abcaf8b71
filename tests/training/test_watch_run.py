"""What watching promises of a run: not a bit of it changes, and a start that goes back takes what it noted with it."""

import json
import shutil
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.training.helpers import Requests, drawn_network, record_of, sums, unfinished
from training.batches.templates import encode_prompts
from training.batches.tokenizer import Tokenizer
from training.errors import RunFolderError
from training.models import TINY
from training.run import train_adapter
from training.runs.metrics import METRICS, StepMetrics
from training.watch.pace import PACE, read_pace
from training.watch.sampler import prompt_text
from training.watch.samples import (
    PROMPT_MOST,
    PROMPTS,
    REPLY_MOST,
    SAMPLES,
    choose_samples,
    format_share,
    read_samples,
)
from training.watch.watcher import Watched, Watcher


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory, request_for: Requests) -> Path:
    """The run of `first`, with evaluations and samples on the way."""
    out = tmp_path_factory.mktemp("watched") / "run"
    train_adapter(request_for("one", out, sample_every=3, evaluate_every=3), lambda _line: None)
    return out


def test_watching_changes_not_a_bit_of_what_is_trained(watched: Path, first: Path) -> None:
    assert record_of(watched)["adapter_digest"] == record_of(first)["adapter_digest"]
    ours, theirs = ((run / METRICS).read_text().splitlines() for run in (watched, first))
    assert [json.loads(line)["loss"] for line in ours] == [json.loads(line)["loss"] for line in theirs]


def test_samples_are_made_before_the_first_step_now_and_then_and_behind_the_last(watched: Path) -> None:
    steps = record_of(watched)["steps"]
    asked = Counter(sample.step for sample in read_samples(watched / SAMPLES))
    assert set(asked) == {*range(0, steps, 3), steps}
    assert len(set(asked.values())) == 1


def test_samples_are_replies_to_held_out_traces_and_say_how_they_keep_the_format(watched: Path) -> None:
    held_out = pq.read_table(watched / "held_out.parquet").column("sample").to_pylist()
    samples = read_samples(watched / SAMPLES)
    traces = sums(200)
    for sample in samples:
        assert sample.sample in held_out
        assert (sample.source, sample.prompt) == ("sums", traces[sample.sample - 1].prompt)
        assert (sample.lapse is None) == (
            sample.reply.startswith("<think>") and sample.reply.count("</think>") == 1 and sample.tokens < 100
        ), sample
    assert all(sample.lapse for sample in samples if sample.step == 0)


def test_without_samples_there_is_no_file_of_them(first: Path) -> None:
    assert not (first / SAMPLES).exists()
    assert [pace.step for pace in read_pace(first / PACE)] == list(range(1, record_of(first)["steps"] + 1))


def test_a_start_that_goes_back_to_a_checkpoint_notes_every_step_once(
    tmp_path: Path, request_for: Requests, watched: Path, say: Callable[[str], None]
) -> None:
    out = unfinished(watched, tmp_path / "run")
    newest = max(int(path.name) for path in (out / "checkpoints").iterdir())
    shutil.rmtree(out / "checkpoints" / str(newest))
    before = max(int(path.name) for path in (out / "checkpoints").iterdir())
    with (out / SAMPLES).open("a") as file:
        file.write('{"step": ')  # it died while it wrote
    record = train_adapter(request_for("one", out, sample_every=3, evaluate_every=3), say)
    assert record["resumed_from"] == before
    for name in (SAMPLES, METRICS, "metrics.parquet"):
        assert (out / name).read_bytes() == (watched / name).read_bytes(), name
    pace = read_pace(out / PACE)
    assert [one.step for one in pace] == list(range(1, record["steps"] + 1))
    assert [one.step for one in pace if one.first] == [1, before + 1]
    assert len(list((out / "tensorboard").iterdir())) == 2


def test_a_start_from_the_beginning_takes_back_even_the_samples_from_before_the_first_step(
    tmp_path: Path, watched: Path, say: Callable[[str], None]
) -> None:
    run = shutil.copytree(watched, tmp_path / "run")
    network, _ = drawn_network(TINY.shape)
    watcher = Watcher(Watched(run, lambda: 9, 3, sampler=None, full_speed=None, writes=True), say)
    with watcher.watching(network, 0):
        assert read_samples(run / SAMPLES) == []
        assert read_pace(run / PACE) == []


def test_only_the_host_that_writes_writes(tmp_path: Path, said: list[str]) -> None:
    network, _ = drawn_network(TINY.shape)
    watcher = Watcher(
        Watched(tmp_path, lambda: 9, 3, sampler=None, full_speed=None, writes=False), said.append
    )
    with watcher.watching(network, 0):
        watcher.on_step(StepMetrics(1, 2.0, 3, 4, 0.5, 1e-3))
    assert not any(tmp_path.iterdir())
    assert said == ["step 1 of 9, loss 2.0000"]


def test_a_step_that_was_evaluated_took_about_as_long_as_others(watched: Path) -> None:
    """The update is waited for before the evaluation's clock runs: it is no matter of microseconds."""
    seconds = {one.step: one.seconds for one in read_pace(watched / PACE) if not one.first}
    evaluated = [seconds[step] for step in seconds if step % 3 == 0]
    others = [seconds[step] for step in seconds if step % 3]
    assert min(evaluated) > min(others) / 3


def held_out_table(sizes: list[tuple[int, int]]) -> pa.Table:
    """Held-out traces with these tokens of prompt and reply, one a row, somewhere in it."""
    prompts, replies = (np.array(column, dtype=np.uint64) for column in zip(*sizes, strict=True))
    count = len(sizes)
    offset = np.full(count, 5, dtype=np.uint64)
    return pa.table(
        {
            "sample": np.arange(1, count + 1, dtype=np.uint64),
            "offset": offset,
            "loss_start": offset + prompts,
            "loss_end": offset + prompts + replies,
        }
    )


def test_samples_are_chosen_by_source_in_turn_and_short_enough() -> None:
    sizes = [(10, 10)] * 9 + [(PROMPT_MOST, REPLY_MOST), (PROMPT_MOST + 1, 1), (1, REPLY_MOST + 1)]
    sources = ["a"] * 6 + ["b", "c", "c", "d", "e", "e"]
    chosen = choose_samples(held_out_table(sizes), lambda sample: sources[sample - 1])
    assert chosen == [1, 7, 8, 10, 2, 9, 3, 4]
    assert len(chosen) == PROMPTS


def test_where_nothing_is_short_enough_nothing_is_chosen() -> None:
    assert choose_samples(held_out_table([(PROMPT_MOST + 1, 1)]), lambda _: "a") == []
    assert choose_samples(held_out_table([(1, 1)]).slice(0, 0), lambda _: "a") == []


@given(text=st.text(st.characters(exclude_categories=["Cs"])))
def test_the_text_of_a_prompt_is_what_was_asked(tokenizer: Tokenizer, text: str) -> None:
    [ids] = encode_prompts(tokenizer, [text])
    assert prompt_text(tokenizer, ids.tolist()) == text


def test_samples_that_are_none_are_named(tmp_path: Path, watched: Path) -> None:
    path = tmp_path / SAMPLES
    shutil.copy(watched / SAMPLES, path)
    count = len(read_samples(path))
    assert 0 <= format_share(read_samples(path)) <= 1
    with path.open("a") as file:
        file.write('{"step": 1, "reply": 3}\n')
    with pytest.raises(RunFolderError, match=f"line {count + 1}: not a sample"):
        read_samples(path)
