"""Useful tokens a second and share of peak on a GPU or TPU: our step beside stock Tunix, in one run.

    python benchmarks/accelerator.py [--model NAME] [--length N] [--batch N] [--rows-per-device N] [--remat LEVEL]
                                     [--steps N] [--rounds N] [--json]

The settings are those of the model's row in `training/models.py`, where no flag says otherwise; the model is
`gemma2-2b`, or `tiny` on a CPU. Weights are drawn on the device, the same on both sides, and so are the traces: their
lengths are log-normal, a fifth of a row in the middle and one in a hundred as long as the row, as those of reasoning
traces are for rows of 8,192. A *useful* token is one that is not padding.

- ours: `training.loop.step.Step` on all devices, over packed rows: what `training run` executes;
- stock: `PeftTrainer` with its own loss and Gemma, sharded over the devices as Tunix's examples do (FSDP), the same
  traces a row each, padded to the same length. Where memory does not hold that, it gets half the rows, and half again;
  then half the length, without the traces that are longer. It is told what it died of, and what it had to do.

They run in turn, `--rounds` times, each in a process of its own (`rivals/accelerator_side.py`). The first steps are
compiled while they run: they are told apart and not counted. Medians are reported. The share of peak is that of
`training/watch/peak.py`, `unknown` where the device's peak is; padding, masked attention and what is computed again
count for nothing.
"""

import argparse
import json
import math
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from training.network.remat import LEVELS

SIDE = Path(__file__).parent / "rivals" / "accelerator_side.py"
PASSED_ON = ("model", "length", "batch", "rows_per_device", "remat")  # where they are given
HALVINGS = 3  # of the rival's length, at most
KILLED = -9
Result = dict[str, Any]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="Tokens a second and share of peak, ours and stock Tunix.")
    parser.add_argument("--model", choices=("gemma2-2b", "tiny"))
    for name in ("--length", "--batch", "--rows-per-device"):
        parser.add_argument(name, type=int)
    parser.add_argument("--remat", choices=LEVELS, help="of ours")
    parser.add_argument("--steps", type=int, default=5, help="of ours, counted; stock gets the same traces")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    if min(options.steps, options.rounds) < 1:
        parser.error("--steps and --rounds: at least 1")
    passed_on = {name: getattr(options, name) for name in PASSED_ON}
    flags = [f"--{name.replace('_', '-')}={value}" for name, value in passed_on.items() if value is not None]
    report = _compared([str(options.steps), *flags], options.rounds)
    print(json.dumps(report) if options.json else "\n".join(_lines(report)))
    if "died" in report["ours"]:
        sys.exit("ours does not fit: try another --remat, or fewer --rows-per-device")


def _compared(given: Sequence[str], rounds: int) -> Result:
    """Both sides in turn; what they come to."""
    with tempfile.TemporaryDirectory() as compiled:
        run = partial(_in_a_process, given, compiled)
        ours, attempts = [run("ours")], list[Result]()
        for size in _ever_smaller(ours[0]["length"], ours[0]["batch"], ours[0]["device"]["count"]):
            attempts.append(run("stock", *size))
            if "died" not in attempts[-1]:
                break
        stock = attempts[-1:]
        for _ in range(1, rounds):
            if "died" not in ours[-1]:
                ours.append(run("ours"))
            if "died" not in stock[-1]:
                stock.append(run("stock", stock[0]["length"], stock[0]["batch"]))
    weights = [one["weights"] for one in (*ours, *stock) if "weights" in one]
    if any(not math.isclose(one, weights[0], rel_tol=1e-5) for one in weights):
        sys.exit(f"the two sides have not the same weights: {weights}")
    told = {key: ours[0][key] for key in ("device", "versions", "model", "settings", "traces")}
    died = [{key: one[key] for key in ("length", "batch", "died")} for one in attempts if "died" in one]
    sides = {"ours": _side(ours), "stock": {**_side(stock), "attempts": died}}
    return {**told, "rounds": rounds, "not_counted": ours[0]["not_counted"], **sides}


def _side(runs: Sequence[Result]) -> Result:
    """What the rounds of a side come to."""
    first, died = runs[0], [run["died"] for run in runs if "died" in run]
    size = {key: first[key] for key in ("length", "batch")}
    if died:
        return {**size, "died": died[0]}
    rates = sorted(run["useful"] / run["seconds"] for run in runs)
    rate, peak = statistics.median(rates), first["device"]["peak"]
    memory = [run["peak_gib"] for run in runs]
    same = ("useful", "left_out", "steps", "padding", "operations", "weights", "first_loss", "last_loss")
    return {
        **size,
        **{key: first[key] for key in same},
        "tokens_per_second": rate,
        "slowest": rates[0],
        "fastest": rates[-1],
        "share_of_peak": peak and rate * first["operations"] / (peak * first["device"]["count"]),
        "seconds": [run["seconds"] for run in runs],
        "first_step_seconds": [run["first_step_seconds"] for run in runs],
        "peak_gib": None if None in memory else max(memory),
    }


def _ever_smaller(length: int, batch: int, devices: int) -> Iterator[tuple[int, int]]:
    """Lengths and rows to try: fewer rows as long as each device has one, then shorter ones."""
    for _ in range(HALVINGS + 1):
        rows = batch
        while rows and rows % devices == 0:
            yield length, rows
            rows //= 2
        length //= 2


