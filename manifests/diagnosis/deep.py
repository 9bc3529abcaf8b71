"""What digests alone do not prove: that order, draws, rejects and parents are what the identity says they are. Pure.

A manifest whose digests hold is one that somebody made; these checks say whether a build would have made it.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa

from manifests.diagnosis.faults import Fault
from manifests.fate import frame
from manifests.identity import DISJOINT, DRAWS, ORDERS, Identity, SourceRecord
from manifests.keys import LARGEST_SEED, order_key
from manifests.ledger import REASONS
from manifests.manifest import Manifest
from manifests.origins import locate_rows
from manifests.reading.row_range import raw_range, recipe_entry
from manifests.words import cut

MIXED, SEQUENTIAL = ORDERS["mixed"], ORDERS["sequential"]
ASCENDING_TAKES = (DRAWS["all"], DRAWS["first"])
_DEFAULT_SEED = 42  # FORMAT.md, section 6
_FORGED = "it was not made by a build of this recipe"
_STAGES = list(REASONS)
_REJECTS = "rejects.parquet"


def order_faults(manifest: Manifest) -> list[Fault]:
    """Whether the rows stand in the order that the identity names."""
    identity, rows = manifest.identity, manifest.rows
    sources = [source.name for source in identity.sources]
    numbered = frame(rows, ["source", "row", "content"]).with_columns(
        pl.col("source").replace_strict(sources, range(len(sources)), return_dtype=pl.UInt32).alias("owner")
    )
    owners, numbers = (numbered[name].to_numpy() for name in ("owner", "row"))
    if identity.order == MIXED:
        seed = identity.recipe.get("seed", _DEFAULT_SEED)
        if not isinstance(seed, int) or not 0 <= seed <= LARGEST_SEED:
            return [
                Fault("manifest.json, field recipe.seed", "no seed", observed=cut(str(seed)), cause=_FORGED)
            ]
        hashed = b"".join(order_key(seed, content) for content in numbered["content"])
        halves = np.frombuffer(hashed, ">u8").reshape(-1, 2)
        keys: list[npt.NDArray[np.unsignedinteger[Any]]] = [halves[:, 0], halves[:, 1], owners, numbers]
        what = f"the order is not {MIXED} with seed {seed}"
    elif identity.order == SEQUENTIAL:
        keys, what = [owners], "the sources do not stand one after another, in the recipe's order"
    else:
        return []
    return _descents(rows, keys, f"rows.parquet, order {identity.order}", what)


def _descents(
    rows: pa.Table, keys: Sequence[npt.NDArray[np.unsignedinteger[Any]]], where: str, what: str
) -> list[Fault]:
    """A fault for rows that stand behind one with a larger key; the first key decides, ties go to the next."""
    wrong = np.zeros(max(0, rows.num_rows - 1), dtype=bool)
    tied = np.ones_like(wrong)
    for key in keys:
        wrong |= tied & (key[:-1] > key[1:])
        tied &= key[:-1] == key[1:]
    places = np.flatnonzero(wrong)
    if not len(places):
        return []
    names = [_row(rows, int(places[0]) + step) for step in (1, 0)]
    place = f"{where}, row {int(places[0]) + 2:,}"
    return [
        Fault(
            place,
            what,
            f"{names[0]} before {names[1]}",
            f"it after {names[1]}",
            len(places),
            rows.num_rows,
            _FORGED,
        )
    ]


def take_faults(manifest: Manifest) -> list[Fault]:
    """Whether `all` and `first` took every candidate from the beginning, in upstream order.

    A row of the raw range, up to the last taken (of `all`: of the whole range), that is neither here nor rejected is
    one that they would have taken.
    """
    faults: list[Fault] = []
    for source in manifest.identity.sources:
        take = manifest.identity.takes[source.name]
        if take not in ASCENDING_TAKES:
            continue
        taken, rejected = (_numbers(table, source.name) for table in (manifest.rows, manifest.rejects))
        where = f"rows.parquet, source {source.name}, taken by {take}"
        if manifest.identity.order == SEQUENTIAL and len(down := np.flatnonzero(taken[:-1] > taken[1:])):
            pair = f"{taken[down[0]]:,} then {taken[down[0] + 1]:,}"
            faults.append(
                Fault(where, "not in upstream order", "ascending rows", pair, len(down), len(taken), _FORGED)
            )
        first, end = raw_range(manifest.identity, source)
        if take != DRAWS["all"]:
            end = int(taken.max()) if len(taken) else first - 1
        seen = np.union1d(taken, rejected)
        expected = end - first + 1
        inside = int(((seen >= first) & (seen <= end)).sum())
        if inside != expected:
            missing = _first_missing(seen, first)
            what = "a row that the draw would have taken is neither here nor rejected"
            shown = f"{source.name}:{missing}"
            faults.append(Fault(where, what, shown, "not there", expected - inside, expected, _FORGED))
    return faults


def _first_missing(seen: npt.NDArray[np.uint64], first: int) -> int:
    inside = seen[seen >= first]
    gaps = np.flatnonzero(inside != np.arange(first, first + len(inside), dtype=np.uint64))
    return first + int(gaps[0] if len(gaps) else len(inside))


def duplicate_faults(manifest: Manifest) -> list[Fault]:
    """Whether a content stands twice where the later row's source drops duplicates."""
    sources = [source.name for source in manifest.identity.sources]
    dropping = [name for name in sources if name not in _keeping(manifest.identity)]
    rows = (
        frame(manifest.rows, ["source", "row", "content"])
        .with_columns(pl.col("source").replace_strict(sources, range(len(sources))).alias("owner"))
        .sort("owner", "row")
    )
    again = rows.filter(~pl.col("content").is_first_distinct() & pl.col("source").is_in(dropping))
    if not again.height:
        return []
    source, row, content = again.select("source", "row", "content").row(0)
    kept = rows.filter(pl.col("content") == content).row(0, named=True)
    what = "its content stands twice, and its source drops duplicates"
    shown = f"the content of {kept['source']}:{kept['row']} once"
    where = f"rows.parquet, {source}:{row}"
    return [Fault(where, what, shown, content.hex(), again.height, rows.height, _FORGED)]


