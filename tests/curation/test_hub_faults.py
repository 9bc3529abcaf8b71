"""Hub sources when the network or the Hub fails: what is tried again, what goes on, which bytes are refused."""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest

from curation.errors import SourceError
from curation.hub.transport import wait_asked_for
from tests.curation.hub_answers import Fault, git_blob, sha256
from tests.curation.hub_server import QUICK, REPOSITORY, HubServer, one_line, pinned

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


def ranges(hub: HubServer) -> list[str | None]:
    return [entry.headers.get("range") for entry in hub.asked("cdn")]


# Interrupted, limited, slow.


@pytest.mark.parametrize(
    ("status", "on"),
    [(503, "/tree/"), (503, "cdn:"), *((status, "/resolve/") for status in (408, 429, 500, 502, 503, 504))],
)
def test_an_answer_that_passes_is_tried_again(
    hub: HubServer, tmp_path: Path, commit: str, status: int, on: str
) -> None:
    hub.fail(on, status=status, times=2)
    assert fetch(hub, tmp_path, commit) == DATA
    assert len(hub.asked("cdn" if on == "cdn:" else "hub", "" if on == "cdn:" else on)) == 3


@pytest.mark.parametrize("on", ["/tree/", "/resolve/", "cdn:"])
def test_an_answer_that_does_not_pass_ends_in_one_line(
    hub: HubServer, tmp_path: Path, commit: str, on: str
) -> None:
    hub.fail(on, status=503, times=99)
    assert "gave up after 3 tries" in refusal(hub, tmp_path, commit)
    assert len([entry for entry in hub.requests if on in f"{entry.server}:{entry.path}"]) == 3


@pytest.mark.parametrize(
    "headers", [{"Retry-After": "1"}, {"RateLimit": '"api";r=0;t=1', "Retry-After": "9999"}]
)
def test_the_wait_that_the_hub_asks_for_is_kept(
    hub: HubServer, tmp_path: Path, commit: str, headers: dict[str, str]
) -> None:
    hub.fail("/resolve/", status=429, headers=headers)
    began = time.monotonic()
    notices: list[str] = []
    fetch(hub, tmp_path, commit, notices=notices)
    assert time.monotonic() - began >= 1
    assert notices == [f"{REPOSITORY}: 127.0.0.1 answered 429; trying again in 1 s"]


def test_a_wait_without_end_is_not_kept(hub: HubServer, tmp_path: Path, commit: str) -> None:
    hub.fail("/resolve/", status=429, headers={"Retry-After": "86400"})
    assert "asks to wait 86,400 s" in refusal(hub, tmp_path, commit)


@pytest.mark.parametrize(
    ("value", "seconds"),
    [("7", 7), ("0", 0), ("Wed, 21 Oct 2015 07:28:10 GMT", 10), ("Wed, 21 Oct 2015 07:27:00 GMT", 0)]
    + [(value, None) for value in ("", "-1", "soon", "9" * 5_000, "Wed, 99 Oct 99999 07:28:10 GMT")],
)
def test_a_wait_is_seconds_or_a_date(value: str, seconds: float | None) -> None:
    assert wait_asked_for(httpx.Headers({"Retry-After": value}), 1445412480.0) == seconds


def test_an_interrupted_download_goes_on_where_it_stopped(
    hub: HubServer, tmp_path: Path, commit: str
) -> None:
    hub.fail("cdn:", cut_after=150_000)
    hub.fail("cdn:", cut_after=30_000)
    assert fetch(hub, tmp_path, commit) == DATA
    first, *later = ranges(hub)
    assert first is None
    starts = [int(str(text).removeprefix("bytes=").rstrip("-")) for text in later]
    assert len(starts) == 2
    assert 0 < starts[0] <= 150_000
    assert starts[0] < starts[1] <= 180_000


def test_a_download_that_gets_on_is_not_given_up(hub: HubServer, tmp_path: Path) -> None:
    data = os.urandom(7 << 20)
    commit = hub.commit({NAME: data})
    hub.fail("cdn:", cut_after=5 << 18, times=5)  # 1.25 MiB a try
    assert fetch(hub, tmp_path, commit) == data
    assert len(ranges(hub)) == 6 > QUICK.tries


def test_two_who_want_a_file_download_it_once(hub: HubServer, tmp_path: Path, commit: str) -> None:
    hub.fail("cdn:", status=503, headers={"Retry-After": "1"})  # whoever is first waits a while
    with ThreadPoolExecutor(4) as threads:
        fetched = list(threads.map(lambda _: fetch(hub, tmp_path, commit), range(4)))
    assert fetched == [DATA] * 4
    assert len(hub.asked("cdn")) == 2


