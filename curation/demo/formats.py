"""The rows of the demo sources as bytes of the upstream formats, lot by lot, and as parquet files."""

import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path
from types import TracebackType
from typing import Self

import pyarrow as pa
import pyarrow.parquet as pq

from curation.demo.layouts import Fields

Lots = Iterable[Sequence[Fields]]
_QUOTED = ',"\r\n'
_JSON = json.JSONEncoder(ensure_ascii=False)


@dataclass(frozen=True, slots=True)
class SourceFile:
    """A file that was written: its path below the folder, its size in bytes, its SHA-256 in hex."""

    path: str
    size: int
    sha256: str


class HashedFile:
    """A new file that counts and hashes what is written to it."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = path.open("xb", buffering=0)
        self._hash = hashlib.sha256()
        self._size = 0

    def write(self, content: bytes) -> int:
        """Write all of it."""
        self._hash.update(content)
        left = memoryview(content)
        while left:
            left = left[self._file.write(left) :]
        self._size += len(content)
        return len(content)

    def tell(self) -> int:
        """The bytes so far."""
        return self._size

    def flush(self) -> None:
        """Nothing waits to be written."""

    @property
    def closed(self) -> bool:
        """Whether it is."""
        return self._file.closed

    def close(self) -> None:
        """Write nothing more."""
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def described(self, path: str) -> SourceFile:
        """What was written, under a path."""
        return SourceFile(path, self._size, self._hash.hexdigest())


def csv_blocks(lots: Lots) -> Iterator[bytes]:
    """RFC 4180 with a header: lines end in CR LF, a field is quoted if it has to be, null has no form."""

    def quoted(value: str) -> str:
        needed = any(character in value for character in _QUOTED)
        return '"' + value.replace('"', '""') + '"' if needed else value

    header = True
    for rows in lots:
        lines = [",".join(quoted(str(value)) for value in row.values()) for row in rows]
        if header and rows:
            lines.insert(0, ",".join(rows[0]))
            header = False
        yield "".join(f"{line}\r\n" for line in lines).encode("utf-8", "surrogateescape")


def json_line_blocks(lots: Lots, rows: int, blank_lines: int) -> Iterator[bytes]:
    """One object a line, with blank lines evenly between the rows, every other one of them with spaces."""
    blank = {
        number * rows // (blank_lines + 1): "  \n" if number % 2 == 0 else "\n"
        for number in range(1, blank_lines + 1)
    }
    start = 0
    for lot in lots:
        lines = [f"{blank.get(start + place, '')}{_json(row)}\n" for place, row in enumerate(lot)]
        start += len(lot)
        yield "".join(lines).encode("utf-8", "surrogateescape")


def json_object_blocks(lots: Lots) -> Iterator[bytes]:
    """One object that holds all rows, keyed "0", "1", …, one a line."""
    start = 0
    for lot in lots:
        entries = ",\n".join(f'"{number}": {_json(row)}' for number, row in enumerate(lot, start))
        yield (("{\n" if start == 0 else ",\n") + entries).encode()
        start += len(lot)
    yield b"\n}\n"


def _json(value: Fields) -> str:
    """One object as JSON, not escaped but for the lone surrogate, which UTF-8 can't hold."""
    return _JSON.encode(value).replace("\ud800", "\\ud800")


def write_blocks(folder: Path, path: str, blocks: Iterable[bytes]) -> SourceFile:
    """A file of these bytes."""
    with HashedFile(folder / path) as file:
        for block in blocks:
            file.write(block)
    return file.described(path)


def write_parquet(
    folder: Path, lots: Lots, rows: int, files: int, row_groups: int, compression: str
) -> Iterator[SourceFile]:
    """The rows in equal shares, in files named as the Hub names them, each in row groups of equal size."""
    waiting = chain.from_iterable(lots)
    schema = pa.schema([("prompt", pa.string()), ("response", pa.string())])
    for number in range(files):
        share = (number + 1) * rows // files - number * rows // files
        group = -(-share // row_groups)
        path = f"glaive/train-{number:05d}-of-{files:05d}.parquet"
        with (
            HashedFile(folder / path) as file,
            pq.ParquetWriter(file, schema, compression=compression) as writer,
        ):
            for start in range(0, share, group):
                table = pa.Table.from_pylist(list(islice(waiting, min(group, share - start))), schema)
                writer.write_table(table, row_group_size=group)
        yield file.described(path)
