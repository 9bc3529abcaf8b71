"""The keys of rows by which manifests are compared: where a row comes from, what it says, what it asks.

A *tier* is one of these comparisons: `row` (the same row of the same file; labels and ranges don't matter), `content`
(the same text), `prompt` (FORMAT.md, section 1). As numbers a key is two u64, so that a tier of two manifests of
millions of rows fits into memory.
"""

from collections.abc import Iterable, Iterator
from itertools import pairwise
from typing import NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from manifests.errors import FormatError
from manifests.identity import SourceRecord
from manifests.manifest import Manifest
from manifests.origins import ORIGIN_BYTES, KeyBytes, Numbers, locate_rows
from manifests.similarity.sketch import SKETCH_BYTES
from manifests.tables import BLOCK_ROWS

ROW, CONTENT, PROMPT = "row", "content", "prompt"
KEY_TIERS = (ROW, CONTENT, PROMPT)

Column: TypeAlias = pa.Array | pa.ChunkedArray
NumberedKeys: TypeAlias = npt.NDArray[np.uint64]
"""Keys as numbers, shape (rows, 2)."""
Places: TypeAlias = npt.NDArray[np.int64]

_ORIGIN_BITS, _ROW_BITS = 20, 44


def row_keys(manifest: Manifest) -> pa.Table:
    """The keys of a manifest's rows, one entry a row, in its order.

    Columns: source (string), row (u64), origin (32 bytes), row_in_file (u64), content and prompt (16 bytes each).
    """
    parts = [
        _key_table(
            block.column("source"),
            block.column("row"),
            *_located(manifest, block),
            block.column("content"),
            block.column("prompt"),
        )
        for block in manifest.row_blocks()
    ]
    return pa.concat_tables(parts) if parts else _NO_KEYS


