"""What is told when a Ray cluster is not there, is another one than is needed, or goes away."""

import shutil
import signal
import sys
import time
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from curation.errors import WorkerError
from curation.workers.base import Cluster
from tests.curation.clusters import Line, at_work_for, built, run, start
from tests.curation.helpers import ROOT, left_behind, message_of, source, traces, write_recipe, write_traces
from tests.curation.test_workers import until
from tests.curation.working import die, double, node_of

if TYPE_CHECKING:
    from curation.workers.cluster import RayWorkers

pytestmark = [
    pytest.mark.slow,
    pytest.mark.usefixtures("token"),
    pytest.mark.skipif(find_spec("ray") is None, reason="Ray is not installed (extra ray)"),
]


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    write_traces(tmp_path / "one.jsonl", traces(3))
    return write_recipe(tmp_path / "mix.toml", source("one"))


@pytest.fixture
def slow_recipe(tmp_path: Path) -> Path:
    """One that keeps workers busy for a while."""
    write_traces(tmp_path / "slow.jsonl", traces(100_000))
    return write_recipe(tmp_path / "slow.toml", source("slow", language="de", max_drop=1))


def test_a_cluster_that_is_not_there_is_told_in_one_line(tmp_path: Path, recipe: Path) -> None:
    began = time.monotonic()
    done = run("build", recipe, "--store", tmp_path / "store", "--engine", "ray", "--address", "127.0.0.1:1")
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1].startswith("curation: error: --engine ray: no cluster at 127.0.0.1:1")
    assert "Traceback" not in done.stderr
    assert time.monotonic() - began < 60


def test_the_cluster_of_the_environment_is_meant_where_no_other_is_named(
    tmp_path: Path, recipe: Path, cluster: tuple[str, int]
) -> None:
    flags = ("--store", tmp_path / "store", "--engine", "ray")
    done = run("build", recipe, *flags, variables={"RAY_ADDRESS": "127.0.0.1:1"})
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1].startswith("curation: error: --engine ray: no cluster at 127.0.0.1:1")
    assert built(recipe, *flags, "--address", cluster[0], variables={"RAY_ADDRESS": "127.0.0.1:1"})


def test_an_address_without_the_engine_is_refused(tmp_path: Path, recipe: Path) -> None:
    done = run("build", recipe, "--store", tmp_path / "store", "--address", "auto")
    assert (done.returncode, done.stderr) == (
        2,
        "curation: error: --address is that of a Ray cluster; add --engine ray\n",
    )


def test_another_version_of_ray_is_told_with_both_versions() -> None:
    from ray._private.utils import check_version_info  # noqa: PLC0415 - Ray reads the environment when it is imported

    from curation.workers.ray_errors import not_connected  # noqa: PLC0415

    with pytest.raises(RuntimeError) as raised:
        check_version_info({"ray_version": "2.9.0", "python_version": "3.8.1"}, "node 10.0.0.1")
    outer = ConnectionError("Failed to connect")
    outer.__cause__ = raised.value
    for error in (raised.value, outer):
        told = str(not_connected("10.0.0.1:6379", error))
        assert "Version mismatch: The cluster was started with: Ray: 2.9.0 Python: 3.8.1 This process" in told
        assert "\n" not in told
        assert "no cluster" not in told


def test_nodes_with_other_code_of_the_same_version_are_refused_and_named(
    tmp_path: Path, recipe: Path, cluster: tuple[str, int]
) -> None:
    for package in ("curation", "manifests"):
        shutil.copytree(ROOT / package, tmp_path / "checkout" / package)
    with (tmp_path / "checkout" / "curation" / "traces.py").open("a", encoding="utf-8") as module:
        module.write("# another checkout\n")
    flags = ("--store", tmp_path / "store", "--engine", "ray", "--address", cluster[0])
    done = run("build", recipe, *flags, folder=tmp_path, modules=tmp_path / "checkout")
    assert done.returncode == 2
    last = done.stderr.splitlines()[-1]
    assert last.startswith(f"curation: error: --engine ray: node {cluster[0].partition(':')[0]} (")
    assert "has other code of the same version" in last
    assert last.endswith("install the same package on every node")


def test_every_node_is_asked(workers: "RayWorkers") -> None:
    found = dict(workers._on_every_node(node_of))
    assert len(found) == 2
    assert all(f"({node[:8]})" in name for name, node in found.items())


def test_a_node_without_a_module_is_told_as_that(
    workers: "RayWorkers", tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "only_here.py").write_text("def work(common, task):\n    return task\n", encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    import only_here  # type: ignore[import-not-found]  # noqa: PLC0415 - it has just been written

    with pytest.raises(WorkerError) as raised:
        list(workers.ordered(only_here.work, None, [1]))
    message = message_of(raised)
    assert "(ModuleNotFoundError: No module named 'only_here')" in message
    assert message.endswith("install the same package on every node")
    del sys.modules["only_here"]


def test_a_task_that_kills_every_worker_is_given_up_with_one_line(workers: "RayWorkers") -> None:
    with pytest.raises(WorkerError) as raised:
        list(workers.ordered(die, 2, range(4)))
    assert message_of(raised).startswith("--engine ray: a worker of the cluster was lost")


def test_a_connection_that_a_program_has_already_is_refused_and_stays(
    workers: "RayWorkers", cluster: tuple[str, int]
) -> None:
    from curation.workers.cluster import RayWorkers  # noqa: PLC0415 - as in the fixture

    with (
        pytest.raises(WorkerError, match="connected to a Ray cluster already"),
        RayWorkers(Cluster(cluster[0])),
    ):
        pass
    assert list(workers.ordered(double, 1, [2])) == [(2, 5)]


def test_what_handled_sigterm_before_ray_handles_it_still(workers: "RayWorkers") -> None:
    del workers
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL


def test_sigterm_ends_a_build_on_a_cluster_as_it_ends_others(
    tmp_path: Path, slow_recipe: Path, cluster: tuple[str, int]
) -> None:
    flags = ("--store", tmp_path / "store", "--engine", "ray", "--address", cluster[0])
    with start("build", slow_recipe, *flags) as build:
        assert until(lambda: at_work_for(cluster[1], 0.5), 60)
        build.terminate()
        _, said = build.communicate(timeout=60)
    assert build.returncode == 130
    assert said.splitlines()[-1].startswith("curation: error: interrupted; ")
    assert left_behind(tmp_path / "store") == []


def test_a_connection_that_is_lost_during_a_build_is_told_as_that(
    tmp_path: Path, slow_recipe: Path, cluster: tuple[str, int], client_port: int
) -> None:
    with Line(client_port) as line:
        flags = (
            "--store",
            tmp_path / "store",
            "--engine",
            "ray",
            "--address",
            f"ray://127.0.0.1:{line.port}",
        )
        with start(
            "build", slow_recipe, *flags, variables={"RAY_CLIENT_RECONNECT_GRACE_PERIOD": "1"}
        ) as build:
            assert until(lambda: at_work_for(cluster[1], 0.5), 60)
            line.cut()
            _, said = build.communicate(timeout=60)
    assert build.returncode == 2, said
    last = said.splitlines()[-1]
    assert last.startswith("curation: error: --engine ray: the connection to the cluster was lost")
    assert left_behind(tmp_path / "store") == []
