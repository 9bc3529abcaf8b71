"""Files of the Hub on this machine: huggingface_hub's cache, a download that goes on where it stopped, and small notes.

Layout of the cache: `blobs/<key>` the bytes, `snapshots/<commit>/<path>` a link to them. A download in progress lies
beside its blob as `<key>.partial`: the key is a digest of the whole file, so whoever comes next may go on with it.
"""

import fcntl
import hashlib
import json
import os
import re
import secrets
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import httpx
from huggingface_hub import cached_assets_path, try_to_load_from_cache
from huggingface_hub.constants import REPO_TYPE_DATASET
from huggingface_hub.file_download import repo_folder_name

from curation.errors import SourceError
from curation.hub.settings import HubSettings
from curation.hub.transport import Asked, HubHttp, PassingError
from manifests.disk import replace_file

_CHUNK = 1 << 20
_SPAN = re.compile(r"bytes (\d+)-\d+/(\d+|\*)")

Watch = Callable[[int], None]
"""Told how many bytes of a file are here by now."""


@dataclass(frozen=True, slots=True)
class HubFile:
    """A file of a repository as it must be: path, bytes, and its SHA-256 or the id of its git blob, in hex.

    A recipe pins the SHA-256; the Hub states it of files in LFS or Xet storage, and the git blob of all others.
    """

    path: str
    size: int
    sha256: str | None = None
    git: str | None = None

    @property
    def key(self) -> str:
        """What its bytes are called in the cache."""
        return self.git or self.sha256 or ""


class FetchedFile(NamedTuple):
    """A file of a repository on this machine; size and SHA-256 were taken of its bytes and are what they must be."""

    path: str
    here: Path
    size: int
    sha256: str


class Digest:
    """Size and digests of the bytes that come to be a file."""

    def __init__(self, file: HubFile) -> None:
        self._file = file
        self.begin()

    def begin(self) -> None:
        """Forget all bytes."""
        self.size, self._sha256 = 0, hashlib.sha256()
        # A git blob's id: SHA-1 over its type, its size and its bytes.
        self._git = hashlib.sha1(b"blob %d\0" % self._file.size, usedforsecurity=False)

    def add(self, chunk: bytes) -> None:
        """The bytes that follow."""
        self.size += len(chunk)
        self._sha256.update(chunk)
        if self._file.sha256 is None:
            self._git.update(chunk)

    @property
    def sha256(self) -> str:
        """SHA-256 of the bytes so far, in hex."""
        return self._sha256.hexdigest()

    def wrong(self) -> str | None:
        """What is not as it must be: expected against observed. None if the bytes are the file's."""
        file = self._file
        if self.size != file.size:
            return f"expected {file.size:,} bytes, found {self.size:,}"
        if file.sha256 is not None and self.sha256 != file.sha256:
            return f"expected SHA-256 {file.sha256}, found {self.sha256}"
        if file.sha256 is None and self._git.hexdigest() != file.git:
            return f"expected the git blob {file.git}, found {self._git.hexdigest()}"
        return None


class HubCache:
    """The cached files of one repository. What is found in it is digested before it is handed out."""

    def __init__(self, settings: HubSettings, hub: str) -> None:
        self._settings, self._hub = settings, hub
        self._name = repo_folder_name(repo_id=hub, repo_type=REPO_TYPE_DATASET)
        self._folder = settings.cache / self._name

    def find(self, commit: str, file: HubFile) -> Path | None:
        """Where a file of that commit is, or the same bytes of another commit; unchecked."""
        found = try_to_load_from_cache(
            self._hub, file.path, cache_dir=self._settings.cache, revision=commit, repo_type=REPO_TYPE_DATASET
        )
        if isinstance(found, str):
            return Path(found)
        blob = self._blob(file)
        return blob if blob.is_file() else None

    def partial(self, file: HubFile) -> Path:
        """Where a download of the file lies while it lasts; the folder is there."""
        blob = self._blob(file)
        blob.parent.mkdir(parents=True, exist_ok=True)
        return blob.with_name(f"{file.key}.partial")

    @contextmanager
    def locked(self, file: HubFile) -> Iterator[None]:
        """Nobody else downloads this file meanwhile, huggingface_hub neither (it locks the same file)."""
        lock = self._settings.cache / ".locks" / self._name / f"{file.key}.lock"
        lock.parent.mkdir(parents=True, exist_ok=True)
        with lock.open("a") as stream:
            # A file system may have no locks. Two downloads at once then cost their time; their bytes are checked.
            with suppress(OSError):
                fcntl.flock(stream, fcntl.LOCK_EX)
            yield

    def place(self, bytes_of: Path, commit: str, file: HubFile) -> Path:
        """Make a whole and checked file (a partial, or the blob) the one of that commit; where it is then."""
        blob, pointer = self._blob(file), self._folder / "snapshots" / commit / file.path
        pointer.parent.mkdir(parents=True, exist_ok=True)
        staged = pointer.with_name(f".{secrets.token_hex(8)}")
        try:
            if self._settings.symlinks:
                if bytes_of != blob:
                    bytes_of.replace(blob)
                staged.symlink_to(os.path.relpath(blob, pointer.parent))
            elif bytes_of != blob:
                bytes_of.replace(staged)
            else:  # other commits may need it where it is
                shutil.copyfile(blob, staged)
            staged.replace(pointer)
        finally:
            staged.unlink(missing_ok=True)
        return pointer

    def _blob(self, file: HubFile) -> Path:
        return self._folder / "blobs" / file.key

    def note(self, name: str, value: object) -> None:
        """Remember a JSON value that can never change. A cache that can't be written remembers nothing."""
        data = json.dumps(value).encode()
        try:
            replace_file(self._notes() / name, hashlib.sha256(data).hexdigest().encode() + b"\n" + data)
        except (OSError, ValueError):
            return

    def noted(self, name: str) -> object | None:
        """The value noted under a name; None if there is none, or it is damaged."""
        try:
            digest, _, data = (self._notes() / name).read_bytes().partition(b"\n")
            value: object = json.loads(data)
        except (OSError, ValueError):
            return None
        return value if digest.decode(errors="replace") == hashlib.sha256(data).hexdigest() else None

    def _notes(self) -> Path:
        return cached_assets_path("tunix-zero-cost", self._hub, "notes", assets_dir=self._settings.assets)


