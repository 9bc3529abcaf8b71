"""The loss of every trace of a manifest under a model: which sources are hard, which traces are strange."""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from manifests.manifest import Manifest
from manifests.scores import write_scores
from manifests.store import Store
from training.batches.plan import Batches, evaluation_table
from training.batches.prepare import QUIET_SECONDS, encode_manifest, tokens_folder, tokens_key
from training.batches.tokenizer import Tokenizer
from training.batches.traces import EncodedManifest, assemble_batch
from training.loop.devices import Devices
from training.loop.evaluation import Evaluator, TraceLoss
from training.models import Model
from training.network.gemma import Network, build_network
from training.runs.opened import Opened
from training.settings import Settings
from training.weights.folder import base_of


@dataclass(frozen=True)
class Scorer:
    """A model that scores. Of `settings`, length, batch, rows_per_device, precision and template count.

    `told` is what the scores say of it: model, base, adapter (a digest, or "none").
    """

    network: Network
    tokenizer: Tokenizer
    settings: Settings
    told: dict[str, str]


@dataclass(frozen=True)
class TraceScores:
    """An entry a trace, in the manifest's order: tokens that carry a loss, and their mean loss in nats.

    The loss is NaN for a trace that is longer than the length, and where the model gives no finite number.
    """

    tokens: npt.NDArray[np.int64]
    losses: npt.NDArray[np.float64]

    @property
    def scored(self) -> npt.NDArray[np.bool_]:
        """Which traces have a loss."""
        return ~np.isnan(self.losses)

    @property
    def mean(self) -> float | None:
        """The mean loss over all trained tokens of what was scored."""
        if not self.scored.any():
            return None
        weights = self.tokens[self.scored]
        return math.fsum(weights * self.losses[self.scored]) / int(weights.sum())


def base_scorer(model: Model, base: Path | None, settings: Settings, tokenizer: Tokenizer) -> Scorer:
    """A model without an adapter; `base` is the folder of its weights, None for one that draws its own.

    Raises `BaseError`.
    """
    # A fresh adapter adds nothing: its second half is zeros.
    network, digest = build_network(model.shape, base_of(model, base, tokenizer.vocabulary), settings)
    return Scorer(network, tokenizer, settings, {"model": model.name, "base": digest, "adapter": "none"})


def run_scorer(opened: Opened) -> Scorer:
    """The model of a run, with its adapter."""
    record = opened.record
    told = {"model": opened.model.name, "base": record["base_digest"], "adapter": record["adapter_digest"]}
    return Scorer(opened.network, opened.tokenizer, opened.settings, told)


def score_manifest(
    store: Store, manifest: Manifest, scorer: Scorer, cache: Path | None, say: Callable[[str], None]
) -> TraceScores:
    """Score every trace of a manifest that fits the length, whatever its `Fault` (training/batches/templates.py).

    `cache` is a folder that keeps the tokens of many manifests. Raises what `encode_manifest` raises.
    """
    settings = scorer.settings
    with tokens_folder(cache, tokens_key(manifest, scorer.tokenizer, settings.template)) as folder:
        encoded = encode_manifest(store, manifest, scorer.tokenizer, settings.template, folder, say)
        return _scored(scorer, encoded, say)


def write_trace_scores(path: Path, manifest: Manifest, scorer: Scorer, scores: TraceScores) -> None:
    """Write scores as a file that joins the manifest (manifests/scores.py), atomically. Raises `StoreError`."""
    told = {
        **scorer.told,
        "tokenizer": scorer.tokenizer.digest,
        "template": scorer.settings.template,
        "length": str(scorer.settings.length),
        "precision": scorer.settings.precision,
    }
    write_scores(path, manifest, scores.tokens, scores.losses, told)


def _scored(scorer: Scorer, encoded: EncodedManifest, say: Callable[[str], None]) -> TraceScores:
    sizes, settings = encoded.sizes, scorer.settings
    fitting = np.flatnonzero(sizes.lengths <= settings.length)
    batches = Batches(evaluation_table(fitting, sizes, settings.length, settings.batch))
    devices = Devices(settings, say)
    devices.place_network(scorer.network)
    progress = _Progress(len(fitting), say)
    evaluator = Evaluator(
        batches,
        lambda step: assemble_batch(
            batches.lines(step), encoded, settings.batch, settings.length, scorer.tokenizer.special.pad
        ),
        devices,
    )
    losses = np.full(len(sizes.lengths), np.nan)
    for trace in evaluator.trace_losses(scorer.network):
        losses[trace.sample - 1] = _mean(trace)
        progress(int(sizes.lengths[trace.sample - 1]))
    if strange := int(np.isnan(losses[fitting]).sum()):
        say(f"{strange:,} traces have no finite loss under this model: null in the scores")
    return TraceScores(sizes.loss_ends - sizes.loss_starts, losses)


def _mean(trace: TraceLoss) -> float:
    """The mean loss of a trace's tokens; NaN where that is no finite number."""
    mean = trace.total / trace.tokens
    return mean if math.isfinite(mean) else math.nan


class _Progress:
    """A line every two seconds: traces scored, useful tokens a second, time left. Times begin behind the first one."""

    def __init__(self, traces: int, say: Callable[[str], None]) -> None:
        self._of = traces
        self._say = say
        self._done = self._tokens = 0
        self._started = self._last = 0.0

    def __call__(self, tokens: int) -> None:
        now = time.monotonic()
        self._done += 1
        if self._done == 1:
            self._started = self._last = now
            return
        self._tokens += tokens
        if now - self._last < QUIET_SECONDS:
            return
        self._last = now
        seconds = now - self._started
        left = (self._of - self._done) * seconds / (self._done - 1)
        self._say(
            f"scored {self._done:,} of {self._of:,} traces, {self._tokens / seconds:,.0f} tokens/s, {left:.0f} s left"
        )
