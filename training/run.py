"""The flow of a training: resolve → verify → encode → plan → model → train → export → record."""

import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path

import jax
import pyarrow as pa
from flax import nnx

from manifests import disk
from manifests.manifest import Manifest
from manifests.row_keys import row_keys
from training.batches.plan import Batches
from training.batches.prepare import Prepared, prepare
from training.batches.token_cache import TOKENS, TOKENS_PROOF
from training.batches.traces import Batch, assemble_batch
from training.errors import SettingsError
from training.loop import hosts
from training.loop.boundary import BUDGET, Boundary
from training.loop.budget import Timing, duration
from training.loop.devices import Devices
from training.loop.evaluation import Evaluator, HeldOut
from training.loop.interruption import Interruption
from training.loop.schedule import Schedule, schedule_of
from training.loop.trainer import Course, Trainer
from training.network.gemma import Base, Network, adapter_tensors, build_network, load_adapter
from training.network.tensors import tensors_digest, write_tensors
from training.request import RunRequest, asked, fixed, inherited, provenance
from training.runs import folder, handover, outcome, parent, sessions
from training.runs.folder import Record
from training.runs.metrics import METRICS, StepMetrics, read_metrics, write_metrics_table
from training.runs.parent import ParentRun
from training.watch.start import watcher_of
from training.watch.watcher import Watcher
from training.weights.folder import base_of

STATE_PARTS = 3  # of a checkpoint: the adapter and its two moments


@dataclass(frozen=True)
class Begun:
    """A run that is ready to train; without batches and network it is finished already."""

    record: Record
    prepared: Prepared | None = None
    network: Network | None = None


def train_adapter(
    request: RunRequest, say: Callable[[str], None], interruption: Interruption | None = None
) -> Record:
    """Train, or go on with what `request.out` holds, or return at once what is finished there; the run's record.

    A run ends with its schedule (`status` "finished"), or before that on an update's boundary, when its budget is used
    up or `interruption` asks for it ("stopped"). Either way its adapter is exported.

    Raises `TrainingError`s, and those of `manifests` for a manifest or dataset that can't be used.
    """
    say, interruption = hosts.speaking(say), interruption or Interruption()
    with ExitStack() as resources:
        with hosts.first_before_others():
            begun = _begin(request, resources, say)
        if begun.prepared is None or begun.network is None:
            return begun.record
        return _train(request, begun.record, begun.prepared, begun.network, interruption, say)


def _begin(request: RunRequest, resources: ExitStack, say: Callable[[str], None]) -> Begun:
    """Everything up to the first step: the run's folder as it is or made now, its batches, its network."""
    manifest = request.store.manifest(request.reference)
    ancestor = None if request.continue_from is None else parent.open_parent(request.continue_from)
    wanted = asked(request, manifest, ancestor)
    record = _open(request, wanted, resources, say)
    if record is not None and record["status"] == folder.FINISHED:
        folder.check_adapter(request.out, record)
        say(f"{request.out}: finished before, nothing to do")
        outcome.say_ended(record, say)
        return Begun(record)
    parent.say_lineage(ancestor, manifest, say)
    keys = row_keys(manifest)
    overlap = _overlap(request, manifest, ancestor, keys, say)
    if ancestor is not None:
        parent.check_inherited(ancestor, inherited(request))

    base = base_of(request.model, request.base, request.tokenizer.vocabulary)  # tells at once what is wrong
    # A new run's tokens wait beside its place: its folder appears whole, with them in it.
    place = request.out
    if record is None:
        place = resources.enter_context(disk.staging(request.out.absolute().parent))
    prepared = prepare(request.store, manifest, request.tokenizer, request.settings, place, say)
    network, base_digest = _start(request, base, ancestor)
    if ancestor is not None:
        parent.check_inherited(ancestor, {"base_digest": base_digest})
    follows = fixed(request, manifest, prepared.plan, base_digest)

    if record is None:
        tables = {
            "plan.parquet": prepared.plan.table,
            "held_out.parquet": prepared.plan.held_out,
            "keys.parquet": keys,
            "ancestors.parquet": keys.slice(0, 0) if ancestor is None else ancestor.consumed,
        }
        told: Record = {
            "manifest_name": manifest.name,
            "overlap": overlap,
            "schedule": None if request.budget else {"steps": prepared.plan.steps, "laid_at": 0},
            "sessions": [],
            "status": folder.RUNNING,
        }
        tokens = [place / TOKENS, place / TOKENS_PROOF]
        record = folder.create_run(
            request.out, {**wanted, **follows, **told}, tables, request.tokenizer.model, tokens
        )
        resources.enter_context(folder.locked(request.out))
    else:
        folder.check_same(request.out, {key: record.get(key) for key in follows}, follows)
    return Begun(record, prepared, network)


def _open(
    request: RunRequest, wanted: Record, resources: ExitStack, say: Callable[[str], None]
) -> Record | None:
    """The record of the run in `out`, locked until the end; None when there is none yet."""
    if not hosts.first():
        return folder.open_run(request.out, wanted)  # which the first host has made, and keeps locked
    if there := request.out.is_dir():
        resources.enter_context(folder.locked(request.out))
    if request.resume_from is not None:
        taken = handover.take_over(request.resume_from, request.out, wanted, say)
        if taken or not there:
            resources.enter_context(folder.locked(request.out))
    return folder.open_run(request.out, wanted)


