"""Which rows a page shows side by side, chosen from an audit. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

from manifests.audit import TIERS, Audit, Pair
from manifests.keys import Trace

MOST_OF_A_PAIR = 6
MOST_OF_A_PAGE = 60

RowName: TypeAlias = tuple[str, int]
"""The source and the row, as a manifest names it."""


@dataclass(frozen=True, slots=True)
class Example:
    """A row of each manifest of a pair, the tiers in which they match, and their similarity if it was looked at."""

    first: RowName
    second: RowName
    tiers: tuple[str, ...]
    similarity: float | None


@dataclass(frozen=True, slots=True)
class Sample:
    """What is known of a row that is shown: its place in the order (from 1), its keys, and its text if it is here."""

    place: int
    content: bytes
    prompt: bytes
    trace: Trace | None


Samples: TypeAlias = Mapping[tuple[int, RowName], Sample]
"""By the manifest's place in the audit, and the row."""


def pair_examples(pair: Pair, most: int = MOST_OF_A_PAIR) -> list[Example]:
    """The examples of a pair, tier after tier; two rows that match in several tiers are one example."""
    tiers: dict[tuple[RowName, RowName], list[str]] = {}
    similarity: dict[tuple[RowName, RowName], float] = {}
    for tier in TIERS:
        for match in pair.shared[tier].examples if tier in pair.shared else ():
            rows = match.first, match.second
            tiers.setdefault(rows, []).append(tier)
            if match.similarity is not None:
                similarity[rows] = match.similarity
    return [Example(*rows, tuple(found), similarity.get(rows)) for rows, found in list(tiers.items())[:most]]


def shown_examples(audit: Audit) -> list[list[Example]]:
    """The examples of each pair that the page shows: at most 6 of a pair and 60 in all, from the first pair on."""
    left, shown = MOST_OF_A_PAGE, []
    for pair in audit.pairs:
        shown.append(pair_examples(pair, min(left, MOST_OF_A_PAIR)))
        left -= len(shown[-1])
    return shown
