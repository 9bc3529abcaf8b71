"""The Jaccard index of two texts' shingles, as FORMAT.md defines it (section 4, near). Pure, exact."""

from collections.abc import Iterable, Iterator
from fractions import Fraction
from itertools import pairwise

import numpy as np

from manifests.similarity.minhash import portions, shingle_hashes
from manifests.similarity.xxh3 import Hashes

WORDS = 5
"""Words of a shingle, where nothing else is said."""


def shingle_sets(texts: Iterable[bytes], words: int) -> Iterator[Hashes]:
    """The set of each text's shingle hashes: ascending, each once."""
    for portion in portions(texts):
        hashes, starts = shingle_hashes(portion, words)
        bounds = list(pairwise(starts.tolist()))
        for begin, end in bounds:
            hashes[begin:end].sort()
        first_of_its_kind = np.concatenate(([True], hashes[1:] != hashes[:-1]))
        first_of_its_kind[starts[:-1]] = True
        for begin, end in bounds:
            yield hashes[begin:end][first_of_its_kind[begin:end]]


def common(one: Hashes, other: Hashes) -> int:
    """How many hashes two sets share. Fastest with the smaller one first; the sets must not be empty."""
    return int(np.count_nonzero(other.take(other.searchsorted(one), mode="clip") == one))


def jaccard_of_sets(one: Hashes, other: Hashes) -> Fraction:
    """What two sets share over what they have together, exactly. They must not be empty."""
    small, large = (one, other) if len(one) <= len(other) else (other, one)
    shared = common(small, large)
    return Fraction(shared, len(one) + len(other) - shared)


def jaccard(first: bytes, second: bytes, words: int = WORDS) -> Fraction:
    """The Jaccard index of the shingles of two texts in UTF-8, exactly; symmetric, 1 for a text with itself."""
    one, other = shingle_sets((first, second), words)
    return jaccard_of_sets(one, other)