def _overlap(
    request: RunRequest,
    manifest: Manifest,
    ancestor: ParentRun | None,
    keys: pa.Table,
    say: Callable[[str], None],
) -> Record | None:
    """What the manifest repeats of what was consumed, where that is allowed: for the record."""
    if ancestor is None:
        return None
    overlap = parent.overlap_with(ancestor, keys)
    if not request.allow_overlap:
        parent.refuse_overlap(ancestor, manifest.id, overlap)
        return None
    say(f"manifest {manifest.id[:12]} and what {ancestor.path} trained on, overlap allowed: {overlap}")
    return overlap.record


def _start(request: RunRequest, base: Base, ancestor: ParentRun | None) -> tuple[Network, str]:
    """The network that the run begins with, and the digest of its base."""
    network, base_digest = build_network(request.model.shape, base, request.settings)
    if ancestor is not None:
        load_adapter(network, ancestor.adapter)
    return network, base_digest


def _train(
    request: RunRequest,
    record: Record,
    prepared: Prepared,
    network: Network,
    interruption: Interruption,
    say: Callable[[str], None],
) -> Record:
    """Train from where the run stands, to its end or until it is to stop; its record."""
    out, settings, plan = request.out, request.settings, prepared.plan
    budget = None if request.budget is None else hosts.shared(request.budget)

    def lay(schedule: Schedule) -> None:
        record["schedule"] = {"steps": schedule.steps, "laid_at": schedule.laid_at}
        _write(out, record)

    adapter_bytes = sum(leaf.nbytes for leaf in jax.tree.leaves(nnx.state(network, nnx.LoRAParam)))
    timing = Timing(time.monotonic if budget is None else budget.elapsed, STATE_PARTS * adapter_bytes)
    schedule = schedule_of(settings, **(record["schedule"] or {"steps": None}))
    boundary = Boundary(
        plan.steps, settings, schedule, budget, timing, lambda: hosts.agreed(interruption.asked()), lay, say
    )
    devices = Devices(settings, say)
    held_out = _held_out(request, prepared, devices, timing)
    watcher = watcher_of(
        out, request.model, settings, prepared, request.tokenizer, devices.count, lambda: boundary.goal, say
    )
    course = _course(request, prepared, watcher.held_out(held_out), boundary, interruption, watcher)
    trainer = Trainer(network, settings, devices, course, out, provenance(record), say)

    start = trainer.resumed_from
    record = outcome.begun_record(record, start, sessions.environment(), say)
    if start == 0 or budget is not None:  # a budget has to know how long an evaluation takes
        before = _as_record(held_out(trainer.model))
        if start == 0:
            record["held_out_first"] = before
    _write(out, record)
    boundary.begin(start)
    if start == 0 and boundary.stop():
        if budget is None or boundary.ended != BUDGET:
            raise KeyboardInterrupt
        raise SettingsError(
            f"--budget {duration(budget.seconds)}: used up before the first step; "
            "the same command with more of it goes on"
        )
    with ExitStack() as watching:
        with timing.sampling():
            watching.enter_context(watcher.watching(trainer.model, start))
        done = trainer.run()
    if boundary.schedule.steps is None and done >= plan.steps:
        lay(schedule_of(settings, done, done))
    record["held_out_last"] = _as_record(held_out(trainer.model))
    record = _exported(out, outcome.ended_record(record, plan, done, boundary), trainer.model)
    _write(out, record)
    outcome.say_ended(record, say)
    return record


def _batches(request: RunRequest, prepared: Prepared, batches: Batches) -> Callable[[int], Batch]:
    """The batch of a step of `batches`."""
    settings, pad = request.settings, request.tokenizer.special.pad
    return lambda step: assemble_batch(
        batches.lines(step), prepared.encoded, settings.batch, settings.length, pad
    )


def _held_out(
    request: RunRequest, prepared: Prepared, devices: Devices, timing: Timing
) -> Callable[[Network], HeldOut | None]:
    """Evaluates the held-out traces, and tells `timing` how long it took."""
    batches = prepared.plan.evaluation
    evaluator = Evaluator(batches, _batches(request, prepared, batches), devices)

    def evaluate(network: Network) -> HeldOut | None:
        with timing.evaluating():
            return evaluator.held_out(network, prepared.encoded.sizes.source_of)

    return evaluate


def _course(
    request: RunRequest,
    prepared: Prepared,
    held_out: Callable[[Network], HeldOut | None],
    boundary: Boundary,
    interruption: Interruption,
    watcher: Watcher,
) -> Course:
    plan = prepared.plan

    def on_step(metrics: StepMetrics) -> None:
        interruption.first_step_done()
        boundary.computed(metrics)
        watcher.on_step(metrics)

    return Course(
        steps=plan.steps,
        batch_of=watcher.batch_of(_batches(request, prepared, plan.batches)),
        rate_of=boundary.rate,
        held_out=held_out,
        on_step=on_step,
        stop=boundary.stop,
    )


def _write(out: Path, record: Record) -> None:
    """Replace the record of the run."""
    if hosts.first():
        folder.write_record(out, record)


def _as_record(held_out: HeldOut | None) -> Record | None:
    return None if held_out is None else asdict(held_out)


def _exported(out: Path, record: Record, network: Network) -> Record:
    """Write the adapter; the record with what it says of it."""
    metrics = read_metrics(out / METRICS)
    adapter = adapter_tensors(network)
    if hosts.first():
        write_metrics_table(out)
        write_tensors(out / folder.ADAPTER, adapter, {**provenance(record), "cursor": str(record["cursor"])})
    return {
        **record,
        "first_loss": metrics[0]["loss"],
        "last_loss": metrics[-1]["loss"],
        "adapter": folder.ADAPTER,
        "adapter_digest": tensors_digest(adapter),
    }
