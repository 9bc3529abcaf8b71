"""JSON objects as rows, for the formats whose rows are objects."""

import json
from collections.abc import Sequence

from curation.formats.base import BrokenRowError, Notes
from curation.traces import RawRow, cell

# Numbers are never used. As integers, those of thousands of digits would be refused, how many the interpreter decides.
DECODER = json.JSONDecoder(parse_int=float)
decode = DECODER.decode


# How deep the decoder gets depends on the interpreter and on who called it; this deep it gets everywhere.
DEEPEST = 256


def object_cells(value: object, names: Sequence[str], notes: Notes) -> RawRow:
    """The cells of one row. Raises BrokenRowError if it is no object."""
    if not isinstance(value, dict):
        raise BrokenRowError(f"expected an object, found {_kind(value)}; mend the row or the recipe")
    if any(type(inner) is dict or type(inner) is list for inner in value.values()) and _is_too_deep(value):
        raise BrokenRowError(f"nested deeper than {DEEPEST} levels; leave out what is, no text is in there")
    notes.objects += 1
    if len(notes.found) < len(names):
        notes.found.update(name for name in names if name in value)
    return tuple(
        [text if type(text) is str and text.isascii() else cell(text) for text in map(value.get, names)]
    )


def _is_too_deep(value: object) -> bool:
    level = [value]
    for _ in range(DEEPEST):
        level = [
            inner
            for outer in level
            for inner in (
                outer.values() if isinstance(outer, dict) else outer if isinstance(outer, list) else ()
            )
            if isinstance(inner, dict | list)
        ]
        if not level:
            return False
    return True


def _kind(value: object) -> str:
    kinds = {list: "a list", str: "a string", type(None): "null", bool: "true or false"}
    return kinds.get(type(value), "a number")
