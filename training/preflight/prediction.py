"""What a session takes, from what its step executes. Pure, and a prediction: nothing here was run on a TPU.

The chips are assumed to compute matrix products at a share of their peak, and to wait while gradients cross the links.
"""

from dataclasses import dataclass

import numpy as np

from training.batches.plan import Batches, Plan
from training.models import Shape
from training.network.splash import block_length, executed_blocks, schedule_steps
from training.preflight.operations import GridShare
from training.settings import Settings
from training.watch.peak import token_operations, windows_of

FORWARD = (
    1 / 3
)  # of a step's operations, those of an evaluation; generous: a step has no more than twice as many besides


@dataclass(frozen=True)
class Work:
    """What a session is made of.

    steps             updates
    useful            tokens of a step that are not padding, on average
    evaluated         rows of all evaluations of the held-out traces, over the rows of a batch
    floor             operations that a token of a row with one trace needs, forward and backward
    needed            the same for the plan's own traces, which attend to fewer tokens
    """

    steps: int
    useful: float
    evaluated: float
    floor: float
    needed: float


@dataclass(frozen=True)
class Session:
    """Seconds of a session at a share of peak, by what they are for."""

    share: float
    training: float
    links: float
    evaluation: float

    @property
    def seconds(self) -> float:
        """All of it."""
        return self.training + self.links + self.evaluation


def work_of(plan: Plan, shape: Shape, vocabulary: int, settings: Settings) -> Work:
    """The work of a plan."""
    lengths = plan.table.column("length").to_numpy().astype(np.int64)
    row = np.array([settings.length])
    every = settings.evaluate_every
    evaluations = 2 + (plan.steps // every if every else 0)
    return Work(
        steps=plan.steps,
        useful=plan.tokens_a_step,
        evaluated=evaluations * plan.evaluation.steps,
        floor=token_operations(shape, vocabulary, settings.rank, row),
        needed=token_operations(shape, vocabulary, settings.rank, lengths),
    )


def kernel_share(plan: Plan, shape: Shape, length: int) -> GridShare:
    """The share of an attention kernel's steps that compute anything, on average over the rows of a plan.

    The rest is above the diagonal, beyond the window, or between traces that do not see each other.
    """
    executed: dict[int, float] = {}
    for window in windows_of(shape):
        mean = _mean_blocks(plan.batches, length, window)
        for steps in schedule_steps(length, window):
            executed[steps] = max(mean, executed.get(steps, 0.0))

    def share(grid: tuple[int, ...]) -> float:
        steps = int(np.prod(grid)) // shape.heads
        return executed[steps] / steps

    return share


def _mean_blocks(batches: Batches, length: int, window: int | None) -> float:
    block, blocks, rows = block_length(length), 0, 0
    for step in range(1, batches.steps + 1):
        lines = batches.lines(step)
        for row in np.unique(lines["row"]):
            mine = lines["row"] == row
            segments = np.zeros(length, dtype=np.int32)
            pairs = zip(lines["offset"][mine], lines["length"][mine], strict=True)
            for number, (offset, size) in enumerate(pairs, 1):
                segments[offset : offset + size] = number
            blocks += executed_blocks(segments, window, block)
            rows += 1
    return blocks / rows


def session_of(
    work: Work, operations: float, sent: float, share: float, peak: float, link_rate: float
) -> Session:
    """The session at a share of peak: `operations` and bytes `sent` are a device's, in a step."""
    step = operations / (share * peak)
    return Session(
        share=share,
        training=work.steps * step,
        links=work.steps * sent / link_rate,
        evaluation=work.evaluated * FORWARD * step,
    )
