"""The demo sources at the upstream size, held on one row in 500: how long texts are, and what is planted."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from itertools import combinations

import langdetect
import numpy as np
import pytest

from curation.demo.full.phrases import english, foreign, short_english
from curation.demo.full.plan import Plan, plan
from curation.demo.full.rows import RATIONALES, RESPONSES, TARGETS, tell_rows
from curation.demo.full.stream import Lengths, Stream
from curation.demo.layouts import upstream_fields, ways
from curation.demo.planting import Row
from curation.demo.scales import Part, full_scale
from curation.demo.templates import Trace
from tests.curation.demo_reader import Place, parse
from tests.curation.demo_reader import Trace as Texts
from tests.curation.full_demo import SMALLER, Written, write

SOURCES = "raiden", "openo1", "cot", "glaive"


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Written:
    return write(tmp_path_factory.mktemp("parent") / "full")


# --- Lengths ---


def test_the_words_of_a_seed_are_frozen() -> None:
    stream = Stream("frozen")
    assert stream.below(1_000_000, 5).tolist() == [458131, 564241, 693409, 82355, 613475]
    assert stream.below(2, 16).tolist() == [1, 1, 0, 0, 0, 1, 0, 1, 1, 1, 0, 1, 0, 0, 0, 1]
    assert RESPONSES["glaive"].draw(Stream("frozen"), 5).tolist() == [6829, 7451, 8200, 4188, 7736]


@pytest.mark.parametrize("bound", [1, 7, 2**31])
def test_numbers_lie_below_their_bound_and_reach_it(bound: int) -> None:
    drawn = Stream("any").below(bound, 20_000)
    assert drawn.min() == pytest.approx(0, abs=bound / 1_000)
    assert bound * 0.999 - 1 <= drawn.max() < bound


@pytest.mark.parametrize(
    ("lengths", "quantiles"),
    [
        (RESPONSES["glaive"], (7078, 9398, 10362, 15731)),
        (RESPONSES["openo1"], (4120, 7575, 8920, 12173)),
        (RESPONSES["raiden"], (9769, 22547, 28791, 37339)),
        (RATIONALES, (238, 563, 722, 867)),
        (TARGETS, (6, 38, 63, 138)),
    ],
    ids=["glaive", "openo1", "raiden", "rationale", "target"],
)
def test_lengths_have_the_upstream_quantiles(lengths: Lengths, quantiles: Sequence[int]) -> None:
    drawn = np.sort(lengths.draw(Stream("any"), 200_000))
    found = [drawn[len(drawn) * per_mille // 1000] for per_mille in (500, 900, 950, 990)]
    assert found == pytest.approx(quantiles, rel=0.02)
    assert drawn[0] == pytest.approx(lengths.quantiles[0][1], abs=3)
    assert drawn[-1] == pytest.approx(lengths.quantiles[-1][1], rel=0.02)


def test_texts_are_as_long_as_asked_for_and_end_like_sentences() -> None:
    wanted = Lengths(((0, 40), (1000, 900))).draw(Stream("wanted"), 3_000)
    for phrases in (english(1, 2_000), foreign(1, "de", 500), foreign(1, "zh", 500)):
        texts = phrases.compose(Stream("any"), wanted)
        off = np.array(list(map(len, texts))) - wanted
        assert abs(off).max() < 20
        assert abs(off.mean()) < 1
        assert {text[-1] for text in texts} == {phrases.stop}
        assert {text[0] for text in texts} <= {sentence[0] for sentence in phrases.pieces}


def test_short_answers_have_exactly_the_length_asked_for() -> None:
    wanted = np.arange(1, 321)
    answers = short_english(1, 3_000).answer(Stream("any"), wanted)
    assert list(map(len, answers)) == wanted.tolist()


@pytest.mark.parametrize("source", RESPONSES)
def test_reasoning_answer_and_tags_are_as_long_together_as_was_drawn(source: str) -> None:
    nothing = Plan({source: {}}, {source: frozenset()}, {})
    [lot] = tell_rows(source, 1_000, 1, {"en": english(1, 2_000)}, nothing, {})
    tags = (
        "<Thought>\n\n</Thought>\n<Output>\n\n</Output>" if source == "openo1" else "<think>\n\n</think>\n\n"
    )
    found = [len(row.trace.reasoning) + len(row.trace.answer) + len(tags) for row in lot]
    drawn = RESPONSES[source].draw(Stream(f"demo sources, seed 1, {source} from row 1"), 1_000)
    assert abs(np.array(found) - drawn).max() < 40


def test_rows_are_the_same_whatever_stands_behind_them_and_every_lot_is_another() -> None:
    nothing = Plan({"raiden": {}}, {"raiden": frozenset()}, {})
    pools = {"en": english(1, 2_000)}
    fewer, more = (
        [row for lot in tell_rows("raiden", count, 1, pools, nothing, {}) for row in lot]
        for count in (1_300, 2_100)
    )
    assert (len(fewer), len(more)) == (1_300, 2_100)
    assert fewer == more[:1_300]
    assert len({row.trace for row in more}) == 2_100


# --- Counts ---


def test_the_full_size_has_the_upstream_rows_and_enough_of_them_for_both_sessions() -> None:
    scale = full_scale()
    planned = plan(42, scale, SOURCES).planted
    assert scale.rows() == {"raiden": 62_925, "openo1": 77_685, "cot": 1_837_928, "glaive": 150_000}
    lost = {
        source: [row for row, one in rows.items() if one.kind != "near"] for source, rows in planned.items()
    }
    assert 77_685 - len(lost["openo1"]) > 50_000
    assert 1_837_928 - len(lost["cot"]) > 1_800_000
    assert 30_000 - sum(row <= 30_000 for row in lost["glaive"]) >= 29_000
    assert 100_000 - sum(30_000 < row <= 130_000 for row in lost["glaive"]) >= 95_000
    assert 0.3 < sum(one.kind == "language" for one in planned["openo1"].values()) / 77_685 < 0.34


def test_every_defect_comes_in_every_way_that_it_has() -> None:
    listed = plan(42, full_scale(one_in=20), SOURCES).listed()
    ways = {(one.detail, one.variant) for one in listed if one.kind == "malformed"}
    second = {"null", "no-prompt", "no-reasoning", "no-answer", "tag-unclosed", "not-text"}
    assert {detail for detail, variant in ways if variant == 1} == second
    assert {variant for _, variant in ways} == {0, 1}


@pytest.mark.parametrize("part", full_scale().parts.values(), ids=list(full_scale().parts))
def test_every_way_of_a_defect_is_that_defect(part: Part) -> None:
    row = Row(Trace("What?", "So.", "That."), "logic")
    for defect in part.malformed:
        for variant in range(ways(part.source, defect)):
            fields = upstream_fields(part.source, replace(row, defect=defect, variant=variant))
            assert parse(part.source, fields) == defect, (defect, variant)


def test_a_plan_keeps_what_it_says_about_a_part_whatever_stands_behind_it() -> None:
    first, more = (plan(42, full_scale(rows), SOURCES).planted["glaive"] for rows in (150_000, 1_000_000))
    sessions = {row: one for row, one in first.items() if row <= 130_000}
    assert sessions == {row: one for row, one in more.items() if row <= 130_000}


# --- What is planted ---


def test_exactly_the_malformed_rows_have_a_defect_and_it_is_the_one_told(written: Written) -> None:
    found = {(*place, trace) for place, trace in written.parsed.items() if isinstance(trace, str)}
    assert found == {(one.source, one.row, one.reason) for one in written.truth.malformed}


def test_exactly_the_planted_rows_repeat_another(written: Written) -> None:
    first: dict[Texts | str, Place] = {}
    found = {
        place: first[trace]
        for place, trace in written.parsed.items()
        if not isinstance(trace, str) and first.setdefault(trace, place) != place
    }
    assert found == written.repeats


def test_duplicates_lie_where_their_list_says(written: Written) -> None:
    truth = written.truth
    assert Counter(one.source for one in truth.duplicates) == {
        "raiden": 1,
        "openo1": 1,
        "cot": 8,
        "glaive": 3,
    }
    assert Counter((one.source, one.duplicate_of_source) for one in truth.across) == {
        ("openo1", "raiden"): 1,
        ("glaive", "raiden"): 2,
    }
    assert [one.source for one in truth.session_overlap] == ["glaive"] * 2
    assert all(one.duplicate_of_row <= 60 < one.row <= 260 for one in truth.session_overlap)
    assert truth.glaive_halves == {"first": (1, 60), "second": (61, 260), "rest": (261, 300)}


def test_exactly_the_planted_rows_are_near_duplicates(written: Written) -> None:
    shingles = {
        place: runs_of_five(trace)
        for place, trace in written.parsed.items()
        if not isinstance(trace, str) and place not in written.repeats
    }
    planted = [
        ((one.source, one.row), (one.source, one.near_of_row)) for one in written.truth.near_duplicates
    ]
    assert all(jaccard(shingles[row], shingles[of]) > 0.85 for row, of in planted)
    near = {row for row, _ in planted}
    for source in SOURCES:
        fresh = [runs for place, runs in shingles.items() if place[0] == source and place not in near]
        assert max(jaccard(one, other) for one, other in combinations(fresh[:60], 2)) < 0.2, source


def runs_of_five(trace: Texts) -> set[tuple[str, ...]]:
    words = " ".join(trace).split()
    return {tuple(words[start : start + 5]) for start in range(len(words) - 4)}


def jaccard(one: set[tuple[str, ...]], other: set[tuple[str, ...]]) -> float:
    return len(one & other) / len(one | other)


def test_langdetect_agrees_with_the_language_of_openo1_rows(
    written: Written, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(langdetect.DetectorFactory, "seed", 0)
    languages = {one.row: one.language for one in written.truth.other_languages}
    assert Counter(languages.values()) == {"de": 3, "es": 3, "fr": 3, "zh": 40}
    for (source, row), trace in written.parsed.items():
        if source == "openo1" and not isinstance(trace, str):
            found = langdetect.detect("\n".join(trace)[:2_000]).split("-")[0]
            assert found == languages.get(row, "en"), row


def test_the_survivors_are_what_a_build_leaves(written: Written) -> None:
    other = {(one.source, one.row) for one in written.truth.other_languages}
    left: dict[Texts, str] = {}
    for (source, row), trace in written.parsed.items():
        if not isinstance(trace, str) and (source, row) not in other and (source != "glaive" or row <= 60):
            left.setdefault(trace, source)
    assert Counter(left.values()) == written.truth.survivors


def test_a_row_is_kept_in_memory_only_until_it_is_repeated() -> None:
    kept = dict[Place, Row]()
    planned = plan(42, SMALLER, ["cot"])
    lots = list(tell_rows("cot", 3_675, 42, {"en": short_english(42, 1_000)}, planned, kept))
    assert len(planned.originals["cot"]) == 12
    assert sum(map(len, lots)) == 3_675
    assert kept == {}
