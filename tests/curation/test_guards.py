"""What stops a build: one line that says why, and nothing left in the store."""

import json
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path

import pytest

from curation.errors import CurationError, GuardError, RecipeError, SourceError, TakeError
from manifests.errors import UnknownManifestError
from manifests.keys import Trace
from tests.curation.helpers import (
    build_mix,
    build_watched,
    files_below,
    ledger_of,
    left_behind,
    message_of,
    rejects_of,
    source,
    traces,
    write_traces,
)

EMPTY = Trace("Why?", "Because.", "")


def refusal(folder: Path, error: type[CurationError], *sources: Mapping[str, object], **top: object) -> str:
    """What a build stops with. The store is empty before and after."""
    with pytest.raises(error) as raised:
        build_mix(folder, *sources, **top)
    assert left_behind(folder / "store") == []
    return message_of(raised)


def write_with_faults(path: Path, *, whole: int, without_answer: int, without_prompt: int = 0) -> None:
    faulty = [Trace("", "Because.", "Yes.")] * without_prompt + [EMPTY] * without_answer
    write_traces(path, [*traces(whole), *faulty])


def test_a_stage_may_drop_exactly_half_of_a_source(tmp_path: Path) -> None:
    write_with_faults(tmp_path / "one.jsonl", whole=5, without_answer=5)
    assert build_mix(tmp_path, source("one")).manifest.identity.rows == 5


def test_a_stage_that_drops_more_than_half_stops_the_build_and_says_what_took_most(tmp_path: Path) -> None:
    write_with_faults(tmp_path / "one.jsonl", whole=9, without_answer=7, without_prompt=3)
    message = refusal(tmp_path, GuardError, source("one"))
    assert (
        "source one: stage parse would drop 10 of 19 rows (52.6%, max_drop allows 50.0%): 7 of them no-answer"
        in message
    )
    assert "first row 13" in message
    assert GuardError.exit_status == 1


@pytest.mark.parametrize(
    ("max_drop", "allowed"), [("0.6", True), ("0.599", False), ("1", True), ("0", False)]
)
def test_max_drop_is_the_largest_share_that_a_stage_may_drop(
    tmp_path: Path, max_drop: str, *, allowed: bool
) -> None:
    write_with_faults(tmp_path / "one.jsonl", whole=4, without_answer=6)
    entry = source("one", max_drop=Decimal(max_drop))
    if allowed:
        assert build_mix(tmp_path, entry).manifest.identity.rows == 4
    else:
        assert "would drop 6 of 10 rows" in refusal(tmp_path, GuardError, entry)


def test_a_share_of_no_rows_is_never_too_large(tmp_path: Path) -> None:
    write_with_faults(tmp_path / "one.jsonl", whole=0, without_answer=3)
    write_traces(tmp_path / "two.jsonl", traces(1))
    manifest = build_mix(tmp_path, source("one", max_drop=1), source("two")).manifest
    assert ledger_of(manifest)["one"] == [
        ("rows", 3, 3, {}),
        ("parse", 3, 0, {"no-answer": 3}),
        ("duplicates", 0, 0, {}),
        ("across", 0, 0, {}),
        ("take", 0, 0, {}),
    ]


def test_duplicates_are_guarded(tmp_path: Path) -> None:
    write_traces(tmp_path / "one.jsonl", traces(1) * 3)
    message = refusal(tmp_path, GuardError, source("one"))
    assert "stage duplicates would drop 2 of 3 rows" in message
    assert "2 of them same-content" in message


def test_duplicates_across_sources_are_guarded(tmp_path: Path) -> None:
    write_traces(tmp_path / "one.jsonl", traces(4))
    write_traces(tmp_path / "two.jsonl", traces(5, first=2))
    message = refusal(tmp_path, GuardError, source("one"), source("two"))
    assert "source two: stage across would drop 3 of 5 rows" in message


def test_other_languages_are_guarded(tmp_path: Path) -> None:
    english = "The train leaves the station at nine and arrives before the rain begins, number"
    write_traces(
        tmp_path / "one.jsonl", [*(Trace(f"{english} {n}", english, english) for n in range(2)), *traces(3)]
    )
    message = refusal(tmp_path, GuardError, source("one", language="en"))
    assert "source one: stage language would drop 3 of 5 rows" in message
    assert "3 of them other-language" in message


def test_overlap_with_an_earlier_manifest_is_guarded(tmp_path: Path) -> None:
    write_traces(tmp_path / "one.jsonl", traces(5))
    build_mix(tmp_path, source("one", rows=[1, 3]), name="earlier")
    before = files_below(tmp_path / "store")
    with pytest.raises(GuardError, match="stage disjoint would drop 3 of 5 rows"):
        build_mix(tmp_path, source("one"), disjoint={"from": ["earlier"]})
    assert files_below(tmp_path / "store") == before


def test_taking_less_than_there_is_is_not_guarded(tmp_path: Path) -> None:
    write_traces(tmp_path / "one.jsonl", traces(100))
    assert build_mix(tmp_path, source("one", take={"reservoir": 1}, max_drop=0)).manifest.identity.rows == 1


