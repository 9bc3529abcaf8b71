"""Canonical JSON (FORMAT.md, section 6): one text for one value, so that a digest of it is an identity. Pure."""

import json
import re
from decimal import Decimal
from typing import NoReturn

from manifests.errors import FormatError

_INTEGERS = (-(2**63), 2**63 - 1)
_SURROGATE = re.compile("[\ud800-\udfff]")


def canonical_bytes(value: object) -> bytes:
    """The canonical bytes of a JSON value.

    Raises FormatError for floats, keys outside ASCII, integers beyond 64 bits, and lone surrogates.
    """
    _check(value)
    return json.dumps(
        value, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False
    ).encode("ascii")


def parse_canonical(data: bytes, where: str) -> object:
    """The value that `data` is the canonical text of.

    Raises FormatError when it is no JSON, holds a duplicate key or a float, or is not canonical.
    """
    try:
        value = json.loads(data, object_pairs_hook=_unique_keys, parse_float=_refuse, parse_constant=_refuse)
        canonical = canonical_bytes(value)
    except (FormatError, ValueError, RecursionError) as error:
        raise FormatError(
            f"{where}: not JSON of a manifest ({error}); the file is damaged or not a manifest"
        ) from error
    if canonical != data:
        raise FormatError(
            f"{where}: JSON that is not in canonical form; the file was rewritten, fetch it again"
        )
    return value


def decimal_text(number: Decimal) -> str:
    """A decimal as the string that stands for it: no exponent, no trailing zeros (`"0.8"`, `"50"`)."""
    text = format(number, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def _check(value: object) -> None:
    if isinstance(value, dict):
        if wrong := [key for key in value if not (isinstance(key, str) and key.isascii())]:
            raise FormatError(f"key {wrong[0]!r}: only ASCII strings can be keys of a manifest")
        _check(list(value.values()))
    elif isinstance(value, list):
        for item in value:
            _check(item)
    elif isinstance(value, str):
        if _SURROGATE.search(value):
            raise FormatError(f"{value!r}: a lone surrogate can't stand in a manifest")
    elif isinstance(value, int):  # bool is an int, and fits
        if not _INTEGERS[0] <= value <= _INTEGERS[1]:
            raise FormatError(f"{value}: expected an integer of 64 bits")
    elif value is not None:
        raise FormatError(f"{value!r}: a {type(value).__name__} can't stand in a manifest")


def _unique_keys(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key stands twice")
    return found


def _refuse(text: str) -> NoReturn:
    raise ValueError(f"{text} is a float")
