"""A file that can't be read as what it claims to be is an error of one line, with file and row."""

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from curation.errors import SourceError
from curation.formats.base import Layout
from curation.recipe import Columns
from tests.curation.helpers import message_of, traces, write_traces
from tests.curation.reading import PAIR, held, read_checked, rows_of

THREE = Columns(("prompt", "reasoning", "answer"))
GOOD = ("a", "b")


def refusal(path: Path, columns: Columns = PAIR, *, header: bool = True) -> str:
    """What a file is refused with, after its path."""
    with pytest.raises(SourceError) as raised:
        rows_of(path, columns, header=header)
    message = message_of(raised)
    assert message.startswith(str(path))
    _check_spans(path, Layout(columns, header), message)
    return message.removeprefix(str(path))


def _check_spans(path: Path, layout: Layout, message: str) -> None:
    """In spans of any size a file is refused with the same words."""
    size_of_file = path.stat().st_size if path.exists() else 0
    for size in (1, 10, 1000) if size_of_file < 10_000 else (1000,):
        with pytest.raises(SourceError) as raised:
            read_checked(path, layout, size)
        assert message_of(raised) == message


def written(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path


OBJECT = b'{"prompt": "a", "response": "b"}'


@pytest.mark.parametrize(
    ("data", "where"),
    [
        (b'prompt,response\na,"b', ", row 1: not CSV (nothing closes a quote of the record at byte 16)"),
        (
            b'prompt,response\na,b\nc,"d\ne\n',
            ", row 2: not CSV (nothing closes a quote of the record at byte 20)",
        ),
        (
            b'prompt,response\na,"b"c\nd,e\n',
            ", row 1: not CSV (text behind a closing quote in the record at byte 16)",
        ),
        (
            b'prompt,response\n"a" ,b\n',
            ", row 1: not CSV (text behind a closing quote in the record at byte 16)",
        ),
        (b'"prompt,response\n', ": not CSV (nothing closes a quote of the record at byte 0)"),
    ],
)
def test_a_broken_csv_quote_is_refused_with_its_record(tmp_path: Path, data: bytes, where: str) -> None:
    message = refusal(written(tmp_path / "a.csv", data))
    assert message.startswith(where)
    assert message.endswith("; mend the quotes or fetch the file again")


@pytest.mark.parametrize(
    "line",
    [
        b'{"prompt": "a"',
        b"{'prompt': 'a'}",
        b'{"prompt": "a"} {}',
        b"prompt",
        b'{"prompt": "a\x01"}',
        b"\xef\xbb\xbf{}",
    ],
)
def test_a_broken_line_of_jsonl_is_refused_with_its_row(tmp_path: Path, line: bytes) -> None:
    message = refusal(written(tmp_path / "a.jsonl", b"\n".join([OBJECT, b"", line, OBJECT])))
    assert message.startswith(", row 2: not a line of JSON (")


@pytest.mark.parametrize("suffix", [".jsonl", ".json"])
@pytest.mark.parametrize(
    ("value", "kind"),
    [
        (b'["a", "b"]', "a list"),
        (b'"a"', "a string"),
        (b"1", "a number"),
        (b"1.5", "a number"),
        (b"null", "null"),
        (b"true", "true or false"),
    ],
)
def test_a_row_that_is_no_object_is_refused_with_its_row(
    tmp_path: Path, suffix: str, value: bytes, kind: str
) -> None:
    rows = [OBJECT, OBJECT, value]
    path = written(
        tmp_path / f"a{suffix}", b"\n".join(rows) if suffix == ".jsonl" else b"[" + b",".join(rows) + b"]"
    )
    assert refusal(path) == f", row 3: expected an object, found {kind}; mend the row or the recipe"


@pytest.mark.parametrize(
    ("data", "where", "reason"),
    [
        (b"", "", "not JSON (expected a list or an object, found 'the end')"),
        (b'"text"', "", "not JSON (expected a list or an object, found '\"')"),
        (b"[" + OBJECT, ", row 2", "cut short"),
        (b"[" + OBJECT + b", ", ", row 2", "cut short"),
        (b"[" + OBJECT + b', {"prompt": "a", "resp', ", row 2", "cut short"),
        (b"[" + OBJECT + b" " + OBJECT + b"]", ", row 2", "expected a comma or the end, found '{'"),
        (b"[" + OBJECT + b",]" + b" " * 20, ", row 2", "not JSON ("),
        (b"[" + OBJECT + b", {'prompt': 1}, " + OBJECT * 9 + b"]", ", row 2", "not JSON ("),
        (b"[" + OBJECT + b"] {}", ", row 2", "text after the end: '{'"),
        (b"[]\n[]", ", row 1", "text after the end: '['"),
        (b'{"1": ' + OBJECT + b", 2: " + OBJECT + b"}", ", row 2", "expected a name and a colon"),
        (b'{"1" ' + OBJECT + b"}", ", row 1", "expected a name and a colon"),
        (b'{"1": ' + OBJECT, ", row 2", "cut short"),
        (b"[" + OBJECT + b"," + b"[" * 100_000 + b"]", ", row 2", "cut short"),
        (b"[" + OBJECT + b"," + b"[" * 9_000 + b"]" * 9_000, ", row 2", "not JSON that can be read (nested"),
    ],
)
def test_json_that_stops_being_json_is_refused_with_the_row_after_the_last_whole_one(
    tmp_path: Path, data: bytes, where: str, reason: str
) -> None:
    message = refusal(written(tmp_path / "a.json", data))
    assert message.startswith(f"{where}: {reason}")
    assert message.endswith("; fetch the file again")


@pytest.mark.parametrize("suffix", [".jsonl", ".json"])
def test_a_column_that_no_object_has_is_refused(tmp_path: Path, suffix: str) -> None:
    rows = [b'{"prompt": "a", "Response": "b"}'] * 3
    path = written(
        tmp_path / f"a{suffix}", b"\n".join(rows) if suffix == ".jsonl" else b"[" + b",".join(rows) + b"]"
    )
    assert refusal(path) == ": no row has a 'response'; mend 'columns'"


def test_a_missing_column_is_refused_with_those_that_are_there(tmp_path: Path) -> None:
    for suffix in (".csv", ".tsv"):
        path = write_traces(tmp_path / f"a{suffix}", traces(2))
        message = refusal(path)
        assert message.startswith(
            ": expected one column 'response', the header has prompt, reasoning, answer; mend 'columns'"
        )
    path = write_traces(tmp_path / "a.parquet", traces(2))
    assert (
        refusal(path)
        == ": expected one column 'response', the file has prompt, reasoning, answer; mend 'columns'"
    )


def test_a_column_that_is_there_twice_is_refused(tmp_path: Path) -> None:
    path = written(tmp_path / "a.csv", b"prompt,response,prompt\na,b,c\n")
    assert "expected one column 'prompt', the header has prompt, response, prompt" in refusal(path)
    table = pa.table([["a"], ["b"], ["c"]], names=["prompt", "response", "prompt"])
    pq.write_table(table, tmp_path / "a.parquet")
    assert "expected one column 'prompt', the file has prompt, response, prompt" in refusal(
        tmp_path / "a.parquet"
    )


def test_a_header_that_is_not_utf_8_is_shown_escaped(tmp_path: Path) -> None:
    path = written(tmp_path / "a.csv", b"pr\xffmpt,response\na,b\n")
    assert r"the header has pr\udcffmpt, response" in refusal(path)


def test_a_column_number_beyond_the_first_record_is_refused(tmp_path: Path) -> None:
    path = written(tmp_path / "a.tsv", b"a\tb\nc\td\te\n")
    assert (
        refusal(path, Columns((1, 3)), header=False)
        == ": no column 3, the first row has 2 fields; mend 'columns'"
    )


@pytest.mark.parametrize(
    "column",
    [
        pa.array([1, 2]),
        pa.array([b"a", b"b"]),
        pa.array([["a"], ["b"]]),
        pa.array([{"text": "a"}, {"text": "b"}]),
        pa.array([None, None]),
        pa.array([1, 2]).dictionary_encode(),
    ],
    ids=lambda column: str(column.type),
)
def test_a_parquet_column_that_is_no_text_is_refused_with_its_type(tmp_path: Path, column: pa.Array) -> None:
    pq.write_table(pa.table({"prompt": ["a", "b"], "response": column}), tmp_path / "a.parquet")
    message = refusal(tmp_path / "a.parquet")
    assert message.startswith(": column 'response' is ")
    assert message.endswith(", expected text; mend 'columns'")


@pytest.mark.parametrize("suffix", [".csv", ".tsv"])
def test_an_empty_file_that_should_have_a_header_is_refused(tmp_path: Path, suffix: str) -> None:
    for data in (b"", b"\xef\xbb\xbf", b"\n\n"):
        message = refusal(written(tmp_path / f"a{suffix}", data))
        assert message == ": empty, expected a header; set header = false if it has none"


def test_a_parquet_file_cut_anywhere_is_refused(tmp_path: Path) -> None:
    whole = write_traces(tmp_path / "whole.parquet", traces(20)).read_bytes()
    for length in (0, 3, 4, 100, len(whole) // 2, len(whole) - 1):
        path = written(tmp_path / "a.parquet", whole[:length])
        assert refusal(path, THREE).startswith(": not a whole parquet file (")
        with pytest.raises(SourceError, match="not a whole parquet file"):
            held(path)


def test_a_damaged_parquet_page_is_refused_with_the_row_it_begins_with(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    texts = [f"text {number}" for number in range(40)]
    pq.write_table(
        pa.table({"prompt": texts, "response": texts}), path, row_group_size=10, compression="zstd"
    )
    group = pq.read_metadata(path).row_group(2)
    data = bytearray(path.read_bytes())
    start = group.column(0).dictionary_page_offset
    data[start : group.column(0).data_page_offset] = b"\x00" * (group.column(0).data_page_offset - start)
    path.write_bytes(data)
    message = refusal(path)
    assert message.startswith(", row 21: can't be read (")
    assert rows_of(path, last=20) == [(text, text) for text in texts[:20]]


@pytest.mark.parametrize("suffix", [".parquet", ".jsonl", ".json", ".csv", ".tsv"])
def test_a_file_that_is_gone_is_refused(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a{suffix}"
    assert "No such file" in refusal(path)
    with pytest.raises(SourceError, match="No such file"):
        held(path)


def test_what_stands_behind_the_last_row_wanted_is_not_read(tmp_path: Path) -> None:
    for name, data in {
        "a.jsonl": json.dumps({"prompt": "a", "response": "b"}).encode() + b"\nno JSON\n",
        "a.csv": b'prompt,response\na,b\n"open',
        "a.json": b"[" + OBJECT + b", damage",
    }.items():
        assert rows_of(written(tmp_path / name, data), last=1) == [GOOD]


@pytest.mark.parametrize("name", ["deep.jsonl", "deep.json"])
@pytest.mark.parametrize("levels", [200, 257, 900, 5_000, 100_000])
def test_how_deep_a_row_may_be_nested_does_not_depend_on_who_reads(
    tmp_path: Path, name: str, levels: int
) -> None:
    row = '{"prompt": "p", "response": "r", "more": ' + "[" * levels + "]" * levels + "}"
    path = tmp_path / name
    path.write_text(row if name.endswith("l") else f"[{row}]", encoding="utf-8")
    if levels < 256:
        assert rows_of(path) == [("p", "r")]
    else:
        with pytest.raises(SourceError, match=r"row 1: .*(nested|recursion)"):
            rows_of(path)
