"""What a plan promises: a pure function of its inputs, nothing lost, nothing cut, and an id that pins it."""

from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from training.batches.plan import PlanInputs, TraceSizes, build_plan, epoch_order, evaluation_table
from training.batches.templates import Fault
from training.errors import PlanError

INPUTS = PlanInputs(
    manifest="ab" * 32,
    tokenizer="cd" * 32,
    template="gemma-think/1",
    length=50,
    batch=2,
    epochs=1,
    steps=None,
    held_out="0.1",
    seed=42,
)


def sizes_of(
    lengths: list[int], forged: frozenset[int] = frozenset(), broken: frozenset[int] = frozenset()
) -> TraceSizes:
    """Traces of these lengths, in turn of two sources, each of another content."""
    count = len(lengths)
    faults = [
        Fault.FORGED_TURN if place in forged else Fault.BROKEN_FORMAT if place in broken else Fault.NONE
        for place in range(count)
    ]
    return TraceSizes(
        lengths=np.array(lengths, dtype=np.int64),
        loss_starts=np.array([length // 2 for length in lengths], dtype=np.int64),
        loss_ends=np.array([length - 1 for length in lengths], dtype=np.int64),
        faults=np.array(faults, dtype=np.uint8),
        contents=contents_of(count),
        sources=np.arange(count, dtype=np.int32) % 2,
        names=("source0", "source1"),
    )


def contents_of(count: int) -> npt.NDArray[np.uint8]:
    """So many different content keys."""
    return np.frombuffer(
        b"".join(number.to_bytes(16, "big") for number in range(count)), dtype=np.uint8
    ).reshape(-1, 16)


LENGTHS = st.lists(st.integers(2, 80), min_size=1, max_size=120)


FAULTY = st.frozensets(st.integers(0, 119), max_size=5)


@given(LENGTHS, FAULTY, FAULTY)
def test_every_trace_is_trained_on_held_out_or_recorded(
    lengths: list[int], forged: frozenset[int], broken: frozenset[int]
) -> None:
    sizes = sizes_of(lengths, forged, broken)
    try:
        plan = build_plan(INPUTS, sizes)
    except PlanError:
        return
    trained = plan.table.column("sample").to_pylist()
    held = plan.held_out.column("sample").to_pylist()
    left = sum(record.traces for record in (*plan.over_length, *plan.forged_turn, *plan.broken_format))
    assert len(set(trained)) == len(trained)
    assert not set(trained) & set(held)
    assert len(trained) + len(held) + left == len(lengths)
    assert all(lengths[sample - 1] <= 50 and sample - 1 not in forged | broken for sample in trained + held)


@given(LENGTHS)
def test_a_trace_is_never_cut(lengths: list[int]) -> None:
    try:
        plan = build_plan(INPUTS, sizes_of(lengths))
    except PlanError:
        return
    for line in plan.table.to_pylist():
        length = lengths[line["sample"] - 1]
        assert line["length"] == length
        assert line["offset"] + length <= 50
        assert line["loss_start"] - line["offset"] == length // 2
        assert line["loss_end"] - line["offset"] == length - 1


def test_what_is_left_out_is_recorded_by_source_in_traces_and_tokens() -> None:
    sizes = sizes_of([10, 60, 10, 70, 51, 9, 8], forged=frozenset({5}), broken=frozenset({6}))
    plan = build_plan(replace(INPUTS, held_out="0"), sizes)
    assert [(left.source, left.traces, left.tokens) for left in plan.over_length] == [
        ("source1", 2, 130),
        ("source0", 1, 51),
    ]
    assert [(left.source, left.traces, left.tokens) for left in plan.forged_turn] == [("source1", 1, 9)]
    assert [(left.source, left.traces, left.tokens) for left in plan.broken_format] == [("source0", 1, 8)]
    assert (plan.traces, plan.tokens, plan.trained_tokens) == (2, 20, 8)


def test_a_faulty_trace_that_is_too_long_stands_under_its_fault() -> None:
    plan = build_plan(INPUTS, sizes_of([10, 60, 10, 10], forged=frozenset({1})))
    assert [left.traces for left in plan.forged_turn] == [1]
    assert plan.over_length == ()


def test_a_plan_without_a_trace_is_refused_with_the_reasons() -> None:
    reasons = "4 traces, 2 longer than 50 tokens, 1 with a turn marker in their text, 1 with a tag"
    with pytest.raises(PlanError, match=reasons):
        build_plan(INPUTS, sizes_of([60, 70, 5, 5], forged=frozenset({2}), broken=frozenset({3})))


def test_the_id_of_a_plan_is_frozen() -> None:
    plan = build_plan(INPUTS, sizes_of([(7 * number) % 40 + 3 for number in range(60)]))
    assert plan.id == "323e3b58c6783f162ac59e2b9e6a6227ccc4e7be5fa3fa10776bf6113dc4820a"


@pytest.mark.parametrize(
    "change",
    [
        {"manifest": "00" * 32},
        {"tokenizer": "00" * 32},
        {"template": "other/1"},
        {"length": 51},
        {"batch": 3},
        {"epochs": 2},
        {"steps": 3},
        {"held_out": "0.2"},
        {"seed": 43},
    ],
)
def test_every_input_changes_the_id(change: dict[str, Any]) -> None:
    sizes = sizes_of([(7 * number) % 40 + 3 for number in range(60)])
    assert build_plan(replace(INPUTS, **change), sizes).id != build_plan(INPUTS, sizes).id


def test_steps_past_an_epoch_go_on_with_the_next_in_another_order() -> None:
    sizes = sizes_of([25] * 40)
    plan = build_plan(replace(INPUTS, steps=25, held_out="0"), sizes)
    assert plan.steps == 25
    samples = plan.table.column("sample").to_pylist()
    assert samples[:40] == list(range(1, 41))
    assert sorted(samples[40:80]) == list(range(1, 41))
    assert samples[40:80] != samples[:40]


def test_fewer_steps_than_an_epoch_are_the_beginning_of_the_mix() -> None:
    plan = build_plan(replace(INPUTS, steps=3, held_out="0"), sizes_of([25] * 40))
    assert plan.table.column("sample").to_pylist() == list(range(1, 13))


def test_rows_are_spread_so_that_no_batch_is_nearly_empty() -> None:
    plan = build_plan(replace(INPUTS, batch=8, held_out="0"), sizes_of([50] * 9))
    assert [len(plan.batches.lines(step)["row"]) for step in (1, 2)] == [5, 4]
    assert plan.batches.lines(2)["row"].tolist() == [1, 2, 3, 4]


def test_a_step_is_found_without_the_ones_before_it() -> None:
    plan = build_plan(INPUTS, sizes_of([(11 * number) % 40 + 5 for number in range(80)]))
    table = plan.table.to_pylist()
    for step in reversed(range(1, plan.steps + 1)):
        expected = [line["sample"] for line in table if line["step"] == step]
        assert plan.batches.lines(step)["sample"].tolist() == expected


def test_the_samples_behind_a_cursor_are_those_of_the_steps_before_it() -> None:
    plan = build_plan(replace(INPUTS, held_out="0"), sizes_of([50] * 10))
    assert plan.batches.samples(0).tolist() == []
    assert plan.batches.samples(2).tolist() == [1, 2, 3, 4]
    assert plan.batches.samples(plan.steps).tolist() == list(range(1, 11))


def test_the_order_of_an_epoch_does_not_depend_on_what_else_is_in_it() -> None:
    contents = contents_of(50)
    whole = epoch_order(range(50), contents, 2, 7)
    assert whole != sorted(whole)
    assert epoch_order(range(40), contents, 2, 7) == [sample for sample in whole if sample < 40]


def test_the_order_of_an_epoch_is_frozen() -> None:
    assert epoch_order(range(8), contents_of(8), 2, 7) == [4, 7, 3, 0, 6, 1, 2, 5]


def test_an_evaluation_has_each_of_its_traces_once() -> None:
    sizes = sizes_of([(7 * number) % 40 + 3 for number in range(60)])
    chosen = np.arange(1, 60, 3)
    table = evaluation_table(chosen, sizes, 50, 4)
    assert sorted(table.column("sample").to_pylist()) == (chosen + 1).tolist()
    assert evaluation_table(chosen[:0], sizes, 50, 4).num_rows == 0


def test_a_traces_source_is_told_by_its_place() -> None:
    assert [sizes_of([5, 5, 5]).source_of(sample) for sample in (1, 2, 3)] == [
        "source0",
        "source1",
        "source0",
    ]
