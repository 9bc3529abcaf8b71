"""How a cost grows: exponents between sizes, and what one more row costs. Pure."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

LINEAR = 1.1
"""The largest exponent of what counts as growing in proportion."""
FLAT = 0.1
"""The largest exponent of what counts as not growing."""


@dataclass(frozen=True)
class Growth:
    """The exponent of a cost over all sizes (least squares on the logarithms), and that of the last step alone.

    `step` is what one more row costs between the last two sizes. The constants of a start-up make the exponent over all
    sizes smaller; the last step shows most of what comes at the next size.
    """

    overall: float
    last: float
    step: float


def growth(costs: Mapping[int, float]) -> Growth:
    """How a cost by size grows, of at least two sizes. What is less than 1 of its unit counts as 1e-9."""
    sizes = sorted(costs)
    points = [(math.log(size), math.log(max(costs[size], 1e-9))) for size in sizes]
    middle = [sum(column) / len(points) for column in zip(*points, strict=True)]
    overall = sum((x - middle[0]) * (y - middle[1]) for x, y in points) / sum(
        (x - middle[0]) ** 2 for x, _ in points
    )
    (x_before, y_before), (x_last, y_last) = points[-2:]
    before, last = sizes[-2:]
    return Growth(
        overall, (y_last - y_before) / (x_last - x_before), (costs[last] - costs[before]) / (last - before)
    )
