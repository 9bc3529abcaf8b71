"""Which keys two sets of rows share, for millions of rows in few bytes each."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa

from manifests.manifest import Manifest
from manifests.origins import KeyBytes
from manifests.row_keys import (
    CONTENT,
    ROW,
    KeyColumns,
    OriginNumbers,
    Places,
    key_columns,
    names_of_rows,
    numbered_keys,
    whole_keys,
)

Keys = npt.NDArray[np.uint64]
"""Keys of rows as numbers: shape (rows, 2), or (rows,) where one number is enough."""

_PART_ROWS = 1 << 22
"""Keys are compared in parts of about so many rows, so that a join's tables stay small beside the keys."""


class SharedKeys(NamedTuple):
    """What two sets of rows share: how many distinct keys, and the places of the rows that have them, ascending."""

    keys: int
    first_places: Places
    second_places: Places


def shared_keys(first: Keys, second: Keys) -> SharedKeys:
    """The keys that both have."""
    parts = 1
    while parts * _PART_ROWS < max(len(first), len(second)):
        parts *= 2
    found = [_shared_in(first, second, part, parts) for part in range(parts)]
    return SharedKeys(
        sum(part.keys for part in found),
        np.sort(np.concatenate([part.first_places for part in found])),
        np.sort(np.concatenate([part.second_places for part in found])),
    )


def first_pairs(first: Keys, second: Keys, shared: SharedKeys, most: int) -> list[tuple[int, int]]:
    """(place in the first, place in the second) of the first rows of the second with keys that both have.

    Each key once, and of the first the first row that has it; at most `most` pairs.
    """
    pairs: dict[bytes, tuple[int, int]] = {}
    for place in shared.second_places.tolist():
        if len(pairs) == most:
            break
        if (name := second[place].tobytes()) not in pairs:
            same = first[shared.first_places] == second[place]
            chosen = same.all(axis=1) if same.ndim > 1 else same
            pairs[name] = int(shared.first_places[chosen.argmax()]), place
    return list(pairs.values())


def _shared_in(first: Keys, second: Keys, part: int, parts: int) -> SharedKeys:
    """What is shared among the keys of one part: those whose last number leaves this remainder."""
    left, right = (_frame(keys, part, parts) for keys in (first, second))
    on = [name for name in left.columns if name != "place"]
    in_second = right.join(left.select(on), on=on, how="semi")
    in_first = left.join(in_second.select(on), on=on, how="semi")
    keys = in_first.select(on).n_unique() if in_first.height else 0
    return SharedKeys(keys, *(frame["place"].to_numpy() for frame in (in_first, in_second)))


def _frame(keys: Keys, part: int, parts: int) -> pl.DataFrame:
    if parts == 1:
        places = np.arange(len(keys))
    else:
        last = keys if keys.ndim == 1 else keys[:, 1]
        places = np.flatnonzero((last & np.uint64(parts - 1)) == part)
        keys = keys[places]
    columns = [keys] if keys.ndim == 1 else [keys[:, 0], keys[:, 1]]
    numbers = {f"number{count}": np.ascontiguousarray(column) for count, column in enumerate(columns)}
    return pl.DataFrame({**numbers, "place": places})


def shared_rows(first: pa.Table, second: pa.Table, tier: str, most: int) -> tuple[int, list[tuple[str, str]]]:
    """What two tables of row keys share in a tier: how many distinct keys, and up to `most` examples.

    An example is a row of the first and a row of the second, as `source:row`.
    """
    origins = OriginNumbers()
    keys = numbered_keys(first, tier, origins), numbered_keys(second, tier, origins)
    found = shared_keys(*keys)
    examples = [(_name(first, here), _name(second, there)) for here, there in first_pairs(*keys, found, most)]
    return found.keys, examples


class ComparedRows(NamedTuple):
    """Rows by their keys: `rows` as `packed_rows` has them, `contents` of shape (rows, 16)."""

    rows: npt.NDArray[np.uint64]
    contents: KeyBytes


class HeldRow(NamedTuple):
    """A row by its place, and the row of a manifest, by its id, that shares its key of a tier."""

    place: int
    tier: str
    manifest: str
    source: str
    row: int


def rows_held_earlier(
    compared: Sequence[ComparedRows], earlier: Sequence[Manifest], origins: OriginNumbers
) -> list[list[HeldRow]]:
    """For each set of rows those that earlier manifests hold, ascending by place, each once.

    The row named is one of the row tier if there is any, else of the content tier; in a tier it is of the first
    manifest that has one, and there the first row. `origins` are those that `compared` were packed by. Memory: 26 bytes
    a row of one of the manifests at a time, and an object for each row that is held.
    """
    found: list[dict[str, dict[int, HeldRow]]] = [{ROW: {}, CONTENT: {}} for _ in compared]
    for manifest in earlier:
        columns = key_columns(manifest, origins)
        for rows, tiers in zip(compared, found, strict=True):
            pairs = {
                ROW: _first_matches(rows.rows, columns.row),
                CONTENT: _same_content(rows.contents, manifest, columns),
            }
            names = names_of_rows(manifest, np.concatenate([theirs for _, theirs in pairs.values()]).tolist())
            for tier, (places, theirs) in pairs.items():
                for place, row in zip(places.tolist(), theirs.tolist(), strict=True):
                    tiers[tier].setdefault(place, HeldRow(place, tier, manifest.id, *names[row]))
        del columns  # before the next manifest's come
    return [[row for _, row in sorted((tiers[CONTENT] | tiers[ROW]).items())] for tiers in found]


def _first_matches(ours: Keys, theirs: Keys) -> tuple[Places, Places]:
    """The places in the first of keys that the second has too, ascending, and of each its first place in the second."""
    shared = shared_keys(ours, theirs)
    left, right = _frame(ours[shared.first_places], 0, 1), _frame(theirs[shared.second_places], 0, 1)
    on = [name for name in right.columns if name != "place"]
    firsts = right.group_by(on).agg(pl.col("place").min().alias("match"))
    found = left.join(firsts, on=on, how="inner").sort("place")
    return shared.first_places[found["place"].to_numpy()], shared.second_places[found["match"].to_numpy()]


def _same_content(contents: KeyBytes, manifest: Manifest, columns: KeyColumns) -> tuple[Places, Places]:
    """As `_first_matches`: by the halves of the keys first, then by the whole keys of those that share one."""
    whole = contents.view(np.uint64).reshape(-1, 2)
    halves = shared_keys(whole[:, 1], columns.content)
    theirs = whole_keys(manifest, CONTENT, halves.second_places)
    places, matches = _first_matches(whole[halves.first_places], theirs)
    return halves.first_places[places], halves.second_places[matches]


def _name(table: pa.Table, place: int) -> str:
    row = table.slice(place, 1)
    return f"{row.column('source')[0]}:{row.column('row')[0]}"
