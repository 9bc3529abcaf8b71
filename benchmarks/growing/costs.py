"""The figures of growth.json as costs by command and size. Pure."""

import statistics
from collections.abc import Mapping
from typing import Any, TypeAlias

from benchmarks.growing.fits import Growth, growth

Figures: TypeAlias = Mapping[str, Any]
"""What growth.json holds."""

PLOTTED = ("build", "regenerate", "verify", "verify --dataset", "audit", "build of a range")
COMMANDS = (
    *PLOTTED[:-1],
    "build 2nd",
    "build 2nd, disjoint",
    "build of a range",
    "build of a draw",
    "draw reservoir",
    "draw hash",
)
LINEAR_COMMANDS = tuple(name for name in COMMANDS if name != "build of a range")
"""What is expected to grow at most in proportion to the rows; a range of 2,000 rows should not grow at all."""


def sizes_of(figures: Figures) -> list[int]:
    """The sizes measured, ascending."""
    return sorted(int(size) for size in figures["sizes"])


def cost(figures: Figures, command: str, figure: str) -> dict[int, float]:
    """A figure of a command by size: the median of the rounds."""
    return {size: of_size(figures["sizes"][str(size)], command, figure) for size in sizes_of(figures)}


def of_size(measured: Figures, command: str, figure: str) -> float:
    """A figure of a command at one size: the median of the rounds."""
    return float(statistics.median(measured["measures"][command][figure]))


def fact(figures: Figures, name: str) -> dict[int, float]:
    """Something else that was noted of each size."""
    return {size: float(figures["sizes"][str(size)][name]) for size in sizes_of(figures)}


def growth_of(figures: Figures, command: str, figure: str) -> Growth:
    """How a figure of a command grows."""
    return growth(cost(figures, command, figure))
