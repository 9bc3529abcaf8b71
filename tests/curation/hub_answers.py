"""What the Hub of the tests answers: the HTTP that huggingface_hub 1.33 speaks with the Hub, and faults on demand."""

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, quote, unquote, urlsplit

SECRET = "hf_secretTokenOfATest"  # noqa: S105 (the token that must not leak)


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def git_blob(data: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(data) + data, usedforsecurity=False).hexdigest()


@dataclass(frozen=True)
class Request:
    """A request as a server got it."""

    server: str
    method: str
    path: str
    headers: Mapping[str, str]


@dataclass(frozen=True)
class Fault:
    """What goes wrong when a path contains `on`, so many `times`: a refusal, or a body that is not the file."""

    on: str
    times: int = 1
    status: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    cut_after: int | None = None  # bytes, then the connection breaks
    body: bytes | None = None  # another one
    whole: bool = False  # `Range` is passed over
    no_length: bool = False  # chunked, and it ends like a whole one


@dataclass
class Repository:
    """Commits of a dataset, branches and tags, and who may read it."""

    commits: dict[str, dict[str, bytes]] = field(default_factory=dict)
    refs: dict[str, str] = field(default_factory=dict)
    gated: bool = False
    in_git: tuple[str, ...] = (".md", ".json", ".gitattributes")  # what is not in LFS


