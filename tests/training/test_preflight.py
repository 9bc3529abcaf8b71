"""What a preflight promises: the run's own step, compiled for a TPU that is not here, and no for what does not fit."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from importlib.metadata import PackageNotFoundError
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from tests.training.helpers import Requests, drawn_network
from tests.training.test_prediction import plan_of
from tests.training.test_splash import packed
from training.batches.plan import Plan
from training.errors import PlanError, PreflightError
from training.loop.devices import Devices
from training.loop.step import Step
from training.loop.update import build_optimizer
from training.models import TINY
from training.network.remat import LEVELS
from training.preflight.compiling import Compiled
from training.preflight.flight import Flight, Question
from training.preflight.prediction import work_of
from training.preflight.programs import step_program
from training.preflight.sweep import _grid, _nearer, nearest_fit
from training.preflight.target import Chip, Target, open_target
from training.settings import Settings

ROOT = Path(__file__).parents[2]
VOCABULARY = 512

Preflight = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def preflight(tmp_path: Path, request_for: Requests, tokenizer_file: Path, small: Settings) -> Preflight:
    """Runs `training preflight one` with tiny in a process of its own, as a person does."""
    store = request_for("one", tmp_path / "unused").store

    def run(*flags: str, **config: object) -> subprocess.CompletedProcess[str]:
        settings = {
            "length": small.length,
            "batch": small.batch,
            "rank": small.rank,
            "alpha": small.alpha,
            **config,
        }
        file = tmp_path / "config.toml"
        file.write_text("".join(f"{key} = {value!r}\n" for key, value in settings.items()), encoding="utf-8")
        command = [str(Path(sys.executable).parent / "training"), "preflight", "one", "--model", "tiny"]
        command += ["--config", str(file), "--tokenizer", str(tokenizer_file), "--store", str(store.root)]
        command += ["--cache", str(tmp_path / "cache"), *flags]
        environment = {name: value for name, value in os.environ.items() if name != "XLA_FLAGS"}
        return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)

    return run


def settings_of(**changed: Any) -> Settings:
    return replace(
        TINY.defaults, rank=4, alpha=4.0, seed=1, length=128, batch=2, rows_per_device=1, **changed
    )


@pytest.mark.parametrize("remat", ["none", "up"])
def test_the_program_is_that_of_the_run_to_the_letter(remat: str) -> None:
    """The step that a trainer compiles from its arrays, and the one made from shapes alone."""
    settings = settings_of(remat=remat)
    devices = Devices(settings, print)
    network, _ = drawn_network(TINY.shape, VOCABULARY, remat=remat)
    devices.place_network(network)
    optimizer = nnx.Optimizer(network, build_optimizer(settings), wrt=nnx.LoRAParam)
    devices.replicate(optimizer)
    inputs = packed([[100], [60, 60]], 128)
    placed = type(inputs)(*(devices.place(np.asarray(array)) for array in inputs))
    step = Step(network, optimizer, devices.computation)
    of_run = step.compiled_as.lower(*step.arguments(placed)).as_text()
    assert step_program(TINY.shape, VOCABULARY, settings, devices).lowered.as_text() == of_run


def test_a_run_compiles_its_step_once() -> None:
    settings = settings_of()
    devices = Devices(settings, print)
    network, _ = drawn_network(TINY.shape, VOCABULARY)
    devices.place_network(network)
    optimizer = nnx.Optimizer(network, build_optimizer(settings), wrt=nnx.LoRAParam)
    devices.replicate(optimizer)
    step = Step(network, optimizer, devices.computation)
    losses = []
    for number in range(3):
        inputs = packed([[100 - number], [60, 60]], 128)._replace(rate=jnp.float32(0.1 / (1 + number)))
        losses.append(
            float(step(type(inputs)(*(devices.place(np.asarray(array)) for array in inputs))).loss.total)
        )
    assert step.compiled_as._cache_size() == 1  # type: ignore[attr-defined]
    assert losses[0] != losses[1]


def test_the_step_has_the_frozen_base_neither_among_its_outputs_nor_copied() -> None:
    settings = settings_of()
    devices = Devices(settings, print)
    program = step_program(TINY.shape, VOCABULARY, settings, devices)
    memory = program.lowered.compile().memory_analysis()
    network, _ = drawn_network(TINY.shape, VOCABULARY)
    adapter = sum(leaf.nbytes for leaf in jax.tree.leaves(nnx.state(network, nnx.LoRAParam)))
    # Adapter and two moments go out in the place that they came in, with a few numbers.
    assert memory.output_size_in_bytes < 3 * adapter + 2000
    assert memory.alias_size_in_bytes >= 3 * adapter


@pytest.mark.parametrize("flags", [("--share", "0"), ("--share", "nan"), ("--budget", "soon")])
def test_a_share_or_a_budget_that_is_none_is_refused_before_anything_is_tokenised(
    flags: tuple[str, str], preflight: Preflight, tmp_path: Path
) -> None:
    done = preflight(*flags, "--json")
    assert (done.returncode, done.stdout) == (2, "")
    [line] = done.stderr.splitlines()
    assert line.startswith(f"training: error: {flags[0]} {flags[1]!r}: expected ")
    assert not (tmp_path / "cache").exists()


@pytest.mark.slow
def test_it_says_what_a_session_costs_and_the_second_time_from_the_cache(preflight: Preflight) -> None:
    first = preflight("--budget", "1h", "--json")
    assert first.returncode == 0, first.stderr
    told = json.loads(first.stdout)
    assert told["fits"]
    assert not told["cached"]
    assert told["devices"] == 4  # of eight: four rows divide over no more
    assert told["recompilations"] == 0
    assert 0 < told["memory"]["bytes"] < told["memory"]["available"] == 15.75 * 2**30
    assert told["executed_flops_per_useful_token"] > told["operations"]["needed_by_the_plan"]
    assert 0 < told["plan"]["padding"] < 0.3
    # The gradient of the adapter, in float32, once around four chips; the loss and its tokens beside it.
    adapter = 2 * (
        192 * 4 * 5 + 768 * 4 + 4 * (4 * 48 + 2 * 2 * 48 + 192 + 3 * 768 // 3 * 2 + 192) + 4 * 48 * 4
    )
    assert list(told["link_bytes_a_device_and_step"]) == ["all-reduce"]
    assert told["link_bytes_a_device_and_step"]["all-reduce"] == pytest.approx(
        2 * 3 / 4 * 4 * adapter, rel=0.05
    )
    assert [session["share"] for session in told["sessions"]] == [0.3, 0.4, 0.5, 0.6]
    assert told["gib_per_chip"] == pytest.approx(told["memory"]["bytes"] / 2**30, abs=0.001)
    assert list(told["predicted_minutes"]) == ["0.3", "0.4", "0.5", "0.6"]
    assert "prediction" in told["assumptions"][0]
    second = json.loads(preflight("--budget", "1h", "--json").stdout)
    assert second["cached"]
    assert second["memory"] == told["memory"]
    assert second["link_bytes_per_useful_token"] == told["link_bytes_per_useful_token"] > 0
    other = json.loads(preflight("--json", remat="layer").stdout)
    assert not other["cached"]
    assert other["operations"]["a_device_and_step"] > told["operations"]["a_device_and_step"]
    late = preflight("--budget", "1s", "--share", "0.000001")
    assert late.returncode == 1
    assert "does NOT fit" in late.stdout


@pytest.mark.slow
def test_what_does_not_fit_is_refused_with_the_nearest_that_does(preflight: Preflight) -> None:
    """1.3 million tokens at once on a chip: what two layers keep of them is more than it has."""
    done = preflight(batch=65_536, rows_per_device=8192, remat="elementwise")
    assert done.returncode == 1
    assert "does NOT fit" in done.stdout
    [line] = [line for line in done.stderr.splitlines() if line.startswith("training: error")]
    assert "the nearest that fits has" in line
    assert "GiB a chip, v5e:2x4 has 15.75" in line


@pytest.mark.slow
def test_a_sweep_ranks_what_it_tried_and_tries_nothing_twice(preflight: Preflight, small: Settings) -> None:
    done = preflight("--sweep", "--json", "--budget", "1s", "--share", "0.000001", batch=8)
    assert done.returncode == 1, done.stderr  # all fit into memory, and none into a second
    tried = json.loads(done.stdout)["tried"]
    settings = [json.dumps(each["settings"]) for each in tried]
    assert len(set(settings)) == len(settings) >= 4
    assert {each["settings"]["length"] for each in tried} == {small.length, 2048, 4096, 8192}
    minutes = [each["sessions"][1]["seconds"] for each in tried]
    assert all(each["fits_memory"] and not each["fits"] for each in tried)
    assert minutes == sorted(minutes)
    assert "sweep 1 of " in done.stderr


def test_a_sweep_keeps_the_tokens_of_an_update_and_computes_no_more_rows_than_a_chip_has() -> None:
    settings = settings_of(remat="none")
    grid = list(_grid(replace(settings, length=8192, batch=8), 8))
    assert [(each.length, each.batch, each.rows_per_device) for each in grid] == [
        (2048, 32, 1), (2048, 32, 2), (2048, 32, 4), (4096, 16, 1), (4096, 16, 2), (8192, 8, 1),
    ]  # fmt: skip


def test_what_would_be_nearest_is_tried_in_the_order_of_what_it_costs() -> None:
    settings = settings_of(remat="elementwise", placement="replicated")
    nearer = list(_nearer(replace(settings, rows_per_device=2), may_be_cut=True))
    kinds = [
        "sharded" if each.placement == "sharded" else "shorter" if each.length < 128 else "same"
        for each in nearer
    ]
    assert kinds == sorted(kinds, key=["same", "sharded", "shorter"].index)
    assert [each.remat for each in nearer[:4]] == list(LEVELS[2:])
    assert all(each.length >= 128 for each in nearer)
    uncut = list(_nearer(settings, may_be_cut=False))
    assert {each.placement for each in uncut} == {"replicated"}


def test_rows_that_are_too_short_for_any_trace_are_passed_over() -> None:
    """The step is refused for its memory, not for a manifest that has nothing to train on."""
    target = Target("one:1", jax.devices(), "one", Chip(2**34, 1.0, 1.0), 1.0, "compiler 1")
    shape, settings, plan = TINY.shape, settings_of(remat="none"), plan_of([100])
    flight = Flight(
        question=Question(target, shape, VOCABULARY, settings, plan, Path("nowhere")),
        devices=1,
        micro_batches=1,
        attention="dense",
        operations=1.0,
        compiled=Compiled(0, 0, 0, 2**40, {}, 1.0),
        cached=False,
        work=work_of(plan, shape, VOCABULARY, settings),
    )

    def none_left(_settings: Settings) -> Plan:
        raise PlanError("no trace left to train on")

    said: list[str] = []
    assert nearest_fit(flight, none_left, said.append) is None
    assert set(said) == {"passed over: no trace left to train on"}


def test_without_libtpu_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> str:
        raise PackageNotFoundError(name)

    monkeypatch.setattr("training.preflight.target.version", missing)
    with pytest.raises(PreflightError) as raised:
        open_target("v5e:2x4")
    assert "pip install 'tunix-zero-cost[tpu]'" in str(raised.value)
    assert "\n" not in str(raised.value)


@pytest.mark.slow
def test_a_topology_that_is_none_is_refused_in_a_line(preflight: Preflight) -> None:
    done = preflight("--topology", "v5e:3x5x7")
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1].startswith("training: error: --topology v5e:3x5x7: ")
    assert "Traceback" not in done.stderr
