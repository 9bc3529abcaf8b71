"""Publishers under fire: killed, or told of errors, at system calls of the test's choice."""

import functools
import json
import operator
import os
import re
import shutil
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.manifests.fork_server import CRASHED, TOLD
from tests.manifests.helpers import ROOT

WRITES = ("write", "pwrite64", "writev", "pwritev", "copy_file_range", "sendfile")
NAMES = (
    "mkdir",
    "mkdirat",
    "rename",
    "renameat",
    "renameat2",
    "link",
    "linkat",
    "unlink",
    "unlinkat",
    "rmdir",
)
FLUSHES = ("fsync", "fdatasync", "sync_file_range", "ftruncate", "fallocate", "flock")
EVERYTHING = (*WRITES, *NAMES, *FLUSHES, "openat", "open", "creat")
SECONDS = 60


@dataclass(frozen=True)
class Ended:
    """How a publisher ended: its wait status, the message of its error, and the tracer's log."""

    status: int
    said: str
    log: str

    @property
    def done(self) -> bool:
        """It published."""
        return self.status == 0

    @property
    def killed(self) -> bool:
        """It was killed by SIGKILL."""
        return os.WIFSIGNALED(self.status) and os.WTERMSIG(self.status) == signal.SIGKILL

    @property
    def told(self) -> bool:
        """It ended with an error of our own, of one line."""
        return self.status == TOLD << 8 and "\n" not in self.said

    @property
    def crashed(self) -> bool:
        """It ended with a traceback."""
        return self.status == CRASHED << 8


class Publishers:
    """Publishers of a recipe, one after another, each forked from a process that has everything imported."""

    def __init__(self, folder: Path, recipe: Path, **environment: str) -> None:
        self._log, self._errors = folder / "strace.log", folder / "errors.log"
        self._recipe = recipe
        with self._errors.open("wb") as errors:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.manifests.fork_server"],
                cwd=ROOT,
                env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
            )

    def publish(self, store: Path, *options: str, largest_file: int | None = None) -> Ended:
        """Let one publish into a store, traced by `strace options…` if there are any."""
        job = {"recipe": str(self._recipe), "store": str(store)}
        if largest_file is not None:
            job["largest_file"] = str(largest_file)
        child = int(self._ask(json.dumps(job)))
        if options:
            with _attached(child, ["-o", str(self._log), *options]):
                answer = self._ask("go")
        else:
            answer = self._ask("go")
        status, said = json.loads(answer)
        return Ended(status, said, self._log.read_text(errors="replace") if options else "")

    def stderr(self) -> str:
        """What the publishers and their libraries wrote to standard error, all together."""
        return self._errors.read_text(errors="replace")

    def close(self) -> None:
        """End the process that forks them."""
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()
        self._process.wait(SECONDS)

    def _ask(self, line: str) -> str:
        stdin, stdout = self._process.stdin, self._process.stdout
        if stdin is None or stdout is None:
            raise RuntimeError("no pipes")
        stdin.write(f"{line}\n")
        stdin.flush()
        answer = stdout.readline()
        if not answer:
            raise RuntimeError(f"the process that forks is gone: {self.stderr()}")
        return answer


@contextmanager
def _attached(child: int, options: Sequence[str]) -> Iterator[None]:
    """Have strace attached to a stopped process."""
    with subprocess.Popen(
        ["strace", *options, "-p", str(child)],  # noqa: S607 - wherever it is
        stderr=subprocess.PIPE,
        text=True,
        env={"PATH": os.environ["PATH"]},
    ) as tracer:
        said = tracer.stderr.readline() if tracer.stderr else ""
        if "attached" not in said:
            os.kill(child, signal.SIGKILL)
            raise RuntimeError(f"strace: {said}")
        yield
        tracer.wait(SECONDS)


def need_strace() -> None:
    """Skip the test where strace is missing or may not trace."""
    if shutil.which("strace") is None:
        pytest.skip("strace is not installed")
    tried = subprocess.run(
        ["strace", "-e", "inject=mkdir:error=EIO:when=1", "mkdir", "/nowhere"],  # noqa: S607 - wherever it is
        capture_output=True,
        text=True,
        check=False,
    )
    if "INJECTED" not in tried.stderr:
        pytest.skip(f"strace can't trace here: {tried.stderr[:200]}")


def at_call(number: int, calls: Sequence[str], what: str) -> list[str]:
    """Options of strace: at the `number`-th call of each of these kinds, `what` ("signal=SIGKILL", "error=EIO").

    With 0 nothing happens, and the calls are only noted.
    """
    known = ",".join(f"?{call}" for call in calls)  # not every machine has every call
    noted = ["-e", f"trace={known}"]
    return [*noted, "-e", f"inject={known}:{what}:when={number}"] if number else noted


def calls_made(log: str) -> Counter[str]:
    """How often each kind of call stands in a log; in one of `strace -f`, those of the first thread don't count."""
    threads: dict[str, Counter[str]] = {}
    for thread, call in re.findall(r"^(\d+ +)?(\w+)\(", log, re.MULTILINE):
        threads.setdefault(thread, Counter())[call] += 1
    first, *others = threads.values()
    return functools.reduce(operator.or_, others) if others else first


def by_background(log: str) -> bool:
    """Whether the call that failed, or died, was one of another thread than the first in a log of `strace -f`."""
    struck = re.search(r"^(\d+) .*(?:\(INJECTED\)|= \?)$", log, re.MULTILINE)
    return struck is not None and struck[1] != log.split(maxsplit=1)[0]