def _keeping(identity: Identity) -> set[str]:
    names = [source.name for source in identity.sources]
    return {name for name in names if recipe_entry(identity, name).get("duplicates") == "keep"}


def reject_faults(manifest: Manifest) -> list[Fault]:
    """Whether the rejects stand in order, and the kept rows that they name can have been kept."""
    sources = [source.name for source in manifest.identity.sources]
    rejects = frame(manifest.rejects, manifest.rejects.column_names).with_columns(
        pl.col("source").replace_strict(sources, range(len(sources)), return_dtype=pl.UInt32).alias("owner"),
        pl.col("stage").replace_strict(_STAGES, range(len(_STAGES)), return_dtype=pl.UInt32).alias("step"),
    )
    keys = [rejects[name].to_numpy() for name in ("owner", "row")]
    faults = _descents(manifest.rejects, keys, _REJECTS, "the rejects do not stand by source, then by row")
    own = rejects.filter((pl.col("kept_source") != "") & pl.col("kept_manifest").is_in(["", manifest.id]))
    named = {"source": "kept_source", "row": "kept_row"}
    held = frame(manifest.rows, ["source", "row"]).with_columns(pl.lit(value=True).alias("here"))
    later = rejects.select("source", "row", pl.col("step").alias("left_at"))
    joined = own.join(held, left_on=list(named.values()), right_on=list(named), how="left").join(
        later, left_on=list(named.values()), right_on=list(named), how="left"
    )
    joined = joined.join(_ranges(manifest.identity), left_on="kept_source", right_on="source", how="left")
    could_be = (
        pl.col("here").fill_null(value=False)
        | (pl.col("left_at") > pl.col("step")).fill_null(value=False)
        | (
            pl.col("left_at").is_null()
            & pl.col("kept_row").is_between(pl.col("first"), pl.col("end")).fill_null(value=False)
        )
    )
    wrong = joined.filter(~could_be).sort("owner", "row")
    return [*faults, *_kept_fault(wrong, "neither here, nor rejected later, nor not taken", own.height)]


