"""Sketches: 128 bytes that stand for a text's shingles, `sketch/minhash-b8/1` (FORMAT.md, section 3). Pure.

b-bit minwise hashing: Li and König, b-Bit Minwise Hashing, 2010. Of every MinHash value 8 bits are kept. Two texts of
Jaccard index J agree in a byte with probability J + (1 - J) / 256: their values are equal with probability J, and two
different values agree in 8 bits once in 256 times.
"""

from collections.abc import Iterable
from decimal import Decimal
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from manifests.keys import Trace
from manifests.similarity.jaccard import WORDS
from manifests.similarity.minhash import minima, mix, portions, shingle_hashes

SKETCH_BYTES = 128

Sketches: TypeAlias = npt.NDArray[np.uint8]
"""Shape (texts, 128)."""

_KEPT_BITS = 8
_BYTE_VALUES = 1 << _KEPT_BITS
# (m / 128 - 1 / 256) / (1 - 1 / 256), in whole numbers: (2 m - 1) / 255.
_BY_MATCH, _BY_CHANCE, _WHOLE = _BYTE_VALUES // SKETCH_BYTES, 1, _BYTE_VALUES - 1


def text_of(trace: Trace) -> bytes:
    """The text that is sketched and compared: prompt, reasoning and answer, joined by one line feed, as UTF-8."""
    return "\n".join(trace).encode()


def sketches(texts: Iterable[bytes]) -> Sketches:
    """The sketch of each text, shape (texts, 128). A text's sketch depends on it alone."""
    parts = [
        (mix(minima(shingle_hashes(portion, WORDS), SKETCH_BYTES).astype(np.uint64)) >> np.uint64(56)).T
        for portion in portions(texts)
    ]
    return np.concatenate([np.empty((0, SKETCH_BYTES), np.uint8), *(part.astype(np.uint8) for part in parts)])


def similarity_of(matches: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
    """The estimate of the Jaccard index from the number of equal bytes: (m/128 - 1/256) / (1 - 1/256), at least 0.

    Unbiased but for that limit; its error stands in `standard_error`.
    """
    estimates = (_BY_MATCH * matches.astype(np.float64) - _BY_CHANCE) / _WHOLE
    return np.maximum(estimates, 0.0)


def standard_error(similarity: float) -> float:
    """The standard deviation of the estimate, for two texts of this Jaccard index: at most 0.0444 (at 0.5).

    That of a mean of 128 independent agreements, each of probability p = J + (1 - J) / 256: sqrt(p (1 - p) / 128), over
    1 - 1/256.
    """
    agreement: float = similarity + (1 - similarity) / _BYTE_VALUES
    return float((agreement * (1 - agreement) / SKETCH_BYTES) ** 0.5 * _BYTE_VALUES / _WHOLE)


def least_matches(threshold: Decimal) -> int:
    """The least number of equal bytes whose estimate is at least a threshold from 0 (not included) to 1. Exact."""
    parts, whole = threshold.as_integer_ratio()
    return -(-(_WHOLE * parts + _BY_CHANCE * whole) // (_BY_MATCH * whole))
