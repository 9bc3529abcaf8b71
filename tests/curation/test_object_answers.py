"""Stores that answer otherwise than S3 does, or badly, and copies of them on this machine that are damaged."""

import io
import re
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from manifests.mirror import Mirror
from manifests.objects import ObjectFile
from manifests.prefix import Prefix
from manifests.publish import publish_name
from manifests.store import Store
from tests.curation.helpers import traces, write_traces
from tests.curation.team import DATA, Team, complaint, team
from tests.manifests.helpers import run_python
from tests.object_server import Bucket, ObjectServer, Request, bucket, error_body, object_server

__all__ = ["bucket", "object_server", "team"]

CARD = "README.md"
CONFLICT = (
    "409 Conflict",
    error_body("ConditionalRequestConflict", "A conflicting operation occurred during this one."),
)
SLOW_DOWN = "503 Slow Down", error_body("SlowDown", "Please reduce your request rate.")
DENIED = "403 Forbidden", error_body("AccessDenied", "Access Denied")


def puts_of(requests: list[Request]) -> list[str]:
    """The names of the objects that were put, without conditions."""
    return [
        asked.path.rpartition("/")[2] for asked in requests if asked.method == "PUT" and not asked.conditional
    ]


def without_condition(_: Request, body: bytes) -> bytes:
    return re.sub(rb"<Condition>[^<]*</Condition>", b"", body)


def without_md5(_: Request, body: bytes) -> bytes:
    """As a bucket that encrypts with keys of its own lists its objects: what tells a content is no MD5."""
    return re.sub(rb"(<ETag>[^0-9a-f]*)([0-9a-f]{32})", lambda found: found[1] + found[2][::-1], body)


def rewrite_rows(team: Team, identifier: str) -> bytes:
    """Put the same rows in other bytes, as a publisher with another version of the libraries does; those bytes."""
    path = f"datasets/{identifier}/{DATA}"
    other = io.BytesIO()
    pq.write_table(
        pq.read_table(io.BytesIO(team.bucket.objects()[f"team/store/{path}"])), other, compression="none"
    )
    file = team.folder / "other.parquet"
    file.write_bytes(other.getvalue())
    Prefix(team.store, "").send(file, path, f"{path} {len(other.getvalue())}")
    return other.getvalue()


def test_a_store_that_does_not_name_the_condition_that_failed_can_be_published_to(team: Team) -> None:
    team.bucket.gate.rewrite = without_condition
    team.build()
    write_traces(team.folder / "one.jsonl", traces(21))
    team.machine("second")
    assert team.curation("build", team.recipe, "--json").result["version"] == 2


@pytest.mark.parametrize("answer", [CONFLICT, SLOW_DOWN])
def test_a_put_that_is_to_be_tried_again_is_tried_again(
    bucket: Bucket, tmp_path: Path, answer: tuple[str, str]
) -> None:
    store = Store.open(Mirror(f"{bucket.url}/store", tmp_path / "mirror"))
    asked = 0

    def refuse_once(request: Request) -> tuple[str, str] | None:
        nonlocal asked
        asked += request.path.endswith("/refs/mix/1")
        return answer if request.path.endswith("/refs/mix/1") and asked == 1 else None

    bucket.gate.instead = refuse_once
    assert publish_name(store, "mix", "a" * 64).number == 1
    assert asked == 2


def test_an_empty_name_is_damaged_and_hides_no_other(team: Team) -> None:
    identifier = team.build()
    team.bucket.put("team/store/refs/other/1", b"")
    done = team.manifests("list")
    assert (done.status, "mix:1" in done.out) == (0, True)
    assert "expected the 64 hex digits of an id, found ''" in done.err
    assert team.manifests("show", "mix").status == 0
    assert identifier[:12] in done.out
    assert "the file is damaged" in complaint(team.manifests("show", "other"))


def test_a_name_that_may_not_be_read_is_told_and_hides_no_other(team: Team) -> None:
    team.build()
    team.bucket.put("team/store/refs/other/1", b"a" * 64 + b"\n")
    Mirror.of(team.store).bring_names(None)
    (mirror,) = team.mirrors("first")
    (mirror / "refs/other/1").write_text("b" * 64)  # of which nothing is to be shown
    hidden = "/refs/other/1"
    team.bucket.gate.instead = lambda request: DENIED if request.path.endswith(hidden) else None
    for machine in ("first", "second"):
        team.machine(machine)
        done = team.manifests("list")
        assert (done.status, "mix:1" in done.out) == (0, True)
        assert f"{team.store}{hidden}: access denied" in done.err
        assert "other" not in done.out
    assert "access denied" in complaint(team.manifests("show", "other"))


def test_a_store_that_is_busy_is_told_and_no_name_passed_over(team: Team) -> None:
    team.build()
    busy = "503 Service Unavailable", error_body("ServiceUnavailable", "Come back later.")
    team.machine("second")
    team.bucket.gate.instead = lambda request: busy if request.path.endswith("/refs/mix/1") else None
    assert "the store asks to slow down" in complaint(team.manifests("list"))


