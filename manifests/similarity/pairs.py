"""Near duplicates between two sets of rows, told from their sketches. Pure.

A pair whose estimate reaches the threshold differs in at most k of 128 bytes. Cut into k + 1 bands, their sketches are
equal in at least one of them: rows that share a band are the candidates, and no such pair is missed. (Bands: Indyk and
Motwani, Approximate nearest neighbors, 1998; that k + 1 bands suffice is the pigeonhole principle.) At the least
threshold, 0.5, that makes 64 bands of 2 bytes. Among very many rows these would make candidates of everything: there,
bands have at least 3 bytes, and are at most 42. For thresholds up to 0.67 that is fewer than k + 1; of the pairs whose
estimate is the threshold itself 0.05 % are then missed at 0.5, one in eight million at 0.6.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from itertools import pairwise
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from manifests.errors import CommandError
from manifests.similarity.minhash import mix
from manifests.similarity.sketch import SKETCH_BYTES, Sketches, least_matches, similarity_of, standard_error
from manifests.similarity.xxh3 import Hashes

LEAST_THRESHOLD = Decimal("0.5")
LOOKED_AT = 64
"""With how many rows a row is compared at most, for each of its bands."""
CANDIDATES = 8
"""How many rows of the first manifest are named for a row of the second, when the texts decide afterwards."""
CANDIDATE_MARGIN = 3
"""By how many standard errors the estimate may then miss the threshold."""
MANY_ROWS = 500_000
"""Of more rows in the first, bands have at least 3 bytes; until then at least 2."""

Places: TypeAlias = npt.NDArray[np.int64]

_MOST_BANDS, _MOST_BANDS_OF_MANY = 64, 42
_WORD_BYTES = 8
_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_LOW_HALF = np.uint64(0xFFFFFFFF)
_HALF = np.uint64(32)
_EACH_BYTE = np.uint64(0x0101010101010101)
_TOP_BYTE = np.uint64(56)
_PORTION_PAIRS = 1 << 15
# A score holds the equal bytes and, below them, the place: the highest is the best match, of equal ones the lowest.
_PLACE_BITS = 40
_FARTHEST = (1 << _PLACE_BITS) - 1


@dataclass(frozen=True, slots=True)
class NearPairs:
    """Pairs of a row of a first and a row of a second manifest whose sketches are alike.

    `second` and `first` are places in training order, ascending by `second`, the best pair of a row first; `matches`
    are the equal bytes of the two sketches. `left_out` counts the comparisons that the bound LOOKED_AT left out, once
    for each band; `unsure` the rows of the second without a pair for which any were.
    """

    second: Places
    first: Places
    matches: npt.NDArray[np.int64]
    left_out: int
    unsure: int

    @property
    def similarity(self) -> npt.NDArray[np.float64]:
        """The estimate of each pair's Jaccard index."""
        return similarity_of(self.matches)


def near_pairs(first: Sketches, second: Sketches, threshold: Decimal) -> NearPairs:
    """For every row of `second` the row of `first` with the highest estimate, if it is at least `threshold`.

    Of equal estimates the lowest place. Equal sketches count as one row, the lowest, so repeated rows cost nothing. A
    row that has an equal one is done with that. Any other is compared with the LOOKED_AT lowest rows that share a band
    with it, for each band: whatever the data, with at most 65 × LOOKED_AT. Raises CommandError for a threshold below
    0.5 or above 1.
    """
    _check(threshold)
    return _search(first, second, least_matches(threshold), 1)


def candidate_pairs(first: Sketches, second: Sketches, threshold: Decimal) -> NearPairs:
    """The pairs whose texts are worth comparing: as `near_pairs`, but more than those that it names.

    For every row of `second` up to CANDIDATES rows of `first`, the best ones, whose estimates are at most
    CANDIDATE_MARGIN standard errors below the threshold. Of rows that are as near as the threshold asks, one in 700 has
    an estimate farther off.
    """
    _check(threshold)
    off = CANDIDATE_MARGIN * standard_error(float(threshold))
    return _search(first, second, max(least_matches(threshold - Decimal(off)), 1), CANDIDATES)


