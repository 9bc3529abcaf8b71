"""What is wrong with a dataset: which row and column first, how many rows, and what most likely happened to it."""

from collections.abc import Callable, Sequence
from pathlib import Path

import pyarrow as pa

from manifests.diagnosis.faults import Fault
from manifests.diagnosis.observed import Observed, missing_files, text_at
from manifests.diagnosis.tables import first_difference
from manifests.diagnosis.texts import text_fault
from manifests.fate import frame
from manifests.identity import Identity
from manifests.words import SHORT_ID, count, cut

COMPARED = ("source", "row", "content", "prompt")
RowsOf = Callable[[Identity], pa.Table | None]
_REBUILD = "'curation regenerate' rebuilds the dataset"
_ROW = ["source", "row", "content"]


def dataset_faults(
    folder: Path,
    observed: Observed,
    expected: pa.Table,
    digest: str,
    others: Sequence[Identity],
    rows_of: RowsOf,
) -> list[Fault]:
    """What is wrong with a dataset whose rows must be `expected` (a rows table) with this content digest.

    `others` are manifests whose rows it may hold, `rows_of` gives their rows tables.
    """
    faults = list(observed.faults)
    if absent := missing_files(folder):
        what = f"{count(len(absent), 'file')} missing: {', '.join(absent[:3])}"
        faults.append(Fault("dataset, data", what, cause="an incomplete copy; fetch it again"))
    elif not observed.rows.num_rows and not faults and expected.num_rows:
        what = "no data/train-*.parquet in it"
        faults.append(Fault("dataset, data", what, f"{expected.num_rows:,} rows", "none", cause=_REBUILD))
    if observed.unreadable:
        place, what = min(observed.unreadable.items())
        where = f"dataset, {_name(observed.rows, place)}"
        number = len(observed.unreadable)
        faults.append(
            Fault(where, what, differing=number, of=expected.num_rows, cause=f"a damaged file; {_REBUILD}")
        )
    if faults or observed.digest == digest:
        return faults
    for other in others:
        if observed.digest == other.content_digest:
            cause = f"the dataset of manifest {other.id[:SHORT_ID]} was put here"
            return [Fault("dataset", "it is another manifest's", digest, observed.digest, cause=cause)]
    return [_difference(folder, observed.rows, expected, others, rows_of)]


def _difference(
    folder: Path, observed: pa.Table, expected: pa.Table, others: Sequence[Identity], rows_of: RowsOf
) -> Fault:
    ours, theirs = (table.select(list(COMPARED)) for table in (expected, observed))
    found = first_difference(ours, theirs)
    if found is None:
        return Fault("dataset", "its digest differs, though every row's keys hold", cause=_REBUILD)
    place, column, wanted, seen, differing = found
    where = f"dataset, {_name(expected, place)}"
    if place >= min(ours.num_rows, theirs.num_rows):
        wanted, seen = (f"{table.num_rows:,} rows" for table in (ours, theirs))
        shape = _shape(ours, theirs) or "the number of rows"
        return Fault(where, "another number of rows", wanted, seen, differing, ours.num_rows, shape)
    if shape := _shape(ours, theirs):
        rows = _row(ours, place), _row(theirs, place)
        return Fault(where, "another row stands here", rows[0], rows[1], differing, ours.num_rows, shape)
    for other in others:
        if (held := rows_of(other)) is not None and _same_row(held, observed, place):
            cause = (
                f"the row of manifest {other.id[:SHORT_ID]} stands here: files of its dataset were put here"
            )
            return Fault(where, f"{column} differs", wanted, seen, differing, ours.num_rows, cause)
    if column not in {"content", "prompt"}:
        cause = "rows were lost, added or written anew in several places; " + _REBUILD
        return Fault(where, f"{column} differs", wanted, seen, differing, ours.num_rows, cause)
    return _text_fault(folder, where, expected, place, (wanted, seen, differing))


def _shape(expected: pa.Table, observed: pa.Table) -> str:
    """What happened to the rows as a whole, none of which changed; "" if that is not all that happened."""
    ours, theirs = (frame(table, _ROW).with_row_index("place") for table in (expected, observed))
    matched = theirs.join(ours, on=_ROW, how="left", maintain_order="left")
    places = matched["place_right"]
    added = int(places.null_count())
    distinct = places.drop_nulls().n_unique()
    repeated = theirs.height - added - distinct
    missing = ours.height - distinct
    if added > missing and missing == 0:
        return (
            f"{count(added, 'row')} of no manifest's row were added: somebody appended to it"
            if not repeated
            else ""
        )
    if added:
        return ""
    in_order = bool(places.is_sorted())
    if not missing and not repeated:
        ascending = theirs.select("source", "row").rows() == sorted(theirs.select("source", "row").rows())
        how = "sorted by source and row" if ascending else "shuffled or put together anew"
        return f"only the order differs: all {count(ours.height, 'row')} are here, {how}"
    if not missing:
        return f"every row is here, {count(repeated, 'row')} more than once: files were copied twice"
    if repeated:
        return ""
    if in_order and distinct and places[-1] == distinct - 1:
        return f"{count(missing, 'row')} missing at the end: an incomplete copy"
    first = next((place for place, wanted in enumerate(places) if place != wanted), distinct)
    order = "in their places" if in_order else "and the others stand in another order"
    return f"{count(missing, 'row')} missing, first {_row(expected, first)}: somebody filtered it; {order}"


def _text_fault(
    folder: Path, where: str, expected: pa.Table, place: int, keys: tuple[str, str, int]
) -> Fault:
    """A row whose source and number are right and whose text is not."""
    wanted, seen, differing = keys
    row = {name: expected.column(name)[place].as_py() for name in ("content", "prompt", "chars")}
    trace = text_at(folder, expected.column("chars").to_numpy(), place)
    if trace is None:
        return Fault(where, "the text differs", wanted, seen, differing, expected.num_rows, _REBUILD)
    text = text_fault(trace, row["content"], row["prompt"], row["chars"])
    column = f", column {text.column}" if text.column else ""
    return Fault(
        f"{where}{column}",
        "the text differs",
        f"content {wanted}" if text.expected is None else text.expected,
        f"content {seen}" if text.observed is None else text.observed,
        differing,
        expected.num_rows,
        text.cause,
    )


def _same_row(held: pa.Table, observed: pa.Table, place: int) -> bool:
    if place >= held.num_rows or place >= observed.num_rows:
        return False
    return all(held.column(name)[place].as_py() == observed.column(name)[place].as_py() for name in _ROW)


def _name(rows: pa.Table, place: int) -> str:
    """A row by its place, and by source and row where the table has it."""
    return f"row {place + 1:,}" + (f" ({_row(rows, place)})" if place < rows.num_rows else "")


def _row(rows: pa.Table, place: int) -> str:
    return f"{cut(rows.column('source')[place].as_py())}:{rows.column('row')[place].as_py()}"
