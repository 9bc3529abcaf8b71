"""A merged model as an Orbax checkpoint, in the layout of Google's own, as Kaggle ships them and Tunix loads them."""

import os
import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import jax
import numpy as np
import orbax.checkpoint as ocp

from manifests.errors import StoreError
from training.models import GEMMA2, Shape
from training.weights.kaggle_names import kaggle_names
from training.weights.names import Array

REASON_LENGTH = 200
STILL_SECONDS, LONGEST_WAIT = 0.2, 10.0

Tree = dict[str, dict[str, Any]]


def kaggle_tree(shape: Shape, tensors: Iterable[tuple[str, Array]]) -> Tree:
    """The network's tensors in Google's layout: modules by path, each with its parameters by name.

    Gate and up come to lie in one tensor, in Gemma-2 as [2, inputs, outputs], in Gemma-3 as [2, outputs, inputs].
    """
    tree: Tree = {}
    halves: dict[str, dict[str, Array]] = {}
    for name, tensor in tensors:
        [path] = kaggle_names(shape, name)
        module, _, parameter = f"transformer/{path}".rpartition("/")
        if not module.endswith("gating_einsum"):
            tree.setdefault(module, {})[parameter] = tensor
            continue
        pair = halves.setdefault(module, {})
        pair["gate" if "gate_proj" in name else "up"] = tensor if shape.family == GEMMA2 else tensor.T
        if len(pair) == len(("gate", "up")):
            tree[module] = {parameter: np.stack([pair["gate"], pair["up"]])}
            del halves[module]
    return tree


def write_orbax(folder: Path, tree: Tree, metadata: Mapping[str, str]) -> None:
    """Write a new Orbax checkpoint, with `metadata` as its custom metadata.

    Raises `StoreError` (of manifests) when it can't be written.
    """
    arrays = jax.tree.map(np.ascontiguousarray, tree)
    try:
        with ocp.Checkpointer(ocp.StandardCheckpointHandler()) as checkpointer:
            checkpointer.save(
                folder.absolute(), args=ocp.args.StandardSave(arrays), custom_metadata=dict(metadata)
            )
    except Exception as error:  # Orbax has no error of its own for a full disk
        # "Error writing … in … at …: Failed writing: …: No space left on device": the reason comes last.
        reason = " ".join(str(error).rpartition('": ')[2].split())[:REASON_LENGTH] or type(error).__name__
        _await_stillness(folder.parent)
        raise StoreError(
            f"the checkpoint can't be written ({reason}); nothing is half published: mend this, or choose another "
            "place with --out, and run the same command again"
        ) from error


def _await_stillness(folder: Path) -> None:
    """Wait until nothing is written below a folder any more, or ten seconds.

    When one write fails, Orbax does not wait for the others; they would put back what is removed meanwhile.
    """
    seen: dict[Path, int] | None = None
    for _ in range(round(LONGEST_WAIT / STILL_SECONDS)):
        now: dict[Path, int] = {}
        for inner, _folders, files in os.walk(folder):
            for path in (Path(inner, name) for name in files):
                with suppress(FileNotFoundError):
                    now[path] = path.stat().st_mtime_ns
        if now == seen:
            break
        seen = now
        time.sleep(STILL_SECONDS)
