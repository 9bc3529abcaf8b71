"""Random numbers by the million, and lengths drawn by their quantiles. Pure, and whole numbers only.

The words are those of `numpy.random.PCG64.random_raw`. NumPy guarantees that a seed of this bit generator always
gives the same words ("Compatibility Guarantee" of its documentation); it guarantees nothing of the kind for the
methods of `Generator`, so none is used. What is made of the words is integer arithmetic, the same on any processor.
"""

import hashlib
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Whole = NDArray[np.int64]
"""Whole numbers, one dimension."""

_HALF_WORD = np.uint64(32)
_SHARE_BITS = 30
"""A share of one is a whole number of so many bits: 1,000 times it, times twice any length, stays below 2^63."""


class Stream:
    """The random words of a seed, which is a text: the SHA-256 of it seeds PCG64."""

    def __init__(self, seed: str) -> None:
        self._words = np.random.PCG64(int.from_bytes(hashlib.sha256(seed.encode()).digest(), "big"))

    def below(self, bound: int, count: int) -> Whole:
        """`count` whole numbers from 0 to `bound` - 1; the bound is at most 2^31.

        The upper half of each word, times the bound, shifted right by 32: off from uniform by less than bound / 2^32.
        """
        upper = self._words.random_raw(count) >> _HALF_WORD
        return ((upper * np.uint64(bound)) >> _HALF_WORD).astype(np.int64)


@dataclass(frozen=True, slots=True)
class Lengths:
    """A distribution of lengths in characters: per mille of the rows, and the length that they don't exceed.

    The first is at 0 per mille, the last at 1,000; between two of them lengths are uniform, to the nearest whole.
    """

    quantiles: tuple[tuple[int, int], ...]

    def draw(self, stream: Stream, count: int) -> Whole:
        """`count` lengths."""
        share = stream.below(1 << _SHARE_BITS, count) * 1000
        at, length = (np.array(column, dtype=np.int64) for column in zip(*self.quantiles, strict=True))
        at <<= _SHARE_BITS
        low = np.searchsorted(at, share, side="right") - 1
        width, rise = at[low + 1] - at[low], length[low + 1] - length[low]
        drawn: Whole = length[low] + (2 * rise * (share - at[low]) + width) // (2 * width)
        return drawn
