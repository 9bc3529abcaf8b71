"""`[continue]`: a recipe names the manifests whose training goes on, and nothing else comes of it."""

from pathlib import Path

import pytest

from curation.errors import RecipeError
from manifests.errors import UnknownManifestError
from manifests.identity import CONTINUE, DISJOINT, Parent
from tests.curation.helpers import build_mix, message_of, source, traces, write_traces
from tests.curation.recipe_toml import refusal, write


def test_what_is_gone_on_from_stands_behind_the_disjoint_parents_and_selects_nothing(tmp_path: Path) -> None:
    write_traces(tmp_path / "one.jsonl", traces(5))
    earlier = build_mix(tmp_path, source("one"), name="earlier").manifest
    later = build_mix(tmp_path, source("one"), name="later", **{"continue": {"from": ["earlier"]}}).manifest
    assert later.identity.parents == (Parent(earlier.id, CONTINUE),)
    assert (later.content_digest, later.identity.recipe) == (earlier.content_digest, earlier.identity.recipe)
    write_traces(tmp_path / "one.jsonl", traces(12))
    keys = {"continue": {"from": ["later", "earlier"]}, "disjoint": {"from": ["earlier"]}}
    both = build_mix(tmp_path, source("one"), name="both", **keys).manifest
    assert both.identity.parents == (
        Parent(earlier.id, DISJOINT),
        Parent(later.id, CONTINUE),
        Parent(earlier.id, CONTINUE),
    )


def test_a_manifest_named_twice_is_refused(tmp_path: Path) -> None:
    write_traces(tmp_path / "one.jsonl", traces(5))
    earlier = build_mix(tmp_path, source("one"), name="earlier").manifest
    with pytest.raises(RecipeError) as raised:
        build_mix(tmp_path, source("one"), name="later", **{"continue": {"from": ["earlier", earlier.id]}})
    assert "continue: from = " in message_of(raised)
    assert "two of them are the same manifest" in message_of(raised)


def test_a_manifest_that_is_not_there_stops_the_build(tmp_path: Path) -> None:
    write_traces(tmp_path / "one.jsonl", traces(5))
    with pytest.raises(UnknownManifestError):
        build_mix(tmp_path, source("one"), **{"continue": {"from": ["nobody"]}})


@pytest.mark.parametrize("value", ["[]", '"session1"', "[1]", "true"])
def test_from_is_a_list_of_references(value: str, tmp_path: Path) -> None:
    message = refusal(write(tmp_path, after=f"[continue]\nfrom = {value}"))
    assert "continue: from: expected a list of manifests: names, name:version or ids" in message


def test_keys_other_than_from_are_refused(tmp_path: Path) -> None:
    message = refusal(write(tmp_path, after='[continue]\nfrom = ["a"]\non_overlap = "drop"'))
    assert "continue: unknown key 'on_overlap'; allowed here: from" in message
    assert "continue: expected a table with from" in refusal(write(tmp_path, {"continue": "1"}))
