"""Explain: what became of every row of every source, told by the manifest that looked at it."""

import json
import shutil
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from manifests.errors import CommandError
from manifests.explain import BEGINNING, Explanation, explain, explanation_json, explanation_lines, parse_row
from manifests.store import Store
from tests.manifests.damaging import flip, rewrite_dataset, with_text
from tests.manifests.helpers import NO_ANSWER, build_manifest, traces, write_jsonl


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """Two sessions: `first` of two sources, and `second`, disjoint from it, of a range of a third."""
    folder = tmp_path_factory.mktemp("explain")
    one = write_jsonl(folder / "one.jsonl", [*traces(10), NO_ANSWER, *traces(3)])
    two = write_jsonl(folder / "two.jsonl", traces(20, first=8))
    build_manifest(folder / "store", "first", {"one": one, "two": two}, order="mixed")
    three = write_jsonl(folder / "three.jsonl", [*traces(40, first=20), *traces(1, first=21)])
    keys = {"three": {"rows": [2, 41], "take": {"first": 10}}, "disjoint": {"from": ["first"]}}
    build_manifest(folder / "store", "second", {"three": three}, **keys)
    return Store(folder / "store", behind=())


def told(store: Store, manifest: str, source: str, row: int) -> Explanation:
    return explain(store, store.manifest(manifest), source, row)


def test_a_row_that_is_in_comes_with_place_file_keys_and_text(store: Store) -> None:
    found = told(store, "first", "two", 5)
    manifest = store.manifest("first")
    assert found.place is not None
    row = manifest.rows.slice(found.place - 1, 1).to_pylist()[0]
    assert (row["source"], row["row"], row["content"].hex()) == ("two", 5, found.content)
    assert (found.status, found.file, found.row_in_file, found.rows) == ("in", "two.jsonl", 5, 27)
    assert found.text == traces(1, first=12)[0]
    assert f"two:5: in, at place {found.place} of 27 in training order" in explanation_lines(found)


def test_a_rejected_row_says_where_why_and_what_became_of_the_kept_one(store: Store) -> None:
    found = told(store, "first", "one", 11)
    assert (found.status, found.stage, found.reason, found.kept) == ("rejected", "parse", "no-answer", None)
    assert explanation_lines(found)[0] == "one:11: rejected at parse: no-answer"
    found = told(store, "first", "one", 12)
    assert (found.stage, found.reason) == ("duplicates", "same-content")
    assert found.kept is not None
    assert (found.kept.source, found.kept.row, found.kept.status) == ("one", 1, "in")


def test_a_row_dropped_for_another_manifest_s_names_it(store: Store) -> None:
    found = told(store, "second", "three", 2)
    assert (found.stage, found.reason) == ("disjoint", "same-content")
    assert found.kept is not None
    assert (found.kept.names, found.kept.source, found.kept.row, found.kept.status) == (
        ("first:1",),
        "two",
        14,
        "in",
    )
    assert any("kept     two:14 of first:1 " in line for line in explanation_lines(found))


def test_a_chain_of_kept_rows_is_followed(store: Store) -> None:
    found = told(store, "second", "three", 41)
    assert found.kept is not None
    assert (found.stage, found.kept.source, found.kept.row, found.kept.stage) == (
        "duplicates",
        "three",
        2,
        "disjoint",
    )
    assert found.kept.kept is not None
    assert found.kept.kept.status == "in"


@pytest.mark.parametrize(
    ("row", "status", "words"),
    [
        (1, "outside-range", "outside the rows 2 to 41 that the recipe looks at"),
        (40, "not-taken", "a candidate, but the draw did not take it"),
        (42, "outside-range", "outside the rows 2 to 41"),
        (10**17, "outside-range", "outside the rows"),
    ],
)
def test_a_row_that_is_neither_says_why(row: int, status: str, words: str, store: Store) -> None:
    found = told(store, "second", "three", row)
    assert found.status == status
    assert words in explanation_lines(found)[0]


def test_a_row_past_the_files_is_told_with_their_end(store: Store) -> None:
    found = told(store, "first", "one", 15)
    assert found.status == "past-files"
    assert explanation_lines(found) == ["one:15: past the files, which end at row 14"]


def test_every_row_of_every_source_has_exactly_one_fate(store: Store) -> None:
    manifest = store.manifest("first")
    statuses = [told(store, "first", "one", row).status for row in range(1, 15)]
    assert statuses.count("in") == sum(name == "one" for name in manifest.rows.column("source").to_pylist())
    assert statuses.count("rejected") == 4
    assert len(statuses) == statuses.count("in") + statuses.count("rejected")


def test_the_beginning_of_a_text_is_cut_and_only_given_if_it_is_the_row_s(tmp_path: Path) -> None:
    copy = Store(tmp_path / "store", behind=())
    long = traces(1)[0]._replace(answer="x" * 1_000)
    path = write_jsonl(tmp_path / "one.jsonl", [long])
    manifest = build_manifest(copy.root, "long", {"one": path}).manifest
    found = told(copy, "long", "one", 1)
    text = explanation_json(found)["text"]
    assert isinstance(text, dict)
    assert text["answer"] == "x" * BEGINNING
    assert explanation_lines(found)[-1] == f"  answer    '{'x' * BEGINNING}'…"
    folder = copy.root / "datasets" / manifest.id
    rewrite_dataset(folder, lambda table: with_text(table, 0, "answer", "changed"))
    assert told(copy, "long", "one", 1).text is None
    flip(min((folder / "data").glob("*.parquet")), 5, 1)
    assert told(copy, "long", "one", 1).text is None
    shutil.rmtree(folder)
    assert told(copy, "long", "one", 1).text is None


def test_a_parent_that_is_not_here_is_told_and_no_error(store: Store, tmp_path: Path) -> None:
    shutil.copytree(store.root, tmp_path / "store")
    copy = Store(tmp_path / "store", behind=())
    shutil.rmtree(copy.manifest("first").folder)
    found = told(copy, "second", "three", 2)
    assert found.kept is not None
    assert found.kept.status == "manifest-not-here"
    assert "not in the store, or damaged there" in "\n".join(explanation_lines(found))


def test_what_is_printed_as_json_nests_the_kept_rows(store: Store) -> None:
    found = json.loads(json.dumps(explanation_json(told(store, "second", "three", 41))))
    assert (found["status"], found["kept"]["status"], found["kept"]["kept"]["status"]) == (
        "rejected",
        "rejected",
        "in",
    )
    assert found["kept"]["kept"]["kept"] is None


@pytest.mark.parametrize(
    "text",
    [
        "",
        "one",
        "one:",
        ":1",
        "one:x",
        "one:-1",
        "one:+1",
        "one:1.5",
        "one:٣",
        "one:²",
        "one:0",
        "one:1" + "0" * 30,
        "1",
    ],
)
def test_what_is_no_row_is_a_wrong_request(text: str) -> None:
    with pytest.raises(CommandError):
        parse_row(text)


@given(st.text(max_size=200))
def test_any_text_is_a_row_or_one_line_of_error(text: str) -> None:
    try:
        source, row = parse_row(text)
    except CommandError as error:
        assert len(str(error)) < 700  # noqa: PT017
    else:
        assert text == f"{source}:{row}" or text.startswith(f"{source}:0")
        assert row >= 1


def test_a_source_that_the_manifest_does_not_have_is_a_wrong_request(store: Store) -> None:
    with pytest.raises(CommandError, match="has the sources one, two"):
        told(store, "first", "three", 1)
    with pytest.raises(CommandError, match="counted from 1"):
        told(store, "first", "one", 0)
