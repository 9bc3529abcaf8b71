"""The process at the other end of `curation.workers.local`: reads a task, works, answers, until its input ends."""

import os
import pickle
import sys
import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any, BinaryIO

if TYPE_CHECKING:
    from collections.abc import Callable

_SECONDS_BETWEEN_LOOKS = 1.0


def serve(tasks: BinaryIO, answers: BinaryIO) -> None:
    """Answer every task with (True, result) or (False, exception).

    A task comes with its function and what all tasks share, or with None where these are those of the task before.
    """
    shared: tuple[Callable[[Any, Any], Any], Any] | None = None
    while True:
        try:
            news, task = pickle.load(tasks)  # noqa: S301 - written by the process that started this one
        except EOFError:
            return
        try:
            shared = shared if news is None else pickle.loads(news)  # noqa: S301 - as above
            answer = True, _call(shared, task)
        except Exception as error:  # noqa: BLE001 - whatever it is, it is raised where the task came from
            answer = False, error
        pickle.dump(answer, answers, pickle.HIGHEST_PROTOCOL)
        answers.flush()


def _call(shared: "tuple[Callable[[Any, Any], Any], Any] | None", task: object) -> object:
    if shared is None:
        raise RuntimeError("the first task came without its function")
    function, common = shared
    return function(common, task)


def _end_with(parent: int) -> None:
    """End this process, whatever it is doing, soon after the one that started it is gone."""
    while os.getppid() == parent:
        time.sleep(_SECONDS_BETWEEN_LOOKS)
    os._exit(1)


if __name__ == "__main__":
    threading.Thread(target=_end_with, args=(os.getppid(),), daemon=True).start()
    with suppress(BrokenPipeError):
        serve(sys.stdin.buffer, sys.stdout.buffer)