class HubState:
    """What a Hub has, who may read it, what is about to go wrong, and who has asked for what."""

    endpoint: str
    cdn: str

    def __init__(self) -> None:
        self.repositories: dict[str, Repository] = {}
        self.renamed: dict[str, str] = {}
        self.tokens = {SECRET}
        self.requests: list[Request] = []
        self.faults: list[Fault] = []
        self.page = 1_000  # files on a page of a listing
        self.link_to: str | None = None  # the host that links to the next page name

    def fault(self, path: str) -> Fault | None:
        """The fault that is due for a path; it is used up once."""
        for place, fault in enumerate(self.faults):
            if fault.on in path:
                self.faults[place : place + 1] = (
                    [replace(fault, times=fault.times - 1)] if fault.times > 1 else []
                )
                return fault
        return None


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_: object) -> None:
        """A client that went away is no fault of the server."""

    def __init__(
        self, address: tuple[str, int], handler: type[BaseHTTPRequestHandler], owner: HubState, name: str
    ) -> None:
        super().__init__(address, handler)
        self.owner, self.name = owner, name


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = 10
    server: Server

    def do_HEAD(self) -> None:
        self._do()

    def do_GET(self) -> None:
        self._do()

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def _do(self) -> None:
        hub = self.server.owner
        headers = {name.lower(): value for name, value in self.headers.items()}
        hub.requests.append(Request(self.server.name, self.command, self.path, headers))
        self.fault = hub.fault(f"{self.server.name}:{unquote(self.path)}")
        if self.fault is not None and self.fault.status is not None:
            self.send(self.fault.status, headers=self.fault.headers)
            return
        self.respond(hub)

    def respond(self, hub: HubState) -> None:
        raise NotImplementedError

    def send(self, status: int, body: bytes = b"", headers: Mapping[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        if "Content-Length" not in (headers or {}):
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def send_json(self, value: object, headers: Mapping[str, str] | None = None) -> None:
        self.send(200, json.dumps(value).encode(), {"Content-Type": "application/json", **(headers or {})})

    def send_file(self, data: bytes, headers: Mapping[str, str]) -> None:
        """A file, or the range of it that was asked for, unless a fault says otherwise."""
        fault = self.fault or Fault("")
        data = data if fault.body is None else fault.body
        span = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        status, sent = 200, {"Accept-Ranges": "bytes", **headers, **fault.headers}
        if span and not fault.whole:
            first, last = int(span[1]), min(int(span[2] or len(data)), len(data) - 1)
            if first >= len(data):
                self.send(416, headers={"Content-Range": f"bytes */{len(data)}"})
                return
            status, sent["Content-Range"] = 206, f"bytes {first}-{last}/{len(data)}"
            data = data[first : last + 1]
        cut = data if fault.cut_after is None else data[: fault.cut_after]
        if fault.no_length:
            self.send_response(status)
            for name, value in {**sent, "Transfer-Encoding": "chunked"}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(b"%x\r\n%b\r\n0\r\n\r\n" % (len(cut), cut))
            return
        sent["Content-Length"] = str(len(data))
        self.send(status, cut, sent)
        if cut is not data:
            self.close_connection = True


class CdnHandler(Handler):
    def respond(self, hub: HubState) -> None:
        wanted = urlsplit(self.path).path.rpartition("/")[2]
        for repository in hub.repositories.values():
            for files in repository.commits.values():
                for data in files.values():
                    if sha256(data) == wanted:
                        self.send_file(data, {})
                        return
        self.send(403)


class HubHandler(Handler):
    def refuse(self, status: int, code: str, message: str) -> None:
        self.send(status, headers={"X-Error-Code": code, "X-Error-Message": message} if code else {})

    def respond(self, hub: HubState) -> None:
        url = urlsplit(self.path)
        match = re.fullmatch(
            r"(?P<kind>/api/datasets|/api/resolve-cache/datasets|/datasets)/(?P<hub>[^/]+/[^/]+)"
            r"/(?P<verb>revision|tree|resolve)/(?P<revision>[^/]+)(?:/(?P<path>.*))?",
            url.path,
        )
        if match is None:
            self.refuse(404, "", "")
            return
        name, revision = match["hub"], unquote(match["revision"])
        if name in hub.renamed:
            self.send(307, headers={"Location": self.path.replace(name, hub.renamed[name], 1)})
            return
        token = self.headers.get("Authorization", "").removeprefix("Bearer ")
        repository = hub.repositories.get(name)
        if token and token not in hub.tokens:
            self.send(
                401, headers={"X-Error-Message": f"Invalid credentials in Authorization header: {token}"}
            )
        elif repository is None:
            self.refuse(404 if token else 401, "RepoNotFound", "Repository not found")
        elif repository.gated and not token and match["verb"] == "resolve":
            self.refuse(401, "GatedRepo", f"Access to dataset {name} is restricted.")
        elif (commit := repository.refs.get(revision, revision)) not in repository.commits:
            self.refuse(404, "RevisionNotFound", f"Invalid rev id: {revision}")
        elif match["verb"] == "revision":
            self.send_json({"id": name, "sha": commit, "private": False, "gated": repository.gated})
        elif match["verb"] == "tree":
            self.tree(hub, repository, commit)
        else:
            self.resolve(hub, repository, commit, match)

    def tree(self, hub: HubState, repository: Repository, commit: str) -> None:
        files = repository.commits[commit]
        first = int(parse_qs(urlsplit(self.path).query).get("cursor", ["0"])[0])
        entries: list[object] = [{"type": "directory", "oid": "0" * 40, "size": 0, "path": "data"}]
        for path, data in files.items():
            entry: dict[str, object] = {
                "type": "file",
                "path": path,
                "size": len(data),
                "oid": git_blob(data),
            }
            if not path.endswith(repository.in_git):
                entry["oid"] = git_blob(b"pointer")
                entry["lfs"] = {"oid": sha256(data), "size": len(data), "pointerSize": 130}
                entry["xetHash"] = "ab" * 32
            entries.append(entry)
        headers = {}
        if first + hub.page < len(entries):
            address = f"{hub.link_to or hub.endpoint}{urlsplit(self.path).path}"
            headers["Link"] = f'<{address}?recursive=true&cursor={first + hub.page}>; rel="next"'
        self.send_json(entries[first : first + hub.page], headers)

    def resolve(self, hub: HubState, repository: Repository, commit: str, match: re.Match[str]) -> None:
        path = unquote(match["path"] or "")
        data = repository.commits[commit].get(path)
        if data is None:
            self.refuse(404, "EntryNotFound", "Entry not found")
            return
        about = {"X-Repo-Commit": commit}
        if path.endswith(repository.in_git):
            if match["kind"] == "/datasets":
                place = f"/api/resolve-cache/datasets/{match['hub']}/resolve/{commit}/{quote(path)}"
                self.send(307, headers={**about, "Location": place})
            else:
                self.send_file(data, {**about, "ETag": f'"{git_blob(data)}"'})
            return
        about |= {
            "X-Linked-Etag": f'"{sha256(data)}"',
            "X-Linked-Size": str(len(data)),
            "X-Xet-Hash": "ab" * 32,
        }
        renewal = f"{hub.endpoint}/api/datasets/{match['hub']}/xet-read-token/{commit}"
        about["Link"] = f'<{renewal}>; rel="xet-auth"'
        self.send(302, headers={**about, "Location": f"{hub.cdn}/blobs/{sha256(data)}?signature=of-the-hub"})
