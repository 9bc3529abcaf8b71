"""What worker processes are given to do in the tests of `curation.workers.local`."""

import os
import signal
import time
from dataclasses import dataclass
from pathlib import Path

from curation.errors import SourceError
from curation.spill import Places, SpillWriter
from manifests.keys import Trace


def double(common: int, task: int) -> int:
    """The task twice, and what all tasks share; early tasks take longest."""
    time.sleep(max(0, 5 - task) / 200)
    return 2 * task + common


def process_of(_common: None, _task: int) -> int:
    return os.getpid()


def node_of(_common: None, _task: None) -> str:
    """The id of the node of a Ray cluster that this runs on."""
    import ray  # noqa: PLC0415 - an extra

    identifier: str = ray.get_runtime_context().get_node_id()
    return identifier


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


def crowd(common: Path, task: int) -> int:
    """How many are at work on their tasks in the middle of this one."""
    mine = common / str(task)
    mine.touch()
    time.sleep(0.3)
    count = len(list(common.iterdir()))
    mine.unlink()
    return count


def nap(common: float, task: int) -> int:
    time.sleep(common)
    return task


@dataclass
class Aside:
    """What tasks share that put texts aside."""

    spill: Path | None


@dataclass
class Put:
    """Where they put them."""

    texts: Places


def put_aside(common: Aside, task: str) -> Put:
    """The task as a prompt; `cc` twice, an empty one not at all."""
    assert common.spill is not None
    with SpillWriter(common.spill) as spill:
        for _ in range(1 + (task == "cc") if task else 0):
            spill.put(Trace(task, "", ""))
        return Put(spill.places())
