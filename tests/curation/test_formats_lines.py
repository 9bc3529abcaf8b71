"""JSONL and TSV in spans and by places, against their plain definitions."""

import json
import random
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from curation.errors import SourceError
from curation.formats.base import Layout
from curation.recipe import Columns
from curation.traces import Fault, RawRow, cell, cell_of_bytes
from tests.curation.reading import read_at, read_cut, read_whole, wrong_cuts

MARK = b"\xef\xbb\xbf"
SECOND = Columns((2,))
A = Columns(("a",))
SIZES = st.integers(1, 64)
TSV_TEXTS = st.lists(
    st.sampled_from([b"\t", b"\n", b"\r\n", b"\r", b"a", b'"', b"\xff", "\u00e9".encode(), b" ", b"\0"]),
    max_size=30,
).map(b"".join)
JSON_LINES = st.sampled_from(
    [
        *[b"", b" \t\r", b"\v\f", b" " * 30, b'{"a": "b"}', b' {"a": "\\n}, {"}\r', b'{"b": 1}', b'{"a": null}'],
        *['{"a": "\u00e9"}'.encode(), b'{"a": "\xff"}', b'{"a": "\\ud800"}', b'{"a": 1}'],
        b'{"a": "' + b"x" * 40 + b'"}',
        *[b"[]", b"{", b'{"a": "\r"}', MARK + b"{}"],
    ]
)  # fmt: skip


def written(factory: pytest.TempPathFactory, name: str, data: bytes) -> Path:
    path = factory.mktemp("lines") / name
    path.write_bytes(data)
    return path


def plain_tsv(data: bytes, longest: int) -> list[RawRow]:
    """The second field of every line that is not empty; the first says how many there are."""
    rows, width = list[RawRow](), 0
    for line in data.removeprefix(MARK).split(b"\n"):
        record = line.removesuffix(b"\r")
        if not record:
            continue
        fields = record.split(b"\t")
        width = width or len(fields)
        if len(line) + 1 > longest and rows:
            rows.append(Fault.TOO_LARGE)
        elif len(fields) != width:
            rows.append(Fault.TOO_FEW_FIELDS if len(fields) < width else Fault.TOO_MANY_FIELDS)
        else:
            rows.append((cell_of_bytes(fields[1]),))
    return rows


@given(
    data=TSV_TEXTS,
    mark=st.sampled_from([b"", MARK]),
    size=SIZES,
    longest=st.integers(5, 12) | st.just(1 << 20),
)
def test_tsv_in_spans_of_any_size_gives_the_lines_split_at_tabs(
    tmp_path_factory: pytest.TempPathFactory, data: bytes, mark: bytes, size: int, longest: int
) -> None:
    data = mark + b"x\ty\n" + data.removesuffix(b"\n") + b"\n"
    path = written(tmp_path_factory, "a.tsv", data)
    layout = Layout(SECOND, header=False, max_row_bytes=longest)
    once = read_whole(path, layout)
    assert once.raw == plain_tsv(data, longest)
    assert read_cut(path, layout, size).outcome == once.outcome
    assert wrong_cuts(path, layout, size) == 0


def plain_jsonl(lines: list[bytes], longest: int) -> tuple[list[RawRow], bool]:
    """The member `a` of the object of each line that is not blank, up to one that is no object."""
    rows = list[RawRow]()
    for line in lines:
        if not line.strip(b" \t\n\v\f\r"):
            continue
        if len(line) > longest:
            rows.append(Fault.TOO_LARGE)
            continue
        try:
            value = json.loads(line.decode())
        except UnicodeDecodeError:
            rows.append(Fault.INVALID_UTF8)
            continue
        except ValueError:
            return rows, False
        if not isinstance(value, dict):
            return rows, False
        rows.append((cell(value.get("a")),))
    return rows, True


