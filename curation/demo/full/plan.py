"""Which rows of the full size are no fresh ones, and what each of them is. Pure.

Unlike the small size, places are drawn and not shuffled, so that nothing grows with the number of fresh rows.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace

from curation.demo.layouts import ways
from curation.demo.planting import Planted
from curation.demo.scales import Part, Scale
from curation.demo.templates import Draw


@dataclass(frozen=True, slots=True)
class Plan:
    """What is planted, by source and row; all other rows are fresh."""

    planted: Mapping[str, Mapping[int, Planted]]
    """In the order of the sources and rows."""
    originals: Mapping[str, frozenset[int]]
    """The fresh rows that a later row repeats, exactly or nearly."""
    source_of: Mapping[str, str]
    """By part."""

    def listed(self) -> list[Planted]:
        """All that is planted, in the order of the sources and rows."""
        return [one for rows in self.planted.values() for one in rows.values()]


def plan(seed: int, scale: Scale, sources: Collection[str]) -> Plan:
    """What is planted in these sources.

    A row repeats an earlier row of its part, or any row of an earlier part; no row is repeated twice. A row that
    would repeat one of a source that is not among `sources` is a fresh one. The plan of a part does not depend on the
    parts behind it, nor on `sources` in any other way.
    """
    free: dict[str, _Free] = {}
    ends: dict[str, int] = {}
    planted: list[Planted] = []
    for name, part in scale.parts.items():
        first = ends.get(part.source, 0) + 1
        ends[part.source] = first + part.rows - 1
        free[name] = _Free(f"demo sources, seed {seed}, places in {name}", first, ends[part.source])
        planted += sorted(_planted_in(name, part, free), key=lambda one: one.row)
    source_of = {name: part.source for name, part in scale.parts.items()}
    by_source: dict[str, dict[int, Planted]] = {source: {} for source in ends if source in sources}
    originals: dict[str, set[int]] = {source: set() for source in by_source}
    ways_used: dict[tuple[str, str], int] = {}
    for one in planted:
        source = source_of[one.part]
        if source not in by_source or (one.of_part and source_of[one.of_part] not in by_source):
            continue
        by_source[source][one.row] = one
        if one.of_part:
            originals[source_of[one.of_part]].add(one.of_row)
        elif one.kind == "malformed":
            used = ways_used.get((one.part, one.detail), 0)
            ways_used[one.part, one.detail] = used + 1
            by_source[source][one.row] = replace(one, variant=used % ways(source, one.detail))
    return Plan(by_source, {source: frozenset(rows) for source, rows in originals.items()}, source_of)


class _Free:
    """The rows of a part that are not spoken for."""

    def __init__(self, seed: str, first: int, last: int) -> None:
        self._draw = Draw(seed, care=0)
        self._first, self._last = first, last
        self._taken: set[int] = set()

    def take(self) -> int:
        """One of them, which is spoken for from now on."""
        while (row := self._draw.number(self._first, self._last)) in self._taken:
            pass
        self._taken.add(row)
        return row


def _planted_in(name: str, part: Part, free: Mapping[str, _Free]) -> list[Planted]:
    found = []
    for kind, counts in (("duplicate", part.duplicates), ("near", part.near_duplicates)):
        for of_part, count in counts.items():
            for _ in range(count):
                of_row, row = free[of_part].take(), free[name].take()
                if of_part == name:
                    of_row, row = sorted((of_row, row))
                found.append(Planted(kind, name, row, of_part, of_row))
    for kind, counts in (("language", part.languages), ("malformed", part.malformed)):
        for detail, count in counts.items():
            found += [Planted(kind, name, free[name].take(), detail=detail) for _ in range(count)]
    return found
