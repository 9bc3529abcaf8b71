"""The I/O edge under the store: whole files and folders, durable or not there at all.

A folder is staged under a name that begins with a dot, every file and the folder itself are fsynced, then it is renamed
into place and the parent is fsynced: whatever dies when, a reader sees the whole folder or none.
"""

import errno
import hashlib
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from manifests.errors import StoreError

_CHUNK = 1 << 20


def sha256_file(path: Path) -> tuple[int, str]:
    """Size in bytes and SHA-256 in hex of a file, read once."""
    digest, size = hashlib.sha256(), 0
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
            size += len(chunk)
    return size, digest.hexdigest()


def sync(path: Path) -> None:
    """Flush a file or folder to the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_file(path: Path, data: bytes) -> None:
    """Write a file and flush it to the disk."""
    with path.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def replace_file(path: Path, data: bytes) -> None:
    """Put a file in place of whatever is at `path`: readers see the old bytes or the new ones."""
    staged = path.with_name(f".{path.name}-{secrets.token_hex(8)}")
    try:
        write_file(staged, data)
        staged.replace(path)
    finally:
        staged.unlink(missing_ok=True)
    sync(path.parent)


def write_once(path: Path, data: bytes) -> bool:
    """Put a file where none is. False, and nothing changed, if there is one already."""
    staged = path.with_name(f".{path.name}-{secrets.token_hex(8)}")
    try:
        write_file(staged, data)
        os.link(staged, path)
    except FileExistsError:
        return False
    finally:
        staged.unlink(missing_ok=True)
    sync(path.parent)
    return True


@contextmanager
def staging(parent: Path) -> Iterator[Path]:
    """A new folder inside `parent` whose name begins with a dot; gone at the end unless it was moved.

    Raises StoreError if it can't be made, before any work is done for it.
    """
    folder = parent / f".staging-{secrets.token_hex(8)}"
    try:
        parent.mkdir(parents=True, exist_ok=True)
        folder.mkdir()
    except OSError as error:
        raise StoreError(
            f"{parent}: can't be written ({error.strerror}); choose another place with --store or --out"
        ) from error
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def move_into_place(staged: Path, target: Path) -> bool:
    """Make a staged folder durable and give it its name. False, and nothing changed, if the name is taken."""
    for folder, _, files in os.walk(staged):
        for name in files:
            sync(Path(folder, name))
        sync(Path(folder))
    try:
        staged.rename(target)
    except OSError as error:
        # Told from the error: by now another process may have moved away what was in the way.
        if error.errno in {errno.EEXIST, errno.ENOTEMPTY}:
            return False
        raise
    sync(target.parent)
    return True
