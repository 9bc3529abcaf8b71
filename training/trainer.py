"""Tunix's `PeftTrainer`, made to keep its place and its provenance.

What the stock trainer lacks and this one adds: batches by step from the plan (a resumed run reads on where it
stopped), packing with isolation, a chunked loss averaged over the tokens of the whole batch, metrics on disk before
the checkpoint of their step, and provenance in every checkpoint, the last one too.
"""

import json
import math
import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from textwrap import shorten

import jax
import jax.numpy as jnp
import optax
import orbax.checkpoint as ocp
from flax import nnx
from tunix.sft import hooks, peft_trainer

from training.errors import RunFolderError
from training.loss import LossSum, chunked_cross_entropy, isolating_mask
from training.network import HiddenGemma
from training.settings import Settings
from training.traces import Batch

CLIP_NORM = 1.0
FIRST_MOMENT, SECOND_MOMENT = 0.9, 0.95
WEIGHT_DECAY = 0.01
FINAL_RATE_SHARE = 0.1
CHECKPOINTS_KEPT = 2
REASON_LENGTH = 120
OPTIMIZER = {
    "name": "adamw",
    "clip_norm": CLIP_NORM,
    "first_moment": FIRST_MOMENT,
    "second_moment": SECOND_MOMENT,
    "weight_decay": WEIGHT_DECAY,
    "final_rate_share": FINAL_RATE_SHARE,
}

Provenance = dict[str, str]


@dataclass(frozen=True)
class StepMetrics:
    """What is recorded of a step: the mean loss of its trained tokens, their number, gradient norm, learning rate."""

    step: int
    loss: float
    tokens: int
    gradient_norm: float
    learning_rate: float
    held_out_loss: float | None


class PlannedData(hooks.DataHooks):
    """Hands the trainer the batch of its next step, and None behind the last."""

    def __init__(self, steps: int, batch_of: Callable[[int], Batch]) -> None:
        self._steps = steps
        self._batch_of = batch_of

    def load_next_train_batch(self, train_ctx: peft_trainer.PeftTrainer) -> Batch | None:
        """The batch of the step behind the `train_steps` that are done."""
        done: int = train_ctx.train_steps
        return self._batch_of(done + 1) if done < self._steps else None

    def load_next_eval_batch(self, train_ctx: peft_trainer.PeftTrainer) -> None:
        """Nothing: held-out traces are evaluated by `held_out_loss`, weighted by token."""


class Trainer(peft_trainer.PeftTrainer):
    """Trains the adapter of `network` over a plan; restores the newest checkpoint when it is made."""

    def __init__(
        self,
        network: HiddenGemma,
        settings: Settings,
        steps: int,
        folder: Path,
        provenance: Provenance,
        batch_of: Callable[[int], Batch],
        held_out: Callable[[], Iterable[Batch]],
        on_step: Callable[[StepMetrics], None],
    ) -> None:
        """`folder` gets `checkpoints/` and `metrics.jsonl`.

        Raises `RunFolderError` for a checkpoint that is damaged or of other provenance.
        """
        self._settings = settings
        self._provenance = provenance
        self._metrics_path = folder / "metrics.jsonl"
        self._held_out = held_out
        self._on_step = on_step
        self._schedule = learning_rate_schedule(settings, steps)
        self._loss_sums = nnx.jit(batch_loss)
        checkpoints = folder / "checkpoints"
        config = peft_trainer.TrainingConfig(
            eval_every_n_steps=1,
            checkpoint_root_directory=str(checkpoints.absolute()),
            checkpointing_options=checkpointing(settings.checkpoint_every),
        )
        try:
            super().__init__(network, build_optimizer(self._schedule), config)
        except (ValueError, KeyError, OSError) as error:  # what Orbax raises when it can't restore
            newest = max(
                (int(path.name) for path in checkpoints.glob("[0-9]*") if path.name.isdigit()), default=0
            )
            if not newest:
                raise  # nothing was restored: a disk that is full, say, is no damaged checkpoint
            raise RunFolderError(
                f"{checkpoints / str(newest)}: the newest checkpoint can't be restored "
                f"({shorten(str(error), REASON_LENGTH)}); delete it to go on from the one before"
            ) from error
        if self.train_steps and self._restored_custom_metadata != self.custom_checkpoint_metadata():
            raise RunFolderError(
                f"{checkpoints / str(self.train_steps)}: a checkpoint of {self._restored_custom_metadata}, expected "
                f"{self.custom_checkpoint_metadata()}; take another --out"
            )
        self.resumed_from: int = self.train_steps
        self.with_loss_fn(mean_loss, has_aux=True)
        self.with_gen_model_input_fn(Batch._asdict)
        self.with_data_hooks(PlannedData(steps, batch_of))
        keep_metrics(self._metrics_path, self.resumed_from)

    def run(self) -> None:
        """Train to the end of the plan and save the last checkpoint."""
        self.train(())

    def held_out_loss(self) -> float | None:
        """The mean loss of the tokens trained on in the held-out traces; None when none are held out."""
        sums: list[LossSum] = [
            self._loss_sums(self.model, *map(jnp.asarray, batch)) for batch in self._held_out()
        ]
        if not sums:
            return None
        return math.fsum(float(part.total) for part in sums) / math.fsum(float(part.tokens) for part in sums)

    def custom_checkpoint_metadata(self) -> dict[str, str | int]:
        """What every checkpoint says of itself: its provenance, and the cursor (steps done)."""
        return {**self._provenance, "cursor": self.train_steps}

    def _post_process_train_step(self, aux: LossSum) -> None:
        # Called when the update is done and before the step's checkpoint: no checkpoint can be ahead of the metrics.
        step = self.train_steps + 1
        every = self._settings.evaluate_every
        metrics = StepMetrics(
            step=step,
            loss=float(aux.total) / float(aux.tokens),
            tokens=int(aux.tokens),
            gradient_norm=float(self._buffered_train_metrics.additional_metrics["grad_norm"][0][-1]),
            learning_rate=float(self._schedule(step - 1)),
            held_out_loss=self.held_out_loss() if every and step % every == 0 else None,
        )
        append_metrics(self._metrics_path, metrics)
        self._on_step(metrics)

    def _save_last_checkpoint(self) -> None:
        if (self.checkpoint_manager.latest_step() or 0) < self.train_steps:
            self.checkpoint_manager.save(
                self.train_steps,
                self.model,
                self.optimizer,
                save_only_lora_params=True,
                force=True,
                custom_metadata=self.custom_checkpoint_metadata(),
            )


