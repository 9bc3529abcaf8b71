"""The soak: it passes on this code, and each thing that it watches for is told when it is planted."""

import os
import random
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.soaking.client import Client
from benchmarks.soaking.commands import ROOT, BreachError, Commands, Ended
from benchmarks.soaking.invariants import Watched
from benchmarks.soaking.leaks import LOOKS, leaks, sample
from benchmarks.soaking.world import World, make_world
from manifests.store import Store

LEAKING = (
    "import os; from benchmarks.soaking.server import serve; kept = []; "
    "serve(lambda _: kept.append(open(os.devnull)) or [])"
)
STEADY = "from benchmarks.soaking.server import serve; serve(lambda _: [])"


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    return make_world(tmp_path_factory.mktemp("world"))


@pytest.fixture
def watched(world: World, tmp_path: Path) -> Watched:
    """A store as it is after the undisturbed builds, seen once."""
    shutil.copytree(world.clean.root, tmp_path / "store")
    watched = Watched(world, Store(tmp_path / "store", behind=()))
    watched.check_end()
    return watched


@pytest.mark.slow
def test_a_few_steps_end_well_and_leave_no_mount(tmp_path: Path) -> None:
    done = run_soak(tmp_path, "--steps", "3", "--seed", "6")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "3 steps in" in done.stdout
    assert str(tmp_path) not in Path("/proc/mounts").read_text()
    assert not any((tmp_path / "disk").iterdir()) or os.geteuid() != 0


def run_soak(folder: Path, *options: str) -> "subprocess.CompletedProcess[str]":
    command = [
        sys.executable,
        str(ROOT / "benchmarks" / "soak.py"),
        "--minutes",
        "2",
        "--folder",
        str(folder),
    ]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.run(
        [*command, *options], env=environment, capture_output=True, text=True, check=False, timeout=180
    )


def test_a_name_that_was_moved_or_lost_is_told(watched: Watched) -> None:
    path = watched.store.root / "refs" / "vary" / "1"
    path.write_text(f"{watched.world.ids['vary-2']}\n")
    with pytest.raises(BreachError, match=r"name \('vary', 1\): it was"):
        watched.check()
    path.unlink()
    with pytest.raises(BreachError, match=r"name \('vary', 1\): it was .*, now it is None"):
        watched.check()


def test_a_name_for_what_no_build_of_it_gives_is_told(watched: Watched) -> None:
    (watched.store.root / "refs" / "plain" / "2").write_text(f"{watched.world.ids['drawn']}\n")
    with pytest.raises(BreachError, match="name plain"):
        watched.check()


def test_a_version_that_is_the_one_before_is_told(watched: Watched) -> None:
    (watched.store.root / "refs" / "plain" / "2").write_text(f"{watched.world.ids['plain']}\n")
    with pytest.raises(BreachError, match="two versions one after another are the same"):
        watched.check()


def test_a_version_without_the_one_before_is_told(watched: Watched) -> None:
    (watched.store.root / "refs" / "plain" / "3").write_text(f"{watched.world.ids['plain']}\n")
    with pytest.raises(BreachError, match="not numbered through"):
        watched.check()


def test_a_manifest_that_is_gone_damaged_or_written_anew_is_told(watched: Watched) -> None:
    manifest = watched.store.root / "manifests" / watched.world.ids["plain"]
    rejects = (manifest / "rejects.parquet").read_bytes()
    (manifest / "rejects.parquet").write_bytes(rejects[:-1])
    with pytest.raises(BreachError, match="a store that can't be read"):
        watched.check()
    written_anew(manifest / "rejects.parquet", rejects)
    with pytest.raises(BreachError, match="another than an undisturbed build writes"):
        watched.check()
    shutil.rmtree(manifest)
    with pytest.raises(BreachError, match="are gone"):
        watched.check()


def written_anew(path: Path, data: bytes) -> None:
    """The same table, other bytes."""
    code = "import sys, pyarrow.parquet as pq; pq.write_table(pq.read_table(sys.argv[1]), sys.argv[1])"
    path.write_bytes(data)
    subprocess.run([sys.executable, "-c", code, str(path)], check=True)


def test_a_dataset_that_is_damaged_or_gone_is_told_unless_it_was_on_purpose(watched: Watched) -> None:
    identifier = watched.world.ids["plain"]
    (path,) = (watched.store.root / "datasets" / identifier / "data").iterdir()
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(BreachError, match="is not its manifest's"):
        watched.check()
    shutil.rmtree(watched.store.root / "datasets" / identifier)
    with pytest.raises(BreachError, match="is gone"):
        watched.check()
    watched.loose.add(identifier)
    watched.check()


@pytest.mark.parametrize("path", ["datasets/.staging-0123/x", "manifests/x", "x", "local/.x", "refs/plain/x"])
def test_a_file_too_many_at_the_end_is_told(watched: Watched, path: str) -> None:
    (watched.store.root / path).parent.mkdir(exist_ok=True)
    (watched.store.root / path).touch()
    with pytest.raises(BreachError, match=f"files beside what the store must have: {path}"):
        watched.check_end()


