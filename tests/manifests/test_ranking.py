"""What rankings promise: means by token, robust spreads by source, and outliers by the stated rule."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from manifests.ranking import OUTLIER, find_outliers, rank_sources, spread

NAMES = ("easy", "hard", "empty")
LOSSES = st.lists(
    st.tuples(st.integers(0, 2), st.one_of(st.floats(0, 20), st.just(float("nan")))), max_size=60
)


def test_sources_are_ranked_by_their_mean_loss_a_token_those_without_one_last() -> None:
    sources = np.array([0, 1, 0, 1, 2, 0], dtype=np.int32)
    tokens = np.array([1, 10, 3, 30, 7, 100])
    losses = np.array([1.0, 4.0, 2.0, 2.0, np.nan, np.nan])
    hard, easy, empty = rank_sources(NAMES, sources, tokens, losses)
    assert (hard.source, hard.traces, hard.scored, hard.tokens) == ("hard", 2, 2, 40)
    assert hard.mean == pytest.approx(2.5)
    assert hard.median == 3.0
    assert hard.spread == pytest.approx(1.4826)
    assert (easy.source, easy.traces, easy.scored, easy.tokens) == ("easy", 3, 2, 4)
    assert easy.mean == pytest.approx(1.75)
    assert easy.median == 1.5
    assert (empty.source, empty.traces, empty.scored, empty.tokens) == ("empty", 1, 0, 0)
    assert empty.mean is empty.median is empty.spread is None


def test_a_spread_is_the_scaled_median_deviation_or_the_mean_one_where_that_is_zero() -> None:
    assert spread(np.array([1.0, 2.0, 3.0, 4.0, 100.0])) == pytest.approx(1.4826 * 1)
    assert spread(np.array([1.0, 1.0, 1.0, 3.0])) == pytest.approx(1.2533 * 0.5)
    assert spread(np.array([2.0, 2.0])) == 0


def test_of_a_normal_distribution_a_spread_is_its_deviation() -> None:
    values = np.random.default_rng(1).normal(5, 0.7, 200_000)
    assert spread(values) == pytest.approx(0.7, rel=0.01)


def test_outliers_are_those_of_their_own_source_the_farthest_first() -> None:
    usual = [1.0, 1.1, 0.9, 1.05, 0.95] * 4
    losses = np.array([*usual, 3.0, *(value + 2 for value in usual), 3.0, 0.1, np.nan])
    sources = np.array([0] * 21 + [1] * 23, dtype=np.int32)
    found = find_outliers(NAMES, sources, losses)
    assert [(outlier.sample, outlier.source) for outlier in found] == [(43, "hard"), (21, "easy")]
    assert found[0].spreads == pytest.approx((0.1 - 3) / (1.4826 * 0.05), rel=0.05)
    assert found[1].spreads == pytest.approx((3 - 1) / (1.4826 * 0.05), rel=0.05)


def test_equal_losses_have_no_outlier_and_among_them_one_that_differs_is_one() -> None:
    zeros = np.zeros(40, dtype=np.int32)
    assert find_outliers(NAMES, zeros, np.full(40, 1.5)) == []
    losses = np.full(40, 1.5)
    losses[7] = 9
    assert [outlier.sample for outlier in find_outliers(NAMES, zeros, losses)] == [8]


@given(LOSSES)
def test_every_trace_is_counted_once_and_every_outlier_is_beyond_the_bound(
    entries: list[tuple[int, float]],
) -> None:
    sources = np.array([source for source, _ in entries], dtype=np.int32)
    losses = np.array([loss for _, loss in entries], dtype=np.float64)
    ranking = rank_sources(NAMES, sources, np.ones(len(entries), dtype=np.int64), losses)
    assert sum(score.traces for score in ranking) == len(entries)
    assert sum(score.scored for score in ranking) == int((~np.isnan(losses)).sum())
    means = [score.mean for score in ranking if score.mean is not None]
    assert means == sorted(means, reverse=True)
    outliers = find_outliers(NAMES, sources, losses)
    assert all(abs(outlier.spreads) > OUTLIER for outlier in outliers)
    assert len({outlier.sample for outlier in outliers}) == len(outliers)
    distances = [abs(outlier.spreads) for outlier in outliers]
    assert distances == sorted(distances, reverse=True)


def test_a_source_whose_losses_are_zero_comes_before_one_without_any() -> None:
    sources, tokens = np.array([0, 1], dtype=np.int32), np.array([1, 1])
    ranking = rank_sources(("b", "a"), sources, tokens, np.array([0.0, np.nan]))
    assert [score.source for score in ranking] == ["b", "a"]
