"""From a reference to a plan: what `training plan` and `training run` have in common."""

import time
from collections.abc import Callable
from dataclasses import dataclass

from manifests.manifest import Manifest
from manifests.store import Store
from training.plan import Plan, PlanInputs, build_plan
from training.settings import Settings
from training.templates import template_of
from training.tokenizer import Tokenizer
from training.traces import EncodedManifest, encode_manifest

QUIET_SECONDS = 2.0


@dataclass(frozen=True)
class Prepared:
    """A manifest's traces as tokens, and their plan."""

    encoded: EncodedManifest
    plan: Plan


def prepare(
    store: Store, manifest: Manifest, tokenizer: Tokenizer, settings: Settings, say: Callable[[str], None]
) -> Prepared:
    """Verify and encode the dataset, lay out the plan, and say what was left out of it."""
    template = template_of(settings.template)
    rows, started = manifest.rows.num_rows, time.monotonic()
    last = started

    def progress(done: int) -> None:
        nonlocal last
        now = time.monotonic()
        if now - last < QUIET_SECONDS:
            return
        last = now
        rate = done / (now - started)
        say(f"encoded {done:,} of {rows:,} traces, {rate:,.0f} a second, {(rows - done) / rate:.0f} s left")

    encoded = encode_manifest(store, manifest, tokenizer, template, progress)
    plan = build_plan(plan_inputs(manifest.id, tokenizer.digest, settings), encoded.sizes)
    for left in plan.over_length:
        say(
            f"{left.source}: {left.traces:,} traces ({left.tokens:,} tokens) left out, "
            f"longer than {settings.length:,} tokens"
        )
    for left in plan.forged_turn:
        say(
            f"{left.source}: {left.traces:,} traces ({left.tokens:,} tokens) left out, "
            "a turn marker stands in their text"
        )
    return Prepared(encoded, plan)


def plan_inputs(manifest: str, tokenizer: str, settings: Settings) -> PlanInputs:
    """What the settings give to a plan."""
    return PlanInputs(
        manifest=manifest,
        tokenizer=tokenizer,
        template=settings.template,
        length=settings.length,
        batch=settings.batch,
        epochs=settings.epochs,
        steps=settings.steps,
        held_out=settings.held_out,
        seed=settings.seed,
    )
