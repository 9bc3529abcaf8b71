"""Manifests for the tests of training, built from small files the way a person's are."""

import json
import random
import shutil
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import jax
import numpy as np
from jax.sharding import Mesh

from curation.build import build
from curation.recipe_reader import parse_recipe
from manifests.keys import Trace
from manifests.manifest import Manifest
from manifests.store import Store
from training.loop.computation import DENSE, Computation
from training.models import GEMMA3, TINY, Shape
from training.network.gemma import DrawnBase, Network, adapter_tensors, build_network, load_adapter
from training.network.sharding import AXIS
from training.network.tensors import draw_uniform
from training.request import RunRequest
from training.runs.folder import Record, read_record, write_record
from training.runs.outcome import RESULTS

# A Gemma-3 small enough for tests, deep enough to have a global layer among its local ones.
TINY_GEMMA3 = Shape(
    family=GEMMA3,
    layers=7,
    embed=64,
    hidden=128,
    heads=4,
    key_value_heads=1,
    head=32,
    sliding_window=96,
    attention_softcap=None,
    logit_softcap=None,
    global_base=1_000_000,
)
Requests = Callable[..., RunRequest]
COLUMNS = {"prompt": "prompt", "reasoning": "reasoning", "answer": "answer"}


def write_traces(path: Path, traces: Sequence[Trace]) -> Path:
    """Write traces as the lines of a JSONL file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(trace._asdict()) + "\n" for trace in traces), encoding="utf-8")
    return path


def publish(store: Store, name: str, path: Path, rows: tuple[int, int]) -> Manifest:
    """Build and publish the mix `name`: these rows of a JSONL file, as they stand there."""
    source = {
        "name": "sums",
        "files": str(path),
        "columns": COLUMNS,
        "rows": list(rows),
        "duplicates": "keep",
    }
    table = {"name": name, "order": "sequential", "source": [source]}
    build(parse_recipe(table, path.parent, "test"), store)
    return store.manifest(name)


def sums(count: int, seed: int = 0) -> list[Trace]:
    """Small traces of different lengths that can be learnt: sums worked out step by step."""
    draw = random.Random(seed)
    traces = []
    for number in range(count):
        values = [draw.randint(1, 99) for _ in range(draw.randint(2, 7))]
        total, steps = values[0], []
        for value in values[1:]:
            steps.append(f"{total} plus {value} gives {total + value}.")
            total += value
        prompt = f"Question {seed}-{number}: what is {' plus '.join(map(str, values))}?"
        traces.append(Trace(prompt, "Let me add them one by one. " + " ".join(steps), f"The sum is {total}."))
    return traces


def computation(micro_batches: int = 1, precision: str = "float32", attention: str = DENSE) -> Computation:
    """How this process's first device computes."""
    return Computation(Mesh(np.asarray(jax.devices()[:1]), (AXIS,)), micro_batches, precision, attention)


def record_of(run: Path) -> Record:
    return read_record(run)


def files_below(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def unfinished(run: Path, out: Path, **changed: object) -> Path:
    """A copy of a run as it stands when it is killed behind its last checkpoint, before its record."""
    shutil.copytree(run, out)
    shutil.rmtree(out / "adapter")
    record = {key: value for key, value in record_of(run).items() if key not in RESULTS}
    sessions = [*record["sessions"][:-1], {**record["sessions"][-1], "to": None, "ended": None}]
    write_record(out, {**record, "status": "running", "sessions": sessions, **changed})
    return out


def drawn_network(
    shape: Shape, vocabulary: int = 512, *, trained: bool = True, **changed: object
) -> tuple[Network, str]:
    """A network with a drawn base, and its digest; `trained`: with B drawn too, as if its adapter had learnt."""
    settings = replace(TINY.defaults, **{"rank": 4, "alpha": 4.0, "seed": 1, **changed})  # type: ignore[arg-type]
    network, digest = build_network(shape, DrawnBase(42, vocabulary), settings)
    if trained:
        start = adapter_tensors(network)
        load_adapter(network, {name: draw_uniform(3, name, t.shape, 0.2) for name, t in start.items()})
    return network, digest
