"""Numbers as people read them. Pure."""

import math

_LARGEST, _LARGE, _FEW, _SMALL = 1e15, 1e6, 10.0, 1e-3
_UNITS = ((1e12, "T"), (1e9, "G"), (1e6, "M"))


def short(value: float) -> str:
    """A number for an axis or a table, at most about four digits: `0.25`, `1,200`, `2e-4`, `3.5M`."""
    if not math.isfinite(value):
        return "no number"
    if value == 0:
        return "0"
    if abs(value) >= _LARGEST:
        return f"{value:.3g}"
    if abs(value) >= _LARGE:
        size, unit = next(pair for pair in _UNITS if abs(value) >= pair[0])
        return f"{value / size:.4g}{unit}"
    if abs(value) < _SMALL:
        digits, _, power = f"{value:.2e}".partition("e")
        return f"{digits.rstrip('0').rstrip('.')}e{int(power)}"
    text = f"{value:,.4f}" if abs(value) < _FEW else f"{value:,.2f}"
    return text.rstrip("0").rstrip(".")


def loss(value: float) -> str:
    """A loss, in nats."""
    return f"{value:.4f}" if math.isfinite(value) else "no number"


def counted(count: int, one: str, several: str) -> str:
    """`1 step`, `1,200 steps`."""
    return f"{count:,} {one if count == 1 else several}"
