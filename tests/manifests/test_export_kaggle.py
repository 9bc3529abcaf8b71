"""A folder for Kaggle: what its command accepts, and a store that works where nothing can be written."""

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from manifests.errors import CommandError
from manifests.export.exporting import export
from manifests.export.kaggle import check_owner, kaggle_metadata
from tests.manifests.export_parts import LATER, chain, facts_of, published
from tests.manifests.helpers import parts_of, read_only, run_held_to_permissions, traces

NAMES = st.from_regex("[a-z0-9][a-z0-9-]{0,63}", fullmatch=True)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An exported folder of `later` and its ancestor."""
    place = tmp_path_factory.mktemp("chain")
    return export(chain(place), LATER, "kaggle", place / "out").folder


@given(NAMES, st.integers(0, 10**12))
def test_title_slug_and_subtitle_keep_to_kaggles_limits(name: str, rows: int) -> None:
    facts = facts_of(names=(name,))
    facts = replace(facts, identity=replace(facts.identity, rows=rows))
    metadata = kaggle_metadata(facts, "someone", "words")
    owner, slug = str(metadata["id"]).split("/")
    assert owner == "someone"
    assert 6 <= len(str(metadata["title"])) <= 50
    assert 6 <= len(slug) <= 50
    assert re.fullmatch("[a-z0-9]([a-z0-9-]*[a-z0-9])?", slug)
    assert slug.endswith(facts.short_id)
    assert 20 <= len(str(metadata["subtitle"])) <= 80


def test_a_long_name_is_not_cut_behind_a_hyphen() -> None:
    facts = facts_of(names=(f"{'a' * 36}-{'b' * 20}",))
    assert kaggle_metadata(facts, "someone", "")["id"] == f"someone/{'a' * 36}-{facts.short_id}"


def test_a_manifest_without_a_name_gets_a_title_all_the_same() -> None:
    facts = facts_of(names=())
    assert kaggle_metadata(facts, "someone", "words")["title"] == f"manifest {facts.short_id}"


def test_it_is_called_by_the_name_of_its_recipe_before_any_other() -> None:
    assert facts_of(names=("alias", "mix")).name == "mix"
    assert facts_of(names=("alias", "other")).name == "alias"


def test_the_metadata_hold_every_data_file_with_its_columns(tmp_path: Path) -> None:
    store, manifest = published(tmp_path, parts_of(traces(3)))
    folder = export(store, "mix", "kaggle", tmp_path / "out", owner="Some-One").folder
    metadata = json.loads((folder / "dataset-metadata.json").read_text())
    assert metadata["id"] == f"Some-One/mix-{manifest.id[:12]}"
    assert metadata["licenses"] == [{"name": "unknown"}]
    assert metadata["description"].startswith(f"# mix {manifest.id[:12]}\n")
    (resource,) = metadata["resources"]
    assert (folder / resource["path"]).is_file()
    assert resource["schema"]["fields"] == [
        {"name": "source", "title": "source", "type": "string"},
        {"name": "row", "title": "row", "type": "integer"},
        {"name": "prompt", "title": "prompt", "type": "string"},
        {"name": "reasoning", "title": "reasoning", "type": "string"},
        {"name": "answer", "title": "answer", "type": "string"},
    ]


def test_without_an_owner_the_place_for_one_is_marked(tmp_path: Path) -> None:
    store, _ = published(tmp_path, parts_of(traces(3)))
    folder = export(store, "mix", "kaggle", tmp_path / "out").folder
    assert json.loads((folder / "dataset-metadata.json").read_text())["id"].startswith("INSERT_OWNER/")


@pytest.mark.parametrize("owner", ["", "a/b", "-a", "a b", "a\n", "x" * 65, "ü"])
def test_an_owner_that_kaggle_can_not_have_is_refused(owner: str) -> None:
    with pytest.raises(CommandError, match="--owner"):
        check_owner(owner)


def test_an_owner_is_refused_where_there_is_none(tmp_path: Path) -> None:
    store, _ = published(tmp_path, parts_of(traces(3)))
    with pytest.raises(CommandError, match="only the format kaggle"):
        export(store, "mix", "hub", tmp_path / "out", owner="someone")


@pytest.mark.parametrize(
    "command",
    [
        ("list",),
        ("show", LATER),
        ("verify", LATER, "--dataset"),
        ("verify", "early"),
        ("audit", "early", LATER),
    ],
    ids=" ".join,
)
def test_what_only_reads_works_on_a_folder_that_can_not_be_written(
    command: tuple[str, ...], folder: Path
) -> None:
    with read_only(folder):
        done = run_held_to_permissions("-m", "manifests", *command, "--store", folder, "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)
