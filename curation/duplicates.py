"""Which rows are equal to an earlier one. Pure, and the same whatever the number of threads."""

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
