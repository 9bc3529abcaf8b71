"""The stage `near`: which rows are near duplicates of an earlier one (manifests/FORMAT.md, `near/minhash-lsh/1`).

MinHash bands (`manifests.similarity.minhash`) propose pairs, the Jaccard index of the shingle sets decides. Rows are
gone through in ascending order. A row is dropped if it is near to an earlier row that was kept and is noted under one
of its band keys; the lowest such row is named. A band key notes the first NOTED_ROWS kept rows that have it. So a row
that is near to a dropped row alone stays; whatever the data, a row costs at most bands × NOTED_ROWS comparisons; and
what is dropped depends on nothing but rows and their order.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from curation.recipe import FIELDS, Near
from manifests.keys import Trace
from manifests.similarity.jaccard import common, shingle_sets
from manifests.similarity.minhash import band_key_matrix, portions, shingle_hashes
from manifests.similarity.xxh3 import Hashes

NOTED_ROWS = 16
SHINGLE_BYTES = 256 << 20
READ_PLACES = 4096

_SET_OVERHEAD = 256
_ALONE = -1

ReadTraces = Callable[[Sequence[int]], Iterable[Trace]]
Places = npt.NDArray[np.int64]
Positions = npt.NDArray[np.int32]


@dataclass(frozen=True, slots=True)
class NearResult:
    """What `find_near` found.

    `pairs`: shape (dropped rows, 2), place dropped and place kept, ascending by the place dropped.
    `candidates`: pairs of rows that share a band key, counted once for every key they share.
    `verified`: different pairs whose Jaccard index was computed; a row's comparisons end with its first near one.
    `skipped`: what the bound left out: (row kept, its band key, earlier kept row that has the key but is not noted).
    """

    pairs: Places
    candidates: int
    verified: int
    skipped: int


def band_keys(traces: Sequence[Trace], near: Near) -> Hashes:
    """The keys of each trace's bands, shape (traces, bands). A trace's keys depend on it alone."""
    parts = [
        band_key_matrix(shingle_hashes(texts, near.words), near.bands, near.rows)
        for texts in portions(_texts(traces, near))
    ]
    return np.concatenate([np.empty((0, near.bands), dtype=np.uint64), *parts])


def shingles(trace: Trace, near: Near) -> Hashes:
    """The set of a trace's shingle hashes: ascending, each once."""
    (found,) = shingle_sets(_texts([trace], near), near.words)
    return found


def are_near(one: Hashes, other: Hashes, near: Near) -> bool:
    """Whether the Jaccard index of two sets of shingles is at least the threshold: exactly, nothing is rounded."""
    parts, whole = near.threshold.as_integer_ratio()
    small, large = (one, other) if len(one) <= len(other) else (other, one)
    if len(small) * whole < parts * len(large):
        return False
    shared = common(small, large)
    return shared * whole >= parts * (len(small) + len(large) - shared)


def find_near(
    bands: Hashes, near: Near, read: ReadTraces, *, shingle_bytes: int = SHINGLE_BYTES
) -> NearResult:
    """The rows to drop, given the band keys of all rows, shape (rows, bands), in the order of their places.

    `read` yields the traces at ascending places, at most READ_PLACES a call. Calls go forward through the rows; there
    is one sweep of them, and another for each `shingle_bytes` that the shingle sets of kept candidates take. Memory:
    `shingle_bytes`, the traces of one call, and for rows that share keys up to twice what `bands` takes for them.
    """
    search = _Search(_shared_keys(bands), near, read, shingle_bytes)
    undecided = np.arange(len(search.shared.places), dtype=np.int32)
    while len(undecided):
        undecided = search.sweep(undecided)
    return search.result()


class _SharedKeys(NamedTuple):
    """The rows that share a band key with another, and these keys, numbered band by band.

    `places` of the rows, ascending: where a row stands there is its position. `keys`: shape (positions, bands), a key's
    number, or _ALONE. `members`: the positions of the rows that have a key, ascending, one key after another; `starts`
    (one more than there are keys) says where each key's begin. A search reuses `members` as it goes.
    """

    places: Places
    keys: Positions
    members: Positions
    starts: Places


def _places_sharing_a_key(bands: Hashes) -> Places:
    """The rows that have a key which another row has as well, ascending."""
    sharing = np.zeros(len(bands), dtype=np.bool_)
    high_bits = len(bands).bit_length() + 2
    for band in bands.T:
        # Counting is cheaper than sorting: most keys are alone by their high bits already.
        slots = (band >> np.uint64(64 - high_bits)).astype(np.int64)
        crowded = np.flatnonzero(np.bincount(slots)[slots] > 1)
        order = crowded[np.argsort(band[crowded])]
        equal = band[order[1:]] == band[order[:-1]]
        sharing[order[1:][equal]] = True
        sharing[order[:-1][equal]] = True
    return np.flatnonzero(sharing)


