"""The audit: what two manifests share, told from the manifests alone (no dataset is read).

Three tiers, each counted over distinct keys: the same origin row (labels and ranges don't matter, only the file's
identity and the row within it), the same content, the same prompt (FORMAT.md, section 1).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import polars as pl
import pyarrow as pa

from manifests.errors import CommandError
from manifests.manifest import Manifest
from manifests.origins import ORIGIN_BYTES, KeyBytes, Numbers, locate_rows

TIERS = ("row", "content", "prompt", "near")
DEFAULT_TIERS = ("row", "content")
_KEYS = {"row": ["origin", "row_in_file"], "content": ["content"], "prompt": ["prompt"]}
_EXAMPLES = 3

Column: TypeAlias = pa.Array | pa.ChunkedArray


@dataclass(frozen=True, slots=True)
class Overlap:
    """How many distinct keys two manifests share, tier by tier."""

    same_row: int
    same_content: int
    same_prompt: int


@dataclass(frozen=True, slots=True)
class Audit:
    """The outcome of an audit. `near_duplicate` is None: these manifests carry no sketches to tell it from."""

    first: Manifest
    second: Manifest
    overlap: Overlap
    examples: dict[str, list[str]]
    tiers: tuple[str, ...]

    @property
    def overlapping(self) -> bool:
        """Whether any of the tiers asked for is not empty."""
        counts = {
            "row": self.overlap.same_row,
            "content": self.overlap.same_content,
            "prompt": self.overlap.same_prompt,
        }
        return any(counts[tier] for tier in self.tiers)


def audit(first: Manifest, second: Manifest, tiers: tuple[str, ...] = DEFAULT_TIERS) -> Audit:
    """Compare two manifests. All tiers are counted; `tiers` are those that decide `overlapping`."""
    if unknown := [tier for tier in tiers if tier not in TIERS]:
        raise CommandError(f"tier {unknown[0]!r}: expected some of {', '.join(TIERS)}")
    if "near" in tiers:
        raise CommandError(
            "tier 'near': these manifests carry no sketches to tell near duplicates from; use row, content, prompt"
        )
    keys = row_keys(first), row_keys(second)
    return Audit(first, second, overlap(*keys), {tier: examples(*keys, tier) for tier in _KEYS}, tiers)


def row_keys(manifest: Manifest) -> pa.Table:
    """The keys of a manifest's rows, one entry a row, in its order.

    Columns: source (string), row (u64), origin (32 bytes), row_in_file (u64), content and prompt (16 bytes each).
    """
    rows = manifest.rows
    numbers = rows.column("row").to_numpy()
    sources = np.asarray(rows.column("source").to_pylist(), dtype=object)
    origins = np.zeros((len(numbers), ORIGIN_BYTES), dtype=np.uint8)
    within = np.zeros(len(numbers), dtype=np.uint64)
    for source in manifest.identity.sources:
        places = np.flatnonzero(sources == source.name)
        origins[places], within[places] = locate_rows(source, numbers[places])
    return key_table(
        rows.column("source"),
        rows.column("row"),
        origins,
        within,
        rows.column("content"),
        rows.column("prompt"),
    )


def key_table(
    source: Column, row: Column, origins: KeyBytes, within: Numbers, content: Column, prompt: Column
) -> pa.Table:
    """A table of row keys from its columns."""
    return pa.table(
        {
            "source": source,
            "row": row,
            "origin": fixed_width_column(origins),
            "row_in_file": pa.array(within),
            "content": content,
            "prompt": prompt,
        }
    )


def fixed_width_column(keys: KeyBytes) -> pa.FixedSizeBinaryArray:
    """Keys of shape (rows, width) as a column of fixed-size binary values."""
    return pa.FixedSizeBinaryArray.from_buffers(
        pa.binary(keys.shape[1]), len(keys), [None, pa.py_buffer(np.ascontiguousarray(keys).tobytes())]
    )


def first_matches(
    candidates: pa.Table, earlier: Sequence[Manifest], tier: str
) -> list[tuple[int, str, str, int]]:
    """Candidates that share a key with earlier manifests: (place of the candidate, id, source, row of the match).

    The match named is the first manifest's that has one, there the first in its order. Ascending by place.
    """
    keys = _KEYS[tier]
    wanted = _frame(candidates, keys).with_row_index("place")
    held = [
        _frame(row_keys(manifest), ["source", "row", *keys]).with_columns(
            pl.lit(manifest.id).alias("manifest")
        )
        for manifest in earlier
    ]
    firsts = pl.concat(held).unique(keys, keep="first", maintain_order=True)
    found = wanted.join(firsts, on=keys, how="inner").sort("place")
    return list(found.select("place", "manifest", "source", "row").iter_rows())


def overlap(first: pa.Table, second: pa.Table) -> Overlap:
    """The numbers of distinct keys that two tables of row keys share."""
    counts = {tier: _shared(first, second, tier).height for tier in _KEYS}
    return Overlap(counts["row"], counts["content"], counts["prompt"])


def examples(first: pa.Table, second: pa.Table, tier: str, most: int = _EXAMPLES) -> list[str]:
    """The first rows of `second` that share a key with `first`, as `source:row = source:row`."""
    keys = _KEYS[tier]
    left, right = (
        _frame(table, ["source", "row", *keys])
        .with_row_index("place")
        .unique(keys, keep="first", maintain_order=True)
        for table in (first, second)
    )
    shared = right.join(left, on=keys, how="inner").sort("place").head(most)
    return [
        f"{source}:{row} = {other_source}:{other_row}"
        for source, row, other_source, other_row in shared.select(
            "source_right", "row_right", "source", "row"
        ).iter_rows()
    ]


def _shared(first: pa.Table, second: pa.Table, tier: str) -> pl.DataFrame:
    keys = _KEYS[tier]
    return _frame(first, keys).unique().join(_frame(second, keys).unique(), on=keys, how="semi")


def _frame(table: pa.Table, columns: list[str]) -> pl.DataFrame:
    """Polars has no fixed-size binary: the keys go in as plain binary, byte for byte."""
    chosen = table.select(columns)
    for place, field in enumerate(chosen.schema):
        if pa.types.is_fixed_size_binary(field.type):
            chosen = chosen.set_column(place, field.name, chosen.column(place).cast(pa.binary()))
    frame = pl.from_arrow(chosen)
    if not isinstance(frame, pl.DataFrame):
        raise TypeError(f"expected a table, got {type(frame).__name__}")
    return frame