def _in_a_process(given: Sequence[str], compiled: str, side: str, *fitted: int) -> Result:
    """A side's result, or that it died of memory. What one process has compiled, the next finds."""
    command = [sys.executable, str(SIDE), side, *given]
    command += ["--fitted", *map(str, fitted)] if fitted else []
    # Of itself JAX takes three quarters of a GPU's memory.
    settings = {"XLA_PYTHON_CLIENT_MEM_FRACTION": "0.95", "JAX_COMPILATION_CACHE_DIR": compiled}
    environment = {**settings, **os.environ}
    done = subprocess.run(command, check=False, capture_output=True, text=True, env=environment)  # noqa: S603 - our own script
    if done.returncode == KILLED and fitted:
        result = {"length": fitted[0], "batch": fitted[1], "died": "killed, as a system out of memory does"}
    elif done.returncode:
        sys.exit(f"{side}: exit {done.returncode}: {done.stderr[-2000:]}")
    else:
        result = json.loads(done.stdout.splitlines()[-1])
    ended = result["died"] if "died" in result else f"{result['seconds']:.1f} s"
    print(f"{side}, {result['batch']} × {result['length']:,}: {ended}", file=sys.stderr, flush=True)
    return result


ROWS: tuple[tuple[str, Callable[[Result], str]], ...] = (
    ("useful tokens/s, median", lambda side: f"{side['tokens_per_second']:,.0f}"),
    ("  slowest and fastest round", lambda side: f"{side['slowest']:,.0f} to {side['fastest']:,.0f}"),
    ("share of peak", lambda side: _or_unknown(side["share_of_peak"], "{:.1%}")),
    ("useful GFLOP a token", lambda side: f"{side['operations'] / 1e9:,.3f}"),
    ("useful tokens, steps", lambda side: f"{side['useful']:,}, {side['steps']:,}"),
    ("padding", lambda side: f"{side['padding']:.1%}"),
    ("peak memory of a device", lambda side: _or_unknown(side["peak_gib"], "{:.1f} GiB")),
    ("first step, by round", lambda side: ", ".join(f"{one:.1f} s" for one in side["first_step_seconds"])),
    ("loss, first and last", lambda side: f"{side['first_loss']:.3f}, {side['last_loss']:.3f}"),
)


def _lines(report: Result) -> Iterator[str]:
    """The report for people."""
    device, settings, traces = report["device"], report["settings"], report["traces"]
    peak = "unknown" if device["peak"] is None else f"{device['peak'] / 1e12:,.0f} TFLOP/s in bfloat16"
    memory = _or_unknown(device["memory_gib"], "{:.1f} GiB")
    yield f"{device['count']} × {device['kind']} ({device['platform']}), memory {memory}, peak of one {peak}"
    if device["platform"] == "cpu":
        yield "this is a CPU: it shows that the benchmark works, and tells nothing of an accelerator"
    yield ", ".join(f"{library} {number}" for library, number in report["versions"].items())
    at_once = settings["rows_per_device"]
    yield f"{report['model']} with drawn weights, {settings['precision']}, rank {settings['rank']}"
    yield f"ours: remat {settings['remat']}, up to {at_once} rows of a device at once"
    lengths = f"median {traces['median']:,}, longest {traces['longest']:,}"
    yield f"{traces['count']:,} traces, {traces['tokens']:,} useful tokens, {lengths}"
    yield f"{report['rounds']} rounds, the first {report['not_counted']} steps of each not counted"
    sides = [report["ours"], report["stock"]]
    sizes = [f"{side['batch']} × {side['length']:,}" for side in sides]
    yield ""
    yield f"{'':<28}{'ours':>20}{'stock Tunix':>20}"
    yield f"{'rows × length of a batch':<28}{sizes[0]:>20}{sizes[1]:>20}"
    for label, cell in ROWS:
        cells = ["-" if "died" in side else cell(side) for side in sides]
        yield f"{label:<28}{cells[0]:>20}{cells[1]:>20}"
    yield ""
    yield from _notes(report)


def _notes(report: Result) -> Iterator[str]:
    """What a reader of the table must know."""
    ours, stock = report["ours"], report["stock"]
    if "died" in ours:
        yield f"ours died of memory: {ours['died']}"
    for attempt in stock["attempts"]:
        yield f"stock died of memory with {attempt['batch']} × {attempt['length']:,}: {attempt['died']}"
    if "died" in stock:
        yield "stock: nothing that was tried fits"
    elif stock["attempts"]:
        left = f"{stock['left_out']['count']:,} traces with {stock['left_out']['tokens']:,} tokens"
        yield f"so stock had to take {stock['batch']} × {stock['length']:,}, and left out {left}"
    if "died" not in ours and "died" not in stock:
        yield f"ours is {ours['tokens_per_second'] / stock['tokens_per_second']:.2f} × as fast"
    yield "useful operations by training/watch/peak.py; no padding, masked attention, or what is computed again"
    if report["device"]["peak"] is None:
        yield f"the peak of {report['device']['kind']!r} is unknown, and so is the share of it"


def _or_unknown(value: float | None, shown: str) -> str:
    return "unknown" if value is None else shown.format(value)


if __name__ == "__main__":
    main()
