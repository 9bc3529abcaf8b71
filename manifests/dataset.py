"""The dataset of a manifest: the content table as parquet, written and read block by block.

Whoever reads gets rows that were checked three times: the block against its digest, the block digests against
`content_digest`, every row's text against the keys that the manifest holds for it.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from manifests.errors import VerificationError
from manifests.keys import Trace, content_key, trace_keys
from manifests.manifest import Manifest
from manifests.reading.bounded import (
    check_folder,
    check_regular,
    check_utf8,
    in_blocks,
    parquet_rows,
    parquet_tables,
    short_text,
)
from manifests.tables import BLOCK_ROWS, CONTENT, block_digest

FILE_ROWS = 8 * BLOCK_ROWS
TEXTS = ("prompt", "reasoning", "answer")
MOST_BYTES_A_CHARACTER = 4
MOST_CHARACTERS, MOST_BLOCK_CHARACTERS = 1 << 28, 1 << 29
"""Code points of a trace, and of the traces of a block of 8,192, that are read."""

_CARD = """---
configs:
- config_name: default
  data_files:
  - split: train
    path: data/train-*
---

The rows of manifest `{id}`, in its order: {rows} reasoning traces.
Columns: `source` and `row` (where a trace comes from, rows counted from 1), `prompt`, `reasoning`, `answer`.
"""


CARD_FILE = "README.md"
_PART = re.compile(r"train-[0-9]{5}-of-[0-9]{5}\.parquet")


def part_names(rows: int) -> list[str]:
    """The files that hold the rows of a dataset, by their paths in its folder."""
    files = max(1, -(-rows // FILE_ROWS))
    return [f"data/train-{number:05}-of-{files:05}.parquet" for number in range(files)]


def is_part(name: str) -> bool:
    """Whether a file of this name holds rows of a dataset."""
    return bool(_PART.fullmatch(name))


def card_is_ours(folder: Path, manifest_id: str, rows: int) -> bool:
    """Whether the card in a dataset's folder is the one that this project writes there."""
    path, card = folder / CARD_FILE, _CARD.format(id=manifest_id, rows=f"{rows:,}").encode()
    return check_regular(path) == len(card) and path.read_bytes() == card


class DatasetWriter:
    """Writes the blocks of a content table, in order, into a folder, and keeps their digests."""

    def __init__(self, folder: Path, rows: int) -> None:
        self.block_digests: list[str] = []
        self._folder = folder
        self._parts = part_names(rows)
        self._next_file = 0
        self._writer: pq.ParquetWriter | None = None
        (folder / "data").mkdir()

    def write(self, block: pa.Table) -> None:
        """Add the next block: 8,192 rows, fewer only in the last one."""
        if len(self.block_digests) * BLOCK_ROWS % FILE_ROWS == 0:
            self._open_next()
        if self._writer is not None:
            self._writer.write_table(block, row_group_size=BLOCK_ROWS)
        self.block_digests.append(block_digest(CONTENT, block))

    def write_all(self, blocks: Iterable[pa.Table]) -> None:
        """Add all blocks, each while the next is being made."""
        with ThreadPoolExecutor(1) as background:
            last: Future[None] | None = None
            for block in blocks:
                if last is not None:
                    last.result()
                last = background.submit(self.write, block)
            if last is not None:
                last.result()

    def finish(self, manifest_id: str, rows: int) -> None:
        """Close the files and write the card beside them."""
        if self._next_file == 0:
            self._open_next()
        if self._writer is not None:
            self._writer.close()
        (self._folder / CARD_FILE).write_text(
            _CARD.format(id=manifest_id, rows=f"{rows:,}"), encoding="utf-8"
        )

    def _open_next(self) -> None:
        if self._writer is not None:
            self._writer.close()
        self._writer = parquet_writer(self._folder / self._parts[self._next_file], CONTENT.schema)
        self._next_file += 1


