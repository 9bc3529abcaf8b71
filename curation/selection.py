"""The stages that look at one row at a time, and those that look at keys: from sources to the rows of a mix.

Everything here works on the pools of `curation.pool`; the text of a row is seen once, by `curation.scan`, and let go.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from curation import sampling
from curation.decontamination import Questions
from curation.errors import GuardError, OverlapError, SourceError
from curation.formats.base import BrokenRowError
from curation.near.search import find_near
from curation.pool import Pool, Reject, close_stage
from curation.progress import Progress
from curation.scan import Chosen, Job, KeyBytes, Numbers, RowKeys, index, job_of, joined, scan, scan_chosen
from curation.source_rows import SourceRows
from curation.spill import SpillReader
from curation.texts import cuts, held_rows, read_traces
from curation.workers.base import Workers
from manifests.keys import Trace
from manifests.ledger import NOT_TAKEN, Stage
from manifests.origins import locate_rows
from manifests.overlap import first_matches

SAME_CONTENT = "same-content"
SAME_ROW = "same-row"
NEAR_DUPLICATE = "near-duplicate"

_HASHED_ROWS = 1 << 18  # rows of a part of a draw by hash


def select(
    source: SourceRows,
    seed: int,
    questions: Questions | None,
    folder: Path,
    workers: Workers,
    progress: Progress,
) -> Pool:
    """The stages of one source that need its text: `rows`, `parse`, `language`, `length`, `decontaminate`.

    For a raw draw, `take` (and a script rule before it) comes right after `rows`. Texts that are known to be taken are
    put aside in `folder`.
    """
    recipe, job = source.recipe, job_of(source.recipe, questions)
    progress.begin(f"{recipe.name}: reading", source.size_to_read())
    if recipe.draw_raw:
        return _select_raw(source, seed, job, workers, progress)
    if recipe.take.kind == "all":
        job = replace(job, spill=folder)
    read, parts, rejects = 0, list[RowKeys](), list[Reject]()
    for piece in source.read(workers, scan, job, progress):
        read += piece.end - piece.begin
        keys = piece.result.keys
        if keys is None:
            continue
        numbers = keys.rows + np.uint64(piece.before + 1)
        inside = slice(*np.searchsorted(keys.rows, np.array([piece.begin, piece.end], np.uint64)).tolist())
        parts.append(replace(keys, rows=numbers).at(inside))
        rejects += [
            Reject(recipe.name, piece.before + 1 + row, *verdict)
            for row, verdict in piece.result.rejects
            if piece.begin <= row < piece.end
        ]
    stages = [Stage("rows", read, read, {})]
    return _pool(source, job, joined(parts), stages, rejects, None)


def _select_raw(source: SourceRows, seed: int, job: Job, workers: Workers, progress: Progress) -> Pool:
    """A raw draw: where the rows are is found out first, then only the drawn ones are looked at."""
    recipe = source.recipe
    indexing = replace(job, language=recipe.language if recipe.script_first else None)
    numbers, places, rejects = list[Numbers](), list[Numbers](), list[Reject]()
    read = 0
    for piece in source.read(workers, index, indexing, progress):
        read += piece.end - piece.begin
        rows = np.arange(piece.begin, piece.end, dtype=np.uint64)
        numbers.append(rows + np.uint64(piece.before + 1))
        places.append(piece.result.places[piece.begin : piece.end])
        rejects += [
            Reject(recipe.name, piece.before + 1 + row, "language", *verdict)
            for row, verdict in piece.result.barred.items()
            if piece.begin <= row < piece.end
        ]
    rows, where = np.concatenate(numbers), np.concatenate(places)
    stages, kept = [Stage("rows", read, read, {})], list[Reject]()
    if recipe.script_first:
        close_stage(recipe, stages, kept, "language", read, rejects)
        left = ~np.isin(rows, np.array([reject.row for reject in rejects], np.uint64))
        rows, where = rows[left], where[left]
    drawn = _draw(source, rows, seed, workers)
    stages.append(_take_stage(len(rows), len(drawn)))
    ascending = np.sort(np.array(drawn, np.int64))
    chosen = chunks_of(source, rows[ascending], where[ascending])
    parts = list[RowKeys]()
    judged = list[Reject]()
    for part, result in workers.ordered(scan_chosen, job, chosen):
        if result.broken or result.unreadable:
            raise SourceError(
                f"source {recipe.name}: {part.file.here}: it changed while it was being read; build again"
            )
        if result.keys is not None:
            parts.append(result.keys)
        judged += [Reject(recipe.name, row, *verdict) for row, verdict in result.rejects]
    pool = _pool(source, job, joined(parts), stages, judged, rows[drawn].tolist())
    pool.rejects[:0] = kept
    return pool


def chunks_of(source: SourceRows, numbers: Numbers, places: Numbers) -> Iterator[Chosen]:
    """Chosen rows of a source, by file, a few at a time; `numbers` ascend."""
    for held in held_rows(source.record, source.files, source.heads, numbers, places):
        for begin, end in cuts(held):
            yield Chosen(held.file, held.head, held.places[begin:end], held.numbers[begin:end])


def _pool(
    source: SourceRows,
    job: Job,
    keys: RowKeys,
    stages: list[Stage],
    rejects: Sequence[Reject],
    order: list[int] | None,
) -> Pool:
    """Close the stages that judged row by row."""
    recipe, kept = source.recipe, list[Reject]()
    for stage, asked in (
        ("parse", True),
        ("language", job.language is not None),
        ("length", job.max_chars is not None),
        ("decontaminate", job.questions is not None),
    ):
        if asked:
            dropped = [reject for reject in rejects if reject.stage == stage]
            close_stage(recipe, stages, kept, stage, stages[-1].rows_out, dropped)
    return Pool(source, job, keys, stages, kept, order)


def drop_duplicates(pool: Pool, workers: Workers) -> None:
    """The stage `duplicates`: of equal rows of a source the lowest stays."""
    if pool.recipe.keep_duplicates:
        return
    numbers, firsts = pool.keys.rows, workers.first_places(pool.keys.contents)
    repeated = np.flatnonzero(firsts != np.arange(len(firsts)))
    pool.reject(
        "duplicates",
        [
            (int(place), _equal_to(pool, int(place), "duplicates", pool.name, int(numbers[firsts[place]])))
            for place in repeated
        ],
    )


def drop_near(pool: Pool, folder: Path, progress: Progress) -> list[str]:
    """The stage `near`: of near duplicates the lowest row stays; what was dropped was verified on the text.

    Tells how many pairs were proposed and verified, if the stage is asked for.
    """
    near = pool.recipe.near
    if near is None:
        return []
    progress.begin(f"{pool.name}: near duplicates")
    places = pool.places
    numbers = pool.keys.rows
    result = find_near(
        pool.keys.bands[places], near, lambda asked: _traces(pool, places[np.asarray(asked)], folder)
    )
    pool.reject(
        "near",
        [
            (
                int(places[dropped]),
                Reject(
                    *(pool.name, int(numbers[places[dropped]]), "near", NEAR_DUPLICATE, "", ""),
                    *(pool.name, int(numbers[places[kept]])),
                ),
            )
            for dropped, kept in result.pairs.tolist()
        ],
    )
    skipped = f", {result.skipped:,} left out by the bound" if result.skipped else ""
    counts = (
        f"{result.candidates:,} candidates, {result.verified:,} verified, {len(result.pairs):,} rows dropped"
    )
    return [f"near duplicates of {pool.name}: {counts}{skipped}"]


def _traces(pool: Pool, places: npt.NDArray[np.int64], folder: Path) -> Iterator[Trace]:
    """The traces at ascending places of a pool, read once more."""
    if pool.job.spill is not None:
        with SpillReader(folder) as texts:
            yield from texts.traces(pool.keys.texts[places])
        return
    numbers, wheres = pool.keys.rows[places], pool.keys.places[places]
    for held in held_rows(pool.record, pool.source.files, pool.source.heads, numbers, wheres):
        found = read_traces(held.file, pool.job, held.head, held.places.tolist())
        for number in held.numbers.tolist():
            try:
                trace = next(found, None)
            except BrokenRowError:
                trace = None
            if not isinstance(trace, Trace):
                raise SourceError(
                    f"source {pool.name}, row {number}: it changed while it was being read; build again"
                )
            yield trace


def drop_across(pools: Sequence[Pool], workers: Workers) -> None:
    """The stage `across`: of equal rows of several sources the first source's stays, there the lowest row."""
    places = [pool.places for pool in pools]
    owners = np.repeat(np.arange(len(pools)), [len(of_pool) for of_pool in places])
    own_places = np.concatenate(places)
    firsts = workers.first_places(
        np.concatenate([pool.keys.contents[of_pool] for pool, of_pool in zip(pools, places, strict=True)])
    )
    repeated = np.flatnonzero(firsts != np.arange(len(firsts)))
    for number, pool in enumerate(pools):
        if pool.recipe.keep_duplicates:
            continue
        dropped = []
        for entry in repeated[owners[repeated] == number]:
            kept = pools[owners[firsts[entry]]]
            kept_row = int(kept.keys.rows[own_places[firsts[entry]]])
            place = int(own_places[entry])
            dropped.append((place, _equal_to(pool, place, "across", kept.name, kept_row)))
        pool.reject("across", dropped)


