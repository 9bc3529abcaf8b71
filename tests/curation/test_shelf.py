"""What waits on a shelf comes back as it was, and leaves nothing behind."""

import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from curation.shelf import Shelf

KIND = np.dtype([("number", "<u8"), ("key", "u1", (3,))])


def records(first: int, count: int) -> np.ndarray:
    found = np.empty(count, KIND)
    found["number"] = np.arange(first, first + count) ** 2
    found["key"] = np.arange(3 * first, 3 * (first + count)).reshape(-1, 3) % 251
    return found


@given(sizes=st.lists(st.integers(0, 9), max_size=5), data=st.data())
@pytest.mark.parametrize("block", [1, 4, 1 << 16])
def test_columns_are_read_at_places_in_any_order_however_they_came(
    sizes: list[int], block: int, data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    whole = records(0, sum(sizes))
    asked = st.lists(st.integers(0, max(0, len(whole) - 1)), max_size=12 if len(whole) else 0)
    places = np.array(data.draw(asked), np.int64)
    with pytest.MonkeyPatch.context() as patch, Shelf(tmp_path_factory.getbasetemp(), KIND) as shelf:
        patch.setattr("curation.shelf._BLOCK_ROWS", block)
        first = 0
        for size in sizes:
            shelf.append(records(first, size))
            first += size
        assert len(shelf) == len(whole)
        for _ in range(2):
            keys, numbers = shelf.at(places, "key", "number")
            assert numbers.tolist() == whole["number"][places].tolist()
            assert keys.tolist() == whole["key"][places].tolist()
            shelf.append(records(first, 1))


def test_a_shelf_is_gone_when_it_is_left(tmp_path: Path) -> None:
    with Shelf(tmp_path, KIND) as shelf:
        shelf.append(records(0, 10_000))
        assert list(tmp_path.iterdir()) == [shelf.path]
        assert shelf.path not in open_files()
    assert list(tmp_path.iterdir()) == []


def test_a_shelf_that_lost_its_end_is_told(tmp_path: Path) -> None:
    with Shelf(tmp_path, KIND) as shelf:
        shelf.append(records(0, 10))
        os.truncate(shelf.path, 10 * KIND.itemsize - 1)
        with pytest.raises(OSError, match="shorter than it was"):
            shelf.at(np.array([9]), "number")


def open_files() -> list[Path]:
    return [entry.resolve() for entry in Path("/proc/self/fd").iterdir()]
