"""What is decided between two updates: whether to go on, and for how many steps the schedule is laid. Pure.

With a budget the schedule is laid once, when the first steps have shown what a step takes. It is kept from then on,
whatever budget a later start has. Without one it is the plan's.
"""

from collections.abc import Callable
from dataclasses import replace

from training.loop.budget import MEASURED_STEPS, SPARE, Budget, Timing, duration
from training.loop.schedule import Schedule
from training.runs.metrics import StepMetrics
from training.settings import Settings

BUDGET = "budget"


class Boundary:
    """The boundaries of a run's updates.

    `lay` is told the schedule when it is laid, before a step depends on it. `asked` says why somebody wants the run to
    stop, None while nobody does. `ended` is why it stopped: that, `BUDGET`, or None when it went to its end.
    """

    def __init__(
        self,
        plan_steps: int,
        settings: Settings,
        schedule: Schedule,
        budget: Budget | None,
        timing: Timing,
        asked: Callable[[], str | None],
        lay: Callable[[Schedule], None],
        say: Callable[[str], None],
    ) -> None:
        self._plan_steps = plan_steps
        self._settings = settings
        self._budget = budget
        self._timing = timing
        self._asked = asked
        self._lay_down = lay
        self._say = say
        self._told = False
        self.schedule = schedule
        self.done = 0
        self.ended: str | None = None

    @property
    def goal(self) -> int:
        """The step that the run goes to."""
        return self._plan_steps if self.schedule.steps is None else self.schedule.steps

    def begin(self, done: int) -> None:
        """The run goes on from `done` steps. A plan too short to measure has its schedule laid at once."""
        self.done = done
        if self.schedule.steps is None and (
            self._budget is None or self._plan_steps - done <= MEASURED_STEPS + 1
        ):
            self._lay(self._plan_steps)

    def rate(self, step: int) -> float:
        """The learning rate of a step."""
        return self.schedule.rate(step)

    def computed(self, metrics: StepMetrics) -> None:
        """A step is computed, and its metrics are on the disk."""
        self._timing.computed()
        self.done = metrics.step

    def stop(self) -> bool:
        """Whether the run ends before its next step."""
        settings = self._settings
        sampled = settings.sample_every and self.done % settings.sample_every == 0
        self._timing.boundary(wrote=self.done % settings.checkpoint_every == 0 and not sampled)
        if self.done >= self.goal:
            return True
        self.ended = self._asked()
        if self.ended is None and self._budget is not None:
            kept = self._timing.next_step(evaluates=settings.evaluate_every > 0) + self._timing.reserve
            if self.schedule.steps is None and self._timing.measured >= MEASURED_STEPS:
                self._lay_within(self._budget, kept)
            if self._budget.left < kept:
                self.ended = BUDGET
            elif not self._told:
                self._told = True
                self._say(
                    f"budget {duration(self._budget.seconds)}: {duration(self._timing.reserve)} of it are kept "
                    "for the last checkpoint, evaluation and export"
                )
        return self.ended is not None

    def seconds_for(self, steps: int) -> float | None:
        """How long so many steps take at the pace seen, with all that is done beside them; None: none was seen."""
        if not self._timing.measured:
            return None
        settings, timing = self._settings, self._timing
        beside = timing.writing / settings.checkpoint_every
        if settings.evaluate_every:
            beside += timing.evaluation / settings.evaluate_every
        if settings.sample_every:
            beside += timing.samples / settings.sample_every
        return steps * (timing.step + beside)

    def _lay_within(self, budget: Budget, kept: float) -> None:
        """Lay the schedule for the steps that fit beside the seconds `kept`, if any does."""
        one = self.seconds_for(1)
        if not one:
            return
        fitting = int((budget.left - kept) * (1 - SPARE) / one)
        if fitting > 0:
            steps = min(self._plan_steps, self.done + fitting)
            self._lay(steps)
            self._say(
                f"schedule laid: {steps:,} of the plan's {self._plan_steps:,} steps fit into "
                f"{duration(budget.seconds)} at {one:.2f} s a step"
            )

    def _lay(self, steps: int) -> None:
        self.schedule = replace(self.schedule, steps=steps, laid_at=self.done)
        self._lay_down(self.schedule)
