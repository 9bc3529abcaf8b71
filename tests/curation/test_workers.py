"""Processes that work side by side: results in order, errors where the task came from, nothing left running."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from curation.errors import SourceError, WorkerError
from curation.workers.base import Cluster, waited
from curation.workers.choice import choose_workers
from curation.workers.local import LocalWorkers, available_cores, processes_for
from tests.curation.helpers import (
    ROOT,
    left_behind,
    message_of,
    run_python,
    source,
    traces,
    write_recipe,
    write_traces,
)
from tests.curation.working import die, double, many_bytes, process_of, refuse, wait

SECONDS = 20  # that anything may take on a busy machine


def until(holds: Callable[[], bool], seconds: float = SECONDS) -> bool:
    """Wait until something holds; whether it did in time."""
    end = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > end:
            return False
        time.sleep(0.02)
    return True


def is_gone(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text(encoding="ascii").rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True


def children_of(process: int) -> list[int]:
    """The processes that a process has started and that are not gone."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            parent = (entry / "stat").read_text(encoding="ascii").rpartition(")")[2].split()[1]
        except (FileNotFoundError, ProcessLookupError):
            continue
        if int(parent) == process and not is_gone(int(entry.name)):
            found.append(int(entry.name))
    return found


@pytest.mark.parametrize("count", [0, 1, 2, 3])
def test_results_come_in_the_order_of_the_tasks(count: int) -> None:
    with LocalWorkers(count) as workers:
        for common in (100, 200):  # a second time with the same processes
            assert list(workers.ordered(double, common, range(12))) == [
                (task, 2 * task + common) for task in range(12)
            ]
        assert list(workers.ordered(double, 0, [])) == []


@pytest.mark.parametrize("count", [0, 1])
def test_with_one_worker_or_none_everything_runs_in_this_process(count: int) -> None:
    with LocalWorkers(count) as workers:
        assert {pid for _, pid in workers.ordered(process_of, None, range(3))} == {os.getpid()}


def test_so_many_processes_work_and_none_is_this_one() -> None:
    with LocalWorkers(2) as workers:
        found = {pid for _, pid in workers.ordered(process_of, None, range(50))}
    assert os.getpid() not in found
    assert 1 <= len(found) <= 2


def test_tasks_are_taken_only_a_few_ahead_of_the_results() -> None:
    taken = 0

    def tasks() -> Iterator[int]:
        nonlocal taken
        for task in range(1000):
            taken = task
            yield task

    with LocalWorkers(2) as workers:
        results = workers.ordered(double, 0, tasks())
        for task in range(5):
            assert next(results) == (task, 2 * task)
            assert taken <= task + 4


def test_one_task_may_be_worked_on_while_another_list_of_tasks_is() -> None:
    with LocalWorkers(2) as workers:
        found = [
            inner
            for task, _ in workers.ordered(double, 0, range(4))
            for _, inner in workers.ordered(double, 1, [task])
        ]
    assert found == [1, 3, 5, 7]


def test_tasks_and_results_may_be_larger_than_a_pipe() -> None:
    with LocalWorkers(2) as workers:
        results = [result for _, result in workers.ordered(many_bytes, bytes(1 << 20), [3 << 20] * 5)]
    assert results == [bytes(3 << 20)] * 5


@pytest.mark.parametrize("count", [0, 2])
def test_what_a_task_raises_is_raised_where_its_result_would_have_come(count: int) -> None:
    with LocalWorkers(count) as workers:
        results = workers.ordered(refuse, 7, range(20))
        assert [next(results) for _ in range(7)] == [(task, task) for task in range(7)]
        with pytest.raises(SourceError, match="task 7 is refused"):
            next(results)
        assert list(workers.ordered(refuse, 99, range(5))) == [(task, task) for task in range(5)]


def test_a_worker_that_is_killed_is_an_error_of_one_line_and_ends_the_others() -> None:
    with pytest.raises(WorkerError) as raised, LocalWorkers(3) as workers:
        list(workers.ordered(die, 10, range(200)))
    message = message_of(raised)
    assert "a worker process ended before its work was done (exit status -9)" in message
    assert "--workers" in message
    assert children_of(os.getpid()) == []


