"""Costs by size as SVG: plots side by side, both axes logarithmic, legible on light and dark pages. Pure."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from manifests.page.markup import Markup, joined, tag, text

Costs = Mapping[str, Mapping[int, float]]
"""Of each command its cost by size."""


@dataclass(frozen=True)
class Panel:
    """A plot: its heading, the costs, and how a number on its axis reads."""

    heading: str
    costs: Costs
    reads: Callable[[float], str]


_WIDTH, _HEIGHT, _LEFT, _TOP, _ACROSS, _UP = 340, 300, 56, 44, 250, 200
_LEGEND_ROWS, _LEGEND_LINE = 3, 20
_CLOSE = 14  # a number is left out where the one before is nearer than that
_STYLE = """
.ground { fill: #fbfaf7; }
text { fill: #1c1b19; font: 12px system-ui, "Segoe UI", Roboto, "Liberation Sans", sans-serif; }
.quiet { fill: #625d55; font-size: 11px; } .heading { font-weight: 600; font-size: 13px; }
.grid { stroke: #e4dfd6; } .linear { stroke: #625d55; stroke-dasharray: 1 4; }
.line { fill: none; stroke-width: 2; } .dot { stroke: none; }
.s0 { stroke: #1a5fb4; } .s1 { stroke: #b4500a; stroke-dasharray: 7 4; } .s2 { stroke: #17633f; }
.s3 { stroke: #8a2f7d; stroke-dasharray: 2 4; } .s4 { stroke: #86690a; stroke-dasharray: 10 3 2 3; }
.s5 { stroke: #50555e; stroke-dasharray: 4 4; }
.d0 { fill: #1a5fb4; } .d1 { fill: #b4500a; } .d2 { fill: #17633f; } .d3 { fill: #8a2f7d; } .d4 { fill: #86690a; }
.d5 { fill: #50555e; }
@media (prefers-color-scheme: dark) {
  .ground { fill: #141517; } text { fill: #e8e6e1; } .quiet { fill: #a6a29a; }
  .grid { stroke: #2d3035; } .linear { stroke: #a6a29a; }
  .s0 { stroke: #7db4f5; } .s1 { stroke: #f0a264; } .s2 { stroke: #86d3a9; } .s3 { stroke: #dd9bd2; }
  .s4 { stroke: #dcc25e; } .s5 { stroke: #b5bac4; }
  .d0 { fill: #7db4f5; } .d1 { fill: #f0a264; } .d2 { fill: #86d3a9; } .d3 { fill: #dd9bd2; } .d4 { fill: #dcc25e; }
  .d5 { fill: #b5bac4; }
}
"""


def draw(panels: Sequence[Panel]) -> str:
    """The file, with a legend below; all panels have the same commands, in the same order."""
    width, height = _WIDTH * len(panels), _HEIGHT + _LEGEND_ROWS * _LEGEND_LINE
    drawn = tag(
        "svg",
        tag("title", text("; ".join(panel.heading for panel in panels))),
        tag("style", Markup(_STYLE)),
        tag("rect", width=width, height=height, class_="ground"),
        *(
            tag("g", _panel(panel), transform=f"translate({number * _WIDTH} 0)")
            for number, panel in enumerate(panels)
        ),
        _legend(list(panels[0].costs)),
        xmlns="http://www.w3.org/2000/svg",
        viewBox=f"0 0 {width} {height}",
        width=width,
        height=height,
        role="img",
    )
    return f"{drawn}\n"


def _panel(panel: Panel) -> Markup:
    sizes = sorted({size for costs in panel.costs.values() for size in costs})
    values = [value for costs in panel.costs.values() for value in costs.values()]
    across, up = (math.log10(sizes[0]), math.log10(sizes[-1])), _decades(values)

    def x(size: float) -> float:
        return _LEFT + _ACROSS * (math.log10(size) - across[0]) / (across[1] - across[0])

    def y(value: float) -> float:
        return _TOP + _UP * (1 - (math.log10(max(value, 10 ** up[0])) - up[0]) / (up[1] - up[0]))

    def line(one: tuple[float, float], other: tuple[float, float], kind: str) -> Markup:
        ends = (f"{place:.1f}" for place in (*one, *other))
        return tag("line", **dict(zip(("x1", "y1", "x2", "y2"), ends, strict=True)), class_=kind)

    parts = [tag("text", text(panel.heading), x=_LEFT, y=24, class_="heading")]
    for power in range(up[0], up[1] + 1):
        here = y(10**power)
        parts.append(line((_LEFT, here), (_LEFT + _ACROSS, here), "grid"))
        parts.append(_label(panel.reads(10**power), _LEFT - 6, here + 4, "end"))
    bottom = _TOP + _UP
    last = -math.inf
    for size in sizes:
        parts.append(line((x(size), _TOP), (x(size), bottom), "grid"))
        if x(size) - last > _CLOSE:
            parts.append(_label(rows_text(size), x(size), bottom + 18, "middle"))
            last = x(size)
    parts.append(_label("rows of session 1", _LEFT + _ACROSS / 2, bottom + 36, "middle"))
    # What grows in proportion is as steep as this.
    rise = min(up[1] - up[0], across[1] - across[0])
    parts.append(
        line((x(sizes[0]), bottom), (x(10 ** (across[0] + rise)), y(10 ** (up[0] + rise))), "linear")
    )
    for number, costs in enumerate(panel.costs.values()):
        points = [(x(size), y(value)) for size, value in sorted(costs.items())]
        parts += [line(one, other, f"line s{number}") for one, other in pairwise(points)]
        parts += [
            tag("circle", cx=f"{a:.1f}", cy=f"{b:.1f}", r=3, class_=f"dot d{number}") for a, b in points
        ]
    return joined(*parts)


def rows_text(rows: int) -> str:
    """A number of rows, as an axis has it: 10⁵ where it is a power of ten."""
    power = len(str(rows)) - 1
    if rows != 10**power:
        return f"{rows:,}"
    return "10" + str(power).translate(str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹"))


def _decades(values: Sequence[float]) -> tuple[int, int]:
    """The powers of ten that values lie between."""
    low, high = math.floor(math.log10(min(values))), math.ceil(math.log10(max(values)))
    return low, max(high, low + 1)


def _label(what: str, x: float, y: float, anchor: str) -> Markup:
    return tag("text", text(what), x=f"{x:.1f}", y=f"{y:.1f}", text_anchor=anchor, class_="quiet")


def _legend(names: Sequence[str]) -> Markup:
    parts = []
    for number, name in enumerate([*names, "as steep as what grows in proportion"]):
        column, row = divmod(number, _LEGEND_ROWS)
        x, y = _LEFT + column * _WIDTH, _HEIGHT + row * _LEGEND_LINE + 4
        kind = f"line s{number}" if number < len(names) else "linear"
        parts.append(tag("line", x1=x, x2=x + 28, y1=y, y2=y, class_=kind))
        parts.append(tag("text", text(name), x=x + 36, y=y + 4))
    return joined(*parts)
