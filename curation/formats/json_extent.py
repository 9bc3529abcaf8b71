"""Where a JSON value ends, told by its brackets and quotes alone, in memory that does not grow with it."""

from typing import BinaryIO

import numpy as np
import numpy.typing as npt

_FIRST_READ, _READ = 1 << 14, 1 << 20
_QUOTE = ord('"')
_STEPS = np.zeros(256, np.int8)
_STEPS[[ord("["), ord("{")]] = 1
_STEPS[[ord("]"), ord("}")]] = -1
_MARKS: npt.NDArray[np.bool_] = _STEPS != 0
_MARKS[_QUOTE] = True


def value_end(stream: BinaryIO, begin: int) -> int | None:
    """Where the object, list or string ends that begins at `begin`; None if the file ends before it.

    What stands between brackets and quotes is not looked at.
    """
    stream.seek(begin)
    depth, inside, position, half = 0, False, begin, b""
    read = _FIRST_READ
    while piece := half + stream.read(read):
        if len(piece) == len(half):
            return None
        # A backslash makes text of what stands behind it, be it in the next piece.
        half = piece[-1:] if (len(piece) - len(piece.rstrip(b"\\"))) % 2 else b""
        whole = piece.removesuffix(half)
        codes = np.frombuffer(whole.replace(b"\\\\", b"__").replace(b'\\"', b"__"), np.uint8)
        places = np.flatnonzero(_MARKS[codes])
        marks = codes[places]
        within = np.logical_xor.accumulate(marks == _QUOTE) ^ inside
        depths = depth + np.cumsum(np.where(within, 0, _STEPS[marks]))
        ends = np.flatnonzero((depths == 0) & ~within)
        if ends.size:
            return position + int(places[ends[0]]) + 1
        if marks.size:
            depth, inside = int(depths[-1]), bool(within[-1])
        position += len(whole)
        read = _READ
    return None
