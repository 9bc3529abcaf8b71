"""Format 1 is frozen: these manifests were written once, and are read, verified and built again for ever.

Every part of the format stands in one of them: sketches, evaluation questions, near duplicates, languages, scripts, a
length, all draws but the plain ones, both orders, both relations to a parent. If a test here fails, the code is wrong.
"""

import hashlib
import json
import shutil
from pathlib import Path

import pytest

from curation.build import build
from curation.recipe_reader import read_recipe
from curation.regenerate import regenerate
from manifests.audit import audit
from manifests.dataset import total_rows
from manifests.identity import CONTINUE, DISJOINT
from manifests.store import Store

FROZEN = Path(__file__).parent / "frozen" / "format-1"
STORE = Store(FROZEN / "store", behind=())
SESSIONS = {
    "session-a": (
        "8bad6b5aeaa97e4cf498e3d69b6d8b25ac53fb8dd14389c0147585c87f8d3410",
        "4884ccc0799e492d22558e0566f06aea8e34131433cd87c27591c84ef4f970ab",
    ),
    "session-b": (
        "09bdef7f9bb1c99937e2d3620e70f2b002e2d4bbeafbf3833cb80a7397754e8e",
        "10f3c0e1ad2dd793246d282ecca5a6b9b1829f550beb10a793606492a7494b3c",
    ),
}


@pytest.mark.parametrize("session", SESSIONS)
def test_a_frozen_manifest_is_read_with_every_row_of_its_dataset(session: str) -> None:
    identifier, content_digest = SESSIONS[session]
    manifest = STORE.manifest(session)
    assert (manifest.id, manifest.content_digest) == (identifier, content_digest)
    assert hashlib.sha256((manifest.folder / "manifest.json").read_bytes()).hexdigest() == identifier
    assert total_rows(STORE.dataset_blocks(manifest)) == manifest.identity.rows


@pytest.mark.parametrize("session", SESSIONS)
def test_nobody_has_rewritten_the_frozen_files(session: str) -> None:
    folder = FROZEN / "store" / "manifests" / SESSIONS[session][0]
    files = json.loads((folder / "receipt.json").read_bytes())["files"]
    assert {name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in files} == {
        name: file["sha256"] for name, file in files.items()
    }


def test_the_frozen_manifests_are_built_again_with_the_same_ids(tmp_path: Path) -> None:
    for session, (identifier, content_digest) in SESSIONS.items():
        built = build(read_recipe(FROZEN / f"{session}.toml"), Store(tmp_path, behind=()))
        assert (built.manifest.id, built.manifest.content_digest) == (identifier, content_digest)


def test_a_frozen_dataset_is_regenerated_from_its_sources(tmp_path: Path) -> None:
    store = tmp_path / "store"
    for room in ("manifests", "refs"):
        shutil.copytree(FROZEN / "store" / room, store / room)
    for session in SESSIONS:
        manifest = STORE.manifest(session)
        folders = {source.name: FROZEN / "sources" for source in manifest.identity.sources}
        again = regenerate(Store(store, behind=()), session, folders)
        assert total_rows(Store(store, behind=()).dataset_blocks(again.manifest)) == manifest.identity.rows


def test_the_frozen_manifests_hold_every_part_of_the_format() -> None:
    first, second = (STORE.manifest(session).identity for session in SESSIONS)
    assert first.sketched
    assert not second.sketched
    assert first.questions
    assert first.near
    assert set(first.takes.values()) == {
        "shuffle/fisher-yates/mt19937/1",
        "reservoir/algorithm-r/mt19937/1",
        "hash/bottom-k/xxh3/1",
    }
    assert {first.order, second.order} == {"mixed/xxh3-128/1", "sequential/1"}
    assert [(parent.id, parent.relation) for parent in second.parents] == [
        (first.id, DISJOINT),
        (first.id, CONTINUE),
    ]
    detectors = {detector.algorithm for one in (first, second) for detector in one.detectors.values()}
    assert detectors == {"langdetect/1", "script/1"}
    dropped = {
        stage.stage
        for one in (first, second)
        for ledger in one.ledger
        for stage in ledger.stages
        if stage.dropped
    }
    assert dropped == {
        *("parse", "language", "length", "decontaminate", "duplicates", "near", "across", "disjoint", "take"),
    }


def test_the_frozen_sessions_share_nothing() -> None:
    (pair,) = audit([STORE.manifest(session) for session in SESSIONS]).pairs
    assert {tier: shared.keys for tier, shared in pair.shared.items()} == {
        "row": 0,
        "content": 0,
        "prompt": 0,
    }
