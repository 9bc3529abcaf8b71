"""Sketches and near pairs (manifests/FORMAT.md, `sketch/minhash-b8/1`) in plain Python, one step at a time."""

from collections.abc import Sequence
from fractions import Fraction

import numpy as np

from curation.recipe import Near
from manifests.keys import Trace
from manifests.similarity.sketch import Sketches
from tests.curation.plain_near import GOLDEN, MASK, mix, plain_shingles

BYTES = 128


def plain_sketch(trace: Trace) -> bytes:
    highs = [shingle >> 32 for shingle in plain_shingles(trace, Near())]
    multipliers = [mix(GOLDEN * number & MASK) & 0xFFFFFFFF | 1 for number in range(1, BYTES + 1)]
    values = [min(multiplier * high & 0xFFFFFFFF for high in highs) for multiplier in multipliers]
    return bytes(mix(value) >> 56 for value in values)


def plain_estimate(matches: int) -> Fraction:
    chance = Fraction(1, 256)
    return max((Fraction(matches, BYTES) - chance) / (1 - chance), Fraction(0))


def plain_pairs(first: Sketches, second: Sketches, threshold: Fraction) -> list[tuple[int, int, int]]:
    """(row of the second, best row of the first, equal bytes), every row compared with every row."""
    found = []
    for row, sketch in enumerate(second):
        matches = [int(np.count_nonzero(other == sketch)) for other in first]
        best = max(range(len(first)), key=lambda place: (matches[place], -place), default=None)
        if best is not None and plain_estimate(matches[best]) >= threshold:
            found.append((row, best, matches[best]))
    return found


def sketches_of_matches(counts: Sequence[int], seed: int = 1) -> Sketches:
    """A first sketch of all zeros, then for each count one that is equal to it in so many bytes, drawn at random."""
    draw = np.random.default_rng(seed)
    made = np.zeros((len(counts) + 1, BYTES), np.uint8)
    for row, count in enumerate(counts, 1):
        differing = draw.permutation(BYTES)[count:]
        made[row, differing] = draw.integers(1, 256, len(differing), dtype=np.uint8)
    return made
