"""langdetect's algorithm in Rust (`langdetect_rs`, an optional package), if it is there and answers as langdetect does.

Its core is used, not its functions: those load their own copy of the profiles in the order of langdetect's folder on
this machine, start threads in every process, and follow the summation and the Unicode tables of the Python they run on.
The core is told which profiles in which order, which summation and which tables.
"""

import json
import random
from collections.abc import Callable, Sequence
from importlib import import_module
from typing import Any

from curation.language.check import CHECKS

Detect = Callable[[str], list[tuple[str, float]]]

TOLERANCE = 1e-9
"""How far a probability may be from langdetect's. In practice they are equal to the last bit on one machine."""

_COMPENSATED_SUM = False
_UNICODE = "14.0.0"  # tells capitals; that of Python 3.11


class FastPathError(Exception):
    """The fast path can't be used; the message says why."""


def fast_detect(profiles: Sequence[tuple[str, bytes]], seed: int) -> Detect:
    """A function that lists the likely languages of a text, likeliest first, from (name, JSON) of each profile.

    Raises FastPathError if the package is not there, or gives other answers than langdetect gave.
    """
    try:
        core = import_module("langdetect_rs._core")
    except ImportError:
        raise FastPathError("langdetect_rs is not installed") from None
    try:
        detect = _detect(core, profiles, seed)
        equal = all(_agree(detect(text), expected) for text, expected in CHECKS)
    except Exception as error:  # noqa: BLE001 - another release may fail in any way, and none may stop a build
        raise FastPathError(f"langdetect_rs fails: {type(error).__name__}: {error}") from None
    if not equal:
        raise FastPathError(
            "langdetect_rs answers otherwise than langdetect on texts whose answers are known"
        )
    return detect


def _detect(core: Any, profiles: Sequence[tuple[str, bytes]], seed: int) -> Detect:
    factory = core.Factory(_COMPENSATED_SUM, _UNICODE)
    for place, (_, data) in enumerate(profiles):
        profile = json.loads(data)
        factory.add_profile(profile["name"], profile["freq"], profile["n_words"], place, len(profiles))
    state = core.SeedState(random.Random(seed).getstate()[1])

    def detect(text: str) -> list[tuple[str, float]]:
        return factory.detect_langs(text, state) or []

    return detect


def _agree(found: Sequence[tuple[str, float]], expected: Sequence[tuple[str, float]]) -> bool:
    return [code for code, _ in found] == [code for code, _ in expected] and all(
        abs(probability - known) <= TOLERANCE
        for (_, probability), (_, known) in zip(found, expected, strict=True)
    )
