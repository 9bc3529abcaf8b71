"""Publishers of a store in an object store that die at any moment, and two that publish at the same one."""

import os
import re
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from manifests.errors import StoreError
from manifests.mirror import Mirror
from manifests.publish import publish_name
from manifests.store import Store
from tests.curation.helpers import ROOT
from tests.curation.team import Team, complaint, team
from tests.object_server import Bucket, CutError, Request, bucket, object_server

__all__ = ["bucket", "object_server", "team"]

PUTS = 9  # .lock twice, a file of the dataset and its card, four of the manifest, the name


def check_that_nothing_half_is_read(team: Team, machine: str, puts: int) -> None:
    """On a machine that has mirrored nothing: what is there is whole, or not there."""
    team.machine(machine)
    listed = team.manifests("list", "--json").result["manifests"]
    assert isinstance(listed, list)
    mine = [entry for entry in listed if entry["rows"] == 20 or entry["name"] == "mix"]
    assert [entry["name"] for entry in mine] == (
        [] if puts < PUTS - 1 else [""] if puts == PUTS - 1 else ["mix"]
    )
    for entry in mine:
        assert team.manifests("verify", entry["id"], "--dataset", "--deep").status == 0
    if puts < PUTS:
        assert "no manifest of that name" in complaint(team.manifests("show", "mix"))


def check_that_the_next_build_repairs(team: Team, machine: str) -> None:
    team.machine(machine)
    assert team.curation("build", team.recipe, "--json").result["version"] == 1
    team.machine(f"reader of {machine}")
    assert team.manifests("verify", "mix:1", "--dataset", "--deep").status == 0
    assert len(team.bucket.objects()) == PUTS - 1


@pytest.mark.parametrize("puts", range(1, PUTS + 1))
def test_whoever_is_cut_off_after_any_object_leaves_the_whole_or_nothing(team: Team, puts: int) -> None:
    done = 0

    def count(request: Request) -> None:
        nonlocal done
        done += request.method == "PUT"
        if done == puts:
            team.bucket.gate.denied = frozenset({"GET", "PUT", "HEAD"})

    team.bucket.gate.after = count
    assert "access denied" in complaint(team.curation("build", team.recipe)) if puts < PUTS else team.build()
    team.bucket.gate.after, team.bucket.gate.denied = None, frozenset()
    check_that_nothing_half_is_read(team, "reader", puts)
    check_that_the_next_build_repairs(team, "first" if puts % 2 else "second")


@pytest.mark.parametrize(
    "puts", [pytest.param(puts, marks=pytest.mark.slow) if puts != 3 else puts for puts in range(1, PUTS)]
)
def test_a_publisher_that_is_killed_after_any_object_leaves_the_whole_or_nothing(
    team: Team, tmp_path: Path, puts: int
) -> None:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "XDG_CACHE_HOME": str(tmp_path / "cache-of-first")}
    done = 0

    def kill(request: Request) -> None:
        nonlocal done
        done += request.method == "PUT"
        if done == puts:
            publisher.kill()
            publisher.wait()

    team.bucket.gate.after = kill
    publisher = subprocess.Popen(
        [sys.executable, "-m", "curation", "build", str(team.recipe), "--store", team.store],
        cwd=tmp_path,
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    assert publisher.wait(60) == -signal.SIGKILL
    team.bucket.gate.after = None
    check_that_nothing_half_is_read(team, "reader", puts)
    check_that_the_next_build_repairs(team, "first")  # over what the dead one left in its mirror


def test_of_two_publishers_each_gets_a_version_of_its_own(bucket: Bucket, tmp_path: Path) -> None:
    rounds = 6
    got: dict[str, list[int]] = {"a": [], "b": []}
    together = threading.Barrier(2)

    def publish(who: str) -> None:
        store = Store.open(Mirror(f"{bucket.url}/store", tmp_path / who))
        for number in range(rounds):
            together.wait(20)
            identifier = f"{who}{number}".ljust(64, "0")
            version = publish_name(store, "mix", identifier)
            assert version.id == identifier
            got[who].append(version.number)

    publishers = [threading.Thread(target=publish, args=(who,)) for who in got]
    for publisher in publishers:
        publisher.start()
    for publisher in publishers:
        publisher.join(60)
    assert sorted(got["a"] + got["b"]) == list(range(1, 2 * rounds + 1))
    names = {path: data for path, data in bucket.objects().items() if "/refs/" in path}
    for who, numbers in got.items():
        for place, number in enumerate(numbers):
            assert names[f"store/refs/mix/{number}"].decode() == f"{who}{place}".ljust(64, "0") + "\n"


def test_a_name_whose_answer_was_lost_is_published_once(bucket: Bucket, tmp_path: Path) -> None:
    store = Store.open(Mirror(f"{bucket.url}/store", tmp_path / "mirror"))
    publish_name(store, "mix", "a" * 64)
    lost = 0

    def lose(request: Request) -> None:
        nonlocal lost
        if request.method == "PUT" and request.path.endswith("refs/mix/2") and not lost:
            lost += 1
            raise CutError

    bucket.gate.after = lose
    assert publish_name(store, "mix", "b" * 64).number == 2
    assert lost == 1
    assert [version.number for version in store.versions("mix")] == [1, 2]


def test_a_published_name_is_never_changed(bucket: Bucket, tmp_path: Path) -> None:
    store = Store.open(Mirror(f"{bucket.url}/store", tmp_path / "mirror"))
    publish_name(store, "mix", "a" * 64)
    with bucket.requests() as requests:
        publish_name(store, "mix", "b" * 64)
    puts = [asked for asked in requests if asked.method == "PUT"]
    assert all(asked.conditional for asked in puts)
    assert bucket.objects()["store/refs/mix/1"] == b"a" * 64 + b"\n"


def test_a_claim_that_no_listing_shows_ends_a_publisher_and_does_not_hold_it(
    bucket: Bucket, tmp_path: Path
) -> None:
    store = Store.open(Mirror(f"{bucket.url}/store", tmp_path / "mirror"))
    publish_name(store, "mix", "a" * 64)
    listings = 0

    def show_nothing(_: Request, body: bytes) -> bytes:
        nonlocal listings
        listings += b"<ListBucketResult" in body
        if listings > 20:
            raise CutError
        return re.sub(rb"<Contents>.*?</Contents>", b"", body, flags=re.DOTALL)

    bucket.gate.rewrite = show_nothing
    with pytest.raises(StoreError, match=r"store/refs/mix/1: the store has it, and does not list it"):
        publish_name(store, "mix", "b" * 64)


def test_a_garbled_name_ends_a_publisher_and_does_not_hold_it(bucket: Bucket, tmp_path: Path) -> None:
    store = Store.open(Mirror(f"{bucket.url}/store", tmp_path / "mirror"))
    bucket.put("store/refs/mix/1", b"no id")
    with pytest.raises(StoreError, match="the file is damaged"):
        publish_name(store, "mix", "a" * 64)