def test_a_worker_killed_while_it_waits_for_work_is_an_error_too() -> None:
    with LocalWorkers(2) as workers:
        for pid in {pid for _, pid in workers.ordered(process_of, None, range(50))}:
            os.kill(pid, signal.SIGKILL)
        with pytest.raises(WorkerError, match="exit status -9"):
            list(workers.ordered(process_of, None, range(50)))
    assert children_of(os.getpid()) == []


def test_leaving_ends_the_processes() -> None:
    with LocalWorkers(2) as workers:
        list(workers.ordered(double, 0, range(4)))
        assert len(children_of(os.getpid())) == 2
    assert children_of(os.getpid()) == []


def test_what_is_done_beside_comes_in_turn_and_raises_where_it_is_asked_for() -> None:
    done: list[int] = []
    with LocalWorkers(0) as workers:
        first, second = (workers.beside(done.append, number) for number in (1, 2))
        broken = workers.beside(int, "x")
        assert (waited(second), waited(first), done) == (None, None, [1, 2])
        with pytest.raises(ValueError, match="invalid literal"):
            waited(broken)


def test_nobody_waits_for_what_is_done_beside_when_something_else_failed() -> None:
    program = (
        "import time\nfrom curation.workers.local import LocalWorkers\n"
        "with LocalWorkers(0) as workers:\n    workers.beside(time.sleep, 60)\n    raise SystemExit(3)"
    )
    began = time.monotonic()
    ended = subprocess.run([sys.executable, "-c", program], check=False, timeout=50)
    assert ended.returncode == 3
    assert time.monotonic() - began < 40


@pytest.mark.parametrize("error", [KeyboardInterrupt, SourceError])
def test_leaving_for_an_exception_ends_the_processes_whatever_they_are_doing(
    tmp_path: Path, error: type[BaseException]
) -> None:
    def tasks() -> Iterator[int]:
        yield from range(2)
        assert until(lambda: len(list(tmp_path.iterdir())) == 2)
        raise error

    started = time.monotonic()
    with pytest.raises(error), LocalWorkers(2) as workers:
        list(workers.ordered(wait, tmp_path, tasks()))
    assert time.monotonic() - started < SECONDS  # their work takes a minute
    assert children_of(os.getpid()) == []


# polars makes waiting go on after a signal, and a build has it.
BUSY = """
import sys
from pathlib import Path
import polars
from curation.workers.local import LocalWorkers
from tests.curation.working import wait
with LocalWorkers(3) as workers:
    list(workers.ordered(wait, Path(sys.argv[1]), range(9)))
"""
IDLE = """
import sys, time
from pathlib import Path
from curation.workers.local import LocalWorkers
from tests.curation.working import double
with LocalWorkers(3) as workers:
    list(workers.ordered(double, 0, range(20)))
    for process in workers._processes:
        (Path(sys.argv[1]) / str(process._process.pid)).touch()
    time.sleep(60)
"""