def test_a_file_lost_or_changed_and_an_empty_folder_at_the_end_are_told(watched: Watched) -> None:
    local = next((watched.store.root / "local").iterdir())
    data = local.read_bytes()
    local.write_bytes(data + b" ")
    with pytest.raises(BreachError, match="files with other bytes"):
        watched.check_end()
    local.unlink()
    with pytest.raises(BreachError, match="files lost: local/"):
        watched.check_end()
    local.write_bytes(data)
    (watched.store.root / "datasets" / ".staging-0123").mkdir()
    with pytest.raises(BreachError, match="empty folders"):
        watched.check_end()


def test_a_process_left_over_is_told(tmp_path: Path) -> None:
    commands = Commands(tmp_path / "store")
    commands.wait_until_gone(0)
    with subprocess.Popen(["sleep", "60"], env=commands.environment) as left:  # noqa: S607 - wherever it is
        with pytest.raises(BreachError, match=f"processes left over: {left.pid}"):
            commands.wait_until_gone(0.2)
        commands.known.add(left.pid)
        commands.wait_until_gone(0)
        left.kill()


@pytest.mark.parametrize(
    ("status", "said"),
    [
        (0, "curation: error: a\n"),
        (1, "curation: error: a\ncuration: error: b\n"),
        (2, ""),
        (2, "Traceback (most recent call last)\ncuration: error: a\n"),
        (3, "curation: error: a\n"),
        (-9, ""),
    ],
)
def test_a_command_that_ends_otherwise_than_it_may_is_told(status: int, said: str) -> None:
    with pytest.raises(BreachError):
        Ended("command", status, "", said).told(0, 1, 2)
    Ended("command", 2, "", "curation: error: a\n").told(0, 2)
    Ended("command", 0, "", "note\n").told(0)


def test_a_process_that_leaks_handles_is_told_and_one_that_does_not_is_not(
    watched: Watched, tmp_path: Path
) -> None:
    looks = [looks_of(watched, tmp_path / str(number), code) for number, code in enumerate((LEAKING, STEADY))]
    assert [one.split(":")[0] for one in leaks(looks[0])] == ["handles"]
    assert leaks(looks[1]) == []


def looks_of(watched: Watched, folder: Path, code: str) -> Sequence[dict[str, int]]:
    commands = Commands(watched.store.root)
    with Client(commands, watched, folder, [sys.executable, "-c", code]) as client:
        for number in range(6):
            client.work(random.Random(number))
    return client.looks


def test_a_round_of_the_process_that_lives_on_is_held_to_the_ids(watched: Watched, tmp_path: Path) -> None:
    world = watched.world
    with Client(Commands(watched.store.root), watched, tmp_path / "right") as client:
        client.work(random.Random(1))
    assert len(client.looks) == 1
    other = replace(world, ids=dict(zip(world.ids, reversed(world.ids.values()), strict=True)))
    with (
        Client(Commands(watched.store.root), replace(watched, world=other), tmp_path / "other") as client,
        pytest.raises(BreachError, match=r"the process that lives on: build of .*, expected"),
    ):
        client.work(random.Random(1))


def test_a_look_counts_handles_and_children() -> None:
    before = sample()
    with Path(os.devnull).open() as _, subprocess.Popen(["sleep", "60"]) as child:  # noqa: S607 - wherever it is
        after = sample()
        child.kill()
    assert (after["handles"], after["children"]) == (before["handles"] + 1, before["children"] + 1)
    assert sample()["children"] == before["children"]


def series(memory: Sequence[float]) -> list[dict[str, int]]:
    """Looks of a process with so much memory, everything else the same."""
    return [
        {"handles": 7, "threads": 3, "children": 0, "memory": int(value), "objects": 1_000}
        for value in memory
    ]


def test_memory_that_rises_beyond_its_noise_is_told_and_other_memory_is_not() -> None:
    noise = [random.Random(number).uniform(-5, 5) for number in range(4 * LOOKS)]
    flat = [1_000 + one for one in noise]
    risen = [min(number, 20) * 100 for number in range(4 * LOOKS)]  # at the start, then no more
    rising = [1_000 + 5 * number + one for number, one in enumerate(noise)]
    slowly = [1_000 + number / 10 + one for number, one in enumerate(noise)]
    little = [10_000 + number for number in range(4 * LOOKS)]  # beyond all noise, but little
    for steady in (flat, risen, slowly, little):
        assert leaks(series(steady)) == []
    (told,) = leaks(series(rising))
    assert told.startswith("memory: rises by ")
    assert leaks(series(rising[: 2 * LOOKS - 2])) == []


def test_children_and_threads_are_told() -> None:
    looks = series([1_000] * 4)
    looks[0]["children"] = 1
    looks[3]["threads"] = 4
    assert leaks(looks) == [
        "children left: 1 at look 1",
        "threads: at most 3 in the first half, 4 in the second",
    ]
