import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from curation.duplicates import buckets_of, first_places, repeated, repeated_in
from tests.curation.helpers import run_python

KEY = st.sampled_from([bytes(15) + b"\1", bytes(16), b"\1" + bytes(15)]) | st.binary(min_size=16, max_size=16)
KEYS = st.lists(KEY)

PROBE = """
import random
import numpy as np
from curation.duplicates import first_places
draw = random.Random(7)
keys = [draw.randrange(3000).to_bytes(16, "little") for _ in range(60_000)]
found = first_places(np.frombuffer(b"".join(keys), dtype=np.uint8).reshape(-1, 16)).tolist()
first = {}
print(found == [first.setdefault(key, place) for place, key in enumerate(keys)])
"""


def as_array(keys: list[bytes]) -> npt.NDArray[np.uint8]:
    return np.frombuffer(b"".join(keys), dtype=np.uint8).reshape(-1, 16)


@given(keys=KEYS)
def test_the_first_place_is_the_one_where_a_dictionary_meets_the_key_first(keys: list[bytes]) -> None:
    first: dict[bytes, int] = {}
    expected = [first.setdefault(key, place) for place, key in enumerate(keys)]
    found = first_places(as_array(keys))
    assert found.tolist() == expected


@given(keys=KEYS, part=st.integers(1, 5), count=st.integers(1, 4))
def test_a_shuffle_of_parts_finds_the_first_places_of_the_whole(
    keys: list[bytes], part: int, count: int
) -> None:
    whole, places = as_array(keys), np.arange(len(keys))
    starts = range(0, len(keys), part)
    cut = [buckets_of(whole[start : start + part], places[start : start + part], count) for start in starts]
    found = np.arange(len(keys))
    for bucket in zip(*cut, strict=True):
        again, firsts = repeated_in(bucket)
        found[again] = firsts
    assert found.tolist() == first_places(whole).tolist()


@given(arrays=st.lists(st.lists(st.tuples(KEY, st.booleans())), min_size=1, max_size=3))
@pytest.mark.parametrize("bucket_rows", [1, 1 << 20])
def test_repeated_rows_are_told_with_the_first_that_is_marked_among_them_in_buckets_too(
    arrays: list[list[tuple[bytes, bool]]], bucket_rows: int
) -> None:
    first: dict[bytes, int] = {}
    entries = [entry for array in arrays for entry in array]
    marked = [(place, key) for place, (key, mark) in enumerate(entries) if mark]
    expected = [(place, first[key]) for place, key in marked if first.setdefault(key, place) != place]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("curation.duplicates._BUCKET_ROWS", bucket_rows)
        found = repeated(
            [as_array([key for key, _ in array]) for array in arrays],
            [np.array([mark for _, mark in array], np.bool_) for array in arrays],
        )
    assert list(zip(*(column.tolist() for column in found), strict=True)) == expected


@pytest.mark.parametrize("count", [100, 200, 400])
def test_any_number_of_buckets_finds_all(count: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("curation.duplicates._BUCKET_ROWS", 1)
    keys = as_array([number.to_bytes(16, "little") for number in range(count)] * 2)
    places, firsts = repeated([keys], [np.ones(len(keys), np.bool_)])
    assert places.tolist() == list(range(count, 2 * count))
    assert firsts.tolist() == list(range(count))


def test_the_first_place_is_the_same_on_one_thread_and_on_many() -> None:
    for threads in ("1", "2", "7"):
        assert run_python("-c", PROBE, POLARS_MAX_THREADS=threads).strip() == "True"
