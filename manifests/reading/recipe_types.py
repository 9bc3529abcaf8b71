"""The recipe in an identity: each key of its kind, none that format 1 does not know (FORMAT.md, section 6). Pure."""

from collections.abc import Callable, Mapping

from manifests.canonical import canonical_bytes
from manifests.errors import FormatError
from manifests.keys import LARGEST_SEED

MOST_RECIPE_BYTES = 1 << 20
COLUMNS = ({"prompt", "response"}, {"prompt", "reasoning", "answer"})
DRAWN = ("first", "reservoir", "shuffle", "hash")

Test = Callable[[object], bool]


def _whole(value: object, least: int = 0, most: int = LARGEST_SEED) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and least <= value <= most


def _one_of(*words: str) -> Test:
    return lambda value: value in words and isinstance(value, str)


def _truth(value: object) -> bool:
    return isinstance(value, bool)


def _table(value: object) -> bool:
    return isinstance(value, dict)


def _range(value: object) -> bool:
    return (
        isinstance(value, list)
        and len(value) == len(("first", "last"))
        and all(_whole(row, 1) for row in value)
        and value[0] <= value[1]
    )


def _take(value: object) -> bool:
    if not isinstance(value, dict):
        return value == "all"
    kinds = [key for key in value if key != "seed"]
    return (
        len(kinds) == 1 and kinds[0] in DRAWN and _whole(value[kinds[0]], 1) and _whole(value.get("seed", 0))
    )


def _columns(value: object) -> bool:
    if not isinstance(value, dict) or set(value) not in COLUMNS:
        return False
    return all(isinstance(name, str) or _whole(name, 1) for name in value.values())


def _language(value: object) -> bool:
    return isinstance(value, str | dict)


def _length(value: object) -> bool:
    return isinstance(value, dict) and set(value) == {"max_chars"} and _whole(value["max_chars"], 1)


TOP: Mapping[str, Test] = {
    "order": _one_of("mixed", "sequential"),
    "seed": _whole,
    "sketch": _truth,
    "disjoint": _table,
    "decontaminate": _table,
    "source": lambda value: isinstance(value, list) and all(isinstance(entry, dict) for entry in value),
}
SOURCE: Mapping[str, Test] = {
    "name": lambda value: isinstance(value, str),
    "header": _truth,
    "columns": _columns,
    "tags": _table,
    "max_row_bytes": lambda value: _whole(value, 1),
    "rows": _range,
    "draw": _one_of("raw", "filtered"),
    "language": _language,
    "length": _length,
    "duplicates": _one_of("drop", "keep"),
    "near": _table,
    "take": _take,
}


def check_recipe(recipe: Mapping[str, object], where: str) -> None:
    """Raise FormatError for a key that is unknown or of another kind, or a recipe that is too large to be one."""
    if (size := len(canonical_bytes(dict(recipe)))) > MOST_RECIPE_BYTES:
        raise FormatError(f"{where}: recipe: {size:,} bytes, at most {MOST_RECIPE_BYTES:,} are read")
    _check(recipe, TOP, f"{where}: recipe")
    entries = recipe.get("source")
    for place, entry in enumerate(entries if isinstance(entries, list) else [], 1):
        _check(entry, SOURCE, f"{where}: recipe, source {place}")


def _check(table: Mapping[str, object], tests: Mapping[str, Test], where: str) -> None:
    for key, value in table.items():
        if key not in tests:
            raise FormatError(f"{where}: unknown keys {ascii(key)[:80]}; a newer version may be needed")
        if not tests[key](value):
            raise FormatError(f"{where}: {key} can't be {ascii(value)[:80]}; not a manifest of this format")
