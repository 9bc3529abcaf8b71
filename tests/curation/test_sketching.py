import json
from pathlib import Path

import numpy as np
import pytest

from curation import sketching
from curation.build import build
from curation.errors import RecipeError
from curation.progress import Silence
from curation.recipe import Recipe
from curation.recipe_reader import find_recipe, parse_recipe, read_recipe
from curation.sketching import sketches_of
from curation.spill import SpillWriter
from curation.workers.local import LocalWorkers
from manifests.identity import SKETCH
from manifests.keys import Trace
from manifests.manifest import Manifest
from manifests.row_keys import fixed_width_bytes
from manifests.similarity.sketch import sketches, text_of
from manifests.store import Store
from tests.curation.helpers import run_command
from tests.manifests.helpers import COLUMNS, traces, write_jsonl

ROWS = traces(300)


@pytest.fixture
def table(tmp_path: Path) -> dict[str, object]:
    """A recipe of a source of which all is taken, and one of which some rows are drawn; rows of both are dropped."""
    whole = write_jsonl(tmp_path / "whole.jsonl", [*ROWS[:100], ROWS[0], Trace("no", "answer", "")])
    some = write_jsonl(tmp_path / "some.jsonl", [*ROWS[90:], ROWS[100]])
    sources = [
        {"name": "whole", "files": str(whole), "columns": COLUMNS},
        {"name": "some", "files": str(some), "columns": COLUMNS, "take": {"shuffle": 150}},
    ]
    return {"name": "mix", "source": sources}


def recipe_of(table: dict[str, object], folder: Path, **keys: object) -> Recipe:
    return parse_recipe({**table, **keys}, folder, "test")


def built(recipe: Recipe, root: Path, workers: int | None = None) -> tuple[Store, Manifest]:
    store = Store(root, behind=())
    return store, store.manifest(build(recipe, store, workers=workers).manifest.id)


def test_every_row_of_the_mix_has_the_sketch_of_its_text(table: dict[str, object], tmp_path: Path) -> None:
    store, manifest = built(recipe_of(table, tmp_path, sketch=True), tmp_path / "store")
    blocks = list(store.dataset_blocks(manifest))
    columns = [
        [text for block in blocks for text in block.column(name).to_pylist()] for name in Trace._fields
    ]
    expected = sketches(text_of(Trace(*parts)) for parts in zip(*columns, strict=True))
    found = [fixed_width_bytes(block.column("sketch")) for block in manifest.row_blocks()]
    assert len(expected) == 250
    assert (np.concatenate(found) == expected).all()
    identity = json.loads(manifest.identity.data)
    assert identity["algorithms"]["sketch"] == SKETCH
    assert identity["recipe"]["sketch"] is True
    assert identity["schemas"]["rows"].endswith(",sketch:bytes128")


def test_however_many_processes_work_the_manifest_is_the_same(
    table: dict[str, object], tmp_path: Path
) -> None:
    recipe = recipe_of(table, tmp_path, sketch=True)
    ids = [built(recipe, tmp_path / f"store{count}", count)[1].id for count in (1, 2, 3)]
    assert len(set(ids)) == 1


def test_without_sketches_the_same_rows_are_another_manifest(
    table: dict[str, object], tmp_path: Path
) -> None:
    manifests = [
        built(recipe_of(table, tmp_path, **keys), tmp_path / "store")[1]
        for keys in ({"sketch": True}, {}, {"sketch": False})
    ]
    assert [manifest.identity.sketched for manifest in manifests] == [True, False, False]
    assert (
        len({manifest.id for manifest in manifests}) == 3
    )  # a key that is set stands in the identity as it was set
    assert len({manifest.content_digest for manifest in manifests}) == 1


def test_the_flag_acts_as_if_the_recipe_said_so(
    table: dict[str, object], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _, expected = built(recipe_of(table, tmp_path, sketch=True), tmp_path / "store")
    for said in ("", "sketch = true\n", "sketch = false\n"):
        path = tmp_path / "recipe.toml"
        path.write_text(f'name = "mix"\n{said}{_sources(tmp_path)}', encoding="utf-8")
        outcome = run_command(capsys, "build", path, "--sketch", "--json", "--store", tmp_path / "other")
        assert (outcome.status, outcome.err) == (0, "")
        assert outcome.result["id"] == expected.id


def test_a_recipe_that_is_sketched_is_one_that_says_so(table: dict[str, object], tmp_path: Path) -> None:
    expected = recipe_of(table, tmp_path, sketch=True)
    for keys in ({}, {"sketch": True}, {"sketch": False}):
        assert recipe_of(table, tmp_path, **keys).sketched() == expected


def _sources(folder: Path) -> str:
    columns = 'columns = { prompt = "prompt", reasoning = "reasoning", answer = "answer" }\n'
    return (
        f'[[source]]\nname = "whole"\nfiles = "{folder}/whole.jsonl"\n{columns}'
        f'[[source]]\nname = "some"\nfiles = "{folder}/some.jsonl"\n{columns}take = {{ shuffle = 150 }}\n'
    )


def test_texts_are_sketched_a_few_megabytes_at_a_time_which_changes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with SpillWriter(tmp_path) as spill:
        for trace in ROWS:
            spill.put(trace)
        places = spill.places()
    mixed = np.random.default_rng(1).permutation(len(ROWS))
    expected = sketches(text_of(ROWS[place]) for place in mixed)
    for size in (1, 50, 1_000, 4 << 20):
        monkeypatch.setattr(sketching, "_PORTION_BYTES", size)
        assert (sketches_of(places[mixed], tmp_path, LocalWorkers(0), Silence()) == expected).all()
        sizes = [len(portion) for portion in sketching._portions(places)]
        assert sum(sizes) == len(ROWS)
        assert (len(sizes) == 1) == (size == 4 << 20)
        assert size > 1 or sizes == [1] * len(ROWS)


def test_no_rows_have_no_sketches(tmp_path: Path) -> None:
    with SpillWriter(tmp_path) as spill:
        assert sketches_of(spill.places(), tmp_path, LocalWorkers(0), Silence()).shape == (0, 128)


@pytest.mark.parametrize("name", ["session1", "session1-as-run", "session2"])
def test_the_sessions_are_built_with_sketches(name: str) -> None:
    assert read_recipe(find_recipe(name)).sketch


@pytest.mark.parametrize("value", ["1", '"true"', "[]", "{}"])
def test_a_sketch_that_is_neither_true_nor_false_is_refused(value: str, tmp_path: Path) -> None:
    path = tmp_path / "recipe.toml"
    path.write_text(f'name = "mix"\nsketch = {value}\n{_sources(tmp_path)}', encoding="utf-8")
    with pytest.raises(RecipeError, match="sketch: expected true or false; found "):
        read_recipe(path)
