"""What scores promise: the loss of each trace as if it were alone, joined to the manifest."""

import json
import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import jax.numpy as jnp
import numpy as np
import pyarrow.parquet as pq
import pytest
from flax import nnx

from manifests.cli import main as manifests_main
from manifests.scores import read_scores
from tests.training.helpers import Requests
from training import score
from training.batches.prepare import encode_manifest
from training.batches.tokenizer import Tokenizer
from training.cli import main
from training.loop.evaluation import TraceLoss
from training.loop.update import batch_losses
from training.models import TINY
from training.runs.opened import open_run
from training.score import (
    Scorer,
    TraceScores,
    base_scorer,
    run_scorer,
    score_manifest,
    write_trace_scores,
)
from training.settings import Settings

QUIET: Callable[[str], None] = lambda _line: None  # noqa: E731 - says nothing


@pytest.fixture(scope="module")
def scorer(first: Path) -> Scorer:
    """The model of a finished run on the manifest one."""
    return run_scorer(open_run(first, None))


@pytest.fixture(scope="module")
def scores(scorer: Scorer, request_for: Requests, first: Path) -> TraceScores:
    store = request_for("two", first).store
    return score_manifest(store, store.manifest("two"), scorer, None, QUIET)


def test_a_score_is_the_loss_of_the_trace_alone_in_a_row(
    scorer: Scorer, scores: TraceScores, request_for: Requests, first: Path, tmp_path: Path
) -> None:
    store, length = request_for("two", first).store, scorer.settings.length
    manifest = store.manifest("two")
    encoded = encode_manifest(store, manifest, scorer.tokenizer, "gemma-think/1", tmp_path, QUIET)
    scored = np.flatnonzero(scores.scored)
    assert len(scored) > 40
    alone = nnx.jit(batch_losses)
    for place in scored[::7]:
        tokens = np.zeros((1, length), dtype=np.int32)
        trace = encoded.tokens(int(place) + 1)
        tokens[0, : len(trace)] = trace
        segments = (np.arange(length) < len(trace)).astype(np.int32)[None]
        targets = np.roll(tokens, -1, axis=1)
        losses = alone(scorer.network, *(jnp.asarray(array) for array in (tokens, segments, targets)))
        start, end = (int(span[place]) for span in (encoded.sizes.loss_starts, encoded.sizes.loss_ends))
        expected = float(np.asarray(losses, dtype=np.float64)[0, start - 1 : end - 1].mean())
        assert scores.losses[place] == pytest.approx(expected, abs=1e-5)
        assert scores.tokens[place] == end - start


def test_what_does_not_fit_the_length_has_tokens_and_no_loss(
    scorer: Scorer, request_for: Requests, first: Path, tmp_path: Path
) -> None:
    store = request_for("two", first).store
    manifest, short = store.manifest("two"), replace(scorer, settings=replace(scorer.settings, length=90))
    scores = score_manifest(store, manifest, short, tmp_path, QUIET)
    [folder] = tmp_path.iterdir()
    encoded = encode_manifest(store, manifest, scorer.tokenizer, "gemma-think/1", folder, QUIET)
    fits = encoded.sizes.lengths <= 90
    assert 5 < fits.sum() < 55
    assert np.array_equal(scores.scored, fits)
    assert (scores.tokens > 0).all()


def test_a_manifest_of_which_nothing_fits_has_no_score(
    scorer: Scorer, request_for: Requests, first: Path
) -> None:
    store = request_for("two", first).store
    tight = replace(scorer, settings=replace(scorer.settings, length=5))
    scores = score_manifest(store, store.manifest("two"), tight, None, QUIET)
    assert not scores.scored.any()
    assert scores.mean is None


def test_what_a_run_learnt_scores_lower_than_under_its_base(
    scores: TraceScores, request_for: Requests, first: Path, tokenizer: Tokenizer, small: Settings
) -> None:
    store = request_for("two", first).store
    base = score_manifest(
        store, store.manifest("two"), base_scorer(TINY, None, small, tokenizer), None, QUIET
    )
    assert np.array_equal(base.scored, scores.scored)
    assert scores.mean is not None
    assert base.mean is not None
    assert scores.mean < base.mean - 1


