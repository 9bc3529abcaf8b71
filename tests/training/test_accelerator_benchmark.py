"""benchmarks/accelerator.py, run on the CPU: both sides, the same tokens, and nothing claimed that is not known."""

import json
import os
import runpy
import subprocess
import sys
from argparse import Namespace
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from training.models import TINY

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "accelerator.py"
SIDE = SCRIPT.parent / "rivals" / "accelerator_side.py"
SMALL = ("--model", "tiny", "--length", "64", "--batch", "2", "--rows-per-device", "1", "--steps", "2")


def ran(*arguments: str) -> subprocess.CompletedProcess[str]:
    # What is compiled runs for a moment: to optimize it takes longer than to run it.
    environment = {**os.environ, "JAX_PLATFORMS": "cpu", "JAX_DISABLE_MOST_OPTIMIZATIONS": "1"}
    command = [sys.executable, str(SCRIPT), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, env=environment, timeout=300)


def defined_by(script: Path) -> dict[str, Any]:
    path = sys.path[:]
    defined = runpy.run_path(str(script))
    sys.path[:] = path
    return defined


@pytest.fixture(scope="module")
def benchmark() -> dict[str, Any]:
    return defined_by(SCRIPT)


@pytest.fixture(scope="module")
def one_side() -> dict[str, Any]:
    """What the script that measures a side defines."""
    return defined_by(SIDE)


@pytest.fixture(scope="module")
def report() -> dict[str, Any]:
    done = ran(*SMALL, "--rounds", "1", "--json")
    assert done.returncode == 0, done.stderr
    result: dict[str, Any] = json.loads(done.stdout)
    return result


@pytest.mark.slow
def test_both_sides_compute_the_same_useful_tokens(report: dict[str, Any]) -> None:
    ours, stock = report["ours"], report["stock"]
    assert ours["useful"] == stock["useful"] == report["traces"]["tokens"] > 0
    assert ours["operations"] == stock["operations"]
    assert ours["weights"] == pytest.approx(stock["weights"], rel=1e-6)
    assert stock["left_out"] == {"count": 0, "tokens": 0}
    assert stock["attempts"] == []
    assert (ours["length"], ours["batch"]) == (stock["length"], stock["batch"]) == (64, 2)
    # A trace a row: more rows, and most of them padding.
    assert stock["steps"] == report["traces"]["count"] / 2 > ours["steps"] == 2
    assert stock["padding"] > ours["padding"] >= 0


@pytest.mark.slow
def test_rates_are_those_of_the_steps_behind_the_compiled_one(report: dict[str, Any]) -> None:
    for side in (report["ours"], report["stock"]):
        assert side["tokens_per_second"] == pytest.approx(side["useful"] / side["seconds"][0])
        assert side["seconds"][0] < side["first_step_seconds"][0]  # compiling takes longer than all the rest
        assert 0 < side["last_loss"] < 2 * side["first_loss"]


@pytest.mark.slow
def test_a_peak_that_is_not_known_is_said_to_be_unknown(
    benchmark: dict[str, Any], report: dict[str, Any]
) -> None:
    assert report["device"] == {
        "platform": "cpu",
        "kind": "cpu",
        "count": 1,
        "peak": None,
        "memory_gib": None,
    }
    assert report["ours"]["share_of_peak"] is report["stock"]["share_of_peak"] is None
    assert report["ours"]["peak_gib"] is None
    lines = list(benchmark["_lines"](report))
    assert lines[0] == "1 × cpu (cpu), memory unknown, peak of one unknown"
    assert "this is a CPU" in lines[1]
    assert next(line for line in lines if line.startswith("share of peak")).split()[3:] == [
        "unknown",
        "unknown",
    ]


def test_traces_fill_packed_rows_and_whole_batches_of_one_each(one_side: dict[str, Any]) -> None:
    settings = replace(TINY.defaults, length=64, batch=8)
    traces = one_side["Traces"](settings, 512, steps=2)
    assert len(traces.rows) == 16
    assert all(sum(traces.lengths[row]) <= 64 for row in traces.rows)
    assert len(traces.samples) % 8 == 0
    short = traces.fitting(traces.samples, 16, 4)
    assert short
    assert len(short) % 4 == 0
    assert max(traces.lengths[short]) <= 16


def run_of(**changed: Any) -> dict[str, Any]:
    device = {
        "kind": "NVIDIA H100 80GB HBM3",
        "platform": "gpu",
        "count": 2,
        "peak": 1e12,
        "memory_gib": 79.0,
    }
    told = ("weights", "steps", "padding", "first_loss", "last_loss", "first_step_seconds", "left_out")
    figures = {"useful": 1000, "operations": 1e9, "seconds": 2.0, "peak_gib": 5.0, **dict.fromkeys(told, 0)}
    return {"length": 64, "batch": 2, "device": device, **figures, **changed}


def test_the_share_is_of_all_devices_peaks_and_the_rate_a_median(benchmark: dict[str, Any]) -> None:
    runs = [run_of(seconds=seconds, peak_gib=gib) for seconds, gib in ((2.0, 5.0), (1.0, 6.0), (4.0, 5.5))]
    side = benchmark["_side"](runs)
    assert (side["slowest"], side["tokens_per_second"], side["fastest"]) == (250, 500, 1000)
    assert side["share_of_peak"] == pytest.approx(500 * 1e9 / 2e12)
    assert side["peak_gib"] == 6.0


def test_a_rival_that_does_not_fit_gets_fewer_rows_and_then_shorter_ones(benchmark: dict[str, Any]) -> None:
    sizes = benchmark["_ever_smaller"]
    assert list(sizes(64, 4, 1))[:5] == [(64, 4), (64, 2), (64, 1), (32, 4), (32, 2)]
    assert list(sizes(8192, 8, 8)) == [(8192, 8), (4096, 8), (2048, 8), (1024, 8)]
    assert all(rows % 2 == 0 for _, rows in sizes(64, 12, 2))


@pytest.mark.slow
def test_what_the_rival_died_of_and_had_to_do_is_said(
    benchmark: dict[str, Any], report: dict[str, Any]
) -> None:
    died = {"length": 64, "batch": 2, "died": "RESOURCE_EXHAUSTED: Out of memory"}
    stock = {**report["stock"], "length": 32, "left_out": {"count": 3, "tokens": 120}, "attempts": [died]}
    lines = list(benchmark["_lines"]({**report, "stock": stock}))
    assert "stock died of memory with 2 × 64: RESOURCE_EXHAUSTED: Out of memory" in lines
    assert "so stock had to take 2 × 32, and left out 3 traces with 120 tokens" in lines
    lines = list(benchmark["_lines"]({**report, "ours": died}))
    assert "ours died of memory: RESOURCE_EXHAUSTED: Out of memory" in lines


def test_a_setting_that_is_none_is_refused_in_a_line(one_side: dict[str, Any]) -> None:
    given = {
        "model": "tiny",
        "length": 0,
        "batch": None,
        "rows_per_device": None,
        "remat": None,
        "side": "ours",
    }
    with pytest.raises(SystemExit, match=r"^length = 0: expected an integer from 1$"):
        one_side["_measured"](Namespace(**given))
