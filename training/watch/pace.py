"""How fast a training is and how long it will still take: for people as lines of progress, for later in `pace.jsonl`.

A step's seconds go from asking for its batch to having its metrics; evaluations, checkpoints and samples are not in
them. The time left counts everything.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from training.errors import RunFolderError
from training.runs.lines import read_lines
from training.runs.metrics import StepMetrics

PACE = "pace.jsonl"
SECONDS_BETWEEN, SECONDS_MOST = 2.0, 60.0
SHARE_OF_ELAPSED = 1 / 60

_MINUTE, _HOUR = 60, 3600
_TYPES = {"step": int, "seconds": int | float, "useful": int, "first": bool}


@dataclass(frozen=True)
class StepPace:
    """The speed of a step. The first one after a start is compiled while it runs: no measure of speed."""

    step: int
    seconds: float
    useful: int
    first: bool


def read_pace(path: Path) -> list[StepPace]:
    """The speeds that a run has kept, none without the file. Raises `RunFolderError` for lines that are none."""
    paces = []
    for number, line in enumerate(read_lines(path), 1):
        if line.keys() != _TYPES.keys() or not all(isinstance(line[key], _TYPES[key]) for key in _TYPES):
            raise RunFolderError(f"{path}, line {number}: not the speed of a step; the run is damaged")
        paces.append(StepPace(**line))
    return paces


class Pace:
    """Measures steps and says how it goes: at first every two seconds, later less often, at least every minute.

    `goal` tells the step that the run goes to; `full_speed` is the number of useful tokens a second at the peak of all
    its devices, None where that is not known.
    """

    def __init__(
        self,
        goal: Callable[[], int],
        full_speed: float | None,
        say: Callable[[str], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._goal, self._full_speed, self._say, self._clock = goal, full_speed, say, clock
        self._begun = clock()
        self._apart = 0.0
        self._measured: tuple[float, int] | None = None  # when the first step ended, and steps since
        self._recent = (0.0, 0)  # seconds of steps and useful tokens since the last line
        self._said: float | None = None

    def begin_step(self) -> None:
        """A step begins: it asks for its batch."""
        self._begun, self._apart = self._clock(), 0.0

    @contextmanager
    def apart(self) -> Iterator[None]:
        """What is done inside is no part of the step."""
        before = self._clock()
        yield
        self._apart += self._clock() - before

    def end_step(self, metrics: StepMetrics) -> StepPace:
        """A step has ended; its speed. Says a line when it is time for one, and behind the last step."""
        now = self._clock()
        seconds = max(now - self._begun - self._apart, 1e-9)
        pace = StepPace(metrics.step, seconds, metrics.useful, first=self._measured is None)
        if self._measured is None:
            self._measured = now, 0
            self._line(metrics, now)
            return pace
        self._measured = self._measured[0], self._measured[1] + 1
        self._recent = self._recent[0] + seconds, self._recent[1] + metrics.useful
        elapsed = now - self._measured[0]
        gap = min(max(SECONDS_BETWEEN, elapsed * SHARE_OF_ELAPSED), SECONDS_MOST)
        if self._said is None or now - self._said >= gap or metrics.step >= self._goal():
            self._line(metrics, now)
        return pace

    def _line(self, metrics: StepMetrics, now: float) -> None:
        goal = self._goal()
        parts = [f"step {metrics.step:,} of {goal:,}", f"loss {metrics.loss:.4f}"]
        if metrics.held_out is not None:
            parts.append(f"held out {metrics.held_out:.4f}")
        seconds, useful = self._recent
        if seconds:
            parts.append(f"{useful / seconds:,.0f} tokens/s")
            if self._full_speed is not None:
                parts.append(f"{useful / seconds / self._full_speed:.0%} of peak")
        if self._measured is not None and self._measured[1] and metrics.step < goal:
            started, steps = self._measured
            parts.append(f"{duration((now - started) / steps * (goal - metrics.step))} left")
        self._said, self._recent = now, (0.0, 0)
        self._say(", ".join(parts))


def duration(seconds: float) -> str:
    """A time for people: `5 s`, `3 min 20 s`, `2 h 05 min`."""
    whole = round(seconds)
    if whole < _MINUTE:
        return f"{whole} s"
    if whole < _HOUR:
        return f"{whole // _MINUTE} min {whole % _MINUTE:02} s"
    return f"{whole // _HOUR} h {whole % _HOUR // _MINUTE:02} min"
