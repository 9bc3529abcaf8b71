"""Hub sources that are refused: who may read, what a redirect may get, and answers that no Hub gives."""

import json
import os
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from curation.errors import SourceError
from curation.hub.cache import HubFile
from curation.hub.listing import choose_files, listed_files
from curation.hub.repository import HubRepository, resolve
from curation.hub.transport import HubHttp, Patience
from curation.recipe import PinnedFile
from tests.curation.hub_answers import SECRET, sha256
from tests.curation.hub_server import QUICK, REPOSITORY, HubServer, one_line

DATA = os.urandom(200_000)
NAME = "data/train.jsonl"


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[HubServer]:
    monkeypatch.setenv("NO_PROXY", "*")
    with HubServer() as server:
        yield server


@pytest.fixture
def commit(hub: HubServer) -> str:
    return hub.commit({NAME: DATA, "small.json": b"[]"})


def fetch(hub: HubServer, folder: Path, commit: str, name: str = NAME, **how: Any) -> bytes:
    return hub.fetch(folder, commit, name, **how).here.read_bytes()


def refusal(hub: HubServer, folder: Path, commit: str, name: str = NAME, **how: Any) -> str:
    with pytest.raises(SourceError) as raised:
        fetch(hub, folder, commit, name, **how)
    return one_line(raised).removeprefix(f"source one: {REPOSITORY}: ")


# Who is there, and who may.


def test_what_is_not_there_or_not_allowed_is_said_in_one_line(
    hub: HubServer, tmp_path: Path, commit: str
) -> None:
    assert refusal(hub, tmp_path, "0" * 40).startswith(f"no revision {'0' * 40}; check 'revision'")
    hub.repositories[REPOSITORY].gated = True
    assert "it is gated; accept its terms at http" in refusal(hub, tmp_path, commit)
    assert fetch(hub, tmp_path, commit, token=SECRET) == DATA
    assert refusal(hub, tmp_path / "new", commit, token=f"{SECRET}x").startswith(
        "HF_TOKEN is refused; check it"
    )
    gone = (PinnedFile("gone.jsonl", 3, sha256(b"abc")),)
    with pytest.raises(SourceError, match=r"no file gone\.jsonl at .*; check 'files'"):
        hub.fetch(tmp_path, commit, "*", pinned=gone, token=SECRET)
    del hub.repositories[REPOSITORY]
    assert refusal(hub, tmp_path / "new", commit).startswith(
        "no such dataset, or a private one; check 'hub', or set"
    )
    told = refusal(hub, tmp_path / "new", commit, token=SECRET)
    assert told.startswith("no such dataset, or a private one; check 'hub' and what HF_TOKEN may read")
    for status in (403, 400, 451):
        hub.fail("/tree/", status=status, headers={"X-Error-Message": f"no\x1b[31m, not {SECRET}"})
        assert f"answered {status}, no\\x1b[31m, not ***)" in refusal(
            hub, tmp_path / "new", commit, token=SECRET
        )


