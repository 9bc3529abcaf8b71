"""Workers of a Ray cluster: tasks go to its nodes, results come back, and what dies with a worker is done again.

The functions are those of the local workers; nothing of a result depends on where it was computed. What nodes need:
the same package, Python and libraries, and to see the sources (a file system that all of them share, or an object
store). What a task puts aside comes back with its result and is put aside here: the folder of a build is seen by
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
from contextlib import ExitStack, redirect_stdout, suppress
from functools import lru_cache
from pathlib import Path
from typing import Any, Self

import numpy as np

from curation.duplicates import Marks, Places, buckets_of, repeated_in
from curation.errors import WorkerError
from curation.spill import put_aside_again, texts_of_this_process
from curation.workers.base import Aside, Cluster, Common, PutsAside, Result, Task
from curation.workers.nodes import difference, installed
from manifests.origins import KeyBytes

# Nobody is told that Ray is used. It reads this when it is imported.
os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")

import ray
from ray.exceptions import RayError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from curation.workers.ray_errors import losses_told, lost, not_connected, termination_kept

_PENDING = 2  # tasks under way or waiting for each core of the cluster
_TIMES = 5  # that a task is tried again after its worker died
_KEYS = 1 << 20  # of a part of a shuffle
_SECONDS_TO_CONNECT = 10
_STORE_BYTES = 512 << 20  # of memory for results, of a cluster that is started here


class RayWorkers:
    """The cores of a Ray cluster. A context manager; see `curation.workers.base.Workers`.

    Raises WorkerError when there is no such cluster, its nodes have something else installed than is here, or this
    process is connected to a cluster already.
    """

    shares_files = False

    def __init__(self, cluster: Cluster) -> None:
        self._address, self._count = cluster.address or os.environ.get("RAY_ADDRESS"), cluster.cores
        self._cores = 1
        self._limited = False  # whether the cluster has more cores than may be used
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        # Ray tells of lost workers on the standard output, which is for results.
        with self._stack:
            self._stack.enter_context(redirect_stdout(sys.stderr))
            if ray.is_initialized():
                raise WorkerError(
                    "--engine ray: this process is connected to a Ray cluster already, and a build connects by itself; "
                    "call ray.shutdown() before it, or build in a process of its own"
                )
            self._stack.callback(ray.shutdown)  # also of what was begun and interrupted
            with termination_kept():
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
        with losses_told():
            shared = ray.put((_called, function))
            answered: Future[tuple[bool, Any]] = _answer.remote([shared], argument).future()
        told: Future[Result] = Future()
        answered.add_done_callback(lambda answer: _tell(told, answer))
        return told

    def repeated(self, keys: Sequence[KeyBytes], among: Sequence[Marks]) -> tuple[Places, Places]:
        """See `base.Workers`: a shuffle. Parts are cut into buckets by key, each bucket is searched by one task."""
        cut = _buckets.options(num_returns=self._cores)
        with losses_told():
            parts: list[list[Any]] = []
            for part in _marked(keys, among):
                self._make_room([buckets[0] for buckets in parts])
                buckets: Any = cut.remote(*part, self._cores)
                parts.append(buckets if self._cores > 1 else [buckets])
            if not parts:
                return np.empty(0, np.int64), np.empty(0, np.int64)
            found = self._results([_repeated.remote(*column) for column in zip(*parts, strict=True)])
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
            raise not_connected(self._address, error) from error
        with losses_told():
            cores = int(ray.cluster_resources().get("CPU", 1))  # type: ignore[no-untyped-call]
        self._cores = min(cores, self._count or cores)
        self._limited = self._cores < cores

    def _each(
        self, remote: Any, function: Callable[..., Any], common: object, tasks: Iterable[Task]
    ) -> Iterator[tuple[Task, Any]]:
        with losses_told():
            shared = ray.put((function, common))
        pending: deque[tuple[Task, Any]] = deque()
        try:
            for task in tasks:
                with losses_told():
                    self._make_room([answer for _, answer in pending])
                    pending.append((task, remote.remote([shared], task)))
                if len(pending) >= _PENDING * self._cores:
                    done, answer = pending.popleft()
                    yield done, self._result(answer)
            while pending:
                done, answer = pending.popleft()
                yield done, self._result(answer)
        finally:
            with suppress(WorkerError), losses_told():  # what is gone need not be told to stop
                for _, answer in pending:
                    ray.cancel(answer)

    def _make_room(self, under_way: list[Any]) -> None:
        """Wait until one more task is not one too many, where less than the whole cluster is to be used."""
        if self._limited and len(under_way) >= self._cores:
            ray.wait(under_way, num_returns=len(under_way) - self._cores + 1)

    def _result(self, answer: Any) -> Any:
        [(worked, result)] = self._results([answer])
        if not worked:
            raise result
        return result

    def _results(self, answers: list[Any]) -> list[Any]:
        with losses_told():
            results: list[Any] = ray.get(answers)
        return results

    def _on_every_node(self, function: Callable[[None, None], Result]) -> Iterator[tuple[str, Result]]:
        """What a function says on each node that works, with the node's address and the beginning of its id."""
        with losses_told():
            shared = ray.put((function, None))
            nodes = [node for node in ray.nodes() if node["Alive"] and node["Resources"].get("CPU")]  # type: ignore[no-untyped-call]
            answers = [
                _answer.options(
                    num_cpus=0,  # it need not wait for what others do there
                    scheduling_strategy=NodeAffinitySchedulingStrategy(node["NodeID"], soft=False),
                ).remote([shared], None)
                for node in nodes
            ]
        for node, answer in zip(nodes, answers, strict=True):
            yield f"{node['NodeManagerAddress']} ({node['NodeID'][:8]})", self._result(answer)

    def _check_versions(self) -> None:
        """Raise WorkerError unless every node has what this machine has."""
        ours = installed()
        for node, theirs in self._on_every_node(_installed):
            if theirs != ours:
                raise WorkerError(
                    f"--engine ray: node {node} has {difference(ours, theirs)}; install the same package on every node"
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


def _tell(told: "Future[Any]", answer: "Future[tuple[bool, Any]]") -> None:
    """Hand on what a worker answered."""
    if (error := answer.exception()) is not None:
        told.set_exception(lost(error))
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


def _installed(_common: None, _task: None) -> dict[str, str]:
    return installed()
