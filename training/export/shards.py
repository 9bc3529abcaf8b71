"""Safetensors files of a whole model, written tensor by tensor: no more than one of them is in memory.

The format is that of the safetensors project; above a size a model is spread over several files, with an index, as
transformers reads it.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

SHARD_BYTES = 5_000_000_000
WEIGHTS = "model.safetensors"
INDEX = "model.safetensors.index.json"
KINDS = {"float32": ("F32", 4), "bfloat16": ("BF16", 2)}  # name and bytes of a value
ALIGNMENT = 8  # of the data of a file, in bytes


class Planned(NamedTuple):
    """A tensor before it is there. `kind` is one of `KINDS`."""

    name: str
    kind: str
    shape: tuple[int, ...]

    @property
    def size(self) -> int:
        """Bytes."""
        return KINDS[self.kind][1] * int(np.prod(self.shape, dtype=np.int64))


def plan_files(tensors: Iterable[Planned], most: int = SHARD_BYTES) -> dict[str, list[Planned]]:
    """The files of a model, and what is in each, in order: a new one where the next tensor would bring it over `most`.

    A tensor that is larger than `most` has a file of its own.
    """
    shards: list[list[Planned]] = [[]]
    used = 0
    for tensor in tensors:
        if shards[-1] and used + tensor.size > most:
            shards.append([])
            used = 0
        shards[-1].append(tensor)
        used += tensor.size
    if len(shards) == 1:
        return {WEIGHTS: shards[0]}
    return {
        f"model-{number:05}-of-{len(shards):05}.safetensors": shard for number, shard in enumerate(shards, 1)
    }


def write_shards(
    folder: Path,
    files: Mapping[str, Sequence[Planned]],
    tensors: Iterable[tuple[str, npt.NDArray[Any]]],
    metadata: Mapping[str, str],
) -> None:
    """Write `tensors`, which come in the order of `files`, and the index where there is more than one file.

    Each file's header carries `metadata`. Raises `ValueError` for a tensor that is not the one planned.
    """
    coming = iter(tensors)
    for name, planned in files.items():
        with (folder / name).open("wb") as file:
            file.write(_header(planned, metadata))
            for wanted, (given, values) in zip(planned, islice(coming, len(planned)), strict=True):
                observed = Planned(given, values.dtype.name, values.shape)
                if observed != wanted:
                    raise ValueError(f"{folder / name}: {observed}, planned {wanted}")
                file.write(np.ascontiguousarray(values).reshape(-1).view(np.uint8).data)
    if len(files) > 1:
        weight_map = {tensor.name: name for name, planned in files.items() for tensor in planned}
        total = sum(tensor.size for planned in files.values() for tensor in planned)
        index = {
            "metadata": {"total_size": total, **metadata},
            "weight_map": dict(sorted(weight_map.items())),
        }
        (folder / INDEX).write_text(json.dumps(index, indent=2) + "\n", encoding="utf-8")


def _header(planned: Sequence[Planned], metadata: Mapping[str, str]) -> bytes:
    """The length of the header, the header, and spaces up to where the data begins."""
    header: dict[str, object] = {"__metadata__": dict(sorted(metadata.items()))}
    end = 0
    for tensor in planned:
        start, end = end, end + tensor.size
        header[tensor.name] = {
            "dtype": KINDS[tensor.kind][0],
            "shape": list(tensor.shape),
            "data_offsets": [start, end],
        }
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % ALIGNMENT)
    return len(text).to_bytes(8, "little") + text
