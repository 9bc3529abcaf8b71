"""CSV in spans and by places, against Python's csv module."""

import csv
import io
import random
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from curation.errors import SourceError
from curation.files import SourceFile
from curation.formats import csv_records
from curation.formats.base import Layout
from curation.readers import cut, read_head
from curation.recipe import Columns
from curation.traces import Fault, RawRow, cell_of_bytes
from tests.curation.reading import read_at, read_cut, read_whole, wrong_cuts

FIRST = Layout(Columns((1,)), header=False)
# What CSV lives on, and what looks like a record inside of quotes.
PIECES = [b'"', b'""', b",", b"\n", b"\r", b"\r\n", b"a", b"bc", b" ", "\u00e9".encode(), b"\xff", b"\0"]
PIECES += [b'x,y\n1,"2', b'"a\nb"', b'a"b', b'",\n', b'\n"']
TEXTS = st.lists(st.sampled_from(PIECES), max_size=24).map(b"".join)
SIZES = st.integers(1, 64)


def plain_rows(data: bytes, columns: tuple[int, ...] = (1,)) -> tuple[list[RawRow], bool]:
    """The rows that the csv module reads, and whether it reads to the end."""
    text = io.StringIO(data.removeprefix(b"\xef\xbb\xbf").decode("utf-8", "surrogateescape"), newline="")
    rows, width = list[RawRow](), 0
    try:
        for fields in csv.reader(text, strict=True):
            if not fields:
                continue
            width = width or len(fields)
            if len(fields) != width:
                rows.append(Fault.TOO_FEW_FIELDS if len(fields) < width else Fault.TOO_MANY_FIELDS)
            else:
                stored = [field.encode("utf-8", "surrogateescape") for field in fields]
                rows.append(tuple(cell_of_bytes(stored[column - 1]) for column in columns))
    except csv.Error:
        return rows, False
    return rows, True


def csv_file(factory: pytest.TempPathFactory, data: bytes) -> Path:
    path = factory.mktemp("csv") / "a.csv"
    path.write_bytes(data)
    return path


@given(data=TEXTS, mark=st.sampled_from([b"", b"\xef\xbb\xbf"]), size=SIZES, read=st.integers(1, 20))
@example(data=b'a"b\n"c\n"d"\n', mark=b"", size=2, read=1)
@example(data=b"a\r\r\nb\rc", mark=b"", size=1, read=2)
def test_in_spans_of_any_size_the_rows_are_those_of_the_csv_module(
    tmp_path_factory: pytest.TempPathFactory, data: bytes, mark: bytes, size: int, read: int
) -> None:
    path = csv_file(tmp_path_factory, mark + b"x\n" + data)
    expected, whole = plain_rows(mark + b"x\n" + data)
    read_once = read_whole(path, FIRST)
    assert (read_once.raw, not read_once.broken) == (expected, whole)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(csv_records, "_READ", read)
        assert read_cut(path, FIRST, size).outcome == read_once.outcome


@given(
    records=st.lists(st.lists(TEXTS, min_size=3, max_size=3), min_size=1, max_size=8),
    columns=st.permutations([1, 2, 3]) | st.lists(st.integers(1, 3), min_size=1, max_size=4),
    size=SIZES,
    read=st.integers(1, 20),
)
def test_the_columns_wanted_are_taken_in_the_order_wanted(
    tmp_path_factory: pytest.TempPathFactory,
    records: list[list[bytes]],
    columns: list[int],
    size: int,
    read: int,
) -> None:
    """Fields are quoted where they must be; what they hold is anything."""
    data = b"".join(b",".join(_quoted(field) for field in record) + b"\n" for record in records)
    path, layout = csv_file(tmp_path_factory, data), Layout(Columns(tuple(columns)), header=False)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(csv_records, "_READ", read)
        found = read_cut(path, layout, size)
    assert not found.broken
    assert found.raw == plain_rows(data, tuple(columns))[0]
    assert found.raw == [tuple(cell_of_bytes(record[column - 1]) for column in columns) for record in records]


def _quoted(field: bytes) -> bytes:
    if field and not set(field) & set(b'",\r\n'):
        return field
    return b'"' + field.replace(b'"', b'""') + b'"'


@given(data=TEXTS, longest=st.integers(1, 20), size=SIZES, read=st.integers(1, 20))
def test_a_record_of_more_bytes_than_allowed_is_too_large_and_its_neighbours_are_read(
    tmp_path_factory: pytest.TempPathFactory, data: bytes, longest: int, size: int, read: int
) -> None:
    path = csv_file(tmp_path_factory, b"x\n" + data)
    everything = read_whole(path, FIRST)
    limited = Layout(FIRST.columns, header=False, max_row_bytes=max(longest, 2))
    places = [place for place, _ in everything.placed]
    expected = [
        Fault.TOO_LARGE if _record_size(b"x\n" + data, place) > limited.max_row_bytes else raw
        for place, raw in everything.placed
    ]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(csv_records, "_READ", read)
        found = read_cut(path, limited, size)
    assert [place for place, _ in found.placed] == places
    assert found.raw == expected
    assert found.broken == everything.broken