def drop_overlap(pools: Sequence[Pool], earlier: Sequence[tuple[str, pa.Table]], *, drop: bool) -> None:
    """The stage `disjoint`: what an earlier manifest holds, by origin row or by content, is dropped or refused.

    `earlier` are ids, each with its manifest's row keys. Raises OverlapError, with the number of rows shared, when
    it is not to be dropped.
    """
    found = []
    for pool in pools:
        places = pool.places
        table = pool.key_table(places)
        matches: dict[int, Reject] = {}
        for tier, reason in (("row", SAME_ROW), ("content", SAME_CONTENT)):
            for entry, manifest, source, row in first_matches(table, earlier, tier):
                place = int(places[entry])
                number = int(pool.keys.rows[place])
                matches.setdefault(
                    place, Reject(pool.name, number, "disjoint", reason, "", manifest, source, row)
                )
        found.append(sorted(matches.items()))
    shared = [reject for dropped in found for _, reject in dropped]
    if shared and not drop:
        first = shared[0]
        raise OverlapError(
            f"{len(shared):,} rows are in an earlier manifest, the first {first.source}:{first.row} "
            f"({first.reason} as {first.kept_source}:{first.kept_row} of {first.kept_manifest[:12]}); "
            'change the range, or set on_overlap = "drop"'
        )
    for pool, dropped in zip(pools, found, strict=True):
        pool.reject("disjoint", dropped)


