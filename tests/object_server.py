"""An S3 server on loopback for the tests: moto's, behind a gate that counts, refuses, cuts and kills.

What moto leaves out is done by the gate: it knows one access key and refuses others as S3 does, and lets one request
that writes through at a time, so that of two conditional puts exactly one wins (moto looks and writes in two steps).
"""

import atexit
import socket
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import cache
from itertools import count
from pathlib import Path
from typing import Any, Self

import fsspec
import pytest
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, MotoRequestHandler, create_backend_app
from werkzeug.serving import make_server

from manifests import objects

KEY = "A-KEY-OF-THE-TESTS"
_bucket_numbers = count(1)


@dataclass
class Request:
    """A request, and the bytes of the answer's body."""

    method: str
    path: str
    range: str = ""
    conditional: bool = False
    sent: int = 0


class CutError(Exception):
    """The connection ends here, without an answer."""


def cut(_: "Request") -> None:
    """For a gate: let nothing through."""
    raise CutError


Watcher = Callable[[Request], None]


@dataclass
class Gate:
    """The application in front of moto's. `before` and `after` see every request, and may raise CutError.

    `denied` are the methods that nobody may use, `ignores_conditions` makes a store that knows no conditional puts.
    What `instead` says of a request (status and body) is answered in moto's place, if it says something; `rewrite`
    changes the bodies of moto's answers.
    """

    inner: Any
    requests: list[Request] = field(default_factory=list)
    before: Watcher | None = None
    after: Watcher | None = None
    denied: frozenset[str] = frozenset()
    ignores_conditions: bool = False
    instead: Callable[[Request], tuple[str, str] | None] | None = None
    rewrite: Callable[[Request, bytes], bytes] | None = None
    _writing: threading.Lock = field(default_factory=threading.Lock)

    def reset(self) -> None:
        """Let everything through, and look at nothing."""
        self.before = self.after = self.instead = self.rewrite = None
        self.denied, self.ignores_conditions = frozenset(), False

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        request = Request(
            environ["REQUEST_METHOD"],
            environ["PATH_INFO"],
            environ.get("HTTP_RANGE", ""),
            "HTTP_IF_NONE_MATCH" in environ,
        )
        self.requests.append(request)
        if self.instead is not None and (answer := self.instead(request)) is not None:
            return _answer(start_response, request, answer[1], answer[0])
        if f"Credential={KEY}/" not in environ.get("HTTP_AUTHORIZATION", ""):
            unknown = "The AWS Access Key Id you provided does not exist in our records."
            return _answer(start_response, request, error_body("InvalidAccessKeyId", unknown))
        if request.method in self.denied:
            return _answer(start_response, request, error_body("AccessDenied", "Access Denied"))
        if self.ignores_conditions:
            environ.pop("HTTP_IF_NONE_MATCH", None)
        try:
            if self.before is not None:
                self.before(request)
            if request.method in {"PUT", "POST", "DELETE"}:
                with self._writing:
                    body = self._inner_answer(request, environ, start_response)
            else:
                body = self._inner_answer(request, environ, start_response)
            request.sent = 0 if request.method == "HEAD" else len(body)
            if self.after is not None:
                self.after(request)
        except CutError:
            environ["werkzeug.socket"].shutdown(socket.SHUT_RDWR)
            raise ConnectionResetError from None
        return [body]

    def _inner_answer(self, request: Request, environ: dict[str, Any], start_response: Any) -> bytes:
        if self.rewrite is None or request.method == "HEAD":
            return b"".join(self.inner(environ, start_response))
        told: list[tuple[str, list[tuple[str, str]]]] = []
        inner = self.inner(environ, lambda status, headers, *_: told.append((status, headers)))
        body = self.rewrite(request, b"".join(inner))
        status, headers = told[-1]
        kept = [(name, value) for name, value in headers if name.lower() != "content-length"]
        start_response(status, [*kept, ("Content-Length", str(len(body)))])
        return body


