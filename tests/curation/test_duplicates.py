import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from curation.duplicates import buckets_of, first_places, repeated_in
from tests.curation.helpers import run_python

KEYS = st.lists(
    st.sampled_from([bytes(15) + b"\1", bytes(16), b"\1" + bytes(15)]) | st.binary(min_size=16, max_size=16)
)

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


@given(keys=KEYS)
def test_the_first_place_is_the_one_where_a_dictionary_meets_the_key_first(keys: list[bytes]) -> None:
    first: dict[bytes, int] = {}
    expected = [first.setdefault(key, place) for place, key in enumerate(keys)]
    found = first_places(np.frombuffer(b"".join(keys), dtype=np.uint8).reshape(-1, 16))
    assert found.tolist() == expected


@given(keys=KEYS, part=st.integers(1, 5), count=st.integers(1, 4))
def test_a_shuffle_of_parts_finds_the_first_places_of_the_whole(
    keys: list[bytes], part: int, count: int
) -> None:
    whole = np.frombuffer(b"".join(keys), dtype=np.uint8).reshape(-1, 16)
    cut = [buckets_of(whole[start : start + part], start, count) for start in range(0, len(keys), part)]
    found = np.arange(len(keys))
    for bucket in zip(*cut, strict=True):
        repeated, firsts = repeated_in(bucket)
        found[repeated] = firsts
    assert found.tolist() == first_places(whole).tolist()


def test_the_first_place_is_the_same_on_one_thread_and_on_many() -> None:
    for threads in ("1", "2", "7"):
        assert run_python("-c", PROBE, POLARS_MAX_THREADS=threads).strip() == "True"
