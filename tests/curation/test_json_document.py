"""JSON documents: through any window and in any spans, the rows are those of the whole text."""

import io
import json
import random
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from curation.files import SourceFile
from curation.formats import json_document
from curation.formats.base import BrokenRowError, Head, Layout, Span, SpanEndError
from curation.formats.json_document import elements
from curation.formats.json_extent import value_end
from curation.readers import read_head, whole
from curation.traces import Fault
from tests.curation.reading import PAIR, rows_of

LONGEST = 1 << 30
# Strings that look like the end of a row and the beginning of the next.
STRINGS = st.text(max_size=8) | st.sampled_from(
    ['}, "x": {', "}, {", '\\"}, {"', "\\", "]", "}}", "\u00e9}, {", "\U0001f600", "{[", '\\\\"']
)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | STRINGS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(STRINGS, inner, max_size=3),
    max_leaves=8,
)


def head_of(data: bytes) -> Head:
    text = data.lstrip()
    if text[:1] not in {b"[", b"{"}:
        raise BrokenRowError("no list, no object")
    return Head(len(data) - len(text), len(data), container=text[:1].decode())


def values_of(data: bytes, read: int = 1 << 16, span: Span | None = None) -> list[object]:
    head = head_of(data)
    stream = io.BytesIO(data)
    return [value for _, value in elements(stream, head, span or whole(head), LONGEST, read)]


class Members(list[tuple[str, object]]):
    """An object as the list of its members: those of equal name too."""


def plain_rows(text: str) -> list[object]:
    """What the standard decoder makes of the whole text. Raises ValueError if it is no list or object."""
    whole_value = json.loads(text, parse_int=float, object_pairs_hook=Members)
    if isinstance(whole_value, Members):
        return [_with_objects(value) for _, value in whole_value]
    if isinstance(whole_value, list):
        return [_with_objects(value) for value in whole_value]
    raise ValueError("no list, no object")


def _with_objects(value: object) -> object:
    if isinstance(value, Members):
        return {name: _with_objects(member) for name, member in value}
    return [_with_objects(item) for item in value] if isinstance(value, list) else value


@given(
    rows=st.lists(VALUES, max_size=6),
    keyed=st.booleans(),
    ascii_only=st.booleans(),
    indent=st.sampled_from([None, 0, 3]),
    read=st.integers(1, 40),
    window=st.integers(30, 90),
)
def test_through_any_window_the_rows_are_those_of_the_whole_text(
    rows: list[object], *, keyed: bool, ascii_only: bool, indent: int | None, read: int, window: int
) -> None:
    data = _dumped(rows, keyed=keyed, ascii_only=ascii_only, indent=indent)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(json_document, "_WINDOW", window)
        assert values_of(data, read) == plain_rows(data.decode())


def _dumped(rows: list[object], *, keyed: bool, ascii_only: bool, indent: int | None = None) -> bytes:
    whole_value = {f"\u00e9 {number}\\": row for number, row in enumerate(rows)} if keyed else rows
    return json.dumps(whole_value, ensure_ascii=ascii_only, indent=indent).encode("utf-8", "backslashreplace")


@given(
    rows=st.lists(VALUES, max_size=6),
    keyed=st.booleans(),
    ascii_only=st.booleans(),
    at=st.integers(1, 300),
    read=st.integers(1, 40),
)
def test_a_span_ends_with_a_row_or_says_that_it_does_not(
    rows: list[object], at: int, read: int, *, keyed: bool, ascii_only: bool
) -> None:
    data = _dumped(rows, keyed=keyed, ascii_only=ascii_only)
    head, stream = head_of(data), io.BytesIO(data)
    begins = [place for place, _ in elements(stream, head, whole(head), LONGEST, 1 << 16)]
    at = min(at, len(data) - 1)
    first = Span(0, at)
    if at in begins[1:]:
        assert values_of(data, read, first) == plain_rows(data.decode())[: begins.index(at)]
        assert values_of(data, read, Span(at, len(data))) == plain_rows(data.decode())[begins.index(at) :]
    elif at > (begins[0] if begins else 0):
        with pytest.raises(SpanEndError):
            values_of(data, read, first)


@pytest.mark.parametrize(
    "data",
    [
        b'[{"a": "b\\u00e9\\ud83d\\ude00"}, {"c": [1.5e-3, true, null]}]',
        '{"1": {"a": "b\\n"}, "2": {"c": {"d": "\U0001f600"}}}'.encode(),
        b"[]",
        b"{}",
    ],
)
@pytest.mark.parametrize("read", [1, 5, 1 << 20])
def test_a_text_cut_anywhere_is_refused(data: bytes, read: int) -> None:
    assert len(values_of(data, read)) == len(json.loads(data))
    for length in range(len(data)):
        with pytest.raises(BrokenRowError):
            values_of(data[:length], read)


