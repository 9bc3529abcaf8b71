"""The licence that a recipe states of a source: kept beside the manifest, part of no id."""

from pathlib import Path

import pytest

from curation.recipe_reader import SHIPPED, read_recipe
from manifests.store import Store
from tests.curation.recipe_toml import read, refusal, write
from tests.manifests.helpers import build_manifest, traces, write_jsonl


@pytest.mark.parametrize("text", ["Apache-2.0", "as the authors allow: research only", "x" * 100, "né"])
def test_a_licence_is_an_id_or_words(text: str, tmp_path: Path) -> None:
    assert read(tmp_path, source={"license": f'"{text}"'}).sources[0].license == text


def test_a_source_need_not_state_one(tmp_path: Path) -> None:
    assert read(tmp_path).sources[0].license is None


@pytest.mark.parametrize("value", ['""', f'"{"x" * 101}"', r'"two\nlines"', r'"\u001b[31m"', r'"\u202e"'])
def test_what_can_not_stand_on_a_line_is_refused(value: str, tmp_path: Path) -> None:
    told = refusal(write(tmp_path, source={"license": value}))
    assert "license: expected an SPDX id" in told
    assert "1 to 100 printable characters" in told


@pytest.mark.parametrize("value", ["7", "true", '["MIT"]'])
def test_what_is_no_text_is_refused(value: str, tmp_path: Path) -> None:
    assert "license: expected a text" in refusal(write(tmp_path, source={"license": value}))


def test_it_stands_in_the_receipt_and_changes_no_id(tmp_path: Path) -> None:
    files = {
        name: write_jsonl(tmp_path / f"{name}.jsonl", traces(3, first))
        for name, first in (("a", 1), ("b", 7))
    }
    without = build_manifest(tmp_path / "one" / "store", "mix", files).manifest
    stated = build_manifest(tmp_path / "two" / "store", "mix", files, a={"license": "MIT"}).manifest
    assert stated.id == without.id
    assert "license" not in stated.identity.data.decode()
    assert without.receipt["licenses"] == {}
    assert stated.receipt["licenses"] == {"a": "MIT"}
    assert Store(tmp_path / "two" / "store", behind=()).manifest("mix").receipt["licenses"] == {"a": "MIT"}


def test_the_shipped_recipes_state_the_licences_of_the_dataset_cards() -> None:
    stated = {
        (source.hub, source.license)
        for path in SHIPPED.glob("session*.toml")
        for source in read_recipe(path).sources
    }
    assert stated == {
        ("sequelbox/Raiden-DeepSeek-R1", "Apache-2.0"),
        ("O1-OPEN/OpenO1-SFT", "Apache-2.0"),
        ("kaist-ai/CoT-Collection", "CC-BY-4.0"),
        ("glaiveai/reasoning-v1-20m", None),
    }
