"""What watching measures: operations, speed, time left, and event files that TensorBoard can read."""

import struct
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tensorboardX.proto.event_pb2 import Event, SessionLog
from tensorboardX.record_writer import masked_crc32c

from training.errors import RunFolderError
from training.models import MODELS
from training.runs.lines import append_line
from training.runs.metrics import StepMetrics
from training.watch.board import Board
from training.watch.pace import Pace, StepPace, duration, read_pace
from training.watch.peak import mean_keys, peak_of, token_operations

LENGTHS = st.lists(st.integers(1, 40), min_size=1, max_size=6)


@pytest.mark.parametrize(("length", "expected"), [(2048, 11.6e9), (4096, 12.2e9)])
def test_a_token_of_gemma2_2b_costs_what_was_worked_out_by_hand(length: int, expected: float) -> None:
    shape = MODELS["gemma2-2b"].shape
    assert token_operations(shape, 256_000, 64, np.array([length])) == pytest.approx(expected, rel=0.01)


def test_a_token_of_gemma3_sees_no_more_than_the_window_but_in_every_sixth_layer() -> None:
    """270M: 100 million weights in the layers, 168 in the head."""
    shape = MODELS["gemma3-270m"].shape
    short, long = (token_operations(shape, 262_144, 1, np.array([n])) for n in (1, 10_001))
    assert short == pytest.approx(4 * 268e6, rel=0.01)
    queries = shape.heads * shape.head
    assert long - short == pytest.approx(12 * queries * (3 * 5001 + 15 * 499), rel=0.01)


@given(LENGTHS, st.none() | st.integers(1, 50))
def test_a_token_sees_what_stands_before_it_in_its_trace_and_the_window(
    lengths: list[int], window: int | None
) -> None:
    seen = [min(place + 1, window or 99) for length in lengths for place in range(length)]
    assert mean_keys(np.array(lengths), window) == pytest.approx(sum(seen) / len(seen))


@pytest.mark.parametrize(
    ("kind", "peak"),
    [
        ("TPU v5 lite", 197e12),
        ("TPU v5", 459e12),
        ("TPU v4 lite", None),
        ("NVIDIA H100 80GB HBM3", 989e12),
        ("NVIDIA H100 PCIe", 756e12),
        ("NVIDIA A100-SXM4-40GB", 312e12),
        ("NVIDIA H1000", None),
        ("cpu", None),
    ],
)
def test_the_peak_of_a_device_is_known_or_not_told(kind: str, peak: float | None) -> None:
    assert peak_of(kind) == peak


