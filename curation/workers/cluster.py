"""Workers of a Ray cluster: tasks go to its nodes, results come back, and what dies with a worker is done again.

The functions are those of the local workers; nothing of a result depends on where it was computed. What nodes need:
the same version of this package and of Python, and to see the sources (a file system that all of them share, or an
object store). What a task puts aside comes back with its result and is put aside here: the folder of a build is seen by
nobody else.
"""

import logging
import os
import socket
import sys
import tempfile
import warnings
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import ExitStack, redirect_stdout
from functools import lru_cache
from importlib.metadata import version
from pathlib import Path
from platform import python_version
from typing import Any, Self

import numpy as np

from curation.duplicates import Marks, Places, buckets_of, repeated_in
from curation.errors import WorkerError
from curation.spill import put_aside_again, texts_of_this_process
from curation.workers.base import Aside, Cluster, Common, PutsAside, Result, Task
from manifests.origins import KeyBytes

# Nobody is told that Ray is used. It reads this when it is imported.
os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")

import ray
from ray.exceptions import RayError

_PENDING = 2  # tasks under way or waiting for each core of the cluster
_TIMES = 5  # that a task is tried again after its worker died
_KEYS = 1 << 20  # of a part of a shuffle
_SECONDS_TO_CONNECT = 10
_STORE_BYTES = 512 << 20  # of memory for results, of a cluster that is started here


class RayWorkers:
    """The cores of a Ray cluster. A context manager; see `curation.workers.base.Workers`.

    Raises WorkerError when there is no such cluster, or its nodes have another version of this package.
    """

    shares_files = False

    def __init__(self, cluster: Cluster) -> None:
        self._address, self._count = cluster.address or os.environ.get("RAY_ADDRESS"), cluster.cores
        self._cores = 1
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        # Ray tells of lost workers on the standard output, which is for results.
        with self._stack:
            self._stack.enter_context(redirect_stdout(sys.stderr))
            self._stack.callback(ray.shutdown)
            self._connect()
            self._check_versions()
            self._stack = self._stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def ordered(
        self, function: Callable[[Common, Task], Result], common: Common, tasks: Iterable[Task]
    ) -> Iterator[tuple[Task, Result]]:
        """See `base.Workers`."""
        yield from self._each(_answer, function, common, tasks)

    def putting_aside(
        self, function: Callable[[Any, Task], Aside], job: PutsAside, tasks: Iterable[Task]
    ) -> Iterator[tuple[Task, Aside]]:
        """See `base.Workers`: texts come back with the result."""
        if job.spill is None:
            raise ValueError("texts are put aside in no folder")
        for task, (result, texts) in self._each(_answer_with_texts, function, job, tasks):
            result.texts = put_aside_again(job.spill, texts, result.texts)
            yield task, result

    def beside(self, function: Callable[[Task], Result], argument: Task) -> Future[Result]:
        """See `base.Workers`."""
        shared = ray.put((_called, function))
        answered: Future[tuple[bool, Any]] = _answer.remote([shared], argument).future()
        told: Future[Result] = Future()
        answered.add_done_callback(lambda answer: _tell(told, answer))
        return told

    def repeated(self, keys: Sequence[KeyBytes], among: Sequence[Marks]) -> tuple[Places, Places]:
        """See `base.Workers`: a shuffle. Parts are cut into buckets by key, each bucket is searched by one task."""
        cut = _buckets.options(num_returns=self._cores)
        parts = [cut.remote(*part, self._cores) for part in _marked(keys, among)]
        if not parts:
            return np.empty(0, np.int64), np.empty(0, np.int64)
        columns = zip(*parts, strict=True) if self._cores > 1 else [parts]
        found = self._results([_repeated.remote(*column) for column in columns])
        places, firsts = (np.concatenate(column) for column in zip(*found, strict=True))
        order = np.argsort(places)
        return places[order], firsts[order]

    def _connect(self) -> None:
        try:
            if self._address:
                _knock(self._address)
                with warnings.catch_warnings(action="ignore"):  # it warns of what it then raises
                    ray.init(self._address, log_to_driver=False, logging_level=logging.ERROR)
            else:
                ray.init(
                    "local",
                    num_cpus=self._count,
                    object_store_memory=_STORE_BYTES,
                    include_dashboard=False,
                    log_to_driver=False,
                    logging_level=logging.ERROR,
                )
        except (ConnectionError, OSError, RuntimeError, ValueError, RayError) as error:
            raise WorkerError(
                f"--engine ray: no cluster at {self._address or 'this machine'} ({_first_line(error)}); start one with "
                "`ray start --head`, name it with --address, and where it asks for a token set RAY_AUTH_MODE=token"
            ) from error
        cores = int(ray.cluster_resources().get("CPU", 1))  # type: ignore[no-untyped-call]
        self._cores = min(cores, self._count or cores)

    def _each(
        self, remote: Any, function: Callable[..., Any], common: object, tasks: Iterable[Task]
    ) -> Iterator[tuple[Task, Any]]:
        shared = ray.put((function, common))
        pending: deque[tuple[Task, Any]] = deque()
        try:
            for task in tasks:
                pending.append((task, remote.remote([shared], task)))
                if len(pending) >= _PENDING * self._cores:
                    done, answer = pending.popleft()
                    yield done, self._result(answer)
            while pending:
                done, answer = pending.popleft()
                yield done, self._result(answer)
        finally:
            for _, answer in pending:
                ray.cancel(answer)

    def _result(self, answer: Any) -> Any:
        [(worked, result)] = self._results([answer])
        if not worked:
            raise result
        return result

    def _results(self, answers: list[Any]) -> list[Any]:
        try:
            results: list[Any] = ray.get(answers)
        except RayError as error:
            raise _lost(error) from error
        return results

    def _check_versions(self) -> None:
        ours = _versions(None, None)
        theirs = self._result(_answer.remote([ray.put((_versions, None))], None))
        if theirs != ours:
            raise WorkerError(
                f"--engine ray: the cluster has {theirs}, this is {ours}; install the same on its nodes"
            )


