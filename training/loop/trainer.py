"""Tunix's `PeftTrainer`, made to keep its place and its provenance.

What the stock trainer lacks and this one adds: batches by step from the plan (a resumed run reads on where it
stopped), packing with isolation, an update that weighs every trained token of the batch alike, metrics on disk before
the checkpoint of their step, provenance in every checkpoint, and a stop on an update's boundary.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import jax
import numpy as np
from tunix.sft import hooks, peft_trainer

from training.batches.traces import Batch
from training.loop import hosts
from training.loop.devices import Devices
from training.loop.evaluation import HeldOut
from training.loop.step import Step
from training.loop.update import Inputs, Updated, build_optimizer
from training.network.gemma import Network
from training.runs.checkpoints import Checkpoints
from training.runs.metrics import METRICS, StepMetrics, append_metrics, keep_metrics
from training.settings import Settings


@dataclass(frozen=True)
class Course:
    """What a trainer is told of its way: how far it goes, with what, and who looks on.

    steps        of the whole run
    batch_of     the batch of a step, from 1
    rate_of      the learning rate of a step
    held_out     the losses of the held-out traces
    on_step      told of each step behind its metrics, before its checkpoint
    stop         asked before each step; True ends the training there, on the boundary of an update
    """

    steps: int
    batch_of: Callable[[int], Batch]
    rate_of: Callable[[int], float]
    held_out: Callable[[Network], HeldOut | None]
    on_step: Callable[[StepMetrics], None]
    stop: Callable[[], bool]


class PlannedData(hooks.DataHooks):
    """Hands the trainer the batch of its next step, and None behind the last or when it is to stop."""

    def __init__(self, course: Course) -> None:
        self._course = course

    def load_next_train_batch(self, train_ctx: peft_trainer.PeftTrainer) -> Batch | None:
        """The batch of the step behind the `train_steps` that are done."""
        done: int = train_ctx.train_steps
        if done >= self._course.steps or self._course.stop():
            return None
        return self._course.batch_of(done + 1)

    def load_next_eval_batch(self, train_ctx: peft_trainer.PeftTrainer) -> None:
        """Nothing: held-out traces are evaluated by the course, weighted by token."""


class Trainer(peft_trainer.PeftTrainer):
    """Trains the adapter of `network` over a plan; restores the newest whole checkpoint when it is made."""

    def __init__(
        self,
        network: Network,
        settings: Settings,
        devices: Devices,
        course: Course,
        run: Path,
        provenance: dict[str, str],
        say: Callable[[str], None],
    ) -> None:
        """`run` gets `checkpoints/` and `metrics.jsonl`.

        Raises `RunFolderError` for checkpoints that are all damaged, or of other provenance.
        """
        self._settings = settings
        self._devices = devices
        self._course = course
        self._metrics_path = run / METRICS
        devices.place_network(network)
        # Without a folder of its own the stock trainer restores and saves nothing: both are ours.
        super().__init__(
            network, build_optimizer(settings), peft_trainer.TrainingConfig(eval_every_n_steps=1)
        )
        devices.replicate(self.optimizer)
        self.checkpoint_manager = Checkpoints(run, settings.checkpoint_every, provenance)
        self.resumed_from: int = self.checkpoint_manager.restore(self.model, self.optimizer, say)
        self._train_steps = self._iter_steps = self.resumed_from
        self.with_data_hooks(PlannedData(course))
        keep_metrics(self._metrics_path, self.resumed_from)

    def run(self) -> int:
        """Train to the end of the plan, or until told to stop, and save the last checkpoint; the steps done."""
        self.train((), skip_jit=True)
        steps: int = self.train_steps
        return steps

    def _prepare_inputs(self, input_data: Batch) -> Inputs:
        self._useful = int(np.count_nonzero(input_data.segments))
        rate = np.float32(self._course.rate_of(self.train_steps + 1))
        return Inputs(*(self._devices.place(np.asarray(array)) for array in (*input_data, rate)))

    def create_train_step_fn(self) -> Callable[[Inputs], tuple[jax.Array, Updated, jax.Array]]:
        """What the stock loop calls at each step: (loss, what is told, gradient norm). It compiles itself."""
        step = Step(self.model, self.optimizer, self._devices.computation)

        def call(inputs: Inputs) -> tuple[jax.Array, Updated, jax.Array]:
            updated = step(inputs)
            return updated.loss.total / updated.loss.tokens, updated, updated.gradient_norm

        return call

    def _post_process_train_step(self, aux: Updated) -> None:
        # Called when the update is done and before the step's checkpoint: no checkpoint can be ahead of the metrics.
        step = self.train_steps + 1
        every = self._settings.evaluate_every
        held_out = self._course.held_out(self.model) if every and step % every == 0 else None
        metrics = StepMetrics(
            step=step,
            loss=float(aux.loss.total) / float(aux.loss.tokens),
            tokens=int(aux.loss.tokens),
            useful=self._useful,
            gradient_norm=float(aux.gradient_norm),
            learning_rate=self._course.rate_of(step),
            held_out=None if held_out is None else held_out.loss,
            by_source={} if held_out is None else held_out.by_source,
        )
        if hosts.first():
            append_metrics(self._metrics_path, metrics)
        self._course.on_step(metrics)