def _record_size(data: bytes, place: int) -> int:
    """The bytes of the record that begins at `place`, by the csv module: its lines, until it gives a record."""
    text = data[place:].decode("utf-8", "surrogateescape")
    lines = io.StringIO(text, newline="")
    next(csv.reader(iter(lines.readline, ""), strict=True))
    return len(text[: lines.tell()].encode("utf-8", "surrogateescape"))


@given(data=TEXTS, longest=st.integers(2, 40), chosen=st.randoms(use_true_random=False))
def test_rows_are_found_again_where_they_were(
    tmp_path_factory: pytest.TempPathFactory, data: bytes, longest: int, chosen: random.Random
) -> None:
    path = csv_file(tmp_path_factory, b"x\n" + data)
    layout = Layout(FIRST.columns, header=False, max_row_bytes=longest)
    some = [placed for placed in read_whole(path, layout).placed if chosen.random() < 0.6]
    assert read_at(path, layout, [place for place, _ in some]) == [raw for _, raw in some]


def test_a_cut_inside_quotes_is_noticed_and_mended(tmp_path: Path) -> None:
    """A quote inside an unquoted field makes the guess wrong that quotes come in pairs."""
    path = tmp_path / "a.csv"
    path.write_bytes(b"".join(b'%d" wide,"line\nx,y\n1,""2""\n"\n' % number for number in range(40)))
    layout = Layout(Columns((1, 2)), header=False)
    assert any(wrong_cuts(path, layout, size) for size in range(5, 60))
    for size in range(5, 60):
        assert read_cut(path, layout, size).raw == [
            (f'{number}" wide', 'line\nx,y\n1,"2"\n') for number in range(40)
        ]


def test_records_that_end_with_a_lone_cr_are_read_through_windows_of_any_size(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(b"".join(b'%d,"a\rb"\r' % number for number in range(2000)))
    layout = Layout(Columns((1, 2)), header=False, max_row_bytes=12)
    assert read_cut(path, layout, 100).raw == [(str(number), "a\rb") for number in range(2000)]


@pytest.mark.parametrize("read", [1, 2, 1 << 18])
@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r", b""])
@pytest.mark.parametrize("body", [b"abc,d", b'"a\nc",d', b'"a""b",', b"a,b,c,,", b"abcdef"])
def test_the_limit_is_exact_and_counts_the_record_as_it_is_stored(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, read: int, end: bytes, body: bytes
) -> None:
    monkeypatch.setattr(csv_records, "_READ", read)
    path, size = tmp_path / "a.csv", len(body + end)
    for data in (b"h,\n" + body + end, b"h,\n\n" + body + end + (b"x,y" if end else b"")):
        path.write_bytes(data)
        for longest, too_large in ((size, False), (size - 1, True)):
            found = read_whole(path, Layout(FIRST.columns, header=False, max_row_bytes=longest)).raw
            assert found[0] == ("h",)
            assert (found[1] == Fault.TOO_LARGE) == too_large
            assert found[2:] in ([], [("x",)])


def test_a_first_record_that_is_too_large_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(b"prompt,response\na,b\n")
    with pytest.raises(SourceError, match=r"a\.csv: the first record is too large; raise max_row_bytes$"):
        read_whole(tmp_path / "a.csv", Layout(Columns(("prompt",)), max_row_bytes=15))
    assert read_whole(tmp_path / "a.csv", Layout(Columns(("prompt",)), max_row_bytes=16)).rows == 1


def test_a_first_record_of_very_many_fields_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(b"a," * 9_999 + b"b\n")
    assert read_whole(path, FIRST).rows == 1
    path.write_bytes(b"a," * 10_000 + b"b\n")
    with pytest.raises(SourceError, match=r"the first record has more than 10,000 fields; mend the file$"):
        read_whole(path, FIRST)


def test_a_record_of_very_many_fields_has_too_many(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(b"x\n" + b"a," * 2_345 + b"b\ny\n" + b'"",' * 1_000 + b'"\n"\nz\n')
    faults = [Fault.TOO_MANY_FIELDS] * 2
    assert read_cut(path, FIRST, 1).raw == [("x",), faults[0], ("y",), faults[1], ("z",)]


def test_good_guesses_cut_a_file_into_parts_of_about_the_size_asked_for(tmp_path: Path) -> None:
    path, layout = tmp_path / "a.csv", Layout(Columns(("p", "r")))
    path.write_bytes(b"p,r\n" + b'a,"b ""c""\nx,y\n\n"\n' * 1000)
    for size in (100, 101, 107, 1000):
        assert wrong_cuts(path, layout, size) == 0
        file = SourceFile(path.name, path)
        parts = len(list(cut(file, read_head(file, layout), size)))
        assert path.stat().st_size / (size + 25) - 1 <= parts <= path.stat().st_size / size + 1
