"""A time budget: when to stop, and for how many steps the schedule is laid. Pure; the clock is given.

A run with a budget ends in time to write its last checkpoint, evaluate the held-out traces and export the adapter. What
these take is measured where it was seen, and assumed generously until then.
"""

import math
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from training.errors import SettingsError

MEASURED_STEPS = 5
SPARE = (
    0.03  # of the time left: what the schedule leaves free, so that a slower hour does not cut off its end
)
MARGIN = 1.25  # on what is kept for the end
ASSUMED_SECONDS, ASSUMED_BYTES = (
    1.0,
    50e6,
)  # of a write, until one was seen: so many seconds, and bytes a second
LONGEST = 366 * 24 * 3600
LEAST_SHARE = 1e-6

_FORM = re.compile(r"(?:(\d{1,6})h)?(?:(\d{1,6})m)?(?:(\d{1,8})s)?", re.ASCII)
_UNITS = (3600, 60, 1)


def parse_budget(text: str) -> int:
    """The seconds of `8h30m`, `90m`, `45s`. Raises `SettingsError` for anything else, and for nothing at all."""
    found = _FORM.fullmatch(text)
    parts = [] if found is None else found.groups()
    seconds = sum(int(part) * unit for part, unit in zip(parts, _UNITS, strict=False) if part is not None)
    if not 0 < seconds <= LONGEST:
        raise SettingsError(
            f"--budget {text!r}: expected hours, minutes, seconds such as 8h30m, 90m or 45s, from 1s to a year"
        )
    return seconds


def parse_share(text: str) -> float:
    """The share of peak of `0.4`. Raises `SettingsError` for anything but a number above 0 and up to 1."""
    try:
        share = float(text)
    except ValueError:
        share = math.nan
    if not LEAST_SHARE <= share <= 1:
        raise SettingsError(
            f"--share {text!r}: expected a share of peak from {LEAST_SHARE:.6f} to 1, such as 0.4"
        )
    return share


def duration(seconds: float) -> str:
    """`8h30m`, `1m05s`, `42s`: a time for people, rounded up to a second."""
    whole = math.ceil(seconds)
    hours, minutes, rest = whole // 3600, whole // 60 % 60, whole % 60
    if hours:
        return f"{hours}h{minutes:02}m"
    return f"{minutes}m{rest:02}s" if minutes else f"{rest}s"


@dataclass(frozen=True)
class Budget:
    """So many seconds, and a clock that says how many have passed since the run was asked for."""

    seconds: float
    elapsed: Callable[[], float]

    @property
    def left(self) -> float:
        """Seconds that are left, below 0 when it is overdrawn."""
        return self.seconds - self.elapsed()


class Timing:
    """What the steps of this process have taken, told by its clock.

    The first step is left out: it has the compilation in it.
    """

    def __init__(self, elapsed: Callable[[], float], state_bytes: int) -> None:
        """`state_bytes` is the size of a checkpoint, for what writing one may take before it was seen."""
        self._elapsed = elapsed
        self._last: float | None = None
        self._done: float | None = None
        self._beside = 0.0
        self._first: float | None = None
        self._steps = 0
        self._computing = 0.0
        self._slowest = 0.0
        self.evaluation = self.samples = 0.0
        self.writing = ASSUMED_SECONDS + state_bytes / ASSUMED_BYTES

    @property
    def measured(self) -> int:
        """How many steps were measured."""
        return self._steps

    @property
    def step(self) -> float:
        """Seconds of a step: its computation alone, the mean. 0 before one was measured."""
        return self._computing / self._steps if self._steps else 0.0

    @property
    def reserve(self) -> float:
        """Seconds to keep for the end: a checkpoint, an evaluation, an export (which writes less than a checkpoint)."""
        return MARGIN * (self.evaluation + 2 * self.writing)

    def next_step(self, *, evaluates: bool) -> float:
        """Seconds that the next step may take, with a checkpoint, and an evaluation when there are any on the way.

        The second step may take as long as the first: how much of that was compilation is not known yet.
        """
        if not self._steps:
            return self._first or 0.0
        return max(self._slowest, self.step + self.writing + (self.evaluation if evaluates else 0.0))

    @contextmanager
    def evaluating(self) -> Iterator[None]:
        """What is done inside is an evaluation, and no part of a step."""
        began = self._elapsed()
        yield
        self.evaluation = self._elapsed() - began
        self._beside += self.evaluation

    @contextmanager
    def sampling(self) -> Iterator[None]:
        """What is done inside are the samples before the first step: the later ones may take as long."""
        began = self._elapsed()
        yield
        self.samples = self._elapsed() - began

    def computed(self) -> None:
        """A step is computed; its checkpoint may follow."""
        self._done = self._elapsed()

    def boundary(self, *, wrote: bool) -> None:
        """A step is over, or the first is about to begin; `wrote` says that all behind `computed` was a checkpoint."""
        now = self._elapsed()
        if self._last is not None and self._done is not None:
            if self._first is None:
                self._first = now - self._last
            else:
                self._steps += 1
                self._computing += max(self._done - self._last - self._beside, 0.0)
                self._slowest = max(self._slowest, now - self._last)
            if wrote:
                self.writing = now - self._done
        self._last, self._done, self._beside = now, None, 0.0
