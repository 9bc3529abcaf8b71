import random
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from xxhash import xxh3_128_digest

from curation.errors import TakeError
from curation.recipe import Take
from curation.sampling import (
    Hashed,
    draw,
    merge_smallest,
    mixed_order,
    reservoir,
    shuffled,
    smallest_of,
)
from tests.curation.helpers import message_of, plain_reservoir, plain_shuffle

LARGEST_SEED = 2**63 - 1


def smallest_hashes(origins: list[tuple[bytes, int]], wanted: int, seed: int) -> list[int]:
    """A draw by hash of candidates that are all in one part."""
    return merge_smallest([smallest_of(origins, wanted, seed)], wanted)


ORIGIN = bytes(range(32))
SEEDS = st.integers(0, LARGEST_SEED)

# (candidates, wanted, seed): the places drawn, in order. These decide what a manifest holds: they never change.
RESERVOIRS = {
    (100, 10, 42): [36, 23, 53, 18, 99, 66, 47, 97, 65, 81],
    (100, 10, 0): [63, 1, 2, 50, 34, 54, 38, 7, 68, 31],
    (40, 7, LARGEST_SEED): [0, 22, 8, 21, 36, 27, 6],
    (5, 5, 42): [0, 1, 2, 3, 4],
}
SHUFFLES = {
    (100, 10, 42): [42, 41, 91, 9, 65, 50, 1, 70, 15, 78],
    (20, 20, 0): [10, 18, 16, 14, 0, 17, 11, 2, 3, 9, 5, 7, 4, 19, 6, 15, 8, 1, 13, 12],
    (40, 7, LARGEST_SEED): [4, 38, 25, 32, 0, 14, 22],
}
HASHES = {
    (100, 10, 42): [56, 34, 88, 29, 77, 64, 61, 69, 25, 4],
    (100, 10, 0): [0, 30, 1, 24, 75, 44, 42, 15, 90, 21],
    (20, 20, LARGEST_SEED): [13, 6, 9, 16, 3, 12, 15, 14, 4, 2, 18, 7, 19, 1, 10, 8, 0, 5, 17, 11],
}
ORDERS = {
    42: [9, 11, 10, 3, 14, 4, 12, 15, 0, 5, 2, 7, 1, 13, 8, 6],
    0: [0, 11, 6, 10, 3, 9, 5, 4, 14, 13, 7, 12, 1, 8, 2, 15],
    LARGEST_SEED: [15, 12, 7, 14, 10, 1, 2, 13, 11, 5, 6, 8, 3, 4, 9, 0],
}


def rows_of_one_file(count: int) -> list[tuple[bytes, int]]:
    return [(ORIGIN, row) for row in range(1, count + 1)]


def test_a_reservoir_draws_what_it_has_always_drawn() -> None:
    assert {request: reservoir(*request) for request in RESERVOIRS} == RESERVOIRS


def test_a_shuffle_draws_what_it_has_always_drawn() -> None:
    assert {request: shuffled(*request) for request in SHUFFLES} == SHUFFLES


def test_a_draw_by_hash_draws_what_it_has_always_drawn() -> None:
    drawn = {
        (count, wanted, seed): smallest_hashes(rows_of_one_file(count), wanted, seed)
        for count, wanted, seed in HASHES
    }
    assert drawn == HASHES


def test_the_mixed_order_is_what_it_has_always_been() -> None:
    contents = [bytes([number] * 16) for number in range(16)]
    assert {seed: mixed_order(contents, seed).tolist() for seed in ORDERS} == ORDERS


@given(candidates=st.integers(0, 300), wanted=st.integers(1, 300), seed=SEEDS)
def test_a_reservoir_is_what_the_plain_script_draws(candidates: int, wanted: int, seed: int) -> None:
    assert reservoir(candidates, wanted, seed) == plain_reservoir(range(candidates), wanted, seed)


@given(candidates=st.integers(0, 300), wanted=st.integers(1, 300), seed=SEEDS)
def test_a_shuffle_is_what_random_shuffle_leaves_in_front(candidates: int, wanted: int, seed: int) -> None:
    assert shuffled(candidates, wanted, seed) == plain_shuffle(range(candidates), wanted, seed)


def test_a_draw_leaves_the_generator_of_the_process_alone() -> None:
    random.seed(1)
    expected = random.random()
    random.seed(1)
    reservoir(50, 5, 42)
    shuffled(50, 5, 42)
    assert random.random() == expected


CANDIDATES = st.lists(
    st.tuples(st.binary(min_size=32, max_size=32), st.integers(1, 2**40)), unique=True, max_size=60
)


@given(candidates=CANDIDATES, wanted=st.integers(1, 60), seed=SEEDS)
def test_a_draw_by_hash_takes_the_smallest_hashes_of_seed_origin_and_row(
    candidates: list[tuple[bytes, int]], wanted: int, seed: int
) -> None:
    def key(candidate: tuple[bytes, int]) -> bytes:
        origin, row = candidate
        return xxh3_128_digest(seed.to_bytes(8, "little") + origin + row.to_bytes(8, "little"))

    drawn = [candidates[place] for place in smallest_hashes(candidates, wanted, seed)]
    assert drawn == sorted(candidates, key=key)[:wanted]


@given(candidates=CANDIDATES, seed=SEEDS, order=st.randoms(use_true_random=False))
def test_a_draw_by_hash_does_not_depend_on_the_order_of_the_candidates(
    candidates: list[tuple[bytes, int]], seed: int, order: random.Random
) -> None:
    mixed = list(candidates)
    order.shuffle(mixed)
    drawn = [candidates[place] for place in smallest_hashes(candidates, 10, seed)]
    assert [mixed[place] for place in smallest_hashes(mixed, 10, seed)] == drawn


