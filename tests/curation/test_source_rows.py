from pathlib import Path

import pytest

from curation.errors import SourceError
from curation.progress import Silence
from curation.recipe import Columns, SourceRecipe
from curation.scan import index, job_of
from curation.source_rows import SourceRows
from curation.texts import read_traces
from curation.workers.local import LocalWorkers
from manifests.disk import sha256_file
from tests.curation.helpers import message_of, traces, write_traces

COLUMNS = Columns(("prompt", "reasoning", "answer"))
SUFFIXES = [".parquet", ".jsonl", ".json", ".csv", ".tsv"]


def open_source(
    folder: Path, files: str = "*", rows: tuple[int, int] | None = None, span_bytes: int = 1 << 20
) -> SourceRows:
    source = SourceRows.find(SourceRecipe("one", COLUMNS, None, files=files, rows=rows), folder)
    source.span_bytes = span_bytes
    return source


def read(source: SourceRows) -> list[tuple[int, tuple[str, ...]]]:
    """All rows of the range with their numbers: found first, then read where they were found."""
    job, rows = job_of(source.recipe), []
    for piece in source.read(LocalWorkers(0), index, job, Silence()):
        places = piece.result.places[piece.begin : piece.end].tolist()
        traces_read = read_traces(piece.part.file, job, piece.part.head, places)
        rows += [
            (piece.before + piece.begin + place, tuple(trace)) for place, trace in enumerate(traces_read, 1)
        ]
    return rows


def write_files(folder: Path, *counts: int, suffix: str = ".jsonl") -> list[tuple[int, tuple[str, ...]]]:
    """Files a, b, c, … with these numbers of rows; all rows, numbered through from 1."""
    written = traces(sum(counts))
    start = 0
    for letter, count in zip("abcdefgh", counts, strict=False):
        write_traces(folder / f"{letter}{suffix}", written[start : start + count])
        start += count
    return [(row, tuple(trace)) for row, trace in enumerate(written, 1)]


def layout(source: SourceRows) -> tuple[list[tuple[str, int]], list[tuple[str, int, int]]]:
    """Of the record: the files before with their rows, and the files with their first and last row."""
    record = source.record
    return list(record.before), [(file.path, file.first_row, file.last_row) for file in record.files]


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_rows_are_numbered_through_the_files_and_a_range_is_their_slice(tmp_path: Path, suffix: str) -> None:
    everything = write_files(tmp_path, 3, 2, 4, suffix=suffix)
    assert read(open_source(tmp_path)) == everything
    for first in range(1, 10):
        for last in range(first, 10):
            for span_bytes in (1, 1 << 20):
                source = open_source(tmp_path, rows=(first, last), span_bytes=span_bytes)
                assert read(source) == everything[first - 1 : last]


@pytest.mark.parametrize(
    ("rows", "before", "files"),
    [
        (None, [], [("a.jsonl", 1, 3), ("b.jsonl", 4, 5), ("c.jsonl", 6, 9)]),
        ((1, 9), [], [("a.jsonl", 1, 3), ("b.jsonl", 4, 5), ("c.jsonl", 6, 9)]),
        ((1, 3), [], [("a.jsonl", 1, 3)]),
        ((2, 4), [], [("a.jsonl", 1, 3), ("b.jsonl", 4, 4)]),
        ((4, 5), [("a.jsonl", 3)], [("b.jsonl", 4, 5)]),
        ((5, 7), [("a.jsonl", 3)], [("b.jsonl", 4, 5), ("c.jsonl", 6, 7)]),
        ((6, 6), [("a.jsonl", 3), ("b.jsonl", 2)], [("c.jsonl", 6, 6)]),
        ((8, 8), [("a.jsonl", 3), ("b.jsonl", 2)], [("c.jsonl", 6, 8)]),
    ],
)
def test_the_record_holds_the_files_of_the_range_and_names_those_before_it(
    tmp_path: Path,
    rows: tuple[int, int] | None,
    before: list[tuple[str, int]],
    files: list[tuple[str, int, int]],
) -> None:
    write_files(tmp_path, 3, 2, 4)
    source = open_source(tmp_path, rows=rows)
    read(source)
    assert layout(source) == (before, files)
    for file in source.record.files:
        assert (file.size, file.sha256) == sha256_file(tmp_path / file.path)


