"""The three tables of a manifest and their digests: the encoding rows/v1 (FORMAT.md, section 3). Pure.

Digests are taken over columns in blocks, straight from Arrow's buffers: nothing here depends on how a table was
chunked, compressed or written.
"""

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from manifests.errors import VerificationError

ENCODING = "rows/v1"
BLOCK_ROWS = 8_192

_ARROW_TYPES = {
    "u64": pa.uint64(),
    "f64": pa.float64(),
    "bytes16": pa.binary(16),
    "bytes128": pa.binary(128),
    "string": pa.string(),
}


class TableForm(NamedTuple):
    """The name of a table and its columns as `name:type,…`, the text that stands in the manifest."""

    name: str
    columns: str

    @property
    def schema(self) -> pa.Schema:
        """The Arrow schema: no column may hold a null."""
        pairs = (column.split(":") for column in self.columns.split(","))
        return pa.schema([pa.field(name, _ARROW_TYPES[kind], nullable=False) for name, kind in pairs])


CONTENT = TableForm("content", "source:string,row:u64,prompt:string,reasoning:string,answer:string")
ROWS = TableForm("rows", "source:string,row:u64,content:bytes16,prompt:bytes16,chars:u64")
SKETCHED_ROWS = TableForm("rows", f"{ROWS.columns},sketch:bytes128")
REJECTS = TableForm(
    "rejects",
    "source:string,row:u64,stage:string,reason:string,detail:string,"
    "kept_manifest:string,kept_source:string,kept_row:u64",
)


def blocks_of(table: pa.Table) -> Iterator[pa.Table]:
    """The blocks of a table: 8,192 rows each, the last may be shorter."""
    for start in range(0, table.num_rows, BLOCK_ROWS):
        yield table.slice(start, BLOCK_ROWS)


def block_digest(form: TableForm, block: pa.Table) -> str:
    """SHA-256, in hex, of one block in rows/v1.

    Raises VerificationError when the block's columns are not those of `form`, or hold a null.
    """
    check_columns(form, block.schema)
    digest = hashlib.sha256()
    for column in block.columns:
        array = column.combine_chunks() if column.num_chunks != 1 else column.chunk(0)
        if array.null_count:
            raise VerificationError(f"table {form.name}: a null where none may be; the file is damaged")
        _digest_column(digest, array)
    return digest.hexdigest()


def root_digest(form: TableForm, rows: int, block_digests: Iterable[str]) -> str:
    """The digest of a whole table, in hex, from the number of its rows and the digests of its blocks."""
    digest = hashlib.sha256(f"{ENCODING} {form.columns}\n".encode("ascii"))
    digest.update(rows.to_bytes(8, "little"))
    for block in block_digests:
        digest.update(bytes.fromhex(block))
    return digest.hexdigest()


def table_digest(form: TableForm, table: pa.Table) -> tuple[str, list[str]]:
    """The digest of a table and the digests of its blocks."""
    blocks = [block_digest(form, block) for block in blocks_of(table)]
    return root_digest(form, table.num_rows, blocks), blocks


def check_columns(form: TableForm, schema: pa.Schema) -> None:
    """Refuse a schema whose columns are not exactly those of `form`, in order (metadata and nullability aside)."""
    expected = [(field.name, field.type) for field in form.schema]
    observed = [(field.name, field.type) for field in schema]
    if observed != expected:
        shown = ", ".join(f"{name}: {kind}" for name, kind in observed[: len(expected) + 1])
        raise VerificationError(
            f"table {form.name}: expected the columns {form.columns}, found {shown or 'none'}; not this format's table"
        )


def _digest_column(digest: "hashlib._Hash", array: pa.Array) -> None:
    rows, offset = len(array), array.offset
    if not rows:
        return
    if pa.types.is_string(array.type):
        _, offsets_buffer, values = array.buffers()
        offsets = np.frombuffer(offsets_buffer, dtype="<i4")[offset : offset + rows + 1]
        digest.update(np.diff(offsets).astype("<u8").tobytes())
        if values is not None:
            digest.update(memoryview(values)[int(offsets[0]) : int(offsets[-1])])
        return
    width = array.type.bit_width // 8
    digest.update(memoryview(array.buffers()[1])[offset * width : (offset + rows) * width])


def empty_table(form: TableForm) -> pa.Table:
    """A table of `form` with no rows."""
    return form.schema.empty_table()


def table_of(form: TableForm, columns: Sequence[Sequence[object] | pa.Array | pa.ChunkedArray]) -> pa.Table:
    """A table of `form` from its columns in order."""
    schema = form.schema
    arrays = [
        column if isinstance(column, pa.Array | pa.ChunkedArray) else pa.array(column, type=field.type)
        for column, field in zip(columns, schema, strict=True)
    ]
    return pa.Table.from_arrays(arrays, schema=schema)