def parquet_writer(path: Path, schema: pa.Schema) -> pq.ParquetWriter:
    """A writer with the settings of every parquet file here: zstd, page checksums.

    Texts of traces hardly repeat, so no dictionary of them is tried.
    """
    repeating = [field.name for field in schema if field.name not in TEXTS]
    return pq.ParquetWriter(
        path, schema, compression="zstd", write_page_checksum=True, use_dictionary=repeating
    )


def dataset_blocks(folder: Path, manifest: Manifest) -> Iterator[pa.Table]:
    """The blocks of a dataset, each with the digest that the manifest has for it: nothing else is looked at.

    Raises VerificationError at the first block that is another. What may be made of a file in memory is bounded by the
    characters that the manifest counts for its rows.
    """
    number = rows = 0
    for number, block in enumerate(_stored_blocks(folder, manifest), 1):
        first = rows + 1
        rows += block.num_rows
        if number > len(manifest.content_blocks) or rows > manifest.identity.rows:
            raise VerificationError(
                f"{folder}: more rows than the {manifest.identity.rows:,} of the manifest; {_REBUILD}"
            )
        if block_digest(CONTENT, block) != manifest.content_blocks[number - 1]:
            raise VerificationError(f"{folder}: rows {first:,} to {rows:,}: another digest; {_REBUILD}")
        check_utf8(folder, block)
        yield block
    if rows != manifest.identity.rows:
        raise VerificationError(
            f"{folder}: {rows:,} rows, the manifest has {manifest.identity.rows:,}; {_REBUILD}"
        )


def read_dataset(folder: Path, manifest: Manifest) -> Iterator[pa.Table]:
    """The verified blocks of a dataset, each row's text held against the manifest's keys for it.

    Raises VerificationError at the first block that is not the manifest's, naming the first differing row.
    """
    start, rows = 0, manifest.identity.rows
    expected = manifest.row_blocks()
    for number, block in enumerate(_stored_blocks(folder, manifest)):
        left = rows - start
        if number >= len(manifest.content_blocks) or block.num_rows > left:
            raise VerificationError(f"{folder}: more rows than the {rows} of the manifest; {_REBUILD}")
        fault = _first_difference(block, next(expected).slice(0, block.num_rows), start)
        if fault is None and block.num_rows < min(BLOCK_ROWS, left):
            fault = f"{start + block.num_rows} rows, the manifest has {rows}"
        if fault is None and block_digest(CONTENT, block) != manifest.content_blocks[number]:
            fault = f"block {number + 1}: its digest differs"
        if fault is not None:
            raise VerificationError(f"{folder}: {fault}; {_REBUILD}")
        start += block.num_rows
        yield block
    if start != rows:
        raise VerificationError(f"{folder}: {start} rows, the manifest has {rows}; {_REBUILD}")


_REBUILD = "the dataset is damaged, 'curation regenerate' rebuilds it"


