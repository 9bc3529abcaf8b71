"""Other ways to compute the same training, and which of them fit.

A compilation takes minutes, so what the arithmetic says can't fit is not compiled: `_estimate` says of other settings
what they need at least, from a compilation that was done.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from training.batches.plan import Plan
from training.errors import PlanError, SettingsError
from training.models import Shape
from training.network.remat import LEVELS, NONE, kept_bytes
from training.network.sharding import REPLICATED, SHARDED
from training.preflight.flight import Flight, Question, fly
from training.settings import Settings

LENGTHS = (2048, 4096, 8192)
ROWS_AT_ONCE = (1, 2, 4)
SHORTEST = 128
ESTIMATED = 1.1  # of a chip's memory: what is estimated above it is not worth compiling

PlanOf = Callable[[Settings], Plan]
"""Lays out the plan for settings of another length."""


@dataclass(frozen=True)
class Tried:
    """Settings that were tried, and the preflight of them."""

    settings: Settings
    flight: Flight


def nearest_fit(flight: Flight, plan_of: PlanOf, say: Callable[[str], None]) -> Flight | None:
    """The settings nearest to those of a step that does not fit which do: compiled, not guessed. None: there are none.

    Nearest is what changes no result (more remat, then fewer rows at once, then both, then a base cut over the chips),
    then a shorter row. What the arithmetic says can't fit is not compiled.
    """
    for settings in _nearer(flight.question.settings, may_be_cut=_may_be_cut(flight.question)):
        if _estimate(flight, settings) > ESTIMATED * flight.memory:
            continue
        asked = _asked(flight.question, settings, plan_of, say)
        tried = None if asked is None else _flown(asked, say)
        if tried is not None and tried.fits_memory:
            return tried
    return None


def sweep(question: Question, plan_of: PlanOf, say: Callable[[str], None]) -> list[Tried]:
    """What fits of lengths, rows at once, remats and placements of the base, the fastest first; then what does not.

    For each length and number of rows the levels of remat are tried from the one that computes least again, and no
    further than the first that fits. A base cut over the chips frees memory and fills the links: it is tried where it
    might spare a level. What the arithmetic says can't fit is not compiled.
    """
    settings, devices = question.settings, len(question.target.devices)
    anchor = fly(question, say)
    tried = [Tried(settings, anchor)]
    grid = list(_grid(settings, devices))
    for number, variant in enumerate(grid, 1):
        at_once = f"{variant.rows_per_device} rows" if variant.rows_per_device > 1 else "a row"
        say(f"sweep {number} of {len(grid)}: rows of {variant.length:,}, {at_once} at once")
        if (asked := _asked(question, variant, plan_of, say)) is None:
            continue
        levels: Sequence[str] = LEVELS[1:]
        for placement in (REPLICATED, SHARDED) if _may_be_cut(question) else (REPLICATED,):
            for place, level in enumerate(levels):
                candidate = replace(variant, remat=level, placement=placement)
                if candidate == settings:
                    flight: Flight | None = anchor
                elif _estimate(anchor, candidate) > ESTIMATED * anchor.memory:
                    continue
                elif (flight := _flown(replace(asked, settings=candidate), say)) is not None:
                    tried.append(Tried(candidate, flight))
                if flight is not None and flight.fits_memory:
                    levels = levels[:place]
                    break
    return sorted(
        tried, key=lambda each: (not each.flight.fits_memory, each.flight.session(question.share).seconds)
    )


def _asked(
    question: Question, settings: Settings, plan_of: PlanOf, say: Callable[[str], None]
) -> Question | None:
    """The question for other settings; None where they leave nothing to train on, as rows do that are too short."""
    try:
        return replace(question, settings=settings, plan=plan_of(settings))
    except PlanError as error:
        say(f"passed over: {error}")
        return None


def _flown(question: Question, say: Callable[[str], None]) -> Flight | None:
    """The preflight of settings that nobody asked for by themselves; None where they can't be."""
    try:
        return fly(question, say)
    except SettingsError as error:
        say(f"passed over: {error}")
        return None


def _grid(settings: Settings, devices: int) -> Iterator[Settings]:
    """Rows of other lengths, as many tokens an update, and the numbers of them that a device can compute at once."""
    for length in sorted({*LENGTHS, settings.length}):
        batch = max(settings.batch * settings.length // length, 1)
        for rows in ROWS_AT_ONCE:
            if rows == 1 or rows * min(devices, batch) <= batch:
                yield replace(settings, length=length, batch=batch, rows_per_device=rows)


def _may_be_cut(question: Question) -> bool:
    """Whether the base can lie cut over the chips; a quantized one is not."""
    return len(question.target.devices) > 1 and question.settings.quantize == "none"


def _estimate(flight: Flight, settings: Settings) -> float:
    """Bytes of a device with other settings, rather too few than too many.

    Those of the flight, less what the layers would no longer keep and the shares of the base that would lie elsewhere;
    what is left of the temporaries changes with the rows, and with the length as the scores of dense attention do, or
    as all else does.
    """
    shape = flight.question.shape

    def kept(settings: Settings) -> float:
        tokens = settings.rows_per_device * settings.length
        return shape.layers * tokens * kept_bytes(shape, settings.remat, settings.precision)

    def elsewhere(settings: Settings) -> float:
        share = 1 - 1 / flight.devices if settings.placement == SHARDED else 0.0
        return share * _layer_bytes(shape, settings)

    before, compiled = flight.question.settings, flight.compiled
    if math.isinf(kept(before)):
        return 0.0
    beside = max(compiled.bytes - compiled.arguments - kept(before), 0.0)
    rows, length = settings.rows_per_device / before.rows_per_device, settings.length / before.length
    arguments = compiled.arguments + elsewhere(before) - elsewhere(settings)
    return arguments + kept(settings) + beside * rows * min(length, length**2)


def _layer_bytes(shape: Shape, settings: Settings) -> int:
    """Bytes of the layers' matrices."""
    attention = shape.head * (2 * shape.heads + 2 * shape.key_value_heads)
    weights = shape.layers * shape.embed * (attention + 3 * shape.hidden)
    return weights * {"float32": 4, "bfloat16": 2}[settings.precision]


def _nearer(settings: Settings, *, may_be_cut: bool) -> Iterator[Settings]:
    levels = LEVELS[LEVELS.index(settings.remat) + 1 :]
    rows = [settings.rows_per_device // 2**power for power in range(settings.rows_per_device.bit_length())]
    for at_once in rows:
        for level in (settings.remat, *levels) if at_once != settings.rows_per_device else levels:
            yield replace(settings, remat=level, rows_per_device=at_once)
    if may_be_cut and settings.placement == REPLICATED:
        for level in levels if settings.remat == NONE else (settings.remat, *levels):
            yield replace(settings, remat=level, rows_per_device=1, placement=SHARDED)
    length = settings.length // 2
    while length >= SHORTEST:
        yield replace(settings, length=length, remat=LEVELS[-1], rows_per_device=1)
        length //= 2
