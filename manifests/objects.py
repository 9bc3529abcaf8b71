"""The I/O edge to object stores (S3, Google Cloud Storage and whatever else fsspec knows): objects by their URLs.

Credentials, regions and endpoints are the backends' own affair: the environment, a profile, the machine's role. None is
taken from a URL or written anywhere. Nothing is cached: what is asked, the store is asked.
"""

import errno
import io
import logging
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, BinaryIO, NamedTuple, TypeAlias

import fsspec

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

Information: TypeAlias = Mapping[str, Any]
"""What a store says of an object: `name`, `size`, `type`, and names of its own."""

_URL = re.compile(r"[a-z][a-z0-9+.-]*(::[a-z0-9+.-]+)*://")
_EXTRAS = {"s3": "s3", "s3a": "s3", "gs": "gs", "gcs": "gs"}
# Of a file in parts, s3fs holds as many parts at once, of 50 MiB each.
_OPTIONS: Mapping[str, Mapping[str, object]] = MappingProxyType({"s3": {"max_concurrency": 2}})
_VERSION_ASKED = "?versionId="  # s3fs cuts a name there
# What tells one content of an object from another: S3, Google Cloud Storage, and what others call it.
_VERSIONS = ("ETag", "generation", "etag", "content_md5", "mtime", "LastModified", "last_modified")
_LONGEST_REASON = 200
_BUSY = frozenset({409, 429, 503})  # HTTP: conflict, too many requests, unavailable
_SMALL_READ, _AHEAD, _MOST_AHEAD = 1 << 16, 1 << 18, 2 << 20
_ERRNOS: tuple[tuple[type[BaseException], int], ...] = (
    (PermissionError, errno.EACCES),
    (FileExistsError, errno.EEXIST),
    (IsADirectoryError, errno.EISDIR),
    (TimeoutError, errno.ETIMEDOUT),
)


def is_url(text: str) -> bool:
    """Whether a text is the URL of an object or a prefix, and no path."""
    return _URL.match(text) is not None


def url_fault(url: str) -> str:
    """What keeps a URL from being used, in a line that says what to do; nothing, if it can be."""
    scheme, _, rest = url.partition("://")
    bucket = rest.partition("/")[0]
    if "::" in url or "@" in bucket:
        return (
            f"expected BUCKET/PATH behind {scheme}://; credentials belong into the environment or a profile"
        )
    if not bucket or any(mark in bucket for mark in "*?["):
        return f"expected {scheme}://BUCKET/PATH, the bucket by its name"
    try:
        fsspec.get_filesystem_class(scheme)
    except ValueError:
        return f"no file system is known for {scheme}://; use s3:// or gs://, or copy the files to a folder"
    except ImportError as error:
        if scheme in _EXTRAS:
            return f"{scheme}:// needs an extra: pip install 'tunix-zero-cost[{_EXTRAS[scheme]}]'"
        return f"{scheme}:// needs a package that is not installed ({_line(error)})"
    return ""


def filesystem(url: str) -> Any:
    """Fsspec's file system for a URL, its listings forgotten. OSError for a key that it would take for another one."""
    scheme = url.partition("://")[0]
    if _VERSION_ASKED in url:
        reason = f"with {_VERSION_ASKED} in its name another object would be read; copy it to another name"
        raise OSError(errno.EINVAL, reason, url)
    if scheme in {"gs", "gcs"}:
        _silence_gcsfs()
    found = fsspec.filesystem(scheme, **_OPTIONS.get(scheme, {}))
    found.invalidate_cache()
    return found


def _silence_gcsfs() -> None:
    """Keep gcsfs from logging the tracebacks of what it raises as well, unless somebody asked for its log."""
    logger = logging.getLogger("gcsfs")
    if not logger.handlers:
        logger.addHandler(logging.NullHandler())
        logger.propagate = False


@contextmanager
def told(url: str) -> Iterator[None]:
    """Whatever a backend raises as an OSError: a one-line reason, and the URL where the path would be."""
    try:
        yield
    except Exception as error:
        raise _as_os_error(error, url) from error


def _as_os_error(error: Exception, url: str) -> OSError:
    if isinstance(error, OSError) and error.errno is not None and error.filename is not None:
        return error  # of a file on this machine, or told already
    if _is_missing_bucket(error):
        return OSError(errno.ENXIO, _line(error), url)
    if isinstance(error, FileNotFoundError):
        return OSError(errno.ENOENT, "no such object", url)
    if type(error).__name__ == "FileExpired":  # s3fs: another version than was opened
        return OSError(errno.EBUSY, "it changed while it was being read", url)
    if (isinstance(error, OSError) and error.errno == errno.EBUSY) or answer(error)[1] in _BUSY:
        reason = f"the store asks to slow down, or to try again later: {_line(error)}"
        return OSError(errno.EBUSY, reason, url)
    number = next((number for kind, number in _ERRNOS if isinstance(error, kind)), errno.EIO)
    if "Credentials" in type(error).__name__:
        return OSError(errno.EACCES, f"no credentials that can be used: {_line(error)}", url)
    if number == errno.EACCES:
        return OSError(number, f"access denied: {_line(error)}", url)
    return OSError(number, _line(error), url)


