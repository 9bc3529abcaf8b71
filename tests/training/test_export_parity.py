"""The parity gate: transformers and peft, on torch, give the logits of the network that was trained.

Both are loaded from what an export wrote, in an environment of their own (parity/requirements.txt), and compared in
float32.
"""

import json
import logging
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import safetensors.numpy

from tests.training.exports import drawn_base, network_logits, trained_run
from tests.training.helpers import TINY_GEMMA3
from training.batches.templates import encode_traces, template_of
from training.batches.tokenizer import Tokenizer
from training.export.exporting import write_export
from training.export.trained import TrainedRun
from training.models import TINY, Shape, model_of
from training.network.gemma import Base
from training.weights.folder import open_base
from training.weights.names import Array, network_names, take_apart

LOG = logging.getLogger(__name__)
PARITY = Path(__file__).parent / "parity"
LENGTH = 200  # behind the sliding windows of both shapes
TEXTS = (
    "What is 12 plus 7?",
    "  two spaces,\ta tab\n\n\nand lines \n",
    "<b>é 日本 😀</b> 100,000.5 ▁ <think>\nfirst\n</think>\n\nThe sum is 3.",
    "",
)
SHAPES = {"gemma2": replace(TINY.shape, layers=4), "gemma3": TINY_GEMMA3}


@pytest.fixture(scope="module")
def torch_python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Python with torch, transformers and peft. Skips where they can't be had."""
    folder = tmp_path_factory.mktemp("torch")
    subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
    python = folder / "bin" / "python"
    wanted = (PARITY / "requirements.txt").read_text(encoding="utf-8").split("\n")
    packages = [line for line in wanted if line and not line.startswith("#")]
    # A build for the CPU is a tenth of the size, where the index has one.
    small = [f"{package}+cpu" if package.startswith("torch==") else package for package in packages]
    for choice in (small, packages):
        pip = [str(python), "-m", "pip", "install", "--quiet", "--no-input", *choice]
        done = subprocess.run(pip, capture_output=True, text=True, check=False)
        if done.returncode == 0:
            return python
    pytest.skip(f"torch, transformers and peft can't be installed: {done.stderr.strip().splitlines()[-1:]}")


@dataclass(frozen=True)
class Answer:
    """What torch gave: logits by model, and `answer.json`."""

    logits: dict[str, npt.NDArray[np.float32]]
    told: dict[str, Any]


Ask = Callable[[TrainedRun, Base, npt.NDArray[np.int32], list[int], Path | None], tuple[Path, Answer]]


@pytest.fixture
def ask(torch_python: Path, tmp_path: Path) -> Ask:
    """Export a run as peft and merged, and let torch answer for both; the folder of the exports, and the answer."""

    def run_both(
        run: TrainedRun,
        base: Base,
        tokens: npt.NDArray[np.int32],
        positions: list[int],
        weights: Path | None,
    ) -> tuple[Path, Answer]:
        for kind, given in (("peft", None), ("merged", base)):
            write_export(run, kind, tmp_path / kind, given, lambda _line: None)
        (tmp_path / "base").mkdir()
        shutil.copy(tmp_path / "merged" / "config.json", tmp_path / "base")
        if weights is None:
            write_huggingface_base(tmp_path / "base", run.model.shape, base)
        else:
            (tmp_path / "base" / "model.safetensors").symlink_to(weights)
        adapted = {"model": str(tmp_path / "base"), "adapter": str(tmp_path / "peft")}
        merged = {"model": str(tmp_path / "merged"), "adapter": None}
        request = {
            "models": {"adapter": adapted, "merged": merged},
            "tokens": tokens.tolist(),
            "positions": positions,
            "tokenizer": str(tmp_path / "merged"),
            "texts": TEXTS,
            "prompts": TEXTS,
        }
        (tmp_path / "request.json").write_text(json.dumps(request))
        subprocess.run(
            [
                str(torch_python),
                str(PARITY / "logits.py"),
                str(tmp_path / "request.json"),
                str(tmp_path / "answer"),
            ],
            check=True,
            env={**os.environ, "HF_HUB_OFFLINE": "1"},
        )
        logits = {name: np.load(tmp_path / "answer" / f"{name}.npy") for name in request["models"]}
        return tmp_path, Answer(logits, json.loads((tmp_path / "answer" / "answer.json").read_text()))

    return run_both


