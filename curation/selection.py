"""The stages that look at one row at a time, and those that look at keys: from sources to the rows of a mix.

Everything here works on the pools of `curation.pool`; the text of a row is seen once, in `select`, and let go.
"""

from collections.abc import Callable, Iterable, Sequence

import numpy as np

from curation import sampling
from curation.duplicates import first_places
from curation.errors import GuardError, OverlapError, SourceError
from curation.language import LanguageDetector
from curation.pool import Keys, Pool, Reject, close_stage
from curation.source_rows import SourceRows
from curation.traces import Fault, parse
from manifests.audit import first_matches
from manifests.ledger import NOT_TAKEN, Stage
from manifests.manifest import Manifest
from manifests.origins import locate_rows

Progress = Callable[[str, int], None]
SAME_CONTENT = "same-content"
SAME_ROW = "same-row"


def select(rows: SourceRows, seed: int, detector: LanguageDetector, progress: Progress) -> Pool:
    """The stages of one source that need its text: `rows`, `parse`, `language` (and `take`, for a raw draw)."""
    recipe = rows.recipe
    counted, drawn = _draw_raw(rows, seed) if recipe.draw_raw else (None, None)
    keys, unparsed, foreign = Keys(), [], []
    seen = read = 0
    chosen = None if drawn is None else set(drawn)
    for row, raw in rows:
        read += 1
        progress(recipe.name, read)
        if chosen is not None and row not in chosen:
            continue
        seen += 1
        trace = parse(raw, recipe.tags)
        if isinstance(trace, Fault):
            unparsed.append(Reject(recipe.name, row, "parse", trace.value))
        elif recipe.language and (verdict := detector.verdict(trace, recipe.language)):
            foreign.append(Reject(recipe.name, row, "language", *verdict))
        else:
            keys.add(row, trace)
    if counted is not None and read != counted:
        raise SourceError(
            f"source {recipe.name}: {counted:,} rows when they were counted, {read:,} when they were read: "
            "it changed while it was being read; build again"
        )
    stages, rejects = [Stage("rows", read, read, {})], list[Reject]()
    if drawn is not None:
        stages.append(_take_stage(read, len(drawn)))
    close_stage(recipe, stages, rejects, "parse", seen, unparsed)
    if recipe.language:
        close_stage(recipe, stages, rejects, "language", seen - len(unparsed), foreign)
    return Pool(recipe, rows.record, keys, stages, rejects, drawn)


def drop_duplicates(pool: Pool) -> None:
    """The stage `duplicates`: of equal rows of a source the lowest stays."""
    if pool.recipe.keep_duplicates:
        return
    numbers, firsts = pool.keys.rows, first_places(pool.keys.contents)
    repeated = np.flatnonzero(firsts != np.arange(len(firsts)))
    pool.reject(
        "duplicates",
        [
            (int(place), _equal_to(pool, int(place), "duplicates", pool.name, int(numbers[firsts[place]])))
            for place in repeated
        ],
    )


def drop_across(pools: Sequence[Pool]) -> None:
    """The stage `across`: of equal rows of several sources the first source's stays, there the lowest row."""
    places = [pool.places for pool in pools]
    owners = np.repeat(np.arange(len(pools)), [len(of_pool) for of_pool in places])
    own_places = np.concatenate(places)
    firsts = first_places(
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


def drop_overlap(pools: Sequence[Pool], parents: Sequence[Manifest], *, drop: bool) -> None:
    """The stage `disjoint`: what an earlier manifest holds, by origin row or by content, is dropped or refused.

    Raises OverlapError, with the number of rows shared, when it is not to be dropped.
    """
    found = []
    for pool in pools:
        places = pool.places
        table = pool.key_table(places)
        matches: dict[int, Reject] = {}
        for tier, reason in (("row", SAME_ROW), ("content", SAME_CONTENT)):
            for entry, manifest, source, row in first_matches(table, parents, tier):
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


def take(pool: Pool, seed: int) -> list[int]:
    """The stage `take`: the places of the rows drawn, in the order of the draw.

    After a raw draw nothing is drawn any more: what is left of it stays in its order. TakeError when too few are left.
    """
    places = pool.places
    if pool.order is not None:
        by_row = dict(zip(pool.keys.rows[places].tolist(), places.tolist(), strict=True))
        return [by_row[row] for row in pool.order if row in by_row]
    origins, within = locate_rows(pool.record, pool.keys.rows[places])
    candidates = list(zip(map(bytes, origins), within.tolist(), strict=True))
    drawn = sampling.draw(pool.recipe.take, seed, candidates, pool.name)
    pool.stages.append(_take_stage(len(places), len(drawn)))
    return [int(places[place]) for place in drawn]


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


def _draw_raw(rows: SourceRows, seed: int) -> tuple[int, list[int]]:
    """The number of rows of the range, and the row numbers of a raw draw from them, in its order."""
    recipe = rows.recipe
    first = recipe.rows[0] if recipe.rows else 1
    count = rows.count()
    if recipe.take.kind == "hash":
        numbers = np.arange(first, first + count, dtype=np.uint64)
        for _ in rows:  # origins are known once the files were read
            pass
        origins, within = locate_rows(rows.record, numbers)
        candidates: Sequence[tuple[bytes, int]] = list(zip(map(bytes, origins), within.tolist(), strict=True))
    else:
        candidates = [(b"", 0)] * count
    return count, [first + place for place in sampling.draw(recipe.take, seed, candidates, recipe.name)]


def _take_stage(rows_in: int, taken: int) -> Stage:
    return Stage("take", rows_in, taken, {NOT_TAKEN: rows_in - taken} if rows_in > taken else {})


def _equal_to(pool: Pool, place: int, stage: str, kept_source: str, kept_row: int) -> Reject:
    return Reject(pool.name, int(pool.keys.rows[place]), stage, SAME_CONTENT, "", "", kept_source, kept_row)
