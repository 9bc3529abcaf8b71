"""The objects below a URL, as a store of manifests needs them: listed, brought, sent, and put only where none is."""

import errno
import hashlib
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from manifests.errors import StoreError
from manifests.objects import Information, answer, filesystem, told

_TRIES = 5
_PART_BYTES = 50 << 20  # of an object that is put in parts
_PRECONDITION_FAILED = 412  # HTTP
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
_NOTE = "zerocost"  # the name of a note among an object's metadata
_METADATA = {"s3": "Metadata", "gs": "metadata"}  # what the backends call it


class Prefix:
    """What lies below a URL. Every method asks the store, and raises StoreError with URL and reason when that fails.

    `advice` ends such an error: what else can be done.
    """

    def __init__(self, url: str, advice: str) -> None:
        self.url, self._advice = url, advice

    def listing(self, place: str) -> dict[str, Information]:
        """What the store says of the objects below a place, by their paths from there."""
        with self._asking(place) as url:
            files = filesystem(url)
            own = files._strip_protocol(url)  # noqa: SLF001 - how names begin in the listing
            found = files.find(url, detail=True)
        return {path.removeprefix(f"{own}/"): information for path, information in found.items()}

    def read(self, path: str, most: int) -> bytes:
        """The first bytes of an object."""
        with self._asking(path) as url:
            return bytes(filesystem(url).cat_file(url, start=0, end=most))

    def bring(self, path: str, file: Path) -> None:
        """Write an object into a file. OSError with the file's name when this machine's disk is full."""
        with self._asking(path) as url:
            try:
                filesystem(url).get_file(url, str(file))
            except OSError as error:
                if error.errno in _FULL and error.filename is None:
                    raise OSError(error.errno, error.strerror, str(file)) from error
                raise

    def send(self, file: Path, path: str, note: str = "") -> None:
        """Put a file, in the place of whatever is there; the note goes with the object, and with nothing after it."""
        with self._asking(path) as url:
            noted = {_METADATA[url.partition("://")[0]]: {_NOTE: note}} if note else {}
            filesystem(url).put_file(str(file), url, chunksize=_PART_BYTES, **noted)

    def note(self, path: str) -> str:
        """The note with which an object was put; empty, if it was put without."""
        with self._asking(path) as url:
            try:
                return str(filesystem(url).getxattr(url, _NOTE) or "")
            except KeyError:  # gcsfs
                return ""

    def put_new(self, path: str, data: bytes) -> bool:
        """Put an object where none is. False, and nothing changed, if there is one."""
        for left in reversed(range(_TRIES)):
            with self._asking(path) as url:
                try:
                    filesystem(url).pipe_file(url, data, mode="create")
                except FileExistsError:
                    return False
                except OSError as error:
                    code, status = answer(error)
                    if status == _PRECONDITION_FAILED:  # s3fs knows only those that name the condition
                        return False
                    # Two at the same moment: S3 asks both to try again.
                    if not left or code != "ConditionalRequestConflict":
                        raise
                else:
                    return True
        return False

    @contextmanager
    def _asking(self, path: str) -> Iterator[str]:
        url = f"{self.url}/{path}"
        try:
            with told(url):
                yield url
        except OSError as error:
            if error.filename != url:  # a file on this machine: its disk is full, for instance
                raise
            raise StoreError(
                f"{url}: {error.strerror}; check address, network and credentials, and run the same command again "
                f"({self._advice})"
            ) from error


def is_refused(error: StoreError) -> bool:
    """Whether a store answered, and gave no object; not: a lost connection, or a store that is busy or broken."""
    cause = error.__cause__
    if not isinstance(cause, OSError) or cause.errno == errno.EBUSY:
        return False
    return cause.errno in {errno.EACCES, errno.ENOENT} or answer(cause)[1] in range(400, 500)


def is_same(information: Information | None, file: Path) -> bool:
    """Whether an object has the bytes of a file, told by the MD5 of all or of parts if its store states it; else no."""
    if information is None or not file.is_file() or int(information["size"]) != file.stat().st_size:
        return False
    stated = {str(information.get("ETag", "")).strip('"'), str(information.get("md5Hash", ""))}
    whole, parts = _md5(), []
    with file.open("rb") as stream:
        while part := stream.read(_PART_BYTES):
            whole.update(part)
            parts.append(_md5(part).digest())
    of_parts = f"{_md5(b''.join(parts)).hexdigest()}-{len(parts)}"
    return not stated.isdisjoint({whole.hexdigest(), b64encode(whole.digest()).decode(), of_parts})


def _md5(data: bytes = b"") -> "hashlib._Hash":
    return hashlib.md5(data, usedforsecurity=False)