def test_the_mean_is_weighted_by_token() -> None:
    scores = TraceScores(np.array([1, 3, 100]), np.array([4.0, 2.0, np.nan]))
    assert scores.mean == pytest.approx((4 + 6) / 4)


@pytest.mark.parametrize("total", [math.inf, math.nan])
def test_an_infinite_loss_is_no_number_either(total: float) -> None:
    assert math.isnan(score._mean(TraceLoss(1, 2, total)))
    assert score._mean(TraceLoss(1, 2, 3.0)) == 1.5


def test_a_loss_that_is_no_number_is_told_and_left_out(
    request_for: Requests, first: Path, tokenizer: Tokenizer, small: Settings
) -> None:
    store = request_for("two", first).store
    broken = base_scorer(TINY, None, small, tokenizer)
    embedding = broken.network.embedder.input_embedding
    embedding.set_value(jnp.full_like(embedding.get_value(), jnp.nan))
    said: list[str] = []
    scores = score_manifest(store, store.manifest("two"), broken, None, said.append)
    assert not scores.scored.any()
    assert any("no finite loss under this model" in line for line in said)


def test_scores_are_a_file_that_joins_the_manifest(
    scorer: Scorer, scores: TraceScores, request_for: Requests, first: Path, tmp_path: Path
) -> None:
    manifest = request_for("two", first).store.manifest("two")
    path = tmp_path / "scores.parquet"
    write_trace_scores(path, manifest, scorer, scores)
    table = pq.read_table(path)
    assert table.column_names == ["source", "row", "sample", "tokens", "loss"]
    for name in ("source", "row"):
        assert table.column(name).to_pylist() == manifest.rows.column(name).to_pylist()
    assert table.column("sample").to_pylist() == list(range(1, 61))
    assert table.column("loss").null_count == int((~scores.scored).sum()) > 0
    read = read_scores(path, manifest)
    assert np.array_equal(read.losses, scores.losses, equal_nan=True)
    record = json.loads((first / "run.json").read_text())
    assert read.told["adapter"] == record["adapter_digest"]
    assert read.told["base"] == record["base_digest"]
    assert read.told["length"] == "160"


def test_the_command_scores_and_the_manifest_shows_them(
    request_for: Requests, first: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store, out = str(request_for("two", first).store.root), tmp_path / "scores.parquet"
    arguments = ["score", "two", "--store", store, "--adapter", str(first), "--out", str(out), "--json"]
    assert main(arguments) == 0
    result = json.loads(capsys.readouterr().out)
    assert result["scores"] == str(out)
    assert 0 < result["scored"] < result["traces"] == 60
    assert manifests_main(["show", "two", "--store", store, "--scores", str(out), "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)["scores"]
    assert shown["scored"] == result["scored"]
    assert shown["of"]["adapter"] == result["adapter"]
    assert shown["sources"][0]["mean"] == pytest.approx(result["mean_loss"])


def test_without_an_adapter_the_base_of_a_model_is_scored(
    request_for: Requests,
    first: Path,
    tokenizer_file: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    manifest = request_for("shared", first).store.manifest("shared")
    arguments = ["--store", str(request_for("two", first).store.root), "--tokenizer", str(tokenizer_file)]
    assert main(["score", "shared", *arguments, "--model", "tiny", "--length", "128"]) == 0
    assert "adapter none" in capsys.readouterr().out
    assert (tmp_path / f"scores-{manifest.id[:12]}.parquet").is_file()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "--adapter or --model is missing"),
        (["--adapter", "RUN", "--model", "tiny"], "--model: the run of --adapter brings its own"),
        (["--adapter", "RUN", "--length", "5"], "--length: the run of --adapter brings its own"),
        (["--adapter", "nowhere"], "nowhere: not a run"),
        (["--model", "huge"], "model 'huge' is not known"),
    ],
)
def test_what_cannot_be_scored_is_one_line(
    arguments: list[str],
    message: str,
    request_for: Requests,
    first: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    store = str(request_for("two", first).store.root)
    given = [str(first) if argument == "RUN" else argument for argument in arguments]
    assert main(["score", "two", "--store", store, *given]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
