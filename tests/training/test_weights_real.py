"""Real Gemma 3 270M: its folder opens, the network that comes of it speaks English, and a run on it works.

ZEROCOST_GEMMA3_270M names the folder: model.safetensors and tokenizer.model, as Hugging Face has them.
"""

import json
import os
from dataclasses import replace
from pathlib import Path

import jax
import jax.numpy as jnp
import pytest
from flax import nnx

from manifests.store import Store
from tests.training.helpers import publish, record_of, sums, write_traces
from training.batches.tokenizer import Tokenizer
from training.cli import main
from training.errors import BaseError
from training.loop.update import batch_losses
from training.models import MODELS
from training.network.gemma import Network, build_network
from training.weights.folder import open_base

FOLDER = Path(os.environ.get("ZEROCOST_GEMMA3_270M", "/nowhere"))
MODEL = MODELS["gemma3-270m"]
SENTENCES = (
    "The quick brown fox jumps over the lazy dog.",
    "Water boils at one hundred degrees Celsius at sea level, and freezes at zero.",
    "In 1969, Neil Armstrong became the first person to walk on the surface of the Moon.",
    "She opened the door, looked around the empty room, and wondered where everybody had gone.",
)

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not (FOLDER / "model.safetensors").is_file(), reason="ZEROCOST_GEMMA3_270M names no folder of weights"
    ),
]


@nnx.jit
def loss_of(network: Network, tokens: jax.Array, segments: jax.Array) -> jax.Array:
    """Nats a token, of every token that has one before it."""
    losses = batch_losses(network, tokens, segments, jnp.roll(tokens, -1, axis=1))[:, :-1]
    predicted = segments[:, 1:]
    return (losses * predicted).sum() / predicted.sum()


def english_loss(quantize: str) -> float:
    """Nats a token of a few sentences, each behind `<bos>`."""
    tokenizer = Tokenizer.open(FOLDER / "tokenizer.model")
    base = open_base(FOLDER, MODEL.shape, tokenizer.vocabulary)
    settings = replace(MODEL.defaults, rank=4, quantize=quantize)
    network, _ = build_network(MODEL.shape, base, settings)
    rows = [[tokenizer.special.bos, *ids] for ids in tokenizer.encode(SENTENCES)]
    longest = max(map(len, rows))
    tokens = jnp.asarray([row + [tokenizer.special.pad] * (longest - len(row)) for row in rows])
    return float(loss_of(network, tokens, (tokens != tokenizer.special.pad).astype(jnp.int32)))


def test_it_predicts_english_and_nearly_as_well_in_four_bits() -> None:
    """Measured: 2.66 and 3.23 nats a token. A random model has 12.5; so small a one suffers most from four bits."""
    whole, quantized = english_loss("none"), english_loss("nf4")
    assert whole < 3, whole
    assert quantized < whole + 0.8, (whole, quantized)


def test_the_other_tokenizer_and_the_other_models_are_refused() -> None:
    with pytest.raises(BaseError, match="an embedding of 262,144 rows, but the tokenizer has 256,000 pieces"):
        open_base(FOLDER, MODEL.shape, 256_000)
    with pytest.raises(BaseError, match="looks like gemma3-270m or gemma3-270m-it, asked for gemma3-1b or"):
        open_base(FOLDER, MODELS["gemma3-1b"].shape, 262_144)


def test_a_run_on_it_works_with_the_tokenizer_of_its_folder(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    publish(
        Store(tmp_path / "store", behind=()), "one", write_traces(tmp_path / "sums.jsonl", sums(40)), (1, 40)
    )
    (config := tmp_path / "small.toml").write_text("rank = 4\nbatch = 1\nwarmup = 0\nheld_out = 0\n")
    flags = f"--model gemma3-270m --base {FOLDER} --length 128 --steps 1 --config {config} --out {tmp_path / 'run'}"
    assert main(["run", "one", "--store", str(tmp_path / "store"), *flags.split(), "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert result["first_loss"] < 4
    tokenizer = Tokenizer.open(FOLDER / "tokenizer.model")
    record = record_of(tmp_path / "run")
    assert (record["tokenizer"], record["vocabulary"]) == (tokenizer.digest, tokenizer.vocabulary)
    assert str(FOLDER) not in (tmp_path / "run" / "run.json").read_text()
