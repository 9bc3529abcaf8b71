import io
import json
import random
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from curation import json_stream
from curation.files import SourceFile
from curation.json_stream import JsonStreamError, stream_rows
from curation.readers import count_rows, read_rows
from curation.recipe import Columns

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=8,
)


def values_of(text: str) -> list[object]:
    return [value for value, _ in stream_rows(io.StringIO(text))]


@given(
    rows=st.lists(VALUES, max_size=6),
    keyed=st.booleans(),
    ascii_only=st.booleans(),
    indent=st.sampled_from([None, 0, 3]),
    window=st.integers(1, 40),
)
def test_through_any_window_the_rows_are_those_of_the_whole_text(
    rows: list[object], *, keyed: bool, ascii_only: bool, indent: int | None, window: int
) -> None:
    whole = {f"é {number}": row for number, row in enumerate(rows)} if keyed else rows
    text = json.dumps(whole, ensure_ascii=ascii_only, indent=indent)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(json_stream, "_READ", window)
        found = list(stream_rows(io.StringIO(text)))
    assert [value for value, _ in found] == rows
    assert [json.loads(own_text) for _, own_text in found] == rows


@pytest.mark.parametrize(
    "text",
    [
        '[{"a": "b\\u00e9\\ud83d\\ude00"}, {"c": [1.5e-3, true, null]}]',
        '{"1": {"a": "b\\n"}, "2": {"c": {"d": "\U0001f600"}}}',
        "[]",
        "{}",
    ],
)
@pytest.mark.parametrize("window", [1, 5, 1 << 20])
def test_a_text_cut_anywhere_is_refused(monkeypatch: pytest.MonkeyPatch, text: str, window: int) -> None:
    monkeypatch.setattr(json_stream, "_READ", window)
    assert len(values_of(text)) == len(json.loads(text))
    for length in range(len(text)):
        with pytest.raises(JsonStreamError):
            values_of(text[:length])


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
    ],
)
def test_what_breaks_a_rule_of_json_between_the_rows_is_refused(text: str) -> None:
    with pytest.raises(JsonStreamError):
        values_of(text)


SAMPLES = [
    "[]",
    "{}",
    '[{"a": 1}, [2, "b"]]',
    '{"a": {"b": 1}, "b": "a"}',
    " [ null , 1.5 ] ",
    '{"a":1,"a":2}',
]


@given(
    sample=st.sampled_from(SAMPLES),
    start=st.integers(0, 24),
    length=st.integers(0, 2),
    put=st.text(alphabet='[]{}",:1ab \n\\', max_size=2),
)
def test_what_is_no_list_or_object_of_json_is_refused_and_what_is_one_is_read(
    sample: str, start: int, length: int, put: str
) -> None:
    """Lists and objects with a little change at one place: often no JSON any more, often another JSON."""
    text = sample[:start] + put + sample[start + length :]
    try:
        whole = json.loads(text, object_pairs_hook=_members)
    except json.JSONDecodeError:
        whole = None
    if not isinstance(whole, list):
        with pytest.raises(JsonStreamError):
            values_of(text)
        return
    found = [
        json.loads(own_text, object_pairs_hook=_members) for _, own_text in stream_rows(io.StringIO(text))
    ]
    assert found == [value for _, value in whole] if text.strip().startswith("{") else found == whole


def _members(pairs: list[tuple[str, object]]) -> list[tuple[str, object]]:
    """An object as the list of its members: those of equal name too."""
    return pairs


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
        file = SourceFile(name, path)
        assert list(read_rows(file, Columns(("prompt", "response")), header=True)) == expected
        assert count_rows(file, header=True) == len(rows)


def test_a_row_that_never_ends_is_refused_before_it_fills_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json_stream, "LARGEST_ROW", 1 << 16)
    monkeypatch.setattr(json_stream, "_READ", 1 << 12)
    text = io.StringIO('[{"a": "' + "x" * (1 << 20))
    with pytest.raises(JsonStreamError, match=r"^not JSON \(Unterminated string"):
        list(stream_rows(text))
    assert text.tell() <= 1 << 18


def test_a_large_list_is_not_held_whole(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text(json.dumps([{"a": "x" * 1000}] * 8000), encoding="utf-8")
    with path.open("rb") as stream, io.TextIOWrapper(stream, encoding="utf-8") as text:
        next(stream_rows(text))
        assert stream.tell() < path.stat().st_size / 4
