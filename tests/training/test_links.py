"""What reading collectives from a compiled program promises: bytes that a device sends, by kind, loops included."""

import pytest

from training.preflight.links import link_bytes

PROGRAM = """\
HloModule jit_step, is_scheduled=true

%add (a: f32[], b: f32[]) -> f32[] {
  %a = f32[] parameter(0)
  %b = f32[] parameter(1)
  ROOT %sum = f32[] add(%a, %b)
}

%body (state: (s32[], f32[8,4])) -> (s32[], f32[8,4]) {
  %state = (s32[], f32[8,4]) parameter(0)
  %whole = bf16[64,128]{1,0} all-gather(%part), channel_id=1, replica_groups=[1,8]<=[8], dimensions={0}
  ROOT %next = (s32[], f32[8,4]) tuple(%one, %two)
}

%condition (state: (s32[], f32[8,4])) -> pred[] {
  %limit = s32[] constant(LIMIT)
  ROOT %less = pred[] compare(%at, %limit), direction=LT
}

ENTRY %main (p0: f32[8,4], /*index=5*/p1: f32[8,4]) -> f32[8,4] {
  %p0 = f32[8,4]{1,0} parameter(0)
  %all-reduce.1 = (f32[100]{0}, f32[28]{0}) all-reduce(%x, %y), replica_groups={{0,1,2,3,4,5,6,7}}, to_apply=%add
  %start = (bf16[4,128]{1,0}, bf16[8,128]{1,0}) all-gather-start(%z), replica_groups={{0,1},{2,3},{4,5},{6,7}}
  %done = bf16[8,128]{1,0} all-gather-done(%start)
  %rs = f32[16]{0} reduce-scatter(%w), replica_groups=[2,4]<=[8], to_apply=%add
  %cp = f32[10]{0} collective-permute(%v), source_target_pairs={{0,1},{1,0}}
  %used = f32[8,4]{1,0} fusion(%all-reduce.1), kind=kLoop, calls=%add
  %loop = (s32[], f32[8,4]) while(%init), condition=%condition, body=%body
  ROOT %out = f32[8,4]{1,0} get-tuple-element(%loop), index=1
}
"""


def test_each_kind_counts_what_its_ring_sends_for_the_size_of_its_group() -> None:
    sent = link_bytes(PROGRAM.replace("LIMIT", "5"), 8)
    assert list(sent) == ["all-gather", "all-reduce", "collective-permute", "reduce-scatter"]
    assert sent["all-reduce"] == 2 * (100 + 28) * 4 * 7 / 8
    assert sent["reduce-scatter"] == 16 * 4 * 3
    assert sent["collective-permute"] == 10 * 4
    assert sent["all-gather"] == 8 * 128 * 2 / 2 + 5 * (64 * 128 * 2 * 7 / 8)


def test_a_collective_that_passes_through_several_fusions_counts_once() -> None:
    """As libtpu writes one that runs beside other work: again in every fusion, under its chain."""
    gather = "%again = bf16[64,128]{1,0} all-gather(%part), channel_id=1, replica_groups=[1,8]<=[8], dimensions={0}"
    fusion = "%passed.N (p: bf16[8,128]) -> bf16[64,128] {\n  " + gather
    fusion += ', frontend_attributes={chain_id="153"}\n}\n\n'
    fusions = "".join(fusion.replace("N", str(number)) for number in range(3))
    calls = "".join(
        f"  %f.{number} = bf16[64,128] fusion(%z), calls=%passed.{number}\n" for number in range(3)
    )
    once = 64 * 128 * 2 * 7 / 8
    plain = link_bytes(PROGRAM.replace("LIMIT", "5"), 8)["all-gather"]
    passed = fusions + PROGRAM.replace("LIMIT", "5").replace("  %loop =", calls + "  %loop =")
    assert link_bytes(passed, 8)["all-gather"] == plain + once
    apart = fusions.replace(', frontend_attributes={chain_id="153"}', "")
    several = apart + PROGRAM.replace("LIMIT", "5").replace("  %loop =", calls + "  %loop =")
    assert link_bytes(several, 8)["all-gather"] == plain + 3 * once  # one channel, but three collectives
    in_the_loop = fusions + PROGRAM.replace("LIMIT", "5").replace("  ROOT %next", calls + "  ROOT %next")
    assert link_bytes(in_the_loop, 8)["all-gather"] == plain + 5 * once


