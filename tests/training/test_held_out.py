"""What holding out promises: every source measured, equal contents on one side, and always something left."""

from fractions import Fraction
from random import Random

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from training.batches.held_out import MOST, content_keys, held_out

Traces = list[tuple[int, int]]
TRACES = st.lists(st.tuples(st.integers(0, 30), st.integers(0, 4)), min_size=1, max_size=80)
SHARES = st.fractions(0, Fraction(999, 1000))


def contents_of(numbers: list[int]) -> npt.NDArray[np.uint8]:
    data = b"".join(number.to_bytes(16, "big") for number in numbers)
    return np.frombuffer(data, dtype=np.uint8).reshape(-1, 16)


def held(traces: Traces, share: Fraction, seed: int = 42) -> set[int]:
    """The places held out of traces given as (number of the content, number of the source)."""
    contents = contents_of([content for content, _ in traces])
    sources = np.array([source for _, source in traces], dtype=np.int32)
    return set(held_out(np.arange(len(traces)), contents, sources, share, seed).tolist())


def of_source(traces: Traces, source: int) -> set[int]:
    return {content for content, its_source in traces if its_source == source}


@given(TRACES, SHARES, st.integers(0, 5))
def test_equal_contents_are_on_one_side_whatever_their_sources(
    traces: Traces, share: Fraction, seed: int
) -> None:
    places = held(traces, share, seed)
    out = {traces[place][0] for place in places}
    assert places == {place for place, (content, _) in enumerate(traces) if content in out}


@given(TRACES, SHARES.filter(bool))
def test_every_source_of_two_contents_or_more_is_measured(traces: Traces, share: Fraction) -> None:
    out = {traces[place][0] for place in held(traces, share)}
    for source in range(5):
        if len(of_source(traces, source)) > 1:
            assert of_source(traces, source) & out


@given(TRACES, SHARES)
def test_something_is_always_left_to_train_on(traces: Traces, share: Fraction) -> None:
    assert len(held(traces, share)) < len(traces)


@given(TRACES, SHARES, SHARES)
def test_a_larger_share_holds_out_all_that_a_smaller_one_does(
    traces: Traces, one: Fraction, other: Fraction
) -> None:
    assert held(traces, min(one, other)) <= held(traces, max(one, other))


@given(TRACES, SHARES, st.randoms(use_true_random=False))
def test_the_order_of_the_traces_does_not_matter(traces: Traces, share: Fraction, random: Random) -> None:
    places = list(range(len(traces)))
    random.shuffle(places)
    shuffled = held([traces[place] for place in places], share)
    assert {places[place] for place in shuffled} == held(traces, share)


def test_a_source_of_one_content_gives_none_however_often_it_has_it() -> None:
    assert held([(1, 0), (1, 0), (1, 0)], Fraction("0.9")) == set()


def test_a_source_of_one_content_gives_it_up_where_another_holds_it_out() -> None:
    alone = held([(1, 0), (2, 0)], Fraction("0.0001"))
    [place] = alone
    assert held([(1, 0), (2, 0), (place + 1, 1)], Fraction("0.0001")) == {place, 2}


def test_no_share_holds_out_nothing() -> None:
    assert held([(number, 0) for number in range(100)], Fraction(0)) == set()


def test_of_a_source_no_more_than_64_contents_are_held_out_the_lowest_keyed() -> None:
    numbers = list(range(2_000))
    places = held([(number, 0) for number in numbers], Fraction("0.5"))
    lowest = np.argsort(content_keys(contents_of(numbers), 42))[:MOST]
    assert places == set(lowest.tolist())


def test_only_the_given_samples_are_looked_at() -> None:
    contents, sources = contents_of(list(range(100))), np.zeros(100, dtype=np.int32)
    chosen = held_out(np.arange(50, 100), contents, sources, Fraction("0.2"), 42)
    assert len(chosen) > 3
    assert chosen.min() >= 50


def test_a_share_whose_bound_is_no_64_bit_number_holds_out_all_but_the_highest() -> None:
    share = 1 - Fraction(1, 10**40)
    assert len(held([(number, 0) for number in range(10)], share)) == 9


def test_the_keys_are_frozen() -> None:
    """The first 8 bytes of SHA-256("held-out/1" ‖ u64(42) ‖ content), computed apart."""
    assert [hex(key) for key in content_keys(contents_of([0, 1]), 42)] == [
        "0xa28a215ea4944209",
        "0x579c3e49f0edcbb1",
    ]


@pytest.mark.parametrize(
    ("share", "expected"),
    [
        ("0.001", [7, 38]),
        ("0.1", [2, 7, 38]),
        ("0.5", [1, 2, 4, 5, 7, 8, 11, 14, 15, 18, 20, 21, 25, 29, 30, 32, 33, 35, 37, 38]),
    ],
)
def test_what_is_held_out_is_frozen(share: str, expected: list[int]) -> None:
    """40 contents, in turn of two sources; worked out from the rule by itself."""
    assert sorted(held([(number, number % 2) for number in range(40)], Fraction(share))) == expected
