"""What a Ray cluster promises: the ids of one machine, for any number of workers, and when some are killed."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from curation.duplicates import repeated
from curation.errors import SourceError, WorkerError
from curation.spill import SpillReader
from curation.workers.base import Cluster
from manifests.keys import Trace
from tests.curation.helpers import (
    ROOT,
    build_mix,
    message_of,
    source,
    traces,
    write_recipe,
    write_traces,
)
from tests.curation.test_golden import MIX_ID, build_golden
from tests.curation.test_workers import children_of, is_gone, until
from tests.curation.working import Aside, die, double, put_aside, refuse

if TYPE_CHECKING:
    from curation.workers.cluster import RayWorkers

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(find_spec("ray") is None, reason="Ray is not installed (extra ray)"),
]

# A cluster of two nodes, as they would be two machines: each has a scheduler and worker processes of its own.
NODES = """
import sys
from ray.cluster_utils import Cluster
head = {"num_cpus": 2, "include_dashboard": False, "ray_client_server_port": int(sys.argv[1])}
cluster = Cluster(initialize_head=True, head_node_args=head)
cluster.add_node(num_cpus=2)
print(cluster.address, flush=True)
sys.stdin.read()
cluster.shutdown()
"""
PASSAGE = (
    "Take the number of apples in the basket, add the apples that the neighbour brought in the morning, and "
    "write down what you find before you go on with the pears; then count the plums that lie beside them. "
)


# Clusters of Ray ask for a token; without one of ours it would be written into the user's folder.
TOKEN = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": "0123456789abcdef" * 4}


@pytest.fixture(scope="module", autouse=True)
def token() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("RAY_ADDRESS", raising=False)
        for name, value in TOKEN.items():
            patch.setenv(name, value)
        yield


@pytest.fixture(scope="module")
def client_port() -> int:
    """A port that nobody listens at."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
    return port


