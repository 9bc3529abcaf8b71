"""Curves as SVG that stretches with the page, its lettering does not. Pure.

The lines are in a box of 1000 × 1000 that is drawn to the size that there is (`preserveAspectRatio="none"`, strokes of
fixed width: https://www.w3.org/TR/SVG2/); numbers and dots are placed beside it in percent of the same size.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

from manifests.page.markup import EMPTY, Markup, joined, tag, text
from training.report.scales import Scale, drawable, scale_of, steps_scale
from training.report.words import short

MOST_SERIES = 6  # of a chart: more can't be told apart
MOST_POINTS = 400  # of a line; of more, the lowest and the highest of each stretch are drawn
MOST_DOTS = 60
WIDTH_OF_MEAN = 50  # stretches of a run that a mean is over

Points = Sequence[tuple[int, float]]


@dataclass(frozen=True)
class Series:
    """A curve: its name, and a value at each of some steps, ascending. `faint`: it stands behind another."""

    name: str
    points: Points
    faint: bool = False


def chart(
    title: str, unit: str, series: Sequence[Series], last_step: int, within: tuple[float, ...] = ()
) -> Markup:
    """Curves over the steps 0 to `last_step`, with a heading, axes and a legend; what can't be drawn is said.

    The values of `within` are on the axis whether or not a curve reaches them.
    """
    shown = [
        Series(one.name, [point for point in one.points if drawable(point[1])], one.faint) for one in series
    ]
    values = [value for one in shown for _, value in one.points]
    lost = sum(len(one.points) for one in series) - len(values)
    heading = tag("h3", text(title), tag("span", text(f" {unit}"), class_="quiet"))
    note = (
        tag("p", text(f"{lost:,} values are no numbers, or beyond all bounds."), class_="note")
        if lost
        else EMPTY
    )
    if not values:
        return tag(
            "figure", heading, tag("p", text("Nothing measured yet."), class_="quiet"), note, class_="chart"
        )
    across, up = steps_scale(last_step), scale_of([*values, *within])
    spoken = f"{title} {unit}: {'; '.join(map(_spoken, shown))}"
    lines = [_series(one, number, series[number], (across, up)) for number, one in enumerate(shown)]
    plot = tag(
        "svg",
        *(
            tag("line", x1=0, x2="100%", y1=_down(up, tick), y2=_down(up, tick), class_="grid")
            for tick in up.ticks
        ),
        *lines,
        class_="plot",
        role="img",
        aria_label=spoken,
    )
    names = [
        tag("text", text(short(tick)), x="100%", dx="-8", y=_down(up, tick), dy="0.35em", text_anchor="end")
        for tick in up.ticks
    ]
    numbers = [
        tag(
            "text", text(f"{tick:,.0f}"), x=_along(across, tick), y="1.1em", text_anchor=_anchor(across, tick)
        )
        for tick in across.ticks
    ]
    return tag(
        "figure",
        heading,
        _legend(shown),
        tag("svg", *names, class_="up", aria_hidden="true"),
        plot,
        tag("svg", *numbers, class_="across", aria_hidden="true"),
        tag("p", text("step"), class_="axis"),
        note,
        class_="chart",
    )


def smoothed(points: Points) -> list[tuple[int, float]]:
    """The mean around each point, over a fiftieth of them all; what is no number is left out."""
    points = [point for point in points if drawable(point[1])]
    reach = len(points) // (2 * WIDTH_OF_MEAN)
    sums = [0.0]
    for _, value in points:
        sums.append(sums[-1] + value)
    means = []
    for place, (step, _) in enumerate(points):
        start, end = max(0, place - reach), min(len(points), place + reach + 1)
        means.append((step, (sums[end] - sums[start]) / (end - start)))
    return means


def thinned(points: Points) -> Points:
    """At most 400 points: of each stretch of the steps the lowest and the highest, in their order."""
    if len(points) <= MOST_POINTS:
        return points
    stretches = MOST_POINTS // 2
    kept: list[tuple[int, float]] = []
    for number in range(stretches):
        stretch = points[number * len(points) // stretches : (number + 1) * len(points) // stretches]
        kept += sorted({min(stretch, key=_value), max(stretch, key=_value)})
    return kept


def _value(point: tuple[int, float]) -> float:
    return point[1]


def _series(one: Series, number: int, whole: Series, scales: tuple[Scale, Scale]) -> Markup:
    across, up = scales
    kind = f"line s{number % MOST_SERIES}{' faint' if one.faint else ''}"
    parts = [
        tag(
            "polyline",
            points=" ".join(
                f"{1000 * across.place(step):.1f},{1000 - 1000 * up.place(value):.1f}"
                for step, value in piece
            ),
            class_=kind,
            vector_effect="non-scaling-stroke",
        )
        for piece in _pieces(whole)
    ]
    lines = tag(
        "svg", *parts, viewBox="0 0 1000 1000", preserveAspectRatio="none", width="100%", height="100%"
    )
    if len(one.points) > MOST_DOTS:
        return lines
    dots = [
        tag(
            "circle", cx=_along(across, step), cy=_down(up, value), r=3, class_=f"dot s{number % MOST_SERIES}"
        )
        for step, value in one.points
    ]
    return joined(lines, *dots)


def _pieces(series: Series) -> Iterator[Points]:
    """The runs of drawable points: where a value is no number, the line is broken."""
    for shown, piece in groupby(series.points, key=lambda point: drawable(point[1])):
        if shown:
            yield thinned(list(piece))


def _legend(series: Sequence[Series]) -> Markup:
    if len(series) == 1:
        return EMPTY
    keys = [
        tag(
            "li",
            tag(
                "svg",
                tag(
                    "line",
                    x1=0,
                    x2=22,
                    y1=6,
                    y2=6,
                    class_=f"line s{number % MOST_SERIES}{' faint' if one.faint else ''}",
                ),
                width=22,
                height=12,
                aria_hidden="true",
            ),
            text(" "),
            tag("bdi", text(one.name)),
        )
        for number, one in enumerate(series)
    ]
    return tag("ul", *keys, class_="legend")


def _spoken(series: Series) -> str:
    if not series.points:
        return f"{series.name} not measured"
    (first, before), (last, after) = series.points[0], series.points[-1]
    return f"{series.name} {short(before)} at step {first:,}, {short(after)} at step {last:,}"


def _down(scale: Scale, value: float) -> str:
    return f"{100 - 100 * scale.place(value):.2f}%"


def _along(scale: Scale, value: float) -> str:
    return f"{100 * scale.place(value):.2f}%"


def _anchor(scale: Scale, value: float) -> str:
    """Numbers at the ends stay inside."""
    place = scale.place(value)
    return "start" if place <= 0 else "end" if place >= 1 else "middle"