@pytest.mark.parametrize(
    "text",
    [
        *[
            "",
            "null",
            '"a"',
            "x}",
            "[1 2]",
            "[1;2]",
            "[,1]",
            "[1,]",
            "[1,,2]",
            "[1}",
            "[1]]",
            "[] []",
            "{}{}",
        ],
        *['{"a" 1}', '{"a";1}', "{1:2}", '{"a":1 "b":2}', '{"a":1;"b":2}', '{"a":1]', '{"a":1,}'],
        *["{{}:1}", "{[]:1}", '{"a\\q":1}', '{"a":{}, "b\\q":{}}', '{"a":{},"b\x01":{}}', "[{},{}}", "{,}"],
    ],
)
def test_what_breaks_a_rule_of_json_between_the_rows_is_refused(text: str) -> None:
    with pytest.raises(BrokenRowError):
        values_of(text.encode())


SAMPLES = [
    "[]",
    "{}",
    '[{"a": 1}, [2, "b"]]',
    '{"a": {"b": 1}, "b": "a"}',
    " [ null , 1.5 ] ",
    '{"a":1,"a":2}',
    '{"a":{},"b":{"c":"}"},"d":{}}',
]


@given(
    sample=st.sampled_from(SAMPLES),
    start=st.integers(0, 24),
    length=st.integers(0, 2),
    put=st.text(alphabet='[]{}",:1ab \n\\', max_size=2),
    read=st.integers(1, 8),
)
def test_what_is_no_list_or_object_of_json_is_refused_and_what_is_one_is_read(
    sample: str, start: int, length: int, put: str, read: int
) -> None:
    """Lists and objects with a little change at one place: often no JSON any more, often another JSON."""
    text = sample[:start] + put + sample[start + length :]
    try:
        expected = plain_rows(text)
    except ValueError:
        with pytest.raises(BrokenRowError):
            values_of(text.encode(), read)
        return
    assert values_of(text.encode(), read) == expected


def test_rows_of_megabytes_are_read_across_the_borders_of_the_reads(tmp_path: Path) -> None:
    draw = random.Random(1)
    lengths = [10, 1_500_000, 3, 700_000, 2_200_000, *(draw.randint(0, 30_000) for _ in range(60))]
    letters = 'ab "\\\n\t\u00e9\u4e2d\U0001f600'
    rows = [
        {"prompt": f"{number}", "response": "".join(draw.choices(letters, k=64)) * (length // 64)}
        for number, length in enumerate(lengths)
    ]
    expected = [(row["prompt"], row["response"]) for row in rows]
    for name, text in {
        "list.json": json.dumps(rows),
        "object.json": json.dumps({row["prompt"]: row for row in rows}, ensure_ascii=False, indent=1),
    }.items():
        path = tmp_path / name
        path.write_text(text, encoding="utf-8")
        assert path.stat().st_size > 3 << 20
        assert rows_of(path) == expected


@given(value=VALUES, before=st.binary(max_size=5), after=st.binary(max_size=5), ascii_only=st.booleans())
def test_a_value_is_measured_by_its_brackets(
    value: object, before: bytes, after: bytes, *, ascii_only: bool
) -> None:
    text = json.dumps([value], ensure_ascii=ascii_only).encode("utf-8", "backslashreplace")
    for first in (1, 2, 3, 1 << 14):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("curation.formats.json_extent._FIRST_READ", first)
            patch.setattr("curation.formats.json_extent._READ", first)
            assert value_end(io.BytesIO(before + text + after), len(before)) == len(before + text)
            assert value_end(io.BytesIO(before + text[:-1]), len(before)) is None


def test_a_large_list_is_not_held_whole(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text(json.dumps([{"prompt": "x" * 1000}] * 8000), encoding="utf-8")
    file = SourceFile("a.json", path)
    head = read_head(file, Layout(PAIR))
    with path.open("rb") as stream:
        next(elements(stream, head, whole(head), LONGEST, 1 << 16))
        assert stream.tell() < path.stat().st_size / 4


def test_a_row_that_never_ends_is_cut_short_or_where_it_goes_wrong(tmp_path: Path) -> None:
    del tmp_path
    for text, what in {
        '[{"a": "' + "x" * (3 << 20): "cut short",
        '[{"a": "he said "hi"}, ' + "x" * (3 << 20): r"not JSON \(Expecting ',' delimiter\)",
        "[" * 100_000: "cut short",
        '[{"n": ' + "1" * (3 << 20): "cut short",
    }.items():
        with pytest.raises(BrokenRowError, match=f"^{what}; fetch the file again$"):
            values_of(text.encode())


def test_a_fault_takes_the_place_of_a_value_that_is_too_large() -> None:
    data = b'[{"a": 1}, {"a": 12}, {"a": 1}]'
    head = head_of(data)
    found = [value for _, value in elements(io.BytesIO(data), head, whole(head), 8, 1 << 16)]
    assert found == [{"a": 1.0}, Fault.TOO_LARGE, {"a": 1.0}]
