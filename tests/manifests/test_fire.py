"""A publisher under fire at every system call that could change the disk: a reader sees none or whole.

`pytest -m slow --log-cli-level=INFO tests/manifests/test_fire.py` tells how many points were tried.
"""

import errno
import logging
import os
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from tests.manifests.fire import (
    EVERYTHING,
    FLUSHES,
    NAMES,
    WRITES,
    Ended,
    Publishers,
    at_call,
    by_background,
    calls_made,
    need_strace,
)
from tests.manifests.fire_store import Undisturbed, staged_in

KILL = "signal=SIGKILL"
# Without -f strace follows the first thread alone. It makes all calls but those that write the dataset's blocks, which
# have a sweep of their own: strace counts the calls of every thread, and of every kind, by themselves.
THREADS = {"first": ((), EVERYTHING), "writing": (("-f",), WRITES)}

# The calls that find a disk or a quota full. Opening does too, where it makes a file: test_full_disk.py.
GROWING = (*WRITES, *NAMES[: NAMES.index("unlink")], *FLUSHES[: FLUSHES.index("flock")])


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Undisturbed:
    need_strace()
    return Undisturbed.in_folder(tmp_path_factory.mktemp("fire"))


@pytest.fixture(scope="module")
def publishers(undisturbed: Undisturbed, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Publishers]:
    server = Publishers(tmp_path_factory.mktemp("server"), undisturbed.recipe)
    yield server
    server.close()


def sweep(
    publishers: Publishers, folder: Path, thread: str, what: str, kinds: Sequence[str]
) -> Iterator[tuple[str, Path, Ended]]:
    """Let `what` happen at the first call of each kind, the second, …, each time in a new store, to the last.

    Every call that an undisturbed publisher makes is struck, or the sweep fails.
    """
    options, calls = THREADS[thread]
    calls = tuple(call for call in calls if call in kinds)
    store, points, elsewhere = folder / "store", 0, 0
    made = calls_made(publishers.publish(store, *options, *at_call(0, calls, what)).log)
    for call in sorted(made):
        for number in range(1, made[call] + 1):
            shutil.rmtree(store, ignore_errors=True)
            ended = publishers.publish(store, *options, *at_call(number, [call], what))
            assert ended.killed or "(INJECTED)" in ended.log
            points += 1
            elsewhere += by_background(ended.log)
            yield f"{call} {number}", store, ended
    shutil.rmtree(store, ignore_errors=True)
    beyond = [argument for call in made for argument in at_call(made[call] + 1, [call], what)]
    assert options or publishers.publish(store, *beyond).done, "there was one more call"
    assert elsewhere > 10 if options else points > 100
    logging.getLogger(__name__).info("%s thread, %s: %d points, all held", thread, what, points)


@pytest.mark.slow
@pytest.mark.parametrize("thread", THREADS)
def test_killed_at_any_call_it_leaves_none_or_whole_and_the_next_one_finishes(
    thread: str, publishers: Publishers, undisturbed: Undisturbed, tmp_path: Path
) -> None:
    seen = []
    for point, store, ended in sweep(publishers, tmp_path, thread, KILL, EVERYTHING):
        assert ended.killed, (point, ended)
        seen.append(undisturbed.hold_to_the_reader(store))
        if len(seen) % 2:
            undisturbed.clean(store)
        undisturbed.finish(store)
        undisturbed.clean(store)
    if thread == "first":
        assert set(seen) == {(False,) * 3, (True, False, False), (True, True, False), (True, True, True)}


@pytest.mark.slow
@pytest.mark.parametrize("thread", THREADS)
@pytest.mark.parametrize(("error", "kinds"), [("EIO", EVERYTHING), ("ENOSPC", GROWING), ("EDQUOT", GROWING)])
def test_an_error_of_the_disk_at_any_call_is_one_line_and_the_same_command_finishes(
    thread: str,
    error: str,
    kinds: Sequence[str],
    publishers: Publishers,
    undisturbed: Undisturbed,
    tmp_path: Path,
) -> None:
    reason = os.strerror(getattr(errno, error))
    for point, store, ended in sweep(publishers, tmp_path, thread, f"error={error}", kinds):
        assert ended.done or ended.told, (point, ended)
        assert ended.done or reason in ended.said, (point, ended)
        if staged_in(store):  # the error was one of removing it
            assert cleaning_failed(ended.log), (point, ended, staged_in(store))
        undisturbed.hold_to_the_reader(store)
        undisturbed.finish(store)
        undisturbed.clean(store)


def cleaning_failed(log: str) -> bool:
    """Whether the call that failed was one that removes, or looks for what to remove."""
    line = next(line for line in log.splitlines() if "(INJECTED)" in line)
    return any(f"{call}(" in line for call in ("unlinkat", "rmdir")) or (
        "openat(" in line and "O_CREAT" not in line
    )
