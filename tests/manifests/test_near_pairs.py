from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from manifests.errors import CommandError
from manifests.similarity import pairs as pairs_module
from manifests.similarity.pairs import (
    CANDIDATES,
    LOOKED_AT,
    MANY_ROWS,
    NearPairs,
    bands,
    candidate_pairs,
    near_pairs,
)
from manifests.similarity.sketch import SKETCH_BYTES, Sketches, least_matches
from tests.manifests.plain_sketch import plain_pairs, sketches_of_matches

THRESHOLDS = ["0.5", "0.6", "0.68", "0.8", "0.875", "0.95", "1"]
EMPTY = np.empty((0, SKETCH_BYTES), np.uint8)


def found(pairs: NearPairs) -> list[tuple[int, int, int]]:
    return list(zip(pairs.second.tolist(), pairs.first.tolist(), pairs.matches.tolist(), strict=True))


def families(rows: int, seed: int) -> Sketches:
    """Sketches of few families, members of which differ in some bytes; some are equal."""
    draw = np.random.default_rng(seed)
    heads = np.random.default_rng(99).integers(0, 256, (max(1, rows // 3), SKETCH_BYTES), dtype=np.uint8)
    made = heads[draw.integers(0, len(heads), rows)]
    changed = draw.random(made.shape) < draw.choice([0, 0.02, 0.1, 0.25, 0.4], (rows, 1))
    made[changed] = draw.integers(0, 256, int(changed.sum()), dtype=np.uint8)
    return made


def crafted(rows: int, threshold: str, kinds: int, seed: int) -> Sketches:
    """Sketches that share every band with very many others, and few of which are near to each other."""
    draw = np.random.default_rng(seed)
    made = np.empty((rows, SKETCH_BYTES), np.uint8)
    for number, band in enumerate(bands(least_matches(Decimal(threshold)), rows)):
        width = band.stop - band.start
        values = np.random.default_rng(number).integers(0, 256, (kinds, width), dtype=np.uint8)
        made[:, band] = values[draw.integers(0, kinds, rows)]
    return made


@pytest.mark.parametrize("threshold", THRESHOLDS)
@given(rows=st.tuples(st.integers(0, 60), st.integers(0, 60)), seed=st.integers(0, 50))
@settings(max_examples=15)
def test_the_pairs_are_those_of_comparing_all_with_all(
    threshold: str, rows: tuple[int, int], seed: int
) -> None:
    first, second = families(rows[0], seed), families(rows[1], seed + 1)
    pairs = near_pairs(first, second, Decimal(threshold))
    assert (pairs.left_out, pairs.unsure) == (0, 0)
    assert found(pairs) == plain_pairs(first, second, Fraction(threshold))


@pytest.mark.parametrize("threshold", ["0.5", "0.55", "0.68", "0.8", "0.9", "0.99", "1"])
def test_no_pair_is_missed_wherever_its_sketches_differ(threshold: str) -> None:
    least = least_matches(Decimal(threshold))
    cut = list(bands(least, MANY_ROWS))
    assert [band.start for band in cut[1:]] == [band.stop for band in cut[:-1]]
    assert (cut[0].start, cut[-1].stop) == (0, SKETCH_BYTES)
    assert len(cut) > SKETCH_BYTES - least
    # The hardest case: a difference in as many bands as there are differences.
    other = np.zeros((1, SKETCH_BYTES), np.uint8)
    for band in cut[: SKETCH_BYTES - least]:
        other[0, band.start] = 1
    for row in (other, other[:, ::-1]):
        pairs = near_pairs(np.zeros((1, SKETCH_BYTES), np.uint8), row, Decimal(threshold))
        assert found(pairs) == [(0, 0, least)]


def test_among_very_many_rows_bands_have_three_bytes_and_few_pairs_are_missed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert len(list(bands(least_matches(Decimal("0.5")), MANY_ROWS))) == 64
    assert len(list(bands(least_matches(Decimal("0.5")), MANY_ROWS + 1))) == 42
    assert len(list(bands(least_matches(Decimal("0.8")), MANY_ROWS + 1))) == 26
    near = sketches_of_matches([65] * 5000)
    assert len(near_pairs(near[:1], near[1:], Decimal("0.5")).second) == 5000
    monkeypatch.setattr(pairs_module, "MANY_ROWS", 0)
    assert 4990 <= len(near_pairs(near[:1], near[1:], Decimal("0.5")).second) < 5000  # 0.05 % are missed


def test_pairs_below_the_threshold_are_none_and_the_estimates_are_told() -> None:
    made = sketches_of_matches([128, 103, 102, 110])
    pairs = near_pairs(made[:1], made[1:], Decimal("0.8"))
    assert found(pairs) == [(0, 0, 128), (1, 0, 103), (3, 0, 110)]
    assert pairs.similarity.tolist() == [1.0, 205 / 255, 219 / 255]


def test_of_equal_estimates_the_lowest_place_is_named() -> None:
    made = sketches_of_matches([120, 120, 128, 128, 125])
    second, first = made[:1], made[[1, 2, 5]]
    assert found(near_pairs(first[:2], second, Decimal("0.8"))) == [(0, 0, 120)]
    assert found(near_pairs(first, second, Decimal("0.8"))) == [(0, 2, 125)]
    assert found(near_pairs(made[[1, 4, 3]], second, Decimal("0.8"))) == [(0, 1, 128)]


def test_whoever_is_near_to_one_is_near_to_the_other() -> None:
    first, second = families(80, 3), families(80, 4)
    there = near_pairs(first, second, Decimal("0.8"))
    back = near_pairs(second, first, Decimal("0.8"))
    assert set(there.first.tolist()) <= set(back.second.tolist())
    assert set(back.first.tolist()) <= set(there.second.tolist())


def test_rows_repeated_any_number_of_times_cost_nothing_and_leave_nothing_out() -> None:
    made = sketches_of_matches([110, 105])
    first, second = np.repeat(made, 20_000, axis=0), np.repeat(made[::-1], 20_000, axis=0)
    pairs = near_pairs(first, second, Decimal("0.8"))
    assert (len(pairs.second), pairs.left_out, pairs.unsure) == (60_000, 0, 0)
    assert sorted(set(pairs.first.tolist())) == [0, 20_000, 40_000]
    assert (pairs.matches == SKETCH_BYTES).all()


@pytest.mark.parametrize("threshold", ["0.5", "0.8"])
def test_crafted_rows_are_compared_with_a_bounded_number_and_what_is_left_out_is_counted(
    threshold: str,
) -> None:
    first, second = crafted(4000, threshold, 4, 1), crafted(300, threshold, 4, 2)
    pairs = near_pairs(first, second, Decimal(threshold))
    looked_at = 0
    for band in bands(least_matches(Decimal(threshold)), len(first)):
        same = (first[:, None, band] == second[None, :, band]).all(axis=2).sum(axis=0)
        looked_at += int((same - np.minimum(same, LOOKED_AT)).sum())
    assert pairs.left_out == looked_at > 0
    assert pairs.unsure == 300 - len(pairs.second) > 0


def test_a_row_that_found_one_is_not_unsure_whatever_was_left_out() -> None:
    first = crafted(4000, "0.8", 2, 1)
    second = np.concatenate((first[3999:], first[3998:3999]))
    second[1, ::40] ^= 1
    pairs = near_pairs(first, second, Decimal("0.8"))
    assert found(pairs)[0] == (0, 3999, 128)
    assert pairs.unsure == 2 - len(pairs.second)


def test_equal_rows_are_found_behind_any_number_of_others_that_share_bands() -> None:
    first = crafted(5000, "0.8", 2, 5)
    pairs = near_pairs(first, first[::-1], Decimal("0.8"))
    assert pairs.second.tolist() == list(range(5000))
    assert (pairs.matches == SKETCH_BYTES).all()
    assert pairs.left_out == 0


def of_one_key(count: int) -> Sketches:
    """Different sketches that are all the same to a hash of 64 bits: the last word makes up for the first."""
    words = np.random.default_rng(7).integers(0, 2**64, (1, 16), dtype=np.uint64).repeat(count, axis=0)
    words[:, 0] += np.arange(count, dtype=np.uint64)
    words[:, 15] -= np.arange(count, dtype=np.uint64) * np.uint64(pow(0x9E3779B97F4A7C15, 15, 2**64))
    return words.astype("<u8").view(np.uint8)


def test_different_sketches_that_are_crafted_to_hash_alike_are_told_apart() -> None:
    made = of_one_key(200)
    assert len(np.unique(pairs_module._keys(made, slice(0, SKETCH_BYTES)))) == 1
    assert found(near_pairs(made[:2], made[1:2], Decimal(1))) == [(0, 1, 128)]
    assert found(near_pairs(made[:2], made[[1, 0, 1]], Decimal(1))) == [(0, 1, 128), (1, 0, 128), (2, 1, 128)]
    pairs = near_pairs(made, made[199:], Decimal("0.8"))
    assert len(pairs.second) == 1
    assert pairs.left_out >= 200 - LOOKED_AT


def test_candidates_reach_three_standard_errors_below_the_threshold_and_are_up_to_eight() -> None:
    made = sketches_of_matches([90, 88, *range(100, 112)])
    pairs = candidate_pairs(made[1:], made[:1], Decimal("0.8"))
    assert found(pairs) == [(0, 13 - rank, 111 - rank) for rank in range(CANDIDATES)]
    pairs = candidate_pairs(made[1:3], made[:1], Decimal("0.8"))
    assert found(pairs) == [(0, 0, 90)]  # 0.8 - 3 × 0.0353 is met by 90 equal bytes, not by 88


@given(seed=st.integers(0, 30), threshold=st.sampled_from(THRESHOLDS))
@settings(max_examples=20)
def test_a_candidate_is_named_once_and_the_best_is_that_of_near_pairs(seed: int, threshold: str) -> None:
    first, second = families(60, seed), families(40, seed + 1)
    pairs, best = (search(first, second, Decimal(threshold)) for search in (candidate_pairs, near_pairs))
    named = found(pairs)
    assert len({pair[:2] for pair in named}) == len(named)
    assert named == sorted(named, key=lambda pair: (pair[0], -pair[2], pair[1]))
    assert set(found(best)) <= set(named)


def test_how_the_work_is_portioned_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = families(200, 1), families(150, 2)
    whole = [found(search(first, second, Decimal("0.6"))) for search in (near_pairs, candidate_pairs)]
    monkeypatch.setattr(pairs_module, "_PORTION_PAIRS", LOOKED_AT)
    assert [found(search(first, second, Decimal("0.6"))) for search in (near_pairs, candidate_pairs)] == whole


@pytest.mark.parametrize(
    ("first", "second"), [(EMPTY, EMPTY), (EMPTY, families(3, 1)), (families(3, 1), EMPTY)]
)
def test_nothing_is_near_to_nothing(first: Sketches, second: Sketches) -> None:
    pairs = near_pairs(first, second, Decimal("0.8"))
    assert (found(pairs), pairs.left_out, pairs.unsure) == ([], 0, 0)


@pytest.mark.parametrize("threshold", ["0.4999", "0", "-1", "1.0001", "NaN"])
@pytest.mark.parametrize("search", [near_pairs, candidate_pairs])
def test_a_threshold_that_sketches_cannot_tell_is_refused(
    threshold: str, search: Callable[[Sketches, Sketches, Decimal], NearPairs]
) -> None:
    with pytest.raises(
        CommandError, match=r"^threshold .*: near duplicates are told from sketches at 0\.5 to 1; "
    ):
        search(EMPTY, EMPTY, Decimal(threshold))
