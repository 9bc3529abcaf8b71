"""What `--base` promises on the command line: the tokenizer beside the weights, and one line for a mistake."""

import json
import shutil
from pathlib import Path

import pytest

from manifests.store import Store
from tests.training.helpers import publish
from training.batches.tokenizer import DEMO_TOKENIZER
from training.cli import main


@pytest.fixture
def common(store: Store, trace_file: Path) -> list[str]:
    publish(store, "one", trace_file, (1, 60))
    return ["--store", str(store.root)]


@pytest.fixture
def base(tmp_path: Path, tokenizer_file: Path) -> Path:
    """A folder with a tokenizer, but no weights yet."""
    (tmp_path / "base").mkdir()
    shutil.copy(tokenizer_file, tmp_path / "base" / "tokenizer.model")
    return tmp_path / "base"


def plan_of(common: list[str], capsys: pytest.CaptureFixture[str], *flags: str) -> str:
    assert main(["plan", "one", *common, "--length", "160", *flags, "--json"]) == 0
    plan: str = json.loads(capsys.readouterr().out)["plan"]
    return plan


def error_of(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert main(arguments) == 2
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1
    return lines[0]


def test_the_tokenizer_is_that_of_the_base_unless_another_is_given(
    common: list[str], base: Path, tokenizer_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    real = ("--model", "gemma3-270m")
    taken = plan_of(common, capsys, *real, "--base", str(base))
    assert taken == plan_of(common, capsys, *real, "--tokenizer", str(tokenizer_file))
    assert taken != plan_of(common, capsys, *real, "--base", str(base), "--tokenizer", str(DEMO_TOKENIZER))


def test_a_real_model_without_a_tokenizer_says_where_it_looked(
    common: list[str], base: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    plan = ("plan", "one", *common, "--model", "gemma3-270m")
    assert "--tokenizer is missing, and without --base there is none to take; give the" in error_of(
        capsys, *plan
    )
    (base / "tokenizer.model").unlink()
    said = (
        f"--tokenizer is missing, and {base} has no tokenizer.model; give the tokenizer.model of gemma3-270m"
    )
    assert said in error_of(capsys, *plan, "--base", str(base))


def test_a_base_is_asked_for_or_refused_by_the_model(
    common: list[str], base: Path, tokenizer_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = ("run", "one", *common, "--tokenizer", str(tokenizer_file), "--out", str(tmp_path / "run"))
    said = f"training: error: --base {base}: model tiny draws its weights from a seed; leave it out"
    assert error_of(capsys, *run, "--model", "tiny", "--base", str(base)) == said
    assert error_of(capsys, "plan", "one", *common, "--base", str(base)) == said
    said = "training: error: --base is missing; model gemma3-1b takes its weights from a folder"
    assert error_of(capsys, *run, "--model", "gemma3-1b") == said
    said = (
        f"training: error: base {base}: no weights in it; expected .safetensors files, or an Orbax checkpoint"
    )
    assert error_of(capsys, *run, "--model", "gemma3-1b", "--base", str(base)).startswith(said)
    assert not (tmp_path / "run").exists()
