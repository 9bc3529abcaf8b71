"""The verdict in words, and the lines for a terminal."""

from dataclasses import replace
from pathlib import Path

import pytest

from manifests.audit import Audit
from manifests.page.text import audit_lines
from manifests.page.words import counted, listed, names, state, verdict
from manifests.store import Store
from tests.manifests.sessions import audited, build_sessions, with_near


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return build_sessions(tmp_path_factory.mktemp("words"))


def renamed(outcome: Audit, *new: str) -> Audit:
    """The same audit of manifests whose receipts say other names."""
    manifests = [
        replace(manifest, receipt={**manifest.receipt, "name": name})
        for manifest, name in zip(outcome.manifests, new, strict=True)
    ]
    return replace(outcome, manifests=tuple(manifests))


def test_the_verdict_names_what_the_later_manifest_repeats(store: Store) -> None:
    told = verdict(audited(store, "session1", "session2"))
    assert told.overlapping
    assert told.sentence == "session2 repeats 4 contents of session1."
    assert told.remarks[0].startswith("What stands in both is trained on twice")
    assert told.remarks[1:] == (
        "They share 10 prompts, which the verdict was not asked about.",
        "Near duplicates were not counted: the manifests carry no sketches.",
    )


def test_no_overlap_is_told_by_the_tiers_asked_for(store: Store) -> None:
    told = verdict(audited(store, "session1", "session2", tiers=("row",)))
    assert not told.overlapping
    assert told.sentence == "session2 repeats no origin row of session1."
    assert told.remarks[0] == "They share 4 contents and 10 prompts, which the verdict was not asked about."
    clean = verdict(audited(store, "session1", "session4", tiers=("row", "content", "prompt")))
    assert clean.sentence == "session4 repeats no origin row, no content and no prompt of session1."
    assert clean.remarks == ("Near duplicates were not counted: the manifests carry no sketches.",)


def test_of_several_manifests_the_pairs_that_overlap_are_named(store: Store) -> None:
    told = verdict(audited(store, "session1", "session2", "session3", "session4"))
    assert told.sentence == (
        "2 of 6 pairs overlap: session2 repeats 4 contents of session1; "
        "session3 repeats 4 origin rows and 4 contents of session1."
    )
    assert "2 of 6 pairs share prompts, which the verdict was not asked about." in told.remarks
    clean = verdict(audited(store, "session2", "session3", "session4"))
    assert (
        clean.sentence
        == "None of 3 manifests repeats another: no origin row and no content is in two of them."
    )


def test_only_so_many_pairs_are_named_in_one_sentence(store: Store) -> None:
    outcome = audited(store, "session1", "session2")
    many = replace(outcome, pairs=outcome.pairs * 9)
    assert verdict(many).sentence.count("repeats") == 6
    assert verdict(many).sentence.endswith("; and 3 more.")


def test_near_duplicates_count_for_the_verdict_and_what_was_left_out_is_told(store: Store) -> None:
    told = verdict(with_near(audited(store, "session1", "session2"), left_out=17))
    assert told.sentence == "session2 repeats 3 near duplicates of session1."
    assert told.remarks[-1].startswith("17 comparisons were left out")
    part = with_near(audited(store, "session1", "session2"))
    mixed = replace(part, pairs=(*part.pairs, *audited(store, "session1", "session2").pairs))
    assert verdict(mixed).remarks[-1] == (
        "Near duplicates were not counted in 1 of 2 pairs; "
        "in session1 × session2 because the manifests carry no sketches."
    )


@pytest.mark.parametrize(
    ("sketched", "reason"),
    [
        ((False, False), "the manifests carry no sketches"),
        ((True, False), "session2 carries no sketches"),
        ((False, True), "session1 carries no sketches"),
        ((True, True), "of more than 1,000,000 rows they are counted if '--tiers' names near"),
    ],
)
def test_why_near_duplicates_were_not_counted_is_told(
    sketched: tuple[bool, bool], reason: str, store: Store
) -> None:
    outcome = audited(store, "session1", "session2")
    manifests = [
        replace(manifest, identity=replace(manifest.identity, sketched=whether))
        for manifest, whether in zip(outcome.manifests, sketched, strict=True)
    ]
    outcome = replace(outcome, manifests=tuple(manifests))
    assert f"Near duplicates were not counted: {reason}." in verdict(outcome).remarks
    assert f"  near duplicate   not counted: {reason}" in audit_lines(outcome)


