"""Word shingles, their MinHash values, and the keys of its bands. Pure; FORMAT.md has the definitions (section 4).

MinHash: Broder, On the resemblance and containment of documents, 1997. Bands (locality-sensitive hashing): Indyk and
Motwani, Approximate nearest neighbors, 1998; Leskovec, Rajaraman and Ullman, Mining of Massive Datasets, chapter 3.
All arithmetic is on unsigned integers and wraps around. Work goes on in blocks that fit into a core's cache; where a
block ends changes no value.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from manifests.similarity.xxh3 import WIDTH, Hashes, Offsets, hash_pieces

_BLOCK_BYTES = 1 << 18
_BLOCK_SHINGLES = 1 << 16
_PORTION_BYTES = 4 << 20

_SPACE = 32
# ASCII letters to lower case, the six ASCII whitespace bytes to the space; every other byte stands for itself.
_FOLD = bytes.maketrans(b"ABCDEFGHIJKLMNOPQRSTUVWXYZ\t\n\v\f\r", b"abcdefghijklmnopqrstuvwxyz     ")

_GOLDEN = 0x9E3779B97F4A7C15
"""2^64 over the golden ratio, odd: the step of SplitMix64, and the multiplier of every chain."""
_MASK = 2**64 - 1


class Shingles(NamedTuple):
    """The shingle hashes of texts: one text after another, in the order of its words, with repetitions.

    `starts` (one more than there are texts) says where each text's begin. Every text has at least one.
    """

    hashes: Hashes
    starts: Offsets


def portions(texts: Iterable[bytes]) -> Iterator[list[bytes]]:
    """The texts in lists of a few megabytes: what is computed beside a text takes many times its size."""
    portion: list[bytes] = []
    size = 0
    for text in texts:
        portion.append(text)
        size += len(text)
        if size >= _PORTION_BYTES:
            yield portion
            portion, size = [], 0
    if portion:
        yield portion


def shingle_hashes(texts: Sequence[bytes], words: int) -> Shingles:
    """The hashes of all runs of `words` words of each text; of the run of all its words, if it has fewer.

    The run of no words, which a text without words has, hashes to 0.
    """
    hashes, offsets = _word_hashes(texts, words - 1)
    counts = np.diff(offsets)
    starts = np.concatenate(([0], np.cumsum(np.maximum(counts - (words - 1), 1))))
    (wordless,) = np.nonzero(counts == 0)
    begins = np.ones(offsets[-1], dtype=np.bool_)
    for back in range(1, min(words, int(counts.max(initial=0)))):
        begins[(offsets[1:] - back)[counts > back]] = False
    result = np.empty(starts[-1] - len(wordless), dtype=np.uint64)
    done = 0
    for first in range(0, len(begins), _BLOCK_SHINGLES):
        chosen = begins[first : first + _BLOCK_SHINGLES]
        runs = _chain([hashes[first + word : first + word + len(chosen)] for word in range(words)], words)
        kept = runs[chosen]
        result[done : done + len(kept)] = kept
        done += len(kept)
    result = np.insert(result, starts[wordless] - np.arange(len(wordless)), 0) if len(wordless) else result
    for count in np.unique(counts[(counts > 0) & (counts < words)]).tolist():
        (short,) = np.nonzero(counts == count)
        result[starts[short]] = _chain([hashes[offsets[short] + word] for word in range(count)], count)
    return Shingles(result, starts)


def band_key_matrix(shingles: Shingles, bands: int, rows: int) -> Hashes:
    """The key of each text's bands of `rows` MinHash values, shape (texts, bands)."""
    values = minima(shingles, bands * rows).reshape(bands, rows, -1)
    return np.ascontiguousarray(_chain([values[:, row].astype(np.uint64) for row in range(rows)], rows).T)


def multipliers(count: int) -> npt.NDArray[np.uint32]:
    """Odd numbers: multiplying by one of them permutes the 32-bit numbers.

    They are SplitMix64's numbers from state 0 (Steele, Lea and Flood, Fast splittable pseudorandom number generators,
    2014), of each the low half with its lowest bit set.
    """
    drawn = mix(np.arange(1, count + 1, dtype=np.uint64) * np.uint64(_GOLDEN))
    return drawn.astype(np.uint32) | np.uint32(1)


def mix(values: Hashes) -> Hashes:
    """SplitMix64's finalizer, in place."""
    values ^= values >> np.uint64(30)
    values *= np.uint64(0xBF58476D1CE4E5B9)
    values ^= values >> np.uint64(27)
    values *= np.uint64(0x94D049BB133111EB)
    values ^= values >> np.uint64(31)
    return values


def minima(shingles: Shingles, count: int) -> npt.NDArray[np.uint32]:
    """The MinHash values: of each permutation the least over the high halves of each text's hashes.

    Shape (count, texts).
    """
    hashes, starts = shingles
    least_of_all = np.full((count, len(starts) - 1), 2**32 - 1, dtype=np.uint32)
    for first in range(0, len(hashes), _BLOCK_SHINGLES):
        values = (hashes[first : first + _BLOCK_SHINGLES] >> np.uint64(32)).astype(np.uint32)
        permuted = np.empty_like(values)
        text, past = np.searchsorted(starts, (first + 1, first + len(values))) - (1, 0)
        segments = np.maximum(starts[text:past] - first, 0)
        for number, multiplier in enumerate(multipliers(count)):
            np.multiply(values, multiplier, out=permuted)
            least = least_of_all[number, text:past]
            np.minimum(least, np.minimum.reduceat(permuted, segments), out=least)
    return least_of_all


def _word_hashes(texts: Sequence[bytes], padding: int) -> tuple[Hashes, Offsets]:
    """The hash of every word, and where each text's words begin (one more than texts); then `padding` zeros."""
    folded = (b" " + b" ".join(texts) + b" " * WIDTH).translate(_FOLD)
    begins = np.cumsum([1] + [len(text) + 1 for text in texts])
    offsets = np.empty(len(begins), dtype=np.int64)
    parts: list[Hashes] = []
    words = text = 0
    for first, last in _spans(folded):
        is_space = np.frombuffer(folded, dtype=np.uint8, offset=first, count=last - first + 1) == _SPACE
        edges = np.flatnonzero(is_space[1:] != is_space[:-1])
        word_begins = edges[::2] + (first + 1)
        past = int(np.searchsorted(begins, last, side="right"))
        offsets[text:past] = words + np.searchsorted(word_begins, begins[text:past])
        parts.append(hash_pieces(folded, word_begins, edges[1::2] - edges[::2]))
        words, text = words + len(word_begins), past
    offsets[text:] = words
    return np.concatenate([*parts, np.zeros(padding, dtype=np.uint64)]), offsets


def _spans(folded: bytes) -> Iterator[tuple[int, int]]:
    """(first, last) of spans of about a block that begin and end with a space, which neighbours share."""
    first, end = 0, len(folded) - WIDTH
    while first < end:
        last = min(folded.find(b" ", first + _BLOCK_BYTES), end) if first + _BLOCK_BYTES < end else end
        yield first, last
        first = last


def _chain(links: Sequence[Hashes], start: int) -> Hashes:
    """`start`, then for each link: times the golden multiplier, plus the link; in the end SplitMix64's finalizer."""
    chained = links[0] + np.uint64(start * _GOLDEN & _MASK)
    for link in links[1:]:
        chained *= np.uint64(_GOLDEN)
        chained += link
    return mix(chained)
