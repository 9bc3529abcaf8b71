"""Many publishers of one store, with readers and somebody who cleans up all the while."""

import logging
import multiprocessing
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from manifests.dataset import total_rows
from manifests.store import Store
from tests.manifests.crowd import clean_until, publish_rounds, read_until
from tests.manifests.fire_store import staged_in
from tests.manifests.helpers import Parts, parts_of, traces

PUBLISHERS, READERS, SECONDS = 8, 2, 500
MIXES = [parts_of(traces(3, first=1 + 100 * number), dropped=1) for number in range(PUBLISHERS)]


def planned(number: int, who: int) -> tuple[Parts, str]:
    """What a publisher publishes in a round, under which name: the same as the others or another, by turns."""
    return MIXES[who if number & 1 else 0], f"mix-{who}" if number & 2 else "mix"


def run_all(root: Path, rounds: int) -> None:
    spawned = multiprocessing.get_context("spawn")
    barrier, done = spawned.Barrier(PUBLISHERS, timeout=SECONDS), spawned.Event()

    def process(function: Callable[..., None], *arguments: object) -> multiprocessing.process.BaseProcess:
        started = spawned.Process(target=function, args=(root, *arguments))
        started.start()
        return started

    publishers = [
        process(publish_rounds, [planned(number, who) for number in range(rounds)], barrier, who)
        for who in range(PUBLISHERS)
    ]
    others = [process(read_until, rounds, done, who) for who in range(READERS)]
    others.append(process(clean_until, rounds, done))
    for publisher in publishers:
        publisher.join(SECONDS)
    done.set()
    for other in others:
        other.join(SECONDS)
    assert [one.exitcode for one in (*publishers, *others)] == [0] * (PUBLISHERS + READERS + 1)


@pytest.mark.slow
@pytest.mark.parametrize("rounds", [100])
def test_eight_publishers_leave_one_winner_and_get_the_same_id_and_readers_see_nothing_torn(
    rounds: int, tmp_path: Path
) -> None:
    run_all(tmp_path, rounds)
    ids = [(tmp_path / f"ids-{who}").read_text().split() for who in range(PUBLISHERS)]
    for number in range(rounds):
        store = Store(tmp_path / str(number), behind=())
        plans = [planned(number, who) for who in range(PUBLISHERS)]
        wanted = [parts.identity.id for parts, _ in plans]
        assert [got[number] for got in ids] == wanted
        assert store.ids() == sorted(set(wanted))
        # A name has a version for each manifest that was published under it, numbered without a gap.
        published = Counter((name, parts.identity.id) for parts, name in plans)
        versions = store.versions()
        assert {(version.name, version.id) for version in versions} == set(published)
        for name in {name for _, name in plans}:
            numbers = [version.number for version in versions if version.name == name]
            assert numbers == list(range(1, len({one for its, one in published if its == name}) + 1))
        for identifier in store.ids():
            assert total_rows(store.dataset_blocks(store.manifest(identifier))) == 3
        assert staged_in(store.root) == []
    looks = [int((tmp_path / f"looks-{who}").read_text()) for who in range(READERS)]
    alone, busy = map(int, (tmp_path / "cleaned").read_text().split())
    assert min(*looks, alone, busy) > 0
    logging.getLogger(__name__).info(
        "%d publishes, %d reads, cleaned %d times, kept out %d times",
        PUBLISHERS * rounds,
        sum(looks),
        alone,
        busy,
    )
