"""What digests alone do not prove: manifests that verify and that no build would have made are told apart."""

import json
from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from manifests.diagnosis.deep import order_faults
from manifests.diagnosis.flow import verify
from manifests.identity import CONTINUE, DISJOINT, Parent
from manifests.manifest import Manifest
from manifests.store import Store
from manifests.tables import REJECTS, SKETCHED_ROWS, table_of
from tests.manifests.damaging import fault_of, flip
from tests.manifests.helpers import (
    Parts,
    build_manifest,
    held_manifest,
    parts_of,
    publish,
    traces,
    write_jsonl,
)

PARTS = parts_of(traces(20))


@pytest.fixture
def store(store_path: Path) -> Store:
    return Store(store_path, behind=())


def in_order(parts: Parts, places: Sequence[int]) -> Parts:
    """The same rows in another order, with digests that fit."""
    return replace(
        parts, rows=parts.rows.take(list(places)), content=parts.content.take(list(places))
    ).sealed()


def recipe(**keys: object) -> dict[str, object]:
    """A recipe of one source that drops duplicates, in sequence."""
    return {"order": "sequential", "source": [{"name": "traces", **keys}]}


def mixed(store: Store, tmp_path: Path, **keys: object) -> Manifest:
    """A real mix of two sources with duplicates within and across them."""
    one = write_jsonl(tmp_path / "one.jsonl", [*traces(30), *traces(5)])
    two = write_jsonl(tmp_path / "two.jsonl", traces(40, first=25))
    built = build_manifest(store.root, "mix", {"one": one, "two": two}, **{"order": "mixed", **keys})
    return store.manifest(built.manifest.id)


@pytest.mark.parametrize(
    "keys",
    [
        {},
        {"order": "sequential"},
        {"seed": 7},
        {"one": {"duplicates": "keep"}},
        {"two": {"take": {"first": 4}}},
        {
            "one": {"take": {"reservoir": 9}},
            "two": {"take": {"shuffle": 9, "seed": 3}},
            "order": "sequential",
        },
        {"one": {"rows": [3, 20], "take": {"first": 5}}, "two": {"rows": [2, 30]}},
        {"one": {"near": {"threshold": Decimal("0.5")}, "take": {"hash": 1}}},
        {"two": {"draw": "raw", "take": {"first": 30}}, "order": "sequential"},
        {"sketch": True},
    ],
)
def test_what_a_build_made_holds_to_the_bottom(keys: dict[str, object], store: Store, tmp_path: Path) -> None:
    manifest = mixed(store, tmp_path, **keys)
    told = verify(store, manifest.id, deep=True)
    assert (told.faults, told.notes) == ((), ())


def test_a_chain_of_real_sessions_holds_to_the_bottom(store: Store, tmp_path: Path) -> None:
    first = mixed(store, tmp_path)
    # The last row is a duplicate of one that is itself dropped later, for a row of the first session.
    three = write_jsonl(tmp_path / "three.jsonl", [*traces(60, first=50), *traces(1, first=51)])
    keys = {"disjoint": {"from": ["mix"]}, "continue": {"from": ["mix"]}}
    second = build_manifest(store.root, "later", {"three": three}, **keys).manifest
    assert second.identity.parents == (Parent(first.id, DISJOINT), Parent(first.id, CONTINUE))
    assert verify(store, second.id, deep=True).verified
    flip(first.folder / "rows.parquet", 60, 1)
    told = verify(store, second.id, deep=True)
    assert {fault.where for fault in told.faults} == {
        f"parent {first.id[:12]} (disjoint)",
        f"parent {first.id[:12]} (continue)",
    }
    first.folder.rename(store.root / "aside")
    told = verify(store, second.id, deep=True)
    assert told.verified
    assert told.notes == (
        f"parent {first.id[:12]} (disjoint) is not here",
        f"parent {first.id[:12]} (continue) is not here",
    )


def test_a_mix_that_is_not_in_its_order_is_a_fault(store: Store) -> None:
    false = PARTS.changed(order="mixed/xxh3-128/1", recipe={**recipe(duplicates="keep"), "order": "mixed"})
    fault = fault_of(store, publish(store, false), deep=True)
    assert fault.where.startswith("rows.parquet, order mixed/xxh3-128/1, row ")
    assert fault.cause == "it was not made by a build of this recipe"


def test_sources_that_do_not_stand_one_after_another_are_a_fault(store: Store, tmp_path: Path) -> None:
    manifest = mixed(store, tmp_path, order="sequential")
    count = manifest.identity.rows
    false = Parts(manifest.identity, manifest.rows, manifest.rejects, _content(store, manifest))
    told = verify(store, publish(store, in_order(false, [*range(1, count), 0]), "false").id, deep=True)
    fault, upstream = told.faults
    assert (upstream.what, upstream.observed) == ("not in upstream order", "30 then 1")
    assert (fault.where, fault.differing) == (f"rows.parquet, order sequential/1, row {count}", 1)


