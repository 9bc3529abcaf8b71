"""Lineage: the tree of a manifest's ancestors, each once, and what bounds it."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from manifests import lineage as lineage_module
from manifests.errors import CommandError, UnknownManifestError, VerificationError
from manifests.identity import CONTINUE, DISJOINT, Parent
from manifests.lineage import (
    MOST_ANCESTORS,
    MOST_GENERATIONS,
    Node,
    ancestors,
    lineage,
    lineage_json,
    lineage_lines,
)
from manifests.manifest import Manifest
from manifests.store import Store
from tests.manifests.damaging import flip
from tests.manifests.helpers import parts_of, publish, traces


@pytest.fixture
def store(store_path: Path) -> Store:
    return Store(store_path, behind=())


def child(store: Store, name: str, parents: Sequence[Manifest | str], number: int = 1) -> Manifest:
    """A manifest of one row that goes on from others, given as manifests or ids."""
    ids = [parent if isinstance(parent, str) else parent.id for parent in parents]
    parts = parts_of(traces(1, first=number)).changed(parents=tuple(Parent(one, CONTINUE) for one in ids))
    return publish(store, parts, name)


def test_a_manifest_without_parents_is_a_tree_of_itself(store: Store) -> None:
    alone = child(store, "alone", [])
    assert lineage(store, alone) == Node(alone.id, f"alone:1 {alone.id[:12]}", 1, None, ())
    assert lineage_lines(lineage(store, alone)) == [f"alone:1 {alone.id[:12]} (1 row)"]
    assert ancestors(store, [alone]) == []


def test_shared_ancestors_are_drawn_once_and_referred_to(store: Store) -> None:
    first = child(store, "first", [], 5)
    base = child(store, "base", [first])
    left, right = child(store, "left", [base], 2), child(store, "right", [base], 3)
    top = child(store, "top", [left, right, "ab" * 32], 4)
    assert lineage(store, top).parents[1].parents[0].parents == ()
    assert lineage_lines(lineage(store, top)) == [
        f"top:1 {top.id[:12]} (1 row)",
        f"├─ continue left:1 {left.id[:12]} (1 row)",
        f"│  └─ continue base:1 {base.id[:12]} (1 row)",
        f"│     └─ continue first:1 {first.id[:12]} (1 row)",
        f"├─ continue right:1 {right.id[:12]} (1 row)",
        f"│  └─ continue base:1 {base.id[:12]} (1 row), drawn above",
        "└─ continue abababababab (not in the store)",
    ]
    told = lineage_json(lineage(store, top))
    assert isinstance(told["parents"], list)
    assert [parent["relation"] for parent in told["parents"]] == ["continue"] * 3
    assert told["parents"][2]["rows"] is None


def test_ancestors_come_nearest_first_each_once_without_those_given(store: Store) -> None:
    base = child(store, "base", [])
    left, right = child(store, "left", [base], 2), child(store, "right", [base], 3)
    top = child(store, "top", [left, right, base], 4)
    assert [manifest.id for manifest in ancestors(store, [top])] == [left.id, right.id, base.id]
    assert [manifest.id for manifest in ancestors(store, [top, left])] == [right.id, base.id]


def test_an_ancestor_that_is_missing_or_damaged_is_an_error_where_it_is_needed(store: Store) -> None:
    base = child(store, "base", [])
    top = child(store, "top", [base], 2)
    flip(base.folder / "rows.parquet", 60, 1)
    assert lineage(store, top).parents[0].rows == 1  # the table is not read
    with pytest.raises(VerificationError):
        ancestors(store, [top])
    (base.folder / "manifest.json").write_bytes((top.folder / "manifest.json").read_bytes())
    assert lineage(store, top).parents[0].rows is None
    (base.folder / "manifest.json").write_text("{")
    assert lineage(store, top).parents[0].rows is None
    with pytest.raises(UnknownManifestError):
        ancestors(store, [child(store, "other", ["ab" * 32], 3)])


def test_a_real_second_session_has_the_first_as_parent_twice(store: Store) -> None:
    base = child(store, "base", [])
    parts = parts_of(traces(1, first=9)).changed(
        parents=(Parent(base.id, DISJOINT), Parent(base.id, CONTINUE)),
        recipe={"order": "sequential", "source": [{"name": "traces"}], "disjoint": {}},
    )
    tree = lineage(store, Manifest(Path(), parts.identity, base.row_table, base.reject_table, (), {}))
    assert [parent.relation for parent in tree.parents] == [DISJOINT, CONTINUE]


@pytest.mark.parametrize(("generations", "most"), [(3, MOST_ANCESTORS), (MOST_GENERATIONS, 2)])
def test_depth_and_width_are_bounded(
    generations: int, most: int, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    chain = [child(store, "chain", [])]
    for number in range(2, 7):
        chain.append(child(store, "chain", chain[-1:], number))
    assert len(ancestors(store, chain[-1:])) == 5
    monkeypatch.setattr(lineage_module, "MOST_GENERATIONS", generations)
    monkeypatch.setattr(lineage_module, "MOST_ANCESTORS", most)
    for follow in (lambda: lineage(store, chain[-1]), lambda: ancestors(store, chain[-1:])):
        with pytest.raises(CommandError, match="look at its parents one by one"):
            follow()
