"""Columns of rows that wait on the disk, so that memory holds only what rows are compared by.

A shelf is a file without a name: whatever happens to the process, nothing of it is left.
"""

import errno
import os
import tempfile
from itertools import pairwise
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeAlias

import numpy as np
import numpy.typing as npt

Records: TypeAlias = npt.NDArray[np.void]
Places: TypeAlias = npt.NDArray[np.int64]

_BLOCK_ROWS = 1 << 16  # what is read at a time


class Shelf:
    """Records of one type in the order in which they came. A context manager: on leaving, they are gone."""

    def __init__(self, folder: Path, kind: np.dtype[np.void]) -> None:
        self._kind, self._rows = kind, 0
        self._file = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115 - it lives as long as the shelf

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._file.close()

    def __len__(self) -> int:
        return self._rows

    def append(self, records: Records) -> None:
        """Put records behind the others."""
        self._file.write(np.ascontiguousarray(records).tobytes())
        self._rows += len(records)

    def at(self, places: Places, *names: str) -> list[npt.NDArray[Any]]:
        """The columns `names` of the records at places, in any order. Little more is held than what is given back."""
        self._file.flush()
        columns = [np.empty((len(places), *self._kind[name].shape), self._kind[name].base) for name in names]
        order = np.argsort(places, kind="stable") if (places[1:] < places[:-1]).any() else None
        ascending = places if order is None else places[order]
        turns = np.flatnonzero(np.diff(ascending // _BLOCK_ROWS)) + 1
        for begin, end in pairwise([0, *turns.tolist(), len(ascending)]):
            if begin == end:
                continue
            first, last = int(ascending[begin]), int(ascending[end - 1])
            records = self._read(first, last + 1)
            into = slice(begin, end) if order is None else order[begin:end]
            for name, column in zip(names, columns, strict=True):
                column[into] = records[name][ascending[begin:end] - first]
        return columns

    def _read(self, begin: int, end: int) -> Records:
        size = self._kind.itemsize
        read = os.pread(self._file.fileno(), (end - begin) * size, begin * size)
        if len(read) < (end - begin) * size:
            raise OSError(errno.EIO, "a temporary file is shorter than it was")
        return np.frombuffer(read, self._kind)