def test_a_killed_download_goes_on_in_the_next_process(hub: HubServer, tmp_path: Path) -> None:
    data = os.urandom(8 << 20)
    commit = hub.commit({NAME: data})
    hub.fail("cdn:", cut_after=6 << 20)
    hub.fail("cdn:", status=503, headers={"Retry-After": "300"})  # in this wait it is killed
    code = """
import sys
from pathlib import Path
from curation.hub.repository import HubRepository
from curation.hub.transport import HubHttp
from curation.hub.settings import hub_settings
with HubHttp(hub_settings(), lambda notice: print(notice, flush=True)) as http:
    repository = HubRepository(http, "one", "owner/traces", sys.argv[1])
    repository.fetch(*repository.files(None))
"""
    caches = {"HF_HUB_CACHE": str(tmp_path / "hub-cache"), "HF_ASSETS_CACHE": str(tmp_path / "assets")}
    environment = os.environ | {"HF_ENDPOINT": hub.endpoint, **caches}
    command = [sys.executable, "-c", code, commit]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if "answered 503" in line:
                break
        process.kill()
    assert fetch(hub, tmp_path, commit) == data
    start = int(str(ranges(hub)[-1]).removeprefix("bytes=").rstrip("-"))
    assert (6 << 20) - 200_000 < start <= 6 << 20
    assert not list(tmp_path.rglob("*.partial"))


def test_a_range_that_is_passed_over_begins_anew(hub: HubServer, tmp_path: Path, commit: str) -> None:
    hub.fail("cdn:", cut_after=150_000)
    hub.fail("cdn:", whole=True)
    assert fetch(hub, tmp_path, commit) == DATA


@pytest.mark.parametrize("left", [b"other bytes", b"x" * 200_000, b"x" * 300_000, DATA[:1000], b""])
def test_what_an_earlier_download_left_can_do_no_harm(
    hub: HubServer, tmp_path: Path, commit: str, left: bytes
) -> None:
    here = hub.fetch(tmp_path, commit, NAME).here
    here.resolve().rename(here.resolve().with_name(f"{sha256(DATA)}.partial"))
    next(tmp_path.rglob("*.partial")).write_bytes(left)
    assert fetch(hub, tmp_path, commit) == DATA


# Other bytes than they must be.


def test_other_bytes_of_the_same_size_are_refused(hub: HubServer, tmp_path: Path, commit: str) -> None:
    other = b"\0" * len(DATA)
    hub.fail("cdn:", body=other, times=9)
    message = refusal(hub, tmp_path, commit)
    assert message.startswith(f"{NAME}: expected SHA-256 {sha256(DATA)}, found {sha256(other)}; ")
    assert len(hub.asked("cdn")) == 1
    assert not [
        path for path in (tmp_path / "hub-cache").rglob("*") if path.is_file() and path.suffix != ".lock"
    ]


def test_other_bytes_at_the_pinned_commit_are_refused_though_the_hub_states_them(
    hub: HubServer, tmp_path: Path
) -> None:
    commit = hub.commit({NAME: DATA})
    was = pinned({NAME: b"\0" * len(DATA)})
    message = refusal(hub, tmp_path, commit, pinned=was)
    assert message.startswith(f"{NAME}: expected SHA-256 {was[0].sha256}, found {sha256(DATA)}; ")
    here = hub.fetch(tmp_path, commit, NAME).here
    assert refusal(hub, tmp_path, commit, pinned=was) == message  # in the cache as well
    here.resolve().write_bytes(b"\0" * len(DATA))
    assert fetch(hub, tmp_path, commit, pinned=pinned({NAME: DATA})) == DATA


def test_a_small_file_is_held_to_its_git_blob(hub: HubServer, tmp_path: Path, commit: str) -> None:
    assert fetch(hub, tmp_path, commit, "small.json") == b"[]"
    shutil.rmtree(tmp_path / "hub-cache")
    hub.fail("/api/resolve-cache/", body=b"{}")
    message = refusal(hub, tmp_path, commit, "small.json")
    assert f"expected the git blob {git_blob(b'[]')}, found {git_blob(b'{}')}" in message


@pytest.mark.parametrize("body", [DATA[:-1], DATA + b"1", b""])
def test_a_file_of_another_size_is_refused_before_it_is_read(
    hub: HubServer, tmp_path: Path, commit: str, body: bytes
) -> None:
    hub.fail("cdn:", body=body, times=9)
    assert refusal(hub, tmp_path, commit).startswith(
        f"{NAME}: expected 200,000 bytes, the Hub has {len(body):,}; "
    )
    assert len(hub.asked("cdn")) == 1


def test_a_file_cut_short_that_says_no_length_is_refused(hub: HubServer, tmp_path: Path, commit: str) -> None:
    hub.fail("cdn:", body=DATA[:-1], no_length=True, whole=True, times=9)
    assert "it ended after 199,999 of 200,000 bytes" in refusal(hub, tmp_path, commit)
    hub.faults[:] = [Fault("cdn:", body=DATA + DATA, no_length=True, whole=True)]
    assert "more than the 200,000 bytes expected" in refusal(hub, tmp_path, commit)


def test_a_compressed_answer_is_refused(hub: HubServer, tmp_path: Path, commit: str) -> None:
    hub.fail("cdn:", headers={"Content-Encoding": "gzip"})
    assert "sent compressed" in refusal(hub, tmp_path, commit)
    assert {entry.headers["accept-encoding"] for entry in hub.requests} == {"identity"}


def test_a_range_from_another_place_is_refused(hub: HubServer, tmp_path: Path, commit: str) -> None:
    hub.fail("cdn:", status=206, headers={"Content-Range": "bytes 5-199999/200000", "Content-Length": "0"})
    hub.fail("cdn:", status=206, headers={"Content-Range": "bytes 5-199999/200000", "Content-Length": "0"})
    assert "asked for byte 0 and what follows, got byte 5" in refusal(hub, tmp_path, commit)