def _content(store: Store, manifest: Manifest) -> pa.Table:
    return pa.concat_tables(store.dataset_blocks(manifest))


def test_rows_taken_whole_must_stand_in_upstream_order(store: Store) -> None:
    fault = fault_of(store, publish(store, in_order(PARTS, [1, 0, *range(2, 20)])), deep=True)
    assert (fault.what, fault.observed) == ("not in upstream order", "2 then 1")


def test_a_row_that_the_draw_would_have_taken_must_be_somewhere(store: Store) -> None:
    stages = list(PARTS.identity.ledger[0].stages)
    stages[-1] = replace(stages[-1], rows_out=10, dropped={"not-taken": 10})
    ledger = (replace(PARTS.identity.ledger[0], stages=tuple(stages)),)
    keys: dict[str, Any] = {"ledger": ledger, "takes": {"traces": "first/1"}}
    keys["recipe"] = recipe(duplicates="keep", take={"first": 10})
    assert verify(store, publish(store, in_order(PARTS, range(10)).changed(**keys)).id, deep=True).verified
    false = in_order(PARTS, [*range(5), *range(6, 11)]).changed(**keys)
    fault = fault_of(store, publish(store, false), deep=True)
    assert (fault.expected, fault.differing, fault.of) == ("traces:6", 1, 11)


def test_a_content_that_stands_twice_is_a_fault_unless_its_source_keeps_duplicates(store: Store) -> None:
    twice = parts_of([*traces(3), *traces(2)])
    assert verify(store, publish(store, twice).id, deep=True).verified
    stages = list(twice.identity.ledger[0].stages)
    stages[2:2] = [
        replace(stages[1], stage="duplicates", dropped={}),
        replace(stages[1], stage="across", dropped={}),
    ]
    ledger = (replace(twice.identity.ledger[0], stages=tuple(stages)),)
    false = twice.changed(recipe=recipe(), ledger=ledger)
    fault = fault_of(store, publish(store, false, "false"), deep=True)
    assert (fault.where, fault.expected, fault.differing) == (
        "rows.parquet, traces:4",
        "the content of traces:1 once",
        2,
    )


def with_reject(kept_manifest: str, kept_source: str, kept_row: int, reason: str = "same-content") -> Parts:
    """Twenty rows, and one rejected for another."""
    parts = parts_of(traces(20), dropped=1)
    stage = {"same-content": "duplicates", "same-row": "disjoint"}[reason]
    stages = list(parts.identity.ledger[0].stages)
    stages[1] = replace(stages[1], rows_in=21, rows_out=21, dropped={})
    taken = stages.pop()
    for name in ("duplicates", "across", *(["disjoint"] if stage == "disjoint" else [])):
        dropped = {reason: 1} if name == stage else {}
        before = stages[-1].rows_out
        stages.append(
            replace(taken, stage=name, rows_in=before, rows_out=before - len(dropped), dropped=dropped)
        )
    rejects = table_of(
        REJECTS,
        [[value] for value in ("traces", 21, stage, reason, "", kept_manifest, kept_source, kept_row)],
    )
    ledger = (replace(parts.identity.ledger[0], stages=(*stages, taken)),)
    keys: dict[str, object] = {"recipe": recipe(), "ledger": ledger}
    if stage == "disjoint":
        keys["recipe"] = {**recipe(), "disjoint": {}}
    return replace(parts, rejects=rejects).changed(**keys)


def test_the_row_kept_for_a_rejected_one_must_be_one_that_was_kept(store: Store) -> None:
    assert verify(store, publish(store, with_reject("", "traces", 3)).id, deep=True).verified
    for source, row in (("traces", 22), ("nobody", 3)):
        fault = fault_of(store, publish(store, with_reject("", source, row)), deep=True)
        assert fault.where == "rejects.parquet, traces:21, rejected at duplicates"
        assert fault.observed == f"{source}:{row}"


def test_rejects_that_do_not_stand_in_order_are_a_fault(store: Store) -> None:
    parts = parts_of(traces(3), dropped=3)
    false = replace(parts, rejects=parts.rejects.take([0, 2, 1])).sealed()
    fault = fault_of(store, publish(store, false), deep=True)
    assert (fault.where, fault.observed) == ("rejects.parquet, row 3", "it after traces:6")


def test_a_manifest_may_share_rows_with_one_that_it_goes_on_from(store: Store) -> None:
    parent = publish(store, PARTS, "earlier")
    child = PARTS.changed(parents=(Parent(parent.id, CONTINUE),))
    assert verify(store, publish(store, child).id, deep=True).verified


def test_a_row_kept_for_itself_is_a_fault(store: Store) -> None:
    assert not verify(store, publish(store, with_reject("", "traces", 21)).id, deep=True).verified


