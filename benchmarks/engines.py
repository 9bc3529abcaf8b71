"""A build by the local engine and by Ray, with more and fewer workers and with workers killed: one id, and the times.

    python benchmarks/engines.py RECIPE [--rounds N]

Every build is the command in a process of its own, into a new store. Ray's clusters are started for the build, on this
machine, and their start is in the time: RAY_ADDRESS is not heeded. In the last contest five of Ray's workers get
SIGKILL, one every few seconds. Ends with status 1 unless all ids are the same and a worker was killed in each of its
rounds.
"""

import argparse
import json
import os
import platform
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple

WORKERS = (
    b"ray::_answer",
    b"ray::_buckets",
    b"ray::_repeated",
)  # what Ray calls processes at work on our tasks
SECONDS_BETWEEN_KILLS = 4.0
KILLS = 5  # as often as a task is tried again: the same one may be hit each time


class Built(NamedTuple):
    """An id, the seconds it took, and how many workers were killed meanwhile."""

    id: str
    seconds: float
    killed: int


def main() -> None:
    """Build in turn, and print."""
    parser = argparse.ArgumentParser(description="The same build by the local engine and by Ray.")
    parser.add_argument("recipe", type=Path)
    parser.add_argument("--rounds", type=int, default=1)
    options = parser.parse_args()
    contests = [(engine, count, False) for engine, count in (("local", 1), ("local", 2))]
    contests += [("ray", count, False) for count in (1, 2, 4)] + [("ray", 2, True)]
    print(
        f"python {platform.python_version()}, ray {version('ray')}, {len(os.sched_getaffinity(0))} cores, "
        f"{options.rounds} rounds, medians"
    )
    ids, spared = set(), 0
    for engine, count, killing in contests:
        runs = [_build(options.recipe, engine, count, killing=killing) for _ in range(options.rounds)]
        ids |= {run.id for run in runs}
        seconds = statistics.median(run.seconds for run in runs)
        killed = f", {sum(run.killed for run in runs)} workers killed" if killing else ""
        spared += sum(killing and not run.killed for run in runs)
        print(f"{engine:<6} {count} workers {seconds:8.1f} s  {runs[0].id[:12]}{killed}", flush=True)
    if len(ids) > 1:
        sys.exit("the ids differ")
    if spared:
        sys.exit(
            f"{spared} builds were over before a worker could be killed: nothing is shown; take a larger recipe"
        )


def _build(recipe: Path, engine: str, count: int, *, killing: bool) -> Built:
    flags = ["--engine", engine, "--workers", str(count), "--json"]
    environment = {name: value for name, value in os.environ.items() if name != "RAY_ADDRESS"}
    with tempfile.TemporaryDirectory() as store:
        command = [sys.executable, "-m", "curation", "build", str(recipe), "--store", store, *flags]
        began = time.perf_counter()
        with subprocess.Popen(  # noqa: S603 - our own command
            command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=environment
        ) as process:
            over, killed = threading.Event(), list[int]()
            if killing:
                threading.Thread(target=_kill, args=(process.pid, over, killed), daemon=True).start()
            output, _ = process.communicate()
            over.set()
        seconds = time.perf_counter() - began
    if process.returncode:
        sys.exit(f"{' '.join(command)}: exit status {process.returncode}")
    return Built(json.loads(output)["id"], seconds, len(killed))


def _kill(parent: int, over: threading.Event, killed: list[int]) -> None:
    """Kill a worker at work every few seconds."""
    while len(killed) < KILLS and not over.wait(SECONDS_BETWEEN_KILLS):
        for worker in _workers_below(parent)[:1]:
            os.kill(worker, signal.SIGKILL)
            killed.append(worker)


def _workers_below(parent: int) -> list[int]:
    parents, working = dict[int, int](), []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            status = (entry / "stat").read_text(encoding="ascii", errors="replace").rpartition(")")[2].split()
            name = (entry / "cmdline").read_bytes()
        except OSError:
            continue
        parents[int(entry.name)] = int(status[1])
        if name.startswith(WORKERS):
            working.append(int(entry.name))

    def is_below(process: int) -> bool:
        while process in parents and process != parent:
            process = parents[process]
        return process == parent

    return [worker for worker in working if is_below(worker)]


if __name__ == "__main__":
    main()
