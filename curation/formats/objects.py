"""JSON objects as rows, for the formats whose rows are objects."""

import json
from collections.abc import Sequence

from curation.formats.base import BrokenRowError, Notes
from curation.traces import RawRow, cell

# Numbers are never used. As integers, those of thousands of digits would be refused, how many the interpreter decides.
DECODER = json.JSONDecoder(parse_int=float)
decode = DECODER.decode


def object_cells(value: object, names: Sequence[str], notes: Notes) -> RawRow:
    """The cells of one row. Raises BrokenRowError if it is no object."""
    if not isinstance(value, dict):
        raise BrokenRowError(f"expected an object, found {_kind(value)}; mend the row or the recipe")
    notes.objects += 1
    if len(notes.found) < len(names):
        notes.found.update(name for name in names if name in value)
    return tuple(
        [text if type(text) is str and text.isascii() else cell(text) for text in map(value.get, names)]
    )


def _kind(value: object) -> str:
    kinds = {list: "a list", str: "a string", type(None): "null", bool: "true or false"}
    return kinds.get(type(value), "a number")
