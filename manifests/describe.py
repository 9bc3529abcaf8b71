"""How manifests, ledgers and audits read for people: lines of text, no I/O. Pure."""

from collections.abc import Iterable

from manifests.audit import Audit
from manifests.ledger import SourceLedger
from manifests.manifest import Manifest

SHORT_ID = 12


def ledger_lines(ledger: Iterable[SourceLedger]) -> list[str]:
    """For each source what came in and what is in the manifest, and a line for each stage that dropped rows."""
    lines = []
    for source in ledger:
        lines.append(f"  {source.source:<16} {source.stages[0].rows_in:>10,} rows → {source.rows:,}")
        for stage in source.stages:
            if stage.dropped:
                reasons = ", ".join(f"{rows:,} {reason}" for reason, rows in sorted(stage.dropped.items()))
                lines.append(f"    {stage.stage:<14} {-sum(stage.dropped.values()):>10,}      {reasons}")
    return lines


def manifest_lines(manifest: Manifest, names: Iterable[str]) -> list[str]:
    """What `manifests show` prints."""
    identity = manifest.identity
    lines = [
        f"manifest {manifest.id}",
        f"  names          {', '.join(names) or 'none'}",
        f"  rows           {identity.rows:,} ({identity.rejects:,} rejected)",
        f"  content_digest {identity.content_digest}",
        f"  order          {identity.order}",
    ]
    lines += [f"  parent         {parent.id} ({parent.relation})" for parent in identity.parents]
    for source in identity.sources:
        origin = "local files" if source.hub is None else f"{source.hub[0]} at {source.hub[1]}"
        lines.append(f"  source         {source.name}: {origin}, taken by {identity.takes[source.name]}")
        lines += [
            f"    {file.path}  {file.size:,} bytes  from row {file.first_row:,}  sha256 {file.sha256[:SHORT_ID]}…"
            for file in source.files
        ]
    return [*lines, "ledger", *ledger_lines(identity.ledger)]


def audit_lines(audit: Audit) -> list[str]:
    """What `manifests audit` prints: the counts, examples, and the verdict in words."""
    first, second, shared = audit.first, audit.second, audit.overlap
    labels = [
        ("row", "same origin row", shared.same_row),
        ("content", "same content", shared.same_content),
        ("prompt", "same prompt", shared.same_prompt),
    ]
    lines = [
        f"audit {_label(first)} ({first.identity.rows:,} rows) against {_label(second)} ({second.identity.rows:,} rows)"
    ]
    for tier, label, count in labels:
        examples = f"   e.g. {', '.join(audit.examples[tier])}" if count else ""
        lines.append(f"  {label:<16} {count:>9,}{examples}")
    lines.append("  near duplicate   not counted: the manifests carry no sketches")
    asked = " or ".join(audit.tiers)
    verdict = f"OVERLAP: they share by {asked}" if audit.overlapping else f"no overlap by {asked}"
    return [*lines, verdict]


def _label(manifest: Manifest) -> str:
    return f"{manifest.name} {manifest.id[:SHORT_ID]}".strip()
