"""What a budget promises: what it reads, and what it keeps for the end, by a clock of our own."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from training.errors import SettingsError
from training.loop.budget import (
    ASSUMED_BYTES,
    ASSUMED_SECONDS,
    MARGIN,
    Budget,
    Timing,
    duration,
    parse_budget,
    parse_share,
)


class Clock:
    """Seconds that pass when we say so."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("8h30m", 30_600), ("90m", 5_400), ("45s", 45), ("1h0m1s", 3_601), ("2h", 7_200), ("8h5s", 28_805)],
)
def test_hours_minutes_and_seconds_are_read(text: str, seconds: int) -> None:
    assert parse_budget(text) == seconds


@pytest.mark.parametrize(("text", "share"), [("0.4", 0.4), ("1", 1.0), ("0.000001", 1e-6)])
def test_a_share_of_peak_is_read(text: str, share: float) -> None:
    assert parse_share(text) == share


@pytest.mark.parametrize("text", ["", "0", "-0.4", "2", "1.0001", "nan", "inf", "1e-320", "40%", "half"])
def test_what_no_chip_can_reach_is_no_share(text: str) -> None:
    with pytest.raises(SettingsError, match=f"--share '{text}': expected"):
        parse_share(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "0s",
        "8",
        "8.5h",
        "-1h",
        "30m8h",
        "8h 30m",
        "8H",
        "h",
        "1e3s",
        "9999999h",
        "\u0661h",
        "8h30m\n",
        "99999h",
    ],
)
def test_anything_else_is_refused_in_a_line_that_says_what_is_expected(text: str) -> None:
    with pytest.raises(SettingsError, match="expected hours, minutes, seconds such as 8h30m") as caught:
        parse_budget(text)
    assert "\n" not in str(caught.value)


@given(st.integers(1, 365 * 24 * 3600))
def test_a_duration_is_written_as_a_budget_that_is_no_shorter_by_more_than_its_smallest_part(
    seconds: int,
) -> None:
    assert seconds - 60 < parse_budget(duration(seconds)) <= seconds


def test_a_budget_counts_from_when_the_run_was_asked_for() -> None:
    clock = Clock()
    budget = Budget(60, clock)
    clock.now = 61.5
    assert budget.left == -1.5


def test_the_first_step_is_not_measured_and_what_is_done_beside_a_step_is_no_part_of_it() -> None:
    clock = Clock()
    timing = Timing(clock, 0)
    timing.boundary(wrote=False)
    clock.now = 100.0  # the first step, with its compilation
    timing.computed()
    timing.boundary(wrote=False)
    assert timing.measured == 0
    assert timing.next_step(evaluates=True) == 100
    clock.now += 2
    with timing.evaluating():
        clock.now += 30
    timing.computed()
    clock.now += 5
    timing.boundary(wrote=True)
    assert (timing.measured, timing.step, timing.evaluation, timing.writing) == (1, 2, 30, 5)
    clock.now += 4
    timing.computed()
    timing.boundary(wrote=False)
    assert (timing.measured, timing.step) == (2, 3)


def test_the_end_has_a_checkpoint_an_evaluation_and_an_export_kept_for_it() -> None:
    clock = Clock()
    timing = Timing(clock, int(ASSUMED_BYTES) * 4)
    assert timing.reserve == MARGIN * 2 * (ASSUMED_SECONDS + 4)
    with timing.evaluating():
        clock.now = 10.0
    assert timing.reserve == MARGIN * (10 + 2 * (ASSUMED_SECONDS + 4))


def test_the_next_step_may_be_as_slow_as_the_slowest_or_have_all_that_hangs_on_one() -> None:
    clock = Clock()
    timing = Timing(clock, 0)
    for seconds in (50, 1, 20, 1):
        timing.boundary(wrote=False)
        clock.now += seconds
        timing.computed()
    timing.boundary(wrote=False)
    assert timing.next_step(evaluates=False) == 20
    with timing.evaluating():
        clock.now += 100
    assert timing.next_step(evaluates=True) == timing.step + timing.writing + 100
    assert timing.next_step(evaluates=False) == 20
