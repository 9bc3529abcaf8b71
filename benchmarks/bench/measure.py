"""A command as a child process: seconds, processor seconds, the largest memory of it and its children together.

The child leads a session of its own: its processes are found by it, and all of them end when the child has ended or its
time is up. Memory is what Linux calls PSS, shared pages counted once among their sharers, sampled while it runs, and at
least the largest that one of the processes had been until a sample (`VmHWM`). `ru_maxrss` won't do: before it is a
program, a child counts the memory of the process that started it. Processor seconds are those of the child and of all
that were waited for; or, if that is more, what the samples saw of each process: a fork server waits for nobody.
"""

import os
import signal
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

FIRST_PAUSE, PAUSE = 0.01, 0.2
"""Seconds between two samples of the memory, first short, then long, or longer: `SAMPLING_SHARE` of a core at most."""
SAMPLING_SHARE = 1 / 30
MIB = 2**20


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a command cost, and what it said. `status` is its exit status, or None if its time was up."""

    seconds: float
    processor: float
    memory: float
    """MiB."""
    status: int | None
    output: str
    errors: str


def run(
    command: Sequence[str | Path], *, limit: float, folder: Path, environment: Mapping[str, str]
) -> Outcome:
    """Run a command in a folder, to its end or for `limit` seconds at most."""
    with (folder / "output.txt").open("w+b") as output, (folder / "errors.txt").open("w+b") as errors:
        began = time.perf_counter()
        process = subprocess.Popen(  # noqa: S603 - the commands of the contests
            list(map(str, command)),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=errors,
            env={**environment},
            start_new_session=True,
        )
        watch = _Watch(process.pid, began + limit)
        watch.start()
        try:
            _, status, usage = os.wait4(process.pid, 0)
            seconds = time.perf_counter() - began
            process.returncode = os.waitstatus_to_exitcode(status)
        finally:  # also when somebody interrupts us
            watch.stop()
            _kill(process.pid)
        said = [_read(file.name) for file in (output, errors)]
    return Outcome(
        seconds,
        max(usage.ru_utime + usage.ru_stime, sum(watch.processor.values())),
        watch.peak / MIB,
        None if watch.late else process.returncode,
        *said,
    )


class _Watch(threading.Thread):
    """Samples the memory of a session, and ends the session at its time."""

    def __init__(self, session: int, end: float) -> None:
        super().__init__(daemon=True)
        self._session, self._end, self._stopped = session, end, threading.Event()
        self.peak, self.late = 0, False
        self.processor: dict[int, float] = {}

    def run(self) -> None:
        pause = FIRST_PAUSE
        while not self._stopped.wait(pause):
            began = time.thread_time()
            processes = _processes(self._session)
            self.processor |= processes
            memory = [_memory(process) for process in processes]
            together, largest = (
                sum(shared for shared, _ in memory),
                max((most for _, most in memory), default=0),
            )
            self.peak = max(self.peak, together, largest)
            pause = max(min(2 * pause, PAUSE), (time.thread_time() - began) / SAMPLING_SHARE)
            if time.perf_counter() > self._end:
                self.late = True
                _kill(self._session)
                return

    def stop(self) -> None:
        """End the watching, and wait for its end."""
        self._stopped.set()
        self.join()


def _processes(session: int) -> dict[int, float]:
    """The processes of a session, each with its own processor seconds.

    The 6th, 14th and 15th field of `stat`, counted behind the name, which may hold anything.
    """
    found = {}
    for entry in os.scandir("/proc"):
        if entry.name.isdigit():
            try:
                text = Path(entry.path, "stat").read_text(encoding="utf-8", errors="replace")
            except OSError:  # it ended
                continue
            fields = text.rpartition(")")[2].split()
            if int(fields[3]) == session:
                found[int(entry.name)] = (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    return found


def _memory(process: int) -> tuple[int, int]:
    """Its share of the memory in bytes, and the most that it has had resident."""
    return _kibibytes(process, "smaps_rollup", "Pss:"), _kibibytes(process, "status", "VmHWM:")


def _kibibytes(process: int, file: str, name: str) -> int:
    try:
        text = Path(f"/proc/{process}/{file}").read_text(encoding="utf-8", errors="replace")
    except OSError:  # it ended, or is not ours
        return 0
    return next((int(line.split()[1]) * 1024 for line in text.splitlines() if line.startswith(name)), 0)


def _kill(session: int) -> None:
    for process in _processes(session):
        try:
            os.kill(process, signal.SIGKILL)
        except ProcessLookupError:
            continue


def _read(path: str) -> str:
    return Path(path).read_text(encoding="utf-8", errors="replace")