def error_body(code: str, message: str) -> str:
    """What S3 answers with an error."""
    return f'<?xml version="1.0" encoding="UTF-8"?><Error><Code>{code}</Code><Message>{message}</Message></Error>'


def _answer(
    start_response: Any, request: Request, text: str, status: str = "403 Forbidden"
) -> Iterable[bytes]:
    body = b"" if request.method == "HEAD" else text.encode()
    start_response(status, [("Content-Type", "application/xml"), ("Content-Length", str(len(body)))])
    return [body]


class _Handler(MotoRequestHandler):
    def log(self, *_: Any) -> None:
        """Nothing: what was asked stands in `requests`."""


class ObjectServer:
    """A server with a bucket for every test. To be used in a `with`."""

    def __init__(self) -> None:
        self.gate = Gate(DomainDispatcherApplication(create_backend_app))
        self._server = make_server("127.0.0.1", 0, self.gate, threaded=True, request_handler=_Handler)
        self.endpoint = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def environment(self, **others: str) -> dict[str, str]:
        """What a process needs to reach it, as a person would set it; nothing else of the machine is looked at."""
        return {
            "AWS_ENDPOINT_URL_S3": self.endpoint,
            "AWS_ACCESS_KEY_ID": KEY,
            "AWS_SECRET_ACCESS_KEY": "a-secret-of-the-tests",
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_CONFIG_FILE": "/dev/null",
            "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
            "AWS_MAX_ATTEMPTS": "1",
            **others,
        }


@dataclass
class Bucket:
    """A bucket of its own, with the gate in front of it."""

    server: ObjectServer
    url: str
    forgotten: bool = False

    @property
    def gate(self) -> Gate:
        return self.server.gate

    def put(self, path: str, data: bytes) -> str:
        """Put an object; its URL."""
        url = f"{self.url}/{path}"
        objects.filesystem(url).pipe_file(url, data)
        return url

    def put_folder(self, folder: Path, prefix: str) -> str:
        """Put every file below a folder, by its path; the URL of the prefix."""
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                self.put(f"{prefix}/{path.relative_to(folder)}", path.read_bytes())
        return f"{self.url}/{prefix}"

    def objects(self) -> dict[str, bytes]:
        """Every object, by its path in the bucket."""
        files = objects.filesystem(self.url)
        name = self.url.removeprefix("s3://")
        return {path.removeprefix(f"{name}/"): files.cat_file(path) for path in sorted(files.find(name))}

    def forget(self) -> None:
        """Let the next file system read the environment again (a connection that stays open makes tests faster)."""
        self.forgotten = True
        fsspec.get_filesystem_class("s3").clear_instance_cache()

    def remove(self, path: str) -> None:
        objects.filesystem(self.url).rm_file(f"{self.url}/{path}")

    @contextmanager
    def requests(self) -> Iterator[list[Request]]:
        """The requests that are made meanwhile."""
        found: list[Request] = []
        self.gate.requests = found
        yield found


@cache
def _only_server() -> ObjectServer:
    """One for all modules of tests: connections stay open, and lead to where they led."""
    stack = ExitStack()
    atexit.register(stack.close)
    return stack.enter_context(ObjectServer())


@pytest.fixture
def object_server() -> ObjectServer:
    return _only_server()


@pytest.fixture
def bucket(object_server: ObjectServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Bucket]:
    """A new bucket, the environment to reach it, and a cache folder of its own."""
    for name in ("AWS_SESSION_TOKEN", "AWS_PROFILE", "AWS_ENDPOINT_URL", "FSSPEC_S3"):
        monkeypatch.delenv(name, raising=False)
    for name, value in object_server.environment(XDG_CACHE_HOME=str(tmp_path / "cache")).items():
        monkeypatch.setenv(name, value)
    gate = object_server.gate
    gate.reset()
    name = f"bucket-{next(_bucket_numbers)}"
    objects.filesystem("s3://").mkdir(name)
    found = Bucket(object_server, f"s3://{name}")
    yield found
    gate.reset()
    if found.forgotten:
        found.forget()