def take(pool: Pool, seed: int, workers: Workers) -> npt.NDArray[np.int64]:
    """The stage `take`: the places of the rows drawn, in the order of the draw.

    After a raw draw nothing is drawn any more: what is left of it stays in its order. TakeError when too few are left.
    """
    places = pool.places
    if pool.order is not None:
        by_row = dict(zip(pool.keys.rows[places].tolist(), places.tolist(), strict=True))
        return np.array([by_row[row] for row in pool.order if row in by_row], np.int64)
    drawn = _draw(pool.source, pool.keys.rows[places], seed, workers)
    pool.stages.append(_take_stage(len(places), len(drawn)))
    return places[np.asarray(drawn, np.int64)]


def check_expectations(pools: Iterable[Pool]) -> None:
    """Raise GuardError where a source has fewer rows than expected, or another number."""
    for pool in pools:
        expect, rows = pool.recipe.expect, pool.ledger.rows
        if expect.rows is not None and rows != expect.rows:
            wanted = f"exactly {expect.rows:,}"
        elif expect.minimum is not None and rows < expect.minimum:
            wanted = f"at least {expect.minimum:,}"
        else:
            continue
        raise GuardError(
            f"source {pool.name}: {rows:,} rows in the finished manifest, expect says {wanted}; "
            f"the stages left {', '.join(f'{stage.stage} {stage.rows_out:,}' for stage in pool.stages)}"
        )


def _draw(source: SourceRows, rows: Numbers, seed: int, workers: Workers) -> Sequence[int]:
    """The places, among candidates with these row numbers, that the source's take draws, in the order of the draw."""

    def smallest(wanted: int, seed: int) -> list[int]:
        origins, within = locate_rows(source.record, rows)
        parts = (
            (begin, origins[begin : begin + _HASHED_ROWS], within[begin : begin + _HASHED_ROWS])
            for begin in range(0, len(rows), _HASHED_ROWS)
        )
        found = [hashed for _, hashed in workers.ordered(_smallest_of_part, (wanted, seed), parts)]
        return sampling.merge_smallest(found, wanted)

    return sampling.draw(source.recipe.take, seed, len(rows), smallest, source.recipe.name)


def _smallest_of_part(asked: tuple[int, int], part: tuple[int, KeyBytes, Numbers]) -> list[tuple[bytes, int]]:
    (wanted, seed), (first, origins, within) = asked, part
    pairs = zip(map(bytes, origins), within.tolist(), strict=True)
    return sampling.smallest_of(pairs, wanted, seed, first)


def _take_stage(rows_in: int, taken: int) -> Stage:
    return Stage("take", rows_in, taken, {NOT_TAKEN: rows_in - taken} if rows_in > taken else {})


def _equal_to(pool: Pool, place: int, stage: str, kept_source: str, kept_row: int) -> Reject:
    return Reject(pool.name, int(pool.keys.rows[place]), stage, SAME_CONTENT, "", "", kept_source, kept_row)
