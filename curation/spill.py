"""Texts put aside in files, and where each lies there: how texts wait without being held in memory.

Every process appends to a file of its own, named after its number. A place says which process that was, where in its
file the prompt begins, and how many bytes prompt, reasoning and answer have, which follow one another there.
"""

import errno
import os
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Self, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from curation.errors import SourceError
from manifests.keys import Trace

_LARGEST_COLUMN = 2**31 - 1  # bytes: offsets of Arrow's string type are signed and 32 bits wide

TEXTS = ("prompt", "reasoning", "answer")
PLACE = np.dtype([("begin", "<u8"), ("process", "<u4"), *((name, "<u4") for name in TEXTS)])

Places: TypeAlias = npt.NDArray[np.void]
"""Of the type PLACE, one for each trace."""


class SpillWriter:
    """Appends texts to this process's file in a folder. A context manager."""

    def __init__(self, folder: Path) -> None:
        self.path = spill_path(folder, os.getpid())
        self._file = self.path.open("ab")
        self._position = self._file.seek(0, os.SEEK_END)
        self._process = os.getpid()
        self._places: list[tuple[int, int, int, int, int]] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._file.close()

    def put(self, trace: Trace) -> None:
        """Append the text of a trace."""
        texts = [text.encode() for text in trace]
        self._file.writelines(texts)
        prompt, reasoning, answer = map(len, texts)
        self._places.append((self._position, self._process, prompt, reasoning, answer))
        self._position += prompt + reasoning + answer

    def places(self) -> Places:
        """Where the texts lie that were put, in their order."""
        return np.array(self._places, PLACE)


class SpillReader:
    """Reads texts put aside in a folder. A context manager. What was read is not kept, nor mapped."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._files: dict[int, int] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        for file in self._files.values():
            os.close(file)
        self._files.clear()

    def columns(self, places: Places) -> list[pa.StringArray]:
        """The prompts, reasonings and answers at places, as columns: read right into them, nothing is copied."""
        offsets = np.zeros((len(TEXTS), len(places) + 1), np.int64)
        for text, column in zip(TEXTS, offsets, strict=True):
            np.cumsum(places[text], out=column[1:], dtype=np.int64)
        if offsets.max() > _LARGEST_COLUMN:
            raise SourceError(
                f"{len(places):,} rows of the mix have more than 2 GiB of text in one column, a block holds no more; "
                "lower max_row_bytes, or leave out the longest with length = { max_chars = … }"
            )
        columns = [pa.allocate_buffer(int(ends[-1])) for ends in offsets]
        views = [memoryview(column).cast("B") for column in columns]
        edges = offsets.T.tolist()
        for process, begin, begins, ends in zip(
            places["process"].tolist(), places["begin"].tolist(), edges, edges[1:], strict=False
        ):
            parts = [view[start:end] for view, start, end in zip(views, begins, ends, strict=True)]
            if os.preadv(self._file(process), parts, begin) != sum(map(len, parts)):
                raise OSError(errno.EIO, "a file of texts is shorter than it was", str(self._path(process)))
        return [
            pa.LargeStringArray.from_buffers(len(places), pa.py_buffer(ends.tobytes()), column).cast(
                pa.string()
            )
            for ends, column in zip(offsets, columns, strict=True)
        ]

    def traces(self, places: Places) -> Iterator[Trace]:
        """The traces at places."""
        for texts in zip(*(column.to_pylist() for column in self.columns(places)), strict=True):
            yield Trace(*texts)

    def _file(self, process: int) -> int:
        if process not in self._files:
            self._files[process] = os.open(self._path(process), os.O_RDONLY)
        return self._files[process]

    def _path(self, process: int) -> Path:
        return spill_path(self._folder, process)


def texts_of_this_process(folder: Path) -> bytes:
    """All that this process has put aside in a folder; nothing, if it has not."""
    try:
        return spill_path(folder, os.getpid()).read_bytes()
    except FileNotFoundError:
        return b""


def put_aside_again(folder: Path, texts: bytes, places: Places) -> Places:
    """Put texts from another process's file into this one's in `folder`: the places that they have there."""
    if not len(places):
        return places
    moved = places.copy()
    with spill_path(folder, os.getpid()).open("ab") as file:
        moved["begin"] += file.seek(0, os.SEEK_END)
        file.write(texts)
    moved["process"] = os.getpid()
    return moved


def spill_path(folder: Path, process: int) -> Path:
    """The file that a process appends to."""
    return folder / f"texts-{process}.spill"
