"""The rows of a source that became traces: what the stages compare in memory, everything else on a shelf.

In memory is a row's content key, sixteen bytes, and its band keys where near duplicates are sought.
"""

from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from curation.scan import KEY_BYTES, Job, KeyBytes, Numbers, RowKeys
from curation.shelf import Places, Records, Shelf
from curation.spill import PLACE

_COLUMNS = [("rows", "<u8"), ("places", "<u8"), ("characters", "<u8"), ("prompts", "u1", (KEY_BYTES,))]


def kind_of(*, texts: bool) -> "np.dtype[np.void]":
    """What lies on the shelf of a row, with the place of its text or without."""
    return np.dtype([*_COLUMNS, ("texts", PLACE)] if texts else _COLUMNS)


class Candidates:
    """Keys of rows in upstream order, as `scan.RowKeys` has them; `rows` are numbers of the source.

    The shelf lies in `folder`, and is gone with `stack`.
    """

    def __init__(self, job: Job, folder: Path, stack: ExitStack) -> None:
        self._kind = kind_of(texts=job.spill is not None)
        self._shelf = stack.enter_context(Shelf(folder, self._kind))
        self._bands = 0 if job.near is None else job.near.bands
        # What grows in place is never held twice.
        self._content_bytes, self._band_bytes = bytearray(), bytearray()

    def __len__(self) -> int:
        return len(self._shelf)

    def add(self, keys: RowKeys) -> None:
        """Put the keys of some rows behind the others."""
        records: Records = np.empty(len(keys.rows), self._kind)
        for name in self._kind.names or ():
            records[name] = getattr(keys, name)
        self._shelf.append(records)
        self._content_bytes += keys.contents.tobytes()
        self._band_bytes += keys.bands.tobytes()

    @property
    def contents(self) -> KeyBytes:
        """The content keys, shape (rows, 16). No rows can be added while somebody holds them."""
        return np.frombuffer(self._content_bytes, np.uint8).reshape(-1, KEY_BYTES)

    @property
    def bands(self) -> Numbers:
        """The band keys, shape (rows, bands); the same holds for them."""
        return np.frombuffer(self._band_bytes, np.uint64).reshape(len(self), self._bands)

    def at(self, places: Places, *names: str) -> list[npt.NDArray[Any]]:
        """Columns of the rows at places, in any order: rows, places, characters, prompts, texts."""
        return self._shelf.at(places, *names)

    def forget_keys(self) -> None:
        """Let go what is compared; what is on the shelf stays."""
        self._content_bytes, self._band_bytes = bytearray(), bytearray()
