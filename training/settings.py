"""The settings of a run: a model's defaults, then a configuration file, then flags."""

import math
import tomllib
from dataclasses import dataclass, fields, replace
from decimal import Decimal
from pathlib import Path

from manifests.canonical import decimal_text
from manifests.keys import LARGEST_SEED
from training.errors import SettingsError


@dataclass(frozen=True)
class Settings:
    """Everything a run can be told, recorded in its `run.json`. The names are the keys of a configuration file.

    length            tokens in a row of a batch
    batch             rows in a batch; one update of the weights is the mean over all their trained tokens
    rows_per_device   rows that a device computes at once: the fewer, the less memory
    epochs            times each trace is seen, unless `steps` is set
    template          how a trace becomes tokens
    precision         of the base and of the computation, float32 or bfloat16; the adapter is always float32
    quantize          the frozen base: none, or nf4 (QLoRA, Dettmers et al., arXiv:2305.14314)
    remat             what a layer computes again in the backward pass to save memory (training/network/remat.py)
    placement         of the frozen base on the devices: replicated, or sharded (training/network/sharding.py)
    rank, alpha       of the adapter (its update is scaled by alpha / rank)
    learning_rate     at its peak
    warmup            steps of linear rise; then a cosine falls to `final_rate` of the peak
    clip_norm         the gradient's global norm is clipped to it
    weight_decay, first_moment, second_moment   of AdamW
    checkpoint_every  steps between checkpoints
    evaluate_every    steps between evaluations of the held-out traces; 0: only before and after
    sample_every      steps between samples; 0: none
    held_out          share of the traces that is never trained on, below 1 (rule: training/batches/held_out.py)
    seed              of the epochs' orders, of the held-out share, of the adapter's start
    steps             steps of the run, over `epochs` (a flag only)
    """

    length: int
    batch: int
    rows_per_device: int
    epochs: int
    template: str
    precision: str
    quantize: str
    remat: str
    placement: str
    rank: int
    alpha: float
    learning_rate: float
    warmup: int
    final_rate: float
    clip_norm: float
    weight_decay: float
    first_moment: float
    second_moment: float
    checkpoint_every: int
    evaluate_every: int
    sample_every: int
    held_out: str
    seed: int
    steps: int | None = None


_LOWEST = {
    "length": 1,
    "batch": 1,
    "rows_per_device": 1,
    "epochs": 1,
    "rank": 1,
    "warmup": 0,
    "checkpoint_every": 1,
    "evaluate_every": 0,
    "sample_every": 0,
    "seed": 0,
    "steps": 1,
}
_WORDS = {
    "precision": ("float32", "bfloat16"),
    "quantize": ("none", "nf4"),
    "placement": ("replicated", "sharded"),
    "remat": ("none", "elementwise", "up", "projections", "feed-forward", "layer"),
}
_SHARES = ("held_out", "first_moment", "second_moment", "weight_decay")  # from 0 to below 1
_CONFIGURABLE = tuple(field.name for field in fields(Settings) if field.name != "steps")


def read_config(path: Path, defaults: Settings) -> Settings:
    """`defaults` with what a TOML file sets.

    Raises `SettingsError` for unknown keys, wrong types and values out of range.
    """
    try:
        with path.open("rb") as file:
            values = tomllib.load(file, parse_float=Decimal)
    except OSError as error:
        raise SettingsError(f"configuration {path}: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"configuration {path}: not TOML ({error})") from error
    return with_values(defaults, values, f"configuration {path}: ")


def with_values(settings: Settings, values: dict[str, object], where: str = "") -> Settings:
    """`settings` with `values` of its configurable keys, each checked; a `SettingsError` begins with `where`."""
    for key in values:
        if key not in _CONFIGURABLE:
            raise SettingsError(f"{where}unknown key {key!r}; known: {', '.join(_CONFIGURABLE)}")
    return replace(settings, **{key: _checked(key, value, where) for key, value in values.items()})  # type: ignore[arg-type]


def with_flags(settings: Settings, length: int | None, steps: int | None) -> Settings:
    """`settings` with the flags that were given. Raises `SettingsError` for a value out of range."""
    given = {key: value for key, value in (("length", length), ("steps", steps)) if value is not None}
    return replace(settings, **{key: _checked(key, value, "--") for key, value in given.items()})  # type: ignore[arg-type]


def _checked(key: str, value: object, where: str) -> int | float | str:
    if key in _LOWEST:
        lowest, highest = _LOWEST[key], LARGEST_SEED
        if isinstance(value, int) and not isinstance(value, bool) and lowest <= value <= highest:
            return value
        expected = f"an integer from {lowest}"
    elif key == "template" or key in _WORDS:
        if isinstance(value, str) and value in _WORDS.get(key, (value,)):
            return value
        expected = " or ".join(_WORDS.get(key, ("a string",)))
    else:
        number = _finite(value)
        if key in _SHARES:
            expected = "a decimal from 0 to below 1"
            if number is not None and 0 <= number < 1:
                return decimal_text(number) if key == "held_out" else float(number)
        elif key == "final_rate":
            expected = "a number from 0 to 1"
            if number is not None and 0 <= number <= 1:
                return float(number)
        else:
            expected = "a number above 0"
            if number is not None and number > 0:
                return float(number)
    shown = str(value) if isinstance(value, Decimal) else repr(value)
    raise SettingsError(f"{where}{key} = {shown}: expected {expected}")


def _finite(value: object) -> Decimal | None:
    if isinstance(value, int | Decimal) and not isinstance(value, bool) and math.isfinite(value):
        return Decimal(value)
    return None
