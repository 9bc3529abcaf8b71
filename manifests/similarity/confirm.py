"""Near duplicates confirmed on the texts: candidates from sketches, the true Jaccard index from the two datasets."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction

import numpy as np
import numpy.typing as npt

from manifests.keys import Trace
from manifests.manifest import Manifest
from manifests.similarity.jaccard import WORDS, jaccard_of_sets, shingle_sets
from manifests.similarity.pairs import NearPairs, Places
from manifests.similarity.sketch import text_of
from manifests.similarity.xxh3 import Hashes
from manifests.store import Store

HELD_BYTES = 256 << 20
_SET_OVERHEAD = 256


@dataclass(frozen=True, slots=True)
class ConfirmedPairs:
    """For each row of a second manifest that is near to one of a first: the nearest of its candidates.

    `second` and `first` are places in training order, ascending by `second`; `indices` the pairs' true Jaccard indices.
    """

    second: Places
    first: Places
    indices: tuple[Fraction, ...]

    @property
    def similarity(self) -> npt.NDArray[np.float64]:
        """The Jaccard indices as floats."""
        return np.array([float(index) for index in self.indices], np.float64)


def confirmed(
    store: Store,
    first: Manifest,
    second: Manifest,
    pairs: NearPairs,
    threshold: Decimal,
    *,
    held_bytes: int = HELD_BYTES,
) -> ConfirmedPairs:
    """Of each row of `second` the pair with the highest Jaccard index, if that is at least `threshold`, exactly.

    Of equal ones the lowest place in `first`. `pairs` come from `candidate_pairs`. The first dataset is read once, the
    second once for each `held_bytes` that the shingles of the first's candidates take. Raises MissingDatasetError when
    a dataset is not here, VerificationError when one is not its manifest's.
    """
    for manifest in (first, second):
        store.dataset_blocks(manifest)  # a missing one is told before anything is read
    wanted = np.unique(pairs.first)
    order = np.argsort(pairs.first, kind="stable")
    ascending = pairs.first[order]
    best: dict[int, tuple[Fraction, int]] = {}
    for held in _portions_of(_sets_at(store, first, wanted), held_bytes):
        begin, end = ascending.searchsorted((min(held), max(held) + 1))
        chosen = order[begin:end]
        _compare(store, second, held, pairs.first[chosen], pairs.second[chosen], best)
    near = {place: found for place, found in sorted(best.items()) if found[0] >= Fraction(threshold)}
    return ConfirmedPairs(
        np.array(list(near), np.int64),
        np.array([-negative for _, negative in near.values()], np.int64),
        tuple(index for index, _ in near.values()),
    )


def _compare(
    store: Store,
    manifest: Manifest,
    held: Mapping[int, Hashes],
    first: Places,
    second: Places,
    best: dict[int, tuple[Fraction, int]],
) -> None:
    """Read rows of the second manifest, compare each with those held that it is paired with, and note the best."""
    order = np.argsort(second, kind="stable")
    others, ascending = first[order], second[order]
    for place, found in _sets_at(store, manifest, np.unique(second)):
        begin, end = ascending.searchsorted((place, place + 1))
        for other in others[begin:end].tolist():
            score = jaccard_of_sets(held[other], found), -other
            if place not in best or score > best[place]:
                best[place] = score


def _sets_at(store: Store, manifest: Manifest, places: Places) -> Iterator[tuple[int, Hashes]]:
    """The shingle sets of the rows at places, ascending, from verified blocks."""
    if not len(places):
        return
    start = 0
    for block in store.dataset_blocks(manifest):
        here = places[slice(*places.searchsorted((start, start + block.num_rows)))]
        if len(here):
            chosen = block.select(("prompt", "reasoning", "answer")).take(here - start).to_pydict()
            texts = (text_of(Trace(*parts)) for parts in zip(*chosen.values(), strict=True))
            yield from zip(here.tolist(), shingle_sets(texts, WORDS), strict=True)
        start += block.num_rows
        if start > places[-1]:
            return


def _portions_of(sets: Iterator[tuple[int, Hashes]], held_bytes: int) -> Iterator[dict[int, Hashes]]:
    held: dict[int, Hashes] = {}
    size = 0
    for place, found in sets:
        held[place] = found
        size += found.nbytes + _SET_OVERHEAD
        if size >= held_bytes:
            yield held
            held, size = {}, 0
    if held:
        yield held
