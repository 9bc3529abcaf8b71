"""The learning rate of each step, and for how many steps it is laid. Pure."""

import math
from dataclasses import dataclass

from training.settings import Settings


@dataclass(frozen=True)
class Schedule:
    """A linear rise over `warmup` steps to `peak`, then a cosine to `final_rate` of it at step `steps`.

    Behind `steps` the rate stays where the cosine ended. A schedule that was laid when `laid_at` steps were done begins
    its cosine there at the earliest; one not laid yet (`steps` None) stays at the peak. So the rates of the steps up to
    `laid_at` are what they were before it was laid.
    """

    peak: float
    warmup: int
    final_rate: float
    steps: int | None
    laid_at: int = 0

    def rate(self, step: int) -> float:
        """The rate of step `step`, from 1. Never 0, so that no step is for nothing, but where `final_rate` is."""
        done = step - 1
        if done < self.warmup:
            return self.peak * step / self.warmup
        begin = max(self.warmup, self.laid_at)
        if self.steps is None or done < begin:
            return self.peak
        progress = min((done - begin) / max(self.steps - begin, 1), 1.0)
        falling = (1 + math.cos(math.pi * progress)) / 2
        return self.peak * (self.final_rate + (1 - self.final_rate) * falling)


def schedule_of(settings: Settings, steps: int | None, laid_at: int = 0) -> Schedule:
    """The schedule of a run of `steps` steps; None: not known yet."""
    return Schedule(settings.learning_rate, settings.warmup, settings.final_rate, steps, laid_at)
