"""What a record promises of its starts: one entry each, joined without a gap, whatever was killed."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from training.runs.sessions import Session, begun, ended, say_moved

HERE: Session = {"versions": {"jax": "1"}, "device": "cpu", "device_count": 1}


def spans(sessions: list[Session]) -> list[tuple[int, int | None, str | None]]:
    return [(one["from"], one["to"], one["ended"]) for one in sessions]


def test_a_killed_start_counts_up_to_where_the_next_one_goes_on() -> None:
    killed = begun(begun([], 0, HERE), 8, HERE)
    assert spans(ended(killed, 12, "finished")) == [(0, 8, None), (8, 12, "finished")]


def test_a_start_that_goes_back_behind_an_earlier_one_takes_its_steps() -> None:
    stopped = ended(begun([], 0, HERE), 12, "budget")
    assert spans(begun(stopped, 8, HERE)) == [(0, 8, "budget"), (8, None, None)]


@given(st.lists(st.tuples(st.integers(0, 50), st.booleans(), st.integers(0, 20)), min_size=1, max_size=8))
def test_no_step_is_counted_twice(starts: list[tuple[int, bool, int]]) -> None:
    sessions: list[Session] = []
    reached = 0
    for back, killed, steps in starts:
        start = max(reached - back, 0)
        reached = start + steps
        sessions = begun(sessions, start, HERE)
        if not killed:
            sessions = ended(sessions, reached, "SIGTERM")
    for one, next_one in pairwise(sessions):
        assert one["to"] <= next_one["from"]


def test_other_libraries_or_devices_than_last_time_are_said() -> None:
    said: list[str] = []
    say_moved(begun([], 0, HERE), {**HERE, "device_count": 8}, said.append)
    assert [line.split(" changed")[0] for line in said] == ["device_count"]
    said.clear()
    say_moved([], HERE, said.append)
    say_moved(begun([], 0, HERE), HERE, said.append)
    assert said == []
