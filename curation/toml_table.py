"""A TOML table whose values are asked for by key and kind; every error names the key, the value and what is allowed."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import TypeVar

from curation.errors import RecipeError
from manifests.canonical import decimal_text
from manifests.errors import NameNotAllowedError
from manifests.keys import LARGEST_SEED
from manifests.store import check_name

T = TypeVar("T")

_MOST_DECIMALS = 100
_LONGEST_SHOWN = 80  # characters of a wrong value in a message


class Table:
    """A TOML table that knows where it stands and which keys it may have."""

    def __init__(self, values: Mapping[str, object], where: str, allowed: Sequence[str]) -> None:
        self.values, self.where = values, where
        for key in values:
            if key not in allowed:
                raise RecipeError(f"{where}: unknown key {key!r}; allowed here: {', '.join(allowed)}")

    def wrong(self, key: str, value: object, expected: str) -> RecipeError:
        """What is wrong with a value, as an error."""
        found = "it is missing" if value is None else f"found {_shown(value)}"
        return RecipeError(f"{self.where}: {key}: expected {expected}; {found}")

    def optional(self, key: str, kind: type[T]) -> T | None:
        """A value of a kind, None if the key is not set."""
        value = self.values.get(key)
        if value is not None and not isinstance(value, kind):
            named = {str: "a text", bool: "true or false", dict: "a table"}
            raise self.wrong(key, value, named.get(kind, kind.__name__))
        return value

    def table(self, key: str, allowed: Sequence[str]) -> "Table":
        """A table below this one."""
        value = self.values.get(key)
        if not isinstance(value, dict):
            raise self.wrong(key, value, f"a table with {', '.join(allowed)}")
        return Table(value, f"{self.where}: {key}", allowed)

    def list_of_tables(self, key: str) -> list[dict[str, object]]:
        """At least one table."""
        value = self.values.get(key)
        if not isinstance(value, list) or not value or not all(isinstance(entry, dict) for entry in value):
            raise self.wrong(key, value, f"at least one [[{key}]] table")
        return value

    def choice(self, key: str, allowed: Sequence[str]) -> str:
        """One of some texts; the first is the default."""
        value = self.values.get(key, allowed[0])
        if not isinstance(value, str) or value not in allowed:
            raise self.wrong(key, value, " or ".join(f'"{choice}"' for choice in allowed))
        return value

    def count(self, key: str, least: int, most: int = LARGEST_SEED, default: int | None = None) -> int:
        """A whole number from `least` to `most`."""
        value = self.values.get(key, default)
        if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
            upper = f" to {most:,}" if most < LARGEST_SEED else ""
            raise self.wrong(key, value, f"a whole number from {least}{upper}")
        return value

    def seed(self, key: str, default: int | None) -> int:
        """A seed."""
        value = self.values.get(key, default)
        if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= LARGEST_SEED:
            raise self.wrong(key, value, "a whole number from 0 to 2^63 - 1")
        return value

    def name(self) -> str:
        """A name that manifests and sources may have."""
        value = self.optional("name", str)
        if value is None:
            raise self.wrong("name", None, "a name of a-z, 0-9 and -")
        try:
            return check_name(value)
        except NameNotAllowedError as error:
            raise RecipeError(f"{self.where}: {error}") from error

    def share(self, key: str, default: Decimal) -> Decimal:
        """A number from 0 to 1, exactly as it was written."""
        value = self.values.get(key, default)
        if (
            isinstance(value, bool)
            or not isinstance(value, int | Decimal)
            or Decimal(value).is_nan()
            or not 0 <= value <= 1
            or -int(Decimal(value).as_tuple().exponent) > _MOST_DECIMALS
        ):
            raise self.wrong(key, value, f"a share from 0.0 to 1.0 with at most {_MOST_DECIMALS} decimals")
        return Decimal(value)

    def texts(self, key: str, allowed: str, among: Sequence[str] = ()) -> tuple[str, ...]:
        """A list of different texts, at least one; `among` says which there are (any, if it is empty)."""
        value = self.values.get(key)
        if (
            not isinstance(value, list)
            or not value
            or not all(isinstance(text, str) and text for text in value)
            or len(set(value)) != len(value)
            or (among and not set(value) <= set(among))
        ):
            raise self.wrong(key, value, allowed)
        return tuple(value)


def _shown(value: object) -> str:
    plain = isinstance(value, Decimal) and value.is_finite() and abs(value.adjusted()) <= _MOST_DECIMALS
    text = decimal_text(value) if isinstance(value, Decimal) and plain else repr(value)
    return text if len(text) <= _LONGEST_SHOWN else f"{text[:_LONGEST_SHOWN]}…"
