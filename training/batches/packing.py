"""Packing: which traces share a row of a batch. Pure.

Best-fit decreasing (Johnson, *Near-optimal bin packing algorithms*, MIT, 1973) inside windows of the epoch's order:
long traces first, each into the fullest row that still holds it. Windows keep the mix: a trace moves by at most one
window from its place in the order. What a window leaves unfilled stays so.
"""

from bisect import bisect_left, insort
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

PACKER = "best-fit-decreasing/window-2048/1"
WINDOW = 2048

PackedRow = list[tuple[int, int]]


def pack(order: Sequence[int], lengths: npt.NDArray[np.int64], capacity: int) -> list[PackedRow]:
    """Pack the samples of `order` into rows of `capacity` tokens.

    `order` holds sample numbers, `lengths[sample]` their tokens, from 1 to `capacity`. Each row is a list of (offset,
    sample), traces one behind the other from offset 0, in the epoch's order. Rows come in the order of their longest
    traces: by their earliest, full rows would come first and half-empty ones gather at the end. Deterministic: ties
    go to the earlier trace and the earlier row.
    """
    rows: list[PackedRow] = []
    for start in range(0, len(order), WINDOW):
        rows.extend(_pack_window(order[start : start + WINDOW], lengths, capacity))
    return rows


def _pack_window(window: Sequence[int], lengths: npt.NDArray[np.int64], capacity: int) -> list[PackedRow]:
    sizes = [int(lengths[sample]) for sample in window]
    places: list[list[int]] = []
    free: list[tuple[int, int]] = []  # (tokens left, row), ascending: the first that fits is the best fit
    for place in sorted(range(len(window)), key=lambda place: (-sizes[place], place)):
        fitting = bisect_left(free, (sizes[place], 0))
        if fitting == len(free):
            left, row = capacity, len(places)
            places.append([])
        else:
            left, row = free.pop(fitting)
        places[row].append(place)
        if left > sizes[place]:
            insort(free, (left - sizes[place], row))
    # A row's first place is the trace that opened it, its longest.
    return [_laid_out(sorted(row), window, sizes) for row in sorted(places)]


def _laid_out(places: list[int], window: Sequence[int], sizes: list[int]) -> PackedRow:
    row: PackedRow = []
    offset = 0
    for place in places:
        row.append((offset, int(window[place])))
        offset += sizes[place]
    return row
