"""Which rows are equal to an earlier one. Pure, and the same whatever the number of threads."""

from collections.abc import Sequence
from itertools import accumulate, pairwise

import numpy as np
import numpy.typing as npt

from manifests.origins import KeyBytes

Places = npt.NDArray[np.int64]
Marks = npt.NDArray[np.bool_]

_BUCKET_ROWS = 1 << 20
_MOST_BUCKETS = 256  # as many as a byte tells apart


def repeated(keys: Sequence[KeyBytes], among: Sequence[Marks]) -> tuple[Places, Places]:
    """The rows with a key that an earlier one has, ascending, and for each the first row that has it.

    Rows are numbered through several arrays of 16-byte keys, each of shape (rows, 16), one after another; only those
    that are marked count. Memory: three bytes a row, and about 60 for each of about a million rows at a time (more,
    where more of them are equal).
    """
    starts = [0, *accumulate(map(len, keys))]
    buckets = 1
    while buckets < _MOST_BUCKETS and buckets * _BUCKET_ROWS < starts[-1]:
        buckets *= 2
    owners = [array[:, 0] & np.uint8(buckets - 1) for array in keys]
    found = []
    for bucket in range(buckets):
        parts = []
        for array, marks, owner, start in zip(keys, among, owners, starts, strict=False):
            chosen = np.flatnonzero(marks & (owner == bucket))
            parts.append((array[chosen], chosen + start))
        found.append(repeated_in(parts))
    places, firsts = (np.concatenate(column) for column in zip(*found, strict=True))
    order = np.argsort(places)
    return places[order], firsts[order]


def first_places(keys: KeyBytes) -> Places:
    """For each of the 16-byte keys, shape (rows, 16): the place of the first key equal to it."""
    halves = np.ascontiguousarray(keys).view("<u8").reshape(-1, 2)
    order = np.argsort(halves[:, 0], kind="stable")
    first, second = halves[order, 0], halves[order, 1]
    alike = first[1:] == first[:-1]
    if (alike & (second[1:] != second[:-1])).any():  # half a key in common, not all of it
        order = np.lexsort((halves[:, 1], halves[:, 0]))
        first, second = halves[order, 0], halves[order, 1]
        alike = (first[1:] == first[:-1]) & (second[1:] == second[:-1])
    # Both sorts are stable, so each group of equal keys begins with its first place.
    begins = np.flatnonzero(np.concatenate(([True], ~alike)))[: len(order)]
    places = np.empty(len(order), np.int64)
    places[order] = np.repeat(order[begins], np.diff(np.append(begins, len(order))))
    return places


def buckets_of(keys: KeyBytes, places: Places, count: int) -> list[tuple[KeyBytes, Places]]:
    """Keys at ascending places cut into `count` buckets by their first bytes.

    Equal keys fall into the same bucket, whichever part of all keys they are in: the map of a shuffle.
    """
    owners = np.ascontiguousarray(keys).view("<u8").reshape(-1, 2)[:, 0] % np.uint64(count)
    order = np.argsort(owners, kind="stable")
    edges = np.searchsorted(owners[order], np.arange(count + 1, dtype=np.uint64))
    return [(keys[order[begin:end]], places[order[begin:end]]) for begin, end in pairwise(edges.tolist())]


def repeated_in(parts: Sequence[tuple[KeyBytes, Places]]) -> tuple[Places, Places]:
    """Of a bucket's parts, in the order of the places: the places that repeat an earlier key, and the first of each."""
    keys = np.concatenate([keys for keys, _ in parts])
    places = np.concatenate([places for _, places in parts])
    firsts = first_places(keys)
    again = firsts != np.arange(len(keys))
    return places[again], places[firsts[again]]
