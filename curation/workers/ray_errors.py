"""What Ray raises, as errors of one line; and what it does to a process, undone."""

import re
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import ray
from ray.exceptions import RayError, RayTaskError

from curation.errors import WorkerError

_NOT_FOUND = ("ModuleNotFoundError", "ImportError", "AttributeError")  # a node lacks our code, or has other


@contextmanager
def losses_told() -> Iterator[None]:
    """Raise WorkerError for what Ray raises. A connection that is lost it tells by the builtin ConnectionError."""
    try:
        if not ray.is_initialized():  # then whatever is called next would start a cluster of its own
            raise ConnectionError("it was there before")  # noqa: TRY301 - as Ray would
        yield
    except (RayError, ConnectionError) as error:
        raise lost(error) from error


def lost(error: BaseException) -> WorkerError:
    """What to tell of an error that came instead of a result."""
    lines = str(error).strip().splitlines() or [type(error).__name__]
    # What our functions raise is a result. This was raised before they were called: they are not there, or others.
    if isinstance(error, RayTaskError) and lines[-1].startswith(_NOT_FOUND):
        node = re.search(r"\bip=([^,)]+)", lines[0])
        return WorkerError(
            f"--engine ray: node {node[1] if node else 'of a task'} can't do the work ({lines[-1]}); "
            "install the same package on every node"
        )
    if isinstance(error, ConnectionError) and not isinstance(error, RayError):
        return WorkerError(
            f"--engine ray: the connection to the cluster was lost ({lines[0]}); see whether the cluster is still "
            "there, and run the same command again"
        )
    return WorkerError(
        f"--engine ray: a worker of the cluster was lost, and its work could not be done again ({lines[0]}); "
        "look at its logs and its memory, and run the same command again"
    )


def not_connected(address: str | None, error: BaseException) -> WorkerError:
    """What to tell of an error that came instead of a connection."""
    cause: BaseException | None = error
    while cause is not None:
        if str(cause).startswith("Version mismatch"):  # on six lines
            what = " ".join(str(cause).split())
            return WorkerError(f"--engine ray: {what}; install the same versions here and on every node")
        cause = cause.__cause__
    first = (str(error).strip().splitlines() or [type(error).__name__])[0]
    return WorkerError(
        f"--engine ray: no cluster at {address or 'this machine'} ({first}); start one with "
        "`ray start --head`, name it with --address, and where it asks for a token set RAY_AUTH_MODE=token"
    )


@contextmanager
def termination_kept() -> Iterator[None]:
    """Keep this process's handler of SIGTERM: Ray takes it over when it is initialised, for good."""
    if threading.current_thread() is not threading.main_thread():  # where it can take nothing over
        yield
        return
    before = signal.getsignal(signal.SIGTERM)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