class Clock:
    """A clock that goes on when it is told to."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def metrics(step: int, held_out: float | None = None) -> StepMetrics:
    return StepMetrics(step, 2.0, 50, 100, 0.5, 1e-3, held_out)


def walk(pace: Pace, clock: Clock, steps: range, seconds: float) -> list[StepPace]:
    found = []
    for step in steps:
        pace.begin_step()
        clock.now += seconds
        found.append(pace.end_step(metrics(step)))
    return found


def test_progress_says_step_loss_speed_share_of_peak_and_time_left(said: list[str]) -> None:
    clock = Clock()
    pace = Pace(lambda: 500, 400.0, said.append, clock)
    found = walk(pace, clock, range(1, 4), 1.0)
    assert found[0] == StepPace(1, 1.0, 100, first=True)
    assert found[1] == StepPace(2, 1.0, 100, first=False)
    assert said == [
        "step 1 of 500, loss 2.0000",
        "step 3 of 500, loss 2.0000, 100 tokens/s, 25% of peak, 8 min 17 s left",
    ]


def test_where_the_peak_is_not_known_no_share_is_told(said: list[str]) -> None:
    clock = Clock()
    walk(Pace(lambda: 3, None, said.append, clock), clock, range(1, 4), 3.0)
    assert not any("peak" in line for line in said)
    assert said[-1] == "step 3 of 3, loss 2.0000, 33 tokens/s"


def test_lines_come_less_often_as_time_goes_by_and_at_least_every_minute(said: list[str]) -> None:
    clock = Clock()
    walk(Pace(lambda: 10_000, None, said.append, clock), clock, range(1, 9001), 1.0)
    steps = [int(line.split()[1].replace(",", "")) for line in said]
    gaps = np.diff(steps)
    assert gaps[1] == 2
    assert gaps[-1] == 60
    assert (np.diff(gaps[1:]) >= 0).all()
    assert len(said) < 350


def test_an_evaluation_is_no_part_of_a_step_but_of_the_time_left(said: list[str]) -> None:
    clock = Clock()
    pace = Pace(lambda: 101, None, said.append, clock)
    walk(pace, clock, range(1, 2), 1.0)
    pace.begin_step()
    clock.now += 2.0
    with pace.apart():
        clock.now += 8.0
    assert pace.end_step(metrics(2, held_out=1.5)).seconds == 2.0
    assert said[-1] == "step 2 of 101, loss 2.0000, held out 1.5000, 50 tokens/s, 16 min 30 s left"


def test_a_goal_that_moves_is_told_as_it_is(said: list[str]) -> None:
    clock, goal = Clock(), [9]
    pace = Pace(lambda: goal[0], None, said.append, clock)
    walk(pace, clock, range(1, 2), 1.0)
    goal[0] = 2
    walk(pace, clock, range(2, 3), 1.0)
    assert said[-1].startswith("step 2 of 2,")


@pytest.mark.parametrize(
    ("seconds", "told"), [(0.4, "0 s"), (59.4, "59 s"), (61, "1 min 01 s"), (7503, "2 h 05 min")]
)
def test_a_time_is_told_as_people_tell_it(seconds: float, told: str) -> None:
    assert duration(seconds) == told


def test_speeds_are_read_back_and_other_lines_are_named(tmp_path: Path) -> None:
    path = tmp_path / "pace.jsonl"
    append_line(path, {"step": 1, "seconds": 0.5, "useful": 3, "first": True})
    assert read_pace(path) == [StepPace(1, 0.5, 3, first=True)]
    append_line(path, {"step": 1, "seconds": "long", "useful": 3, "first": True})
    with pytest.raises(RunFolderError, match="line 2: not the speed of a step"):
        read_pace(path)


def events(path: Path) -> Iterator[Event]:
    """The records of an event file, each checked (tensorflow/core/lib/io/record_writer.h)."""
    data, start = path.read_bytes(), 0
    while start < len(data):
        header = data[start : start + 8]
        assert struct.unpack("<I", data[start + 8 : start + 12])[0] == masked_crc32c(header)
        end = start + 12 + struct.unpack("<Q", header)[0]
        assert struct.unpack("<I", data[end : end + 4])[0] == masked_crc32c(data[start + 12 : end])
        yield Event.FromString(data[start + 12 : end])
        start = end + 4


def test_an_event_file_voids_what_earlier_ones_say_of_its_steps(tmp_path: Path) -> None:
    for resumed_from in (0, 4):
        board = Board(tmp_path / "tensorboard", resumed_from + 1)
        board.scalars(resumed_from + 1, {"loss": 1.5, "held_out/glaive": 2.0})
        board.close()
    first, second = sorted((tmp_path / "tensorboard").iterdir())  # in the order of their names
    version, start, values = events(second)
    assert version.file_version == "brain.Event:2"
    assert (start.step, start.session_log.status) == (5, SessionLog.START)
    assert values.step == 5
    assert {value.tag: value.simple_value for value in values.summary.value} == {
        "held_out/glaive": 2.0,
        "loss": 1.5,
    }
    assert next(iter(events(first))).wall_time > 0
    assert all(".tfevents." in path.name for path in (first, second))


def test_a_text_stands_in_an_event_file_as_code(tmp_path: Path) -> None:
    board = Board(tmp_path, 0)
    board.text(3, "samples/1", "# <b>x</b>\n![](http://a.example/x.png)\r```\u2028end")
    board.close()
    [*_, event] = events(next(tmp_path.iterdir()))
    [value] = event.summary.value
    assert value.metadata.plugin_data.plugin_name == "text"
    lines = value.tensor.string_val[0].decode().split("\n")
    assert lines == ["    # <b>x</b>", "    ![](http://a.example/x.png)", "    ```", "    end"]