def test_an_object_replaced_between_two_reads_has_changed_and_no_store_is_busy(bucket: Bucket) -> None:
    file = ObjectFile(bucket.put("rows.jsonl", b"a" * 100))
    ranges = file.ranges()
    assert ranges.read(10) == b"a" * 10
    bucket.put("rows.jsonl", b"b" * 100)
    with pytest.raises(OSError, match="it changed while it was being read") as raised:
        ranges.read(10)
    assert raised.value.filename == file.url


@contextmanager
def files_of_at_most(size: int) -> Iterator[None]:
    """No file of this process grows over so many bytes."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_disk_of_this_machine_that_is_full_is_not_told_as_the_stores_fault(team: Team) -> None:
    team.build()
    team.machine("second")
    with files_of_at_most(1000):
        line = complaint(team.manifests("verify", "mix"))
    assert "File too large" in line
    assert str(team.mirrors("second")[0]) in line
    assert team.store not in line
    assert team.manifests("verify", "mix").status == 0


def test_a_dataset_that_is_there_in_other_bytes_is_left_as_it_is(team: Team) -> None:
    identifier = team.build()
    other = rewrite_rows(team, identifier)
    team.machine("second")
    with team.bucket.requests() as requests:
        assert team.curation("build", team.recipe, "--json").result["version"] == 1
    assert puts_of(requests) == []
    assert team.bucket.objects()[f"team/store/datasets/{identifier}/{DATA}"] == other
    team.machine("third")
    assert team.manifests("verify", "mix", "--dataset", "--deep").status == 0


def test_a_store_whose_etags_are_no_md5_is_sent_nothing_twice(team: Team) -> None:
    team.bucket.gate.rewrite = without_md5
    team.build()
    for machine in ("first", "second"):
        team.machine(machine)
        with team.bucket.requests() as requests:
            team.build()
        assert puts_of(requests) == []
    assert team.manifests("verify", "mix", "--dataset").status == 0


@pytest.mark.parametrize("name", [DATA, CARD])
@pytest.mark.parametrize("how", ["damaged", "cut", "swapped"])
def test_what_lies_there_without_being_what_its_note_says_is_put_anew(
    team: Team, name: str, how: str
) -> None:
    identifier = team.build()
    before = team.bucket.objects()
    path = f"datasets/{identifier}/{name}"
    data = before[f"team/store/{path}"]
    file = team.folder / "other"
    if how == "damaged":  # of the same size
        team.bucket.put(f"team/store/{path}", data[:-1] + b"?")
    else:
        file.write_bytes(data[:-9] if how == "cut" else data[:-1] + b"?")
        there = path if how == "cut" else path.replace(name, DATA if name == CARD else CARD)
        Prefix(team.store, "").send(file, path, f"{there} {len(data)}")
    team.machine("second")
    with team.bucket.requests() as requests:
        team.build()
    assert puts_of(requests) == [name.rpartition("/")[2]]
    assert team.bucket.objects() == before


def test_a_damaged_dataset_of_the_mirror_is_fetched_again(team: Team) -> None:
    identifier = team.build()
    team.machine("second")
    assert team.manifests("verify", "mix", "--dataset").status == 0
    part = team.mirrors("second")[0] / "datasets" / identifier / DATA
    whole = part.read_bytes()
    for damaged in (whole[:-1] + b"?", whole[:200] + b"????" + whole[204:], b""):
        part.write_bytes(damaged)
        assert team.manifests("verify", "mix", "--dataset").status == 0
        assert part.read_bytes() == whole
    part.unlink()
    assert team.manifests("verify", "mix", "--dataset").status == 0
    with team.bucket.requests() as requests:
        assert team.manifests("verify", "mix", "--dataset").status == 0
    assert not [asked for asked in requests if asked.method == "GET" and DATA in asked.path]


def test_a_whole_dataset_of_the_mirror_is_not_fetched_again_for_other_bytes_there(team: Team) -> None:
    identifier = team.build()
    rewrite_rows(team, identifier)
    with team.bucket.requests() as requests:
        assert team.manifests("verify", "mix", "--dataset").status == 0
    assert not [asked for asked in requests if asked.method == "GET" and DATA in asked.path]


def test_an_error_of_google_cloud_storage_is_one_line(object_server: ObjectServer, tmp_path: Path) -> None:
    pytest.importorskip("gcsfs")
    object_server.gate.reset()
    object_server.gate.instead = lambda _: ("400 Bad Request", '{"error": {"message": "not like this"}}')
    try:
        done = run_python(
            *("-m", "manifests", "list", "--store", "gs://bucket/store"),
            STORAGE_EMULATOR_HOST=object_server.endpoint,
            FSSPEC_GS_TOKEN="anon",  # noqa: S106 - none at all
            GCSFS_EXPERIMENTAL_ZB_HNS_SUPPORT="false",  # it asks another host
            XDG_CACHE_HOME=str(tmp_path),
        )
    finally:
        object_server.gate.reset()
    assert done.returncode == 2
    assert done.stderr.startswith(
        "manifests: error: gs://bucket/store/refs: not like this, 400; check address"
    )
    assert done.stderr.count("\n") == 1
