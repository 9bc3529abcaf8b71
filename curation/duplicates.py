"""Which rows are equal to an earlier one. Pure, and the same whatever the number of threads."""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from manifests.origins import KeyBytes

Places = npt.NDArray[np.int64]


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


def buckets_of(keys: KeyBytes, first: int, count: int) -> list[tuple[KeyBytes, Places]]:
    """Keys cut into `count` buckets by their first bytes, each with the places of its keys, ascending from `first`.

    Equal keys fall into the same bucket, whichever part of all keys they are in: the map of a shuffle.
    """
    owners = np.ascontiguousarray(keys).view("<u8").reshape(-1, 2)[:, 0] % np.uint64(count)
    order = np.argsort(owners, kind="stable")
    edges = np.searchsorted(owners[order], np.arange(count + 1, dtype=np.uint64))
    return [(keys[order[begin:end]], order[begin:end] + first) for begin, end in pairwise(edges.tolist())]


def repeated_in(parts: Sequence[tuple[KeyBytes, Places]]) -> tuple[Places, Places]:
    """Of a bucket's parts, in the order of the places: the places that repeat an earlier key, and the first of each."""
    keys = np.concatenate([keys for keys, _ in parts])
    places = np.concatenate([places for _, places in parts])
    firsts = first_places(keys)
    repeated = firsts != np.arange(len(keys))
    return places[repeated], places[firsts[repeated]]
