"""How many operations a program executes: its matrix products, counted from the jaxpr times the trips of its loops.

A compiler's own count takes the body of a loop once and knows nothing of a kernel's. A product of [m, k] and [k, n] is
2·m·k·n operations; what works element by element is not counted, here or in the floor that it is compared with.
"""

import math
from collections.abc import Callable, Iterator
from typing import Any

GridShare = Callable[[tuple[int, ...]], float]


def count_operations(jaxpr: Any, kernel_share: GridShare = lambda _grid: 1.0) -> float:
    """Operations of one device: inside a `shard_map` shapes are a device's own.

    `kernel_share` tells for the grid of a Pallas kernel the share of its steps that compute anything. Of branches the
    dearest counts. Raises `NotImplementedError` for a loop whose trips are not known before it runs.
    """
    total = 0.0
    for equation in jaxpr.eqns:
        name, parameters = equation.primitive.name, equation.params
        if not (equation.outvars or equation.effects):
            continue  # what remat leaves of a function whose results were all kept; the compiler drops it
        if name == "dot_general":
            total += _product(equation)
        elif name == "cond":
            total += max(count_operations(branch.jaxpr, kernel_share) for branch in parameters["branches"])
        elif name == "while":
            loops = (parameters["body_jaxpr"].jaxpr, parameters["cond_jaxpr"].jaxpr)
            if any(count_operations(loop, kernel_share) for loop in loops):
                raise NotImplementedError(
                    "a while loop with matrix products in it: how often it runs is not known"
                )
        elif name == "pallas_call":
            grid = tuple(parameters["grid_mapping"].grid)
            steps = math.prod(grid) * kernel_share(grid)
            total += steps * count_operations(parameters["jaxpr"], kernel_share)
        else:
            trips = parameters["length"] if name == "scan" else 1
            total += trips * sum(count_operations(inner, kernel_share) for inner in _inner(parameters))
    return total


def _product(equation: Any) -> float:
    (contracted, _), _ = equation.params["dimension_numbers"]
    left = equation.invars[0].aval.shape
    inner: int = math.prod(left[axis] for axis in contracted)
    results: int = math.prod(equation.outvars[0].aval.shape)
    return 2.0 * inner * results


def _inner(parameters: dict[str, Any]) -> Iterator[Any]:
    """The jaxprs that an equation runs once, or in a scan once a trip."""
    for value in parameters.values():
        for item in value if isinstance(value, tuple | list) else (value,):
            if hasattr(item, "eqns"):
                yield item
            elif hasattr(item, "jaxpr") and hasattr(item.jaxpr, "eqns"):
                yield item.jaxpr