def batch_loss(
    network: HiddenGemma, tokens: jax.Array, segments: jax.Array, targets: jax.Array, weights: jax.Array
) -> LossSum:
    """The loss of a batch as `training.traces.assemble_batch` lays it out. Positions are absolute."""
    positions = jnp.broadcast_to(jnp.arange(tokens.shape[1]), tokens.shape)
    hidden, _ = network(tokens, positions, None, isolating_mask(segments))
    embedding = network.embedder.input_embedding.get_value()
    return chunked_cross_entropy(hidden, embedding, targets, weights, network.final_logits_softcap)


def mean_loss(
    network: HiddenGemma, tokens: jax.Array, segments: jax.Array, targets: jax.Array, weights: jax.Array
) -> tuple[jax.Array, LossSum]:
    """The mean over all trained tokens of the batch, whichever row they stand in; and its parts."""
    loss = batch_loss(network, tokens, segments, targets, weights)
    return loss.total / loss.tokens, loss


def learning_rate_schedule(settings: Settings, steps: int) -> Callable[[int | jax.Array], jax.Array]:
    """Updates done to learning rate: a linear rise over `warmup` updates, then a cosine to a tenth of the peak."""
    peak, warmup = settings.learning_rate, settings.warmup

    def rate(done: int | jax.Array) -> jax.Array:
        rising = peak * (done + 1) / max(warmup, 1)
        progress = jnp.clip((done - warmup) / max(steps - warmup, 1), 0, 1)
        falling = FINAL_RATE_SHARE + (1 - FINAL_RATE_SHARE) * (1 + jnp.cos(jnp.pi * progress)) / 2
        return jnp.where(done < warmup, rising, peak * falling)

    return rate


def build_optimizer(schedule: Callable[[int | jax.Array], jax.Array]) -> optax.GradientTransformation:
    """AdamW (Loshchilov and Hutter, arXiv:1711.05101) behind a clip of the gradient's global norm."""
    return optax.chain(
        optax.clip_by_global_norm(CLIP_NORM),
        optax.adamw(schedule, b1=FIRST_MOMENT, b2=SECOND_MOMENT, weight_decay=WEIGHT_DECAY),
    )


def checkpointing(every: int) -> ocp.CheckpointManagerOptions:
    """Every so many steps, the newest two kept. Not asynchronous: a checkpoint that is listed is whole."""
    return ocp.CheckpointManagerOptions(
        save_decision_policy=ocp.checkpoint_managers.FixedIntervalPolicy(every),
        max_to_keep=CHECKPOINTS_KEPT,
        enable_async_checkpointing=False,
    )


def append_metrics(path: Path, metrics: StepMetrics) -> None:
    """Add a step's line, on disk when this returns."""
    values = {key: value for key, value in vars(metrics).items() if value is not None}
    with path.open("a", encoding="ascii") as file:
        file.write(json.dumps(values) + "\n")
        file.flush()
        os.fsync(file.fileno())


def keep_metrics(path: Path, steps: int) -> None:
    """Cut the metrics behind step `steps`: what ran past its checkpoint runs again.

    Raises `RunFolderError` when lines are missing.
    """
    lines = path.read_bytes().splitlines(keepends=True) if path.exists() else []
    if len(lines) < steps:
        raise RunFolderError(
            f"{path}: {len(lines)} steps, the checkpoint is of step {steps}; "
            "the run is damaged, take another --out"
        )
    if len(lines) > steps:
        os.truncate(path, sum(map(len, lines[:steps])))


def read_metrics(path: Path) -> list[dict[str, float]]:
    """The lines of a run's metrics, one a step."""
    return [json.loads(line) for line in path.read_text(encoding="ascii").splitlines()]
