"""How manifests, ledgers and the list of a store read for people: lines of text, no I/O. Pure."""

from collections.abc import Iterable, Sequence

from manifests.ledger import SourceLedger
from manifests.listing import Listed
from manifests.manifest import Manifest
from manifests.words import SHORT_ID, count, cut

MOST_FILES = 20  # of a source, shown


def ledger_lines(ledger: Iterable[SourceLedger]) -> list[str]:
    """For each source what came in and what is in the manifest, and a line for each stage that dropped rows."""
    lines = []
    for source in ledger:
        lines.append(f"  {cut(source.source):<16} {source.stages[0].rows_in:>10,} rows → {source.rows:,}")
        for stage in source.stages:
            if stage.dropped:
                reasons = ", ".join(f"{rows:,} {reason}" for reason, rows in sorted(stage.dropped.items()))
                lines.append(f"    {stage.stage:<14} {-sum(stage.dropped.values()):>10,}      {reasons}")
    return lines


def manifest_lines(manifest: Manifest, names: Sequence[str], tree: Sequence[str]) -> list[str]:
    """What `manifests show` prints. `tree` is its lineage as text, the manifest first."""
    identity = manifest.identity
    lines = [
        f"manifest {manifest.id}",
        f"  names          {', '.join(names) or 'none'}",
        f"  rows           {identity.rows:,} ({identity.rejects:,} rejected)",
        f"  content_digest {identity.content_digest}",
        f"  order          {cut(identity.order)}",
    ]
    for source in identity.sources:
        origin = "local files" if source.hub is None else f"{cut(source.hub[0])} at {cut(source.hub[1])}"
        lines.append(
            f"  source         {cut(source.name)}: {origin}, taken by {cut(identity.takes[source.name])}"
        )
        lines += [
            f"    {cut(file.path, 160)}  {file.size:,} bytes  from row {file.first_row:,}  "
            f"sha256 {file.sha256[:SHORT_ID]}…"
            for file in source.files[:MOST_FILES]
        ]
        if len(source.files) > MOST_FILES:
            lines.append(f"    and {count(len(source.files) - MOST_FILES, 'more file')}")
    if identity.parents:
        lines += ["lineage", *(f"  {line}" for line in tree)]
    return [*lines, "ledger", *ledger_lines(identity.ledger)]


def listing_lines(entries: Iterable[Listed]) -> list[str]:
    """What `manifests list` prints: name and version, id, rows, when it was built."""
    return [
        f"{f'{entry.name}:{entry.version}' if entry.name else '(no name)':<28} {entry.id}  "
        f"{'not here, or damaged' if entry.rows is None else count(entry.rows, 'row')}"
        f"{f'  {entry.created}' if entry.created else ''}"
        for entry in entries
    ]
