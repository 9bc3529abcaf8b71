"""A Hub on loopback for the tests, and how they reach it.

Two real servers: the Hub on 127.0.0.1, and on another port, under the name localhost, the content delivery network
that it redirects to for files in LFS. Both keep every request with its headers.
"""

import hashlib
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, Self

import pytest

from curation.hub.cache import FetchedFile
from curation.hub.repository import HubRepository
from curation.hub.settings import HubSettings
from curation.hub.transport import HubHttp, Patience
from curation.recipe import PinnedFile
from tests.curation.hub_answers import (
    SECRET,
    CdnHandler,
    Fault,
    HubHandler,
    HubState,
    Repository,
    Request,
    Server,
    sha256,
)

REPOSITORY = "owner/traces"
QUICK = Patience(tries=3, first_wait=0.01, longest_wait=2.0, silence=5.0)


class HubServer(HubState):
    """A Hub on loopback. To be used in a `with`."""

    def __init__(self) -> None:
        super().__init__()
        self._hub = Server(("127.0.0.1", 0), HubHandler, self, "hub")
        self._cdn = Server(("localhost", 0), CdnHandler, self, "cdn")
        self.endpoint = f"http://127.0.0.1:{self._hub.server_port}"
        self.cdn = f"http://localhost:{self._cdn.server_port}"

    def __enter__(self) -> Self:
        for server in (self._hub, self._cdn):
            threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        for server in (self._hub, self._cdn):
            server.shutdown()
            server.server_close()

    def commit(self, files: Mapping[str, bytes], *, hub: str = REPOSITORY, branch: str = "main") -> str:
        """A new commit with exactly these files, and the branch moved to it."""
        repository = self.repositories.setdefault(hub, Repository())
        tree = [f"{path} {sha256(data)}" for path, data in sorted(files.items())]
        text = "\n".join([str(len(repository.commits)), *tree])
        commit = hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()
        repository.commits[commit] = dict(files)
        repository.refs[branch] = commit
        return commit

    def fail(self, on: str, **how: Any) -> None:
        """Let the next request whose path contains `on` go wrong."""
        self.faults.append(Fault(on, **how))

    def asked(self, server: str = "", on: str = "") -> list[Request]:
        """The requests to one of the two servers whose path contains `on`."""
        return [entry for entry in self.requests if server in entry.server and on in entry.path]

    def settings(self, folder: Path, **changes: Any) -> HubSettings:
        """Settings for this Hub, with a cache in `folder`."""
        plain = HubSettings(self.endpoint, folder / "hub-cache", folder / "assets")
        return replace(plain, **changes)

    def fetch(self, folder: Path, commit: str, name: str, **how: Any) -> FetchedFile:
        """A file of a commit, through a client of its own."""
        with self.repository(folder, commit, **how) as repository:
            (file,) = repository.files(name)
            return repository.fetch(file)

    @contextmanager
    def repository(
        self,
        folder: Path,
        commit: str,
        *,
        hub: str = REPOSITORY,
        pinned: tuple[PinnedFile, ...] = (),
        notices: list[str] | None = None,
        patience: Patience = QUICK,
        **settings: Any,
    ) -> Iterator[HubRepository]:
        """The source `one` at a commit, through a client of its own."""
        told: list[str] = [] if notices is None else notices
        with HubHttp(self.settings(folder, **settings), told.append, patience) as http:
            yield HubRepository(http, "one", hub, commit, pinned)


def pinned(files: Mapping[str, bytes]) -> tuple[PinnedFile, ...]:
    return tuple(PinnedFile(path, len(data), sha256(data)) for path, data in files.items())


def one_line(raised: pytest.ExceptionInfo[BaseException]) -> str:
    """The message of an error, which has to be one line without the token."""
    message = str(raised.value)
    assert message.isprintable()
    assert SECRET not in message
    return message
