"""A dataset repository of the Hub as a source: its files at one commit, brought here and checked, or counted from afar.

A commit never changes, so what is at it is asked once and noted. Nothing that was downloaded is trusted: every file
is digested and compared with what the recipe pins, or with what the Hub's listing of the commit states.
"""

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from urllib.parse import quote

import pyarrow as pa
import pyarrow.parquet as pq

from curation.errors import RecipeError, SourceError
from curation.hub.cache import FetchedFile, HubCache, HubFile, Watch, digest_file, download
from curation.hub.listing import COMMIT, check_name, check_pattern, choose_files, listed_files, pinned_files
from curation.hub.transport import Asked, HubHttp, PassingError
from curation.recipe import PinnedFile
from manifests.command import printable

_MOST_PAGES = 1_000  # of a listing; the Hub puts up to 1,000 files on one
_FOOTER_GUESS = 64 << 10  # bytes that hold the footer of most parquet files
_LARGEST_FOOTER = 64 << 20
_MAGIC = b"PAR1"
_TRAILER = 8  # bytes: the footer's length, and the magic


class HubRepository:
    """The files of a dataset repository at a commit.

    Raises RecipeError unless `revision` is a commit and `hub` a name that a repository can have.
    """

    def __init__(
        self,
        http: HubHttp,
        source: str,
        hub: str,
        revision: str | None,
        pinned: Sequence[PinnedFile] = (),
    ) -> None:
        if revision is None or not COMMIT.fullmatch(revision):
            found = "none is set" if revision is None else f"found {revision!r}"
            raise RecipeError(
                f"source {source}: revision: expected a commit (40 hex digits), {found}; "
                "run `curation pin RECIPE --out FILE` and use FILE"
            )
        check_name(source, hub)
        self._http, self._source, self._hub, self._commit = http, source, hub, revision
        self._cache = HubCache(http.settings, hub)
        self._pinned = [HubFile(file.path, file.size, file.sha256) for file in pinned]

    def files(self, pattern: str | None) -> list[HubFile]:
        """The files that `files` of a recipe asks for, in byte order of their paths: those pinned, else the commit's.

        Without a pattern: all data files of the repository, which must be of one format and of no test split.
        Raises RecipeError for a pattern that can't be one or that passes over a pinned file, SourceError when nothing
        matches, a path or format can't be used, or the listing can't be had.
        """
        where = self._asked("").where
        if pattern is not None:
            check_pattern(self._source, pattern)
        if self._pinned:
            return pinned_files(where, self._pinned, pattern)
        return choose_files(where, self._listing(), pattern)

    def is_cached(self, file: HubFile) -> bool:
        """Whether a file is on this machine already (unchecked), so that `fetch` needs no network."""
        return self._cache.find(self._commit, file) is not None

    def fetch(self, file: HubFile, watch: Watch = lambda _: None) -> FetchedFile:
        """A file on this machine, from the cache or the Hub, and its digest. It is hashed once, here.

        A damaged file of the cache is fetched again. An interrupted download goes on where it stopped, also that of an
        earlier process. Raises SourceError when it can't be had, can't be kept, or has other bytes than it must have.
        """
        asked = self._asked(f"file {printable(file.path)} at {self._commit}")
        try:
            here = self._cache.find(self._commit, file)
            if here is not None and (found := self._checked(asked, file, here, watch)):
                return found
            self._http.check_online(asked)  # before anything is written
            with self._cache.locked(file):
                arrived = self._cache.find(self._commit, file) if here is None else None
                if arrived is not None and (found := self._checked(asked, file, arrived, watch)):
                    return found  # somebody else has fetched it meanwhile
                return self._downloaded(asked, file, watch)
        except OSError as error:
            place = error.filename or self._http.settings.cache
            raise SourceError(
                f"{asked.where}: {printable(str(place))}: {error.strerror or error}; check the room and the "
                "permissions of the Hub's cache (HF_HUB_CACHE moves it)"
            ) from error

    def _checked(self, asked: Asked, file: HubFile, here: Path, watch: Watch) -> FetchedFile | None:
        """The cached file if it is what it must be; None if it is to be fetched again. Raises SourceError offline."""
        digest = digest_file(here, file, watch)
        if wrong := digest.wrong():
            if self._http.settings.offline:
                raise SourceError(
                    f"{asked.where}: {here.resolve()}: {wrong}; it is damaged, or other than was pinned, and "
                    "HF_HUB_OFFLINE is set: delete it and run the command with the network"
                )
            self._http.notice(f"{asked.hub}: {file.path}: {wrong}; the cached file is fetched again")
            return None
        if here.name != file.path.rpartition("/")[2]:  # the bytes are there, of another commit
            here = self._cache.place(here, self._commit, file)
        return FetchedFile(file.path, here, digest.size, digest.sha256)

    def _downloaded(self, asked: Asked, file: HubFile, watch: Watch) -> FetchedFile:
        partial = self._cache.partial(file)
        digest = download(self._http, asked, self._url(file), partial, file, watch)
        here = self._cache.place(partial, self._commit, file)
        return FetchedFile(file.path, here, digest.size, digest.sha256)

    def count_parquet_rows(self, file: HubFile) -> int:
        """The rows of a parquet file, from its footer alone: some KB by range requests, noted for the next time.

        Offline it is the cached file's, checked. Raises SourceError when the footer can't be had or is none.
        """
        asked = self._asked(f"footer of {printable(file.path)} at {self._commit}")
        name = f"rows-{file.key}.json"
        noted = self._cache.noted(name)
        if isinstance(noted, int):
            return noted
        if self._http.settings.offline and self.is_cached(file):
            here = self.fetch(file).here
            rows = footer_rows(asked.where, file, lambda length: _end_of(here, length))
        else:
            rows = footer_rows(asked.where, file, lambda length: self._end(asked, file, length))
        self._cache.note(name, rows)
        return rows

    def _end(self, asked: Asked, file: HubFile, length: int) -> bytes:
        """The last bytes of a file of the Hub. Raises SourceError."""
        span = f"{file.size - length}-{file.size - 1}"

        def once() -> bytes:
            with self._http.answer(asked, self._url(file), span=f"bytes={span}") as response:
                got = response.headers.get("content-range", "the whole")
                if got != f"bytes {span}/{file.size}":
                    raise SourceError(
                        f"{asked.where}: {file.path}: asked for bytes {span} of {file.size:,}, got {printable(got)}; "
                        "check HF_ENDPOINT, or pin the recipe again"
                    )
                data = bytearray()
                for chunk in response.iter_raw():
                    data += self._http.counted(chunk)
                    if len(data) > length:
                        break
            if len(data) != length:
                raise PassingError(f"{len(data):,} of {length:,} bytes came")
            return bytes(data)

        return self._http.persist(asked, once)

    def _listing(self) -> list[HubFile]:
        """The files of the commit. Raises SourceError."""
        name = f"tree-{self._commit}.json"
        noted = self._cache.noted(name)
        if isinstance(noted, list):
            return [HubFile(*entry) for entry in noted]
        asked = self._asked(f"revision {self._commit}")
        path = f"/api/datasets/{self._hub}/tree/{self._commit}"
        files: list[HubFile] = []
        query = {"recursive": "true", "expand": "false"}
        for _ in range(_MOST_PAGES):
            page, cursor = self._http.json(asked, path, **query)
            files += listed_files(asked.where, page)
            if cursor is None:
                break
            query["cursor"] = cursor
        else:
            raise SourceError(f"{asked.where}: its listing has no end; check HF_ENDPOINT, or pin the recipe")
        if len({file.path for file in files}) != len(files):
            raise SourceError(f"{asked.where}: its listing names a file twice; check HF_ENDPOINT")
        self._cache.note(name, [[file.path, file.size, file.sha256, file.git] for file in files])
        return files

    def _url(self, file: HubFile) -> str:
        return f"/datasets/{self._hub}/resolve/{self._commit}/{quote(file.path)}"

    def _asked(self, what: str) -> Asked:
        return Asked(self._source, self._hub, what)