@pytest.fixture(scope="module")
def cluster(client_port: int) -> Iterator[tuple[str, int]]:
    """The address of a cluster, and the process that everything of it hangs on."""
    environment = {**os.environ, "RAY_USAGE_STATS_ENABLED": "0", "PYTHONPATH": str(ROOT)}
    process = subprocess.Popen(
        [sys.executable, "-c", NODES, str(client_port)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env=environment,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    address = next(line for line in process.stdout if line[0].isdigit()).strip()
    yield address, process.pid
    process.stdin.close()
    process.wait(60)
    process.stdout.close()


@pytest.fixture(scope="module")
def workers(cluster: tuple[str, int]) -> "Iterator[RayWorkers]":
    from curation.workers.cluster import RayWorkers  # noqa: PLC0415 - Ray reads the environment when it is imported

    with RayWorkers(Cluster(cluster[0], 2)) as found:
        yield found


def run(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """A command of curation, in a process of its own."""
    return subprocess.run(
        [sys.executable, "-P", "-m", "curation", *map(str, arguments)],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )


def built(*arguments: str | Path) -> str:
    done = run("build", *arguments, "--json")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("{"), done.stdout
    identifier: str = json.loads(done.stdout)["id"]
    return identifier


@pytest.mark.parametrize("count", [1, 2, 4])
def test_the_id_is_that_of_one_machine_for_any_number_of_workers(
    tmp_path: Path, cluster: tuple[str, int], count: int
) -> None:
    """The golden mix has every format, draw and stage that looks at rows; it says what its id is."""
    build_golden(tmp_path)
    flags = ("--engine", "ray", "--address", cluster[0], "--workers", str(count))
    assert built(tmp_path / "golden.toml", "--store", tmp_path / "store", *flags) == MIX_ID
    assert list((tmp_path / "store").rglob(".staging-*")) == []


def test_a_cluster_can_be_reached_by_its_client_port(
    tmp_path: Path, cluster: tuple[str, int], client_port: int
) -> None:
    build_golden(tmp_path)
    address = f"ray://{cluster[0].partition(':')[0]}:{client_port}"
    flags = ("--engine", "ray", "--address", address)
    assert built(tmp_path / "golden.toml", "--store", tmp_path / "store", *flags) == MIX_ID


def test_sketches_near_duplicates_and_whole_sources_are_the_same_too(
    tmp_path: Path, cluster: tuple[str, int]
) -> None:
    """Those stages that put texts aside, and read them again."""
    rows = [
        Trace(f"Question {number}", PASSAGE + f"It is case {number // 2}.", "Seven.") for number in range(300)
    ]
    for part in range(3):
        write_traces(tmp_path / "near" / f"{part}.parquet", rows[part::3])
    write_traces(tmp_path / "near" / "x.jsonl", traces(20, first=500))
    entry = source("near", "near/*", near={"threshold": 0.9, "on": ["reasoning"]}, max_drop=0.95)
    recipe = write_recipe(tmp_path / "near.toml", entry, sketch=True, order="mixed")
    one = built(recipe, "--store", tmp_path / "one")
    flags = ("--engine", "ray", "--address", cluster[0])
    assert built(recipe, "--store", tmp_path / "many", *flags) == one
    for folder in ("manifests", "datasets"):
        for path in sorted((tmp_path / "one" / folder / one).rglob("*.parquet")):
            assert (tmp_path / "many" / path.relative_to(tmp_path / "one")).read_bytes() == path.read_bytes()


def test_a_dataset_is_regenerated_on_a_cluster(tmp_path: Path, cluster: tuple[str, int]) -> None:
    write_traces(tmp_path / "one.jsonl", traces(40))
    identifier = built(
        write_recipe(tmp_path / "mix.toml", source("one", take={"hash": 20})), "--store", tmp_path / "store"
    )
    flags = ("--engine", "ray", "--address", cluster[0])
    done = run(
        "regenerate", identifier, "--store", tmp_path / "store", "--out", tmp_path / "again", *flags, "--json"
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["rows"] == 20


def ray_workers(process: int) -> list[int]:
    """The worker processes below a process that are at work on our tasks."""
    found = []
    for child in children_of(process):
        found += ray_workers(child)
        try:
            name = Path(f"/proc/{child}/cmdline").read_bytes()
        except OSError:
            continue
        if name.startswith(b"ray::_answer"):
            found.append(child)
    return found


def test_workers_killed_in_the_middle_change_nothing(tmp_path: Path, cluster: tuple[str, int]) -> None:
    for part in range(24):
        rows = [
            Trace(f"Question {part} {number}", PASSAGE * 3 + str(number), f"{part} and {number}.")
            for number in range(400)
        ]
        write_traces(tmp_path / "many" / f"{part:02}.jsonl", rows)
    entry = source("many", "many/*.jsonl", language={"is": "en", "windows": 4}, take={"hash": 5000})
    recipe = write_recipe(tmp_path / "mix.toml", entry)
    one = built(recipe, "--store", tmp_path / "one")
    killed: set[int] = set()
    over = threading.Event()

    def kill() -> None:
        while not over.wait(0.3) and len(killed) < 4:
            for worker in ray_workers(cluster[1])[:1]:
                os.kill(worker, signal.SIGKILL)
                killed.add(worker)

    killer = threading.Thread(target=kill)
    killer.start()
    try:
        many = built(recipe, "--store", tmp_path / "many-store", "--engine", "ray", "--address", cluster[0])
    finally:
        over.set()
        killer.join()
    assert len(killed) >= 2
    assert many == one
    assert list((tmp_path / "many-store").rglob(".staging-*")) == []


def test_results_come_in_the_order_of_the_tasks(workers: "RayWorkers") -> None:
    found = list(workers.ordered(double, 100, range(20)))
    assert found == [(task, 2 * task + 100) for task in range(20)]


def test_what_a_task_raises_is_raised_where_it_came_from(workers: "RayWorkers") -> None:
    with pytest.raises(SourceError, match="task 3 is refused"):
        list(workers.ordered(refuse, 3, range(6)))


def test_a_task_that_kills_every_worker_is_given_up_with_one_line(workers: "RayWorkers") -> None:
    with pytest.raises(WorkerError) as raised:
        list(workers.ordered(die, 2, range(4)))
    assert message_of(raised).startswith("--engine ray: a worker of the cluster was lost")


def test_texts_that_tasks_put_aside_lie_in_the_folder_of_the_build(
    workers: "RayWorkers", tmp_path: Path
) -> None:
    places = [
        result.texts for _, result in workers.putting_aside(put_aside, Aside(tmp_path), ["a", "bb", "", "cc"])
    ]
    with SpillReader(tmp_path) as reader:
        texts = [trace.prompt for trace in reader.traces(np.concatenate(places))]
    assert texts == ["a", "bb", "cc", "cc"]  # an empty task puts nothing aside, the last one two


def test_duplicates_are_found_by_a_shuffle(workers: "RayWorkers", monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("curation.workers.cluster._KEYS", 300)
    generator = np.random.default_rng(3)
    keys = generator.integers(0, 3, (1000, 16), dtype=np.uint8)
    keys[:, 3:] = 0
    marks = generator.integers(0, 4, 1000) > 0
    cut = ([keys[:430], keys[:0], keys[430:]], [marks[:430], marks[:0], marks[430:]])
    found, expected = workers.repeated(*cut), repeated(*cut)
    assert [column.tolist() for column in found] == [column.tolist() for column in expected]
    assert len(expected[0]) > 100
    assert [column.tolist() for column in workers.repeated([keys[:0]], [marks[:0]])] == [[], []]


def test_a_cluster_that_is_not_there_is_told_in_one_line(tmp_path: Path) -> None:
    write_traces(tmp_path / "one.jsonl", traces(3))
    recipe = write_recipe(tmp_path / "mix.toml", source("one"))
    began = time.monotonic()
    done = run("build", recipe, "--store", tmp_path / "store", "--engine", "ray", "--address", "127.0.0.1:1")
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1].startswith("curation: error: --engine ray: no cluster at 127.0.0.1:1")
    assert "Traceback" not in done.stderr
    assert time.monotonic() - began < 60


def test_an_address_without_the_engine_is_refused(tmp_path: Path) -> None:
    write_traces(tmp_path / "one.jsonl", traces(3))
    recipe = write_recipe(tmp_path / "mix.toml", source("one"))
    done = run("build", recipe, "--store", tmp_path / "store", "--address", "auto")
    assert (done.returncode, done.stderr) == (
        2,
        "curation: error: --address is that of a Ray cluster; add --engine ray\n",
    )


def test_a_cluster_that_is_started_for_a_build_is_gone_after_it(tmp_path: Path) -> None:
    write_traces(tmp_path / "one.jsonl", traces(30))
    expected = build_mix(tmp_path, source("one", take={"reservoir": 10})).manifest.id
    recipe = write_recipe(tmp_path / "mix.toml", source("one", take={"reservoir": 10}), order="sequential")
    before = set(children_of(1)) | set(children_of(os.getpid()))
    flags = ("--engine", "ray", "--workers", "2")
    assert built(recipe, "--store", tmp_path / "store2", *flags) == expected
    after = set(children_of(1)) | set(children_of(os.getpid()))
    assert until(lambda: all(is_gone(process) for process in after - before))
