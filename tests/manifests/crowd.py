"""Processes for the tests that publish, read and clean up in the same stores, all at once."""

import os
import time
from collections.abc import Sequence
from multiprocessing.synchronize import Barrier, Event
from pathlib import Path

from manifests.dataset import total_rows
from manifests.errors import BusyStoreError
from manifests.garbage import collect_garbage
from manifests.lock import LOCK
from manifests.manifest import Manifest, read_manifest
from manifests.publish import publish_dataset, publish_manifest, publish_name, publishing, stage_manifest
from manifests.store import Store
from tests.manifests.helpers import Parts, write_blocks


def publish_locked(store: Store, parts: Parts, name: str) -> Manifest:
    """Publish manifest, dataset and name the way a build does, `manifests gc` kept out."""
    with (
        publishing(store) as publisher,
        publisher.staging("datasets") as dataset,
        publisher.staging("manifests") as staging,
    ):
        write_blocks(dataset, parts.content, parts.identity.id)
        staged = stage_manifest(staging, parts.identity, parts.rows, parts.rejects, parts.blocks, name)
        publish_dataset(store, dataset, read_manifest(staged))
        manifest = publish_manifest(store, staged)
        publish_name(store, name, manifest.id)
    return manifest


def publish_rounds(root: Path, rounds: Sequence[tuple[Parts, str]], barrier: Barrier, who: int) -> None:
    """In each round, publish parts under a name in a store of its own while others do the same; note the ids."""
    ids = []
    for number, (parts, name) in enumerate(rounds):
        barrier.wait()
        ids.append(publish_locked(Store(root / str(number), behind=()), parts, name).id)
    (root / f"ids-{who}").write_text("\n".join(ids))


def read_until(root: Path, rounds: int, done: Event, who: int) -> None:
    """Read whatever there is, until it is over: what has a name has a whole manifest, and that a whole dataset."""
    looks = 0
    while not done.is_set():
        newest = max((number for number in range(rounds) if (root / str(number)).exists()), default=0)
        for number in {max(0, newest - 1), newest}:
            store = Store(root / str(number), behind=())
            for identifier in {*store.ids(), *(version.id for version in store.versions())}:
                manifest = store.manifest(identifier)
                assert total_rows(store.dataset_blocks(manifest)) == manifest.rows.num_rows
                looks += 1
    (root / f"looks-{who}").write_text(str(looks))


def clean_until(root: Path, rounds: int, done: Event) -> None:
    """Clean up now and then, until it is over; note how often it could be, and how often somebody published."""
    alone = busy = 0
    while not done.is_set():
        for number in range(rounds):
            store = Store(root / str(number), behind=())
            if not store.root.exists():
                break
            try:
                collect_garbage(store)
                alone += 1
            except BusyStoreError:
                busy += 1
        time.sleep(0.01)
    (root / "cleaned").write_text(f"{alone} {busy}")


def open_locks(_common: object, _task: object) -> list[str]:
    """The locks of stores that this process has open."""
    links = []
    for descriptor in os.listdir("/proc/self/fd"):  # noqa: PTH208 - names are wanted
        try:
            links.append(os.readlink(f"/proc/self/fd/{descriptor}"))  # noqa: PTH115 - as above
        except FileNotFoundError:  # the one that listed them
            continue
    return [link for link in links if link.endswith(f"/{LOCK}")]
