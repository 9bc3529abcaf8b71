"""A process that lives long and calls the library, as a server would: its handles, threads and memory are watched.

It reads a line for each round (JSON: store, recipes, clean store's ids, a folder for itself) and answers with one: what
went wrong, and what it looks like afterwards.
"""

import json
import shutil
import sys
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from benchmarks.soaking.leaks import sample
from curation.build import build
from curation.errors import CurationError
from curation.recipe_reader import read_recipe
from curation.regenerate import regenerate
from manifests.audit import audit
from manifests.diagnosis.flow import verify
from manifests.store import Store

Round = Mapping[str, Any]


def one_round(asked: Round) -> list[str]:
    """Build, regenerate elsewhere, verify, audit, and a build that fails; what went wrong."""
    store, wrong = Store(Path(asked["store"]), behind=()), []
    ids = []
    for recipe, identifier in asked["recipes"].items():
        built = build(read_recipe(Path(recipe)), store, workers=asked["workers"]).manifest
        ids.append(built.id)
        if built.id != identifier:
            wrong.append(f"build of {recipe}: {built.id}, expected {identifier}")
    out = Path(asked["folder"]) / "regenerated"
    regenerate(store, ids[0], {}, out, workers=asked["workers"])
    shutil.rmtree(out)
    outcome = verify(store, ids[0], dataset=True, deep=asked["deep"])
    wrong += [f"verify of {ids[0]}: {fault}" for fault in outcome.faults]
    if len(set(ids)) > 1:
        audit([store.manifest(identifier) for identifier in dict.fromkeys(ids)])
    try:
        build(read_recipe(Path(asked["failing"])), store, workers=asked["workers"])
        wrong.append("a build that must fail did not")
    except CurationError:
        pass
    return wrong


def serve(work: Callable[[Round], list[str]] = one_round) -> None:
    """Answer every line until the input ends."""
    warnings.simplefilter("error", ResourceWarning)
    for line in sys.stdin:
        try:
            wrong = work(json.loads(line))
        except Exception as error:  # noqa: BLE001 - whatever it is, it is told, and the process lives on
            wrong = [f"{type(error).__name__}: {error}"]
        print(json.dumps({"wrong": wrong, **sample()}), flush=True)


if __name__ == "__main__":
    serve()
