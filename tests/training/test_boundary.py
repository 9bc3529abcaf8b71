"""What is promised between two updates: the schedule laid once by the time that steps took, and a stop in time."""

from dataclasses import replace
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from training.loop.boundary import BUDGET, Boundary
from training.loop.budget import MEASURED_STEPS, Budget, Timing
from training.loop.schedule import Schedule, schedule_of
from training.models import TINY
from training.runs.metrics import StepMetrics

SETTINGS = replace(TINY.defaults, warmup=10, checkpoint_every=50, learning_rate=1.0)
LAID_AT = MEASURED_STEPS + 1


class World:
    """A run whose steps take as long as we say: the first `compile` seconds more."""

    def __init__(
        self,
        plan: int,
        budget: float | None,
        seconds: float = 1.0,
        compiling: float = 60.0,
        schedule: Schedule | None = None,
        start: int = 0,
        stop_behind: int | None = None,
    ) -> None:
        self.now = 0.0
        self.seconds, self.compiling = seconds, compiling
        self.said: list[str] = []
        self.laid: list[Schedule] = []
        self.rates: dict[int, float] = {}
        self.start, self.stop_behind = start, stop_behind
        self.timing = Timing(lambda: self.now, 0)
        self.boundary = Boundary(
            plan,
            SETTINGS,
            schedule or schedule_of(SETTINGS, None if budget else plan),
            None if budget is None else Budget(budget, lambda: self.now),
            self.timing,
            self._asked,
            self.laid.append,
            self.said.append,
        )

    def _asked(self) -> str | None:
        behind = self.stop_behind is not None and self.boundary.done >= self.stop_behind
        return "SIGTERM" if behind else None

    def run(self) -> int:
        """Steps done at the end."""
        self.boundary.begin(self.start)
        while not self.boundary.stop():
            step = self.boundary.done + 1
            self.rates[step] = self.boundary.rate(step)
            self.now += self.seconds + (self.compiling if step == self.start + 1 else 0)
            self.boundary.computed(StepMetrics(step, 1.0, 1, 1, 1.0, self.rates[step]))
        return self.boundary.done


def test_without_a_budget_the_schedule_is_the_plans_and_nothing_is_laid() -> None:
    world = World(plan=30, budget=None)
    assert world.run() == 30
    assert (world.laid, world.said, world.boundary.ended) == ([], [], None)
    assert world.rates == {step: schedule_of(SETTINGS, 30).rate(step) for step in range(1, 31)}


def test_with_a_budget_the_schedule_is_laid_once_for_the_steps_that_fit_without_counting_the_compilation() -> (
    None
):
    world = World(plan=10_000, budget=1_060)
    done = world.run()
    [laid] = world.laid
    assert laid.laid_at == LAID_AT
    assert 0.9 * 1_000 < laid.steps < 1_000  # type: ignore[operator]
    assert done == laid.steps
    assert world.boundary.ended is None
    assert world.now < 1_060
    assert any(
        line.startswith(f"schedule laid: {laid.steps:,} of the plan's 10,000 steps") for line in world.said
    )


def test_rates_before_the_schedule_is_laid_are_those_of_every_schedule() -> None:
    world = World(plan=10_000, budget=1_060)
    world.run()
    plan = schedule_of(SETTINGS, 10_000)
    assert [world.rates[step] for step in range(1, LAID_AT + 1)] == [
        plan.rate(step) for step in range(1, LAID_AT + 1)
    ]
    rates = [world.rates[step] for step in sorted(world.rates)]
    assert rates[SETTINGS.warmup :] == sorted(rates[SETTINGS.warmup :], reverse=True)
    assert rates[-1] == pytest.approx(SETTINGS.final_rate, abs=0.01)


def test_a_budget_with_time_to_spare_lays_the_whole_plan() -> None:
    world = World(plan=40, budget=10_000)
    assert world.run() == 40
    assert [laid.steps for laid in world.laid] == [40]