def test_the_trips_that_the_compiler_notes_win_over_the_condition() -> None:
    noted = 'body=%body, backend_config={"known_trip_count":{"n":"3"}}'
    sent = link_bytes(PROGRAM.replace("LIMIT", "5").replace("body=%body", noted), 8)
    assert sent["all-gather"] == 8 * 128 * 2 / 2 + 3 * (64 * 128 * 2 * 7 / 8)


def test_a_collective_in_a_loop_of_unknown_trips_is_refused() -> None:
    two = PROGRAM.replace(
        "%limit = s32[] constant(LIMIT)", "%limit = s32[] constant(5)\n  %other = s32[] constant(6)"
    )
    with pytest.raises(NotImplementedError, match="condition"):
        link_bytes(two, 8)


STARTED = {
    "(f32[100]{0}, f32[28]{0}) all-reduce-start(%x, %y), replica_groups=[1,8]<=[8], to_apply=%add": (
        2 * 128 * 4 * 7 / 8
    ),
    "((f32[8]{0}, bf16[2]{0}), (f32[64]{0}, bf16[16]{0})) all-gather-start(%x, %y), replica_groups=[1,8]<=[8]": (
        (64 * 4 + 16 * 2) * 7 / 8
    ),
    "((f32[64]{0}), f32[16]{0}, u32[]{:S(2)}) reduce-scatter-start(%x), replica_groups=[2,4]<=[8], to_apply=%add": (
        16 * 4 * 3
    ),
    "(f32[10]{0}, f32[10]{0}, u32[], u32[]) collective-permute-start(%x), source_target_pairs={{0,1},{1,0}}": 40,
}


@pytest.mark.parametrize(
    ("line", "sent"), STARTED.items(), ids=lambda case: str(case).split("-start")[0][-18:]
)
def test_what_is_only_started_counts_as_if_it_were_done_at_once(line: str, sent: float) -> None:
    """Not its operands, nor what the compiler notes beside them."""
    text = f"HloModule one\n\nENTRY %main (p: f32[]) -> f32[] {{\n  %start = {line}\n}}\n"
    assert sum(link_bytes(text, 8).values()) == sent


@pytest.mark.parametrize("going_on", ["", ", calls=%apart"])
def test_a_collective_that_runs_in_a_computation_of_its_own_counts_where_it_is_started(going_on: str) -> None:
    apart = PROGRAM[: PROGRAM.index("%add")] + (
        "%apart (p: f32[64]) -> f32[16] {\n"
        "  ROOT %rs = f32[16]{0} reduce-scatter(%p), replica_groups=[2,4]<=[8], to_apply=%add\n}\n\n"
        "ENTRY %main (p: f32[64]) -> f32[16] {\n"
        "  %start = ((f32[64]{0}), f32[16]{0}, u32[]) async-start(%p), calls=%apart\n"
        f"  %later = ((f32[64]{{0}}), f32[16]{{0}}, u32[]) async-update(%start){going_on}\n"
        f"  ROOT %done = f32[16]{{0}} async-done(%later){going_on}\n}}\n"
    )
    assert link_bytes(apart, 8) == {"reduce-scatter": 16 * 4 * 3}


def test_a_collective_in_a_branch_counts() -> None:
    branches = (
        "%yes (p: f32[64]) -> f32[64] {\n"
        "  ROOT %r = f32[64]{0} all-reduce(%p), replica_groups={}, to_apply=%add\n}\n\n"
        "ENTRY %main (p: f32[64]) -> f32[64] {\n"
        "  ROOT %c = f32[64]{0} conditional(%i, %p, %p), true_computation=%yes, false_computation=%no\n}\n"
    )
    assert link_bytes(f"HloModule one\n\n{branches}", 8) == {"all-reduce": 2 * 256 * 7 / 8}


def test_a_program_without_collectives_sends_nothing() -> None:
    assert (
        link_bytes(
            "HloModule one\n\nENTRY %main (p: f32[]) -> f32[] {\n  ROOT %p = f32[] parameter(0)\n}\n", 8
        )
        == {}
    )