def start(*arguments: object, folder: Path = ROOT.parent) -> "subprocess.Popen[str]":
    """A Python of its own, at the head of a process group as a terminal makes one."""
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    return subprocess.Popen(
        [sys.executable, *map(str, arguments)],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": path},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


@pytest.mark.parametrize("program", [BUSY, IDLE], ids=["busy", "idle"])
def test_when_the_parent_is_killed_the_workers_are_gone_and_say_nothing(tmp_path: Path, program: str) -> None:
    with start("-c", program, tmp_path) as parent:
        assert until(lambda: len(list(tmp_path.iterdir())) == 3)
        processes = [int(path.name) for path in tmp_path.iterdir()]
        assert not any(map(is_gone, processes))
        parent.kill()
        assert until(lambda: all(map(is_gone, processes)), 4)  # one look a second
        assert parent.stderr is not None
        assert parent.stderr.read() == ""


@pytest.mark.parametrize("program", [BUSY, IDLE], ids=["busy", "idle"])
def test_ctrl_c_ends_the_workers_and_only_the_parent_says_so(tmp_path: Path, program: str) -> None:
    with start("-c", program, tmp_path) as parent:
        assert until(lambda: len(list(tmp_path.iterdir())) == 3)
        processes = [int(path.name) for path in tmp_path.iterdir()]
        os.killpg(parent.pid, signal.SIGINT)  # what a terminal does
        _, said = parent.communicate(timeout=SECONDS)
        assert all(map(is_gone, processes))
        assert said.count("Traceback") == 1
        assert said.endswith("KeyboardInterrupt\n")


@pytest.fixture(scope="module")
def recipe(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A recipe whose source is read in several parts, slowly enough to be interrupted."""
    folder = tmp_path_factory.mktemp("slow")
    write_traces(folder / "one.jsonl", traces(150_000))
    return write_recipe(folder / "recipe.toml", source("one", language="de", max_drop=1))


@pytest.mark.parametrize("seconds", [0.0, 0.5])
def test_ctrl_c_during_a_build_is_one_line_and_leaves_nothing(
    tmp_path: Path, recipe: Path, seconds: float
) -> None:
    command = ["-m", "curation", "build", recipe, "--workers", "2", "--store", tmp_path / "store"]
    with start(*command, folder=tmp_path) as build:
        assert until(lambda: bool(children_of(build.pid)))
        processes = children_of(build.pid)
        time.sleep(seconds)
        os.killpg(build.pid, signal.SIGINT)
        out, said = build.communicate(timeout=5)  # the part that is being read takes longer
    assert (build.returncode, out) == (130, "")
    assert said.startswith("curation: error: interrupted; ")
    assert said.count("\n") == 1
    assert all(map(is_gone, processes))
    assert left_behind(tmp_path / "store") == []


SCRIPT = """
from pathlib import Path
import curation.source_rows
from curation.build import build
from curation.recipe_reader import read_recipe
from manifests.store import Store
print("once")
folder = Path(FOLDER)
built = build(read_recipe(folder / "recipe.toml"), Store(folder / "store", behind=()), workers=2)
print(built.manifest.identity.rows)
"""


def test_a_script_without_a_main_guard_may_build(tmp_path: Path) -> None:
    write_traces(tmp_path / "one.jsonl", traces(50))
    write_recipe(tmp_path / "recipe.toml", source("one"))
    (tmp_path / "script.py").write_text(f"FOLDER = {str(tmp_path)!r}\n{SCRIPT}", encoding="utf-8")
    assert run_python(tmp_path / "script.py") == "once\n50\n"


def test_a_caller_that_comes_from_standard_input_may_build(tmp_path: Path) -> None:
    write_traces(tmp_path / "one.jsonl", traces(50))
    write_recipe(tmp_path / "recipe.toml", source("one"))
    with start("-") as caller:
        out, said = caller.communicate(f"FOLDER = {str(tmp_path)!r}\n{SCRIPT}", timeout=SECONDS * 3)
    assert (caller.returncode, out, said) == (0, "once\n50\n", "")


def test_the_modules_of_the_folder_that_somebody_stands_in_are_not_those_of_the_workers(
    tmp_path: Path,
) -> None:
    write_traces(tmp_path / "one.jsonl", traces(50))
    recipe = write_recipe(tmp_path / "recipe.toml", source("one"))
    for name in ("random", "pickle", "numpy", "curation"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit('not this one')", encoding="utf-8")
    program = "import sys; from curation.cli import main; sys.exit(main(sys.argv[1:]))"
    command = ["-P", "-c", program, "build", recipe, "--workers", "2", "--store", tmp_path / "store"]
    with start(*command, folder=tmp_path) as build:
        _, said = build.communicate(timeout=SECONDS * 3)
    assert (build.returncode, said) == (0, "")


def test_little_is_read_in_this_process_and_much_by_one_process_a_core_unless_so_many_are_wanted() -> None:
    cores = available_cores()
    assert cores == len(os.sched_getaffinity(0))
    assert [processes_for(size) for size in (0, 16 << 20, (16 << 20) + 1)] == [0, 0, cores]
    assert [processes_for(size, 3) for size in (0, 1 << 40)] == [3, 3]


def test_without_ray_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)  # what Python does for a package that is not there
    monkeypatch.delitem(sys.modules, "curation.workers.cluster", raising=False)
    with pytest.raises(WorkerError) as raised:
        choose_workers(1, Cluster())
    assert message_of(raised).endswith("install the extra ray: pip install 'tunix-zero-cost[ray]'")
