"""SIGKILL at random moments of a run: what it leaves in the end must equal what an undisturbed run leaves, bit by bit.

    python benchmarks/kills.py [--kills N] [--steps N] [--every N] [--seed N]

A run of `tiny` on the first demo manifest is left alone. Then, N times, a new run is killed at a moment drawn evenly
over its steps and the time within one (or up to a second after its folder appeared, before the first), and the same
command is given again. Compared are the adapter's digest, the digest of adapter and optimizer in the last checkpoint,
and every byte of metrics.jsonl. A kill that came after the end is done again. Exits with 1 when anything differs.
"""

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent
ENVIRONMENT = {**os.environ, "JAX_PLATFORMS": "cpu"}


class Left(NamedTuple):
    """What a run leaves: digest of the adapter, digest of the last checkpoint's state, and its metrics."""

    adapter: str
    state: str
    metrics: bytes


def main() -> int:
    """Kill, go on, compare; the exit status."""
    parser = argparse.ArgumentParser(
        description="Kill a training at random moments and compare what it leaves."
    )
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--steps", type=int, default=16)
    parser.add_argument("--every", type=int, default=4, help="steps between checkpoints")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    draw = random.Random(options.seed)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        store, config = folder / "store", folder / "kills.toml"
        config.write_text(f"checkpoint_every = {options.every}\nlength = 384\n")
        _run([sys.executable, "-m", "curation", "build", "demo-session1", "--store", str(store)])
        command = [sys.executable, "-m", "training", "run", "demo-session1", "--model", "tiny"]
        command += ["--store", str(store), "--config", str(config), "--steps", str(options.steps), "--json"]

        began = time.monotonic()
        _run([*command, "--out", str(folder / "left-alone")])
        whole = time.monotonic() - began
        expected = left_by(folder / "left-alone")
        print(
            f"left alone: {whole:.1f} s, adapter {expected.adapter[:12]}, state {expected.state[:12]}",
            flush=True,
        )

        kills = differing = late = 0
        while kills < options.kills:
            out = folder / f"run-{kills}-{late}"
            moment = draw.uniform(0, options.steps)
            process = _start([*command, "--out", str(out)])
            _kill(process, out, moment)
            if json.loads((out / "run.json").read_bytes())["status"] == "finished":
                late += 1
                continue
            kills += 1
            done = _lines(out)
            answer = json.loads(_run([*command, "--out", str(out)]))
            same = left_by(out) == expected
            differing += not same
            print(
                f"kill {kills}: at {moment:.2f}, {done} steps done, went on from {answer['resumed_from']}: "
                f"{'same' if same else 'DIFFERENT'}",
                flush=True,
            )
    print(f"{kills} kills, {differing} different; {late} more came after the end")
    return 1 if differing else 0


def left_by(run: Path) -> Left:
    """What a finished run has left."""
    record = json.loads((run / "run.json").read_bytes())
    last = run / "checkpoints" / str(record["cursor"]) / "_CHECKPOINT_METADATA"
    state = json.loads(last.read_bytes())["custom_metadata"]["state_digest"]
    return Left(record["adapter_digest"], state, (run / "metrics.jsonl").read_bytes())


def _run(command: list[str]) -> str:
    done = subprocess.run(command, cwd=ROOT, env=ENVIRONMENT, capture_output=True, text=True, check=False)  # noqa: S603
    if done.returncode:
        sys.exit(f"{' '.join(command)}: exit status {done.returncode}\n{done.stderr}")
    return done.stdout


def _start(command: list[str]) -> subprocess.Popen[bytes]:
    quiet = subprocess.DEVNULL
    return subprocess.Popen(command, cwd=ROOT, env=ENVIRONMENT, stdout=quiet, stderr=quiet)  # noqa: S603


def _kill(process: subprocess.Popen[bytes], run: Path, moment: float) -> None:
    """Kill a training when so many steps are done and this part of the next."""
    steps, began, took = 0, time.monotonic(), 1.0
    while process.poll() is None and not run.is_dir():
        time.sleep(0.005)
    while process.poll() is None and steps < int(moment):
        time.sleep(0.005)
        if (done := _lines(run)) > steps:
            steps, began, took = done, time.monotonic(), time.monotonic() - began
    time.sleep((moment - int(moment)) * (took if steps > 1 else 1.0))
    process.send_signal(signal.SIGKILL)
    process.wait()


def _lines(run: Path) -> int:
    try:
        return (run / "metrics.jsonl").read_bytes().count(b"\n")
    except FileNotFoundError:
        return 0


if __name__ == "__main__":
    sys.exit(main())
