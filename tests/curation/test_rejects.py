"""Rejected rows are kept small, and come out as the rejects table has them."""

from hypothesis import given
from hypothesis import strategies as st

from curation.rejects import Rejects, Why

WORDS = st.sampled_from(["", "a", "b"])


@given(
    st.dictionaries(
        st.integers(1, 1 << 40), st.tuples(st.builds(Why, *[WORDS] * 5), st.integers(0, 1 << 40)), max_size=12
    )
)
def test_the_table_has_every_row_once_ascending_with_all_that_was_said_of_it(
    dropped: dict[int, tuple[Why, int]],
) -> None:
    rejects = Rejects()
    for row, (why, kept_row) in dropped.items():
        rejects.add(row, why, kept_row)
    assert len(rejects) == len(dropped)
    assert [tuple(entry.values()) for entry in rejects.table("one").to_pylist()] == [
        ("one", row, *why, kept_row) for row, (why, kept_row) in sorted(dropped.items())
    ]


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
