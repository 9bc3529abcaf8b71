"""What drawn, digested and stored tensors promise: the same bits everywhere."""

import hashlib
import struct
from pathlib import Path

import numpy as np
import pytest
import safetensors

from training.errors import RunFolderError
from training.network.tensors import draw_uniform, read_tensors, tensors_digest, write_tensors

TENSORS = {
    "b": np.arange(6, dtype=np.float32).reshape(2, 3),
    "a.x": np.array([1.5, -2.0], dtype=np.float32),
}


def test_drawn_tensors_are_frozen() -> None:
    drawn = draw_uniform(42, "layers.0.mlp.gate_proj.kernel", (2, 3), 0.5)
    assert drawn.dtype == np.float32
    assert drawn.tobytes().hex() == "c5bc433d363df5bde1bd2e3f662e04bf75af123e2fd4073f"


def test_a_drawn_tensor_depends_on_seed_and_name_and_has_its_deviation() -> None:
    drawn = draw_uniform(1, "a", (400, 500), 0.25)
    assert abs(float(drawn.mean())) < 0.002
    assert abs(float(drawn.std()) - 0.25) < 0.002
    assert not np.array_equal(drawn, draw_uniform(2, "a", (400, 500), 0.25))
    assert not np.array_equal(drawn, draw_uniform(1, "b", (400, 500), 0.25))


def test_the_digest_is_what_its_description_says() -> None:
    plain = b""
    for name in (b"a.x", b"b"):
        tensor = TENSORS[name.decode()]
        plain += struct.pack("<Q", len(name)) + name + struct.pack("<Q", tensor.ndim)
        plain += b"".join(struct.pack("<Q", size) for size in tensor.shape)
        plain += b"".join(struct.pack("<f", value) for value in tensor.ravel())
    assert tensors_digest(TENSORS) == hashlib.sha256(plain).hexdigest()


def test_the_digest_tells_names_shapes_and_values_apart_but_not_the_order() -> None:
    digest = tensors_digest(TENSORS)
    assert tensors_digest(dict(reversed(TENSORS.items()))) == digest
    assert tensors_digest({**TENSORS, "b": TENSORS["b"].reshape(3, 2)}) != digest
    assert tensors_digest({"a": TENSORS["a.x"], "b": TENSORS["b"]}) != digest
    assert tensors_digest({**TENSORS, "a.x": TENSORS["a.x"] + 1}) != digest


def test_tensors_and_metadata_are_read_by_the_safetensors_library(tmp_path: Path) -> None:
    path = tmp_path / "adapter" / "adapter.safetensors"
    write_tensors(path, TENSORS, {"manifest": "ab", "cursor": "3"})
    with safetensors.safe_open(path, "numpy") as file:  # type: ignore[no-untyped-call]
        assert file.metadata() == {"manifest": "ab", "cursor": "3"}
    read = read_tensors(path)
    assert tensors_digest(read) == tensors_digest(TENSORS)


def test_equal_tensors_give_equal_files(tmp_path: Path) -> None:
    write_tensors(tmp_path / "1", TENSORS, {"b": "1", "a": "2"})
    write_tensors(tmp_path / "2", dict(reversed(TENSORS.items())), {"a": "2", "b": "1"})
    assert (tmp_path / "1").read_bytes() == (tmp_path / "2").read_bytes()


def test_a_file_that_is_no_adapter_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"no tensors")
    for name in ("x", "missing"):
        with pytest.raises(RunFolderError, match="can't be read as an adapter"):
            read_tensors(tmp_path / name)
