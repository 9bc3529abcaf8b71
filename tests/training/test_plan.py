"""What a plan promises: a pure function of its inputs, nothing lost, nothing cut, and an id that pins it."""

from dataclasses import replace
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from training.errors import PlanError
from training.plan import PlanInputs, TraceSizes, build_plan, epoch_order, held_out_samples

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


def sizes_of(lengths: list[int], forged: frozenset[int] = frozenset()) -> TraceSizes:
    return TraceSizes(
        lengths=np.array(lengths, dtype=np.int64),
        loss_starts=np.array([length // 2 for length in lengths], dtype=np.int64),
        loss_ends=np.array([length - 1 for length in lengths], dtype=np.int64),
        contents=[number.to_bytes(16, "big") for number in range(len(lengths))],
        sources=[f"source{number % 2}" for number in range(len(lengths))],
        forges_turn=np.array([number in forged for number in range(len(lengths))], dtype=np.bool_),
    )


LENGTHS = st.lists(st.integers(2, 80), min_size=1, max_size=120)


@given(LENGTHS, st.sets(st.integers(0, 119), max_size=5))
def test_every_trace_is_trained_on_held_out_or_recorded(lengths: list[int], forged: set[int]) -> None:
    sizes = sizes_of(lengths, frozenset(forged))
    try:
        plan = build_plan(INPUTS, sizes)
    except PlanError:
        return
    trained = plan.table.column("sample").to_pylist()
    held = plan.held_out.column("sample").to_pylist()
    left = sum(record.traces for record in (*plan.over_length, *plan.forged_turn))
    assert len(set(trained)) == len(trained)
    assert not set(trained) & set(held)
    assert len(trained) + len(held) + left == len(lengths)
    assert all(lengths[sample - 1] <= 50 and sample - 1 not in forged for sample in trained + held)


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
    plan = build_plan(replace(INPUTS, held_out="0"), sizes_of([10, 60, 10, 70, 51, 9], forged=frozenset({5})))
    assert [(left.source, left.traces, left.tokens) for left in plan.over_length] == [
        ("source1", 2, 130),
        ("source0", 1, 51),
    ]
    assert [(left.source, left.traces, left.tokens) for left in plan.forged_turn] == [("source1", 1, 9)]
    assert (plan.traces, plan.tokens) == (2, 20)


def test_a_plan_without_a_trace_is_refused_with_the_reasons() -> None:
    with pytest.raises(PlanError, match="3 traces, 2 longer than 50 tokens, 1 with a turn marker"):
        build_plan(INPUTS, sizes_of([60, 70, 5], forged=frozenset({2})))


def test_the_id_of_a_plan_is_frozen() -> None:
    plan = build_plan(INPUTS, sizes_of([(7 * number) % 40 + 3 for number in range(60)]))
    assert plan.id == "0a3288d64b920fa9a48c67d9315bc1dd1f326a4ffca10569d4381c3757192974"


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


def test_whether_a_trace_is_held_out_depends_on_its_content_and_the_seed_alone() -> None:
    contents = [number.to_bytes(16, "little") for number in range(400)]
    held = held_out_samples(range(400), contents, Fraction("0.1"), 42)
    assert 20 < len(held) < 60
    assert held_out_samples(range(200), contents, Fraction("0.1"), 42) == {
        sample for sample in held if sample < 200
    }
    assert held_out_samples(range(400), contents, Fraction("0.1"), 43) != held


def test_equal_contents_are_held_out_together_and_at_least_one_trace_is() -> None:
    contents = [b"a" * 16, b"b" * 16, b"a" * 16, b"b" * 16]
    held = held_out_samples(range(4), contents, Fraction("0.000001"), 1)
    assert held in ({0, 2}, {1, 3})
    assert held_out_samples(range(4), contents, Fraction(0), 1) == set()


def test_the_order_of_an_epoch_does_not_depend_on_what_else_is_in_it() -> None:
    contents = [number.to_bytes(16, "big") for number in range(50)]
    whole = epoch_order(range(50), contents, 2, 7)
    assert whole != sorted(whole)
    assert epoch_order(range(40), contents, 2, 7) == [sample for sample in whole if sample < 40]


def test_no_more_than_64_contents_are_held_out_however_large_the_manifest() -> None:
    contents = [number.to_bytes(16, "little") for number in range(5_000)]
    held = held_out_samples(range(5_000), contents, Fraction(1, 10), 42)
    assert len(held) == 64
    assert held <= held_out_samples(range(5_000), contents, Fraction(1, 5), 42)
