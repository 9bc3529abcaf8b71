"""Named tensors: drawn from a seed, digested, written and read as safetensors. No JAX here."""

import hashlib
import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import safetensors
import safetensors.numpy

from manifests.disk import replace_file
from training.errors import RunFolderError

Tensor = npt.NDArray[np.float32]
DIGESTED_AT_ONCE = 1 << 24  # values widened to float32, which a whole embedding must not be


def draw_uniform(seed: int, name: str, shape: tuple[int, ...], deviation: float) -> Tensor:
    """A float32 tensor of independent uniform values with mean 0 and the given standard deviation.

    Its bits depend on the arguments alone: Philox4x64-10 (Salmon et al., SC 2011) with the first 16 bytes of
    SHA-256("tensor/1" ‖ u64(seed) ‖ name) as key; the upper 24 bits of each 64-bit word, over 2^24, less one half,
    times deviation × √12, rounded to float32 once. Of NumPy's generator only the raw words are used, which it
    promises across versions.
    """
    key = hashlib.sha256(b"tensor/1" + seed.to_bytes(8, "little") + name.encode()).digest()[:16]
    generator = np.random.Philox(key=int.from_bytes(key, "little"))
    words = generator.random_raw(math.prod(shape)) >> np.uint64(40)
    centred = words.astype(np.float64) / 2**24 - 0.5
    return (centred * (deviation * math.sqrt(12))).astype(np.float32).reshape(shape)


class Digest:
    """SHA-256 over tensors added in byte order of their names.

    Each as u64(length of name) ‖ name in UTF-8 ‖ u64(number of dimensions) ‖ u64 of each dimension ‖ the values in
    float32, row by row; all integers and values little-endian.
    """

    def __init__(self) -> None:
        self._digest = hashlib.sha256()

    def add(self, name: str, tensor: npt.NDArray[Any]) -> None:
        """Take in the next tensor, of any type that float32 holds."""
        encoded = name.encode()
        numbers = (tensor.ndim, *tensor.shape)
        self._digest.update(len(encoded).to_bytes(8, "little") + encoded)
        self._digest.update(b"".join(number.to_bytes(8, "little") for number in numbers))
        rows = np.atleast_1d(tensor)
        step = max(1, DIGESTED_AT_ONCE // max(1, math.prod(rows.shape[1:])))
        for start in range(0, len(rows), step):
            self._digest.update(np.ascontiguousarray(rows[start : start + step], dtype="<f4").data)

    def hex(self) -> str:
        """64 hex digits."""
        return self._digest.hexdigest()


def tensors_digest(tensors: Mapping[str, npt.NDArray[Any]]) -> str:
    """The `Digest` of named tensors, in hex."""
    digest = Digest()
    for name in sorted(tensors, key=str.encode):
        digest.add(name, tensors[name])
    return digest.hex()


def write_tensors(path: Path, tensors: Mapping[str, Tensor], metadata: Mapping[str, str]) -> None:
    """Write a safetensors file, atomically: float32, names and metadata sorted, so equal tensors give equal bytes."""
    header: dict[str, object] = {"__metadata__": dict(sorted(metadata.items()))}
    parts, end = list[bytes](), 0
    for name in sorted(tensors, key=str.encode):
        data = np.ascontiguousarray(tensors[name], dtype="<f4").tobytes()
        header[name] = {
            "dtype": "F32",
            "shape": list(tensors[name].shape),
            "data_offsets": [end, end + len(data)],
        }
        parts.append(data)
        end += len(data)
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    path.parent.mkdir(exist_ok=True)
    replace_file(path, b"".join([len(text).to_bytes(8, "little"), text, *parts]))


def read_tensors(path: Path) -> dict[str, Tensor]:
    """The tensors of a safetensors file. Raises `RunFolderError` when it can't be read as one."""
    try:
        tensors: dict[str, Tensor] = safetensors.numpy.load_file(path)
    except (OSError, safetensors.SafetensorError) as error:
        raise RunFolderError(f"{path}: can't be read as an adapter ({error})") from error
    return tensors
