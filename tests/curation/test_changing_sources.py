"""Sources that change while a build reads them: it stops, and nothing is published."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from curation import sampling
from curation.errors import CurationError, SourceError
from manifests.keys import Trace
from tests.curation.helpers import (
    build_mix,
    build_watched,
    left_behind,
    message_of,
    source,
    traces,
    write_traces,
)


def refusal(folder: Path, error: type[CurationError], *sources: Mapping[str, object], **top: object) -> str:
    """What a build stops with. The store is empty before and after."""
    with pytest.raises(error) as raised:
        build_mix(folder, *sources, **top)
    assert left_behind(folder / "store") == []
    return message_of(raised)


def test_a_source_whose_text_changes_while_it_is_read_stops_the_build(tmp_path: Path) -> None:
    path = write_traces(tmp_path / "one.jsonl", traces(5))
    changed = [*traces(3), Trace("Frage 4", "changed", "meanwhile"), *traces(1, first=5)]

    def change(what: str, rows: int) -> None:
        if what == "one: reading" and rows == 5:
            write_traces(path, changed)

    with pytest.raises(SourceError) as raised:
        build_watched(tmp_path, [source("one")], change)
    message = message_of(raised)
    assert message.startswith("source one")
    assert "changed while it was being read; build again" in message
    assert left_behind(tmp_path / "store") == []


def test_other_bytes_with_the_same_rows_while_it_is_read_stop_the_build_too(tmp_path: Path) -> None:
    """The manifest names a file by its digest: it has to be that of the bytes that were read."""
    path = write_traces(tmp_path / "one.jsonl", traces(5))
    written = path.read_bytes()

    def change(what: str, rows: int) -> None:
        if what == "one: reading" and rows == 5:
            path.write_bytes(written + b"\n")

    with pytest.raises(SourceError, match=r"one\.jsonl: it changed while it was being read; build again"):
        build_watched(tmp_path, [source("one")], change)
    assert left_behind(tmp_path / "store") == []


@pytest.mark.parametrize("rows", [3, 5, 7])
def test_a_source_that_changes_between_a_raw_draw_and_its_reading_stops_the_build(
    tmp_path: Path, rows: int
) -> None:
    write_traces(tmp_path / "data" / "a.jsonl", traces(5))
    write_traces(tmp_path / "data" / "b.jsonl", traces(5, first=6))

    def change(what: str, read: int) -> None:
        if what == "one: reading" and read == 10:
            write_traces(tmp_path / "data" / "b.jsonl", traces(rows, first=7))

    with pytest.raises(SourceError) as raised:
        build_watched(tmp_path, [source("one", "data/*", draw="raw", take={"shuffle": 10})], change)
    message = message_of(raised)
    assert message.startswith("source one: ")
    assert "changed while it was being read; build again" in message
    assert left_behind(tmp_path / "store") == []


@pytest.mark.parametrize("suffix", [".parquet", ".jsonl", ".json", ".csv", ".tsv"])
@pytest.mark.parametrize("change", ["gone", "cut", "garbage"])
def test_a_source_that_changes_before_what_was_drawn_is_read_stops_the_build(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, suffix: str, change: str
) -> None:
    path = write_traces(tmp_path / f"one{suffix}", traces(20))
    draw = sampling.draw

    def change_and_draw(*arguments: Any) -> Sequence[int]:
        if change == "gone":
            path.unlink()
        else:
            data = path.read_bytes()
            path.write_bytes(data[: len(data) // 2] if change == "cut" else b'"\xff{' * (len(data) // 4))
        return draw(*arguments)

    monkeypatch.setattr(sampling, "draw", change_and_draw)
    for keys in ({"draw": "raw", "take": {"shuffle": 15}}, {"take": {"shuffle": 15}}):
        path = write_traces(tmp_path / f"one{suffix}", traces(20))
        message = refusal(tmp_path, SourceError, source("one", f"one{suffix}", **keys))
        assert message.startswith("source one") or str(path) in message


@pytest.mark.parametrize("suffix", [".parquet", ".jsonl", ".json", ".csv", ".tsv"])
@pytest.mark.parametrize("change", ["gone", "cut", "garbage"])
def test_a_source_that_changes_before_its_near_duplicates_are_compared_stops_the_build(
    tmp_path: Path, suffix: str, change: str
) -> None:
    rows = [Trace(f"{number}?", " ".join(f"w{n}" for n in range(200)), "x") for number in range(8)]
    path = write_traces(tmp_path / f"one{suffix}", rows)
    write_traces(tmp_path / "two.jsonl", traces(5))

    def spoil(what: str, _read: int) -> None:
        if what == "two: reading":
            data = path.read_bytes()
            path.unlink()
            if change != "gone":
                path.write_bytes(data[: len(data) // 2] if change == "cut" else b'"\xff{' * (len(data) // 4))

    entry = source("one", f"one{suffix}", near={}, take={"first": 1}, max_drop=1)
    with pytest.raises(SourceError) as raised:
        build_watched(tmp_path, [entry, source("two")], spoil)
    message = message_of(raised)
    assert message.startswith("source one") or str(path) in message
    assert left_behind(tmp_path / "store") == []