@pytest.mark.parametrize(
    ("rows", "before", "files"),
    [
        (
            None,
            [],
            [("a.jsonl", 1, 0), ("b.jsonl", 1, 2), ("c.jsonl", 3, 2), ("d.jsonl", 3, 4), ("e.jsonl", 5, 4)],
        ),
        ((1, 2), [("a.jsonl", 0)], [("b.jsonl", 1, 2)]),
        ((2, 3), [("a.jsonl", 0)], [("b.jsonl", 1, 2), ("c.jsonl", 3, 2), ("d.jsonl", 3, 3)]),
        ((3, 4), [("a.jsonl", 0), ("b.jsonl", 2), ("c.jsonl", 0)], [("d.jsonl", 3, 4)]),
    ],
)
def test_an_empty_file_ends_before_it_begins_and_no_range_begins_or_ends_with_one(
    tmp_path: Path,
    rows: tuple[int, int] | None,
    before: list[tuple[str, int]],
    files: list[tuple[str, int, int]],
) -> None:
    everything = write_files(tmp_path, 0, 2, 0, 2, 0)
    source = open_source(tmp_path, rows=rows)
    first, last = rows or (1, 4)
    assert read(source) == everything[first - 1 : last]
    assert layout(source) == (before, files)


def test_a_row_lies_in_the_one_file_that_holds_it(tmp_path: Path) -> None:
    write_files(tmp_path, 0, 2, 0, 2, 0)
    source = open_source(tmp_path)
    read(source)
    located = [source.record.locate(row) for row in range(1, 5)]
    assert [(file.path, row) for file, row in located] == [
        ("b.jsonl", 1),
        ("b.jsonl", 2),
        ("d.jsonl", 1),
        ("d.jsonl", 2),
    ]


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_files_behind_the_range_are_not_opened(tmp_path: Path, suffix: str) -> None:
    everything = write_files(tmp_path, 3, 3, suffix=suffix)
    for name in (f"c{suffix}", "d.parquet", "e.json"):
        (tmp_path / name).write_bytes(b"\xff garbage")
        (tmp_path / name).chmod(0)
    for rows in ((1, 6), (2, 4), (4, 6), (1, 3)):
        source = open_source(tmp_path, rows=rows)
        assert read(source) == everything[rows[0] - 1 : rows[1]]
        assert {file.path for file in source.record.files} <= {f"a{suffix}", f"b{suffix}"}
    with pytest.raises(SourceError):
        read(open_source(tmp_path))


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_source_without_rows_is_refused(tmp_path: Path, suffix: str) -> None:
    write_files(tmp_path, 0, 0, suffix=suffix)
    for rows in (None, (1, 1), (5, 9)):
        source = open_source(tmp_path, rows=rows)
        with pytest.raises(SourceError) as raised:
            read(source)
        assert message_of(raised).startswith(f"source one: {tmp_path}: no rows in 2 files; ")


@pytest.mark.parametrize("rows", [(1, 6), (3, 6), (5, 6), (6, 6), (7, 20)])
def test_a_range_past_the_last_row_is_refused_with_the_number_of_rows(
    tmp_path: Path, rows: tuple[int, int]
) -> None:
    write_files(tmp_path, 3, 2)
    source = open_source(tmp_path, rows=rows)
    with pytest.raises(SourceError) as raised:
        read(source)
    assert message_of(raised) == (
        f"source one: rows = [{rows[0]}, {rows[1]}], but it has only 5 rows; ask for a range within"
    )


def test_more_rows_than_a_manifest_can_have_are_refused_while_they_are_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_files(tmp_path, 4, 4)
    monkeypatch.setattr("curation.source_rows.MOST_ROWS", 6)
    assert len(read(open_source(tmp_path, rows=(2, 7)))) == 6
    for rows in (None, (2, 8)):
        with pytest.raises(SourceError) as raised:
            read(open_source(tmp_path, rows=rows))
        assert "b.jsonl: more than 6 rows" in message_of(raised)
