"""JSON in spans and by places: whatever a document holds, the rows are those of one span."""

import json
import random
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from curation.files import SourceFile
from curation.formats import json_document
from curation.formats.base import Layout
from curation.readers import cut, read_head
from curation.recipe import Columns
from curation.traces import Fault, RawRow, cell
from tests.curation.reading import read_at, read_cut, read_whole, wrong_cuts

A = Columns(("a",))
# Text that looks like the end of a row and the beginning of the next.
STRINGS = st.text(max_size=6) | st.sampled_from(
    ['}, "x": {', "}, {", '"}, {"', "\\", '\\"}, {"a": "', "}},{", "\u00e9}, {", "\U0001f600"]
)
VALUES = st.recursive(
    st.none() | st.integers(0, 3) | STRINGS,
    lambda inner: (
        st.lists(st.dictionaries(STRINGS, inner, max_size=2), max_size=3)
        | st.dictionaries(STRINGS, inner, max_size=2)
    ),
    max_leaves=6,
)
ROWS = st.lists(st.fixed_dictionaries({}, optional={"a": VALUES, "b": VALUES}), max_size=6)
DUMPS = st.builds(
    lambda rows, keyed, ascii_only, indent: json.dumps(
        {f'}}, "{number}': row for number, row in enumerate(rows)} if keyed else rows,
        ensure_ascii=ascii_only,
        indent=indent,
    ).encode("utf-8", "backslashreplace"),
    ROWS,
    st.booleans(),
    st.booleans(),
    st.sampled_from([None, 0, 1]),
)
CHANGES = st.lists(
    st.tuples(st.integers(0, 200), st.integers(0, 3), st.sampled_from([b"", b'"', b"}", b"{", b",", b"\xff", b" "])),
    max_size=2,
)  # fmt: skip
READS = st.sampled_from([1, 3, 7, 20, 1 << 16])


def changed(data: bytes, changes: list[tuple[int, int, bytes]]) -> bytes:
    """A document with damage here and there, but for its first bracket."""
    for place, length, put in changes:
        at = 1 + place % len(data)
        data = data[:at] + put + data[at + length :]
    return data


def json_file(factory: pytest.TempPathFactory, data: bytes) -> Path:
    path = factory.mktemp("json") / "a.json"
    path.write_bytes(data)
    return path


@given(data=DUMPS, size=st.integers(1, 64), read=READS)
def test_in_spans_of_any_size_the_rows_are_those_of_the_whole_text_decoded(
    tmp_path_factory: pytest.TempPathFactory, data: bytes, size: int, read: int
) -> None:
    path = json_file(tmp_path_factory, b"\xef\xbb\xbf" + data)
    whole = json.loads(data.decode())
    expected: list[RawRow] = [
        (cell(row.get("a")),) for row in (whole.values() if isinstance(whole, dict) else whole)
    ]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(json_document, "_READ", read)
        found = read_cut(path, Layout(A), size)
    assert (found.raw, found.broken) == (expected, "")


@given(
    data=DUMPS,
    changes=CHANGES,
    size=st.integers(1, 64),
    read=READS,
    longest=st.integers(1, 60) | st.just(1 << 20),
    window=st.sampled_from([40, 1 << 20]),
)
def test_a_damaged_document_has_the_same_rows_and_the_same_fault_however_it_is_read(
    tmp_path_factory: pytest.TempPathFactory,
    data: bytes,
    changes: list[tuple[int, int, bytes]],
    size: int,
    read: int,
    longest: int,
    window: int,
) -> None:
    path, layout = json_file(tmp_path_factory, changed(data, changes)), Layout(A, max_row_bytes=longest)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(json_document, "_WINDOW", window)
        once = read_whole(path, layout)
        patch.setattr(json_document, "_READ", read)
        assert read_cut(path, layout, size).outcome == once.outcome


