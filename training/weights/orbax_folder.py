"""An Orbax checkpoint of Google's own Gemma, as Kaggle ships it under "Flax".

Orbax reads `_METADATA`, which is JSON, and the arrays through TensorStore; one array is read at a time. Nothing is
ever unpickled. A checkpoint from before Orbax wrote `_METADATA` is not recognised.
"""

from collections.abc import Iterator, Mapping
from operator import gt
from pathlib import Path
from typing import Any

import numpy as np
import orbax.checkpoint as ocp

from training.errors import BaseError
from training.weights.names import Array
from training.weights.source import Found, widened

METADATA = "_METADATA"
PREFIX = "transformer/"


class OrbaxFolder:
    """The arrays of a checkpoint, by the steps of their paths joined by slashes, without `transformer/`."""

    def __init__(self, folder: Path) -> None:
        """Raises `BaseError` for a checkpoint whose metadata can't be read, or lays out an array in no sound way."""
        self._folder = folder
        self._checkpointer = ocp.PyTreeCheckpointer()
        self._paths: dict[str, tuple[str, ...]] = {}
        self.found: dict[str, Found] = {}
        for path, array in _arrays(self._metadata()):
            name = "/".join(path).removeprefix(PREFIX)
            self._refuse_bomb(name, array)
            self._paths[name] = path
            self.found[name] = Found(tuple(array.shape), str(np.dtype(array.dtype)))

    def read(self, name: str) -> Array:
        """See `Source.read`."""
        path = self._paths[name]
        arguments = ocp.args.PyTreeRestore(
            item=_nested(path, 0),
            restore_args=_nested(path, ocp.RestoreArgs(restore_type=np.ndarray)),
            partial_restore=True,
        )
        try:
            value = self._checkpointer.restore(self._folder, args=arguments)
        except Exception as error:  # noqa: BLE001 (Orbax and TensorStore raise what they like for a damaged file)
            raise _damaged(f"{name} can't be read", self._folder, error) from None
        for step in path:
            value = value[step]
        if value.shape != self.found[name].shape or str(value.dtype) != self.found[name].kind:
            raise BaseError(
                f"{self._folder}: {name} is {value.dtype} {value.shape}, its metadata says {self.found[name].kind} "
                f"{self.found[name].shape}; download it again"
            )
        return widened(value)

    def _refuse_bomb(self, name: str, array: Any) -> None:
        """A chunk is read whole: one that is larger than its array is none that Orbax wrote."""
        chunk = getattr(array.storage, "chunk_shape", None) or array.shape
        if len(chunk) != len(array.shape) or any(map(gt, chunk, array.shape)):
            raise BaseError(
                f"{self._folder}: {name} of shape {array.shape} is stored in chunks of {chunk}; download it again"
            )

    def _metadata(self) -> Any:  # a tree, as the checkpoint nests it
        try:
            metadata = self._checkpointer.metadata(self._folder).item_metadata
        except Exception as error:  # noqa: BLE001 (see `read`)
            raise _damaged("its metadata can't be read", self._folder, error) from None
        if metadata is None:
            raise BaseError(f"{self._folder}: its metadata can't be read; download it again")
        return metadata.tree


def _arrays(tree: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """The arrays of a nested dictionary, each with its path; what is no array is passed over."""
    if isinstance(tree, Mapping):
        for key, value in tree.items():
            yield from _arrays(value, (*path, str(key)))
    elif getattr(tree, "shape", None) is not None and getattr(tree, "dtype", None) is not None:
        yield path, tree


def _nested(path: tuple[str, ...], leaf: object) -> object:
    for step in reversed(path):
        leaf = {step: leaf}
    return leaf


def _damaged(what: str, folder: Path, error: Exception) -> BaseError:
    reason = " ".join(str(error).split())[:200] or type(error).__name__
    return BaseError(f"{folder}: {what} ({reason}); download it again")