@pytest.mark.parametrize(
    ("expect", "wanted"),
    [
        ({"rows": 4}, "exactly 4"),
        ({"rows": 6}, "exactly 6"),
        ({"min": 6}, "at least 6"),
        ({"rows": 0}, "exactly 0"),
    ],
)
def test_an_expectation_that_is_missed_stops_the_build_with_what_every_stage_left(
    tmp_path: Path, expect: dict[str, int], wanted: str
) -> None:
    write_with_faults(tmp_path / "one.jsonl", whole=6, without_answer=2)
    message = refusal(tmp_path, GuardError, source("one", take={"first": 5}, expect=expect))
    assert message.startswith(f"source one: 5 rows in the finished manifest, expect says {wanted}; ")
    assert "rows 8, parse 6, duplicates 6, across 6, take 5" in message


@pytest.mark.parametrize("expect", [{"rows": 5}, {"min": 5}, {"min": 4}, {"min": 0}])
def test_an_expectation_that_is_met_lets_the_build_go_on(tmp_path: Path, expect: dict[str, int]) -> None:
    write_traces(tmp_path / "one.jsonl", traces(5))
    assert build_mix(tmp_path, source("one", expect=expect)).manifest.identity.rows == 5


def test_an_expectation_counts_what_a_raw_draw_lost_after_it(tmp_path: Path) -> None:
    write_with_faults(tmp_path / "one.jsonl", whole=6, without_answer=2)
    message = refusal(tmp_path, GuardError, source("one", draw="raw", take={"first": 8}, expect={"min": 7}))
    assert message.startswith("source one: 6 rows in the finished manifest, expect says at least 7; ")


@pytest.mark.parametrize("kind", ["first", "reservoir", "shuffle", "hash"])
@pytest.mark.parametrize(("draw", "left"), [("filtered", 6), ("raw", 8)])
def test_fewer_candidates_than_asked_for_stop_the_build(
    tmp_path: Path, kind: str, draw: str, left: int
) -> None:
    write_with_faults(tmp_path / "one.jsonl", whole=6, without_answer=2)
    message = refusal(tmp_path, TakeError, source("one", draw=draw, take={kind: left + 1}))
    assert message.startswith(f"source one: take = {{ {kind} = {left + 1} }}, but only {left} rows are left")


def test_a_range_past_the_last_row_stops_the_build(tmp_path: Path) -> None:
    write_traces(tmp_path / "one.jsonl", traces(5))
    for draw in ("filtered", "raw"):
        message = refusal(tmp_path, SourceError, source("one", rows=[3, 6], draw=draw))
        assert message.startswith("source one: rows = [3, 6], but it has only 5 rows")


def test_an_empty_source_stops_the_build(tmp_path: Path) -> None:
    write_traces(tmp_path / "one.jsonl", [])
    for draw in ("filtered", "raw"):
        assert "no rows in 1 files" in refusal(tmp_path, SourceError, source("one", draw=draw))


def test_a_file_that_can_not_be_read_stops_the_build(tmp_path: Path) -> None:
    (tmp_path / "one.jsonl").write_text(json.dumps(EMPTY._asdict()) + "\n{", encoding="utf-8")
    assert "one.jsonl, row 2: not a line of JSON" in refusal(tmp_path, SourceError, source("one"))


def test_a_source_without_files_stops_the_build(tmp_path: Path) -> None:
    write_traces(tmp_path / "one.jsonl", traces(5))
    assert "source two: no file matches" in refusal(
        tmp_path, SourceError, source("one"), source("two", "b*.jsonl")
    )
    assert not (tmp_path / "store").exists()


@pytest.mark.parametrize(
    "revision", [None, "main", "v1.0", "0123456789ab", "0123456789ABCDEF0123456789ABCDEF01234567"]
)
def test_a_hub_source_that_is_not_pinned_to_a_commit_stops_the_build(
    tmp_path: Path, revision: str | None
) -> None:
    entry: dict[str, object] = {
        "name": "one",
        "hub": "owner/name",
        "columns": {"prompt": "a", "response": "b"},
    }
    message = refusal(tmp_path, RecipeError, entry | ({"revision": revision} if revision else {}))
    assert message.startswith("source one: revision: expected a commit (40 hex digits), ")
    assert (f"found {revision!r}" if revision else "none is set") in message
    assert "run `curation pin RECIPE --out FILE`" in message


def test_an_earlier_manifest_that_is_not_there_stops_the_build(tmp_path: Path) -> None:
    write_traces(tmp_path / "one.jsonl", traces(5))
    for reference in ("earlier", "0123456789", "0" * 64):
        with pytest.raises(UnknownManifestError) as raised:
            build_mix(tmp_path, source("one"), disjoint={"from": [reference]})
        assert reference in message_of(raised)
        assert left_behind(tmp_path / "store") == []


def test_a_build_that_is_interrupted_leaves_nothing_behind(tmp_path: Path) -> None:
    write_traces(tmp_path / "one.jsonl", traces(5))

    def interrupt(_what: str, rows: int) -> None:
        if rows:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        build_watched(tmp_path, [source("one")], interrupt)
    assert left_behind(tmp_path / "store") == []


def test_what_every_guard_would_let_pass_is_built(tmp_path: Path) -> None:
    """The other tests find an empty store because of what they hold, not because nothing is ever published."""
    write_traces(tmp_path / "one.jsonl", traces(5))
    manifest = build_mix(tmp_path, source("one", rows=[2, 5], take={"hash": 4}, expect={"rows": 4})).manifest
    assert rejects_of(manifest) == []
    assert f"manifests/{manifest.id}/manifest.json" in left_behind(tmp_path / "store")
