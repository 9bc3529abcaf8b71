"""The stages that look at one row at a time, and those that look at keys: from sources to the rows of a mix.

Everything here works on the pools of `curation.pool`; the text of a row is seen once, by `curation.scan`, and let go.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import numpy as np

from curation import sampling
from curation.candidates import Candidates
from curation.decontamination import Questions
from curation.errors import GuardError, OverlapError, SourceError
from curation.formats.base import BrokenRowError
from curation.near.search import find_near
from curation.pool import Pool, close_stage
from curation.progress import Progress
from curation.rejects import Rejects, Why
from curation.scan import Chosen, Index, Job, KeyBytes, Numbers, index, job_of, scan, scan_chosen
from curation.shelf import Places, Records, Shelf
from curation.source_rows import Piece, SourceRows
from curation.spill import SpillReader
from curation.texts import cuts, held_rows, read_traces
from curation.workers.base import Workers
from manifests.keys import Trace
from manifests.ledger import NOT_TAKEN, Stage
from manifests.manifest import Manifest
from manifests.origins import locate_rows
from manifests.overlap import ComparedRows, rows_held_earlier
from manifests.row_keys import CONTENT, ROW, OriginNumbers, packed_rows

SAME_CONTENT = "same-content"
SAME_ROW = "same-row"
NEAR_DUPLICATE = "near-duplicate"

_REASONS = {ROW: SAME_ROW, CONTENT: SAME_CONTENT}
HASHED_ROWS = 1 << 18  # rows of a part of a draw by hash
_RAW_ROW = np.dtype([("row", "<u8"), ("place", "<u8")])


def select(
    source: SourceRows,
    seed: int,
    questions: Questions | None,
    folder: Path,
    stack: ExitStack,
    workers: Workers,
    progress: Progress,
) -> Pool:
    """The stages of one source that need its text: `rows`, `parse`, `language`, `length`, `decontaminate`.

    For a raw draw, `take` (and a script rule before it) comes right after `rows`. What waits is put aside in `folder`:
    the texts that are known to be taken, and what no stage compares, which is gone with `stack`.
    """
    recipe, job = source.recipe, job_of(source.recipe, questions)
    progress.begin(f"{recipe.name}: reading", source.size_to_read())
    if recipe.draw_raw:
        return _select_raw(source, seed, job, folder, stack, workers, progress)
    if recipe.take.kind == "all":
        job = replace(job, spill=folder)
    read, candidates, rejects = 0, Candidates(job, folder, stack), Rejects()
    for piece in source.read(workers, scan, job, progress):
        read += piece.end - piece.begin
        for row, verdict in piece.result.rejects:
            if piece.begin <= row < piece.end:
                rejects.add(piece.before + 1 + row, Why(*verdict))
        if (keys := piece.result.keys) is not None:
            inside = slice(
                *np.searchsorted(keys.rows, np.array([piece.begin, piece.end], np.uint64)).tolist()
            )
            candidates.add(replace(keys, rows=keys.rows + np.uint64(piece.before + 1)).at(inside))
    return _pool(source, job, candidates, [Stage("rows", read, read, {})], rejects, None)


def _select_raw(
    source: SourceRows,
    seed: int,
    job: Job,
    folder: Path,
    stack: ExitStack,
    workers: Workers,
    progress: Progress,
) -> Pool:
    """A raw draw: where the rows are is found out first, then only the drawn ones are looked at."""
    recipe = source.recipe
    indexing = replace(job, language=recipe.language if recipe.script_first else None)
    read, rejects, stages = 0, Rejects(), list[Stage]()
    with Shelf(folder, _RAW_ROW) as rows:
        for piece in source.read(workers, index, indexing, progress):
            read += piece.end - piece.begin
            rows.append(_raw_rows(piece))
            for row, script in piece.result.barred.items():
                if piece.begin <= row < piece.end:
                    rejects.add(piece.before + 1 + row, Why("language", *script))
        stages.append(Stage("rows", read, read, {}))
        if recipe.script_first:
            close_stage(recipe, stages, rejects, "language", read)
        starts = range(0, len(rows), HASHED_ROWS)
        blocks = (np.arange(start, min(start + HASHED_ROWS, len(rows))) for start in starts)
        drawn = np.asarray(
            _draw(source, len(rows), (rows.at(block, "row")[0] for block in blocks), seed, workers), np.int64
        )
        stages.append(_take_stage(len(rows), len(drawn)))
        numbers, places = rows.at(drawn, "row", "place")
    ascending = np.argsort(numbers)
    chosen = chunks_of(source, numbers[ascending], places[ascending])
    candidates = Candidates(job, folder, stack)
    for part, result in workers.ordered(scan_chosen, job, chosen):
        source.check_same(part.file, result.seen)
        if result.broken or result.unreadable:
            raise SourceError(
                f"source {recipe.name}: {part.file.here}: it changed while it was being read; build again"
            )
        if result.keys is not None:
            candidates.add(result.keys)
        for row, verdict in result.rejects:
            rejects.add(row, Why(*verdict))
    return _pool(source, job, candidates, stages, rejects, numbers.tolist())


def _raw_rows(piece: Piece[Index]) -> Records:
    """The rows of a piece that no script bars."""
    inside = np.arange(piece.begin, piece.end, dtype=np.uint64)
    inside = inside[~np.isin(inside, np.array(list(piece.result.barred), np.uint64))]
    records = np.empty(len(inside), _RAW_ROW)
    records["row"] = inside + np.uint64(piece.before + 1)
    records["place"] = piece.result.places[inside]
    return records


def chunks_of(source: SourceRows, numbers: Numbers, places: Numbers) -> Iterator[Chosen]:
    """Chosen rows of a source, by file, a few at a time; `numbers` ascend."""
    for held in held_rows(source.record, source.files, source.heads, numbers, places):
        for begin, end in cuts(held):
            yield Chosen(held.file, held.head, held.places[begin:end], held.numbers[begin:end])


def _pool(
    source: SourceRows,
    job: Job,
    candidates: Candidates,
    stages: list[Stage],
    rejects: Rejects,
    order: list[int] | None,
) -> Pool:
    """Close the stages that judged row by row."""
    for stage, asked in (
        ("parse", True),
        ("language", job.language is not None),
        ("length", job.max_chars is not None),
        ("decontaminate", job.questions is not None),
    ):
        if asked:
            close_stage(source.recipe, stages, rejects, stage, stages[-1].rows_out)
    return Pool(source, job, candidates, stages, rejects, order)


def drop_duplicates(pool: Pool, workers: Workers) -> None:
    """The stage `duplicates`: of equal rows of a source the lowest stays."""
    if pool.recipe.keep_duplicates:
        return
    places, firsts = workers.repeated([pool.candidates.contents], [pool.left])
    why = Why("duplicates", SAME_CONTENT, "", "", pool.name)
    pool.reject("duplicates", places, ((why, row) for row in pool.each_row(firsts)))


def drop_near(pool: Pool, folder: Path, progress: Progress) -> list[str]:
    """The stage `near`: of near duplicates the lowest row stays; what was dropped was verified on the text.

    Tells how many pairs were proposed and verified, if the stage is asked for.
    """
    near = pool.recipe.near
    if near is None:
        return []
    progress.begin(f"{pool.name}: near duplicates")
    places = np.flatnonzero(pool.left)
    bands = pool.candidates.bands
    result = find_near(
        bands if len(places) == len(bands) else bands[places],
        near,
        lambda asked: _traces(pool, places[np.asarray(asked)], folder),
    )
    dropped, kept = places[result.pairs].T
    why = Why("near", NEAR_DUPLICATE, "", "", pool.name)
    pool.reject("near", dropped, ((why, row) for row in pool.each_row(kept)))
    skipped = f", {result.skipped:,} left out by the bound" if result.skipped else ""
    counts = (
        f"{result.candidates:,} candidates, {result.verified:,} verified, {len(result.pairs):,} rows dropped"
    )
    return [f"near duplicates of {pool.name}: {counts}{skipped}"]


def _traces(pool: Pool, places: Places, folder: Path) -> Iterator[Trace]:
    """The traces at ascending places of a pool, read once more."""
    if pool.job.spill is not None:
        with SpillReader(folder) as texts:
            yield from texts.traces(pool.candidates.at(places, "texts")[0])
        return
    numbers, wheres = pool.candidates.at(places, "rows", "places")
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
    places, firsts = workers.repeated(
        [pool.candidates.contents for pool in pools], [pool.left for pool in pools]
    )
    starts = np.cumsum([0, *(len(pool.left) for pool in pools)])
    owners, keepers = (np.searchsorted(starts, each, side="right") - 1 for each in (places, firsts))
    kept_rows = np.empty(len(firsts), np.uint64)
    for number, pool in enumerate(pools):
        kept_rows[keepers == number] = pool.rows_at(firsts[keepers == number] - starts[number])
    for number, pool in enumerate(pools):
        if pool.recipe.keep_duplicates:
            continue
        mine = owners == number
        kept = zip(keepers[mine].tolist(), kept_rows[mine].tolist(), strict=True)
        whys = ((Why("across", SAME_CONTENT, "", "", pools[keeper].name), row) for keeper, row in kept)
        pool.reject("across", places[mine] - starts[number], whys)


def drop_overlap(pools: Sequence[Pool], earlier: Sequence[Manifest], *, drop: bool) -> None:
    """The stage `disjoint`: what an earlier manifest holds, by origin row or by content, is dropped or refused.

    Raises OverlapError, with the number of rows shared, when it is not to be dropped.
    """
    origins = OriginNumbers()
    found = rows_held_earlier([_keys_left(pool, origins) for pool in pools], earlier, origins)
    shared = [(pool, match) for pool, matches in zip(pools, found, strict=True) for match in matches]
    if shared and not drop:
        pool, first = shared[0]
        row = int(pool.rows_at(pool.places_of([first.place]))[0])
        raise OverlapError(
            f"{len(shared):,} rows are in an earlier manifest, the first {pool.name}:{row} "
            f"({_REASONS[first.tier]} as {first.source}:{first.row} of {first.manifest[:12]}); "
            'change the range, or set on_overlap = "drop"'
        )
    for pool, matches in zip(pools, found, strict=True):
        whys = (
            (Why("disjoint", _REASONS[match.tier], "", match.manifest, match.source), match.row)
            for match in matches
        )
        pool.reject("disjoint", pool.places_of([match.place for match in matches]), whys)


def _keys_left(pool: Pool, origins: OriginNumbers) -> ComparedRows:
    """The rows that are left, by what they are compared with an earlier manifest's by."""
    record = pool.record
    rows = [packed_rows(record, pool.rows_at(places), origins) for places in pool.places()]
    contents = pool.candidates.contents
    return ComparedRows(
        np.concatenate([*rows, np.empty(0, np.uint64)]), contents if pool.left.all() else contents[pool.left]
    )


