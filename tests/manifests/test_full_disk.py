"""Disks that are full, files that may not grow, writes that write less than they were given."""

import errno
import logging
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.manifests.fire import Ended, Publishers
from tests.manifests.fire_store import Undisturbed, staged_in
from tests.manifests.helpers import run_python

# Every write of more than one byte writes half of it, and says so.
HALF = """
#define _GNU_SOURCE
#include <dlfcn.h>
#include <sys/uio.h>
#include <unistd.h>
static size_t half(size_t n) { return n > 1 ? n / 2 : n; }
ssize_t write(int fd, const void *from, size_t n) {
    static ssize_t (*real)(int, const void *, size_t);
    if (!real) real = dlsym(RTLD_NEXT, "write");
    return real(fd, from, fd > 2 ? half(n) : n);
}
ssize_t pwrite64(int fd, const void *from, size_t n, off64_t at) {
    static ssize_t (*real)(int, const void *, size_t, off64_t);
    if (!real) real = dlsym(RTLD_NEXT, "pwrite64");
    return real(fd, from, half(n), at);
}
ssize_t writev(int fd, const struct iovec *parts, int n) {
    return write(fd, parts->iov_base, parts->iov_len);
}
"""


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Undisturbed:
    return Undisturbed.in_folder(tmp_path_factory.mktemp("undisturbed"))


@contextmanager
def publishers_of(undisturbed: Undisturbed, folder: Path, **environment: str) -> Iterator[Publishers]:
    server = Publishers(folder, undisturbed.recipe, **environment)
    try:
        yield server
    finally:
        server.close()


def test_writes_that_write_half_are_gone_on_with(undisturbed: Undisturbed, tmp_path: Path) -> None:
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip("there is no C compiler")
    (tmp_path / "half.c").write_text(HALF)
    shim = tmp_path / "half.so"
    subprocess.run([compiler, "-shared", "-fPIC", "-o", shim, tmp_path / "half.c", "-ldl"], check=True)
    written = f"import os; print(os.write(os.open({str(tmp_path / 'file')!r}, os.O_CREAT | os.O_WRONLY), b'12345678'))"
    assert run_python("-c", written, LD_PRELOAD=str(shim)).stdout == "4\n"
    with publishers_of(undisturbed, tmp_path, LD_PRELOAD=str(shim)) as publishers:
        assert publishers.publish(tmp_path / "store").done
    assert undisturbed.hold_to_the_reader(tmp_path / "store") == (True, True, True)
    undisturbed.finish(tmp_path / "store")


@pytest.mark.slow
def test_files_that_may_not_grow_are_one_line_and_the_same_command_finishes(
    undisturbed: Undisturbed, tmp_path: Path
) -> None:
    points = 0
    with publishers_of(undisturbed, tmp_path) as publishers:
        for size in range(0, 20_000, 83):
            store = tmp_path / str(size)
            ended = publishers.publish(store, largest_file=size)
            if ended.done:
                break
            points += 1
            hold(ended, undisturbed, store, errno.EFBIG)
            undisturbed.finish(store)
            shutil.rmtree(store)
        else:
            pytest.fail("20,000 bytes were not enough")
    assert points > 20
    logging.getLogger(__name__).info("files may not grow: %d points, all held", points)


@pytest.mark.slow
@pytest.mark.parametrize(("option", "step", "enough"), [("size", 4096, 1 << 20), ("nr_inodes", 1, 100)])
def test_a_full_disk_is_one_line_and_the_same_command_finishes_once_there_is_room(
    option: str, step: int, enough: int, undisturbed: Undisturbed, tmp_path: Path
) -> None:
    points = 0
    with publishers_of(undisturbed, tmp_path) as publishers:
        for limit in range(step, enough, step):
            with small_disk(tmp_path / "disk", f"{option}={limit}") as disk:
                ended = publishers.publish(disk / "store")
                if ended.done:
                    undisturbed.clean(disk / "store")
                    break
                points += 1
                hold(ended, undisturbed, disk / "store", errno.ENOSPC)
                mount("-o", f"remount,{option}={enough}", disk)
                undisturbed.finish(disk / "store")
        else:
            pytest.fail(f"{option}={enough} was not enough")
    assert points > 5
    logging.getLogger(__name__).info("a full disk, %s: %d points, all held", option, points)


def hold(ended: Ended, undisturbed: Undisturbed, store: Path, error: int) -> None:
    """It told of the error in one line, left nothing in the making, and a reader sees none or whole."""
    assert ended.told, ended
    assert os.strerror(error) in ended.said
    assert staged_in(store) == []
    undisturbed.hold_to_the_reader(store)


@contextmanager
def small_disk(folder: Path, options: str) -> Iterator[Path]:
    """A disk of its own, in memory; skips the test where none can be mounted."""
    folder.mkdir(exist_ok=True)
    try:
        mount("-t", "tmpfs", "-o", options, "tmpfs", folder)
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f"no disk can be mounted here: {error}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", folder], check=True)  # noqa: S607 - wherever it is


def mount(*arguments: object) -> None:
    subprocess.run(["mount", *map(str, arguments)], check=True, capture_output=True)  # noqa: S607 - as above
