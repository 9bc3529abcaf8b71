"""The flow of a training: resolve → verify → encode → plan → model → train → export → record."""

import math
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path

import jax

from manifests.manifest import Manifest
from manifests.row_keys import row_keys
from manifests.store import Store
from training import folder, parent
from training.devices import Devices
from training.evaluation import Evaluator, HeldOut
from training.folder import Record
from training.metrics import StepMetrics, read_metrics
from training.models import Model
from training.network import Base, DrawnBase, Network, adapter_tensors, build_network, load_adapter
from training.parent import ParentRun
from training.plan import Batches
from training.prepare import QUIET_SECONDS, Prepared, prepare
from training.schedule import schedule_of
from training.settings import Settings
from training.tensors import tensors_digest, write_tensors
from training.tokenizer import Tokenizer
from training.traces import Batch, assemble_batch
from training.trainer import METRICS, Course, Trainer

VOCABULARY_MULTIPLE = 128  # of the rows of a drawn embedding
LIBRARIES = (
    "jax",
    "jaxlib",
    "flax",
    "google-tunix",
    "qwix",
    "optax",
    "orbax-checkpoint",
    "sentencepiece",
    "numpy",
)


@dataclass(frozen=True)
class RunRequest:
    """What to train on what. `store` holds the manifest that `reference` names; `out` is the run's folder."""

    store: Store
    reference: str
    tokenizer: Tokenizer
    model: Model
    settings: Settings
    out: Path
    continue_from: Path | None


def train_adapter(request: RunRequest, say: Callable[[str], None]) -> Record:
    """Train, or go on with what `request.out` holds, or return at once what is finished there; the run's record.

    Raises `TrainingError`s, and those of `manifests` for a manifest or dataset that can't be used.
    """
    with ExitStack() as resources:
        manifest = request.store.manifest(request.reference)
        ancestor = None if request.continue_from is None else parent.open_parent(request.continue_from)
        asked = _asked(request, manifest, ancestor)
        if request.out.is_dir():
            resources.enter_context(folder.locked(request.out))
        record = folder.open_run(request.out, asked)
        if record is not None and record["status"] == folder.FINISHED:
            folder.check_adapter(request.out, record)
            say(f"{request.out}: finished before, nothing to do")
            return record
        keys = row_keys(manifest)
        if ancestor is not None:
            parent.refuse_overlap(ancestor, manifest.id, keys)

        prepared = prepare(request.store, manifest, request.tokenizer, request.settings, say)
        network, base_digest = _start(request, ancestor)
        fixed = _fixed(request, manifest, prepared, base_digest)
        if ancestor is not None:
            parent.check_inherited(
                ancestor, {**asked, "base_digest": fixed["base_digest"], **_adapter_shape(request)}
            )

        if record is None:
            tables = {
                "plan.parquet": prepared.plan.table,
                "held_out.parquet": prepared.plan.held_out,
                "keys.parquet": keys,
                "ancestors.parquet": keys.slice(0, 0) if ancestor is None else ancestor.consumed,
            }
            told = {"manifest_name": manifest.name, **_environment()}
            record = folder.create_run(request.out, {**asked, **fixed, **told}, tables)
            resources.enter_context(folder.locked(request.out))
        else:
            folder.check_same(request.out, {key: record.get(key) for key in fixed}, fixed)

        devices = Devices(request.settings, say)
        held_out = _held_out(request, prepared, devices)
        course = _course(request, prepared, held_out, say)
        trainer = Trainer(
            network, request.settings, devices, course, request.out, _provenance(request, fixed), say
        )
        record = {**record, "resumed_from": trainer.resumed_from}
        if trainer.resumed_from:
            say(f"going on from step {trainer.resumed_from}")
            _say_moved(record, say)
        if record.get("held_out_first") is None and trainer.resumed_from == 0:
            record["held_out_first"] = _as_record(held_out(trainer.model))
        folder.write_record(request.out, record)
        trainer.run()
        record["held_out_last"] = _as_record(held_out(trainer.model))
        return _export(request.out, record, trainer.model, _provenance(request, fixed))


def _asked(request: RunRequest, manifest: Manifest, ancestor: ParentRun | None) -> Record:
    return {
        "manifest": manifest.id,
        "tokenizer": request.tokenizer.digest,
        "model": request.model.name,
        "settings": asdict(request.settings),
        "continued_from": None if ancestor is None else ancestor.lineage,
    }


def _adapter_shape(request: RunRequest) -> Record:
    return {"settings.rank": request.settings.rank, "settings.alpha": request.settings.alpha}


def _start(request: RunRequest, ancestor: ParentRun | None) -> tuple[Network, str]:
    """The network that the run begins with, and the digest of its base."""
    network, base_digest = build_network(request.model.shape, _base(request), request.settings)
    if ancestor is not None:
        load_adapter(network, ancestor.adapter)
    return network, base_digest


