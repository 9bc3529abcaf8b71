"""The recipes that ship with the project."""

from pathlib import Path

import pytest

from curation.recipe_reader import SHIPPED, find_recipe, read_recipe
from tests.curation.helpers import left_behind, run_command

NAMES = sorted(path.stem for path in SHIPPED.glob("*.toml"))


def test_the_sessions_and_the_demo_ship() -> None:
    assert {"session1", "session2", "demo-session1", "demo-session2"} <= set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_a_shipped_recipe_is_found_by_its_name_and_can_be_read(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / name).write_text("not a recipe", encoding="utf-8")
    path = find_recipe(name)
    assert path == SHIPPED / f"{name}.toml"
    assert read_recipe(path).name == name
    assert find_recipe(f"./{name}") == Path(name)


@pytest.mark.parametrize("name", [name for name in NAMES if not name.startswith("demo-")])
def test_a_recipe_of_hub_sources_that_is_not_pinned_is_refused_with_the_command_that_pins_it(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    recipe = read_recipe(find_recipe(name))
    assert all(source.hub for source in recipe.sources)
    # A build of session2 asks for session1's manifest first.
    flags = ["--dry-run"] if recipe.disjoint else []
    outcome = run_command(capsys, "build", name, "--store", tmp_path / "store", *flags)
    assert outcome.status == 2
    assert (
        "expected a commit (40 hex digits), none is set; run `curation pin RECIPE --out FILE`"
        in outcome.error
    )
    assert left_behind(tmp_path / "store") == []
