"""The commands that a soak runs: marked, so that none of their processes is lost sight of; limited, killed."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
MARK = "ZEROCOST_SOAK"
SECONDS = 300
SECONDS_TO_END = 10  # workers look once a second whether they are still asked
_MOST_SAID = 300

# Held to file permissions even as root, who loses CAP_DAC_OVERRIDE (1) and CAP_DAC_READ_SEARCH (2) at the next exec by
# PR_CAPBSET_DROP (24); files that may not grow beyond a size, if one is given.
_LAUNCH = """
import ctypes, os, resource, sys
if os.geteuid() == 0:
    for capability in (1, 2):
        ctypes.CDLL(None).prctl(24, capability, 0, 0, 0)
if sys.argv[1]:
    resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[1]),) * 2)
os.execv(sys.executable, [sys.executable, *sys.argv[2:]])
"""


class BreachError(Exception):
    """Something that must not happen."""


@dataclass(frozen=True)
class Ended:
    """How a command ended, and what it printed and said."""

    command: str
    status: int
    out: str
    said: str

    def told(self, *statuses: int) -> "Ended":
        """The same, if it ended with one of these statuses, and said why: in one line of error with 2, none with 0.

        Else BreachError.
        """
        said = self.said[-_MOST_SAID:]
        if self.status not in statuses:
            raise BreachError(f"{self.command}: exit status {self.status}, expected {statuses}: {said}")
        errors = [line for line in self.said.splitlines() if ": error: " in line]
        allowed = {0: (0,), 1: (0, 1)}.get(self.status, (1,))  # an audit that found something is no error
        if "Traceback" in self.said or len(errors) not in allowed:
            raise BreachError(f"{self.command}: exit status {self.status}, but it said: {said}")
        return self

    @property
    def result(self) -> dict[str, Any]:
        """The object that it printed."""
        result: dict[str, Any] = json.loads(self.out)
        return result


class Commands:
    """Runs the project's commands on one store. `known` are processes that may stay."""

    def __init__(self, store: Path) -> None:
        self.known: set[int] = set()
        self._store = store
        self._mark = f"{os.getpid()}-{time.monotonic_ns()}"

    @property
    def environment(self) -> dict[str, str]:
        """What every process of the soak is started with."""
        return {**os.environ, "PYTHONPATH": str(ROOT), MARK: self._mark}

    def start(self, *arguments: object, largest_file: int | None = None) -> "subprocess.Popen[str]":
        """Start `python -m arguments… --store STORE --json`."""
        limit = "" if largest_file is None else str(largest_file)
        command = [sys.executable, "-c", _LAUNCH, limit, "-P", "-m", *map(str, arguments)]
        return subprocess.Popen(  # noqa: S603 - the project's own commands
            [*command, "--store", str(self._store), "--json"],
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, *arguments: object, largest_file: int | None = None) -> Ended:
        """Run one to its end."""
        return self.run_all([arguments], largest_file=largest_file)[0]

    def run_all(
        self, commands: Sequence[Sequence[object]], *, largest_file: int | None = None
    ) -> list[Ended]:
        """Run several at the same time, each to its end."""
        started = [self.start(*arguments, largest_file=largest_file) for arguments in commands]
        ended = []
        for process, arguments in zip(started, commands, strict=True):
            name = " ".join(map(str, arguments))
            try:
                out, said = process.communicate(timeout=SECONDS)
            except subprocess.TimeoutExpired as error:
                for one in started:
                    one.kill()
                raise BreachError(f"{name}: not done after {SECONDS} seconds") from error
            ended.append(Ended(name, process.returncode, out, said))
        return ended

    def kill(self, seconds: float, *arguments: object) -> bool:
        """Start one and SIGKILL it after so many seconds; whether it was still at work. What it started is gone too."""
        with self.start(*arguments) as process:
            try:
                process.wait(seconds)
            except subprocess.TimeoutExpired:
                process.send_signal(signal.SIGKILL)
            process.communicate()
        self.wait_until_gone()
        return process.returncode == -signal.SIGKILL

    def wait_until_gone(self, seconds: float = SECONDS_TO_END) -> None:
        """Wait for all marked processes but the known ones. BreachError when they stay."""
        end = time.monotonic() + seconds
        while left := [process for process in marked(self._mark) if process not in self.known]:
            if time.monotonic() > end:
                raise BreachError(f"processes left over: {', '.join(map(_command_line, left))}")
            time.sleep(0.05)


def marked(mark: str) -> list[int]:
    """The processes that were started with a mark, this one never."""
    wanted, found = f"{MARK}={mark}".encode(), []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            try:
                if wanted in (entry / "environ").read_bytes().split(b"\0"):
                    found.append(int(entry.name))
            except OSError:  # it has ended, or is another user's
                continue
    return found


def _command_line(process: int) -> str:
    try:
        line = Path(f"/proc/{process}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except OSError:
        line = "it has ended now"
    return f"{process} ({line[:200]})"


def hint(names: Mapping[str, Path]) -> list[str]:
    """The flags that say where sources are."""
    return [part for name, folder in names.items() for part in ("--sources", f"{name}={folder}")]