def read_row(folder: Path, manifest: Manifest, place: int) -> Trace | None:
    """The trace at a place (from 0) of a dataset, if its text has the keys that the manifest has for it.

    Only the row group that holds it in a dataset as this project writes it is read; None where that is not so.
    Raises VerificationError for a file that can't be read.
    """
    check_folder(folder)
    paths = sorted((folder / "data").glob(f"train-{place // FILE_ROWS:05}-of-*.parquet"))
    if not paths:
        return None
    group, within = divmod(place % FILE_ROWS, BLOCK_ROWS)
    tables = parquet_tables(
        paths[0], CONTENT, _TextLimits(manifest), place - place % FILE_ROWS, groups=[group]
    )
    block = next(in_blocks(tables), None)
    if block is None or within >= block.num_rows:
        return None
    check_utf8(paths[0], block)
    trace = Trace(*(block.column(name)[within].as_py() for name in TEXTS))
    (keys,) = manifest.row_blocks([place // BLOCK_ROWS])
    stated = tuple(keys.column(name)[place % BLOCK_ROWS].as_py() for name in ("content", "prompt"))
    return trace if None not in trace and trace_keys(trace) == stated else None


def _stored_blocks(folder: Path, manifest: Manifest) -> Iterator[pa.Table]:
    return in_blocks(_stored_tables(folder, manifest))


def _stored_tables(folder: Path, manifest: Manifest) -> Iterator[pa.Table]:
    check_folder(folder)
    paths = sorted((folder / "data").glob("train-*.parquet"))
    if paths:
        check_folder(folder / "data")
    else:
        raise VerificationError(f"{folder}: no data/train-*.parquet in it; {_REBUILD}")
    _check_row_count(folder, paths, manifest)
    limit = _TextLimits(manifest)
    first = 0
    for path in paths:
        try:
            for table in parquet_tables(path, CONTENT, limit, first):
                yield table
                first += table.num_rows
        except VerificationError as error:
            raise VerificationError(f"{str(error).rpartition('; ')[0]}; {_REBUILD}") from error


def _check_row_count(folder: Path, paths: Sequence[Path], manifest: Manifest) -> None:
    rows = 0
    for path in paths:
        try:
            rows += parquet_rows(path)
        except VerificationError as error:
            raise VerificationError(f"{str(error).rpartition('; ')[0]}; {_REBUILD}") from error
    if rows > manifest.identity.rows:
        raise VerificationError(
            f"{folder}: more rows than the {manifest.identity.rows:,} of the manifest; {_REBUILD}"
        )


class _TextLimits:
    """How many bytes of text rows may have: four for each character that the manifest counts, the most of UTF-8."""

    def __init__(self, manifest: Manifest) -> None:
        counts = [block.column("chars").to_numpy() for block in manifest.row_blocks()]
        for number, characters in enumerate(counts, 1):
            if (most := int(characters.max(initial=0))) > MOST_CHARACTERS or int(
                characters.sum()
            ) > MOST_BLOCK_CHARACTERS:
                raise VerificationError(
                    f"manifest {manifest.id[:12]}: block {number} of its rows has a trace of {most:,} characters, or "
                    f"more than {MOST_BLOCK_CHARACTERS:,} in all; this version reads no such dataset"
                )
        self._sums = np.concatenate([np.zeros(1, np.uint64), *counts]).cumsum()

    def __call__(self, column: str, first: int, rows: int) -> int:
        if column not in TEXTS:
            return short_text(column, first, rows)
        begin, end = (min(place, len(self._sums) - 1) for place in (first, first + rows))
        return MOST_BYTES_A_CHARACTER * int(self._sums[end] - self._sums[begin])


def _first_difference(block: pa.Table, expected: pa.Table, start: int) -> str | None:
    """What is wrong with the first row whose text is not the one that the manifest's keys stand for."""
    names = ("source", "row", "prompt", "reasoning", "answer")
    columns = [
        block.column(name).cast(pa.binary()) if name != "row" else block.column(name) for name in names
    ]
    found = zip(*(column.to_pylist() for column in columns), strict=True)
    wanted = zip(
        *(expected.column(name).to_pylist() for name in ("source", "row", "content", "prompt")), strict=True
    )
    for place, ((source, row, *texts), (its_source, its_row, content, prompt)) in enumerate(
        zip(found, wanted, strict=True)
    ):
        where = f"row {start + place + 1} of the dataset ({its_source}:{its_row})"
        if None in (source, row, *texts):
            return f"{where}: a null where none may be"
        if (source, row) != (its_source.encode(), its_row):
            return f"{where}: expected {its_source}:{its_row}, found {source.decode(errors='replace')}:{row}"
        try:
            trace = Trace(*(text.decode() for text in texts))
        except UnicodeDecodeError:
            return f"{where}: text that is not UTF-8"
        if trace_keys(trace) != (content, prompt):
            return f"{where}: expected content {content.hex()}, found {content_key(trace).hex()}"
    return None


def total_rows(blocks: Iterable[pa.Table]) -> int:
    """Read every block; the number of rows."""
    return sum(block.num_rows for block in blocks)
