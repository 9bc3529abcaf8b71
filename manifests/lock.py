"""Who may be at work in a store: publishers share it, the one who cleans up has it for himself.

The lock is flock(2) on the file `.lock` in the store. It ends with the process that holds it, whatever ends that. The
file is empty, is made by the first publisher and never removed.
"""

import errno
import fcntl
import os
import stat
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from manifests.errors import BusyStoreError, StoreError

LOCK = ".lock"

# What flock says where the file system knows no locks.
_NO_LOCKS = frozenset({errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS})
# A FIFO or a link in the lock's place must neither hold us up nor lead elsewhere.
_SAFELY = os.O_NOFOLLOW | os.O_NONBLOCK
_SECONDS_A_TURN = 0.05  # Ctrl-C would not end a wait inside flock, because polars has signals restart it
_SECONDS_IN_SILENCE = 1.0


@contextmanager
def shared(root: Path, notice: Callable[[str], None]) -> Iterator[None]:
    """Keep those who clean up out of a store until the end; others may share it. One process may do so repeatedly.

    Waits while somebody cleans up, and tells `notice` after a second. Where the file system knows no locks it goes on
    without: there nobody can clean up. Raises StoreError, or OSError when the lock can't be made.
    """
    descriptor = _open(root / LOCK, create=True)
    try:
        began, told = time.monotonic(), False
        while not _shared_or_none(descriptor):
            if not told and time.monotonic() - began > _SECONDS_IN_SILENCE:
                notice(f"{root}: waiting until 'manifests gc' has cleaned up")
                told = True
            time.sleep(_SECONDS_A_TURN)
        yield
    finally:
        os.close(descriptor)


@contextmanager
def exclusive(root: Path, *, create: bool) -> Iterator[None]:
    """Have a store for oneself until the end: nobody publishes. With `create` unset, an absent lock is not made.

    Raises BusyStoreError when somebody publishes, StoreError where the file system knows no locks.
    """
    try:
        descriptor = _open(root / LOCK, create=create)
    except FileNotFoundError:
        yield  # there was never a publisher
        return
    try:
        try:
            alone = _locked(descriptor, fcntl.LOCK_EX)
        except OSError as error:
            raise StoreError(
                f"{root / LOCK}: can't be locked ({error.strerror}); whether somebody publishes can't be told here, "
                "so nothing was removed"
            ) from error
        if not alone:
            raise BusyStoreError(
                f"{root}: somebody publishes in this store; nothing was removed, try again when they are done"
            )
        yield
    finally:
        os.close(descriptor)


def _open(path: Path, *, create: bool) -> int:
    """Open the lock, made if need be. FileNotFoundError when it is absent and `create` is unset."""
    access = os.O_RDWR  # some network file systems lock for oneself only what is open for writing
    while True:
        try:
            descriptor = os.open(path, access | _SAFELY)
            break
        except FileNotFoundError:
            if not create:
                raise
            with suppress(FileExistsError):
                os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666))
        except OSError as error:
            if access == os.O_RDONLY or error.errno not in {errno.EACCES, errno.EROFS}:
                raise
            access = os.O_RDONLY  # another user's lock, or a store that is only read
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise StoreError(
            f"{path}: expected the store's lock, an empty file, found something else; move it away"
        )
    return descriptor


def _shared_or_none(descriptor: int) -> bool:
    """Whether there is nothing more to wait for: it is locked, or can't be."""
    try:
        return _locked(descriptor, fcntl.LOCK_SH)
    except OSError as error:
        if error.errno not in _NO_LOCKS:
            raise
        return True


def _locked(descriptor: int, how: int) -> bool:
    try:
        fcntl.flock(descriptor, how | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
