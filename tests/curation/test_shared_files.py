"""Workers that see other files than the build: what they read is not what is digested, and the build stops."""

import os
import pickle
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from contextlib import chdir
from pathlib import Path
from typing import Any

import pytest

from curation.build import build
from curation.errors import SourceError
from curation.files import SourceFile
from curation.recipe_reader import parse_recipe
from curation.workers.base import Common, Result, Task
from curation.workers.local import LocalWorkers
from curation.workers.nodes import difference, installed
from manifests.objects import Location, ObjectFile
from tests.curation.helpers import left_behind, message_of, source, store_at, traces, write_traces

SECOND = 10**9


class Elsewhere(LocalWorkers):
    """Workers that see another folder in the place of this one when they do one kind of work."""

    def __init__(self, work: str, here: Path, there: Path) -> None:
        super().__init__(0)
        self._work, self._here, self._there = work, here, there

    def ordered(
        self, function: Callable[[Common, Task], Result], common: Common, tasks: Iterable[Task]
    ) -> Iterator[tuple[Task, Result]]:
        for task in tasks:
            with chdir(self._there if function.__name__ == self._work else self._here):
                result = function(common, task)
            yield task, result

    def beside(self, function: Callable[[Task], Result], argument: Task) -> Future[Result]:
        place: Any = argument
        assert place.is_absolute()
        if function.__name__ == self._work:
            place = self._there / place.relative_to(self._here)
        return super().beside(function, place)


def refusal(folder: Path, work: str, monkeypatch: pytest.MonkeyPatch, **keys: object) -> str:
    """What a build of `here/one.jsonl` stops with whose workers see `there/one.jsonl` when they do this work."""
    here, there = folder / "here", folder / "there"
    monkeypatch.chdir(here)
    monkeypatch.setattr("curation.build.choose_workers", lambda *_: Elsewhere(work, here, there))
    recipe = parse_recipe({"name": "mix", "source": [source("one", **keys)]}, Path(), "recipe")
    with pytest.raises(SourceError) as raised:
        build(recipe, store_at(folder / "store"))
    assert left_behind(folder / "store") == []
    return message_of(raised)


CASES = [
    ("scan", {}),
    ("index", {"rows": [20, 30]}),
    ("index", {"draw": "raw", "take": {"shuffle": 9}}),
    ("scan_chosen", {"draw": "raw", "take": {"shuffle": 9}}),
    ("_digested", {}),
]


@pytest.mark.parametrize(("work", "keys"), CASES)
def test_a_worker_that_sees_a_file_of_another_size_or_time_stops_the_build(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, work: str, keys: dict[str, object]
) -> None:
    here = write_traces(tmp_path / "here" / "one.jsonl", traces(40))
    there = write_traces(tmp_path / "there" / "one.jsonl", traces(40))
    os.utime(here, ns=(0, 5 * SECOND + 1))
    os.utime(there, ns=(0, 5 * SECOND + 2))
    size = f"{here.stat().st_size:,} bytes of 1970-01-01 00:00:05"
    assert refusal(tmp_path, work, monkeypatch, **keys) == (
        "source one: one.jsonl: the file that a worker sees is another one "
        f"(expected {size}.000000001, found {size}.000000002); all nodes must see the same files"
    )
    write_traces(there, traces(41))
    os.utime(there, ns=(0, 5 * SECOND + 1))
    message = refusal(tmp_path, work, monkeypatch, **keys)
    assert f"found {there.stat().st_size:,} bytes of" in message


def test_another_process_gets_the_whole_path_of_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    cases: list[tuple[Location, Location]] = [
        (Path("data/a.csv"), tmp_path / "data" / "a.csv"),
        (Path("/data/a.csv"), Path("/data/a.csv")),
        (ObjectFile("s3://bucket/a.csv"), ObjectFile("s3://bucket/a.csv")),
    ]
    for here, sent in cases:
        file = SourceFile("a.csv", here)
        assert pickle.loads(pickle.dumps(file)) == SourceFile("a.csv", sent)  # noqa: S301 - our own
        assert file.here == here


def test_what_nodes_have_otherwise_is_told_by_name() -> None:
    ours = installed()
    assert {"Python", "tunix-zero-cost", "pyarrow", "polars", "xxhash", "langdetect", "code"} == ours.keys()
    assert difference(ours, {**ours, "pyarrow": "1.0"}) == f"pyarrow 1.0 (here {ours['pyarrow']})"
    assert difference(ours, {**ours, "pyarrow": "1.0", "code": "0"}).startswith("pyarrow 1.0 (here")
    assert difference(ours, {**ours, "code": "0"}).startswith(
        "other code of the same version (digest 0, here"
    )