def test_names_are_unique_in_an_audit_and_bounded(store: Store) -> None:
    outcome = audited(store, "session1", "session2", "session3")
    first, second, third = (manifest.id[:12] for manifest in outcome.manifests)
    assert names(outcome) == ("session1", "session2", "session3")
    assert names(renamed(outcome, "mix", "mix", "one")) == (f"mix {first}", f"mix {second}", "one")
    assert names(renamed(outcome, "", " ", "x" * 999)) == (first, second, "x" * 64)
    assert third not in "".join(names(renamed(outcome, "", " ", "x" * 999)))


def test_words_of_counts_and_lists() -> None:
    assert [counted(n, "prompt") for n in (0, 1, 1_234)] == ["0 prompts", "1 prompt", "1,234 prompts"]
    assert [listed(parts, "or") for parts in (["a"], ["a", "b"], ["a", "b", "c"])] == [
        "a",
        "a or b",
        "a, b or c",
    ]


def test_the_state_of_a_tier_is_told_in_words(store: Store) -> None:
    outcome = audited(store, "session1", "session2")
    shared = outcome.pairs[0].shared
    told = [state(outcome, shared.get(tier), tier) for tier in ("row", "content", "prompt", "near")]
    assert told == ["none", "overlap", "shared, not asked for", "not counted"]


def test_the_lines_of_two_manifests_end_with_the_verdict(store: Store) -> None:
    outcome = audited(store, "session1", "session2")
    lines = audit_lines(outcome)
    assert lines[0] == (
        f"audit session1 {outcome.manifests[0].id[:12]} (24 rows) "
        f"against session2 {outcome.manifests[1].id[:12]} (10 rows)"
    )
    assert lines[1:] == [
        "  same origin row          0",
        "  same content             4   e.g. glaive:2 = raiden:7, glaive:3 = raiden:8, glaive:4 = raiden:9",
        "  same prompt             10   e.g. glaive:1 = raiden:1, glaive:12 = raiden:2, glaive:13 = raiden:3",
        "  near duplicate   not counted: the manifests carry no sketches",
        "OVERLAP: they share by row or content",
    ]


def test_the_lines_of_several_manifests_show_the_pairs_that_share(store: Store) -> None:
    lines = audit_lines(audited(store, "session1", "session3", "session4"))
    assert lines[0] == "audit of 3 manifests, each against each"
    assert [line.split()[:2] for line in lines[1:4]] == [
        ["1", "session1"],
        ["2", "session3"],
        ["3", "session4"],
    ]
    assert lines[4] == "1 × 2"
    assert lines[5].startswith("  same origin row          4   e.g. glaive:18 = openo1:18")
    assert lines[-2:] == [
        "2 of 3 pairs share nothing in any tier counted",
        "OVERLAP: they share by row or content",
    ]
    assert audit_lines(audited(store, "session1", "session4"))[-1] == "no overlap by row or content"


def test_the_lines_say_how_near_duplicates_were_found(store: Store) -> None:
    near = with_near(audited(store, "session1", "session2"), left_out=5)
    lines = audit_lines(near)
    assert "  near duplicate           3   e.g. glaive:1 = raiden:1 (0.81)" in lines
    assert "  near duplicates: similarity of at least 0.7, estimated from sketches" in lines
    assert "  5 comparisons left out by the bound on work: there may be more near duplicates" in lines
    confirmed = audit_lines(replace(near, confirmed=True))
    assert "  near duplicates: similarity of at least 0.7, confirmed on the texts" in confirmed


def test_a_name_of_any_length_keeps_the_line_short(store: Store, tmp_path: Path) -> None:
    lines = audit_lines(renamed(audited(store, "session1", "session2"), "n" * 10_000, str(tmp_path)))
    assert len(lines[0]) < 200
