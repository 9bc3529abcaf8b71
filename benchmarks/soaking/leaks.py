"""Whether a long-lived process grows: the rule, and what it is told by. Pure but for `sample`.

- Children: none, at every look.
- Handles and threads: in the second half never more than in the first, in which everything that a process keeps for
  good is opened once.
- Memory and objects of Python: a straight line through the second half (least squares). A breach is one that rises, by
  more than three standard errors of its slope, by more than a twentieth of the median over that half. With fewer than
  20 looks in it nothing is said of them.
"""

import gc
import math
import os
import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path

from benchmarks.soaking.commands import BreachError

LOOKS = 20
GROWTH = 0.05
ERRORS = 3.0
COUNTED = ("handles", "threads")
MEASURED = ("memory", "objects")

Look = Mapping[str, int]


def sample() -> dict[str, int]:
    """The state of this process: open handles, threads, child processes, bytes of its own memory, Python objects."""
    gc.collect()
    status = Path("/proc/self/status").read_text(encoding="ascii", errors="replace").splitlines()
    tasks = list(Path("/proc/self/task").iterdir())
    return {
        "handles": len(os.listdir("/proc/self/fd")),  # noqa: PTH208 - the listing's own handle counts each time
        "threads": len(tasks),
        "children": _children(os.getpid()),
        "memory": 1024 * int(next(line.split()[1] for line in status if line.startswith("RssAnon:"))),
        "objects": len(gc.get_objects()),
    }


def _children(parent: int) -> int:
    found = 0
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                state = (entry / "stat").read_text(errors="replace").rpartition(")")[2].split()
            except OSError:  # it has ended
                continue
            found += int(state[1]) == parent
    return found


def hold_to_the_rule(looks: Sequence[Look]) -> None:
    """Raise BreachError when a process has grown."""
    if found := leaks(looks):
        raise BreachError("; ".join(found))


def leaks(looks: Sequence[Look]) -> list[str]:
    """What grew, a line each."""
    found = [
        f"children left: {look['children']} at look {number}"
        for number, look in enumerate(looks, 1)
        if look["children"]
    ]
    first, second = looks[: len(looks) // 2], looks[len(looks) // 2 :]
    if not first:
        return found
    for what in COUNTED:
        before, after = (max(look[what] for look in half) for half in (first, second))
        if after > before:
            found.append(f"{what}: at most {before} in the first half, {after} in the second")
    if len(second) >= LOOKS:
        for what in MEASURED:
            values = [float(look[what]) for look in second]
            slope, error = line(values)
            rise, median = (slope - ERRORS * error) * len(values), statistics.median(values)
            if rise > GROWTH * median:
                found.append(
                    f"{what}: rises by {slope * len(values):,.0f} (± {error * len(values):,.0f}) over {len(values)} "
                    f"looks, the median is {median:,.0f}"
                )
    return found


def line(values: Sequence[float]) -> tuple[float, float]:
    """The slope of the line through values that are one apart, and its standard error; at least three values."""
    count = len(values)
    middle, mean = (count - 1) / 2, statistics.fmean(values)
    spread = sum((place - middle) ** 2 for place in range(count))
    slope = sum((place - middle) * (value - mean) for place, value in enumerate(values)) / spread
    rest = sum((value - mean - slope * (place - middle)) ** 2 for place, value in enumerate(values))
    return slope, math.sqrt(rest / (count - 2) / spread)
