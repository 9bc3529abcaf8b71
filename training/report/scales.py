"""Axes: round numbers to stand at them, and where a value lies between their ends. Pure."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

LARGEST = 1e15  # what lies beyond is drawn as little as what is no number
SMALLEST = 1e-290  # what lies closer together is the same

_ROUND = (1.0, 2.0, 2.5, 5.0, 10.0)


@dataclass(frozen=True)
class Scale:
    """An axis from `low` to `high`, with numbers at `ticks`, all of them between the two."""

    low: float
    high: float
    ticks: tuple[float, ...]

    def place(self, value: float) -> float:
        """Where a value lies, 0 at `low` and 1 at `high`."""
        return (value - self.low) / (self.high - self.low)


def drawable(value: float) -> bool:
    """Whether a value has a place on an axis."""
    return math.isfinite(value) and abs(value) <= LARGEST


def scale_of(values: Sequence[float], *, whole: bool = False, ticks: int = 5) -> Scale:
    """An axis that holds drawable values, at least one, with about so many numbers; `whole`: whole ones.

    It ends at round numbers; where all values are the same, around them.
    """
    low, high = min(values), max(values)
    if high - low <= max(1e-9 * max(abs(low), abs(high)), SMALLEST):
        margin = abs(low) / 10 if abs(low) > SMALLEST else 1.0
        low, high = low - margin, high + margin
    raw = (high - low) / ticks
    power = 10.0 ** math.floor(math.log10(raw))
    distance = next(factor * power for factor in _ROUND if factor * power >= raw * (1 - 1e-9))
    if whole:
        distance = max(1.0, float(math.ceil(distance)))
    first, last = math.floor(low / distance + 1e-9), math.ceil(high / distance - 1e-9)
    marks = tuple(number * distance for number in range(first, last + 1))
    return Scale(marks[0], marks[-1], marks)


def steps_scale(last: int) -> Scale:
    """The axis of the steps, which ends where they do: from 0 to step `last`, at least 1."""
    wide = scale_of([0.0, float(max(last, 1))], whole=True)
    end = float(max(last, 1))
    return Scale(0.0, end, tuple(mark for mark in wide.ticks if mark <= end))
