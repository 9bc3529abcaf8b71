"""The flow of a preflight: target → plan → program → compilation → prediction."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from training.batches.plan import Plan
from training.loop.computation import CHUNKED, SPLASH
from training.loop.devices import Devices
from training.models import Shape
from training.network.splash import fits
from training.preflight.compiling import Compiled, compile_program
from training.preflight.operations import count_operations
from training.preflight.prediction import Session, Work, kernel_share, session_of, work_of
from training.preflight.programs import step_program
from training.preflight.target import Target
from training.settings import Settings

SHARES = (0.3, 0.4, 0.5, 0.6)
RESERVED = (
    2**28
)  # bytes of a chip that programs don't get: what libtpu keeps for itself (15.75 of 16 GiB are left)


@dataclass(frozen=True)
class Question:
    """What is to be known: the step of a model with these settings on a target, over the batches of a plan.

    budget   seconds that the session has; None: any
    share    of peak that the budget is held against
    cache    the folder that keeps what compilations told
    """

    target: Target
    shape: Shape
    vocabulary: int
    settings: Settings
    plan: Plan
    cache: Path
    budget: int | None = None
    share: float = 0.4


@dataclass(frozen=True)
class Flight:
    """What a preflight found. `operations` are a device's in a step; `attention` says by what it is computed."""

    question: Question
    devices: int
    micro_batches: int
    attention: str
    operations: float
    compiled: Compiled
    cached: bool
    work: Work

    @property
    def memory(self) -> int:
        """Bytes of a device that programs get."""
        return self.question.target.chip.memory - RESERVED

    @property
    def fits_memory(self) -> bool:
        """Whether the step fits into a device's memory."""
        return not self.compiled.over and self.compiled.bytes <= self.memory

    @property
    def fits_budget(self) -> bool:
        """Whether the session fits into its budget at the share that it is held against."""
        question = self.question
        return question.budget is None or self.session(question.share).seconds <= question.budget

    @property
    def operations_a_token(self) -> float:
        """Executed operations for each token that is not padding."""
        return self.operations * self.devices / self.work.useful

    @property
    def sent_a_token(self) -> float:
        """Bytes over the links for each token that is not padding."""
        return sum(self.compiled.links.values()) * self.devices / self.work.useful

    @property
    def sessions(self) -> list[Session]:
        """The session at each of the shares that are told."""
        return [self.session(share) for share in SHARES]

    def session(self, share: float) -> Session:
        """The session at a share of peak."""
        target, sent = self.question.target, sum(self.compiled.links.values())
        return session_of(self.work, self.operations, sent, share, target.peak, target.chip.link_rate)


def fly(question: Question, say: Callable[[str], None]) -> Flight:
    """Compile the step and say what it costs. Raises `PreflightError`, and `SettingsError` for its settings."""
    settings, shape = question.settings, question.shape
    devices = Devices(settings, say, question.target.devices)
    splash = devices.computation.attention == SPLASH and fits(settings.length, shape.head)
    say(f"tracing the step: {settings.batch} rows of {settings.length:,} tokens, remat {settings.remat}")
    program = step_program(shape, question.vocabulary, settings, devices)
    if splash:
        operations = count_operations(program.jaxpr, kernel_share(question.plan, shape, settings.length))
    else:
        operations = count_operations(program.jaxpr)
    compiled, cached = compile_program(program, question.target, question.cache, say)
    return Flight(
        question=question,
        devices=devices.count,
        micro_batches=devices.computation.micro_batches,
        attention=SPLASH if splash else CHUNKED,
        operations=operations,
        compiled=compiled,
        cached=cached,
        work=work_of(question.plan, shape, question.vocabulary, settings),
    )
