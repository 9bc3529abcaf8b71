"""What a soak works on: small sources, recipes of every kind, and what a build of each must give.

Every recipe is built once, undisturbed, into a store of its own: its files are what the store under fire is held
against. A name with several recipes gets a new version whenever another of them is built than the time before.
"""

import csv
import json
import random
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from curation.build import build
from curation.recipe_reader import read_recipe
from manifests.audit import audit, audit_json
from manifests.store import Store

COLUMNS = ("prompt", "reasoning", "answer")
COUNTS = ("same_row", "same_content", "same_prompt", "near_duplicate")

_WORDS = [
    first + second
    for first in ("ka", "mo", "ri", "tu", "se", "lan", "vor")
    for second in ("lo", "na", "pi", "dre", "ß")
]

_SOURCES = {
    "one": 'files = "one.jsonl"',
    "two": 'files = "two.csv"',
    "three": 'files = "three/*.parquet"',
}
_RECIPES = {
    "plain": ("plain", "", {"one": ""}),
    "drawn": ("drawn", "", {"two": "take = { reservoir = 500 }", "three": "take = { hash = 600 }"}),
    "near": ("near", "sketch = true", {"one": "near = { threshold = 0.8 }", "three": "rows = [301, 900]"}),
    "raw": ("raw", 'order = "sequential"', {"two": 'draw = "raw"\ntake = { shuffle = 400 }'}),
    "short": ("short", "", {"one": "length = { max_chars = 400 }", "two": 'language = { by = "script" }'}),
    "ahead": ("ahead", "", {"two": "", "three": "", "[disjoint]": 'from = ["plain"]'}),
    "vary-1": ("vary", "seed = 1", {"two": "take = { shuffle = 300 }"}),
    "vary-2": ("vary", "seed = 2", {"two": "take = { shuffle = 300 }"}),
}
NEEDS = {"ahead": "plain"}
"""Recipes that another one's name must stand in the store for."""


@dataclass(frozen=True)
class World:
    """The recipes by the names of their files, the store of their undisturbed builds, and what came of them."""

    sources: Path
    recipes: dict[str, Path]
    names: dict[str, str]
    clean: Store
    ids: dict[str, str]
    audits: dict[tuple[str, str], tuple[object, ...]]

    def allowed(self, name: str) -> set[str]:
        """The ids that a version of a name can have."""
        return {self.ids[recipe] for recipe, named in self.names.items() if named == name}


def make_world(folder: Path) -> World:
    """Write sources and recipes into a folder, build each recipe and audit every two."""
    sources, clean = folder / "sources", Store(folder / "clean", behind=())
    _write_sources(sources)
    recipes = {recipe: _write_recipe(sources, recipe) for recipe in _RECIPES}
    ids = {recipe: build(read_recipe(path), clean).manifest.id for recipe, path in recipes.items()}
    audits = {}
    for pair in combinations(ids.values(), 2):
        counted = audit_json(audit([clean.manifest(one) for one in pair]))
        audits[pair] = tuple(counted[count] for count in COUNTS)
    return World(
        sources, recipes, {recipe: name for recipe, (name, _, _) in _RECIPES.items()}, clean, ids, audits
    )


def _write_recipe(folder: Path, recipe: str) -> Path:
    name, top, parts = _RECIPES[recipe]
    lines = [f'name = "{name}"', top]
    for part, keys in parts.items():
        if part in _SOURCES:
            columns = '{ prompt = "prompt", reasoning = "reasoning", answer = "answer" }'
            lines += ["[[source]]", f'name = "{part}"', _SOURCES[part], f"columns = {columns}", keys]
        else:
            lines += [part, keys]
    path = folder / f"{recipe}.toml"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def _write_sources(folder: Path) -> None:
    draw = random.Random(20)
    (folder / "three").mkdir(parents=True)
    one, two, three = (_traces(draw, rows) for rows in (1_200, 1_500, 1_200))
    two[100:160] = one[:60]  # what two sources share
    with (folder / "one.jsonl").open("w", encoding="utf-8") as file:
        for trace in one:
            file.write(json.dumps(dict(zip(COLUMNS, trace, strict=True)), ensure_ascii=False) + "\n")
    with (folder / "two.csv").open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([COLUMNS, *two])
    for number in range(3):
        part = three[400 * number : 400 * (number + 1)]
        columns = dict(zip(COLUMNS, map(list, zip(*part, strict=True)), strict=True))
        pq.write_table(pa.table(columns), folder / "three" / f"{number}.parquet", row_group_size=150)


def _traces(draw: random.Random, rows: int) -> list[tuple[str, str, str]]:
    """Traces of random words. Some have no answer, some are repeated, some nearly."""
    made: list[tuple[str, str, str]] = []
    for number in range(rows):
        prompt, reasoning, answer = (
            " ".join(draw.choices(_WORDS, k=words)) for words in (8, draw.randint(20, 90), 5)
        )
        match number % 50:
            case 7:
                answer = ""
            case 21:
                prompt, reasoning, answer = made[number - 2]
            case 33:
                prompt, reasoning, answer = made[number - 3]
                reasoning += " " + draw.choice(_WORDS)
        made.append((prompt, reasoning, answer))
    return made
