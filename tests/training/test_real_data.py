"""The promises of a run on real traces, with Gemma's own tokenizer and its vocabulary of 256,000."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from curation.build import build
from curation.recipe_reader import parse_recipe
from manifests.store import Store
from training.batches.tokenizer import Tokenizer
from training.errors import OverlapError
from training.models import TINY
from training.network.gemma import adapter_start
from training.network.tensors import read_tensors
from training.request import RunRequest
from training.run import train_adapter
from training.runs.folder import Record

Requests = Callable[..., RunRequest]
Finished = tuple[Path, Record]

pytestmark = pytest.mark.slow
ROOT = Path(__file__).parents[2]
CPU = {**os.environ, "JAX_PLATFORMS": "cpu"}
SETTINGS = replace(
    TINY.defaults, length=256, batch=2, steps=6, warmup=2, checkpoint_every=2, held_out="0.0005"
)
CONFIG = "length = 256\nbatch = 2\nwarmup = 2\ncheckpoint_every = 2\nheld_out = 0.0005\n"


@pytest.fixture(scope="module")
def store(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Store:
    """Session 1: a reservoir of flan-cot, star-1, rows 1 to 800 of game24. Session 2: 300 other rows of flan-cot."""
    store = Store(tmp_path_factory.mktemp("real") / "store", behind=())
    flan = {
        "name": "flan-cot",
        "files": str(shared_data / "flan-cot/flan/v2/cot_data/*.tsv"),
        "header": False,
        "columns": {"prompt": 1, "answer": 2, "reasoning": 3},
        "take": {"reservoir": 10_000, "seed": 42},
    }
    star = {
        "name": "star-1",
        "files": str(shared_data / "star-1/data/STAR-1.json"),
        "columns": {"prompt": "question", "response": "response"},
    }
    [train] = (shared_data / "game24-r1").rglob("*train*.parquet")
    game = {
        "name": "game24",
        "files": str(train),
        "columns": {"prompt": "prompt", "response": "completion"},
        "tags": {"reasoning": ["<think>", "</think>"], "answer": ["<answer>", "</answer>"]},
    }
    first = {"name": "first", "source": [flan, star, {**game, "rows": [1, 800]}]}
    second = {"name": "second", "source": [{**flan, "take": {"first": 300}}], "disjoint": {"from": ["first"]}}
    for table in (first, second):
        build(parse_recipe(table, shared_data, "test"), store)
    return store


@pytest.fixture(scope="module")
def tokenizer_file(shared_tokenizers: Path) -> Path:
    return shared_tokenizers / "gemma" / "tokenizer.model"


@pytest.fixture(scope="module")
def make(store: Store, tokenizer_file: Path) -> Requests:
    tokenizer = Tokenizer.open(tokenizer_file)
    return lambda name, out, parent=None, **changed: RunRequest(
        store, name, tokenizer, TINY, replace(SETTINGS, **changed), out, parent
    )


@pytest.fixture(scope="module")
def run(make: Requests, tmp_path_factory: pytest.TempPathFactory) -> Finished:
    out = tmp_path_factory.mktemp("run") / "run"
    return out, train_adapter(make("first", out), lambda _line: None)


def test_the_loss_of_held_out_traces_falls_and_every_tensor_moves(run: Finished) -> None:
    out, record = run
    assert record["vocabulary"] == 256_000
    assert record["held_out_last"]["loss"] < record["held_out_first"]["loss"] - 0.2
    for name, tensor in read_tensors(out / record["adapter"]).items():
        assert np.abs(tensor - adapter_start(SETTINGS.seed, name, tensor.shape)).max() > 1e-4, name


def test_what_is_too_long_is_recorded_by_source(run: Finished) -> None:
    _, record = run
    left = {entry["source"]: entry["traces"] for entry in record["over_length"]}
    assert left["star-1"] > 900
    assert left["game24"] == 800
    total = record["traces"] + record["held_out_traces"] + sum(left.values())
    assert 11_000 < total <= 11_800


def test_killed_and_started_again_it_gives_the_same_adapter(
    run: Finished, store: Store, tokenizer_file: Path, tmp_path: Path
) -> None:
    (tmp_path / "c.toml").write_text(CONFIG)
    out = tmp_path / "run"
    command = [sys.executable, "-m", "training", "run", "first", "--model", "tiny", "--json", "--steps", "6"]
    command += [
        "--store",
        str(store.root),
        "--tokenizer",
        str(tokenizer_file),
        "--config",
        str(tmp_path / "c.toml"),
    ]
    command += ["--out", str(out)]
    with subprocess.Popen(
        command, cwd=ROOT, env=CPU, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as killed:
        while not (out / "checkpoints" / "2").is_dir() and killed.poll() is None:
            time.sleep(0.05)
        killed.send_signal(signal.SIGKILL)
    done = subprocess.run(command, cwd=ROOT, env=CPU, capture_output=True, text=True, check=True)
    result = json.loads(done.stdout)
    assert result["resumed_from"] > 0
    assert result["adapter_digest"] == run[1]["adapter_digest"]


def test_session_two_goes_on_only_without_an_overlap(run: Finished, make: Requests, tmp_path: Path) -> None:
    out, first = run
    record = train_adapter(make("second", tmp_path / "run", out, steps=1), lambda _line: None)
    assert record["continued_from"]["adapter_digest"] == first["adapter_digest"]
    with pytest.raises(OverlapError, match="same rows"):
        train_adapter(make("first", tmp_path / "again", out), lambda _line: None)
