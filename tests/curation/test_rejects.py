"""Rejected rows are kept small, and come out as the rejects table has them."""

import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from curation.rejects import Rejects, Why

WORDS = st.sampled_from(["", "a", "b"])


@pytest.mark.parametrize("part", [2, 1 << 20])
@given(
    dropped=st.dictionaries(
        st.integers(1, 1 << 40), st.tuples(st.builds(Why, *[WORDS] * 5), st.integers(0, 1 << 40)), max_size=12
    )
)
def test_the_table_has_every_row_once_ascending_with_all_that_was_said_of_it(
    dropped: dict[int, tuple[Why, int]], part: int
) -> None:
    rejects = Rejects()
    for row, (why, kept_row) in dropped.items():
        rejects.add(row, why, kept_row)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("curation.rejects._PART_ROWS", part)
        table = rejects.table("one")
    assert [tuple(entry.values()) for entry in table.to_pylist()] == [
        ("one", row, *why, kept_row) for row, (why, kept_row) in sorted(dropped.items())
    ]


def test_a_reject_takes_some_twenty_bytes() -> None:
    tracemalloc.start()
    rejects, why = Rejects(), Why("parse", "no-reasoning")
    for row in range(1, 100_001):
        rejects.add(row, why, row // 2)
    held, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert 20 * 100_000 <= held < 25 * 100_000


def test_reasons_are_counted_by_stage_in_the_order_in_which_they_were_met() -> None:
    rejects = Rejects()
    for row, stage, reason in (
        (7, "parse", "two"),
        (3, "parse", "one"),
        (2, "parse", "two"),
        (1, "near", "two"),
    ):
        rejects.add(row, Why(stage, reason, f"detail {row}"))
    assert list(rejects.counts("parse").items()) == [("two", 2), ("one", 1)]
    assert rejects.first("parse", "two") == 7
    assert rejects.counts("language") == {}
