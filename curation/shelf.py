"""Columns of rows that wait on the disk, so that memory holds only what rows are compared by."""

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
    """Records of one type in the order in which they came, in a file of a folder.

    A context manager: on leaving, they are gone. The file is open only while it is written or read.
    """

    def __init__(self, folder: Path, kind: np.dtype[np.void]) -> None:
        self._kind, self._rows = kind, 0
        file, name = tempfile.mkstemp(".shelf", dir=folder)
        os.close(file)
        self.path = Path(name)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.path.unlink(missing_ok=True)

    def __len__(self) -> int:
        return self._rows

    def append(self, records: Records) -> None:
        """Put records behind the others."""
        with self.path.open("ab") as file:
            file.write(np.ascontiguousarray(records).tobytes())
        self._rows += len(records)

    def at(self, places: Places, *names: str) -> list[npt.NDArray[Any]]:
        """The columns `names` of the records at places, in any order; those of few records at a time are read whole."""
        columns = [np.empty((len(places), *self._kind[name].shape), self._kind[name].base) for name in names]
        order = np.argsort(places, kind="stable") if (places[1:] < places[:-1]).any() else None
        ascending = places if order is None else places[order]
        starts = range(0, self._rows, _BLOCK_ROWS)
        edges = np.searchsorted(ascending, np.array([*starts, self._rows])).tolist()
        with self.path.open("rb") as file:
            for start, (begin, end) in zip(starts, pairwise(edges), strict=True):
                if begin == end:
                    continue
                records = self._read(file.fileno(), start, int(ascending[end - 1]) + 1)
                into = slice(begin, end) if order is None else order[begin:end]
                for name, column in zip(names, columns, strict=True):
                    column[into] = records[name][ascending[begin:end] - start]
        return columns

    def _read(self, file: int, begin: int, end: int) -> Records:
        size = self._kind.itemsize
        read = os.pread(file, (end - begin) * size, begin * size)
        if len(read) < (end - begin) * size:
            raise OSError(errno.EIO, "a temporary file is shorter than it was", str(self.path))
        return np.frombuffer(read, self._kind)
