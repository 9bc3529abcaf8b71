import random
from decimal import Decimal
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from manifests.errors import MissingDatasetError, VerificationError
from manifests.keys import Trace
from manifests.manifest import Manifest
from manifests.similarity.confirm import ConfirmedPairs, confirmed
from manifests.similarity.jaccard import WORDS, jaccard_of_sets, shingle_sets
from manifests.similarity.pairs import NearPairs, candidate_pairs
from manifests.similarity.sketch import sketches, text_of
from manifests.store import Store
from tests.manifests.helpers import damage, parts_of, publish

ROWS = 120


def trace(number: int, changed: int) -> Trace:
    """A trace of about 100 words, of which so many at places that the number draws are not those of its family."""
    family = number % 40
    words = [f"f{family}w{word}" for word in range(100)]
    for place in random.Random(number).sample(range(len(words)), changed):
        words[place] = f"n{number}w{place}"
    return Trace(" ".join(words[:20]), " ".join(words[20:90]), " ".join(words[90:]))


FIRST = [trace(number, number % 5) for number in range(ROWS)]
SECOND = [trace(number, number % 7) for number in range(1000, 1000 + ROWS)]


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store", behind=())


@pytest.fixture
def manifests(store: Store) -> tuple[Manifest, Manifest]:
    return published(store, FIRST), published(store, SECOND)


def published(store: Store, rows: list[Trace]) -> Manifest:
    return store.manifest(publish(store, parts_of(rows)).id)


def candidates(threshold: str) -> NearPairs:
    first, second = (sketches(map(text_of, rows)) for rows in (FIRST, SECOND))
    return candidate_pairs(first, second, Decimal(threshold))


def told(pairs: ConfirmedPairs) -> list[tuple[int, int, Fraction]]:
    return list(zip(pairs.second.tolist(), pairs.first.tolist(), pairs.indices, strict=True))


def nearest(threshold: str) -> list[tuple[int, int, Fraction]]:
    """By brute force: each row of the second with the lowest of its nearest rows in the first."""
    first, second = (list(shingle_sets(map(text_of, rows), WORDS)) for rows in (FIRST, SECOND))
    found = []
    for place, row in enumerate(second):
        indices = [jaccard_of_sets(other, row) for other in first]
        if max(indices) >= Fraction(threshold):
            found.append((place, indices.index(max(indices)), max(indices)))
    return found


@pytest.mark.parametrize("threshold", ["0.5", "0.7", "0.8"])
def test_confirmed_are_the_pairs_that_are_near_by_their_texts(
    threshold: str, store: Store, manifests: tuple[Manifest, Manifest]
) -> None:
    pairs = confirmed(store, *manifests, candidates(threshold), Decimal(threshold))
    assert told(pairs) == nearest(threshold) != []
    assert pairs.similarity.tolist() == [float(index) for index in pairs.indices]


def test_an_index_that_is_the_threshold_itself_is_near(store: Store) -> None:
    one = published(store, [Trace("0 1 2 3 4 5 6 7 8 9", "10", "11")])
    other = published(store, [Trace("0 1 2 3 4 5 6 7 8 9", "10", "else")])
    pair = NearPairs(np.array([0]), np.array([0]), np.array([100]), 0, 0)
    for threshold, near in (("0.777777", [Fraction(7, 9)]), ("0.777778", []), ("0.7", [Fraction(7, 9)])):
        assert list(confirmed(store, one, other, pair, Decimal(threshold)).indices) == near
    same = confirmed(store, one, one, pair, Decimal(1))
    assert same.indices == (Fraction(1),)


def test_memory_is_bounded_and_changes_nothing(store: Store, manifests: tuple[Manifest, Manifest]) -> None:
    whole = confirmed(store, *manifests, candidates("0.6"), Decimal("0.6"))
    for held_bytes in (1, 5_000):
        parts = confirmed(store, *manifests, candidates("0.6"), Decimal("0.6"), held_bytes=held_bytes)
        assert told(parts) == told(whole)


def test_the_second_dataset_is_read_once_for_each_portion_of_the_first(
    store: Store, manifests: tuple[Manifest, Manifest], monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[str] = []
    whole = Store.dataset_blocks

    def counted(self: Store, manifest: Manifest) -> object:
        read.append(manifest.id)
        return whole(self, manifest)

    monkeypatch.setattr(Store, "dataset_blocks", counted)
    pairs = candidates("0.6")
    confirmed(store, *manifests, pairs, Decimal("0.6"))
    assert len(read) == 4  # each is looked for first, then read
    read.clear()
    confirmed(store, *manifests, pairs, Decimal("0.6"), held_bytes=1)
    assert read.count(manifests[0].id) == 2
    rows = len(np.unique(pairs.first))
    assert read.count(manifests[1].id) == 1 + rows
    read.clear()
    confirmed(
        store, *manifests, pairs, Decimal("0.6"), held_bytes=5_000
    )  # a set of these takes about a fifth
    assert 1 + rows // 6 < read.count(manifests[1].id) < 1 + rows // 3


def test_a_second_manifest_that_is_the_first_is_near_to_itself_row_by_row(
    store: Store, manifests: tuple[Manifest, Manifest]
) -> None:
    same = sketches(map(text_of, FIRST))
    pairs = confirmed(store, manifests[0], manifests[0], candidate_pairs(same, same, Decimal(1)), Decimal(1))
    assert pairs.second.tolist() == list(range(ROWS))
    assert [FIRST[place] for place in pairs.first.tolist()] == FIRST


@pytest.mark.parametrize("which", [0, 1])
def test_a_dataset_that_is_not_here_is_an_error_even_if_nothing_is_to_be_compared(
    which: int, store: Store, manifests: tuple[Manifest, Manifest]
) -> None:
    folder = store.dataset_folder(manifests[which])
    assert folder is not None
    folder.rename(store.root / "elsewhere")
    nothing = NearPairs(np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0, np.int64), 0, 0)
    for pairs in (candidates("0.6"), nothing):
        with pytest.raises(MissingDatasetError, match=manifests[which].id[:12]):
            confirmed(store, *manifests, pairs, Decimal("0.6"))


def test_no_candidates_are_no_pairs(store: Store, manifests: tuple[Manifest, Manifest]) -> None:
    nothing = NearPairs(np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0, np.int64), 0, 0)
    pairs = confirmed(store, *manifests, nothing, Decimal("0.6"))
    assert (told(pairs), pairs.similarity.tolist()) == ([], [])


@pytest.mark.parametrize("which", [0, 1])
def test_a_damaged_dataset_is_refused(which: int, store: Store, manifests: tuple[Manifest, Manifest]) -> None:
    folder = store.dataset_folder(manifests[which])
    assert folder is not None
    damage(folder)
    with pytest.raises(VerificationError):
        confirmed(store, *manifests, candidates("0.6"), Decimal("0.6"))
