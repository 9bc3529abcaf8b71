"""What curves promise: every value that can be drawn has its place inside the axes, and what can't is said."""

import math
import re
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from training.report.charts import MOST_POINTS, Series, chart, smoothed, thinned
from training.report.scales import drawable, scale_of, steps_scale
from training.report.words import counted, loss, short

DRAWABLE = st.floats(-1e15, 1e15)
ANY = st.floats() | st.sampled_from([math.nan, math.inf, 1e308, 5e-324, 1e-322, -0.0])


@given(st.lists(DRAWABLE, min_size=1))
def test_an_axis_holds_its_values_between_round_numbers(values: list[float]) -> None:
    scale = scale_of(values)
    slack = 1e-6 * max(map(abs, (scale.low, scale.high)))
    assert scale.low - slack <= min(values) <= max(values) <= scale.high + slack
    assert 2 <= len(scale.ticks) <= 12
    assert list(scale.ticks) == sorted(set(scale.ticks))
    assert (scale.ticks[0], scale.ticks[-1]) == (scale.low, scale.high)


@pytest.mark.parametrize(
    ("values", "ticks"),
    [
        ([0.0, 1.0], (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)),
        ([2.1, 8.7], (2.0, 4.0, 6.0, 8.0, 10.0)),
        ([5.0], (4.4, 4.6, 4.8, 5.0, 5.2, 5.4, 5.6)),
        ([0.0], (-1.0, -0.5, 0.0, 0.5, 1.0)),
    ],
)
def test_the_numbers_at_an_axis_are_round(values: list[float], ticks: tuple[float, ...]) -> None:
    assert scale_of(values).ticks == pytest.approx(ticks)


@given(st.integers(0, 10**7))
def test_the_axis_of_steps_ends_with_them_and_has_whole_numbers(last: int) -> None:
    scale = steps_scale(last)
    assert (scale.low, scale.high) == (0, max(last, 1))
    assert all(tick == int(tick) and 0 <= tick <= scale.high for tick in scale.ticks)
    assert len(scale.ticks) >= 2


@given(st.lists(st.lists(ANY, max_size=20), min_size=1, max_size=3))
def test_a_chart_of_any_values_is_well_formed_and_stays_inside(curves: list[list[float]]) -> None:
    series = [Series(f"<b>&{number}", list(enumerate(curve, 1))) for number, curve in enumerate(curves)]
    figure = ElementTree.fromstring(chart("<Loss>", "nats & more", series, 20))  # noqa: S314 - ours
    for line in figure.iter("polyline"):
        for point in line.attrib["points"].split():
            assert all(-1 <= float(part) <= 1001 for part in point.split(","))
    told = "".join(figure.itertext())
    lost = sum(not drawable(value) for curve in curves for value in curve)
    assert (f"{lost:,} values are no numbers" in told) == bool(lost)
    assert ("Nothing measured yet." in told) == (lost == sum(map(len, curves)))


def test_a_line_is_broken_where_a_value_is_no_number() -> None:
    values = [1.0, 2.0, math.nan, 3.0, 4.0]
    figure = ElementTree.fromstring(chart("a", "b", [Series("c", list(enumerate(values)))], 4))  # noqa: S314
    assert [len(line.attrib["points"].split()) for line in figure.iter("polyline")] == [2, 2]


def test_a_long_line_keeps_its_highest_and_its_lowest() -> None:
    points = [(step, float(step % 7)) for step in range(10_000)]
    points[5000], points[6001] = (5000, 99.0), (6001, -99.0)
    thin = thinned(points)
    assert len(thin) <= MOST_POINTS
    assert {(5000, 99.0), (6001, -99.0)} <= set(thin)
    assert list(thin) == sorted(thin)
    assert thinned(points[:MOST_POINTS]) == points[:MOST_POINTS]


def test_a_mean_is_over_a_fiftieth_of_the_points_and_leaves_out_what_is_no_number() -> None:
    points = [(step, float(step % 2)) for step in range(1000)]
    means = smoothed([*points, (1000, math.nan)])
    assert len(means) == 1000
    assert means[500][1] == pytest.approx(0.5, abs=0.03)
    assert smoothed(points[:9]) == points[:9]


def test_a_chart_reads_aloud_where_its_curves_begin_and_end() -> None:
    drawn = chart("Loss", "nats", [Series("batches", [(1, 8.75), (20, 5.5)])], 20)
    assert re.search('aria-label="Loss nats: batches 8.75 at step 1, 5.5 at step 20"', drawn)


def test_values_that_must_be_on_the_axis_are() -> None:
    drawn = chart("Share", "", [Series("share", [(1, 0.5)])], 20, (0.0, 1.0))
    assert ">0<" in drawn
    assert ">1<" in drawn


@pytest.mark.parametrize(
    ("value", "told"),
    [
        (0.0, "0"),
        (0.25, "0.25"),
        (-1.5, "-1.5"),
        (1200.0, "1,200"),
        (0.0002, "2e-4"),
        (3.5e6, "3.5M"),
        (2e9, "2G"),
        (1e20, "1e+20"),
        (math.nan, "no number"),
    ],
)
def test_a_number_is_short(value: float, told: str) -> None:
    assert short(value) == told


def test_losses_and_counts_are_told_in_words() -> None:
    assert (loss(1 / 3), loss(math.inf)) == ("0.3333", "no number")
    assert (counted(1, "step", "steps"), counted(1200, "step", "steps")) == ("1 step", "1,200 steps")