def digest_file(here: Path, file: HubFile, watch: Watch) -> Digest:
    """The digest of a file on this machine, which is read once."""
    digest = Digest(file)
    with here.open("rb") as stream:
        _add_rest(stream.read, digest, watch)
    return digest


def _add_rest(read: Callable[[int], bytes], digest: Digest, watch: Watch) -> None:
    while chunk := read(_CHUNK):
        digest.add(chunk)
        watch(digest.size)


def download(http: HubHttp, asked: Asked, url: str, partial: Path, file: HubFile, watch: Watch) -> Digest:
    """Bring a file's bytes to `partial`, going on with what is there, and check them.

    Raises SourceError if they can't be had or are others than they must be (then `partial` is gone), OSError if they
    can't be written.
    """
    with partial.open("a+b") as stream:
        stream.seek(0)
        digest = Digest(file)
        _add_rest(stream.read, digest, watch)
        began = digest.size
        if digest.size > file.size:
            stream.truncate(0)
            digest.begin()

        def once() -> None:
            first = digest.size
            if first == file.size:
                return
            with http.answer(asked, url, span=f"bytes={first}-" if first else None) as response:
                if _first_byte(asked, response, file, first) != first:  # it does not go on, it begins anew
                    stream.truncate(0)
                    digest.begin()
                for chunk in response.iter_raw():
                    if digest.size + len(http.counted(chunk)) > file.size:
                        raise SourceError(
                            f"{asked.where}: {file.path}: more than the {file.size:,} bytes expected"
                        )
                    stream.write(chunk)
                    digest.add(chunk)
                    watch(digest.size)
            if digest.size < file.size:
                raise PassingError(f"it ended after {digest.size:,} of {file.size:,} bytes")

        http.persist(asked, once, lambda: digest.size)
        stream.flush()
        os.fsync(stream.fileno())
    wrong = digest.wrong()
    if wrong is None:
        return digest
    partial.unlink()
    if began:  # what lay there may have been damaged
        return download(http, asked, url, partial, file, watch)
    raise SourceError(
        f"{asked.where}: {file.path}: {wrong}; these are not the bytes of that commit, or not those that were pinned: "
        "check HF_ENDPOINT, or pin the recipe again and compare"
    )


def _first_byte(asked: Asked, response: httpx.Response, file: HubFile, wanted: int) -> int:
    """Where in the file an answer begins: `wanted` or 0. Raises SourceError if it can't be of the file."""
    if response.headers.get("content-encoding", "identity") != "identity":
        raise SourceError(
            f"{asked.where}: {file.path}: it is sent compressed although it was asked for as it is; check the proxy"
        )
    span = _SPAN.fullmatch(response.headers.get("content-range", ""))
    partly = response.status_code == httpx.codes.PARTIAL_CONTENT and span is not None
    first, total = (
        (int(span[1]), span[2]) if partly and span else (0, response.headers.get("content-length", "*"))
    )
    if total.isdigit() and int(total) != file.size:
        raise SourceError(
            f"{asked.where}: {file.path}: expected {file.size:,} bytes, the Hub has {int(total):,}; "
            "check HF_ENDPOINT, or pin the recipe again and compare"
        )
    if first not in {0, wanted}:
        raise SourceError(
            f"{asked.where}: {file.path}: asked for byte {wanted:,} and what follows, got byte {first:,}; "
            "check HF_ENDPOINT and the proxy"
        )
    return first