def test_no_network_is_said_at_once(hub: HubServer, tmp_path: Path, commit: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    for endpoint in (f"http://127.0.0.1:{port}", "http://no-such-host.invalid"):
        assert "can't be reached" in refusal(hub, tmp_path, commit, endpoint=endpoint)


def test_a_silent_hub_is_given_up(hub: HubServer, tmp_path: Path, commit: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        endpoint = f"http://127.0.0.1:{silent.getsockname()[1]}"
        hasty = Patience(tries=2, first_wait=0.01, silence=0.2)
        with (
            hub.repository(tmp_path, commit, endpoint=endpoint, patience=hasty) as repository,
            pytest.raises(SourceError, match=r"gave up after 2 tries \(timed out\)"),
        ):
            repository.files(None)


@pytest.mark.parametrize(
    "headers", [{"Location": "http://[::1"}, {"Location": "ftp://localhost/"}, {"Location": "/datasets/loop"}]
)
def test_a_redirect_to_nowhere_is_refused(
    hub: HubServer, tmp_path: Path, commit: str, headers: dict[str, str]
) -> None:
    if headers["Location"].endswith("loop"):
        headers = {"Location": f"/datasets/{REPOSITORY}/resolve/{commit}/{NAME}"}
    hub.fail("/resolve/", status=302, headers=headers, times=99)
    refusal(hub, tmp_path, commit)


def test_the_token_goes_to_the_hub_alone(hub: HubServer, tmp_path: Path) -> None:
    commit = hub.commit({NAME: DATA, "small.json": b"[]", "a.parquet": DATA})
    hub.page, hub.link_to = 1, hub.cdn
    for path in ("/tree/", "/small.json"):  # and once each to the same host name, on another port
        port = hub.cdn.rpartition(":")[2]
        hub.fail(
            f"{commit}{path}" if path == "/small.json" else path,
            status=307,
            headers={"Location": f"http://127.0.0.1:{port}/other{path}"},
        )
    notices: list[str] = []
    with hub.repository(tmp_path, commit, token=SECRET, notices=notices) as repository:
        for name in (NAME, "small.json", NAME, "small.json"):
            try:
                repository.fetch(repository.files(name)[0])
            except SourceError as error:
                notices.append(str(error))
        with pytest.raises(SourceError):
            repository.count_parquet_rows(*repository.files("a.parquet"))
    assert {entry.headers.get("authorization") for entry in hub.asked("hub")} == {f"Bearer {SECRET}"}
    assert len(hub.asked("cdn", "/other/")) == 2
    assert len(hub.asked("cdn", "/blobs/")) >= 2
    assert not [entry for entry in hub.asked("cdn") if SECRET in str(entry)]
    assert not hub.asked("", "xet")
    kept = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert kept
    assert not [path for path in kept if SECRET.encode() in path.read_bytes()]
    assert SECRET not in " ".join(notices)


def test_a_renamed_repository_still_builds_but_is_not_resolved_under_its_old_name(
    hub: HubServer, tmp_path: Path, commit: str
) -> None:
    hub.repositories["new-owner/traces"] = hub.repositories.pop(REPOSITORY)
    hub.renamed[REPOSITORY] = "new-owner/traces"
    assert fetch(hub, tmp_path, commit) == DATA
    with HubHttp(hub.settings(tmp_path), patience=QUICK) as http, pytest.raises(SourceError) as raised:
        resolve(http, "one", REPOSITORY, "main")
    assert "the Hub calls it new-owner/traces now" in one_line(raised)


# Answers that no Hub gives.


@pytest.mark.parametrize(
    "answer",
    [b"<html>", b"", b"\xff", b"[" * 100_000, b"{}", b"[3]", b'[{"type": "file"}]', b'{"sha": "main"}'],
)
def test_an_answer_that_is_no_hubs_is_refused(
    hub: HubServer, tmp_path: Path, commit: str, answer: bytes
) -> None:
    headers = {"Content-Length": str(len(answer)), "Connection": "close"}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            "tests.curation.hub_answers.Handler.send_json", lambda self, *_: self.send(200, answer, headers)
        )
        assert "HF_ENDPOINT" in refusal(hub, tmp_path, commit)
        with HubHttp(hub.settings(tmp_path)) as http, pytest.raises(SourceError, match="HF_ENDPOINT"):
            resolve(http, "one", REPOSITORY, "main")


def test_an_answer_without_end_is_not_read_to_it(
    hub: HubServer, tmp_path: Path, commit: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("curation.hub.transport._LARGEST_ANSWER", 100)
    assert "has no end" in refusal(hub, tmp_path, commit)


def test_a_commit_that_is_answered_with_another_is_refused(
    hub: HubServer, tmp_path: Path, commit: str
) -> None:
    hub.repositories[REPOSITORY].refs["0" * 40] = commit
    with (
        HubHttp(hub.settings(tmp_path)) as http,
        pytest.raises(SourceError, match=f"asked for .* got {commit}"),
    ):
        resolve(http, "one", REPOSITORY, "0" * 40)


ENTRY = {"type": "file", "path": "a.jsonl", "size": 3, "oid": "0" * 40}


@pytest.mark.parametrize(
    "change",
    [{"path": path} for path in ("../a.jsonl", "/a.jsonl", "a/../b.jsonl", "a//b.jsonl", "./a.jsonl", "")]
    + [{"size": -1}, {"size": "3"}, {"oid": "../../x"}, {"lfs": {"oid": "../x", "size": 3}}, {"lfs": {}}],
)
def test_an_entry_that_no_repository_can_hold_is_refused(change: dict[str, object]) -> None:
    assert listed_files("x", [ENTRY]) == [HubFile("a.jsonl", 3, git="0" * 40)]
    with pytest.raises(SourceError):
        listed_files("x", [{**ENTRY, **change}])


@pytest.mark.parametrize(
    "path", ["a\n.jsonl", "a\x1b[31m.jsonl", "a\\b.jsonl", "\ud800.jsonl", "a\u202eb.jsonl"]
)
def test_an_odd_path_is_refused_only_where_it_is_wanted(hub: HubServer, tmp_path: Path, path: str) -> None:
    files = [HubFile(path, 3, sha256(b"abc")), HubFile("plain.csv", 3, sha256(b"abc"))]
    assert choose_files("x", files, "plain.csv") == files[1:]
    with pytest.raises(SourceError, match="can't be used") as raised:
        choose_files("x", files, "*.jsonl")
    one_line(raised)
    odd = (PinnedFile(path, 3, sha256(b"abc")),)
    with hub.repository(tmp_path, "0" * 40, pinned=odd) as repository, pytest.raises(SourceError):
        repository.files(None)


@pytest.mark.parametrize("path", ["../a.jsonl", "/a.jsonl", "a/./b.jsonl"])
def test_a_pinned_path_that_leaves_the_repository_is_refused(
    hub: HubServer, tmp_path: Path, path: str
) -> None:
    with HubHttp(hub.settings(tmp_path)) as http:
        repository = HubRepository(http, "one", REPOSITORY, "0" * 40, (PinnedFile(path, 3, sha256(b"abc")),))
        with pytest.raises(SourceError, match="can't be used"):
            repository.files(None)


def test_a_listing_that_names_a_file_twice_or_never_ends_is_refused(hub: HubServer, tmp_path: Path) -> None:
    answers = iter([[ENTRY, ENTRY]])
    with pytest.MonkeyPatch.context() as patch:
        commit = hub.commit({"a.jsonl": b"abc"})

        def endless(self: object, *_: object) -> None:
            body = json.dumps(next(answers, [])).encode()
            link = {"Link": f'<{hub.endpoint}/x?cursor=1>; rel="next"'} if endless_now else {}
            self.send(200, body, link)  # type: ignore[attr-defined]

        patch.setattr("tests.curation.hub_answers.Handler.send_json", endless)
        endless_now = False
        assert "names a file twice" in refusal(hub, tmp_path, commit)
        endless_now = True
        patch.setattr("curation.hub.repository._MOST_PAGES", 5)
        assert "its listing has no end" in refusal(hub, tmp_path, commit)


def test_a_cache_that_cant_be_written_is_named(hub: HubServer, tmp_path: Path, commit: str) -> None:
    (tmp_path / "hub-cache").write_bytes(b"")
    message = refusal(hub, tmp_path, commit)
    assert str(tmp_path / "hub-cache") in message
    assert "HF_HUB_CACHE" in message
