"""Numbers as people read them, and tables of Markdown. Pure."""

from collections.abc import Sequence

_MINUTE, _HOUR, _DAY = 60, 3_600, 86_400
_UNITS = ("bytes", "KiB", "MiB", "GiB", "TiB", "PiB")
_DECIMAL = ("B", "kB", "MB", "GB", "TB", "PB")
_STEP, _THOUSAND = 1024, 1000


def duration(seconds: float) -> str:
    """Seconds in the unit that fits; a difference that noise has made negative is told as such."""
    if seconds < 0:
        return "too little to tell"
    if seconds < 2 * _MINUTE:
        return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"  # noqa: PLR2004
    if seconds < 2 * _HOUR:
        return f"{seconds / _MINUTE:.0f} min"
    if seconds < 2 * _DAY:
        return f"{seconds / _HOUR:.1f} h"
    return f"{seconds / _DAY:.1f} days"


def size_text(size: float) -> str:
    """Bytes in the unit that fits."""
    unit = 0
    while abs(size) >= _STEP and unit < len(_UNITS) - 1:
        size, unit = size / _STEP, unit + 1
    return f"{size:.1f} {_UNITS[unit]}" if abs(size) < 100 and unit else f"{size:,.0f} {_UNITS[unit]}"  # noqa: PLR2004


def decimal_size(size: float) -> str:
    """Bytes in powers of a thousand, as they stand at an axis of powers of ten."""
    unit = 0
    while size >= _THOUSAND and unit < len(_DECIMAL) - 1:
        size, unit = size / _THOUSAND, unit + 1
    return f"{size:g} {_DECIMAL[unit]}"


def table(numbers: Sequence[str], texts: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    """A table with these headings: a first column of text, columns of numbers, columns of text."""
    first, *numbers = numbers
    ruled = ["---", *("---:" for _ in numbers), *("---" for _ in texts)]
    rows = [[first, *numbers, *texts], ruled, *map(list, lines)]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)
