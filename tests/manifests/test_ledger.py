"""The ledger: in = out + dropped, at every stage, and each stage works on what the one before left."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from curation.traces import Fault
from manifests.errors import FormatError, VerificationError
from manifests.ledger import REASONS, SourceLedger, Stage, check_conservation, check_stages

GOOD = SourceLedger(
    "a",
    (
        Stage("rows", 10, 10, {}),
        Stage("parse", 10, 7, {"no-answer": 2, "null": 1}),
        Stage("duplicates", 7, 6, {"same-content": 1}),
        Stage("take", 6, 2, {"not-taken": 4}),
    ),
)


def ledger(*stages: Stage) -> list[SourceLedger]:
    return [GOOD, SourceLedger("b", stages)]


def test_a_ledger_that_conserves_rows_is_accepted() -> None:
    check_conservation([GOOD, GOOD], "here")
    check_stages([GOOD, GOOD], "here")


def test_the_rows_of_a_source_are_those_that_its_last_stage_left() -> None:
    assert GOOD.rows == 2


def test_what_was_not_taken_was_not_rejected() -> None:
    assert list(GOOD.rejected()) == [
        ("parse", "no-answer", 2),
        ("parse", "null", 1),
        ("duplicates", "same-content", 1),
    ]


@pytest.mark.parametrize(
    "stage",
    [
        Stage("rows", 3, 2, {}),
        Stage("rows", 2, 3, {}),
        Stage("parse", 3, 2, {"null": 2}),
        Stage("parse", 3, 0, {"null": 1, "no-answer": 1}),
        Stage("parse", 3, 3, {"null": 1}),
    ],
)
def test_rows_that_vanish_or_appear_within_a_stage_are_refused(stage: Stage) -> None:
    with pytest.raises(
        VerificationError, match=f"ledger of source b, stage {stage.stage}: {stage.rows_in} rows in, but"
    ):
        check_conservation(ledger(stage), "here")


@pytest.mark.parametrize("handed_on", [3, 5, 0])
def test_rows_that_vanish_or_appear_between_two_stages_are_refused(handed_on: int) -> None:
    stages = Stage("rows", 4, 4, {}), Stage("parse", handed_on, handed_on, {})
    with pytest.raises(
        VerificationError, match=r"ledger of source b, stage parse: .* the stage before handed on 4"
    ):
        check_conservation(ledger(*stages), "here")


def test_the_stages_of_two_sources_have_nothing_to_do_with_each_other() -> None:
    check_conservation(ledger(Stage("rows", 99, 99, {})), "here")


@given(
    st.lists(
        st.dictionaries(st.sampled_from(["null", "no-answer"]), st.integers(1, 50)), min_size=1, max_size=5
    )
)
def test_rows_are_conserved_exactly_when_every_count_adds_up(dropped: list[dict[str, int]]) -> None:
    stages, rows = [], sum(sum(reasons.values()) for reasons in dropped) + 1
    for reasons in dropped:
        stages.append(Stage("parse", rows, rows - sum(reasons.values()), reasons))
        rows = stages[-1].rows_out
    check_conservation([SourceLedger("s", tuple(stages))], "here")
    assert rows == 1
    stages[-1] = Stage("parse", stages[-1].rows_in + 1, stages[-1].rows_out, stages[-1].dropped)
    with pytest.raises(VerificationError):
        check_conservation([SourceLedger("s", tuple(stages))], "here")


@pytest.mark.parametrize("stage", ["lengths", "sketch", "", "Parse"])
def test_a_stage_that_format_1_does_not_have_is_refused(stage: str) -> None:
    with pytest.raises(
        FormatError, match=f"ledger of source b: stage '{stage}' is unknown; a newer version may be needed"
    ):
        check_stages(ledger(Stage(stage, 1, 1, {})), "here")


@pytest.mark.parametrize(
    ("stage", "reason"),
    [
        ("rows", "null"),
        ("parse", "too-long"),
        ("parse", "same-content"),
        ("language", "no-answer"),
        ("length", "too-large"),
        ("decontaminate", "same-content"),
        ("near", "same-content"),
        ("duplicates", "same-row"),
        ("across", "same-row"),
        ("disjoint", "same-prompt"),
        ("take", "null"),
    ],
)
def test_a_reason_that_its_stage_does_not_have_is_refused(stage: str, reason: str) -> None:
    with pytest.raises(FormatError, match=f"ledger of source b, stage {stage}: reason '{reason}' is unknown"):
        check_stages(ledger(Stage(stage, 1, 0, {reason: 1})), "here")


def stages(names: Sequence[str]) -> list[SourceLedger]:
    return ledger(*(Stage(name, 1, 1, {}) for name in names))


@pytest.mark.parametrize(
    "names",
    [
        list(REASONS),
        ["rows", "parse", "take"],
        ["rows", "take", "parse", "language", "duplicates", "across", "disjoint"],
        ["rows", "take", "parse", "language", "length", "decontaminate", "duplicates", "near", "across"],
        ["rows", "language", "take", "parse"],
        ["rows", "language", "take", "parse", "length", "decontaminate", "duplicates", "near", "across"],
    ],
)
def test_the_stages_stand_in_their_order_and_a_raw_draw_comes_after_the_rows_and_a_rule_on_raw_rows(
    names: list[str],
) -> None:
    check_stages(stages(names), "here")


@pytest.mark.parametrize(
    "names",
    [
        ["parse", "rows", "take"],
        ["rows", "parse", "across", "duplicates", "take"],
        ["rows", "parse", "take", "language"],
        ["rows", "parse", "parse", "take"],
        ["rows", "take", "parse", "take"],
        ["rows", "take", "take"],
        ["rows", "language", "parse", "take"],
        ["rows", "language", "take", "parse", "language"],
        ["rows", "language", "take"],
        ["language", "rows", "take", "parse"],
        ["rows", "length", "take", "parse"],
        ["rows", "parse", "length", "language", "take"],
        ["rows", "parse", "decontaminate", "length", "take"],
        ["rows", "parse", "near", "duplicates", "take"],
        ["rows", "parse"],
        ["rows", "take"],
        ["parse", "take"],
    ],
)
def test_stages_in_another_order_or_twice_are_refused(names: list[str]) -> None:
    with pytest.raises(FormatError, match=r"ledger of source b: the stages .* in this order"):
        check_stages(stages(names), "here")


def test_the_reasons_of_parse_are_those_that_parsing_gives() -> None:
    assert set(REASONS["parse"]) == {fault.value for fault in Fault}
