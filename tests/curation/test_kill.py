"""A build that is killed at any moment, and started again."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from manifests.garbage import NO_MANIFEST, STAGED, collect_garbage
from manifests.publish import is_whole
from tests.curation.helpers import (
    build_mix,
    files_below,
    source,
    store_at,
    traces,
    write_recipe,
    write_traces,
)


@pytest.fixture(scope="module")
def recipe(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four megabytes in three sources, one of each way that texts come into the dataset."""
    folder = tmp_path_factory.mktemp("kill")
    for number, name in enumerate(("a.jsonl", "b.csv", "c.json", "d.parquet")):
        write_traces(folder / "one" / name, traces(4_000, first=1 + 4_000 * number))
    write_traces(folder / "two.jsonl", traces(10_000, first=30_000))
    write_traces(folder / "three.csv", traces(10_000, first=60_000))
    return write_recipe(
        folder / "recipe.toml",
        source("one", "one/*", near={"threshold": 0.99}),
        source("two", take={"shuffle": 5_000}),
        source("three", "three.csv", draw="raw", take={"reservoir": 5_000}),
    )


def start(recipe: Path, store: Path) -> "subprocess.Popen[str]":
    command = ["-m", "curation", "build", recipe, "--workers", "2", "--store", store, "--json"]
    return subprocess.Popen(
        [sys.executable, *map(str, command)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def build(recipe: Path, store: Path) -> str:
    """Build undisturbed; the id."""
    with start(recipe, store) as process:
        out, said = process.communicate(timeout=300)
    assert (process.returncode, said) == (0, "")
    return str(json.loads(out)["id"])


def visible(store: Path) -> dict[str, bytes]:
    """The files of a store that a reader looks at, without receipts, which hold the time."""
    return {
        path: data
        for path, data in files_below(store).items()
        if not any(part.startswith(".") for part in path.split("/")) and not path.endswith("receipt.json")
    }


@pytest.mark.parametrize("kills", [1, pytest.param(10, marks=pytest.mark.slow)])
def test_killed_at_random_moments_and_started_again_a_build_gives_the_same_id(
    tmp_path: Path, recipe: Path, kills: int
) -> None:
    began = time.monotonic()
    undisturbed = build(recipe, tmp_path / "undisturbed")
    seconds = time.monotonic() - began
    generator, store, killed = random.Random(20), tmp_path / "store", 0
    for _ in range(5 * kills):
        if killed == kills:
            break
        wait = generator.uniform(0.2, 1) * seconds
        with start(recipe, store) as process:
            time.sleep(wait)
            process.kill()
            process.communicate(timeout=60)
        killed += process.returncode == -signal.SIGKILL
        if process.returncode == 0:  # it was done before: the machine has become faster
            seconds = wait
        # Whatever can be seen is whole.
        for folder in (store / "manifests").glob("[!.]*") if store.exists() else ():
            manifest = store_at(store).manifest(folder.name)
            assert (manifest.id, is_whole(store / "datasets" / manifest.id, manifest)) == (undisturbed, True)
    assert killed == kills
    time.sleep(2)  # the processes that read notice within a second that nobody asks any more
    removed = collect_garbage(store_at(store)) if store.exists() else ()
    assert {garbage.reason for garbage in removed} <= {STAGED, NO_MANIFEST}
    assert not list(store.rglob(".staging-*"))
    assert build(recipe, store) == undisturbed
    assert visible(store) == visible(tmp_path / "undisturbed")


def test_what_a_killed_build_left_is_not_read_by_the_next(tmp_path: Path) -> None:
    """Its hidden folders keep what they had; nobody looks into them."""
    write_traces(tmp_path / "one.jsonl", traces(50))
    undisturbed = build_mix(tmp_path, source("one")).manifest.id
    before = visible(tmp_path / "store")
    for kind in ("datasets", "manifests"):
        stale = tmp_path / "store" / kind / ".staging-0123456789abcdef"
        (stale / "data").mkdir(parents=True)
        (stale / "data" / "train-00000-of-00001.parquet").write_bytes(b"half a file")
        (stale / undisturbed).mkdir()
        (stale / undisturbed / "manifest.json").write_bytes(b"{}")
        (stale / f"texts-{os.getpid()}.spill").write_bytes(b"other texts")
    assert build_mix(tmp_path, source("one")).manifest.id == undisturbed
    assert visible(tmp_path / "store") == before
    assert len(collect_garbage(store_at(tmp_path / "store"))) == 2
    assert visible(tmp_path / "store") == before
