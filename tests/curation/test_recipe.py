"""Which keys of a recipe are part of a manifest's identity, and how they stand in it."""

from pathlib import Path

import pytest

from curation.recipe_reader import read_recipe
from manifests.identity import DISJOINT, Parent
from manifests.manifest import Manifest
from tests.curation.helpers import COLUMNS, build_mix, numbers_of, source, traces, write_recipe, write_traces

RECIPE = """
name = "mix"
seed = 7
order = "sequential"
[[source]]
name = "one"
files = "a.jsonl"
columns = { response = "r", prompt = "p" }
header = true
tags = { answer = ["####", ""] }
rows = [1, 30_000]
draw = "raw"
language = { is = "en", min = 0.80, on = ["prompt"] }
duplicates = "keep"
take = { hash = 20, seed = 0 }
expect = { rows = 20 }
max_drop = 0.9
[[source]]
name = "two"
hub = "owner/name"
revision = "0123456789abcdef0123456789abcdef01234567"
columns = { prompt = "p", reasoning = "r", answer = "a" }
take = "all"
[disjoint]
from = ["session1"]
on_overlap = "error"
"""


def test_what_was_set_and_selects_stands_in_the_identity_as_it_was_set(tmp_path: Path) -> None:
    path = tmp_path / "recipe.toml"
    path.write_text(RECIPE, encoding="utf-8")
    assert read_recipe(path).selecting == {
        "seed": 7,
        "order": "sequential",
        "source": [
            {
                "name": "one",
                "columns": {"response": "r", "prompt": "p"},
                "header": True,
                "tags": {"answer": ["####", ""]},
                "rows": [1, 30_000],
                "draw": "raw",
                "language": {"is": "en", "min": "0.8", "on": ["prompt"]},
                "duplicates": "keep",
                "take": {"hash": 20, "seed": 0},
            },
            {"name": "two", "columns": {"prompt": "p", "reasoning": "r", "answer": "a"}, "take": "all"},
        ],
        "disjoint": {"on_overlap": "error"},
    }


def test_what_was_not_set_is_not_in_the_identity(tmp_path: Path) -> None:
    path = write_recipe(tmp_path / "recipe.toml", source("one"), disjoint={"from": ["session1"]})
    assert read_recipe(path).selecting == {"source": [{"name": "one", "columns": COLUMNS}], "disjoint": {}}


@pytest.mark.parametrize(
    ("written", "text"),
    [
        ("0.80", "0.8"),
        ("8e-1", "0.8"),
        ("0.8", "0.8"),
        ("1.0", "1"),
        ("1E0", "1"),
        ("0.0", "0"),
        ("0.1", "0.1"),
        ("0.30000000000000004", "0.30000000000000004"),
        ("1e-7", "0.0000001"),
        ("0.123456789012345678901234567890", "0.12345678901234567890123456789"),
    ],
)
def test_a_decimal_stands_as_its_shortest_text_and_never_goes_through_a_float(
    tmp_path: Path, written: str, text: str
) -> None:
    path = write_recipe(tmp_path / "recipe.toml", source("one"))
    with path.open("a", encoding="utf-8") as file:
        file.write(f'language = {{ is = "en", min = {written} }}\n')
    selecting = read_recipe(path).selecting
    assert selecting["source"] == [{"name": "one", "columns": COLUMNS, "language": {"is": "en", "min": text}}]


ROWS = 8


def _built(
    folder: Path, top: dict[str, object] | None = None, keys: dict[str, object] | None = None
) -> Manifest:
    write_traces(folder / "one.jsonl", traces(ROWS))
    return build_mix(folder, source("one") | (keys or {}), **{"order": "mixed", **(top or {})}).manifest


@pytest.mark.parametrize(
    "keys",
    [
        {"expect": {"rows": ROWS}},
        {"expect": {"min": 1}},
        {"max_drop": 1},
        {"files": "on?.jsonl"},
        {"files": "./*.jsonl"},
    ],
)
def test_a_key_that_does_not_select_leaves_the_id_as_it_is(tmp_path: Path, keys: dict[str, object]) -> None:
    assert _built(tmp_path, keys=keys).id == _built(tmp_path).id


def test_the_name_of_the_recipe_leaves_the_id_as_it_is(tmp_path: Path) -> None:
    assert _built(tmp_path, {"name": "renamed"}).id == _built(tmp_path).id


@pytest.mark.parametrize(
    ("top", "keys"),
    [
        ({"order": "sequential"}, {}),
        ({"seed": 42}, {}),
        ({}, {"header": True}),
        ({}, {"rows": [1, ROWS]}),
        ({}, {"draw": "filtered"}),
        ({}, {"draw": "raw"}),
        ({}, {"duplicates": "drop"}),
        ({}, {"duplicates": "keep"}),
        ({}, {"take": "all"}),
        ({}, {"take": {"first": ROWS}}),
        ({}, {"take": {"shuffle": ROWS}}),
        ({}, {"take": {"shuffle": ROWS, "seed": 42}}),
        ({}, {"language": {"is": "de", "min": 0}}),
        ({}, {"name": "other"}),
        ({}, {"columns": {"prompt": "prompt", "reasoning": "answer", "answer": "reasoning"}}),
    ],
    ids=str,
)
def test_every_key_that_selects_is_in_the_id_even_where_it_selects_the_same_rows(
    tmp_path: Path, top: dict[str, object], keys: dict[str, object]
) -> None:
    plain, changed = _built(tmp_path), _built(tmp_path, top, keys)
    assert sorted(numbers_of(changed)) == sorted(numbers_of(plain))
    assert changed.id != plain.id


def test_tags_are_in_the_id_even_where_they_are_the_default_ones(tmp_path: Path) -> None:
    (tmp_path / "one.jsonl").write_text('{"p": "Why?", "r": "<think>So.</think>Yes."}\n', encoding="utf-8")
    keys = {"columns": {"prompt": "p", "response": "r"}}
    plain = build_mix(tmp_path, source("one", **keys)).manifest
    tagged = build_mix(tmp_path, source("one", **keys, tags={"reasoning": ["<think>", "</think>"]})).manifest
    assert tagged.content_digest == plain.content_digest
    assert tagged.id != plain.id


def test_parents_are_in_the_id_as_ids_and_on_overlap_as_it_was_set(tmp_path: Path) -> None:
    write_traces(tmp_path / "one.jsonl", traces(ROWS))
    write_traces(tmp_path / "earlier.jsonl", traces(3, first=100))
    earlier = build_mix(tmp_path, source("earlier"), name="earlier").manifest

    def with_parents(**disjoint: object) -> Manifest:
        return build_mix(tmp_path, source("one"), disjoint=disjoint).manifest

    by_name, by_id = with_parents(**{"from": ["earlier"]}), with_parents(**{"from": [earlier.id]})
    refusing = with_parents(**{"from": ["earlier"], "on_overlap": "error"})
    alone = build_mix(tmp_path, source("one")).manifest
    assert by_name.id == by_id.id
    assert by_name.identity.parents == (Parent(earlier.id, DISJOINT),)
    assert len({by_name.id, refusing.id, alone.id}) == 3
    assert len({by_name.content_digest, refusing.content_digest, alone.content_digest}) == 1
