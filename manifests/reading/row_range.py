"""The raw range of a source: the rows that its manifest looked at. Pure."""

from collections.abc import Mapping

from manifests.identity import Identity, SourceRecord


def recipe_entry(identity: Identity, source: str) -> Mapping[str, object]:
    """What the recipe in an identity says of a source; nothing, if it does not name it."""
    entries = identity.recipe.get("source")
    for entry in entries if isinstance(entries, list) else []:
        if isinstance(entry, dict) and entry.get("name") == source:
            return entry
    return {}


def raw_range(identity: Identity, source: SourceRecord) -> tuple[int, int]:
    """The first and the last row of a source that a manifest looked at: what `rows` says, else all of its files."""
    rows = recipe_entry(identity, source.name).get("rows")
    if (
        isinstance(rows, list)
        and len(rows) == len(("first", "last"))
        and all(type(row) is int for row in rows)
    ):
        return rows[0], rows[1]
    return source.files[0].first_row, source.files[-1].last_row