@given(candidates=CANDIDATES, seed=SEEDS)
def test_a_smaller_draw_by_hash_is_the_beginning_of_a_larger_one(
    candidates: list[tuple[bytes, int]], seed: int
) -> None:
    assert smallest_hashes(candidates, 10, seed) == smallest_hashes(candidates, 20, seed)[:10]


def test_candidates_of_equal_hash_are_drawn_in_upstream_order() -> None:
    twice = [(ORIGIN, 1), (ORIGIN, 2), (ORIGIN, 1), (ORIGIN, 2)]
    first, second = smallest_hashes([(ORIGIN, 1), (ORIGIN, 2)], 2, 42)
    assert smallest_hashes(twice, 4, 42) == [first, first + 2, second, second + 2]


@given(contents=st.lists(st.binary(min_size=16, max_size=16), max_size=40), seed=SEEDS)
def test_the_mixed_order_is_by_the_hash_of_seed_and_content_and_then_as_it_came(
    contents: list[bytes], seed: int
) -> None:
    def key(place: int) -> bytes:
        return xxh3_128_digest(seed.to_bytes(8, "little") + contents[place])

    assert mixed_order(contents, seed).tolist() == sorted(range(len(contents)), key=key)


@given(
    contents=st.lists(st.binary(min_size=16, max_size=16), min_size=1, max_size=40),
    seed=SEEDS,
    data=st.data(),
)
def test_in_the_mixed_order_removing_a_row_never_moves_another(
    contents: list[bytes], seed: int, data: st.DataObject
) -> None:
    gone = data.draw(st.integers(0, len(contents) - 1))
    left = contents[:gone] + contents[gone + 1 :]
    in_order = [contents[place] for place in mixed_order(contents, seed)]
    in_order.remove(contents[gone])
    assert [left[place] for place in mixed_order(left, seed)] == in_order


def by_hash(candidates: list[tuple[bytes, int]]) -> Callable[[int, int], list[int]]:
    return lambda wanted, seed: smallest_hashes(candidates, wanted, seed)


@given(st.lists(st.integers(0, 40), max_size=5), st.integers(0, 60), st.integers(0, 3))
def test_the_smallest_hashes_of_parts_are_those_of_the_whole(
    sizes: list[int], wanted: int, seed: int
) -> None:
    candidates = [(ORIGIN, row % 7) for row in range(sum(sizes))]  # equal ones too
    parts, first = [], 0
    for size in sizes:
        parts.append(smallest_of(candidates[first : first + size], wanted, seed, first))
        first += size
    assert merge_smallest(parts, wanted) == smallest_hashes(candidates, wanted, seed)


def test_of_hashes_that_are_half_equal_the_other_half_decides_in_whatever_part_they_are() -> None:
    def part(*entries: tuple[int, int, int]) -> Hashed:
        high, low, places = (np.array(column) for column in zip(*entries, strict=True))
        return Hashed(high.astype(np.uint64), low.astype(np.uint64), places)

    parts = [part((1, 5, 0), (7, 9, 1)), part((7, 3, 2), (8, 0, 3)), part((7, 3, 4), (7, 2, 5))]
    assert merge_smallest(parts, 2) == [0, 5]
    assert merge_smallest(parts[:2], 2) == [0, 2]
    assert merge_smallest(parts, 4) == [0, 5, 2, 4]


@pytest.mark.parametrize("kind", ["reservoir", "shuffle", "hash"])
def test_a_draws_own_seed_goes_before_the_recipes(kind: str) -> None:
    candidates = rows_of_one_file(50)
    own = draw(Take(kind, 10, seed=7), 42, len(candidates), by_hash(candidates), "one")
    assert own == draw(Take(kind, 10), 7, len(candidates), by_hash(candidates), "one")
    assert own != draw(Take(kind, 10), 42, len(candidates), by_hash(candidates), "one")
    assert draw(Take(kind, 10, seed=0), 42, len(candidates), by_hash(candidates), "one") == draw(
        Take(kind, 10), 0, len(candidates), by_hash(candidates), "one"
    )


def test_each_kind_of_draw_is_the_one_it_is_called() -> None:
    candidates = rows_of_one_file(100)
    assert list(draw(Take("all"), 42, len(candidates), by_hash(candidates), "one")) == list(range(100))
    assert list(draw(Take("first", 3), 42, len(candidates), by_hash(candidates), "one")) == [0, 1, 2]
    assert (
        draw(Take("reservoir", 10), 42, len(candidates), by_hash(candidates), "one")
        == RESERVOIRS[100, 10, 42]
    )
    assert draw(Take("shuffle", 10), 42, len(candidates), by_hash(candidates), "one") == SHUFFLES[100, 10, 42]
    assert draw(Take("hash", 10), 42, len(candidates), by_hash(candidates), "one") == HASHES[100, 10, 42]


@pytest.mark.parametrize("kind", ["first", "reservoir", "shuffle", "hash"])
def test_all_that_there_are_can_be_taken_and_one_more_can_not(kind: str) -> None:
    assert sorted(draw(Take(kind, 5), 42, 5, by_hash(rows_of_one_file(5)), "one")) == [0, 1, 2, 3, 4]
    with pytest.raises(TakeError) as raised:
        draw(Take(kind, 6), 42, 5, by_hash(rows_of_one_file(5)), "one")
    message = message_of(raised)
    assert message.startswith(f"source one: take = {{ {kind} = 6 }}")
    assert "only 5 rows are left" in message
