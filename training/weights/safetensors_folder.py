"""A folder of safetensors: one file, or several, with or without the index that says which tensor is in which.

The library maps the files into memory and checks their headers (at most 100 MB, no holes, nothing beyond the end);
a tensor is copied when it is read. Nothing in the format is ever executed.
"""

import json
from pathlib import Path
from typing import Any

import ml_dtypes  # noqa: F401 (gives NumPy the type bfloat16, which the library asks for by name)
import safetensors

from training.errors import BaseError
from training.weights.names import Array
from training.weights.source import Found, widened

INDEX = "model.safetensors.index.json"
MOST_INDEX_BYTES = 100_000_000
PREFIXES = ("language_model.model.", "model.language_model.")  # of the decoder in a checkpoint that also sees
KINDS = {"F32": "float32", "BF16": "bfloat16", "F16": "float16"}


class SafetensorsFolder:
    """The tensors of the safetensors files of a folder. `files` are all there are of them, in order."""

    def __init__(self, folder: Path, files: list[Path]) -> None:
        """Raises `BaseError` for a damaged file or index, or a tensor that two files hold."""
        index = folder / INDEX
        places = _indexed(folder, index) if index.is_file() else None
        self._files: dict[str, tuple[Any, str]] = {}
        self.found: dict[str, Found] = {}
        for file in files if places is None else sorted(set(places.values())):
            opened = _opened(file)
            for written in opened.keys():  # noqa: SIM118 (it is no dictionary)
                if places is not None and places.get(written) != file:
                    continue
                name = _text_name(written)
                if name in self.found:
                    raise BaseError(
                        f"{file}: holds {written!r}, which the folder holds twice; remove what does not belong in it"
                    )
                tensor = opened.get_slice(written)
                kind = tensor.get_dtype()
                self.found[name] = Found(tuple(tensor.get_shape()), KINDS.get(kind, kind))
                self._files[name] = opened, written

    def read(self, name: str) -> Array:
        """See `Source.read`."""
        opened, written = self._files[name]
        tensor: Array = opened.get_tensor(written)
        return widened(tensor)


def _text_name(name: str) -> str:
    for prefix in PREFIXES:
        if name.startswith(prefix):
            return f"model.{name.removeprefix(prefix)}"
    return name


def _opened(file: Path) -> Any:
    try:
        return safetensors.safe_open(file, framework="numpy")  # type: ignore[no-untyped-call]
    except (OSError, safetensors.SafetensorError) as error:
        reason = " ".join(str(error).split())
        raise BaseError(f"{file}: not a whole safetensors file ({reason}); download it again") from None


def _indexed(folder: Path, index: Path) -> dict[str, Path]:
    """The file of each tensor."""
    try:
        if index.stat().st_size > MOST_INDEX_BYTES:
            raise BaseError(
                f"{index}: larger than {MOST_INDEX_BYTES:,} bytes, so no index; download it again"
            )
        content = json.loads(index.read_bytes())
        places = content["weight_map"]
        names = set(places.values())
    except (OSError, ValueError, RecursionError, KeyError, TypeError, AttributeError) as error:
        reason = " ".join(str(error).split())
        raise BaseError(f"{index}: not an index of safetensors ({reason}); download it again") from None
    for name in names:
        if not isinstance(name, str) or Path(name).name != name or not name.endswith(".safetensors"):
            raise BaseError(
                f"{index}: names {name!r}, expected a .safetensors file next to the index; download it again"
            )
        if not (folder / name).is_file():
            raise BaseError(f"{folder / name}: named in {INDEX}, but not there; download it again")
    return {tensor: folder / name for tensor, name in places.items()}