def resolve(http: HubHttp, source: str, hub: str, revision: str) -> str:
    """The commit that a branch, tag or commit of a repository is now.

    Raises RecipeError for a name that no repository can have, SourceError for all else, also when the Hub has the
    repository under another name: rows of another repository name have another origin and a manifest of them another
    id, so a person has to decide.
    """
    check_name(source, hub)
    asked = Asked(source, hub, f"revision {printable(revision)}")
    answer, _ = http.json(asked, f"/api/datasets/{hub}/revision/{quote(revision, safe='')}")
    match answer:
        case {"id": str(name), "sha": str(commit)} if COMMIT.fullmatch(commit):
            pass
        case _:
            raise SourceError(
                f"{asked.where}: the answer about {asked.what} names no commit; check HF_ENDPOINT"
            )
    if name != hub:
        raise SourceError(
            f"{asked.where}: the Hub calls it {printable(name)} now; write that name (its rows get another origin, a "
            "manifest of them another id), or keep a recipe that is pinned already: it still builds"
        )
    if COMMIT.fullmatch(revision) and commit != revision:
        raise SourceError(f"{asked.where}: asked for {asked.what}, got {commit}; check HF_ENDPOINT")
    return commit


def footer_rows(where: str, file: HubFile, end: Callable[[int], bytes]) -> int:
    """The rows that a parquet file's footer states; `end` gives as many of the file's last bytes as it is asked for.

    Raises SourceError if that is no footer.
    """
    data = end(min(file.size, _FOOTER_GUESS)) if file.size else b""
    length = int.from_bytes(data[-_TRAILER:-4], "little") + _TRAILER
    if len(data) < _TRAILER or data[-4:] != _MAGIC or length > min(file.size, _LARGEST_FOOTER):
        raise SourceError(f"{where}: {file.path}: no parquet file, its end is no footer; check 'files'")
    footer = data[-length:] if length <= len(data) else end(length)
    try:
        return int(pq.read_metadata(pa.BufferReader(_MAGIC + footer)).num_rows)
    except (pa.ArrowException, OSError) as error:
        raise SourceError(
            f"{where}: {file.path}: its footer can't be read ({printable(str(error))})"
        ) from error


def _end_of(here: Path, length: int) -> bytes:
    with here.open("rb") as stream:
        stream.seek(-length, os.SEEK_END)
        return stream.read()
