"""The audit: what manifests share with each other, told from the manifests alone (no dataset is read).

Tiers: the same origin row, the same content, the same prompt (`manifests.row_keys`), and near duplicates by the
sketches that a manifest may carry (`manifests.similarity`). All tiers are counted for every pair; those that are asked
for decide the verdict.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from itertools import combinations

import numpy as np
import numpy.typing as npt

from manifests.errors import CommandError
from manifests.manifest import Manifest
from manifests.overlap import SharedKeys, first_pairs, shared_keys
from manifests.row_keys import (
    KEY_TIERS,
    ROW,
    KeyColumns,
    OriginNumbers,
    key_columns,
    names_of_rows,
    sketches_of,
    sources_at,
    whole_keys,
)
from manifests.similarity.confirm import ConfirmedPairs, confirmed
from manifests.similarity.pairs import NearPairs, candidate_pairs, near_pairs
from manifests.store import Store

NEAR = "near"
TIERS = (*KEY_TIERS, NEAR)
DEFAULT_TIERS = ("row", "content")
DEFAULT_THRESHOLD = Decimal("0.8")
MANY_ROWS = 1_000_000
"""Of manifests with more rows near duplicates are sought only if they are asked for: a sketch has 128 bytes."""
_EXAMPLES = 3


@dataclass(frozen=True, slots=True)
class Match:
    """A row of the first manifest and one of the second that share a key, each as (source, row).

    `similarity` is the Jaccard similarity of near duplicates: the estimate, or the true one if it was confirmed.
    """

    first: tuple[str, int]
    second: tuple[str, int]
    similarity: float | None = None


@dataclass(frozen=True, slots=True)
class Shared:
    """What two manifests share in one tier.

    `keys` counts distinct keys; near duplicates have none, there it counts the rows of the second that have one in the
    first. The rows that share are counted by source. `left_out` says how many comparisons a bound has cut off.
    """

    keys: int
    first_rows: Mapping[str, int]
    second_rows: Mapping[str, int]
    examples: tuple[Match, ...]
    left_out: int = 0


@dataclass(frozen=True, slots=True)
class Pair:
    """Two of the manifests compared, by their places, and what they share, by tier.

    The tier `near` is missing where one of the two carries no sketches, or where it was not asked for and one has more
    than MANY_ROWS rows. Rows with the same content count as near duplicates too.
    """

    first: int
    second: int
    shared: Mapping[str, Shared]


@dataclass(frozen=True, slots=True)
class Audit:
    """The outcome of an audit. `confirmed` says that near duplicates were confirmed on the texts."""

    manifests: tuple[Manifest, ...]
    pairs: tuple[Pair, ...]
    tiers: tuple[str, ...]
    threshold: Decimal
    confirmed: bool = False

    @property
    def overlapping(self) -> bool:
        """Whether any of the tiers asked for is not empty in any pair."""
        return any(pair.shared[tier].keys for pair in self.pairs for tier in self.tiers)


def audit(
    manifests: Sequence[Manifest],
    tiers: tuple[str, ...] = DEFAULT_TIERS,
    threshold: Decimal = DEFAULT_THRESHOLD,
) -> Audit:
    """Compare every two of at least two manifests.

    Raises CommandError for a tier that is none, for `near` where a manifest has no sketches, and for the same manifest
    twice.
    """
    _check_request(manifests, tiers, threshold)
    origins = OriginNumbers()
    keyed = [(manifest, key_columns(manifest, origins)) for manifest in manifests]
    shared = {
        (first, second): {tier: _shared(*keyed[first], *keyed[second], tier) for tier in KEY_TIERS}
        for first, second in combinations(range(len(manifests)), 2)
    }
    del keyed
    sketches = {
        place: sketches_of(manifest)
        for place, manifest in enumerate(manifests)
        if manifest.identity.sketched and (NEAR in tiers or manifest.identity.rows <= MANY_ROWS)
    }
    for (first, second), found in shared.items():
        if first in sketches and second in sketches:
            near = near_pairs(sketches[first], sketches[second], threshold)
            found[NEAR] = _near(manifests[first], manifests[second], near, near.left_out)
    pairs = tuple(Pair(*places, found) for places, found in shared.items())
    return Audit(tuple(manifests), pairs, tiers, threshold)


def confirm(store: Store, audit: Audit) -> Audit:
    """The same audit with near duplicates told by the true Jaccard index of the texts, not by the estimate.

    The datasets are read, each block verified. Raises CommandError when no two manifests carry sketches,
    MissingDatasetError when a dataset is not here.
    """
    if not any(NEAR in pair.shared for pair in audit.pairs):
        raise CommandError(
            "--verify-near: no two of these manifests carry sketches to find near duplicates with; build them with "
            "'sketch = true' in their recipes"
        )
    pairs = []
    for pair in audit.pairs:
        first, second = audit.manifests[pair.first], audit.manifests[pair.second]
        shared = dict(pair.shared)
        if NEAR in shared:
            candidates = candidate_pairs(sketches_of(first), sketches_of(second), audit.threshold)
            sure = confirmed(store, first, second, candidates, audit.threshold)
            shared[NEAR] = _near(first, second, sure, candidates.left_out)
        pairs.append(replace(pair, shared=shared))
    return replace(audit, pairs=tuple(pairs), confirmed=True)


def audit_json(audit: Audit) -> dict[str, object]:
    """What `--json` prints. The counts of several pairs are added up at the top."""
    pairs = [
        {
            "a": audit.manifests[pair.first].id,
            "b": audit.manifests[pair.second].id,
            **{_COUNTS[tier]: _count([pair], tier) for tier in TIERS},
            "by_source": {
                tier: {"a": dict(shared.first_rows), "b": dict(shared.second_rows)}
                for tier, shared in pair.shared.items()
            },
            "left_out": {tier: shared.left_out for tier, shared in pair.shared.items() if shared.left_out},
            "examples": {tier: _examples(shared) for tier, shared in pair.shared.items()},
        }
        for pair in audit.pairs
    ]
    ends = {"a": pairs[0]["a"], "b": pairs[0]["b"]} if len(pairs) == 1 else {}
    return {
        **ends,
        **{_COUNTS[tier]: _count(audit.pairs, tier) for tier in TIERS},
        "tiers": list(audit.tiers),
        "threshold": str(audit.threshold),
        "near_confirmed": audit.confirmed,
        "overlap": audit.overlapping,
        "examples": {
            tier: [
                text for pair in audit.pairs if tier in pair.shared for text in _examples(pair.shared[tier])
            ]
            for tier in TIERS
        },
        "manifests": [
            {"id": manifest.id, "name": manifest.name, "rows": manifest.identity.rows}
            for manifest in audit.manifests
        ],
        "pairs": pairs,
    }


_COUNTS = {
    "row": "same_row",
    "content": "same_content",
    "prompt": "same_prompt",
    "near": "near_duplicate",
}


def _count(pairs: Sequence[Pair], tier: str) -> int | None:
    """How much is shared; None where it could not be told."""
    if any(tier not in pair.shared for pair in pairs):
        return None
    return sum(pair.shared[tier].keys for pair in pairs)


def _examples(shared: Shared) -> list[str]:
    return [
        f"{match.first[0]}:{match.first[1]} = {match.second[0]}:{match.second[1]}"
        for match in shared.examples
    ]


def _check_request(manifests: Sequence[Manifest], tiers: Sequence[str], threshold: Decimal) -> None:
    if unknown := [tier for tier in tiers if tier not in TIERS]:
        raise CommandError(f"tier {unknown[0]!r}: expected some of {', '.join(TIERS)}")
    if not 0 < threshold <= 1:
        raise CommandError(f"threshold {threshold}: expected a similarity above 0, at most 1")
    if len(manifests) < 2:  # noqa: PLR2004
        raise CommandError("an audit compares at least two manifests; name another, or ask for --ancestors")
    ids = [manifest.id for manifest in manifests]
    if repeated := [identifier for place, identifier in enumerate(ids) if identifier in ids[:place]]:
        raise CommandError(
            f"{repeated[0][:12]}: named twice; an audit compares different manifests, name each once"
        )
    if NEAR in tiers and (
        bare := next((manifest for manifest in manifests if not manifest.identity.sketched), None)
    ):
        raise CommandError(
            f"tier 'near': manifest {bare.id[:12]} carries no sketches to tell near duplicates from; build it with "
            "'sketch = true' in its recipe, or use row, content, prompt"
        )


def _shared(
    first: Manifest, first_columns: KeyColumns, second: Manifest, second_columns: KeyColumns, tier: str
) -> Shared:
    ours, theirs = getattr(first_columns, tier), getattr(second_columns, tier)
    found = shared_keys(ours, theirs)
    examples = first_pairs(ours, theirs, found, _EXAMPLES)
    if tier != ROW and found.keys:  # so far half of each key was compared
        first_places, second_places = found.first_places, found.second_places
        ours, theirs = whole_keys(first, tier, first_places), whole_keys(second, tier, second_places)
        whole = shared_keys(ours, theirs)
        examples = [
            (int(first_places[here]), int(second_places[there]))
            for here, there in first_pairs(ours, theirs, whole, _EXAMPLES)
        ]
        found = SharedKeys(whole.keys, first_places[whole.first_places], second_places[whole.second_places])
    return Shared(
        found.keys,
        _rows_by_source(first, first_columns.source[found.first_places]),
        _rows_by_source(second, second_columns.source[found.second_places]),
        tuple(named_pairs(first, second, examples)),
    )


def _near(first: Manifest, second: Manifest, found: NearPairs | ConfirmedPairs, left_out: int) -> Shared:
    similarity = found.similarity.tolist()
    places = list(zip(found.first.tolist(), found.second.tolist(), strict=True))[:_EXAMPLES]
    matches = [
        replace(match, similarity=similarity[number])
        for number, match in enumerate(named_pairs(first, second, places))
    ]
    return Shared(
        len(found.second),
        _rows_by_source(first, sources_at(first, np.unique(found.first))),
        _rows_by_source(second, sources_at(second, found.second)),
        tuple(matches),
        left_out,
    )


def named_pairs(first: Manifest, second: Manifest, pairs: Sequence[tuple[int, int]]) -> list[Match]:
    """Pairs of places as matches of named rows."""
    left = names_of_rows(first, (place for place, _ in pairs))
    right = names_of_rows(second, (place for _, place in pairs))
    return [Match(left[here], right[there]) for here, there in pairs]


def _rows_by_source(manifest: Manifest, sources: npt.NDArray[np.integer]) -> dict[str, int]:
    """How many of rows each source has, of those that have any, in the manifest's order of sources."""
    counts = np.bincount(sources, minlength=len(manifest.identity.sources)).tolist()
    return {
        source.name: count for source, count in zip(manifest.identity.sources, counts, strict=True) if count
    }
