"""A process that has imported everything and forks a publisher when asked: a death costs no start of Python.

Run as `python -m tests.manifests.fork_server`. Each line of its input is a job, `{"recipe": …, "store": …}`. The
publisher stops itself before it begins, so that a tracer can be attached, and its number is answered. The next line
lets it go on; the answer is how it ended: its wait status, and the message of the error, "" for none. Messages go
through shared memory, so that telling one is no system call that could fail as well.
"""

import ctypes
import json
import mmap
import os
import resource
import signal
import sys
import traceback
from pathlib import Path

from curation.build import build
from curation.recipe_reader import read_recipe
from manifests.errors import ZeroCostError
from manifests.store import Store

TOLD, CRASHED = 3, 4  # exit statuses: an error of our own, any other
_ANYBODY = ctypes.c_ulong(-1)  # PR_SET_PTRACER_ANY
_PR_SET_PTRACER = 0x59616D61


def publish(job: dict[str, str], said: mmap.mmap) -> int:
    """Build and publish as `job` says; the exit status."""
    try:
        if "largest_file" in job:
            resource.setrlimit(resource.RLIMIT_FSIZE, (int(job["largest_file"]),) * 2)
        build(read_recipe(Path(job["recipe"])), Store(Path(job["store"]), behind=()), workers=1)
    except ZeroCostError as error:
        status, message = TOLD, f"{type(error).__name__}: {error}"
    except BaseException:  # noqa: BLE001 - whatever it is, it is what the test wants to know
        status, message = CRASHED, traceback.format_exc()
    else:
        return 0
    said.write(message.encode(errors="backslashreplace")[: len(said)])
    return status


def answer(line: str) -> None:
    """Tell whoever asked."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def serve() -> None:
    """Fork a publisher for every job, until there are no more."""
    for line in sys.stdin:
        said = mmap.mmap(-1, 1 << 16)
        child = os.fork()
        if not child:
            ctypes.CDLL(None).prctl(_PR_SET_PTRACER, _ANYBODY, 0, 0, 0)
            os.kill(os.getpid(), signal.SIGSTOP)
            os._exit(publish(json.loads(line), said))
        os.waitpid(child, os.WUNTRACED)
        answer(str(child))
        sys.stdin.readline()
        os.kill(child, signal.SIGCONT)
        _, status = os.waitpid(child, 0)
        answer(json.dumps([status, said[:].rstrip(b"\0").decode()]))


if __name__ == "__main__":
    serve()