@given(
    lines=st.lists(JSON_LINES, max_size=8),
    mark=st.sampled_from([b"", MARK]),
    last_ends=st.booleans(),
    size=SIZES,
    longest=st.integers(8, 50) | st.just(1 << 20),
)
def test_jsonl_in_spans_of_any_size_gives_the_lines_decoded_one_by_one(
    tmp_path_factory: pytest.TempPathFactory,
    lines: list[bytes],
    mark: bytes,
    size: int,
    longest: int,
    *,
    last_ends: bool,
) -> None:
    stored = [line + b"\n" for line in lines]
    if stored and not last_ends:
        stored[-1] = lines[-1]
    path = written(tmp_path_factory, "a.jsonl", mark + b"".join(stored))
    if stored:
        stored[0] = (mark + stored[0]).removeprefix(MARK)
    layout = Layout(A, max_row_bytes=longest)
    once = read_whole(path, layout)
    assert (once.raw, not once.broken) == plain_jsonl(stored, longest)
    assert read_cut(path, layout, size).outcome == once.outcome
    assert wrong_cuts(path, layout, size) == 0


@given(
    data=TSV_TEXTS,
    lines=st.lists(JSON_LINES, max_size=8),
    longest=st.integers(5, 40),
    chosen=st.randoms(use_true_random=False),
)
def test_rows_are_found_again_where_they_were(
    tmp_path_factory: pytest.TempPathFactory,
    data: bytes,
    lines: list[bytes],
    longest: int,
    chosen: random.Random,
) -> None:
    for name, text, layout in (
        ("a.tsv", b"x\ty\n" + data, Layout(SECOND, header=False, max_row_bytes=longest)),
        ("a.jsonl", b"\n".join(lines), Layout(A, max_row_bytes=longest)),
    ):
        path = written(tmp_path_factory, name, text)
        some = [placed for placed in read_whole(path, layout).placed if chosen.random() < 0.6]
        assert read_at(path, layout, [place for place, _ in some]) == [raw for _, raw in some]


@pytest.mark.parametrize("name", ["a.jsonl", "a.tsv"])
@pytest.mark.parametrize("end", [b"\n", b"\r\n", b""])
def test_the_limit_is_exact_and_counts_the_line_with_its_end(tmp_path: Path, name: str, end: bytes) -> None:
    path = tmp_path / name
    row = b'{"a": "bcdefghijkl"}' if name == "a.jsonl" else b"abcdefghij\tklmnopqrst"
    first = b'{"a": "x"}' if name == "a.jsonl" else b"x\ty"
    path.write_bytes(first + b"\n" + row + end)
    columns = A if name == "a.jsonl" else SECOND
    size = len(row + end)
    for longest, too_large in ((size, False), (size - 1, True)):
        found = read_whole(path, Layout(columns, header=False, max_row_bytes=longest)).raw
        assert len(found) == 2
        assert (found[1] == Fault.TOO_LARGE) == too_large


def test_a_first_line_of_tsv_that_is_too_large_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.tsv").write_bytes(b"prompt\tresponse\n")
    with pytest.raises(SourceError, match=r"the first line is too large; raise max_row_bytes$"):
        read_whole(tmp_path / "a.tsv", Layout(Columns(("prompt",)), max_row_bytes=15))


def test_an_empty_line_is_none_however_low_the_limit_is(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_bytes(b'  \n\r\n{"a": 1}\n' + b" " * 5_000_000 + b"\n" + b"\t" * 99)
    assert read_whole(tmp_path / "a.jsonl", Layout(A, max_row_bytes=1)).raw == [Fault.TOO_LARGE]
    path, one = tmp_path / "a.tsv", Columns((1,))
    path.write_bytes(b"x\n\r\n\r\n")
    assert read_whole(path, Layout(one, header=False, max_row_bytes=2)).rows == 1
    path.write_bytes(b"x\n\t\t\t\n\n  \n")
    assert read_whole(path, Layout(one, header=False, max_row_bytes=2)).raw[1:] == [Fault.TOO_LARGE] * 2
