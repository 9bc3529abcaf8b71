"""The audit's tier `near`: told from the sketches that manifests carry, settled on the texts if asked for."""

from decimal import Decimal
from pathlib import Path

import pytest

from manifests import audit as audit_module
from manifests.audit import Audit, Shared, audit, audit_json, confirm
from manifests.errors import CommandError, MissingDatasetError
from manifests.keys import Trace
from manifests.manifest import Manifest
from manifests.similarity.jaccard import jaccard
from manifests.similarity.sketch import text_of
from manifests.store import Store
from tests.manifests.helpers import build_manifest, traces, write_jsonl

WORDS = [f"word{number}" for number in range(400)]


def long_trace(name: str, changed: int = 0) -> Trace:
    """A trace of 400 words of its own, `changed` of them others than usual, evenly spread."""
    words = [f"{name}{word}" for word in WORDS]
    for place in range(0, len(words), max(len(words) // changed, 1) if changed else len(words) + 1):
        words[place] = f"changed{place}"
    return Trace(f"What about {name}?", " ".join(words), name)


@pytest.fixture
def sessions(store_path: Path, tmp_path: Path) -> tuple[Manifest, Manifest]:
    """Two manifests with sketches: b repeats row 1 of a, is near to row 2, and a little like row 3."""
    one = write_jsonl(tmp_path / "one.jsonl", [long_trace(name) for name in "abcd"])
    other = write_jsonl(
        tmp_path / "other.jsonl",
        [long_trace("e"), long_trace("a"), long_trace("b", changed=3), long_trace("c", changed=80)],
    )
    first, second = (
        build_manifest(store_path, file.stem, {"a": file}, sketch=True).manifest for file in (one, other)
    )
    return first, second


def near(outcome: Audit) -> Shared:
    (pair,) = outcome.pairs
    return pair.shared["near"]


def test_near_duplicates_are_rows_of_the_second_that_are_like_one_of_the_first(
    sessions: tuple[Manifest, Manifest],
) -> None:
    shared = near(audit(sessions, ("near",)))
    assert shared.keys == 2
    assert shared.first_rows == {"a": 2}
    assert shared.second_rows == {"a": 2}
    assert [(match.first, match.second) for match in shared.examples] == [
        (("a", 1), ("a", 2)),
        (("a", 2), ("a", 3)),
    ]
    assert [match.similarity is not None and match.similarity > 0.8 for match in shared.examples] == [
        True,
        True,
    ]
    assert audit(sessions, ("near",)).overlapping
    assert audit_json(audit(sessions))["near_duplicate"] == 2


def test_a_lower_threshold_finds_what_is_less_alike(sessions: tuple[Manifest, Manifest]) -> None:
    similar = float(jaccard(text_of(long_trace("c")), text_of(long_trace("c", changed=80))))
    assert similar < 0.5
    assert near(audit(sessions, threshold=Decimal("0.5"))).keys == 2
    assert near(audit(sessions, threshold=Decimal(1))).keys == 1


def test_confirmed_near_duplicates_have_their_true_similarity(
    sessions: tuple[Manifest, Manifest], store_path: Path
) -> None:
    outcome = confirm(Store(store_path, behind=()), audit(sessions, ("near",)))
    assert outcome.confirmed
    assert audit_json(outcome)["near_confirmed"] is True
    expected = [
        jaccard(text_of(long_trace(name)), text_of(long_trace(name, changed)))
        for name, changed in (("a", 0), ("b", 3))
    ]
    assert [match.similarity for match in near(outcome).examples] == [float(index) for index in expected]
    assert near(outcome).keys == 2
    assert outcome.pairs[0].shared["row"].keys == 0


def test_texts_are_needed_to_confirm(
    sessions: tuple[Manifest, Manifest], store_path: Path, tmp_path: Path
) -> None:
    (store_path / "datasets").rename(tmp_path / "elsewhere")
    with pytest.raises(MissingDatasetError, match="curation regenerate"):
        confirm(Store(store_path, behind=()), audit(sessions))


def test_without_sketches_nothing_is_told_and_nothing_can_be_confirmed(
    sessions: tuple[Manifest, Manifest], store_path: Path, tmp_path: Path
) -> None:
    bare = build_manifest(store_path, "bare", {"a": write_jsonl(tmp_path / "bare.jsonl", traces(4))}).manifest
    outcome = audit([sessions[0], bare])
    assert "near" not in outcome.pairs[0].shared
    assert audit_json(outcome)["near_duplicate"] is None
    with pytest.raises(CommandError, match="sketch = true"):
        confirm(Store(store_path, behind=()), outcome)
    with pytest.raises(CommandError, match=f"manifest {bare.id[:12]} carries no sketches"):
        audit([sessions[0], bare], ("near",))
    together = audit([*sessions, bare])
    assert ["near" in pair.shared for pair in together.pairs] == [True, False, False]


def test_of_very_many_rows_near_duplicates_are_sought_only_if_asked_for(
    sessions: tuple[Manifest, Manifest], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audit_module, "MANY_ROWS", 3)
    assert "near" not in audit(sessions).pairs[0].shared
    assert near(audit(sessions, ("near",))).keys == 2
