"""What publishers left in a store when they died, and how it is removed: by one who has the store to themselves.

Garbage is what lies in the folders of a store under a name that begins with `.staging-`, and a dataset whose manifest
no store searched has: its publisher died between the two. Everything else stays. Links are never followed: whatever
stands in the place of one of the store's folders and is none is passed over, and so are the datasets of a store
without a folder of manifests (a disk may be missing).
"""

import errno
import os
import shutil
import stat
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from manifests.disk import STAGING, writing
from manifests.errors import StoreError
from manifests.json_object import HEX_64
from manifests.lock import exclusive
from manifests.store import Store

STAGED = "staged by a publisher that is gone"
NO_MANIFEST = "its manifest was never published here, or is gone"

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW


@dataclass(frozen=True, slots=True)
class Garbage:
    """Something that nobody will ever read: its path below the store, the bytes of its files, and why it is garbage."""

    path: str
    size: int
    reason: str


def collect_garbage(store: Store, *, dry_run: bool = False) -> tuple[Garbage, ...]:
    """Remove what publishers left when they died; what was removed, sorted by path. With `dry_run`, only look.

    Only the store itself is cleaned, not those behind it. Raises BusyStoreError when somebody publishes in it;
    StoreError where there is no store, where that can't be told, or when something can't be removed: the rest is.
    """
    if store.upstream is not None:
        raise StoreError(
            f"{store.where}: an object store has no locks: whether somebody publishes can't be told, so nothing was "
            f"removed; the next build of a recipe completes what a killed one left (the mirror: --store {store.root})"
        )
    if not store.root.is_dir():
        raise StoreError(f"{store.root}: there is no store; name one with --store")
    with writing(store.root), exclusive(store.root, create=not dry_run), _opened(store.root) as root:
        garbage = sorted(_find(root, store), key=lambda found: found.path)
        if not dry_run:
            _remove_all(root, store, garbage)
    return tuple(garbage)


def _find(root: int, store: Store) -> Iterator[Garbage]:
    known = frozenset(store.ids()) if _is_folder(root, "manifests") else None
    with _folder(root, "refs") as refs:
        names = _names(refs)
    for place in ("manifests", "datasets", "local", *(f"refs/{name}" for name in names)):
        with _folder(root, place) as folder:
            if folder is None:
                continue
            for name in _names(folder):
                if name.startswith(STAGING):
                    yield Garbage(f"{place}/{name}", _size(folder, name), STAGED)
                elif place == "datasets" and known is not None and _is_orphan(folder, name, known):
                    yield Garbage(f"{place}/{name}", _size(folder, name), NO_MANIFEST)


def _names(folder: int | None) -> list[str]:
    if folder is None:
        return []
    with os.scandir(folder) as entries:
        return [entry.name for entry in entries]


def _is_orphan(datasets: int, name: str, known: frozenset[str]) -> bool:
    return HEX_64.fullmatch(name) is not None and name not in known and _is_folder(datasets, name)


def _remove_all(root: int, store: Store, garbage: Sequence[Garbage]) -> None:
    faults = []
    for found in garbage:
        try:
            _remove(root, found.path)
        except OSError as error:
            faults.append(f"{store.root / found.path}: can't be removed ({error.strerror})")
        except RecursionError:
            faults.append(f"{store.root / found.path}: can't be removed (too many folders in one another)")
    if faults:
        raise StoreError(
            f"{faults[0]}; {len(garbage) - len(faults)} of {len(garbage)} could be; remove it by hand"
        )


def _remove(root: int, path: str) -> None:
    place, _, name = path.rpartition("/")
    with _folder(root, place) as folder:
        if folder is None:
            return
        if _is_folder(folder, name):
            shutil.rmtree(name, dir_fd=folder)
        else:
            os.unlink(name, dir_fd=folder)


@contextmanager
def _opened(path: Path) -> Iterator[int]:
    """The store's folder, opened. It may be reached by links: the person named it."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


@contextmanager
def _folder(root: int, place: str) -> Iterator[int | None]:
    """A folder below the store's, opened without following a link on the way; None where there is no folder."""
    with ExitStack() as stack:
        descriptor: int | None = root
        for name in place.split("/"):
            try:
                descriptor = os.open(name, _FOLDER, dir_fd=descriptor)
            except OSError as error:
                if error.errno not in {errno.ENOENT, errno.ENOTDIR, errno.ELOOP}:
                    raise
                descriptor = None
                break
            stack.callback(os.close, descriptor)
        yield descriptor


def _is_folder(parent: int, name: str) -> bool:
    try:
        return stat.S_ISDIR(os.stat(name, dir_fd=parent, follow_symlinks=False).st_mode)
    except FileNotFoundError:
        return False


def _size(parent: int, name: str) -> int:
    """The bytes of a file, or of all files in a folder."""
    if not _is_folder(parent, name):
        return os.stat(name, dir_fd=parent, follow_symlinks=False).st_size
    size = 0
    with suppress(RecursionError):  # removing it will tell
        for _, _, files, inner in os.fwalk(name, dir_fd=parent, follow_symlinks=False):
            size += sum(os.stat(file, dir_fd=inner, follow_symlinks=False).st_size for file in files)
    return size
