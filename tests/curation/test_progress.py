from curation.progress import LineProgress

MEGABYTES = 1_000_000


class Clock:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_slow_work_is_told_with_rows_rate_speed_and_the_time_left() -> None:
    clock, said = Clock(), list[str]()
    progress = LineProgress(said.append, clock)
    progress.begin("one: reading", 100 * MEGABYTES)
    for _ in range(4):
        clock.now += 3
        progress.step(1_000, 5 * MEGABYTES)
    # A line is said when five seconds have passed since the last: after 6 and after 12.
    assert said == [
        "one: reading: 2,000 rows, 333 rows/s, 2 MB/s, 10%, 54 s left",
        "one: reading: 4,000 rows, 333 rows/s, 2 MB/s, 20%, 48 s left",
    ]


def test_minutes_left_are_told_as_minutes() -> None:
    clock, said = Clock(), list[str]()
    progress = LineProgress(said.append, clock)
    progress.begin("one: reading", 1_000 * MEGABYTES)
    clock.now += 10
    progress.step(10, 100 * MEGABYTES)
    assert said == ["one: reading: 10 rows, 1 rows/s, 10 MB/s, 10%, 1 min 30 s left"]


def test_where_the_end_is_unknown_no_time_left_is_told() -> None:
    clock, said = Clock(), list[str]()
    progress = LineProgress(said.append, clock)
    progress.begin("one: text")
    clock.now += 10
    progress.step(50, 0)
    assert said == ["one: text: 50 rows, 5 rows/s"]


def test_more_than_was_announced_is_not_told_as_more_than_all() -> None:
    clock, said = Clock(), list[str]()
    progress = LineProgress(said.append, clock)
    progress.begin("one: reading", MEGABYTES)
    clock.now += 10
    progress.step(1, 2 * MEGABYTES)
    assert said == ["one: reading: 1 rows, 0 rows/s, 0 MB/s, 100%, 0 s left"]


def test_quick_work_is_not_told() -> None:
    clock, said = Clock(), list[str]()
    progress = LineProgress(said.append, clock)
    progress.begin("one: reading", 10)
    clock.now += 4.9
    progress.step(1_000, 10)
    assert said == []