def _ranges(identity: Identity) -> pl.DataFrame:
    """Of each source the first and the last row that its manifest looked at."""
    ranges = [(source.name, *raw_range(identity, source)) for source in identity.sources]
    schema = {"source": pl.String, "first": pl.UInt64, "end": pl.UInt64}
    return pl.DataFrame(ranges, schema=schema, orient="row")


def _kept_fault(wrong: pl.DataFrame, what: str, of: int) -> list[Fault]:
    if not wrong.height:
        return []
    row = wrong.row(0, named=True)
    kept = f"{row['kept_source']}:{row['kept_row']}"
    where = f"{_REJECTS}, {row['source']}:{row['row']}, rejected at {row['stage']}"
    return [
        Fault(
            where,
            f"the row kept for it is {what}",
            "a row that was kept",
            cut(kept),
            wrong.height,
            of,
            _FORGED,
        )
    ]


def parent_faults(manifest: Manifest, parent: Manifest, relation: str) -> list[Fault]:
    """Whether nothing here is in a disjoint parent, and whether the rows kept there are rows of the parent."""
    rejects = frame(manifest.rejects, manifest.rejects.column_names).filter(
        pl.col("kept_manifest") == parent.id
    )
    held = frame(parent.rows, ["source", "row"])
    wrong = rejects.join(held, left_on=["kept_source", "kept_row"], right_on=["source", "row"], how="anti")
    faults = _kept_fault(wrong, f"not in its manifest {parent.id[:12]}", rejects.height)
    if relation != DISJOINT:
        return faults
    ours, theirs = (_origins(one) for one in (manifest, parent))
    for keys, what in ((["origin", "within"], "origin row"), (["content"], "content")):
        shared = ours.join(theirs.select(keys).unique(), on=keys, how="semi", maintain_order="left")
        if shared.height:
            source, row = shared.select("source", "row").row(0)
            text = f"its {what} is in the disjoint parent {parent.id[:12]}"
            faults.append(
                Fault(
                    f"rows.parquet, {source}:{row}",
                    text,
                    "none of its rows",
                    None,
                    shared.height,
                    ours.height,
                    _FORGED,
                )
            )
    return faults


def stranger_faults(manifest: Manifest) -> list[Fault]:
    """Whether the manifests named by the rejects are disjoint parents."""
    parents = [parent.id for parent in manifest.identity.parents if parent.relation == DISJOINT]
    rejects = frame(manifest.rejects, manifest.rejects.column_names).filter(pl.col("kept_manifest") != "")
    wrong = rejects.filter(~pl.col("kept_manifest").is_in(parents))
    return _kept_fault(wrong, "of a manifest that is no disjoint parent", rejects.height)


def _origins(manifest: Manifest) -> pl.DataFrame:
    parts = [_source_origins(manifest, source) for source in manifest.identity.sources]
    return pl.concat(parts)


def _source_origins(manifest: Manifest, source: SourceRecord) -> pl.DataFrame:
    rows = frame(manifest.rows, ["source", "row", "content"]).filter(pl.col("source") == source.name)
    origins, within = locate_rows(source, rows["row"].to_numpy())
    return rows.with_columns(
        pl.Series("origin", [bytes(key) for key in origins], dtype=pl.Binary),
        pl.Series("within", within, dtype=pl.UInt64),
    )


def _numbers(table: pa.Table, source: str) -> npt.NDArray[np.uint64]:
    return frame(table, ["source", "row"]).filter(pl.col("source") == source)["row"].to_numpy()


def _row(table: pa.Table, place: int) -> str:
    return f"{cut(table.column('source')[place].as_py())}:{table.column('row')[place].as_py()}"