@given(
    data=DUMPS,
    changes=CHANGES,
    longest=st.integers(1, 60) | st.just(1 << 20),
    read=READS,
    chosen=st.randoms(use_true_random=False),
)
def test_rows_are_found_again_where_they_were(
    tmp_path_factory: pytest.TempPathFactory,
    data: bytes,
    changes: list[tuple[int, int, bytes]],
    longest: int,
    read: int,
    chosen: random.Random,
) -> None:
    path, layout = json_file(tmp_path_factory, changed(data, changes)), Layout(A, max_row_bytes=longest)
    some = [placed for placed in read_whole(path, layout).placed if chosen.random() < 0.6]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(json_document, "_SMALL_READ", read)
        assert read_at(path, layout, [place for place, _ in some]) == [raw for _, raw in some]


@pytest.mark.parametrize("window", [20, 1 << 20])
@pytest.mark.parametrize("text", ["abcdefghijklmnop", "\u00e9\u4e2d\U0001f600", "\\u00e9\\n", "}]{["])
def test_the_limit_is_exact_and_counts_the_bytes_of_the_value(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, window: int
) -> None:
    monkeypatch.setattr(json_document, "_WINDOW", window)
    monkeypatch.setattr(json_document, "_READ", 8)
    path, small = tmp_path / "a.json", '{"a": "b"}'
    row = '{ "a": "' + text + '" }'
    size = len(row.encode())
    for data in (f"[{small} , {row} ,{small}]", f'{{"long name":{small}, "long name" : {row}, "c":{small}}}'):
        path.write_text(data, encoding="utf-8")
        for longest, too_large in ((size, False), (size - 1, True)):
            found = read_cut(path, Layout(A, max_row_bytes=longest), 5)
            assert not found.broken
            assert [raw == Fault.TOO_LARGE for raw in found.raw] == [False, too_large, False]


@pytest.mark.parametrize(
    "document",
    [
        [{"a": "x", "turns": [{"b": number}, {"c": "d"}, {"e": "f"}]} for number in range(30)],
        {f"{n}": {"a": "x", "t": {"p": {"q": n}, "r": {"s": {}}, "u": {"v": {}}}} for n in range(30)},
        [{"a": "x}, {y"}] * 30,
    ],
)
def test_a_cut_inside_a_row_is_noticed_and_mended(tmp_path: Path, document: object) -> None:
    path = tmp_path / "a.json"
    path.write_text(json.dumps(document), encoding="utf-8")
    assert any(wrong_cuts(path, Layout(A), size) for size in range(10, 90))
    for size in range(10, 90):
        found = read_cut(path, Layout(A), size)
        assert (len(found.raw), found.broken) == (30, "")


def test_good_guesses_cut_a_document_into_parts_of_about_the_size_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    rows = [{"a": "x" * 90} for _ in range(1000)]
    for document in (rows, {f"{number}": row for number, row in enumerate(rows)}):
        path.write_text(json.dumps(document, indent=1), encoding="utf-8")
        assert wrong_cuts(path, Layout(A), 5000) == 0
        parts = path.stat().st_size // 5000
        assert parts - 2 <= _parts(path, 5000) <= parts + 1


def _parts(path: Path, size: int) -> int:
    file = SourceFile(path.name, path)
    return len(list(cut(file, read_head(file, Layout(A)), size)))


def test_numbers_of_any_length_are_read_and_nesting_of_a_thousand_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text('[{"a": "b", "n": ' + "1" * 5000 + "}]", encoding="utf-8")
    assert read_whole(path, Layout(A)).raw == [("b",)]
    path.write_text('[{"a": "b", "n": ' + "[" * 5000 + "]" * 5000 + "}]", encoding="utf-8")
    found = read_whole(path, Layout(A))
    assert found.raw == []
    assert found.broken == "not JSON that can be read (nested too deeply); fetch the file again"
    assert read_whole(path, Layout(A, max_row_bytes=5000)).raw == [Fault.TOO_LARGE]