def bands(least: int, rows: int) -> Iterator[slice]:
    """How sketches are cut when pairs with so many equal bytes are sought among so many different rows.

    Bands are as even in width as can be.
    """
    count = min(SKETCH_BYTES - least + 1, _MOST_BANDS_OF_MANY if rows > MANY_ROWS else _MOST_BANDS)
    edges = [number * SKETCH_BYTES // count for number in range(count + 1)]
    return (slice(begin, end) for begin, end in pairwise(edges))


def _check(threshold: Decimal) -> None:
    if threshold.is_nan() or not LEAST_THRESHOLD <= threshold <= 1:
        raise CommandError(
            f"threshold {threshold}: near duplicates are told from sketches at {LEAST_THRESHOLD} to 1; choose another"
        )


def _search(first: Sketches, second: Sketches, least: int, most: int) -> NearPairs:
    noted, _ = _distinct(first)
    sought, group_of = _distinct(second)
    search = _Search(first[noted], second[sought], least, most)
    search.look(slice(0, SKETCH_BYTES))
    search.settle()
    for band in bands(least, len(noted)):
        search.look(band)
    scores = search.scores[:, ::-1][group_of]
    rows, ranks = np.nonzero(scores)
    found = scores[rows, ranks]
    alone = search.cut & ~search.scores.any(axis=1)
    return NearPairs(
        rows,
        noted[_FARTHEST - (found & _FARTHEST)],
        found >> _PLACE_BITS,
        search.left_out,
        int(alone[group_of].sum()),
    )


class _Search:
    """The best matches of each of some sketches among others; within each of the two, all are different.

    `scores`: shape (sought, most), ascending, 0 where there are fewer matches.
    """

    def __init__(self, noted: Sketches, sought: Sketches, least: int, most: int) -> None:
        self._noted, self._sought, self._least, self._most = noted, sought, least, most
        self._open = np.arange(len(sought))
        self.scores = np.zeros((len(sought), most), np.int64)
        self.cut = np.zeros(len(sought), np.bool_)
        self.left_out = 0

    def look(self, band: slice) -> None:
        """Compare what is open with those that share a band: the lowest LOOKED_AT of them."""
        held = _keys(self._noted, band) << _HALF | np.arange(len(self._noted), dtype=np.uint64)
        held.sort()
        keys = _keys(self._sought[self._open], band) << _HALF
        order = np.argsort(keys)  # changes nothing but the time: neighbours look at the same memory
        keys = keys[order]
        begins = held.searchsorted(keys)
        counts = held.searchsorted(keys | _LOW_HALF, side="right") - begins
        looked_at = np.minimum(counts, LOOKED_AT)
        self.left_out += int((counts - looked_at).sum())
        self.cut[self._open[order[counts > looked_at]]] = True
        some = np.flatnonzero(looked_at)
        rows, step = self._open[order[some]], _PORTION_PAIRS // LOOKED_AT
        for at in range(0, len(some), step):
            part = slice(at, at + step)
            self._compare(rows[part], held, begins[some[part]], looked_at[some[part]])

    def settle(self) -> None:
        """Look no further for what has found an equal one."""
        self._open = np.flatnonzero(self.scores[:, -1] >> _PLACE_BITS != SKETCH_BYTES)

    def _compare(self, rows: Places, held: Hashes, begins: Places, counts: Places) -> None:
        """Compare each of `rows` with `counts` of those held, from `begins` on."""
        starts = np.cumsum(counts) - counts
        within = np.arange(counts.sum()) - np.repeat(starts, counts)
        others = (held[np.repeat(begins, counts) + within] & _LOW_HALF).astype(np.int64)
        equal = _equal_bytes(self._noted, others, self._sought, np.repeat(rows, counts))
        scores = np.where(equal < self._least, 0, equal << _PLACE_BITS | _FARTHEST - others)
        better = np.maximum.reduceat(scores, starts) > self.scores[rows, 0]
        if not better.any():
            return
        table = np.zeros((len(rows), self._most + counts.max()), np.int64)
        table[:, : self._most] = self.scores[rows]
        table[np.repeat(np.arange(len(rows)), counts), self._most + within] = scores
        table = table[better]
        table.sort(axis=1)
        again = table[:, 1:] == table[:, :-1]  # met under an earlier band as well
        table[:, 1:][again] = 0
        table.sort(axis=1)
        self.scores[rows[better]] = table[:, -self._most :]


def _equal_bytes(first: Sketches, places: Places, second: Sketches, others: Places) -> npt.NDArray[np.int64]:
    """In how many bytes each two sketches are equal."""
    same = (first.take(places, axis=0) == second.take(others, axis=0)).view(np.uint64)
    # Eight counts of up to 16, each in a byte of its own; the product's top byte is their sum.
    equal: Hashes = same.sum(axis=1, dtype=np.uint64) * _EACH_BYTE >> _TOP_BYTE
    return equal.astype(np.int64)


def _keys(sketches: Sketches, band: slice) -> Hashes:
    """32 bits of each sketch's band. Different bands may have the same: that only makes more candidates."""
    chosen = sketches[:, band]
    if rest := chosen.shape[1] % _WORD_BYTES:
        chosen = np.pad(chosen, ((0, 0), (0, _WORD_BYTES - rest)))
    links = np.ascontiguousarray(chosen).view("<u8")
    chained = links[:, 0].astype(np.uint64)
    for link in range(1, links.shape[1]):
        chained = chained * _GOLDEN + links[:, link]
    return mix(chained * _GOLDEN) >> _HALF


def _distinct(sketches: Sketches) -> tuple[Places, Places]:
    """The lowest place of each different sketch, ascending, and for every sketch which of these it is equal to."""
    keys = _keys(sketches, slice(0, SKETCH_BYTES)) << _HALF | np.arange(len(sketches), dtype=np.uint64)
    keys.sort()
    order = (keys & _LOW_HALF).astype(np.int64)
    new = np.ones(len(sketches), np.bool_)
    # Different ones with one key can part equal ones from each other. These then count as two: that costs time only.
    new[1:] = (keys[1:] >> _HALF) != (keys[:-1] >> _HALF)
    (same_key,) = np.nonzero(~new)
    new[same_key] = (sketches[order[same_key]] != sketches[order[same_key - 1]]).any(axis=1)
    lowest = order[new]
    rank = np.argsort(np.argsort(lowest))
    groups = np.empty(len(sketches), np.int64)
    groups[order] = rank[np.cumsum(new) - 1]
    return np.sort(lowest), groups
