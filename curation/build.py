"""From a recipe to a manifest: the flow, top to bottom.

sources → rows → parse → language → duplicates → across → disjoint → take → order → texts → identity → publish
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from curation import sampling
from curation.errors import RecipeError, SourceError
from curation.hints import remember_sources
from curation.language import LanguageDetector
from curation.pool import Pool
from curation.recipe import Recipe
from curation.selection import (
    Progress,
    check_expectations,
    drop_across,
    drop_duplicates,
    drop_overlap,
    select,
    take,
)
from curation.source_rows import SourceRows
from curation.texts import RowDifferenceError, gather, rows_to_read
from manifests import disk
from manifests.audit import fixed_width_column
from manifests.dataset import DatasetWriter
from manifests.identity import Identity
from manifests.manifest import Manifest, read_manifest
from manifests.publish import publish_dataset, publish_manifest, publish_name, stage_manifest
from manifests.store import NamedVersion, Store
from manifests.tables import CONTENT, REJECTS, ROWS, root_digest, table_digest, table_of


@dataclass(frozen=True, slots=True)
class Built:
    """A manifest that was built, and the version of its name that it is."""

    manifest: Manifest
    version: NamedVersion


def build(recipe: Recipe, store: Store, progress: Progress = lambda _source, _row: None) -> Built:
    """Build the manifest and the dataset of a recipe and publish both under its name.

    Nothing is published unless everything holds. Raises CurationError and ManifestError subclasses.
    """
    sources = [SourceRows.find(source, recipe.folder) for source in recipe.sources]
    parents = _parents(recipe, store)
    detector = LanguageDetector()
    _check_languages(recipe, detector)
    with disk.staging(store.root / "datasets") as dataset, disk.staging(store.root / "manifests") as staging:
        pools = [select(rows, recipe.seed, detector, progress) for rows in sources]
        for pool in pools:
            drop_duplicates(pool)
        drop_across(pools)
        if recipe.disjoint is not None:
            drop_overlap(pools, parents, drop=recipe.disjoint.drop)
        drawn = [take(pool, recipe.seed) for pool in pools]
        check_expectations(pools)
        rows, rejects = _rows_table(recipe, pools, drawn), _rejects_table(pools)

        writer = DatasetWriter(dataset, rows.num_rows)
        try:
            for block in gather([rows_to_read(source) for source in sources], rows, staging):
                writer.write(block)
        except RowDifferenceError as error:
            raise SourceError(f"{error}: it changed while it was being read; build again") from error
        for source in sources:
            source.check_unchanged()
        identity = _identity(recipe, pools, parents, detector, rows, rejects, writer.block_digests)
        writer.finish(identity.id, rows.num_rows)
        staged = stage_manifest(staging, identity, rows, rejects, writer.block_digests, recipe.name)
        publish_dataset(store, dataset, read_manifest(staged))
        manifest = publish_manifest(store, staged)
    remember_sources(store, manifest.id, {source.recipe.name: source.base for source in sources})
    return Built(manifest, publish_name(store, recipe.name, manifest.id))


def _check_languages(recipe: Recipe, detector: LanguageDetector) -> None:
    for source in recipe.sources:
        if source.language is not None and source.language.code not in detector.codes:
            raise RecipeError(
                f"source {source.name}: language: expected one of {', '.join(detector.codes)}; "
                f"found {source.language.code!r}"
            )


def _parents(recipe: Recipe, store: Store) -> list[Manifest]:
    if recipe.disjoint is None:
        return []
    parents = [store.manifest(reference) for reference in recipe.disjoint.references]
    identifiers = [parent.id for parent in parents]
    if len(set(identifiers)) < len(identifiers):
        raise RecipeError(
            f"disjoint: from = {list(recipe.disjoint.references)}: two of them are the same manifest"
        )
    return parents


def _rows_table(recipe: Recipe, pools: Sequence[Pool], drawn: Sequence[Sequence[int]]) -> pa.Table:
    """The rows table, in training order."""
    places = [np.asarray(of_pool, dtype=np.int64) for of_pool in drawn]
    contents = np.concatenate(
        [pool.keys.contents[chosen] for pool, chosen in zip(pools, places, strict=True)]
    )
    columns = {
        name: np.concatenate(
            [getattr(pool.keys, name)[chosen] for pool, chosen in zip(pools, places, strict=True)]
        )
        for name in ("rows", "prompts", "characters")
    }
    owners = np.repeat(np.arange(len(pools)), [len(chosen) for chosen in places])
    if recipe.mixed:
        # Equal keys stand in the order of sources and then of rows, whatever order a draw left them in.
        canonical = np.lexsort((columns["rows"], owners))
        mixed = sampling.mixed_order([bytes(key) for key in contents[canonical]], recipe.seed)
        order = canonical[np.asarray(mixed, dtype=np.int64)]
    else:
        order = np.arange(len(owners))
    return table_of(
        ROWS,
        [
            [pools[owner].name for owner in owners[order]],
            pa.array(columns["rows"][order]),
            fixed_width_column(contents[order]),
            fixed_width_column(columns["prompts"][order]),
            pa.array(columns["characters"][order]),
        ],
    )


def _rejects_table(pools: Sequence[Pool]) -> pa.Table:
    rejects = [reject for pool in pools for reject in sorted(pool.rejects, key=lambda reject: reject.row)]
    return table_of(REJECTS, list(zip(*rejects, strict=True)) if rejects else [[] for _ in REJECTS.schema])


def _identity(
    recipe: Recipe,
    pools: Sequence[Pool],
    parents: Sequence[Manifest],
    detector: LanguageDetector,
    rows: pa.Table,
    rejects: pa.Table,
    content_blocks: Sequence[str],
) -> Identity:
    return Identity(
        rows=rows.num_rows,
        rejects=rejects.num_rows,
        content_digest=root_digest(CONTENT, rows.num_rows, content_blocks),
        rows_digest=table_digest(ROWS, rows)[0],
        rejects_digest=table_digest(REJECTS, rejects)[0],
        ledger=tuple(pool.ledger for pool in pools),
        order=sampling.MIXED if recipe.mixed else sampling.SEQUENTIAL,
        takes={pool.name: sampling.DRAWS[pool.recipe.take.kind] for pool in pools},
        detectors={pool.name: detector.record for pool in pools if pool.recipe.language},
        parents=tuple(parent.id for parent in parents),
        recipe=recipe.selecting,
        sources=tuple(pool.record for pool in pools),
    )
