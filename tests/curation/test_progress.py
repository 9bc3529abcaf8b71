import time

import pytest

from curation.progress import RowProgress


def test_a_slow_source_is_told_with_its_rows_and_rate(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter(range(100, 1000, 3))
    monkeypatch.setattr(time, "monotonic", lambda: float(next(clock)))
    said: list[str] = []
    tell = RowProgress(said.append)
    for row in range(1, 1025):
        tell("one", row)
    # The clock is looked at every 256 rows, which here is every 3 seconds; a line is said when 5 have passed.
    assert said == ["one: 256 rows read, 85 rows/s", "one: 768 rows read, 85 rows/s"]


def test_a_quick_source_is_not_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "monotonic", lambda: 100.0)
    said: list[str] = []
    tell = RowProgress(said.append)
    for row in range(1, 100_001):
        tell("one", row)
    assert said == []
