"""Where rows come from: the origin key of every row of a source, all at once. Pure."""

import numpy as np
import numpy.typing as npt

from manifests.identity import SourceRecord

ORIGIN_BYTES = 32

Numbers = npt.NDArray[np.uint64]
KeyBytes = npt.NDArray[np.uint8]


def locate_rows(source: SourceRecord, rows: Numbers) -> tuple[KeyBytes, Numbers]:
    """For row numbers of a source: origin keys, shape (rows, 32), and the rows' numbers within their files."""
    first_rows = np.asarray(source.first_rows, dtype=np.uint64)
    files = np.searchsorted(first_rows, rows, side="right") - 1
    origins = np.frombuffer(b"".join(source.origin(file) for file in source.files), dtype=np.uint8)
    return origins.reshape(-1, ORIGIN_BYTES)[files], rows - first_rows[files] + np.uint64(1)
