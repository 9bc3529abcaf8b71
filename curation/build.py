"""From a recipe to a manifest: the flow, top to bottom.

sources → rows → parse → language → length → decontaminate → duplicates → near → across → disjoint → take → order
→ texts → sketches → identity → publish
"""

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from curation import sampling
from curation.decontamination import Questions, read_questions
from curation.errors import RecipeError, SourceError
from curation.hints import remember_sources
from curation.hub.settings import hub_settings
from curation.hub.transport import HubHttp, quiet
from curation.language.filters import known_codes, make_filter
from curation.pool import Pool
from curation.progress import Progress, Silence
from curation.recipe import Recipe
from curation.selection import (
    check_expectations,
    drop_across,
    drop_duplicates,
    drop_near,
    drop_overlap,
    select,
    take,
)
from curation.shelf import Places
from curation.sketching import sketches_of
from curation.source_rows import SourceRows
from curation.texts import ChosenRows, RowDifferenceError, blocks_of_texts, held_rows, put_aside
from curation.workers.base import Cluster
from curation.workers.choice import choose_workers
from manifests.dataset import DatasetWriter
from manifests.identity import CONTINUE, DISJOINT, DRAWS, NEAR, ORDERS, Identity, Parent, QuestionFile
from manifests.manifest import Manifest, read_manifest
from manifests.publish import publish_dataset, publish_manifest, publish_name, publishing, stage_manifest
from manifests.row_keys import fixed_width_column
from manifests.store import NamedVersion, Store
from manifests.tables import CONTENT, REJECTS, ROWS, SKETCHED_ROWS, root_digest, table_digest, table_of


@dataclass(frozen=True, slots=True)
class Built:
    """A manifest that was built, the version of its name that it is, and what else is worth telling about the build."""

    manifest: Manifest
    version: NamedVersion
    notes: tuple[str, ...] = ()


def build(
    recipe: Recipe,
    store: Store,
    progress: Progress | None = None,
    *,
    workers: int | Cluster | None = None,
    notice: Callable[[str], None] = quiet,
) -> Built:
    """Build the manifest and the dataset of a recipe and publish both under its name.

    `workers` is the number of processes that read (None: one a core, and none for little), or a cluster. It changes
    nothing but the time. `notice` is told what makes it slow: a Hub that makes us wait, a fast path that can't be used.
    Nothing is published unless everything holds. Raises CurationError and ManifestError subclasses.
    """
    watch = progress or Silence()
    earlier = _named_manifests("disjoint", recipe.disjoint.references if recipe.disjoint else (), store)
    continued = _named_manifests("continue", recipe.continues, store)
    parents = [Parent(one.id, DISJOINT) for one in earlier] + [Parent(one.id, CONTINUE) for one in continued]
    _check_languages(recipe, notice)
    questions = None if recipe.decontaminate is None else read_questions(recipe.decontaminate, recipe.folder)
    with ExitStack() as stack:
        sources = find_sources(recipe, stack, notice)
        publisher = stack.enter_context(publishing(store, notice))
        dataset = stack.enter_context(publisher.staging("datasets"))
        staging = stack.enter_context(publisher.staging("manifests"))
        processes = stack.enter_context(choose_workers(_size(sources), workers))
        pools = [
            select(source, recipe.seed, questions, staging, stack, processes, watch) for source in sources
        ]
        notes = [] if questions is None else [_told(file) for file in questions.files]
        for pool in pools:
            drop_duplicates(pool, processes)
            notes += drop_near(pool, staging, watch)
        drop_across(pools, processes)
        if recipe.disjoint is not None:
            drop_overlap(pools, earlier, drop=recipe.disjoint.drop)
        drawn = [take(pool, recipe.seed, processes) for pool in pools]
        check_expectations(pools)
        rows, rejects = _rows_table(recipe, pools, drawn), _rejects_table(pools)

        writer = DatasetWriter(dataset, rows.num_rows)
        chosen = (_chosen(pool, places) for pool, places in zip(pools, drawn, strict=True))
        try:
            texts = put_aside(chosen, rows, staging, processes, watch)
        except RowDifferenceError as error:
            raise SourceError(f"{error}: it changed while it was being read; build again") from error
        writer.write_all(blocks_of_texts(texts, rows, staging))
        if recipe.sketch:
            sketches = sketches_of(texts, staging, processes, watch)
            rows = rows.append_column(SKETCHED_ROWS.schema.field("sketch"), fixed_width_column(sketches))
        for source in sources:
            source.check_unchanged()
        identity = _identity(recipe, pools, parents, questions, rows, rejects, writer.block_digests)
        writer.finish(identity.id, rows.num_rows)
        licenses = {source.name: source.license for source in recipe.sources if source.license is not None}
        staged = stage_manifest(
            staging, identity, rows, rejects, writer.block_digests, recipe.name, licenses=licenses
        )
        publish_dataset(store, dataset, read_manifest(staged))
        manifest = publish_manifest(store, staged)
        local = {source.recipe.name: source.base for source in sources if source.hub is None}
        remember_sources(store, manifest.id, local)
        # The name comes last: what is named is there to be read.
        return Built(manifest, publish_name(store, recipe.name, manifest.id), tuple(notes))


