"""Recipes as TOML text, for the tests of the recipe reader."""

from pathlib import Path

import pytest

from curation.errors import RecipeError
from curation.recipe import Recipe
from curation.recipe_reader import read_recipe
from tests.curation.helpers import message_of

SOURCE = {
    "name": '"one"',
    "files": '"absent/*.jsonl"',  # nothing is there: whatever is refused here is refused before a file is sought
    "columns": '{ prompt = "question", response = "output" }',
}
DISJOINT = {"from": '["session1"]'}
COMMIT = "0123456789abcdef0123456789abcdef01234567"


Keys = dict[str, str]  # keys and their values as TOML texts


def write(
    folder: Path,
    top: Keys | None = None,
    source: Keys | None = None,
    disjoint: Keys | None = None,
    after: str = "",
) -> Path:
    """A recipe of one source with these keys; a key whose text is "" is left out."""
    text = [*_lines({"name": '"mix"', **(top or {})}), "[[source]]", *_lines({**SOURCE, **(source or {})})]
    if disjoint is not None:
        text += ["[disjoint]", *_lines({**DISJOINT, **disjoint})]
    path = folder / "recipe.toml"
    path.write_text("\n".join([*text, after, ""]), encoding="utf-8")
    return path


def _lines(keys: Keys) -> list[str]:
    return [f"{key} = {value}" for key, value in keys.items() if value]


def read(
    folder: Path, top: Keys | None = None, source: Keys | None = None, disjoint: Keys | None = None
) -> Recipe:
    return read_recipe(write(folder, top, source, disjoint))


def refusal(path: Path) -> str:
    """What a recipe is refused with: one line that begins with its path."""
    with pytest.raises(RecipeError) as raised:
        read_recipe(path)
    message = message_of(raised)
    assert message.startswith(f"{path}: ")
    return message.removeprefix(f"{path}: ")
