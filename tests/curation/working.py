"""What worker processes are given to do in the tests of `curation.workers`."""

import os
import signal
import time
from pathlib import Path

from curation.errors import SourceError


def double(common: int, task: int) -> int:
    """The task twice, and what all tasks share; early tasks take longest."""
    time.sleep(max(0, 5 - task) / 200)
    return 2 * task + common


def process_of(_common: None, _task: int) -> int:
    return os.getpid()


def refuse(common: int, task: int) -> int:
    if task == common:
        raise SourceError(f"task {task} is refused")
    return task


def die(common: int, task: int) -> int:
    if task == common:
        os.kill(os.getpid(), signal.SIGKILL)
    return task


def wait(common: Path, task: int) -> int:
    """Say which process works, then work on for a minute."""
    (common / str(os.getpid())).touch()
    time.sleep(60)
    return task


def many_bytes(_common: bytes, task: int) -> bytes:
    """More than a pipe holds."""
    return bytes(task)


def nap(common: float, task: int) -> int:
    time.sleep(common)
    return task