def test_a_plan_too_short_to_measure_is_laid_at_once() -> None:
    world = World(plan=MEASURED_STEPS + 1, budget=10_000)
    assert world.run() == MEASURED_STEPS + 1
    assert [(laid.steps, laid.laid_at) for laid in world.laid] == [(MEASURED_STEPS + 1, 0)]


def test_a_run_that_gets_slower_stops_in_time_before_the_end_of_its_schedule() -> None:
    world = World(plan=10_000, budget=1_060)
    world.boundary.begin(0)
    while not world.boundary.stop():
        step = world.boundary.done + 1
        world.now += 60 if step == 1 else 1 if step < 100 else 3
        world.boundary.computed(StepMetrics(step, 1.0, 1, 1, 1.0, 1.0))
    assert world.boundary.ended == BUDGET
    assert world.boundary.done < world.boundary.goal
    assert 1_060 - 10 < world.now + world.timing.reserve <= 1_060


def test_a_schedule_is_kept_whatever_budget_a_later_start_has() -> None:
    laid = schedule_of(SETTINGS, 500, LAID_AT)
    for budget in (None, 100.0, 1e6):
        world = World(plan=10_000, budget=budget, schedule=laid, start=100)
        done = world.run()
        assert world.laid == []
        assert world.rates == {step: laid.rate(step) for step in range(101, done + 1)}
        assert (done == 500) == (budget != 100.0)


def test_a_run_stopped_before_its_schedule_was_laid_lays_it_when_it_goes_on() -> None:
    stopped = World(plan=10_000, budget=8, compiling=1)
    done = stopped.run()
    assert (stopped.laid, stopped.boundary.ended) == ([], BUDGET)
    assert 0 < done < LAID_AT
    unlaid = schedule_of(SETTINGS, None)
    measured = World(plan=10_000, budget=1_000, schedule=unlaid, start=done)
    measured.run()
    assert [laid.laid_at for laid in measured.laid] == [done + LAID_AT]
    free = World(plan=300, budget=None, schedule=unlaid, start=done)
    assert free.run() == 300
    assert [(laid.steps, laid.laid_at) for laid in free.laid] == [(300, done)]


def test_who_asks_for_a_stop_gets_it_on_the_next_boundary_and_is_named() -> None:
    world = World(plan=100, budget=None, stop_behind=7)
    assert world.run() == 7
    assert world.boundary.ended == "SIGTERM"


def test_a_schedule_that_has_ended_is_no_stop() -> None:
    world = World(plan=100, budget=None, stop_behind=100)
    assert world.run() == 100
    assert world.boundary.ended is None


def test_what_is_left_is_reckoned_at_the_pace_seen() -> None:
    world = World(plan=1_000, budget=None, seconds=2.0, stop_behind=50)
    world.boundary.begin(0)
    assert world.boundary.seconds_for(10) is None
    world.run()
    seconds = world.boundary.seconds_for(100)
    assert seconds is not None
    assert seconds == pytest.approx(200, rel=0.05)


class Draw(NamedTuple):
    plan: int
    budget: float
    seconds: float
    compiling: float


draws = st.builds(Draw, st.integers(1, 2_000), st.floats(1, 3_000), st.floats(0.01, 60), st.floats(0, 600))


@given(draws)
def test_steps_of_even_length_never_overdraw_a_budget_by_more_than_the_first_one(draw: Draw) -> None:
    world = World(*draw)
    done = world.run()
    first = draw.seconds + draw.compiling
    assert world.now + world.timing.reserve <= max(draw.budget, first + world.timing.reserve) + 1e-6
    assert done <= draw.plan
    assert len(world.laid) <= 1
    if world.laid and world.laid[0].laid_at:
        assert done == world.boundary.goal


def test_samples_on_the_way_are_reckoned_as_long_as_those_before_the_first_step() -> None:
    world = World(plan=1000, budget=None, compiling=0.0)
    world.boundary._settings = replace(SETTINGS, sample_every=10, checkpoint_every=1_000_000)
    with world.timing.sampling():
        world.now += 50
    world.stop_behind = 20
    assert world.run() == 20
    assert world.boundary.seconds_for(100) == pytest.approx(100 * (1.0 + 50 / 10), rel=0.01)
