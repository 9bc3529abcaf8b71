"""Processes of this machine that work on parts of a source side by side.

Each is a fresh interpreter at the other end of a pipe. When the pipe closes, it ends: whatever kills the main process,
nothing is left running. (The standard process pools import the caller's main module again, and outlive a killed
parent.) What goes through the pipes is pickled by ourselves and read by ourselves only.
"""

import os
import pickle
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from queue import SimpleQueue
from typing import Any, Self

from curation.duplicates import Marks, Places, repeated
from curation.errors import WorkerError
from curation.workers.base import Aside, Common, PutsAside, Result, Task, waited
from manifests.origins import KeyBytes

_LITTLE = 16 << 20  # bytes that are read before other processes have started
_PENDING = 2  # tasks under way or waiting for each process: enough to keep it busy, few to throw away


def available_cores() -> int:
    """The cores that this process may use."""
    return len(os.sched_getaffinity(0))


def processes_for(size: int, wanted: int | None = None) -> int:
    """How many processes read so many bytes: as many as wanted, else one a core, and none for little."""
    if wanted is not None:
        return wanted
    return available_cores() if size > _LITTLE else 0


class LocalWorkers:
    """So many processes, started when they are first needed. With one or none, everything runs in this process.

    A context manager: on leaving, the processes end, at once if it is for an exception. See `base.Workers`.
    """

    shares_files = True

    def __init__(self, count: int) -> None:
        self._count = count if count > 1 else 0
        self._background: _Background | None = None
        self._idle: SimpleQueue[_Process] = SimpleQueue()
        self._processes: list[_Process] = []
        self._threads: ThreadPoolExecutor | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        if kind is not None:
            for process in self._processes:
                process.kill()
        if self._threads is not None:
            self._threads.shutdown(cancel_futures=True)
        if self._background is not None:
            self._background.end()
        for process in self._processes:
            process.close()
        self._processes = []
        self._threads = self._background = None

    def ordered(
        self, function: Callable[[Common, Task], Result], common: Common, tasks: Iterable[Task]
    ) -> Iterator[tuple[Task, Result]]:
        """See `base.Workers`. WorkerError when a process dies."""
        if not self._count:
            for task in tasks:
                yield task, function(common, task)
            return
        threads = self._start()
        shared = pickle.dumps((function, common), pickle.HIGHEST_PROTOCOL)
        pending: deque[tuple[Task, Future[Any]]] = deque()
        try:
            for task in tasks:
                pending.append((task, threads.submit(self._call, shared, task)))
                if len(pending) >= _PENDING * self._count:
                    done, future = pending.popleft()
                    yield done, waited(future)
            while pending:
                done, future = pending.popleft()
                yield done, waited(future)
        finally:
            for _, future in pending:
                future.cancel()

    def putting_aside(
        self, function: Callable[[Any, Task], Aside], job: PutsAside, tasks: Iterable[Task]
    ) -> Iterator[tuple[Task, Aside]]:
        """See `base.Workers`: every process writes into the folder itself."""
        return self.ordered(function, job, tasks)

    def beside(self, function: Callable[[Task], Result], argument: Task) -> Future[Result]:
        """See `base.Workers`: in a thread, one call after the other."""
        if self._background is None:
            self._background = _Background()
        return self._background.submit(function, argument)

    def repeated(self, keys: Sequence[KeyBytes], among: Sequence[Marks]) -> tuple[Places, Places]:
        """See `base.Workers`: a sort here takes less than to hand the keys on."""
        return repeated(keys, among)

    def _start(self) -> ThreadPoolExecutor:
        if self._threads is None:
            self._processes = [_Process() for _ in range(self._count)]
            for process in self._processes:
                self._idle.put(process)
            self._threads = ThreadPoolExecutor(self._count)
        return self._threads

    def _call(self, shared: bytes, task: object) -> object:
        process = self._idle.get()
        try:
            return process.call(shared, task)
        finally:
            self._idle.put(process)


class _Background:
    """A thread that does one call after the other, and that no end of the process waits for."""

    def __init__(self) -> None:
        self._calls: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        threading.Thread(target=self._run, daemon=True).start()

    def submit(self, function: Callable[[Task], Result], argument: Task) -> Future[Result]:
        """What a call will bring."""
        told: Future[Result] = Future()

        def call() -> None:
            try:
                told.set_result(function(argument))
            except BaseException as error:  # noqa: BLE001 - it is raised where the result is asked for
                told.set_exception(error)

        self._calls.put(call)
        return told

    def end(self) -> None:
        """Take no more calls once those that were submitted are done."""
        self._calls.put(None)

    def _run(self) -> None:
        while (call := self._calls.get()) is not None:
            call()


class _Process:
    """One process, one call at a time."""

    def __init__(self) -> None:
        self._shared: bytes | None = None
        # It has to find the same modules, wherever ours were found, and (-P) no others: not those of the folder that
        # somebody happens to stand in.
        path = os.pathsep.join(entry or str(Path.cwd()) for entry in sys.path)
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", "curation.workers.process"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            process_group=0,  # Ctrl-C is for this process, which then ends the others
            env={**os.environ, "PYTHONPATH": path},
        )

    def call(self, shared: bytes, task: object) -> object:
        """The result of a task. `shared` goes along only when it is another than the time before."""
        stdin, stdout = self._process.stdin, self._process.stdout
        if stdin is None or stdout is None:
            raise WorkerError("a worker process has no pipes")
        try:
            pickle.dump((None if shared is self._shared else shared, task), stdin, pickle.HIGHEST_PROTOCOL)
            stdin.flush()
            worked, result = pickle.load(stdout)  # noqa: S301 - written by our own process
        except (OSError, EOFError, pickle.UnpicklingError) as error:
            status = self._process.wait()
            raise WorkerError(
                f"a worker process ended before its work was done (exit status {status}); "
                "if memory is short, use fewer (--workers), and run the same command again"
            ) from error
        self._shared = shared
        if not worked:
            raise result
        return result

    def kill(self) -> None:
        """End it, whatever it is doing."""
        self._process.kill()

    def close(self) -> None:
        """End it, and wait until it is gone."""
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                try:
                    pipe.close()
                except BrokenPipeError:
                    continue
        self._process.wait()
