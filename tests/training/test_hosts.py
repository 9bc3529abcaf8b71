"""What several hosts promise: the run of one, with losses equal to rounding. Two processes stand for them here."""

import json
import os
import socket
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.training.helpers import Requests, record_of
from training.errors import HostsError
from training.loop.hosts import ADDRESS, COUNT, NUMBER, agreed, first, join, speaking
from training.network.tensors import read_tensors
from training.runs.folder import read_record, write_record
from training.runs.metrics import read_metrics
from training.settings import Settings

ROOT = Path(__file__).parents[2]
SECONDS = 240

Runner = Callable[..., list[subprocess.CompletedProcess[str]]]


@pytest.fixture
def run_on(tmp_path: Path, request_for: Requests, tokenizer_file: Path, small: Settings) -> Runner:
    """Runs `training run` on so many hosts at once; how each ended."""
    config = tmp_path / "small.toml"
    keys = ("length", "batch", "rank", "alpha", "warmup", "held_out")
    lines = "".join(f"{key} = {getattr(small, key)}\n" for key in keys)
    config.write_text(lines + "checkpoint_every = 2\nevaluate_every = 2\nsample_every = 2\n")

    def run(hosts: int, out: Path, *flags: str, name: str = "one") -> list[subprocess.CompletedProcess[str]]:
        command = [sys.executable, "-m", "training", "run", name, "--model", "tiny", "--json", *flags]
        command += ["--store", str(request_for("one", out).store.root), "--tokenizer", str(tokenizer_file)]
        command += ["--config", str(config), "--out", str(out)]
        with socket.create_server(("127.0.0.1", 0)) as server:
            port = server.getsockname()[1]
        together = {ADDRESS: f"127.0.0.1:{port}", COUNT: str(hosts)}
        started = [
            subprocess.Popen(
                command,
                cwd=ROOT,
                env={
                    **os.environ,
                    "JAX_PLATFORMS": "cpu",
                    **(together if hosts > 1 else {}),
                    NUMBER: str(number),
                },
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
            for number in range(hosts)
        ]
        try:
            return [
                subprocess.CompletedProcess(host.args, host.wait(), *outputs)
                for host, outputs in [(host, host.communicate(timeout=SECONDS)) for host in started]
            ]
        finally:
            for host in started:
                host.kill()

    return run


def losses_of(run: Path) -> "np.ndarray[Any, np.dtype[np.float64]]":
    lines = read_metrics(run / "metrics.jsonl")
    return np.array([[line["loss"], line["gradient_norm"]] for line in lines])


@pytest.mark.slow
def test_two_hosts_train_the_run_of_one_and_go_on_with_it(tmp_path: Path, run_on: Runner) -> None:
    alone, together = tmp_path / "alone", tmp_path / "together"
    [one] = run_on(1, alone, "--steps", "4")
    both = run_on(2, together, "--steps", "4")
    assert [host.returncode for host in (one, *both)] == [0, 0, 0], [host.stderr for host in (one, *both)]
    expected, observed = json.loads(one.stdout), [json.loads(host.stdout) for host in both]
    assert observed[0] == observed[1]
    assert observed[0]["plan"] == expected["plan"]
    np.testing.assert_allclose(losses_of(together), losses_of(alone), rtol=1e-4)
    for key in ("held_out_first_loss", "held_out_last_loss"):
        assert observed[0][key] == pytest.approx(expected[key], rel=1e-4)
    adapter = read_tensors(alone / "adapter" / "adapter.safetensors")
    for name, tensor in read_tensors(together / "adapter" / "adapter.safetensors").items():
        np.testing.assert_allclose(tensor, adapter[name], atol=1e-3, err_msg=name)
    assert record_of(together)["sessions"][0]["device_count"] == 2
    # The second host is silent, and what is written once is written by the first alone.
    assert "step 4" in both[0].stderr
    assert "step 4" not in both[1].stderr
    assert len(read_metrics(together / "metrics.jsonl")) == 4


@pytest.mark.slow
def test_two_hosts_go_on_from_a_checkpoint_and_refuse_together(tmp_path: Path, run_on: Runner) -> None:
    out = tmp_path / "run"
    both = run_on(2, out, "--steps", "3")
    assert [host.returncode for host in both] == [0, 0], [host.stderr for host in both]
    record = read_record(out)
    write_record(out, {**record, "status": "running"})
    for path in (out / "checkpoints" / "3").rglob("*"):
        if path.is_file():
            path.write_bytes(b"")
    again = run_on(2, out, "--steps", "3")
    assert [host.returncode for host in again] == [0, 0], [host.stderr for host in again]
    assert json.loads(again[0].stdout)["resumed_from"] == 2
    assert read_record(out)["adapter_digest"] == record["adapter_digest"]
    refused = run_on(2, out, "--steps", "3", name="two")
    assert [host.returncode for host in refused] == [2, 2], [host.stderr for host in refused]
    assert 'a run with manifest = "' in refused[0].stderr
    assert refused[1].stderr.splitlines()[-1].endswith("the first host gave up; its message says why")


def test_one_host_agrees_with_itself_and_speaks() -> None:
    assert first()
    assert (agreed(None), agreed("SIGTERM")) == (None, "SIGTERM")
    said: list[str] = []
    speaking(said.append)("a line")
    assert said == ["a line"]


@pytest.mark.parametrize("others", [{}, {COUNT: "2"}, {COUNT: "two", NUMBER: "0"}, {NUMBER: "0"}])
def test_a_coordinator_without_numbers_is_refused(others: Mapping[str, str]) -> None:
    with pytest.raises(HostsError, match="set both to numbers, or neither"):
        join({ADDRESS: "127.0.0.1:1", **others})


def test_without_a_coordinator_nobody_is_joined() -> None:
    join({COUNT: "2", NUMBER: "1"})
