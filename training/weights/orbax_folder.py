"""An Orbax checkpoint of Google's own Gemma, as Kaggle ships it under "Flax".

What Orbax writes about the tree has changed over the years (`checkpoint`, `_METADATA`, both); the arrays have not: zarr
in folders of their own, or bundled in an OCDBT database. So the arrays are listed and read as such, one at a time,
through TensorStore. Data that is missing is an error, never zeros. Nothing is ever unpickled.
"""

from collections.abc import Mapping
from operator import gt
from pathlib import Path
from typing import Any

import tensorstore

from training.errors import BaseError
from training.weights.names import Array
from training.weights.source import Found, widened

BUNDLE = "manifest.ocdbt"
SIGNS = (BUNDLE, "_METADATA", "checkpoint")
PREFIX = "transformer/"
FORMATS = {"/.zarray": "zarr", "/zarr.json": "zarr3"}


def checkpoint_in(folder: Path) -> Path | None:
    """The checkpoint: the folder, or its only subfolder that is one, as Kaggle puts it next to the tokenizer."""
    if _is_checkpoint(folder):
        return folder
    below = [path for path in folder.iterdir() if path.is_dir() and _is_checkpoint(path)]
    return below[0] if len(below) == 1 else None


class OrbaxFolder:
    """The arrays of a checkpoint, by the steps of their paths joined by slashes, without `transformer/`."""

    def __init__(self, folder: Path) -> None:
        """Raises `BaseError` for a checkpoint whose arrays can't be listed, or lie in no sound way."""
        self._folder = folder
        self.found: dict[str, Found] = {}
        self._arrays: dict[str, Any] = {}
        for path, form in self._listed():
            name = path.replace(".", "/").removeprefix(PREFIX)
            array = self._opened(path, form)
            chunk = array.chunk_layout.read_chunk.shape or ()
            # A chunk is read whole: one that is larger than its array is none that Orbax wrote.
            if any(map(gt, chunk, array.shape)):
                raise BaseError(
                    f"{folder}: {name!r} of shape {array.shape} is stored in chunks of {chunk}; download it again"
                )
            self.found[name] = Found(tuple(array.shape), array.dtype.name)
            self._arrays[name] = array

    def read(self, name: str) -> Array:
        """See `Source.read`."""
        try:
            values: Array = self._arrays[name].read().result()
        except ValueError as error:
            raise self._damaged(repr(name), error) from None
        return widened(values)

    def _listed(self) -> list[tuple[str, str]]:
        """The path of each array, and its format."""
        try:
            keys = tensorstore.KvStore.open(self._store("")).result().list().result()
        except ValueError as error:
            raise self._damaged("the list of its arrays", error) from None
        paths = [key.decode(errors="replace") for key in sorted(keys)]
        return [
            (path.removesuffix(ending), form)
            for path in paths
            for ending, form in FORMATS.items()
            if path.endswith(ending)
        ]

    def _opened(self, path: str, form: str) -> Any:
        described = {"driver": form, "kvstore": self._store(f"{path}/"), "fill_missing_data_reads": False}
        try:
            return tensorstore.open(described, open=True, read=True).result()
        except ValueError as error:
            raise self._damaged(repr(path), error) from None

    def _store(self, path: str) -> Mapping[str, object]:
        files = {"driver": "file", "path": f"{self._folder.absolute()}/"}
        if (self._folder / BUNDLE).is_file():
            return {"driver": "ocdbt", "base": files, "path": path}
        return {**files, "path": f"{files['path']}{path}"}

    def _damaged(self, what: str, error: Exception) -> BaseError:
        reason = " ".join(str(error).split())[:300]
        return BaseError(f"{self._folder}: {what} can't be read ({reason}); download it again")


def _is_checkpoint(folder: Path) -> bool:
    return any((folder / sign).is_file() for sign in SIGNS)