def _key_table(
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


_NO_KEYS = _key_table(
    pa.array([], pa.string()),
    pa.array([], pa.uint64()),
    np.empty((0, ORIGIN_BYTES), np.uint8),
    np.empty(0, np.uint64),
    pa.array([], pa.binary(16)),
    pa.array([], pa.binary(16)),
)


def fixed_width_bytes(column: Column) -> KeyBytes:
    """The values of a column of fixed-size binary values without nulls, shape (rows, width)."""
    array = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    width = array.type.byte_width
    if not len(array):
        return np.empty((0, width), np.uint8)
    values = np.frombuffer(array.buffers()[1], np.uint8)
    return values[array.offset * width : (array.offset + len(array)) * width].reshape(-1, width)


class OriginNumbers:
    """A number for each origin met, so that origins of several manifests are compared as numbers."""

    def __init__(self) -> None:
        self._numbers: dict[bytes, int] = {}

    def __getitem__(self, origin: bytes) -> int:
        """The number of an origin; a new one if it was not met before."""
        return self._numbers.setdefault(origin, len(self._numbers))


def numbered_keys(table: pa.Table, tier: str, origins: OriginNumbers) -> NumberedKeys:
    """The keys of one tier from a table of row keys."""
    if tier != ROW:
        return fixed_width_bytes(table.column(tier)).view(np.uint64)
    values = np.ascontiguousarray(fixed_width_bytes(table.column("origin"))).view(f"V{ORIGIN_BYTES}").ravel()
    distinct, places = np.unique(values, return_inverse=True)
    numbers = np.array([origins[value.tobytes()] for value in distinct], np.uint64)
    return np.stack((numbers[places], table.column("row_in_file").to_numpy()), axis=1)


class KeyColumns(NamedTuple):
    """Every row of a manifest in 26 bytes, in its order: what an audit has to hold of it.

    `source` is the place of its source among the manifest's; `row` its origin row as one number; of the other two tiers
    it is the second half of the key: few rows share that by chance, `whole_keys` tells.
    """

    source: npt.NDArray[np.uint16]
    row: npt.NDArray[np.uint64]
    content: npt.NDArray[np.uint64]
    prompt: npt.NDArray[np.uint64]


def key_columns(manifest: Manifest, origins: OriginNumbers) -> KeyColumns:
    """The key columns of a manifest, read from its folder block by block."""
    rows = manifest.identity.rows
    columns = KeyColumns(np.empty(rows, np.uint16), *(np.empty(rows, np.uint64) for _ in KEY_TIERS))
    start = 0
    for block in manifest.row_blocks():
        here = slice(start, start + block.num_rows)
        columns.source[here] = source_numbers(manifest, block)
        for source, places, numbers in _by_source(manifest, block):
            try:
                columns.row[start + places] = packed_rows(source, numbers, origins)
            except FormatError as error:
                raise FormatError(f"manifest {manifest.id[:12]}, {error}") from error
        for tier in (CONTENT, PROMPT):
            getattr(columns, tier)[here] = _halves(block, tier)[:, 1]
        start = here.stop
    return columns


def whole_keys(manifest: Manifest, tier: str, places: Places) -> NumberedKeys:
    """The whole keys of a tier at ascending places of a manifest's order; only the blocks with them are read."""
    keys = np.empty((len(places), 2), np.uint64)
    for numbers, block in _blocks_with(manifest, places):
        here = places[numbers] % BLOCK_ROWS
        keys[numbers] = _halves(block, tier)[here]
    return keys


def sketches_of(manifest: Manifest) -> KeyBytes:
    """The sketches of a manifest's rows, in its order, shape (rows, 128)."""
    sketches = np.empty((manifest.identity.rows, SKETCH_BYTES), np.uint8)
    start = 0
    for block in manifest.row_blocks():
        sketches[start : start + block.num_rows] = fixed_width_bytes(block.column("sketch"))
        start += block.num_rows
    return sketches


def sources_at(manifest: Manifest, places: Places) -> npt.NDArray[np.int32]:
    """For ascending places of a manifest's order, the place of each row's source among its sources."""
    sources = np.empty(len(places), np.int32)
    for numbers, block in _blocks_with(manifest, places):
        sources[numbers] = source_numbers(manifest, block)[places[numbers] % BLOCK_ROWS]
    return sources


def names_of_rows(manifest: Manifest, places: Iterable[int]) -> dict[int, tuple[str, int]]:
    """The (source, row) of the rows at places of a manifest's order."""
    wanted, named = np.array(sorted(set(places)), np.int64), dict[int, tuple[str, int]]()
    for numbers, block in _blocks_with(manifest, wanted):
        rows = block.select(["source", "row"]).take(wanted[numbers] % BLOCK_ROWS)
        names = zip(*(column.to_pylist() for column in rows.columns), strict=True)
        named.update(zip(wanted[numbers].tolist(), names, strict=True))
    return named


def _blocks_with(manifest: Manifest, places: Places) -> Iterator[tuple[Places, pa.Table]]:
    """Each block that holds some of ascending places, with the numbers of those among `places`."""
    owners = places // BLOCK_ROWS
    wanted, begins = np.unique(owners, return_index=True)
    edges = pairwise([*begins.tolist(), len(places)])
    for (begin, end), block in zip(edges, manifest.row_blocks(wanted.tolist()), strict=True):
        yield np.arange(begin, end), block


def _halves(block: pa.Table, tier: str) -> NumberedKeys:
    return fixed_width_bytes(block.column(tier)).view(np.uint64)


def source_numbers(manifest: Manifest, block: pa.Table) -> npt.NDArray[np.int32]:
    """For each row of a block the place of its source among the manifest's sources."""
    names = pa.array([source.name for source in manifest.identity.sources])
    numbers: npt.NDArray[np.int32] = (
        pa.compute.index_in(block.column("source"), value_set=names).to_numpy().astype(np.int32)
    )
    return numbers


def _by_source(
    manifest: Manifest, block: pa.Table
) -> Iterator[tuple[SourceRecord, npt.NDArray[np.intp], Numbers]]:
    """For each source with rows in a block: the source, the places of its rows in the block, their numbers."""
    sources, rows = source_numbers(manifest, block), block.column("row").to_numpy()
    for number in np.unique(sources).tolist():
        places = np.flatnonzero(sources == number)
        yield manifest.identity.sources[number], places, rows[places]


def _located(manifest: Manifest, block: pa.Table) -> tuple[KeyBytes, Numbers]:
    origins = np.zeros((block.num_rows, ORIGIN_BYTES), dtype=np.uint8)
    within = np.zeros(block.num_rows, dtype=np.uint64)
    for source, places, rows in _by_source(manifest, block):
        origins[places], within[places] = locate_rows(source, rows)
    return origins, within


def packed_rows(source: SourceRecord, rows: Numbers, origins: OriginNumbers) -> Numbers:
    """Origin rows as one number each, which origin and which row of it: of rows by their numbers in a source.

    Raises FormatError where a number can't hold them.
    """
    numbers = np.array([origins[source.origin(file)] for file in source.files], np.uint64)
    first_rows = np.asarray(source.first_rows, dtype=np.uint64)
    files = np.searchsorted(first_rows, rows, side="right") - 1
    within = rows - first_rows[files] + np.uint64(1)
    if len(rows) and (numbers.max() >> _ORIGIN_BITS or within.max() >> _ROW_BITS):
        raise FormatError(
            f"source {source.name}: more than 2^{_ORIGIN_BITS} files in all, or more than 2^{_ROW_BITS} rows in one of "
            "them; this version can't compare it"
        )
    packed: Numbers = (numbers[files] << np.uint64(_ROW_BITS)) | within
    return packed
