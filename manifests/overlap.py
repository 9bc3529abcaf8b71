"""Which keys two sets of rows share, for millions of rows in bounded memory. Pure."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa

from manifests.row_keys import OriginNumbers, Places, numbered_keys

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


def first_matches(
    candidates: pa.Table, earlier: Sequence[tuple[str, pa.Table]], tier: str
) -> list[tuple[int, str, str, int]]:
    """Candidates that share a key with earlier manifests: (place of the candidate, id, source, row of the match).

    `earlier` are ids, each with a table of row keys like `candidates`. The match named is the first manifest's that has
    one, there the first in its order. Ascending by place.
    """
    origins = OriginNumbers()
    ours = _frame(numbered_keys(candidates, tier, origins), 0, 1)
    matches: dict[int, tuple[str, str, int]] = {}
    for identifier, table in earlier:
        theirs = _frame(numbered_keys(table, tier, origins), 0, 1)
        on = [name for name in theirs.columns if name != "place"]
        firsts = theirs.group_by(on).agg(pl.col("place").min().alias("match"))
        found = ours.join(firsts, on=on, how="inner").select("place", "match")
        named = table.select(["source", "row"]).take(found["match"].to_arrow())
        for place, source, row in zip(
            found["place"].to_list(), *(column.to_pylist() for column in named.columns), strict=True
        ):
            matches.setdefault(place, (identifier, source, row))
    return [(place, *matches[place]) for place in sorted(matches)]


def _name(table: pa.Table, place: int) -> str:
    row = table.slice(place, 1)
    return f"{row.column('source')[0]}:{row.column('row')[0]}"
