"""All that looks on while a run trains, told of each step behind its metrics and before its checkpoint."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import jax
from flax import nnx

from training.batches.traces import Batch
from training.loop.evaluation import HeldOut
from training.loop.hosts import local_copy
from training.network.gemma import Network
from training.runs.lines import append_line, cut_lines
from training.runs.metrics import HELD_OUT, StepMetrics
from training.watch.board import FOLDER, Board
from training.watch.pace import PACE, Pace
from training.watch.sampler import Sampler
from training.watch.samples import SAMPLES, append_samples, format_share


@dataclass(frozen=True)
class Watched:
    """What is watched.

    goal          the step that the run goes to; asked again and again, for a budget may move it
    sample_every  steps between samples; 0: none
    sampler       makes them; None where no held-out trace is short enough
    full_speed    useful tokens a second at the peak of all devices, None where that is not known
    writes        whether this process writes the files: of several hosts, one
    """

    run: Path
    goal: Callable[[], int]
    sample_every: int
    sampler: Sampler | None
    full_speed: float | None
    writes: bool


class Watcher:
    """Looks on. Its wrappers of `batch_of` and `held_out` measure; `on_step` is a course's."""

    def __init__(
        self, watched: Watched, say: Callable[[str], None], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._watched = watched
        self._say = say
        self._pace = Pace(watched.goal, watched.full_speed, say, clock)
        self._network: Network | None = None
        self._board: Board | None = None

    def batch_of(self, batch_of: Callable[[int], Batch]) -> Callable[[int], Batch]:
        """`batch_of`, whose call is where a step begins."""

        def begin(step: int) -> Batch:
            self._pace.begin_step()
            return batch_of(step)

        return begin

    def held_out(self, held_out: Callable[[Network], HeldOut | None]) -> Callable[[Network], HeldOut | None]:
        """`held_out`, whose time is no part of a step; the update before it, which is waited for, is."""

        def evaluate(network: Network) -> HeldOut | None:
            jax.block_until_ready(nnx.state(network, nnx.LoRAParam))  # type: ignore[no-untyped-call]
            with self._pace.apart():
                return held_out(network)

        return evaluate

    @contextmanager
    def watching(self, network: Network, resumed_from: int) -> Iterator[None]:
        """Watch the training of `network`, which goes on behind step `resumed_from`.

        What an earlier start noted of later steps is cut: they run again.
        """
        run = self._watched.run
        if self._watched.writes:
            # A run that begins anew has not even the samples from before its first step.
            kept = resumed_from or -1
            for name in (PACE, SAMPLES):
                cut_lines(run / name, kept)
            self._board = Board(run / FOLDER, kept + 1)
        self._network = network
        try:
            if resumed_from == 0:
                self._sample(0)
            yield
        finally:
            if self._board is not None:
                self._board.close()

    def on_step(self, metrics: StepMetrics) -> None:
        """A step is done and its metrics are on disk."""
        pace = self._pace.end_step(metrics)
        if self._board is not None:
            append_line(self._watched.run / PACE, asdict(pace))
            self._board.scalars(metrics.step, _curves(metrics))
            if not pace.first:
                self._board.scalars(metrics.step, {"tokens_per_second": pace.useful / pace.seconds})
        every = self._watched.sample_every
        if every and (metrics.step % every == 0 or metrics.step == self._watched.goal()):
            self._sample(metrics.step)

    def _sample(self, step: int) -> None:
        sampler = self._watched.sampler
        if (
            not (self._watched.writes and self._watched.sample_every)
            or sampler is None
            or self._network is None
        ):
            return
        samples = sampler.replies(local_copy(self._network), step)
        share = format_share(samples)
        self._say(f"step {step:,}: {share:.0%} of {len(samples)} samples keep the format")
        if self._board is not None:
            append_samples(self._watched.run / SAMPLES, samples)
            self._board.scalars(step, {"format_share": share})
            for number, sample in enumerate(samples, 1):
                content = f"{sample.prompt}\n\n--- {sample.lapse or 'keeps the format'}\n\n{sample.reply}"
                self._board.text(step, f"samples/{number}", content)


def _curves(metrics: StepMetrics) -> dict[str, float]:
    values = {
        "loss": metrics.loss,
        "learning_rate": metrics.learning_rate,
        "gradient_norm": metrics.gradient_norm,
    }
    if metrics.held_out is not None:
        values["held_out"] = metrics.held_out
    return {**values, **{HELD_OUT + source: loss for source, loss in metrics.by_source.items()}}
