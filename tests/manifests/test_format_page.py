"""The worked example of FORMAT.md: its code, its figures and the package say the same."""

import hashlib
import re
import tomllib
from pathlib import Path

import pytest

import manifests.keys
from curation.build import build
from curation.recipe_reader import parse_recipe
from manifests.ledger import REASONS
from manifests.manifest import Manifest
from manifests.reading.identity_reader import parse_identity
from manifests.store import Store
from manifests.tables import CONTENT, REJECTS, ROWS, TableForm
from tests.manifests.helpers import ROOT, run_python

PAGE = (ROOT / "manifests" / "FORMAT.md").read_text(encoding="utf-8")
EXAMPLE = PAGE[PAGE.index("\n## 9. Example\n") :]
BLOCKS = dict(re.findall(r"^```(\w+)\n(.*?)^```$", EXAMPLE, re.MULTILINE | re.DOTALL))
ID = re.findall(r"`([0-9a-f]{64})`", EXAMPLE)


@pytest.fixture
def built(tmp_path: Path) -> Manifest:
    """The manifest that this package builds from the file and the recipe of the page."""
    (tmp_path / "traces.jsonl").write_text(BLOCKS["jsonl"], encoding="utf-8", newline="\n")
    recipe = parse_recipe(tomllib.loads(BLOCKS["toml"]), tmp_path, "FORMAT.md")
    return build(recipe, Store(tmp_path / "store", behind=())).manifest


def test_the_code_of_the_page_prints_the_figures_of_the_page() -> None:
    done = run_python("-I", "-c", BLOCKS["python"])
    assert (done.stderr, done.stdout) == ("", BLOCKS["text"])


def test_the_code_of_the_page_uses_nothing_of_this_project() -> None:
    imported = re.findall(r"^(?:import|from) (\w+)", BLOCKS["python"], re.MULTILINE)
    assert sorted(imported) == ["hashlib", "struct", "xxhash"]


def test_the_package_arrives_at_the_figures_of_the_page(built: Manifest) -> None:
    names = ("source", "row", "content", "prompt", "chars")
    rows = zip(*(built.rows.column(name).to_pylist() for name in names), strict=True)
    identity = built.identity
    figures = [
        *(
            f"{source} {row} {content.hex()} {prompt.hex()} {chars}"
            for source, row, content, prompt, chars in rows
        ),
        f"{identity.content_digest} content_digest",
        f"{identity.rows_digest} rows_digest",
        f"{identity.rejects_digest} rejects_digest",
    ]
    assert figures == BLOCKS["text"].splitlines()


def test_the_package_arrives_at_the_manifest_and_the_id_of_the_page(built: Manifest) -> None:
    data = BLOCKS["json"].removesuffix("\n").encode("ascii")
    assert (built.folder / "manifest.json").read_bytes() == data
    assert [hashlib.sha256(data).hexdigest()] == ID == [built.id]
    assert parse_identity(data, "FORMAT.md").data == data


@pytest.mark.parametrize("form", [CONTENT, ROWS, REJECTS], ids=lambda form: form.name)
def test_the_columns_of_a_table_are_those_of_the_page(form: TableForm) -> None:
    assert f"| {form.name} | `{form.columns}` | `{form.name}_digest` |" in PAGE


@pytest.mark.parametrize("stage", REASONS)
def test_the_reasons_of_a_stage_are_those_of_the_page(stage: str) -> None:
    (reasons,) = re.findall(rf"^\| `{stage}` \| (.*?) \|", PAGE, re.MULTILINE)
    assert set(re.findall("`([a-z0-9-]+)`", reasons)) - {"rejects"} == set(REASONS[stage])


def test_the_names_of_the_keys_are_those_of_the_page() -> None:
    for name in (manifests.keys.CONTENT_ALGORITHM, manifests.keys.PROMPT_ALGORITHM):
        assert f"| `{name}` |" in PAGE