def _told(file: QuestionFile) -> str:
    short = (
        f", {file.too_short:,} others are too short to be told from ordinary text" if file.too_short else ""
    )
    return f"evaluation questions of {file.path}: {file.questions:,} sought{short}"


def find_sources(recipe: Recipe, stack: ExitStack, notice: Callable[[str], None]) -> list[SourceRows]:
    """The sources of a recipe, none of them read yet; what reaches the Hub is closed with `stack`."""
    http = None
    if any(source.hub for source in recipe.sources):
        http = stack.enter_context(HubHttp(hub_settings(), notice))
    return [SourceRows.find(source, recipe.folder, http) for source in recipe.sources]


def _size(sources: Sequence[SourceRows]) -> int:
    """The bytes to read, or as many as it would be worth the time: telling a language takes far longer than reading."""
    size = sum(source.size_to_read() for source in sources)
    return size * 16 if any(source.recipe.language for source in sources) else size


def _chosen(pool: Pool, places: Places) -> ChosenRows:
    """The rows that were drawn from a pool, to be read once more. Its keys have done their work, and are let go."""
    ascending = np.sort(places)
    pool.candidates.forget_keys()
    if pool.job.spill is not None:
        return ChosenRows(pool.name, pool.job, (), pool.candidates.at(ascending, "texts")[0])
    wanted = pool.candidates.at(ascending, "rows", "places")
    return ChosenRows(
        pool.name, pool.job, tuple(held_rows(pool.record, pool.source.files, pool.source.heads, *wanted))
    )


def _check_languages(recipe: Recipe, notice: Callable[[str], None]) -> None:
    """Raise RecipeError for a language that nothing here can tell; tell it if telling will take long."""
    for source in recipe.sources:
        language = source.language
        if language is not None and language.by == "langdetect" and language.code not in known_codes():
            raise RecipeError(
                f"source {source.name}: language: expected one of {', '.join(known_codes())}; "
                f"found {language.code!r}"
            )
    asked = [
        source.language for source in recipe.sources if source.language and source.language.by == "langdetect"
    ]
    if asked and (reason := make_filter(asked[0]).slow_because):
        notice(f"languages are told by langdetect itself, which takes some sixty times longer: {reason}")


def _named_manifests(table: str, references: Sequence[str], store: Store) -> list[Manifest]:
    """The manifests that a table of the recipe names; RecipeError if it names one twice."""
    named = [store.manifest(reference) for reference in references]
    if len({manifest.id for manifest in named}) < len(named):
        raise RecipeError(f"{table}: from = {list(references)}: two of them are the same manifest")
    return named


def _rows_table(recipe: Recipe, pools: Sequence[Pool], drawn: Sequence[Places]) -> pa.Table:
    """The rows table, in training order."""
    found = [
        (pool.candidates.contents[chosen], *pool.candidates.at(chosen, "rows", "prompts", "characters"))
        for pool, chosen in zip(pools, drawn, strict=True)
    ]
    contents, rows, prompts, characters = (np.concatenate(column) for column in zip(*found, strict=True))
    del found
    owners = np.repeat(np.arange(len(pools), dtype=np.uint32), [len(chosen) for chosen in drawn])
    if recipe.mixed:
        # Equal keys stand in the order of sources and then of rows, whatever order a draw left them in.
        order = np.lexsort((rows, owners))
        order = order[sampling.mixed_order(map(np.ndarray.tobytes, contents[order]), recipe.seed)]
        owners, rows, contents = owners[order], rows[order], contents[order]
        prompts, characters = prompts[order], characters[order]
    return table_of(
        ROWS,
        [
            pa.array([pool.name for pool in pools]).take(pa.array(owners)),
            pa.array(rows),
            fixed_width_column(contents),
            fixed_width_column(prompts),
            pa.array(characters),
        ],
    )


def _rejects_table(pools: Sequence[Pool]) -> pa.Table:
    return pa.concat_tables([pool.rejects.table(pool.name) for pool in pools]).combine_chunks()


def _identity(
    recipe: Recipe,
    pools: Sequence[Pool],
    parents: Sequence[Parent],
    questions: Questions | None,
    rows: pa.Table,
    rejects: pa.Table,
    content_blocks: Sequence[str],
) -> Identity:
    return Identity(
        rows=rows.num_rows,
        rejects=rejects.num_rows,
        content_digest=root_digest(CONTENT, rows.num_rows, content_blocks),
        rows_digest=table_digest(SKETCHED_ROWS if recipe.sketch else ROWS, rows)[0],
        rejects_digest=table_digest(REJECTS, rejects)[0],
        ledger=tuple(pool.ledger for pool in pools),
        order=ORDERS["mixed" if recipe.mixed else "sequential"],
        takes={pool.name: DRAWS[pool.recipe.take.kind] for pool in pools},
        detectors={
            pool.name: make_filter(pool.recipe.language).record for pool in pools if pool.recipe.language
        },
        near={pool.name: NEAR for pool in pools if pool.recipe.near},
        questions=None if questions is None else questions.files,
        parents=tuple(parents),
        recipe=recipe.selecting,
        sources=tuple(pool.record for pool in pools),
        sketched=recipe.sketch,
    )
