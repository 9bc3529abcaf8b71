"""What a schedule promises: up, then down, never nothing, and no step's rate changed by laying it later."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from training.loop.schedule import Schedule, schedule_of
from training.models import TINY

SETTINGS = replace(TINY.defaults, learning_rate=0.5, final_rate=0.1)


@pytest.mark.parametrize("warmup", [0, 1, 4, 20])
@pytest.mark.parametrize("steps", [1, 2, 10])
def test_the_learning_rate_rises_then_falls_and_is_never_zero(warmup: int, steps: int) -> None:
    schedule = schedule_of(replace(SETTINGS, warmup=warmup), steps)
    rates = [schedule.rate(step) for step in range(1, steps + 1)]
    assert all(0 < rate <= 0.5 for rate in rates)
    top = min(warmup, steps - 1)
    assert rates[: top + 1] == sorted(rates[: top + 1])
    assert rates[top:] == sorted(rates[top:], reverse=True)


def test_it_ends_at_its_share_of_the_peak_and_stays_there() -> None:
    schedule = schedule_of(replace(SETTINGS, warmup=2), 100)
    assert (schedule.rate(2), schedule.rate(3)) == (0.5, 0.5)
    assert schedule.rate(101) == pytest.approx(0.05)
    assert schedule.rate(1_000) == schedule.rate(101)


schedules = st.builds(
    Schedule, st.just(1.0), st.integers(0, 60), st.floats(0, 1), st.integers(1, 500), st.integers(0, 80)
)


@given(schedules, st.integers(1, 80))
def test_laying_it_changes_no_step_before(schedule: Schedule, step: int) -> None:
    unlaid = replace(schedule, steps=None, laid_at=0)
    if step <= max(schedule.warmup, schedule.laid_at):
        assert schedule.rate(step) == unlaid.rate(step)


@given(schedules)
def test_laid_before_the_end_of_its_rise_it_is_as_if_laid_at_the_beginning(schedule: Schedule) -> None:
    if schedule.laid_at <= schedule.warmup:
        at_once = replace(schedule, laid_at=0)
        assert all(schedule.rate(step) == at_once.rate(step) for step in range(1, 200))


@given(schedules)
def test_behind_the_rise_it_never_rises(schedule: Schedule) -> None:
    rates = [schedule.rate(step) for step in range(schedule.warmup + 1, 600)]
    assert rates == sorted(rates, reverse=True)
    assert min(rates) >= schedule.final_rate - 1e-12
