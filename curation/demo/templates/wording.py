"""Numbers, times and lists as English text."""

from collections.abc import Sequence
from fractions import Fraction

WEEKDAYS = "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"
MONTHS = ("January", "February", "March", "April", "May", "June", "July", "August", "September", "October",
          "November", "December")  # fmt: skip


def listing(words: Sequence[str], last: str = "and") -> str:
    """`a, b and c`."""
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} {last} {words[-1]}"


def plural(count: int, singular: str, several: str = "") -> str:
    """`1 box`, `2 boxes`: the count with the right form of the noun (default: an added s)."""
    return f"{count:,} {singular if count == 1 else several or singular + 's'}"


def capital(text: str) -> str:
    """The text with its first letter in upper case."""
    return text[:1].upper() + text[1:]


def money(cents: int) -> str:
    """`$3.50`, and `$3` for whole dollars."""
    dollars, rest = divmod(cents, 100)
    return f"${dollars:,}.{rest:02d}" if rest else f"${dollars:,}"


def clock(minutes: int) -> str:
    """Minutes since midnight as `07:05`; after a day it starts again at `00:00`."""
    hours, rest = divmod(minutes % 1440, 60)
    return f"{hours:02d}:{rest:02d}"


def duration(minutes: int) -> str:
    """`1 hour and 20 minutes`."""
    hours, rest = divmod(minutes, 60)
    return listing([plural(hours, "hour")] * bool(hours) + [plural(rest, "minute")] * bool(rest or not hours))


def decimal(value: Fraction | int, digits: int = 3) -> str:
    """The value rounded half to even to at most `digits` decimals, without trailing zeros."""
    scaled = round(Fraction(value) * 10**digits)
    whole, rest = divmod(abs(scaled), 10**digits)
    return ("-" if scaled < 0 else "") + f"{whole:,}" + (f".{rest:0{digits}d}".rstrip("0") if rest else "")


def ordinal(number: int) -> str:
    """`1st`, `2nd`, `3rd`, `11th`."""
    suffix = "th" if number % 100 in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{suffix}"
