"""Requests that no source could meet are refused before any row is read."""

from pathlib import Path

import pytest

from curation.build import build
from curation.errors import RecipeError
from curation.recipe_reader import parse_recipe
from manifests.store import Store
from tests.curation.helpers import source, traces, write_traces


@pytest.mark.parametrize("rows", [[1, 2**63], [2**64, 2**65]])
def test_rows_beyond_what_a_number_holds_are_refused(rows: list[int], tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match=r"rows: expected \[first, last\]"):
        parse_recipe({"name": "mix", "source": [source("one", "one.jsonl", rows=rows)]}, tmp_path, "here")


def test_a_language_that_can_not_be_told_is_refused_with_those_that_can(tmp_path: Path) -> None:
    write_traces(tmp_path / "one.jsonl", traces(3))
    entry = source("one", "one.jsonl", language="xx")
    recipe = parse_recipe({"name": "mix", "source": [entry]}, tmp_path, "here")
    store = Store(tmp_path / "store", behind=())
    with pytest.raises(RecipeError, match=r"source one: language: expected one of af, .* zh-tw; found 'xx'"):
        build(recipe, store)
    assert not store.root.exists()
