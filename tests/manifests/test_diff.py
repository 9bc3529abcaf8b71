"""Diff: what two manifests differ in and the likeliest cause, told of real builds that differ in one thing."""

import json
import shutil
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from manifests.diff.difference import MOST_CHANGES, Difference, diff, difference_json, difference_lines
from manifests.diff.fields import changes, shown
from manifests.diff.rows import compare_rows
from manifests.keys import Trace
from manifests.manifest import Manifest
from manifests.store import Store
from tests.manifests.helpers import (
    NO_ANSWER,
    build_manifest,
    held_manifest,
    parts_of,
    publish,
    traces,
    write_jsonl,
)


class Mixes:
    """Builds of one mix, each with something else changed."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.write("one", [*traces(30), NO_ANSWER, *traces(4)])
        self.write("two", traces(20, first=25))

    def write(self, name: str, rows: list[Trace]) -> None:
        write_jsonl(self.folder / f"{name}.jsonl", rows)

    def build(self, names: tuple[str, ...] = ("one", "two"), **keys: Any) -> Manifest:
        sources = {name: self.folder / f"{name}.jsonl" for name in names}
        built = build_manifest(self.folder / "store", "mix", sources, **{"order": "mixed", **keys})
        return Store(self.folder / "store", behind=()).manifest(built.manifest.id)


@pytest.fixture
def mixes(tmp_path: Path) -> Mixes:
    return Mixes(tmp_path)


def test_a_manifest_is_identical_to_itself(mixes: Mixes) -> None:
    manifest = mixes.build()
    told = diff(manifest, manifest)
    assert (told.identical, told.causes, dict(told.changes)) == (True, ("the same manifest",), {})
    assert difference_lines(told)[-1] == "the same manifest"


def test_source_files_rewritten_with_the_same_rows_are_told_so(mixes: Mixes) -> None:
    first = mixes.build()
    path = mixes.folder / "two.jsonl"
    path.write_text(path.read_text().replace('{"prompt"', '{ "prompt"'))
    told = diff(first, mixes.build())
    assert told.causes == ("same rows in the same order: only the source files' bytes differ, of two",)
    assert told.rows.same_rows
    assert told.rows.same_order
    assert not told.identical
    assert [change.where for change in told.changes["sources"]] == [
        "sources.two.files.two.jsonl.sha256",
        "sources.two.files.two.jsonl.size",
    ]


def test_another_seed_of_the_order_is_order_only(mixes: Mixes) -> None:
    told = diff(mixes.build(), mixes.build(seed=7))
    assert told.causes[0] == "order only: other seed, 42 → 7"
    assert (told.rows.same_rows, told.rows.same_order) == (True, False)
    told = diff(mixes.build(), mixes.build(order="sequential"))
    assert told.causes[0] == "order only: another order, mixed/xxh3-128/1 → sequential/1"


def test_a_key_of_the_recipe_that_changes_nothing_is_the_only_cause(mixes: Mixes) -> None:
    told = diff(mixes.build(), mixes.build(seed=42))
    assert told.causes == ("same rows in the same order: the recipe: seed: not there → 42",)


def test_a_filter_that_decided_otherwise_is_named_with_stage_and_rows(mixes: Mixes) -> None:
    told = diff(mixes.build(), mixes.build(one={"length": {"max_chars": 40}, "max_drop": 1}))
    assert told.causes[0] == 'other rows: the recipe: source.one.length: not there → {"max_chars": 40}'
    left = told.rows.only_first
    assert any(
        cause.startswith("filter decision: ") and "of one left at length in B" in cause
        for cause in told.causes
    )
    assert sum(absence.rows for absence in told.rows.absences) == left + told.rows.only_second
    absence = told.rows.absences[0]
    assert (absence.only_in, absence.source, absence.status, absence.stage, absence.reason) == (
        *("a", "one", "rejected", "length"),
        "too-long",
    )
    assert any(
        f"of one not in B: rejected at length: too-long   e.g. one:{absence.examples[0]}" in line
        for line in difference_lines(told)
    )


def test_another_draw_and_another_range_say_what_became_of_the_rows(mixes: Mixes) -> None:
    base = mixes.build(one={"take": {"reservoir": 10}})
    told = diff(base, mixes.build(one={"take": {"reservoir": 10, "seed": 3}}))
    assert "source.one.take.seed: not there → 3" in told.causes[0]
    assert {absence.status for absence in told.rows.absences if absence.source == "one"} == {"not-taken"}
    told = diff(base, mixes.build(one={"rows": [1, 10]}))
    assert "outside-range" in {absence.status for absence in told.rows.absences}


def test_a_source_that_only_one_has_comes_first(mixes: Mixes) -> None:
    told = diff(mixes.build(), mixes.build(("one",)))
    assert told.causes[0] == "other rows: only A has two"
    assert {absence.status for absence in told.rows.absences if absence.source == "two"} == {"no-such-source"}


def test_a_source_whose_rows_moved_is_told(mixes: Mixes) -> None:
    first = mixes.build()
    mixes.write("two", traces(20, first=26))
    told = diff(first, mixes.build())
    assert told.causes[0] == "other rows: source moved: other bytes, of two"
    assert told.rows.changed > 0
    assert told.rows.changed_examples[0].startswith("two:")


def test_the_same_texts_under_other_row_numbers_are_told_apart_from_other_texts(mixes: Mixes) -> None:
    first = mixes.build(("two",))
    mixes.write("two", [NO_ANSWER, *traces(20, first=25)])
    told = diff(first, mixes.build(("two",)))
    assert told.causes[0].startswith("the same texts under other row numbers: ")
    assert told.rows.same_contents


def test_parents_that_differ_are_a_cause(mixes: Mixes) -> None:
    base = mixes.build(("two",))
    mixes.write("three", traces(40, first=30))
    told = diff(mixes.build(("three",)), mixes.build(("three",), disjoint={"from": [base.id]}))
    assert f"only B has the parent {base.id[:12]} (disjoint)" in told.causes
    assert any("left at disjoint in B" in cause for cause in told.causes)


def test_tools_are_compared_and_are_no_difference_of_the_manifests(mixes: Mixes) -> None:
    first = mixes.build()
    shutil.copytree(mixes.folder / "store", mixes.folder / "other")
    receipt = mixes.folder / "other" / "manifests" / first.id / "receipt.json"
    stated = json.loads(receipt.read_text())
    receipt.write_text(json.dumps({**stated, "tools": {**stated["tools"], "polars": "0.1"}}))
    told = diff(first, Store(mixes.folder / "other", behind=()).manifest(first.id))
    assert told.identical
    assert [(change.where, change.second) for change in told.tools] == [("tools.polars", '"0.1"')]
    receipt.write_text(json.dumps({**stated, "tools": "none"}))
    assert diff(first, Store(mixes.folder / "other", behind=()).manifest(first.id)).tools


def test_what_is_printed_as_json_has_the_counts_the_cause_and_all_sections(mixes: Mixes) -> None:
    told = diff(mixes.build(), mixes.build(seed=7, one={"take": {"first": 5}}))
    result = json.loads(json.dumps(difference_json(told)))
    assert (result["a"], result["b"], result["identical"]) == (told.first.id, told.second.id, False)
    assert result["cause"] == result["causes"][0]
    assert result["rows"]["only_first"] == told.rows.only_first > 0
    assert result["why"][0]["rows"] == told.rows.absences[0].rows
    assert {"recipe", "sources", "algorithms", "detectors", "parents", "ledger", "tools"} <= set(result)
    assert result["changed"]["recipe"] == 2


def test_what_is_shown_of_many_changes_is_bounded_and_counted() -> None:
    base = parts_of(traces(1))
    many = {f"key{number}": "x" * 500 for number in range(100)}
    first, second = (
        held_manifest(base.changed(recipe={"source": [{"name": "traces"}], **keys}).identity, base.rows)
        for keys in ({}, many)
    )
    told = diff(first, second)
    assert len(told.changes["recipe"]) == 100
    assert difference_json(told)["recipe"].__len__() == MOST_CHANGES  # type: ignore[attr-defined]
    lines = difference_lines(told)
    assert "  and 80 more changes" in lines
    assert max(map(len, lines)) < 300
    assert told.causes[-1] == "the recipe: 97 other keys"


VALUES = st.recursive(
    st.none() | st.integers(0, 3) | st.sampled_from(["", "x"]),
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(st.sampled_from("abc"), inner, max_size=2)
        | st.lists(st.fixed_dictionaries({"name": st.sampled_from("xy"), "a": inner}), max_size=2)
    ),
)


@given(VALUES, VALUES)
def test_values_differ_exactly_when_changes_are_told_and_both_ways_alike(
    first: object, second: object
) -> None:
    forth, back = changes(first, second, "top"), changes(second, first, "top")
    if json.dumps(first, sort_keys=True) == json.dumps(second, sort_keys=True):
        assert forth == []
    assert [(change.where, change.first, change.second) for change in forth] == [
        (change.where, change.second, change.first) for change in back
    ]
    assert all(change.first != change.second and shown(change) for change in forth)


ROWS = st.lists(st.tuples(st.integers(1, 6), st.integers(0, 3)), unique_by=lambda row: row[0], max_size=6)


@given(ROWS, ROWS)
def test_rows_are_compared_as_a_plain_loop_would(
    ours: list[tuple[int, int]], theirs: list[tuple[int, int]]
) -> None:
    first, second = (_manifest(rows) for rows in (ours, theirs))
    told = compare_rows(first, second)
    left, right = dict(ours), dict(theirs)
    both = [row for row, _ in ours if row in right]
    alike = [row for row in both if left[row] == right[row]]
    assert (told.common, told.changed) == (len(alike), len(both) - len(alike))
    assert (told.only_first, told.only_second) == (len(left) - len(both), len(right) - len(both))
    assert told.contents_only_first == len(set(left.values()) - set(right.values()))
    assert told.same_order == (alike == [row for row, _ in theirs if row in alike])
    assert told.same_rows == (left == right)
    assert sum(absence.rows for absence in told.absences) == told.only_first + told.only_second


def _manifest(rows: list[tuple[int, int]]) -> Manifest:
    parts = parts_of([traces(1, first=number)[0] for _, number in rows])
    numbers = pa.array([row for row, _ in rows], pa.uint64())
    return held_manifest(parts.identity, parts.rows.set_column(1, parts.rows.schema.field(1), numbers))


def test_a_filter_decision_alone_is_the_cause(store_path: Path) -> None:
    store = Store(store_path, behind=())
    first, second = publish(store, parts_of(traces(5))), publish(store, parts_of(traces(4), dropped=1))
    told = diff(store.manifest(first.id), store.manifest(second.id))
    assert told.causes == ("other rows: filter decision: 1 row of traces left at parse in B",)
    assert diff(store.manifest(second.id), store.manifest(first.id)).causes[0].endswith("left at parse in A")


def test_a_difference_of_nothing_known_says_so() -> None:
    parts = parts_of(traces(3))
    other = parts_of(traces(3, first=2))
    told = diff(held_manifest(parts.identity, parts.rows), held_manifest(other.identity, other.rows))
    assert isinstance(told, Difference)
    assert told.causes == ("other rows: nothing in the identities says why",)