@pytest.mark.parametrize(("row", "faults"), [(2, 0), (99, 1)])
def test_the_kept_row_of_a_parent_must_be_one_of_its_rows(row: int, faults: int, store: Store) -> None:
    parent = publish(store, parts_of(traces(5, first=500), source="earlier"), "earlier")
    parts = with_reject(parent.id, "earlier", row, "same-row")
    source = parts.identity.sources[0]
    apart = replace(source, files=(replace(source.files[0], sha256="cd" * 32),))
    child = parts.changed(parents=(Parent(parent.id, DISJOINT),), sources=(apart,))
    told = verify(store, publish(store, child).id, deep=True)
    assert len(told.faults) == faults


def test_a_kept_row_of_a_manifest_that_is_no_parent_is_a_fault(store: Store) -> None:
    parts = with_reject("ab" * 32, "earlier", 1, "same-row")
    child = parts.changed(parents=(Parent("cd" * 32, DISJOINT),))
    told = verify(store, publish(store, child).id, deep=True)
    assert ["no disjoint parent" in fault.what for fault in told.faults] == [True]


@pytest.mark.parametrize(
    ("sha256", "first", "what"), [("ab" * 32, 900, "origin row"), ("cd" * 32, 15, "content")]
)
def test_a_disjoint_parent_that_shares_rows_is_a_fault(
    sha256: str, first: int, what: str, store: Store
) -> None:
    parent = publish(store, parts_of(traces(10, first=first)), "earlier")
    stages = list(PARTS.identity.ledger[0].stages)
    stages.insert(2, replace(stages[1], stage="disjoint"))
    source = PARTS.identity.sources[0]
    child = PARTS.changed(
        parents=(Parent(parent.id, DISJOINT),),
        recipe={**recipe(duplicates="keep"), "disjoint": {}},
        ledger=(replace(PARTS.identity.ledger[0], stages=tuple(stages)),),
        sources=(replace(source, files=(replace(source.files[0], sha256=sha256),)),),
    )
    fault = fault_of(store, publish(store, child), deep=True)
    assert fault.what == f"its {what} is in the disjoint parent {parent.id[:12]}"


def test_characters_that_are_not_those_of_the_text_are_a_fault(store: Store) -> None:
    numbers = PARTS.rows.column("chars").to_pylist()
    numbers[3] += 1
    rows = PARTS.rows.set_column(4, PARTS.rows.schema.field(4), pa.array(numbers, pa.uint64()))
    manifest = publish(store, replace(PARTS, rows=rows).sealed())
    assert verify(store, manifest.id, dataset=True).verified
    fault = fault_of(store, manifest, deep=True)
    assert fault.where == "rows.parquet, row 4 (traces:4), column chars"
    assert (fault.expected, fault.observed) == (str(numbers[3] - 1), str(numbers[3]))


def test_a_sketch_that_is_not_that_of_the_text_is_a_fault(store: Store) -> None:
    column = pa.array([bytes(128)] * 20, pa.binary(128))
    rows = PARTS.rows.append_column(SKETCHED_ROWS.schema.field("sketch"), column)
    sketched = {**recipe(duplicates="keep"), "sketch": True}
    false = replace(
        PARTS, rows=rows, identity=replace(PARTS.identity, sketched=True, recipe=sketched)
    ).sealed()
    fault = fault_of(store, publish(store, false), deep=True)
    assert fault.where == "rows.parquet, row 1 (traces:1), column sketch"
    assert fault.differing == 20


@pytest.mark.parametrize("key", ["size", "sha256"])
def test_a_file_that_is_not_the_receipt_s_is_a_fault(key: str, store: Store) -> None:
    manifest = publish(store, PARTS)
    path = manifest.folder / "receipt.json"
    receipt = json.loads(path.read_text())
    receipt["files"]["rows.parquet"][key] = 5 if key == "size" else "ab" * 32
    path.write_text(json.dumps(receipt))
    assert verify(store, manifest.id).verified
    assert fault_of(store, manifest, deep=True).where == "receipt.json, files rows.parquet"


def test_a_name_that_can_t_be_read_is_a_fault(store: Store) -> None:
    manifest = publish(store, PARTS)
    (store.root / "refs" / "mix" / "1").write_text("nonsense")
    assert fault_of(store, manifest, deep=True).where == "refs"


@pytest.mark.parametrize("seed", ["x", -1, 2**70, None, [1]])
def test_a_hostile_seed_is_a_fault_and_no_traceback(seed: object) -> None:
    identity = replace(PARTS.identity, order="mixed/xxh3-128/1", recipe={"seed": seed})
    faults = order_faults(held_manifest(identity, PARTS.rows))
    assert [fault.where for fault in faults] == ["manifest.json, field recipe.seed"]