def write_huggingface_base(folder: Path, shape: Shape, base: Base) -> None:
    """The base without any adapter, as transformers loads it."""
    tensors: dict[str, Array] = {}
    for name, size in network_names(shape, base.vocabulary).items():
        tensors |= take_apart(shape, name, base.tensor(name, size))
    contiguous = {name: np.ascontiguousarray(tensor) for name, tensor in tensors.items()}
    safetensors.numpy.save_file(contiguous, folder / "model.safetensors", {"format": "pt"})


def tokens_of(vocabulary: int, rows: int, length: int) -> npt.NDArray[np.int32]:
    return np.random.default_rng(5).integers(4, vocabulary, (rows, length), dtype=np.int32)


def check_tokenizer(run: TrainedRun, answer: Answer) -> None:
    """Texts and openings of answers come out of transformers as the ids that training saw."""
    tokenizer = Tokenizer(run.tokenizer, "tokenizer")
    assert answer.told["texts"] == tokenizer.encode(TEXTS)
    # A text is opened with <bos> unless it is asked not to.
    assert answer.told["decoded"] == [f"<bos>{text}".replace("▁", " ") for text in TEXTS]
    empty = [""] * len(TEXTS)
    traces = encode_traces(template_of(run.settings.template), tokenizer, TEXTS, empty, empty)
    assert answer.told["prompts"] == [trace.ids[: trace.loss_start].tolist() for trace in traces]


def say_apart(what: str, apart: float, logits: npt.NDArray[np.float32]) -> None:
    """The figure, for whoever asks with `--log-cli-level=INFO`."""
    LOG.info("%s: max |Δ| %.2e where the largest logit is %.1f", what, apart, np.abs(logits).max())


@pytest.mark.slow
@pytest.mark.parametrize("family", SHAPES)
def test_torch_gives_the_logits_of_the_network_that_was_trained(
    family: str, ask: Ask, tokenizer_file: Path
) -> None:
    run = trained_run(SHAPES[family], tokenizer_file)
    base = drawn_base(run)
    tokens = tokens_of(run.vocabulary, 2, LENGTH)
    every = list(range(LENGTH))
    expected = network_logits(run, base, tokens, every)
    _, answer = ask(run, base, tokens, every, None)
    check_tokenizer(run, answer)
    for name, logits in answer.logits.items():
        apart = float(np.abs(logits - expected).max())
        say_apart(f"{family} {name}", apart, expected)
        assert apart < 5e-5
    assert answer.told["apart"] < 1e-6
    # What is compared hangs on the adapter: without it the logits are others.
    idle = replace(run, adapter={name: np.zeros_like(tensor) for name, tensor in run.adapter.items()})
    assert np.abs(network_logits(idle, base, tokens, every) - expected).max() > 0.1


@pytest.mark.slow
def test_torch_gives_the_logits_of_real_gemma_3_270m_with_an_adapter(ask: Ask) -> None:
    folder = Path(os.environ.get("ZEROCOST_GEMMA3_270M", "none"))
    if not (folder / "model.safetensors").exists():
        pytest.skip("ZEROCOST_GEMMA3_270M names no folder with the weights of Gemma 3 270M")
    model = model_of("gemma3-270m")
    vocabulary = Tokenizer.open(folder / "tokenizer.model").vocabulary
    base = open_base(folder, model.shape, vocabulary)
    run = trained_run(model.shape, folder / "tokenizer.model", base=base, name=model.name, deviation=0.02)
    length = model.shape.sliding_window + 40
    tokens = tokens_of(vocabulary, 1, length)
    positions = [0, 1, 100, model.shape.sliding_window - 1, model.shape.sliding_window, length - 1]
    place, answer = ask(run, base, tokens, positions, folder / "model.safetensors")
    check_tokenizer(run, answer)
    # The merged weights are rounded to the base's bfloat16: what they give is held against the network with them in it.
    idle = replace(run, adapter={name: np.zeros_like(tensor) for name, tensor in run.adapter.items()})
    merged = open_base(place / "merged", model.shape, vocabulary)
    for name, expected in (
        ("adapter", network_logits(run, base, tokens, positions)),
        ("merged", network_logits(idle, merged, tokens, positions)),
    ):
        apart = float(np.abs(answer.logits[name] - expected).max())
        say_apart(f"gemma3-270m {name}", apart, expected)
        assert apart < 1e-3
