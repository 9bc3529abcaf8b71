"""What a Ray cluster promises: the ids of one machine, for any number of workers, and when some are killed."""

import json
import os
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from curation.duplicates import repeated
from curation.errors import SourceError
from curation.spill import SpillReader
from manifests.keys import Trace
from tests.curation.clusters import built, killing, run
from tests.curation.helpers import build_mix, source, traces, write_recipe, write_traces
from tests.curation.test_golden import MIX_ID, build_golden
from tests.curation.test_workers import children_of, is_gone, until
from tests.curation.working import Aside, crowd, double, put_aside, refuse

if TYPE_CHECKING:
    from curation.workers.cluster import RayWorkers

pytestmark = [
    pytest.mark.slow,
    pytest.mark.usefixtures("token"),
    pytest.mark.skipif(find_spec("ray") is None, reason="Ray is not installed (extra ray)"),
]

PASSAGE = (
    "Take the number of apples in the basket, add the apples that the neighbour brought in the morning, and "
    "write down what you find before you go on with the pears; then count the plums that lie beside them. "
)


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


def test_a_recipe_that_is_named_from_where_one_stands_is_built_where_nodes_stand_elsewhere(
    tmp_path: Path, cluster: tuple[str, int]
) -> None:
    write_traces(tmp_path / "mixes" / "one.jsonl", traces(40))
    write_traces(tmp_path / "mixes" / "data" / "two.parquet", traces(40, first=100))
    entries = (
        source("one", take={"reservoir": 20}),
        source("two", "data/*", draw="raw", take={"shuffle": 20}),
    )
    write_recipe(tmp_path / "mixes" / "mix.toml", *entries)
    flags = ("--engine", "ray", "--address", cluster[0])
    one = built("mixes/mix.toml", "--store", "one", folder=tmp_path)
    assert built("mixes/mix.toml", "--store", "many", *flags, folder=tmp_path) == one


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
    with killing(cluster[1], 4, 0.3) as killed:
        many = built(recipe, "--store", tmp_path / "many-store", "--engine", "ray", "--address", cluster[0])
    assert len(killed) >= 2
    assert many == one
    assert list((tmp_path / "many-store").rglob(".staging-*")) == []


def test_results_come_in_the_order_of_the_tasks(workers: "RayWorkers") -> None:
    found = list(workers.ordered(double, 100, range(20)))
    assert found == [(task, 2 * task + 100) for task in range(20)]


def test_no_more_tasks_are_under_way_than_workers_are_asked_for(
    workers: "RayWorkers", tmp_path: Path
) -> None:
    """The cluster has four cores, two of them may be used."""
    list(workers.ordered(double, 0, range(40)))  # by now there are processes
    found = [count for _, count in workers.ordered(crowd, tmp_path, range(12))]
    assert max(found) == 2


def test_what_a_task_raises_is_raised_where_it_came_from(workers: "RayWorkers") -> None:
    with pytest.raises(SourceError, match="task 3 is refused"):
        list(workers.ordered(refuse, 3, range(6)))


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


def test_workers_killed_in_the_middle_of_a_shuffle_change_nothing(
    workers: "RayWorkers", cluster: tuple[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("curation.workers.cluster._KEYS", 1 << 17)
    keys = np.random.default_rng(5).integers(0, 256, (1 << 20, 16), dtype=np.uint8)
    keys[1 << 19 :] = keys[: 1 << 19]
    marks = np.ones(len(keys), np.bool_)
    expected = repeated([keys], [marks])
    with killing(cluster[1], 3, 0.05, (b"ray::_buckets", b"ray::_repeated")) as killed:
        for _ in range(20):
            found = workers.repeated([keys], [marks])
            assert all((one == other).all() for one, other in zip(found, expected, strict=True))
            if killed:
                break
    assert killed


def test_a_cluster_that_is_started_for_a_build_is_gone_after_it(tmp_path: Path) -> None:
    write_traces(tmp_path / "one.jsonl", traces(30))
    expected = build_mix(tmp_path, source("one", take={"reservoir": 10})).manifest.id
    recipe = write_recipe(tmp_path / "mix.toml", source("one", take={"reservoir": 10}), order="sequential")
    before = set(children_of(1)) | set(children_of(os.getpid()))
    flags = ("--engine", "ray", "--workers", "2")
    assert built(recipe, "--store", tmp_path / "store2", *flags) == expected
    after = set(children_of(1)) | set(children_of(os.getpid()))
    assert until(lambda: all(is_gone(process) for process in after - before))
