"""What packing promises: every trace exactly once, in rows that hold them, the same every time."""

from itertools import pairwise
from random import Random

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from training.batches.packing import WINDOW, pack

LENGTHS = st.lists(st.integers(1, 64), max_size=300)


@given(LENGTHS, st.randoms(use_true_random=False))
def test_every_trace_stands_in_exactly_one_row_whatever_the_order(lengths: list[int], random: Random) -> None:
    order = list(range(len(lengths)))
    random.shuffle(order)
    rows = pack(order, np.array(lengths, dtype=np.int64), 64)
    assert sorted(sample for row in rows for _, sample in row) == sorted(order)


@given(LENGTHS)
def test_traces_of_a_row_lie_one_behind_the_other_and_inside_its_capacity(lengths: list[int]) -> None:
    for row in pack(range(len(lengths)), np.array(lengths, dtype=np.int64), 64):
        assert row[0][0] == 0
        assert all(offset + lengths[sample] == after for (offset, sample), (after, _) in pairwise(row))
        assert row[-1][0] + lengths[row[-1][1]] <= 64


@given(LENGTHS)
def test_no_two_rows_could_be_one(lengths: list[int]) -> None:
    """Best fit never opens a row for a trace that an open row could hold."""
    rows = pack(range(len(lengths)), np.array(lengths, dtype=np.int64), 64)
    filled = sorted(sum(lengths[sample] for _, sample in row) for row in rows)
    assert all(first + second > 64 for first, second in pairwise(filled))


@given(LENGTHS)
def test_the_same_input_gives_the_same_rows(lengths: list[int]) -> None:
    sizes = np.array(lengths, dtype=np.int64)
    assert pack(range(len(lengths)), sizes, 64) == pack(range(len(lengths)), sizes, 64)


def test_rows_come_in_the_order_of_their_longest_traces_and_traces_in_that_of_the_epoch() -> None:
    rows = pack([3, 1, 0, 2], np.array([6, 4, 5, 3]), 10)
    assert rows == [[(0, 1), (4, 0)], [(0, 3), (3, 2)]]


def test_no_trace_leaves_its_window() -> None:
    lengths = np.full(2 * WINDOW + 5, 3, dtype=np.int64)
    rows = pack(range(len(lengths)), lengths, 10)
    assert all(len({sample // WINDOW for _, sample in row}) == 1 for row in rows)
