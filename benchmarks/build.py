"""How long a build takes beside merely reading the same columns, and beside the script people write instead.

    python benchmarks/build.py [--data DIR] [--rounds N]

All three run on the same files in one process, in turn, `--rounds` times; medians are reported, and the ratios are
what counts. With `--data` (a folder with flan-cot, star-1 and game24-r1) on 36,081 real rows, else on the demo sources.

- floor: polars or the json module reads the columns that the recipe names, and does nothing with them;
- script: what is usually written: load into lists of dictionaries, split the tags, sample with `random`, drop repeated
  triples with a set, write parquet. No manifest, no ledger, no rejects, no digests, no check of what was written;
- build: `curation build`, publish included, and then `regenerate` of the deleted dataset.
"""

import argparse
import json
import platform
import random
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable, Mapping
from importlib.metadata import version
from pathlib import Path

import polars as pl

from curation.build import build
from curation.recipe import Recipe
from curation.recipe_reader import find_recipe, parse_recipe, read_recipe
from curation.regenerate import regenerate
from manifests.store import Store

Rows = list[tuple[str, str, str]]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="Build time beside reading alone and beside a plain script.")
    parser.add_argument("--data", type=Path, help="a folder with flan-cot, star-1 and game24-r1")
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    recipe = real_recipe(options.data) if options.data else read_recipe(find_recipe("demo-session1"))
    files = [path for source in recipe.sources for path in _files(recipe, source.files or "")]
    size = sum(path.stat().st_size for path in files)
    print(f"{recipe.name}: {len(files)} files, {size / 1e6:.1f} MB, {options.rounds} rounds, medians")
    print(f"python {platform.python_version()}, polars {version('polars')}, pyarrow {version('pyarrow')}")
    with tempfile.TemporaryDirectory() as folder:
        steps = {
            "floor": lambda: read_only(recipe),
            "script": lambda: plain_script(recipe, Path(folder)),
            "build": lambda: build_once(recipe, Path(folder)),
            "regenerate": lambda: regenerate_once(recipe, Path(folder)),
        }
        medians = measure(steps, options.rounds)
    for name, seconds in medians.items():
        ratios = (
            f"{seconds / medians['floor']:.2f} × the floor, {seconds / medians['script']:.2f} × the script"
        )
        print(f"{name:<12} {seconds:8.3f} s   {ratios}")
    if any(source.language for source in recipe.sources):
        print("the build also detects languages, which neither the floor nor the script does")


def measure(steps: Mapping[str, Callable[[], object]], rounds: int) -> dict[str, float]:
    """Run the steps in turn, `rounds` times; the median seconds of each."""
    seconds: dict[str, list[float]] = {name: [] for name in steps}
    for _ in range(rounds):
        for name, step in steps.items():
            started = time.perf_counter()
            step()
            seconds[name].append(time.perf_counter() - started)
    return {name: statistics.median(taken) for name, taken in seconds.items()}


def real_recipe(data: Path) -> Recipe:
    """All rows of three real sources, a reservoir of the first."""
    tags = {"reasoning": ["<think>", "</think>"], "answer": ["<answer>", "</answer>"]}
    sources: list[dict[str, object]] = [
        {
            "name": "flan-cot",
            "files": str(data / "flan-cot/flan/v2/cot_data/*.tsv"),
            "header": False,
            "columns": {"prompt": 1, "answer": 2, "reasoning": 3},
            "take": {"reservoir": 10_000, "seed": 42},
        },
        {
            "name": "star-1",
            "files": str(data / "star-1/data/STAR-1.json"),
            "columns": {"prompt": "question", "response": "response"},
        },
        {
            "name": "game24",
            "files": str(data / "game24-r1/data/24game_sft/train.parquet"),
            "columns": {"prompt": "prompt", "response": "completion"},
            "tags": tags,
        },
    ]
    return parse_recipe({"name": "real", "seed": 42, "source": sources}, Path(), "benchmark")


def read_only(recipe: Recipe) -> int:
    """The floor: the rows, read and let go."""
    return sum(len(_load(recipe, number)) for number in range(len(recipe.sources)))


def plain_script(recipe: Recipe, folder: Path) -> int:
    """The usual script."""
    mix: Rows = []
    seen: set[tuple[str, str, str]] = set()
    for number, source in enumerate(recipe.sources):
        traces = []
        for values in _load(recipe, number):
            texts = [value.strip() if isinstance(value, str) else "" for value in values]
            trace = (
                (texts[0], *_split(texts[1], source.tags)) if source.tags else (texts[0], texts[1], texts[2])
            )
            if all(trace) and trace not in seen:
                seen.add(trace)
                traces.append(trace)
        if source.take.count is not None:
            traces = random.Random(source.take.seed).sample(traces, source.take.count)
        mix += traces
    random.Random(recipe.seed).shuffle(mix)
    frame = pl.DataFrame(mix, schema=["prompt", "reasoning", "answer"], orient="row")
    frame.write_parquet(folder / "script.parquet", compression="zstd")
    return len(mix)


def build_once(recipe: Recipe, folder: Path) -> int:
    """Ours, into a new store."""
    shutil.rmtree(folder / "store", ignore_errors=True)
    return build(recipe, Store.open(folder / "store")).manifest.identity.rows


def regenerate_once(recipe: Recipe, folder: Path) -> int:
    """The dataset again, after it was deleted."""
    shutil.rmtree(folder / "store" / "datasets")
    return regenerate(Store.open(folder / "store"), recipe.name, {}).manifest.identity.rows


def _files(recipe: Recipe, pattern: str) -> list[Path]:
    path = Path(pattern)
    return sorted((recipe.folder / path).parent.glob(path.name))


def _load(recipe: Recipe, number: int) -> list[tuple[object, ...]]:
    source = recipe.sources[number]
    names = source.columns.chosen
    rows: list[tuple[object, ...]] = []
    for path in _files(recipe, source.files or ""):
        match path.suffix:
            case ".parquet":
                rows += pl.read_parquet(path, columns=[str(name) for name in names]).rows()
            case ".json":
                data = json.loads(path.read_bytes())
                values = data if isinstance(data, list) else data.values()
                rows += [tuple(value.get(name) for name in names) for value in values]
            case ".jsonl":
                lines = path.read_text("utf-8", "replace").splitlines()
                rows += [
                    tuple(json.loads(line).get(name) for name in names) for line in lines if line.strip()
                ]
            case ".tsv":
                lines = path.read_text("utf-8", "replace").split("\n")
                rows += [tuple(line.split("\t")[int(name) - 1] for name in names) for line in lines if line]
            case _:
                rows += pl.read_csv(path, columns=[str(name) for name in names], encoding="utf8-lossy").rows()
    first, last = source.rows or (1, len(rows))
    return rows[first - 1 : last]


def _split(response: str, tags: object) -> tuple[str, str]:
    start, end = getattr(tags, "reasoning", None) or ("<think>", "</think>")
    reasoning, _, answer = response.partition(start)[2].partition(end)
    for tag in getattr(tags, "answer", None) or ():
        answer = answer.replace(tag, "")
    return reasoning.strip(), answer.strip()


if __name__ == "__main__":
    main()
