"""What an audit says, in words: labels, counts and the verdict. Pure."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from manifests.audit import MANY_ROWS, NEAR, TIERS, Audit, Pair, Shared
from manifests.manifest import Manifest

SHORT_ID = 12
TIER_LABELS = {
    "row": "same origin row",
    "content": "same content",
    "prompt": "same prompt",
    "near": "near duplicate",
}
_NOUNS = {
    "row": ("origin row", "origin rows"),
    "content": ("content", "contents"),
    "prompt": ("prompt", "prompts"),
    "near": ("near duplicate", "near duplicates"),
}
_LONGEST_NAME = 64  # characters; longer ones were not written by this project
_MOST_PAIRS_TOLD = 6


@dataclass(frozen=True, slots=True)
class Verdict:
    """The outcome in words: one sentence, and what must be known beside it."""

    overlapping: bool
    sentence: str
    remarks: tuple[str, ...]


def verdict(audit: Audit) -> Verdict:
    """The verdict of an audit by the tiers asked for, and what the other tiers show."""
    overlapping = [pair for pair in audit.pairs if _found(pair, audit.tiers)]
    sentence = _overlap(audit, overlapping) if overlapping else _no_overlap(audit)
    remarks = [_WHY] if overlapping else []
    remarks += _beside_the_verdict(audit)
    remarks += _not_counted(audit)
    return Verdict(bool(overlapping), sentence, tuple(remarks))


_WHY = (
    "What stands in both is trained on twice: it weighs more than the recipe says, and a model measured on the later "
    "session has seen it before."
)


def names(audit: Audit) -> tuple[str, ...]:
    """A name for each manifest, unique in this audit: its recipe's, with the id's beginning where several share it."""
    plain = [_name(manifest) for manifest in audit.manifests]
    often = Counter(plain)
    return tuple(
        name if name and often[name] == 1 else f"{name} {manifest.id[:SHORT_ID]}".strip()
        for name, manifest in zip(plain, audit.manifests, strict=True)
    )


def label(manifest: Manifest) -> str:
    """The name of a manifest's recipe and the beginning of its id."""
    return f"{_name(manifest)} {manifest.id[:SHORT_ID]}".strip()


def counted(count: int, tier: str) -> str:
    """So many of a tier, as `1 prompt` or `1,234 contents`."""
    return f"{count:,} {_NOUNS[tier][count != 1]}"


def listed(parts: Sequence[str], last: str) -> str:
    """`a`, `a and b`, `a, b and c`, with `last` before the last one."""
    return f" {last} ".join([", ".join(parts[:-1]), parts[-1]] if len(parts) > 1 else parts)


def state(audit: Audit, shared: Shared | None, tier: str) -> str:
    """What a tier of a pair means for the verdict: `none`, `overlap`, `shared, not asked for`, `not counted`."""
    if shared is None:
        return "not counted"
    if not shared.keys:
        return "none"
    return "overlap" if tier in audit.tiers else "shared, not asked for"


def why_not_near(audit: Audit, pair: Pair) -> str:
    """Why the near duplicates of a pair were not counted."""
    both = (pair.first, pair.second)
    bare = [names(audit)[place] for place in both if not audit.manifests[place].identity.sketched]
    if not bare:
        return f"of more than {MANY_ROWS:,} rows they are counted if '--tiers' names near"
    return "the manifests carry no sketches" if len(bare) == len(both) else f"{bare[0]} carries no sketches"


def _name(manifest: Manifest) -> str:
    return manifest.name[:_LONGEST_NAME].strip()


def _found(pair: Pair, tiers: Sequence[str]) -> list[str]:
    """What a pair shares in these tiers, counted."""
    return [
        counted(pair.shared[tier].keys, tier)
        for tier in TIERS
        if tier in tiers and tier in pair.shared and pair.shared[tier].keys
    ]


def _no_overlap(audit: Audit) -> str:
    nothing = listed([f"no {_NOUNS[tier][0]}" for tier in TIERS if tier in audit.tiers], "and")
    name = names(audit)
    if len(audit.pairs) == 1:
        return f"{name[1]} repeats {nothing} of {name[0]}."
    return f"None of {len(audit.manifests)} manifests repeats another: {nothing} is in two of them."


def _overlap(audit: Audit, pairs: Sequence[Pair]) -> str:
    name = names(audit)
    told = [
        f"{name[pair.second]} repeats {listed(_found(pair, audit.tiers), 'and')} of {name[pair.first]}"
        for pair in pairs[:_MOST_PAIRS_TOLD]
    ]
    if len(audit.pairs) == 1:
        return f"{told[0]}."
    more = len(pairs) - len(told)
    rest = f"; and {more:,} more" if more else ""
    return f"{_of_pairs(audit, len(pairs))} overlap: {'; '.join(told)}{rest}."


def _of_pairs(audit: Audit, some: int) -> str:
    return f"{some:,} of {len(audit.pairs):,} pairs"


def _beside_the_verdict(audit: Audit) -> list[str]:
    others = [tier for tier in TIERS if tier not in audit.tiers]
    sharing = [pair for pair in audit.pairs if _found(pair, others)]
    if not sharing:
        return []
    if len(audit.pairs) == 1:
        found = listed(_found(sharing[0], others), "and")
        return [f"They share {found}, which the verdict was not asked about."]
    some = listed([_NOUNS[tier][1] for tier in others if any(_found(pair, [tier]) for pair in sharing)], "or")
    return [f"{_of_pairs(audit, len(sharing))} share {some}, which the verdict was not asked about."]


def _not_counted(audit: Audit) -> list[str]:
    remarks = []
    missing = [pair for pair in audit.pairs if NEAR not in pair.shared]
    if missing and len(audit.pairs) == 1:
        remarks.append(f"Near duplicates were not counted: {why_not_near(audit, missing[0])}.")
    elif missing:
        # Each pair may have its own reason: the first one's is told, as its.
        where = " × ".join(names(audit)[place] for place in (missing[0].first, missing[0].second))
        reason = f"in {where} because {why_not_near(audit, missing[0])}"
        remarks.append(f"Near duplicates were not counted in {_of_pairs(audit, len(missing))}; {reason}.")
    left_out = sum(shared.left_out for pair in audit.pairs for shared in pair.shared.values())
    if left_out:
        remarks.append(
            f"{left_out:,} comparisons were left out by the bound on work: the counts of near duplicates are lower "
            "bounds."
        )
    return remarks
