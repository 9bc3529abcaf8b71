"""How far a build is: a line now and then, on whatever `say` writes to."""

import time
from collections.abc import Callable

SECONDS_BETWEEN = 5.0
_LOOK_EVERY = 256  # rows between two looks at the clock


class RowProgress:
    """Told of every row read; says the source, the rows and the rate every few seconds."""

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say
        self._source, self._started = "", 0.0
        self._said = time.monotonic()

    def __call__(self, source: str, rows: int) -> None:
        """Row number `rows` of a source was read."""
        if source != self._source:
            self._source, self._started = source, time.monotonic()
        if rows % _LOOK_EVERY:
            return
        now = time.monotonic()
        if now - self._said >= SECONDS_BETWEEN:
            self._said = now
            self._say(f"{source}: {rows:,} rows read, {rows / max(now - self._started, 1e-9):,.0f} rows/s")
