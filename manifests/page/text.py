"""An audit as lines for a terminal. Pure."""

from collections.abc import Iterator

from manifests.audit import NEAR, TIERS, Audit, Match, Pair
from manifests.page.words import TIER_LABELS, label, why_not_near

_MOST_EXAMPLES = 3


def audit_lines(audit: Audit) -> list[str]:
    """What `manifests audit` prints: who was compared, the counts with examples, and in the last line the verdict."""
    if len(audit.pairs) == 1:
        lines = [
            f"audit {_labelled(audit, 0)} against {_labelled(audit, 1)}",
            *_pair_lines(audit, audit.pairs[0]),
        ]
    else:
        lines = [f"audit of {len(audit.manifests):,} manifests, each against each"]
        lines += [f"  {place + 1:>3}  {_labelled(audit, place)}" for place in range(len(audit.manifests))]
        sharing = [pair for pair in audit.pairs if any(shared.keys for shared in pair.shared.values())]
        for pair in sharing:
            lines += [f"{pair.first + 1} × {pair.second + 1}", *_pair_lines(audit, pair)]
        rest = len(audit.pairs) - len(sharing)
        lines.append(f"{rest:,} of {len(audit.pairs):,} pairs share nothing in any tier counted")
    lines += _left_out(audit)
    asked = " or ".join(audit.tiers)
    return [*lines, f"OVERLAP: they share by {asked}" if audit.overlapping else f"no overlap by {asked}"]


def _pair_lines(audit: Audit, pair: Pair) -> Iterator[str]:
    for tier in TIERS:
        if tier not in pair.shared:
            yield f"  {TIER_LABELS[tier]:<16} not counted: {why_not_near(audit, pair)}"
            continue
        shared = pair.shared[tier]
        examples = ", ".join(map(_example, shared.examples[:_MOST_EXAMPLES]))
        yield f"  {TIER_LABELS[tier]:<16} {shared.keys:>9,}{f'   e.g. {examples}' if examples else ''}"


def _left_out(audit: Audit) -> list[str]:
    left_out = sum(shared.left_out for pair in audit.pairs for shared in pair.shared.values())
    how = "confirmed on the texts" if audit.confirmed else "estimated from sketches"
    lines = []
    if any(NEAR in pair.shared for pair in audit.pairs):
        lines.append(f"  near duplicates: similarity of at least {audit.threshold}, {how}")
    if left_out:
        lines.append(
            f"  {left_out:,} comparisons left out by the bound on work: there may be more near duplicates"
        )
    return lines


def _example(match: Match) -> str:
    similarity = "" if match.similarity is None else f" ({match.similarity:.2f})"
    return f"{match.first[0]}:{match.first[1]} = {match.second[0]}:{match.second[1]}{similarity}"


def _labelled(audit: Audit, place: int) -> str:
    manifest = audit.manifests[place]
    return f"{label(manifest)} ({manifest.identity.rows:,} rows)"
