"""What a build took from where: the table that a person reads at its end."""

from collections.abc import Sequence

import polars as pl

from manifests.ledger import NOT_TAKEN, SourceLedger
from manifests.manifest import Manifest

_HEADINGS = ("source", "rows in", "rejected", "not taken", "rows out", "of the mix", "characters")


def summary_lines(manifest: Manifest) -> list[str]:
    """A line a source: rows in, rejected, not taken, out, their share of the mix and their characters.

    Below it, for every source and stage that rejected rows, how many for which reason.
    """
    sources = pl.Series(manifest.rows.column("source"))
    characters = dict(
        pl.DataFrame({"source": sources, "chars": manifest.rows.column("chars").to_numpy()})
        .group_by("source")
        .agg(pl.col("chars").sum())
        .iter_rows()
    )
    ledgers, rows = manifest.identity.ledger, manifest.identity.rows
    lines = [(ledger.source, *_counts(ledger), characters.get(ledger.source, 0)) for ledger in ledgers]
    if len(ledgers) > 1:
        sums = [sum(column) for column in zip(*(line[1:] for line in lines), strict=True)]
        lines.append(("together", *sums))
    cells = [
        (name, *(f"{count:,}" for count in counts), f"{counts[-1] / max(rows, 1):.1%}", f"{size:,}")
        for name, *counts, size in lines
    ]
    reasons = [text for ledger in ledgers for text in _reasons(ledger)]
    return [*_table([_HEADINGS, *cells]), *(["  rejected:"] if reasons else []), *reasons]


def _counts(ledger: SourceLedger) -> tuple[int, int, int, int]:
    """Rows in, rejected, not taken, out."""
    rejected = sum(count for _, _, count in ledger.rejected())
    not_taken = sum(stage.dropped.get(NOT_TAKEN, 0) for stage in ledger.stages)
    return ledger.stages[0].rows_in, rejected, not_taken, ledger.rows


def _reasons(ledger: SourceLedger) -> list[str]:
    return [
        f"    {count:>11,}  {ledger.source}, {stage}: {reason}" for stage, reason, count in ledger.rejected()
    ]


def _table(rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    aligned = [[row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])] for row in rows]
    return [f"  {'  '.join(cells)}" for cells in aligned]