def _marked(keys: Sequence[KeyBytes], among: Sequence[Marks]) -> Iterator[tuple[KeyBytes, Places]]:
    """The marked ones of several arrays of keys, some at a time, with their places."""
    first = 0
    for array, marks in zip(keys, among, strict=True):
        for start in range(0, len(array), _KEYS):
            chosen = np.flatnonzero(marks[start : start + _KEYS]) + start
            yield array[chosen], chosen + first
        first += len(array)


def _knock(address: str) -> None:
    """Raise OSError if nobody listens at an address: Ray would try for minutes."""
    host, colon, port = address.removeprefix("ray://").rpartition(":")
    if colon and port.isdigit():
        socket.create_connection((host.strip("[]"), int(port)), _SECONDS_TO_CONNECT).close()


def _lost(error: BaseException) -> WorkerError:
    return WorkerError(
        f"--engine ray: a worker of the cluster was lost, and its work could not be done again "
        f"({_first_line(error)}); look at its logs and its memory, and run the same command again"
    )


def _tell(told: "Future[Any]", answer: "Future[tuple[bool, Any]]") -> None:
    """Hand on what a worker answered."""
    if (error := answer.exception()) is not None:
        told.set_exception(_lost(error))
        return
    worked, result = answer.result()
    if worked:
        told.set_result(result)
    else:
        told.set_exception(result)


@lru_cache(maxsize=4)
def _fetched(shared: Any) -> tuple[Callable[..., Any], Any]:
    """The function and what all tasks share: fetched once by each worker, whose filters are then made once."""
    pair: tuple[Callable[..., Any], Any] = ray.get(shared)
    return pair


@ray.remote(max_retries=_TIMES)
def _answer(shared: list[Any], task: Any) -> tuple[bool, Any]:
    """In a worker: (True, result) or (False, exception)."""
    function, common = _fetched(shared[0])
    try:
        return True, function(common, task)
    except Exception as error:  # noqa: BLE001 - whatever it is, it is raised where the task came from
        return False, error


@ray.remote(max_retries=_TIMES)
def _answer_with_texts(shared: list[Any], task: Any) -> tuple[bool, Any]:
    """In a worker: the same, the result with the texts that it put aside."""
    function, job = _fetched(shared[0])
    try:
        with tempfile.TemporaryDirectory() as folder:
            job.spill = Path(folder)  # the job stays what it is: its filters took a moment to load
            result = function(job, task)
            return True, (result, texts_of_this_process(Path(folder)))
    except Exception as error:  # noqa: BLE001 - as above
        return False, error


@ray.remote(max_retries=_TIMES)
def _buckets(keys: KeyBytes, places: Places, count: int) -> Any:
    found = buckets_of(keys, places, count)
    return found if count > 1 else found[0]


@ray.remote(max_retries=_TIMES)
def _repeated(*parts: Any) -> Any:
    return repeated_in(parts)


def _called(function: Callable[[Any], Any], argument: object) -> object:
    return function(argument)


def _versions(_common: None, _task: None) -> str:
    return f"tunix-zero-cost {version('tunix-zero-cost')} on Python {python_version()}"


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
