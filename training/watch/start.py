"""A watcher for a run, from what the run is made of."""

from collections.abc import Callable
from pathlib import Path

import jax
import numpy as np

from training.batches.prepare import Prepared
from training.batches.templates import template_of
from training.batches.tokenizer import Tokenizer
from training.loop import hosts
from training.models import Model
from training.settings import Settings
from training.watch.peak import peak_of, token_operations
from training.watch.sampler import Prompt, Sampler
from training.watch.samples import choose_samples
from training.watch.watcher import Watched, Watcher


def watcher_of(
    run: Path,
    model: Model,
    settings: Settings,
    prepared: Prepared,
    tokenizer: Tokenizer,
    devices: int,
    goal: Callable[[], int],
    say: Callable[[str], None],
) -> Watcher:
    """Watch the run in the folder `run`, on so many `devices` of the first one's kind, up to the step `goal()`."""
    watched = Watched(
        run=run,
        goal=goal,
        sample_every=settings.sample_every,
        sampler=_sampler(settings, prepared, tokenizer, say),
        full_speed=_full_speed(model, settings, prepared, tokenizer.vocabulary, devices),
        writes=hosts.first(),
    )
    return Watcher(watched, say)


def _sampler(
    settings: Settings, prepared: Prepared, tokenizer: Tokenizer, say: Callable[[str], None]
) -> Sampler | None:
    """None where nothing is to be sampled, or can be: that is said."""
    if not settings.sample_every:
        return None
    source_of = prepared.encoded.sizes.source_of
    chosen = choose_samples(prepared.plan.held_out, source_of)
    if not chosen:
        say("no samples: no trace is held out that is short enough for one")
        return None
    starts = prepared.encoded.sizes.loss_starts
    prompts = [
        Prompt(
            sample,
            source_of(sample),
            tuple(prepared.encoded.tokens(sample)[: int(starts[sample - 1])].tolist()),
        )
        for sample in chosen
    ]
    return Sampler(prompts, tokenizer, template_of(settings.template), settings.length, settings.precision)


def _full_speed(
    model: Model, settings: Settings, prepared: Prepared, vocabulary: int, devices: int
) -> float | None:
    peak = peak_of(jax.devices()[0].device_kind)
    if peak is None:
        return None
    lengths = prepared.plan.table.column("length").to_numpy().astype(np.int64)
    return peak * devices / token_operations(model.shape, vocabulary, settings.rank, lengths)
