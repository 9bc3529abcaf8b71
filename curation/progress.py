"""How far a build is: what it does, how fast, and how long it will still take."""

import time
from collections.abc import Callable
from typing import Protocol

SECONDS_BETWEEN = 5.0
_MEGABYTE = 1e6


class Progress(Protocol):
    """Told what begins, and of every step of it."""

    def begin(self, what: str, size: int | None = None) -> None:
        """A piece of work begins. `size` is what its steps will add up to; None where nobody knows."""

    def step(self, rows: int, size: int) -> None:
        """So many more rows are done, and so many more bytes."""


class Silence:
    """A progress that nobody watches."""

    def begin(self, what: str, size: int | None = None) -> None:
        """Say nothing."""

    def step(self, rows: int, size: int) -> None:
        """Say nothing."""


class LineProgress:
    """Says a line every few seconds: rows, rows a second, megabytes a second, and the time left where it is known."""

    def __init__(self, say: Callable[[str], None], clock: Callable[[], float] = time.monotonic) -> None:
        self._say, self._clock = say, clock
        self._said = clock()
        self.begin("")

    def begin(self, what: str, size: int | None = None) -> None:
        """A piece of work begins."""
        self._what, self._size = what, size
        self._rows = self._done = 0
        self._started = self._clock()

    def step(self, rows: int, size: int) -> None:
        """So many more rows and bytes are done."""
        self._rows += rows
        self._done += size
        now = self._clock()
        if now - self._said >= SECONDS_BETWEEN:
            self._said = now
            self._say(self._line(max(now - self._started, 1e-9)))

    def _line(self, seconds: float) -> str:
        parts = [f"{self._rows:,} rows", f"{self._rows / seconds:,.0f} rows/s"]
        if self._done:
            parts.append(f"{self._done / seconds / _MEGABYTE:,.0f} MB/s")
        if self._size and self._done:
            left = seconds * max(0, self._size - self._done) / self._done
            parts.append(f"{min(1.0, self._done / self._size):.0%}, {_duration(left)} left")
        return f"{self._what}: {', '.join(parts)}"


def _duration(seconds: float) -> str:
    minutes, seconds = divmod(round(seconds), 60)
    return f"{minutes} min {seconds:02} s" if minutes else f"{seconds} s"
