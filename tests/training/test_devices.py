"""What devices change: nothing but speed. The same batches, and losses equal to rounding, on one or eight."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest

from tests.training.helpers import Requests
from training.loop.devices import Devices
from training.models import TINY
from training.network.tensors import read_tensors
from training.runs.metrics import read_metrics
from training.settings import Settings

ROOT = Path(__file__).parents[2]

Runner = Callable[..., Path]


@pytest.fixture
def run_on(tmp_path: Path, request_for: Requests, tokenizer_file: Path, small: Settings) -> Runner:
    """Runs `training run one` on so many devices of the CPU; its folder."""

    def run(devices: int, **changed: object) -> Path:
        out = tmp_path / f"run-{devices}"
        config = tmp_path / f"config-{devices}.toml"
        settings = replace(small, **{"batch": 8, "rows_per_device": 8, **changed})  # type: ignore[arg-type]
        keys = (
            "length",
            "batch",
            "rows_per_device",
            "rank",
            "alpha",
            "warmup",
            "checkpoint_every",
            "held_out",
        )
        config.write_text("".join(f"{key} = {getattr(settings, key)}\n" for key in keys))
        command = [
            sys.executable,
            "-m",
            "training",
            "run",
            "one",
            "--model",
            "tiny",
            "--steps",
            "3",
            "--json",
        ]
        command += ["--store", str(request_for("one", out).store.root), "--tokenizer", str(tokenizer_file)]
        command += ["--config", str(config), "--out", str(out)]
        flags = {"JAX_PLATFORMS": "cpu", "XLA_FLAGS": f"--xla_force_host_platform_device_count={devices}"}
        done = subprocess.run(
            command, cwd=ROOT, env={**os.environ, **flags}, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        return out

    return run


def losses_of(run: Path) -> np.ndarray[Any, np.dtype[np.float64]]:
    lines = read_metrics(run / "metrics.jsonl")
    return np.array([[line["loss"], line["gradient_norm"]] for line in lines])


@pytest.mark.slow
def test_two_and_eight_devices_give_the_losses_of_one_to_rounding(run_on: Runner) -> None:
    one, *more = (run_on(devices) for devices in (1, 2, 8))
    plan = json.loads((one / "run.json").read_text())["plan"]
    adapter = read_tensors(one / "adapter" / "adapter.safetensors")
    for other in more:
        assert json.loads((other / "run.json").read_text())["plan"] == plan
        np.testing.assert_allclose(losses_of(other), losses_of(one), rtol=1e-4)
        for name, tensor in read_tensors(other / "adapter" / "adapter.safetensors").items():
            np.testing.assert_allclose(tensor, adapter[name], atol=1e-3, err_msg=name)


@pytest.mark.parametrize(
    ("batch", "rows_per_device", "micro_batches"), [(8, 8, 1), (8, 3, 4), (8, 1, 8), (6, 4, 2), (1, 5, 1)]
)
def test_a_devices_share_is_computed_in_even_pieces_of_at_most_so_many_rows(
    batch: int, rows_per_device: int, micro_batches: int
) -> None:
    if jax.device_count() != 1:
        pytest.skip(f"{jax.device_count()} devices here")
    settings = replace(TINY.defaults, batch=batch, rows_per_device=rows_per_device)
    assert Devices(settings, lambda _line: None).computation.micro_batches == micro_batches


@pytest.mark.slow
def test_devices_that_the_rows_do_not_divide_over_are_left_out_and_told() -> None:
    script = (
        "from dataclasses import replace\n"
        "from training.loop.devices import Devices\n"
        "from training.models import TINY\n"
        "devices = Devices(replace(TINY.defaults, batch=6, rows_per_device=1), print)\n"
        "print(devices.count, devices.computation.micro_batches)\n"
    )
    flags = {"JAX_PLATFORMS": "cpu", "XLA_FLAGS": "--xla_force_host_platform_device_count=4"}
    command, environment = [sys.executable, "-c", script], {**os.environ, **flags}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == [
        "3 of 4 devices used: 6 rows a batch divide over no more",
        "3 2",
    ]