def _base(request: RunRequest) -> Base:
    if request.model.base_seed is None:
        raise NotImplementedError
    rows = -(-request.tokenizer.vocabulary // VOCABULARY_MULTIPLE) * VOCABULARY_MULTIPLE
    return DrawnBase(request.model.base_seed, rows)


def _fixed(request: RunRequest, manifest: Manifest, prepared: Prepared, base_digest: str) -> Record:
    """What follows from the request, and must come out the same when a run is resumed."""
    plan = prepared.plan
    return {
        "format": folder.FORMAT,
        "content_digest": manifest.content_digest,
        "plan": plan.id,
        "vocabulary": request.tokenizer.vocabulary,
        "base_seed": request.model.base_seed,
        "base_digest": base_digest,
        "traces": plan.traces,
        "tokens": plan.tokens,
        "fill": round(plan.fill, 4),
        "steps": plan.steps,
        "held_out_traces": plan.held_out.num_rows,
        "over_length": [asdict(left) for left in plan.over_length],
        "forged_turn": [asdict(left) for left in plan.forged_turn],
    }


def _provenance(request: RunRequest, fixed: Record) -> dict[str, str]:
    """What every checkpoint and adapter of the run says of itself."""
    return {
        "manifest": str(request.store.manifest(request.reference).id),
        "plan": str(fixed["plan"]),
        "tokenizer": request.tokenizer.digest,
        "template": request.settings.template,
        "base": str(fixed["base_digest"]),
    }


def _environment() -> Record:
    devices = jax.devices()
    return {
        "status": folder.RUNNING,
        "versions": {library: version(library) for library in LIBRARIES},
        "device": devices[0].device_kind,
        "device_count": len(devices),
    }


def _say_moved(record: Record, say: Callable[[str], None]) -> None:
    """Same bits are promised for the same libraries and devices only: say so when they are others."""
    now = _environment()
    for key in ("versions", "device", "device_count"):
        if record.get(key) != now[key]:
            say(
                f"{key} changed since the run began: from here the weights may differ "
                "from an undisturbed run's by rounding"
            )


def _batches(request: RunRequest, prepared: Prepared, batches: Batches) -> Callable[[int], Batch]:
    """The batch of a step of `batches`."""
    settings, pad = request.settings, request.tokenizer.special.pad
    return lambda step: assemble_batch(
        batches.lines(step), prepared.encoded, settings.batch, settings.length, pad
    )


def _held_out(
    request: RunRequest, prepared: Prepared, devices: Devices
) -> Callable[[Network], HeldOut | None]:
    """Evaluates the held-out traces."""
    batches, sources = prepared.plan.evaluation, prepared.encoded.sizes.sources
    evaluator = Evaluator(batches, _batches(request, prepared, batches), devices, request.settings.precision)
    return lambda network: evaluator.held_out(network, lambda sample: sources[sample - 1])


def _course(
    request: RunRequest,
    prepared: Prepared,
    held_out: Callable[[Network], HeldOut | None],
    say: Callable[[str], None],
) -> Course:
    plan = prepared.plan
    return Course(
        steps=plan.steps,
        batch_of=_batches(request, prepared, plan.batches),
        rate_of=schedule_of(request.settings, plan.steps).rate,
        held_out=held_out,
        on_step=_Progress(plan.steps, say),
        stop=lambda: False,
    )


class _Progress:
    """A line every two seconds: step, loss, useful tokens a second, time left. Times begin behind the first step."""

    def __init__(self, steps: int, say: Callable[[str], None]) -> None:
        self._of = steps
        self._say = say
        self._started: float | None = None
        self._said = -math.inf
        self._steps = self._tokens = 0

    def __call__(self, metrics: StepMetrics) -> None:
        now = time.monotonic()
        if self._started is None:
            self._started = now
            rate = ""
        else:
            self._steps += 1
            self._tokens += metrics.useful
            seconds = max(now - self._started, 1e-9)
            left = (self._of - metrics.step) * seconds / self._steps
            rate = f", {self._tokens / seconds:,.0f} tokens/s, {left:.0f} s left"
        if now - self._said >= QUIET_SECONDS or metrics.step == self._of:
            self._said = now
            self._say(f"step {metrics.step} of {self._of}, loss {metrics.loss:.4f}{rate}")


def _as_record(held_out: HeldOut | None) -> Record | None:
    return None if held_out is None else asdict(held_out)


def _export(out: Path, record: Record, network: Network, provenance: dict[str, str]) -> Record:
    """Write the adapter and the finished record."""
    metrics = read_metrics(out / METRICS)
    adapter = adapter_tensors(network)
    write_tensors(out / folder.ADAPTER, adapter, {**provenance, "cursor": str(len(metrics))})
    record = {
        **record,
        "status": folder.FINISHED,
        "first_loss": metrics[0]["loss"],
        "last_loss": metrics[-1]["loss"],
        "adapter": folder.ADAPTER,
        "adapter_digest": tensors_digest(adapter),
    }
    folder.write_record(out, record)
    return record
