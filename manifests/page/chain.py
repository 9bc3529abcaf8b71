"""A chain of sessions, for an audit of everything that stands before them."""

from collections.abc import Sequence

from manifests.lineage import ancestors
from manifests.manifest import Manifest
from manifests.store import Store


def with_ancestors(store: Store, manifests: Sequence[Manifest]) -> list[Manifest]:
    """All manifests that these were built on, then these in the order given; among the ancestors parents come first.

    Raises UnknownManifestError for an ancestor that no store has, VerificationError for one that is damaged,
    CommandError for more than `manifests.lineage` follows.
    """
    before = ancestors(store, manifests)
    waiting = {manifest.id: {parent.id for parent in manifest.identity.parents} for manifest in before}
    ordered: list[Manifest] = []
    while waiting:
        # Ids are digests of what names them: there are no cycles, and somebody is always ready.
        ready = [manifest for manifest in before if manifest.id in waiting]
        ready = [manifest for manifest in ready if waiting.keys().isdisjoint(waiting[manifest.id])]
        for manifest in ready:
            del waiting[manifest.id]
        ordered += ready
    return [*ordered, *manifests]
