"""What a prediction promises: arithmetic on what was counted, with every assumption said."""

from dataclasses import replace

import numpy as np
import pytest

from training.batches.plan import Plan, PlanInputs, TraceSizes, build_plan
from training.models import TINY, model_of
from training.preflight.prediction import Work, kernel_share, session_of, work_of
from training.watch.peak import token_operations

GEMMA2 = model_of("gemma2-2b-it")
LENGTH = 8192


def plan_of(lengths: list[int], batch: int = 8) -> Plan:
    sizes = TraceSizes(
        lengths=np.array(lengths),
        loss_starts=np.full(len(lengths), 10),
        loss_ends=np.array(lengths),
        faults=np.zeros(len(lengths), dtype=np.uint8),
        contents=np.random.default_rng(0).integers(0, 256, (len(lengths), 16), dtype=np.uint8),
        sources=np.zeros(len(lengths), dtype=np.int32),
        names=("one",),
    )
    inputs = PlanInputs("0" * 64, "1" * 64, "gemma-think/1", LENGTH, batch, 1, None, "0", 42)
    return build_plan(inputs, sizes)


def test_the_floor_is_that_of_facts_and_packing_needs_less() -> None:
    """12.2 GFLOP a token for LoRA of rank 64 on Gemma-2-2B at 4,096; a packed trace sees fewer tokens than its row."""
    floor = token_operations(GEMMA2.shape, 256_000, 64, np.array([4096]))
    assert floor == pytest.approx(12.2e9, rel=0.01)
    work = work_of(plan_of([2000] * 64), GEMMA2.shape, 256_000, GEMMA2.defaults)
    assert work.needed < token_operations(GEMMA2.shape, 256_000, 64, np.array([2001])) < floor < work.floor


def test_a_kernels_share_is_that_of_the_blocks_on_and_below_the_diagonal_within_the_window() -> None:
    """Rows of one trace: of 16 × 16 blocks 136 are seen; of the 16 × 9 that a window of 4,096 leaves, 108."""
    share = kernel_share(plan_of([LENGTH] * 16), GEMMA2.shape, LENGTH)
    heads = GEMMA2.shape.heads
    assert share((heads, 16, 16)) == 136 / 256
    assert share((16, heads, 16)) == 136 / 256
    assert share((heads, 16, 9)) == 108 / 144


def test_blocks_between_traces_that_do_not_see_each_other_do_not_count() -> None:
    """Eight traces of two blocks each: three blocks for each of them."""
    share = kernel_share(plan_of([1024] * 128), GEMMA2.shape, LENGTH)
    assert share((GEMMA2.shape.heads, 16, 16)) == 24 / 256


def test_a_session_is_its_steps_at_the_share_its_bytes_at_the_links_rate_and_its_evaluations() -> None:
    work = Work(steps=1000, useful=65_000.0, evaluated=30.0, floor=1.0, needed=1.0)
    session = session_of(work, operations=1e14, sent=5e8, share=0.5, peak=2e14, link_rate=2e11)
    assert session.training == pytest.approx(1000.0)
    assert session.links == pytest.approx(2.5)
    assert session.evaluation == pytest.approx(10.0)
    assert session.seconds == pytest.approx(1012.5)
    assert session_of(work, 1e14, 5e8, 0.25, 2e14, 2e11).training == pytest.approx(2000.0)


def test_held_out_traces_are_evaluated_before_after_and_every_so_often() -> None:
    plan = plan_of([4000] * 640)
    held = replace(plan, held_out=plan.table.slice(0, 32))
    settings = replace(TINY.defaults, evaluate_every=10)
    assert plan.steps == 40
    rows = held.evaluation.steps
    assert work_of(held, GEMMA2.shape, 256_000, settings).evaluated == (2 + 4) * rows
    never = replace(settings, evaluate_every=0)
    assert work_of(held, GEMMA2.shape, 256_000, never).evaluated == 2 * rows
