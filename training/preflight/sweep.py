"""Other ways to compute the same training, and which of them fit."""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from training.batches.plan import Plan
from training.network.remat import LEVELS, kept_bytes
from training.preflight.flight import Flight, Question, fly
from training.settings import Settings

LENGTHS = (2048, 4096, 8192)
ROWS_AT_ONCE = (1, 2, 4)
SHORTEST = 128
ESTIMATED = 1.1  # of a chip's memory: what is estimated above it is not worth compiling


@dataclass(frozen=True)
class Tried:
    """Settings that were tried, and the preflight of them."""

    settings: Settings
    flight: Flight


def nearest_fit(
    flight: Flight, plan_of: Callable[[Settings], Plan], say: Callable[[str], None]
) -> Flight | None:
    """The settings nearest to those of a step that does not fit which do: compiled, not guessed. None: there are none.

    Nearest is what changes no result (more remat, then fewer rows at once, then both), then a shorter row. What the
    arithmetic says can't fit is not compiled. `plan_of` lays out the plan for settings of another length.
    """
    for settings in _nearer(flight.question.settings):
        if _estimate(flight, settings) > ESTIMATED * flight.memory:
            continue
        tried = fly(replace(flight.question, settings=settings, plan=plan_of(settings)), say)
        if tried.fits_memory:
            return tried
    return None


def sweep(question: Question, plan_of: Callable[[Settings], Plan], say: Callable[[str], None]) -> list[Tried]:
    """What fits of lengths, rows at once and remats, the fastest first; then what does not fit.

    `plan_of` lays out the plan for settings of another length. For each length and number of rows the levels of remat
    are tried from the one that computes least again, and no further than the first that fits.
    """
    tried = []
    for settings in _grid(question.settings):
        asked = replace(question, settings=settings, plan=plan_of(settings))
        for level in LEVELS[1:]:
            flight = fly(replace(asked, settings=replace(settings, remat=level)), say)
            tried.append(Tried(flight.question.settings, flight))
            if flight.fits_memory:
                break
    return sorted(
        tried, key=lambda each: (not each.flight.fits_memory, each.flight.session(question.share).seconds)
    )


def _grid(settings: Settings) -> Iterator[Settings]:
    for length in sorted({*LENGTHS, settings.length}):
        for rows in ROWS_AT_ONCE:
            if rows * length <= 2 * max(LENGTHS):
                yield replace(
                    settings,
                    length=length,
                    batch=max(settings.batch * settings.length // length, 1),
                    rows_per_device=rows,
                )


def _estimate(flight: Flight, settings: Settings) -> float:
    """Bytes of a device with other settings, rather too few than too many.

    Those of the flight, less what the layers would no longer keep; what is left of the temporaries shrinks with the
    rows, and with the length as the scores of dense attention do.
    """
    shape = flight.question.shape

    def kept(settings: Settings) -> float:
        tokens = settings.rows_per_device * settings.length
        return shape.layers * tokens * kept_bytes(shape, settings.remat, settings.precision)

    before, compiled = flight.question.settings, flight.compiled
    if math.isinf(kept(before)):
        return 0.0
    beside = max(compiled.bytes - compiled.arguments - kept(before), 0.0)
    rows, length = settings.rows_per_device / before.rows_per_device, settings.length / before.length
    return compiled.arguments + kept(settings) + beside * rows * length**2


def _nearer(settings: Settings) -> Iterator[Settings]:
    levels = LEVELS[LEVELS.index(settings.remat) + 1 :]
    rows = [settings.rows_per_device // 2**power for power in range(settings.rows_per_device.bit_length())]
    for at_once in rows:
        for level in (settings.remat, *levels) if at_once != settings.rows_per_device else levels:
            yield replace(settings, remat=level, rows_per_device=at_once)
    length = settings.length // 2
    while length >= SHORTEST:
        yield replace(settings, length=length, remat=LEVELS[-1], rows_per_device=1)
        length //= 2
