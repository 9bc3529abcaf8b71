"""Safetensors files of a whole model: read by the safetensors library, whatever they are spread over."""

import json
from itertools import pairwise
from pathlib import Path

import ml_dtypes
import numpy as np
import pytest
import safetensors
import safetensors.numpy
from hypothesis import given
from hypothesis import strategies as st

from training.export.shards import INDEX, WEIGHTS, Planned, plan_files, write_shards

TENSORS = {
    "one": np.arange(12, dtype=np.float32).reshape(3, 4).T,
    "two": np.arange(7).astype(ml_dtypes.bfloat16),
    "three": np.ones((2, 2), dtype=np.float32),
    "four": np.zeros((0, 3), dtype=np.float32),
}
METADATA = {"manifest": "1" * 64, "format": "pt"}
PLANNED = [Planned(name, tensor.dtype.name, tensor.shape) for name, tensor in TENSORS.items()]


def test_one_file_holds_every_tensor_and_the_metadata(tmp_path: Path) -> None:
    write_shards(tmp_path, plan_files(PLANNED), TENSORS.items(), METADATA)
    assert [path.name for path in tmp_path.iterdir()] == [WEIGHTS]
    read = safetensors.numpy.load_file(tmp_path / WEIGHTS)
    assert read.keys() == TENSORS.keys()
    for name, tensor in TENSORS.items():
        assert read[name].dtype == tensor.dtype
        np.testing.assert_array_equal(read[name], tensor)
    with safetensors.safe_open(tmp_path / WEIGHTS, framework="numpy") as file:  # type: ignore[no-untyped-call]
        assert file.metadata() == METADATA


def test_several_files_have_an_index_and_each_the_metadata(tmp_path: Path) -> None:
    write_shards(tmp_path, plan_files(PLANNED, 50), TENSORS.items(), METADATA)
    index = json.loads((tmp_path / INDEX).read_text())
    names = sorted({path.name for path in tmp_path.glob("*.safetensors")})
    assert names == ["model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"]
    assert index["metadata"] == {"total_size": sum(tensor.nbytes for tensor in TENSORS.values()), **METADATA}
    assert index["weight_map"].keys() == TENSORS.keys()
    for name, file_name in index["weight_map"].items():
        with safetensors.safe_open(tmp_path / file_name, framework="numpy") as file:  # type: ignore[no-untyped-call]
            assert file.metadata() == METADATA
            np.testing.assert_array_equal(file.get_tensor(name), TENSORS[name])


@given(st.lists(st.integers(0, 40), min_size=1, max_size=30), st.integers(1, 100))
def test_files_keep_the_order_and_the_bound_unless_one_tensor_is_larger(rows: list[int], most: int) -> None:
    planned = [Planned(str(number), "float32", (size,)) for number, size in enumerate(rows)]
    files = plan_files(planned, most)
    assert [tensor for each in files.values() for tensor in each] == planned
    assert all(len(each) == 1 or sum(tensor.size for tensor in each) <= most for each in files.values())
    assert sorted(files) == list(files)
    # None could have been spared: the next tensor would not have gone in.
    for first, second in pairwise(files.values()):
        assert sum(tensor.size for tensor in first) + second[0].size > most


def test_a_tensor_that_is_not_the_planned_one_is_no_file(tmp_path: Path) -> None:
    files = plan_files(PLANNED)
    with pytest.raises(ValueError, match="planned"):
        write_shards(tmp_path, files, [("one", TENSORS["one"].T)], METADATA)
    with pytest.raises(ValueError, match="shorter"):
        write_shards(tmp_path, files, [("one", TENSORS["one"])], METADATA)