def take(pool: Pool, seed: int, workers: Workers) -> Places:
    """The stage `take`: the places of the rows drawn, in the order of the draw.

    After a raw draw nothing is drawn any more: what is left of it stays in its order. TakeError when too few are left.
    """
    if pool.order is not None:
        places = np.flatnonzero(pool.left)
        by_row = dict(zip(pool.rows_at(places).tolist(), places.tolist(), strict=True))
        return np.array([by_row[row] for row in pool.order if row in by_row], np.int64)
    rows = (pool.rows_at(places) for places in pool.places())
    drawn = _draw(pool.source, pool.rows_left, rows, seed, workers)
    pool.stages.append(_take_stage(pool.rows_left, len(drawn)))
    return pool.places_of(drawn)


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


def _draw(
    source: SourceRows, candidates: int, rows: Iterable[Numbers], seed: int, workers: Workers
) -> Sequence[int]:
    """The places, among so many candidates, that the source's take draws, in the order of the draw.

    `rows` are their numbers, some at a time; they are looked at only where a draw goes by them.
    """

    def smallest(wanted: int, seed: int) -> list[int]:
        found = workers.ordered(_smallest_of_part, (wanted, seed), _parts_of_draw(source, rows))
        return sampling.merge_smallest((hashed for _, hashed in found), wanted)

    return sampling.draw(source.recipe.take, seed, candidates, smallest, source.recipe.name)


def _parts_of_draw(source: SourceRows, rows: Iterable[Numbers]) -> Iterator[tuple[int, KeyBytes, Numbers]]:
    record, first = source.record, 0
    for part in rows:
        yield first, *locate_rows(record, part)
        first += len(part)


def _smallest_of_part(asked: tuple[int, int], part: tuple[int, KeyBytes, Numbers]) -> sampling.Hashed:
    (wanted, seed), (first, origins, within) = asked, part
    pairs = zip(map(bytes, origins), within.tolist(), strict=True)
    return sampling.smallest_of(pairs, wanted, seed, first)


def _take_stage(rows_in: int, taken: int) -> Stage:
    return Stage("take", rows_in, taken, {NOT_TAKEN: rows_in - taken} if rows_in > taken else {})
