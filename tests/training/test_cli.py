"""What the command promises: one JSON object, one line for an error, and the exit status."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from manifests.store import Store
from tests.training.helpers import publish
from training.batches.tokenizer import Tokenizer
from training.cli import main

ROOT = Path(__file__).parents[2]


@pytest.fixture
def common(store: Store, trace_file: Path, tokenizer_file: Path) -> list[str]:
    publish(store, "one", trace_file, (1, 60))
    return ["--store", str(store.root), "--tokenizer", str(tokenizer_file)]


def test_plan_prints_what_will_be_trained_on(common: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plan", "one", *common, "--length", "160", "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert result.keys() >= {"plan", "traces", "tokens", "fill", "steps", "over_length"}
    assert result["traces"] + result["held_out"] + result["over_length"]["sums"]["traces"] == 60
    assert 0 < result["fill"] <= 1
    assert main(["plan", "one", *common, "--length", "160"]) == 0
    assert result["plan"] in capsys.readouterr().out


def test_steps_bound_a_plan(common: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plan", "one", *common, "--steps", "2", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["steps"] == 2


def test_a_tokenizer_is_trained_on_a_manifests_text(
    common: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    outs = [tmp_path / "1.model", tmp_path / "2.model"]
    for out in outs:
        assert (
            main(["tokenizer", "one", *common[:2], "--vocabulary", "400", "--out", str(out), "--json"]) == 0
        )
    result = json.loads(capsys.readouterr().out.splitlines()[0])
    assert result["digest"] == Tokenizer.open(outs[0]).digest
    assert outs[0].read_bytes() == outs[1].read_bytes()


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (["plan", "nobody"], 2, "'nobody': no manifest of that name"),
        (["plan", "one", "--tokenizer", "missing.model"], 2, "tokenizer missing.model: No such file"),
        (["plan", "one", "--length", "0"], 2, "--length = 0: expected an integer from 1"),
        (["plan", "one", "--length", "3"], 2, "no trace left to train on"),
        (["plan", "one", "--config", "missing.toml"], 2, "configuration missing.toml: No such file"),
        (["plan", "one", "--model", "huge"], 2, "model 'huge' is not known"),
        (["run", "one", "--model", "gemma2-2b-it", "--out", "run"], 2, "--base is missing"),
        (["run", "one", "--out", "run"], 2, "--model"),
        (["run", "one", "--model", "tiny", "--out", "run", "--continue", "missing"], 2, "missing: not a run"),
        (["run", "one", "--model", "tiny", "--out", "run", "--resume-from", "missing"], 2, "no run in it"),
        (["run", "one", "--model", "tiny", "--out", "run", "--budget", "8"], 2, "hours, minutes, seconds"),
        (["run", "one", "--model", "tiny", "--out", "run", "--allow-overlap"], 2, "--allow-overlap is about"),
        (["tokenizer", "one", "--vocabulary", "3", "--out", "x.model"], 2, "no tokenizer of 3 pieces"),
        (["dance"], 2, "invalid choice"),
        ([], 2, "required"),
    ],
)
def test_a_request_that_can_not_be_met_is_one_line(
    common: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    status: int,
    message: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    before = set(tmp_path.iterdir())
    command = arguments[:1]
    flags = (
        common
        if command and command[0] in {"plan", "run"}
        else common[:2]
        if command == ["tokenizer"]
        else []
    )
    assert main([*command, *flags, *arguments[1:]]) == status
    printed = capsys.readouterr()
    [line] = printed.err.splitlines()[-1:]
    assert message in line
    assert line.startswith("training: error: ")
    assert printed.out == ""
    assert set(tmp_path.iterdir()) == before


def test_a_plan_is_made_without_importing_jax() -> None:
    code = "import sys, training.cli; sys.exit(any(name in sys.modules for name in ('jax', 'tunix', 'flax')))"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0
