"""A row that can't be text comes out with its fault in the place of the text."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from curation.recipe import Columns
from curation.traces import Fault, RawRow
from tests.curation.reading import held, rows_of

GOOD = ("a", "b")


def written(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path


def text_column(*values: bytes | None) -> pa.Array:
    """A column that says it is text, whatever its bytes are."""
    array = pa.array(values, type=pa.binary())
    return pa.Array.from_buffers(pa.string(), len(array), array.buffers(), array.null_count)


@pytest.mark.parametrize(
    ("record", "expected"),
    [
        (b"a,x,b", GOOD),
        (b"a,x", Fault.TOO_FEW_FIELDS),
        (b"a", Fault.TOO_FEW_FIELDS),
        (b"a,x,b,y", Fault.TOO_MANY_FIELDS),
        (b"a,x,b,", Fault.TOO_MANY_FIELDS),
        (b",x,", ("", "")),
        (b"\xff,x,b", (Fault.INVALID_UTF8, "b")),
        (b"a,x,\xc3", ("a", Fault.INVALID_UTF8)),
        (b"a,x,\xed\xa0\x80", ("a", Fault.INVALID_UTF8)),
        (b"a,\xff,b", GOOD),
        (b"\xff,x", Fault.TOO_FEW_FIELDS),
        ("\ufffd,x,b".encode(), ("\ufffd", "b")),
    ],
)
@pytest.mark.parametrize("suffix", [".csv", ".tsv"])
def test_a_record_that_can_not_be_text_comes_out_with_its_fault(
    tmp_path: Path, suffix: str, record: bytes, expected: RawRow
) -> None:
    data = b"prompt,other,response\na,x,b\n" + record + b"\na,x,b\n"
    path = written(tmp_path / f"a{suffix}", data if suffix == ".csv" else data.replace(b",", b"\t"))
    assert rows_of(path) == [GOOD, expected, GOOD]
    assert held(path) == 3


def test_without_a_header_the_first_record_says_how_many_fields_a_row_has(tmp_path: Path) -> None:
    path = written(tmp_path / "a.tsv", b"a\tb\nc\nd\te\tf\n")
    found = rows_of(path, Columns((1, 2)), header=False)
    assert found == [GOOD, Fault.TOO_FEW_FIELDS, Fault.TOO_MANY_FIELDS]


OBJECT = b'{"prompt": "a", "response": "b"}'


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        (b'{"prompt": null, "response": "b"}', (Fault.NULL, "b")),
        (b'{"response": "b"}', (Fault.NULL, "b")),
        (b"{}", (Fault.NULL, Fault.NULL)),
        (b'{"prompt": 1, "response": true}', (Fault.NOT_TEXT, Fault.NOT_TEXT)),
        (b'{"prompt": 1.5, "response": ["b"]}', (Fault.NOT_TEXT, Fault.NOT_TEXT)),
        (b'{"prompt": {"text": "a"}, "response": NaN}', (Fault.NOT_TEXT, Fault.NOT_TEXT)),
        (b'{"prompt": "\\ud800", "response": "b"}', (Fault.LONE_SURROGATE, "b")),
        (b'{"prompt": "a", "response": "x\\udfffx"}', ("a", Fault.LONE_SURROGATE)),
        (b'{"prompt": "\\ude00\\ud83d", "response": "b"}', (Fault.LONE_SURROGATE, "b")),
        (b'{"prompt": "\\ud83d\\ude00", "response": "b"}', ("\U0001f600", "b")),
        (b'{"prompt": "a", "response": "b", "other": "\\ud800"}', GOOD),
        (b'{"prompt": "\xff", "response": "b"}', Fault.INVALID_UTF8),
        (b'{"prompt": "a", "response": "b", "other": "\xff"}', Fault.INVALID_UTF8),
        (b'{"prompt": "a", "response": "b", "\xff": 1}', Fault.INVALID_UTF8),
        (b'{"prompt": "a", "response": "b", "other": "\xed\xa0\x80"}', Fault.INVALID_UTF8),
        ('{"prompt": "\ufffd", "response": "b"}'.encode(), ("\ufffd", "b")),
    ],
)
@pytest.mark.parametrize("suffix", [".jsonl", ".json"])
def test_an_object_that_can_not_be_text_comes_out_with_its_fault(
    tmp_path: Path, suffix: str, row: bytes, expected: RawRow
) -> None:
    rows = [OBJECT, row, OBJECT]
    path = written(
        tmp_path / f"a{suffix}", b"\n".join(rows) if suffix == ".jsonl" else b"[" + b",".join(rows) + b"]"
    )
    assert rows_of(path) == [GOOD, expected, GOOD]
    assert held(path) == 3


@pytest.mark.parametrize("encoded", [False, True])
def test_a_parquet_value_that_can_not_be_text_comes_out_with_its_fault(
    tmp_path: Path, *, encoded: bool
) -> None:
    prompts, responses = (
        text_column(b"a", None, b"\xff", b"a"),
        text_column(b"b", b"b", b"b", b"\xed\xa0\x80"),
    )
    if encoded:
        prompts, responses = prompts.dictionary_encode(), responses.dictionary_encode()
    table = pa.table(
        {"prompt": prompts, "other": text_column(b"\xff", b"\xff", None, b"x"), "response": responses}
    )
    pq.write_table(table, tmp_path / "a.parquet")
    expected = [GOOD, (Fault.NULL, "b"), (Fault.INVALID_UTF8, "b"), ("a", Fault.INVALID_UTF8)]
    assert rows_of(tmp_path / "a.parquet") == expected