def answer(error: BaseException | None) -> tuple[str, int]:
    """The code and the HTTP status with which a store refused, from a backend's error or what caused it.

    Empty and 0 where there was no answer, or it is not told.
    """
    while error is not None:
        response = getattr(error, "response", None)  # botocore's
        if isinstance(response, Mapping):
            code = response.get("Error", {}).get("Code", "")
            return str(code), int(response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
        if isinstance(status := getattr(error, "code", None), int):  # gcsfs's
            return "", status
        error = error.__cause__
    return "", 0


def _is_missing_bucket(error: Exception) -> bool:
    """Whether a store says that it has no such bucket, and not only no such object."""
    return (
        isinstance(error, FileNotFoundError)
        and "bucket" in str(error).lower()
        and error.__cause__ is not None
    )


def _line(error: BaseException) -> str:
    text = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    line = (text.strip().splitlines() or [""])[0] or type(error).__name__
    line = line.rstrip(".")
    return "".join(character if character.isprintable() else "?" for character in line)[:_LONGEST_REASON]


class ObjectStatus(NamedTuple):
    """What a store says of an object now: its size, and what tells this content from any other."""

    st_size: int
    version: tuple[str, ...]


class Entry(NamedTuple):
    """What lies right below a prefix, as `os.scandir` would give it."""

    name: str
    path: str
    folder: bool

    def is_dir(self) -> bool:
        """Whether there is something below it."""
        return self.folder

    def is_file(self) -> bool:
        """Whether it is an object."""
        return not self.folder


@dataclass(frozen=True, slots=True)
class ObjectFile:
    """An object, or a prefix of objects, by its URL; used like a `Path` that is only read.

    Every method that asks the store raises OSError with the URL as its file name and the reason in one line.
    """

    url: str

    def __str__(self) -> str:
        return self.url

    def __truediv__(self, path: str) -> "ObjectFile":
        return ObjectFile(f"{self.url.rstrip('/')}/{path}")

    @property
    def name(self) -> str:
        """What follows the last slash."""
        return self.url.rpartition("/")[2]

    @property
    def suffix(self) -> str:
        """The last dot of the name and what follows it."""
        return PurePosixPath(self.name).suffix

    def stat(self) -> ObjectStatus:
        """Its size and version, asked now."""
        information = self._information()
        if information["type"] == "directory":
            raise FileNotFoundError(errno.ENOENT, "no object of this name", self.url)
        version = tuple(f"{name}={information[name]}" for name in _VERSIONS if information.get(name))
        return ObjectStatus(int(information["size"]), version)

    def is_file(self) -> bool:
        """Whether there is an object of this name."""
        try:
            self.stat()
        except FileNotFoundError:
            return False
        return True

    def is_dir(self) -> bool:
        """Whether there are objects below it."""
        try:
            return bool(self._information()["type"] == "directory")
        except FileNotFoundError:
            return False

    def entries(self) -> list[Entry]:
        """What lies right below it; nothing, if nothing does."""
        with told(self.url):
            files = filesystem(self.url)
            own = files._strip_protocol(self.url)  # noqa: SLF001 - how names begin in the listing
            try:
                listing = files.ls(self.url, detail=True)
            except FileNotFoundError as error:
                if _is_missing_bucket(error):
                    raise
                listing = []
        found = []
        for information in listing:
            name = str(information["name"]).rstrip("/").removeprefix(f"{own}/")
            if "/" not in name:  # a prefix may be listed with what is below it
                found.append(Entry(name, f"{self.url}/{name}", information["type"] == "directory"))
        return found

    def open(self, mode: str = "rb") -> BinaryIO:
        """Its bytes, for reading: from where one seeks in ranges that grow as it is read on."""
        if mode != "rb":
            raise ValueError(f"{self.url}: opened as {mode!r}, objects are only read")
        return io.BufferedReader(_Ranges(self.url, _MOST_AHEAD), _SMALL_READ)

    def ranges(self) -> io.RawIOBase:
        """Its bytes, for a reader that knows what it needs: what is read is fetched, and nothing else."""
        return _Ranges(self.url, 0)

    def _information(self) -> Information:
        with told(self.url):
            information: Information = filesystem(self.url).info(self.url)
        return information


Location: TypeAlias = Path | ObjectFile
"""Where a file is: on this machine, or in an object store."""


def location(text: str) -> Location:
    """A text as a path, or as the URL that it is."""
    return ObjectFile(text.rstrip("/")) if is_url(text) else Path(text)


class _Ranges(io.RawIOBase):
    """An object, read range by range; all of the version that was there when it was opened, where the store can tell.

    Up to `most_ahead` bytes are fetched beyond what is asked for, more with every range that follows on the last.
    """

    def __init__(self, url: str, most_ahead: int) -> None:
        super().__init__()
        self._url, self._most_ahead, self._ahead = url, most_ahead, 0
        self._window, self._begin, self._position = b"", 0, 0
        with told(url):
            self._file = filesystem(url).open(url, "rb", cache_type="none")
            self._size = int(self._file.size)

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._size}[whence]
        self._position = max(0, start + offset)
        return self._position

    def readinto(self, buffer: "WriteableBuffer", /) -> int:
        view, done = memoryview(buffer).cast("B"), 0
        while done < len(view) and self._position < self._size:
            within = self._position - self._begin
            if not 0 <= within < len(self._window):
                self._fetch(len(view) - done)
                within = 0
            piece = self._window[within : within + len(view) - done]
            view[done : done + len(piece)] = piece
            done += len(piece)
            self._position += len(piece)
        return done

    def _fetch(self, wanted: int) -> None:
        """Read the window anew, from the position on."""
        follows = bool(self._window) and self._position == self._begin + len(self._window)
        self._ahead = min(self._ahead * 2 if follows else _AHEAD, self._most_ahead)
        size = min(max(wanted, self._ahead), self._size - self._position)
        with told(self._url):
            self._file.seek(self._position)
            window = self._file.read(size)
            if not window:
                raise OSError(errno.EIO, "it ends before it should", self._url)
        self._window, self._begin = window, self._position