def _shared_keys(bands: Hashes) -> _SharedKeys:
    places = _places_sharing_a_key(bands)
    keys = np.full((len(places), bands.shape[1]), _ALONE, dtype=np.int32)
    members = [np.empty(0, dtype=np.int32)]
    sizes = [np.zeros(1, dtype=np.int64)]
    numbered = 0
    for number, band in enumerate(bands.T):
        values = band[places]
        order = np.argsort(values, kind="stable")
        heads = np.flatnonzero(np.diff(values[order], prepend=~values[order[:1]]))
        counts = np.diff(heads, append=len(order))
        several = counts > 1
        in_several = np.repeat(several, counts)
        numbers = np.repeat(numbered + np.cumsum(several) - 1, counts)
        keys[order[in_several], number] = numbers[in_several]
        members.append(order[in_several].astype(np.int32))
        sizes.append(counts[several])
        numbered += int(several.sum())
    return _SharedKeys(places, keys, np.concatenate(members), np.cumsum(np.concatenate(sizes)))


class _Search:
    """The state of `find_near`: which rows were kept under which keys, and which were dropped for which."""

    def __init__(self, shared: _SharedKeys, near: Near, read: ReadTraces, shingle_bytes: int) -> None:
        self.shared, self._near, self._read, self._shingle_bytes = shared, near, read, shingle_bytes
        # Single numbers are read and written much faster through views than through arrays.
        self._starts, self._members = shared.starts.data, shared.members.data
        self._kept_counts = np.zeros(len(shared.starts) - 1, dtype=np.int32).data
        self._dropped: dict[int, int] = {}
        self._verified = self._skipped = 0

    def sweep(self, undecided: Positions) -> Positions:
        """Decide rows, lowest first, until the shingle sets of the kept ones fill the memory allowed.

        What comes then is only compared with these, and returned if it is near to none: no row that is decided later
        can be lower than one of these, so the lowest near row is found all the same.
        """
        sets: dict[int, Hashes] = {}
        room = self._shingle_bytes
        left: list[int] = []
        for position, found in self._shingle_sets(undecided):
            keys = [key for key in self.shared.keys[position].tolist() if key != _ALONE]
            near_to = self._first_near(found, self._noted(keys), sets)
            if near_to is not None:
                self._dropped[position] = near_to
            elif sets and room <= 0:
                left.append(position)
            elif self._keep(position, keys):
                sets[position] = found
                room -= found.nbytes + _SET_OVERHEAD
        return np.array(left, dtype=np.int32)

    def result(self) -> NearResult:
        """What was found, when nothing is undecided."""
        positions = np.array(sorted(self._dropped.items()), dtype=np.int64).reshape(-1, 2)
        sizes = np.diff(self.shared.starts)
        candidates = int((sizes * (sizes - 1) // 2).sum())
        return NearResult(self.shared.places[positions], candidates, self._verified, self._skipped)

    def _noted(self, keys: list[int]) -> list[int]:
        """The rows noted under the keys, ascending."""
        noted: set[int] = set()
        for key in keys:
            start = self._starts[key]
            noted.update(self._members[start : start + min(self._kept_counts[key], NOTED_ROWS)])
        return sorted(noted)

    def _first_near(self, found: Hashes, noted: list[int], sets: dict[int, Hashes]) -> int | None:
        """The first of the noted rows that is near; those without a set here were compared in an earlier sweep."""
        for position in noted:
            if position in sets:
                self._verified += 1
                if are_near(found, sets[position], self._near):
                    return position
        return None

    def _keep(self, position: int, keys: list[int]) -> bool:
        """Note a row under its keys, and say whether a later row can meet it there.

        The rows kept so far are moved to the front of a key's members: these are behind us, all but the last of them,
        which can be overwritten by itself only.
        """
        awaited = False
        for key in keys:
            count = self._kept_counts[key]
            self._members[self._starts[key] + count] = position
            self._kept_counts[key] = count + 1
            self._skipped += max(count - NOTED_ROWS, 0)
            awaited |= count < NOTED_ROWS and self._members[self._starts[key + 1] - 1] > position
        return awaited

    def _shingle_sets(self, positions: Positions) -> Iterator[tuple[int, Hashes]]:
        for first in range(0, len(positions), READ_PLACES):
            batch = positions[first : first + READ_PLACES]
            traces = self._read(self.shared.places[batch].tolist())
            yield from zip(
                batch.tolist(), shingle_sets(_texts(traces, self._near), self._near.words), strict=True
            )


def _texts(traces: Iterable[Trace], near: Near) -> Iterator[bytes]:
    if near.on == FIELDS:
        return ("\n".join(trace).encode() for trace in traces)
    fields = [FIELDS.index(field) for field in near.on]
    return ("\n".join([trace[field] for field in fields]).encode() for trace in traces)
