"""A soak: builds, kills, damage, full disks, audits and clean-ups at random on one store, for as long as one likes.

    python benchmarks/soak.py [--minutes 60] [--seed N] [--folder DIR] [--steps N]

Steps are drawn from the seed: builds of eight recipes (also several at once), SIGKILL of a command at a random moment,
datasets deleted, cut or with a flipped bit and then regenerated, a disk that is full or files that may not grow,
sources and datasets that may not be read, audits, deep verifications, `gc`, exports. After every step: each name that
was ever seen stands for the same id; each manifest is whole and, byte for byte, the one of an undisturbed build; each
dataset that nobody has damaged on purpose is its manifest's. In turn with the steps a process that lives on for the
whole soak calls the library (build, regenerate, verify, audit, a build that fails), and its open handles, threads,
children, memory and objects are noted (growing is a breach: soaking/leaks.py has the rule). In the end everything is
built, rebuilt and cleaned up; then the store has the files of the undisturbed one and nothing else, and no process is
left.

Prints a line a minute, and one for every breach. Exit status 1 if there was one: the soak ends at the first. The same
seed draws the same steps; where a kill strikes, and what is there to be damaged after it, the machine decides. As
root the store lies on a small disk of its own in memory (mounted in a namespace that ends with this process), so that
it can be filled; otherwise writers are given a largest size of files. Linux only.
"""

import argparse
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter, deque
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
# Run as a script, this folder comes first on the path, and its curation.py would hide the package.
sys.path[:] = [
    str(ROOT),
    *(entry for entry in sys.path if Path(entry or ".").resolve() != ROOT / "benchmarks"),
]

from benchmarks.soaking.client import Client
from benchmarks.soaking.commands import BreachError, Commands
from benchmarks.soaking.invariants import Watched
from benchmarks.soaking.leaks import hold_to_the_rule
from benchmarks.soaking.steps import STEPS, Soak, finish
from benchmarks.soaking.world import make_world
from manifests.store import Store

_DISK = "size=96m"
_MINUTE = 60
_SERVER_EVERY = 3  # steps
_LAST = 8  # steps that are told when something went wrong
_INSIDE = "ZEROCOST_SOAK_INSIDE"


def main() -> int:
    """Soak and report; the exit status."""
    parser = argparse.ArgumentParser(description="Builds, kills and faults at random on one store.")
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument(
        "--folder", type=Path, help="where everything is put, and left (default: a temporary folder)"
    )
    parser.add_argument(
        "--steps", type=int, help="end after so many steps, if the minutes are not over before"
    )
    options = parser.parse_args()
    _enter_namespace()
    folder = options.folder or Path(tempfile.mkdtemp(prefix="soak-"))
    folder.mkdir(parents=True, exist_ok=True)
    try:
        return soak(folder.resolve(), options.seed, options.minutes * _MINUTE, options.steps)
    finally:
        if options.folder is None:
            shutil.rmtree(folder, ignore_errors=True)


def soak(folder: Path, seed: int, seconds: float, most_steps: int | None = None) -> int:
    """Soak in a folder that has nothing in it yet; 1 after a breach, else 0. Prints."""
    began, disk = time.monotonic(), folder / "disk"
    disk.mkdir()
    mounted = _mounted(disk)
    try:
        world = make_world(folder)
        watched = Watched(world, Store(disk / "store", behind=()))
        commands = Commands(watched.store.root)
        running = Soak(watched, commands, folder, disk if mounted else None)
        with Client(commands, watched, folder) as client:
            where = "a disk of its own" if mounted else "files limited in size"
            print(
                f"seed {seed}, store on {where}; {len(world.recipes)} recipes built undisturbed", flush=True
            )
            return _Soaking(running, client, seed).go(began + seconds, most_steps)
    finally:
        if mounted:
            subprocess.run(["umount", "--lazy", disk], check=True)  # noqa: S603, S607 - wherever it is


class _Soaking:
    """Steps, one after another, and what is said of them."""

    def __init__(self, running: Soak, client: Client, seed: int) -> None:
        self._soak, self._client, self._seed = running, client, seed
        self._done: Counter[str] = Counter()
        self._last: deque[str] = deque(maxlen=_LAST)
        self._began = self._told = time.monotonic()

    def go(self, end: float, most_steps: int | None) -> int:
        """Take steps until the time is over."""
        number, what = 0, "nothing yet"
        try:
            while time.monotonic() < end and number != most_steps:
                number += 1
                draw = random.Random(f"{self._seed}:{number}")
                (step,) = draw.choices(list(STEPS), list(STEPS.values()))
                what = step.__name__
                what = f"{what}: {step(draw, self._soak)}"
                self._soak.watched.check()
                self._done[step.__name__] += 1
                if number % _SERVER_EVERY == 0 and self._client.can_work():
                    what = "the process that lives on"
                    self._client.work(draw)
                    self._soak.watched.check()
                self._last.append(f"{number} {what}")
                self._tell(number, what)
            what = "the end"
            finish(self._soak)
            self._soak.commands.wait_until_gone()
            hold_to_the_rule(self._client.looks)
        except BreachError as breach:
            print(f"BREACH at step {number} of seed {self._seed} ({what}): {breach}")
            print("before that:", *self._last, sep="\n  ", flush=True)
            return 1
        self._summary(number)
        return 0

    def _tell(self, number: int, what: str) -> None:
        if time.monotonic() - self._told >= _MINUTE:
            self._told = time.monotonic()
            minutes = (self._told - self._began) / _MINUTE
            print(f"{minutes:5.1f} min: {number:,} steps, last {what}; {self._client.told()}", flush=True)

    def _summary(self, number: int) -> None:
        minutes = (time.monotonic() - self._began) / _MINUTE
        kinds = ", ".join(f"{count} {name.replace('_', ' ')}" for name, count in sorted(self._done.items()))
        names = len(self._soak.watched.names)
        print(f"{number:,} steps in {minutes:.1f} min: {kinds}; {self._soak.kills} kills struck")
        print(
            f"{names} versions of names, none lost or moved; {len(self._soak.watched.manifests)} manifests, all whole"
        )
        print(f"the process that lived on: {self._client.told()}", flush=True)


def _enter_namespace() -> None:
    """Go on in a mount namespace of our own, if we may have one: what is mounted there is gone when we are."""
    if os.environ.get(_INSIDE) or os.geteuid() or shutil.which("unshare") is None:
        return
    enter = ["unshare", "--mount", "--propagation", "private"]
    if subprocess.run([*enter, "true"], check=False, capture_output=True).returncode == 0:  # noqa: S603
        os.environ[_INSIDE] = "1"
        os.execvp("unshare", [*enter, sys.executable, *sys.argv])  # noqa: S606, S607 - wherever it is


def _mounted(disk: Path) -> bool:
    """Whether a small disk could be mounted; only in a namespace of our own."""
    if not os.environ.get(_INSIDE):
        return False
    mount = ["mount", "-t", "tmpfs", "-o", _DISK, "tmpfs", str(disk)]
    return subprocess.run(mount, check=False, capture_output=True).returncode == 0  # noqa: S603


if __name__ == "__main__":
    sys.exit(main())
