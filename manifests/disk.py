"""The I/O edge under the store: whole files and folders, durable or not there at all.

What is in the making lies in a folder of its own whose name begins with `.staging-`, beside the place it will have. Its
files and folders are flushed to the disk, then it gets its name, then the folder that holds the name is flushed:
whatever dies when, a reader sees the whole of it or none, and what is left of the dead can be told by its name.
"""

import errno
import hashlib
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import pairwise
from pathlib import Path

from manifests.errors import StoreError
from manifests.objects import Location

STAGING = ".staging-"  # how the names of folders begin that hold what is in the making

_CHUNK = 1 << 20


def sha256_file(path: Location) -> tuple[int, str]:
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
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(path)) from error
    finally:
        os.close(descriptor)


def sync_tree(folder: Path) -> None:
    """Flush a folder and everything in it to the disk."""
    for inner, _, files in os.walk(folder, topdown=False, onerror=_raise):
        for name in files:
            sync(Path(inner, name))
        sync(Path(inner))


def _raise(error: OSError) -> None:
    raise error


def write_file(path: Path, data: bytes) -> None:
    """Write a file and flush it to the disk."""
    path.write_bytes(data)
    sync(path)


def replace_file(path: Path, data: bytes) -> None:
    """Put a file in place of whatever is at `path`: readers see the old bytes or the new ones."""
    with staging(path.parent) as staged:
        write_file(staged / path.name, data)
        (staged / path.name).replace(path)
        sync(path.parent)


def write_once(path: Path, data: bytes) -> bool:
    """Put a file where none is. False, and nothing changed, if there is one already; either way its name is durable."""
    with staging(path.parent) as staged:
        write_file(staged / path.name, data)
        try:
            os.link(staged / path.name, path)
            written = True
        except FileExistsError:
            written = False
        sync(path.parent)  # whoever wrote it may have died, or be about to, before this
    return written


def make_folders(folder: Path, top: Path) -> Path:
    """Make a folder and what is missing above it, durably; `folder`.

    The folders above it are flushed up to the one that holds `top`, whoever made them: they may have died before that.
    """
    existing = {one for one in (folder, *folder.parents) if one.is_dir()}
    folder.mkdir(parents=True, exist_ok=True)
    for inner, outer in pairwise((folder, *folder.parents)):
        if inner in existing and not inner.is_relative_to(top):
            break
        with suppress(PermissionError):  # a folder that may be entered and not read can't be flushed
            sync(outer)
    return folder


@contextmanager
def writing(place: Path) -> Iterator[None]:
    """Raise any error of the disk as StoreError, which names the path; `place` where the error does not know it."""
    try:
        yield
    except OSError as error:
        # Some libraries put a sentence of their own into strerror.
        reason = os.strerror(error.errno) if error.errno else str(error).splitlines()[0]
        raise StoreError(
            f"{error.filename or place}: can't be written or read ({reason}); nothing is half published: mend this, "
            "or choose another place with --store or --out, and run the same command again"
        ) from error


@contextmanager
def staging(parent: Path) -> Iterator[Path]:
    """A new folder inside `parent` for what is in the making; gone at the end unless it was moved.

    Raises StoreError if it can't be made, before any work is done for it.
    """
    folder = parent / f"{STAGING}{secrets.token_hex(8)}"
    try:
        if not parent.is_dir():
            make_folders(parent, parent)
        folder.mkdir()
    except OSError as error:
        raise StoreError(
            f"{parent}: can't be written ({error.strerror}); choose another place with --store or --out"
        ) from error
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def rename_into_place(staged: Path, target: Path) -> bool:
    """Give a flushed folder its name, durably. False, and nothing changed, if the name is taken."""
    try:
        staged.rename(target)
        moved = True
    except OSError as error:
        # Told from the error: by now another process may have moved away what was in the way.
        if error.errno not in {errno.EEXIST, errno.ENOTEMPTY}:
            raise
        moved = False
    sync(target.parent)  # whoever was first may have died, or be about to, before this
    return moved


def move_into_place(staged: Path, target: Path) -> bool:
    """Flush a staged folder and give it its name. False, and nothing changed, if the name is taken."""
    sync_tree(staged)
    return rename_into_place(staged, target)
