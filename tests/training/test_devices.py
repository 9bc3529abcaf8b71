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
from training.errors import SettingsError
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


SHARDED = """
import sys
import numpy as np
from pathlib import Path
from dataclasses import replace
import jax, jax.numpy as jnp
from flax import nnx
from tests.training.test_splash import GEMMA2, packed
from tests.training.helpers import TINY_GEMMA3, drawn_network
from training.loop.devices import Devices
from training.loop.update import losses_in_pieces, summed_gradient
from training.models import TINY
from training.network.gemma import tensor_name

for shape in (GEMMA2, replace(TINY_GEMMA3, layers=2)):
    gradients = {}
    for placement, remat in (("replicated", "none"), ("sharded", "layer"), ("sharded", "elementwise")):
        settings = replace(TINY.defaults, batch=8, rows_per_device=1, placement=placement, remat=remat, length=128)
        devices = Devices(settings, print)
        network, _ = drawn_network(shape, remat=remat, placement=placement)
        devices.place_network(network)
        whole = sum(leaf.nbytes for leaf in jax.tree.leaves(nnx.state(network)))
        held = sum(leaf.addressable_shards[0].data.nbytes for leaf in jax.tree.leaves(nnx.state(network)))
        inputs = packed([[100, 28], [90], [128], [60, 60]] * 2, 128)
        inputs = type(inputs)(*(devices.place(np.asarray(array)) for array in inputs))
        how = devices.computation
        gradient, loss = nnx.jit(lambda n, i: summed_gradient(n, i, how), graph_updates=False)(network, inputs)
        losses = nnx.jit(lambda n, *a: losses_in_pieces(n, a, how), graph_updates=False)(network, *inputs[:3])
        flat = {tensor_name(path): np.asarray(leaf[...]) for path, leaf in nnx.to_flat_state(gradient)}
        gradients[placement, remat] = flat, float(loss.total), np.asarray(losses)
        print(placement, remat, held < 0.75 * whole)
    (one, loss, losses), *others = gradients.values()
    for other, other_loss, other_losses in others:
        assert abs(loss - other_loss) < 1e-4 * loss
        np.testing.assert_allclose(losses, other_losses, rtol=1e-4, atol=1e-4)
        for name, expected in one.items():
            scale = np.abs(expected).max()
            assert scale > 0, name
            np.testing.assert_allclose(other[name], expected, rtol=0, atol=1e-4 * scale, err_msg=name)
"""


@pytest.mark.slow
def test_a_base_cut_over_the_devices_gives_the_same_and_takes_less_of_each() -> None:
    flags = {"JAX_PLATFORMS": "cpu", "XLA_FLAGS": "--xla_force_host_platform_device_count=4"}
    command, environment = [sys.executable, "-c", SHARDED], {**os.environ, **flags}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    expected = ["replicated none False", "sharded layer True", "sharded elementwise True"]
    assert done.stdout.splitlines() == 2 * expected


def test_a_base_cut_over_the_devices_without_remat_is_refused() -> None:
    settings = replace(TINY.defaults, placement="sharded")
    with pytest.raises(SettingsError, match="set another remat"):
        Devices(settings, print)
