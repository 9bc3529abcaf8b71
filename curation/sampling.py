"""The draws and the orders, each frozen by name and golden vectors (manifests/FORMAT.md, section 5). Pure.

A draw works on candidates by place (0 … n−1 in upstream order) and answers with places: the text of nothing is needed.
CPython's `random.Random` is the Mersenne Twister; `randint` and `shuffle` have given the same sequences since 3.2.
"""

import random
from array import array
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from curation.errors import TakeError
from curation.recipe import Take
from manifests import keys

Places = npt.NDArray[np.intp]
Halves = npt.NDArray[np.uint64]


def reservoir(candidates: int, wanted: int, seed: int) -> list[int]:
    """Algorithm R (Vitter, "Random sampling with a reservoir", 1985) over places 0 … candidates−1, in slot order."""
    generator = random.Random(seed)
    slots = list(range(min(wanted, candidates)))
    draw_bits = generator.getrandbits
    for seen in range(wanted + 1, candidates + 1):
        # The same numbers as randint(0, seen - 1), which draws bits until they are a number below `seen`.
        bits = seen.bit_length()
        slot = draw_bits(bits)
        while slot >= seen:
            slot = draw_bits(bits)
        if slot < wanted:
            slots[slot] = seen - 1
    return slots


def shuffled(candidates: int, wanted: int, seed: int) -> list[int]:
    """The first `wanted` places of a Fisher-Yates shuffle of all places."""
    places = array("q", range(candidates))  # a list takes five times the memory
    random.Random(seed).shuffle(places)
    return places[:wanted].tolist()


class Hashed(NamedTuple):
    """Candidates of a draw by hash: the two halves of each one's hash, and its place. Arrays of one length."""

    high: Halves
    low: Halves
    places: Places

    def at(self, which: npt.NDArray[np.bool_] | Places) -> "Hashed":
        """Some of the candidates."""
        return Hashed(self.high[which], self.low[which], self.places[which])


def smallest_of(origins: Iterable[tuple[bytes, int]], wanted: int, seed: int, first: int = 0) -> Hashed:
    """The `wanted` candidates with the smallest hashes, ascending; their places begin at `first`."""
    hashed = bytearray()
    for origin, row in origins:
        hashed += keys.draw_key(seed, origin, row)
    high, low = _halves(hashed).T
    return _smallest(Hashed(high, low, np.arange(first, first + len(high))), wanted)


def merge_smallest(parts: Iterable[Hashed], wanted: int) -> list[int]:
    """The `wanted` places whose (origin, row within the file) hash smallest under a seed, ascending by hash.

    `parts` is what `smallest_of` said of the parts that all candidates were cut into. Nested: the first 10,000 are the
    first 10,000 of the first 20,000; a row's hash depends on nothing but itself. Of what is wanted about three times as
    many are held, and while two lots become one six times.
    """
    held = Hashed(np.empty(0, np.uint64), np.empty(0, np.uint64), np.empty(0, np.int64))
    waiting = list[Hashed]()
    for part in parts:
        # Once there are enough, only what comes before the last of them can still be among the smallest.
        if wanted and len(held.places) == wanted:
            waiting.append(part.at(part.high <= held.high[-1]))
        else:
            waiting.append(part)
        if sum(len(kept.places) for kept in waiting) >= wanted:
            held, waiting = _smallest(_together(held, *waiting), wanted), []
    smallest: list[int] = _smallest(_together(held, *waiting), wanted).places.tolist()
    return smallest


def draw(
    take: Take, seed: int, candidates: int, smallest: Callable[[int, int], list[int]], source: str
) -> Sequence[int]:
    """The places that `take` draws from so many candidates, in the order of the draw.

    `smallest` does a draw by hash: (wanted, seed) to places. All other draws go by the number of candidates alone.
    TakeError when there are too few.
    """
    if take.count is not None and candidates < take.count:
        raise TakeError(
            f"source {source}: take = {{ {take.kind} = {take.count} }}, but only {candidates} rows are left; "
            "ask for fewer, or loosen the filters before it"
        )
    wanted = candidates if take.count is None else take.count
    chosen_seed = seed if take.seed is None else take.seed
    match take.kind:
        case "reservoir":
            return reservoir(candidates, wanted, chosen_seed)
        case "shuffle":
            return shuffled(candidates, wanted, chosen_seed)
        case "hash":
            return smallest(wanted, chosen_seed)
        case _:  # "all" and "first"
            return range(wanted)


def mixed_order(contents: Iterable[bytes], seed: int) -> Places:
    """Places by ascending keyed hash of their content key; equal content keeps the order it came in."""
    hashed = bytearray()
    for content in contents:
        hashed += keys.order_key(seed, content)
    high, low = _halves(hashed).T
    return np.lexsort((low, high))


def _halves(hashed: bytearray) -> npt.NDArray[np.uint64]:
    """Hashes of 16 bytes as two numbers each that compare like their bytes, shape (hashes, 2)."""
    return np.frombuffer(hashed, ">u8").reshape(-1, 2).astype(np.uint64)


def _together(*parts: Hashed) -> Hashed:
    high, low, places = (np.concatenate(column) for column in zip(*parts, strict=True))
    return Hashed(high, low, places)


def _smallest(hashed: Hashed, wanted: int) -> Hashed:
    return hashed.at(np.lexsort((hashed.places, hashed.low, hashed.high))[:wanted])
