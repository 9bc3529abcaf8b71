"""What became of rows: in the manifest, rejected, not taken, or not among the rows it looked at. Pure.

Told from the manifest's two tables, the raw range of its recipe and the rows of its files.
"""

from collections.abc import Sequence

import polars as pl
import pyarrow as pa

from manifests.identity import Identity, SourceRecord
from manifests.manifest import Manifest
from manifests.reading.row_range import raw_range, recipe_entry

IN, REJECTED, NOT_TAKEN = "in", "rejected", "not-taken"
OUTSIDE_RANGE, PAST_FILES, NO_SOURCE = "outside-range", "past-files", "no-such-source"
STATUSES = (IN, REJECTED, NOT_TAKEN, OUTSIDE_RANGE, PAST_FILES, NO_SOURCE)

_KEPT = ("kept_manifest", "kept_source", "kept_row")


def frame(table: pa.Table, columns: Sequence[str]) -> pl.DataFrame:
    """Columns of a table for polars, which has no fixed-size binary: keys become plain binary, byte for byte."""
    chosen = table.select(list(columns))
    for place, field in enumerate(chosen.schema):
        if pa.types.is_fixed_size_binary(field.type):
            chosen = chosen.set_column(place, field.name, chosen.column(place).cast(pa.binary()))
    return pl.DataFrame(pl.from_arrow(chosen))


def fates(manifest: Manifest, rows: pl.DataFrame) -> pl.DataFrame:
    """What became of rows in a manifest, one line for each line of `rows` (columns source, row), in its order.

    Columns: source, row, place (in training order, from 0; null unless it is in), status (one of `STATUSES`), stage,
    reason, detail and the three kept_ columns (null unless it was rejected).
    """
    held = frame(manifest.rows, ["source", "row"]).with_row_index("place")
    rejects = frame(manifest.rejects, ["source", "row", "stage", "reason", "detail", *_KEPT])
    bounds = _bounds(manifest.identity)
    joined = (
        rows.select("source", "row")
        .join(held, on=["source", "row"], how="left", maintain_order="left")
        .join(rejects, on=["source", "row"], how="left", maintain_order="left")
        .join(bounds, on="source", how="left", maintain_order="left")
    )
    status = (
        pl.when(pl.col("place").is_not_null())
        .then(pl.lit(IN))
        .when(pl.col("stage").is_not_null())
        .then(pl.lit(REJECTED))
        .when(pl.col("first").is_null())
        .then(pl.lit(NO_SOURCE))
        .when((pl.col("row") < pl.col("first")) | (pl.col("row") > pl.col("last")))
        .then(pl.lit(OUTSIDE_RANGE))
        .when(pl.col("row") > pl.col("end"))
        .then(pl.lit(PAST_FILES))
        .otherwise(pl.lit(NOT_TAKEN))
    )
    return joined.with_columns(status.alias("status")).select(
        "source", "row", "place", "status", "stage", "reason", "detail", *_KEPT
    )


def _bounds(identity: Identity) -> pl.DataFrame:
    """Of each source the first and last row of its raw range and the last row of its files."""
    ranges = [_range(identity, source) for source in identity.sources]
    table = {
        "source": [source.name for source in identity.sources],
        "first": [first for first, _ in ranges],
        "last": [last for _, last in ranges],
        "end": [source.files[-1].last_row for source in identity.sources],
    }
    numbers = dict.fromkeys(("first", "last", "end"), pl.UInt64)
    return pl.DataFrame(table, schema={"source": pl.String, **numbers})


def _range(identity: Identity, source: SourceRecord) -> tuple[int, int]:
    """The raw range, without an end where the recipe sets none: there the files' end decides."""
    first, last = raw_range(identity, source)
    return first, last if "rows" in recipe_entry(identity, source.name) else 2**64 - 1
