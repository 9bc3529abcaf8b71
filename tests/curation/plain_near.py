"""The definition of near duplicates (manifests/FORMAT.md, `near/minhash-lsh/1`) in plain Python, one step at a time."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction

from xxhash import xxh3_64_intdigest

from curation.recipe import Near
from manifests.keys import Trace

GOLDEN = 0x9E3779B97F4A7C15
MASK = 2**64 - 1
NOTED = 16


def mix(number: int) -> int:
    number = (number ^ number >> 30) * 0xBF58476D1CE4E5B9 & MASK
    number = (number ^ number >> 27) * 0x94D049BB133111EB & MASK
    return number ^ number >> 31


def chain(start: int, links: Sequence[int]) -> int:
    for link in links:
        start = (start * GOLDEN + link) & MASK
    return mix(start)


def plain_shingles(trace: Trace, near: Near) -> list[int]:
    text = "\n".join(getattr(trace, name) for name in near.on)
    words = [xxh3_64_intdigest(word) for word in text.encode().lower().split()]
    size = min(near.words, len(words))
    return [chain(size, words[at : at + size]) for at in range(len(words) - size + 1)]


def plain_band_keys(trace: Trace, near: Near) -> list[int]:
    highs = [shingle >> 32 for shingle in plain_shingles(trace, near)]
    multipliers = [
        mix(GOLDEN * number & MASK) & 0xFFFFFFFF | 1 for number in range(1, near.bands * near.rows + 1)
    ]
    minima = [min(multiplier * high & 0xFFFFFFFF for high in highs) for multiplier in multipliers]
    return [chain(near.rows, minima[first : first + near.rows]) for first in range(0, len(minima), near.rows)]


def plain_jaccard(one: Trace, other: Trace, near: Near) -> Fraction:
    first, second = set(plain_shingles(one, near)), set(plain_shingles(other, near))
    return Fraction(len(first & second), len(first | second))


@dataclass
class PlainNear:
    pairs: list[tuple[int, int]] = field(default_factory=list)
    candidates: int = 0
    verified: int = 0
    skipped: int = 0


def plain_find_near(traces: Sequence[Trace], near: Near) -> PlainNear:
    found = PlainNear()
    kept_with: dict[tuple[int, int], list[int]] = defaultdict(list)
    all_with: dict[tuple[int, int], int] = defaultdict(int)
    for place, trace in enumerate(traces):
        keys = list(enumerate(plain_band_keys(trace, near)))
        for key in keys:
            found.candidates += all_with[key]
            all_with[key] += 1
        for earlier in sorted({row for key in keys for row in kept_with[key][:NOTED]}):
            found.verified += 1
            if plain_jaccard(trace, traces[earlier], near) >= Fraction(near.threshold):
                found.pairs.append((place, earlier))
                break
        else:
            for key in keys:
                found.skipped += max(len(kept_with[key]) - NOTED, 0)
                kept_with[key].append(place)
    return found
