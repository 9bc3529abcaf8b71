"""From a reference to a plan: what `training plan` and `training run` have in common."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from manifests.manifest import Manifest
from manifests.store import Store
from training.batches.plan import Left, Plan, PlanInputs, build_plan
from training.batches.templates import template_of
from training.batches.token_cache import TokensKey, cached_tokens
from training.batches.tokenizer import Tokenizer
from training.batches.traces import EncodedManifest, encoded_batches, encoded_manifest
from training.settings import Settings

QUIET_SECONDS = 2.0
KEY_DIGITS = 16


@dataclass(frozen=True)
class Prepared:
    """A manifest's traces as tokens, and their plan."""

    encoded: EncodedManifest
    plan: Plan


def prepare(
    store: Store,
    manifest: Manifest,
    tokenizer: Tokenizer,
    settings: Settings,
    folder: Path,
    say: Callable[[str], None],
) -> Prepared:
    """Lay out the plan, and say what was left out of it.

    `folder` keeps the tokens (training/batches/token_cache.py); where it has them, the dataset is not read.
    Raises `PlanError`, and what `encode_manifest` raises.
    """
    encoded = encode_manifest(store, manifest, tokenizer, settings.template, folder, say)
    plan = build_plan(plan_inputs(manifest.id, tokenizer.digest, settings), encoded.sizes)
    _say_left(plan.over_length, f"longer than {settings.length:,} tokens", say)
    _say_left(plan.forged_turn, "a turn marker stands in their text", say)
    _say_left(
        plan.broken_format,
        f"a tag of {settings.template} stands in their reasoning or answer (a recipe's tags take it out)",
        say,
    )
    return Prepared(encoded, plan)


def encode_manifest(
    store: Store,
    manifest: Manifest,
    tokenizer: Tokenizer,
    template: str,
    folder: Path,
    say: Callable[[str], None],
) -> EncodedManifest:
    """A manifest's traces as tokens: those that `folder` keeps, else made from the dataset, verified as it is read.

    Raises `MissingDatasetError`, `VerificationError`, `StoreError` (of manifests), and `SettingsError` for an unknown
    template.
    """
    chosen = template_of(template)
    progress = _Progress(manifest.identity.rows, say)
    cache = cached_tokens(
        folder,
        tokens_key(manifest, tokenizer, template),
        lambda: encoded_batches(store.dataset_blocks(manifest), tokenizer, chosen, progress),
        say,
    )
    return encoded_manifest(manifest, cache)


@contextmanager
def tokens_folder(cache: Path | None, key: TokensKey) -> Iterator[Path]:
    """Where tokens are kept: a folder of their own in `cache`; for None one that is gone at the end."""
    if cache is not None:
        yield cache / key.digest[:KEY_DIGITS]
        return
    with TemporaryDirectory(prefix="tokens-") as folder:
        yield Path(folder)


def tokens_key(manifest: Manifest, tokenizer: Tokenizer, template: str) -> TokensKey:
    """What the tokens of a manifest are a function of."""
    return TokensKey(manifest.content_digest, tokenizer.digest, template, manifest.identity.rows)


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


def _say_left(lefts: tuple[Left, ...], why: str, say: Callable[[str], None]) -> None:
    for left in lefts:
        say(f"{left.source}: {left.traces:,} traces ({left.tokens:,} tokens) left out, {why}")


class _Progress:
    """A line every two seconds: traces encoded, rate, time left."""

    def __init__(self, rows: int, say: Callable[[str], None]) -> None:
        self._rows = rows
        self._say = say
        self._started = self._last = time.monotonic()

    def __call__(self, done: int) -> None:
        now = time.monotonic()
        if now - self._last < QUIET_SECONDS:
            return
        self._last = now
        rate = done / (now - self._started)
        self._say(
            f"encoded {done:,} of {self._rows:,} traces, {rate:,.0f} a second, "
            f"{(self._rows - done) / rate:.0f} s left"
        )
