"""What is a row, format by format (manifests/FORMAT.md, section 2): marks, empty lines, quotes, names."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from curation.recipe import Columns
from curation.traces import Fault
from tests.curation.helpers import traces, write_traces
from tests.curation.reading import held, rows_of

COLUMNS = Columns(("prompt", "reasoning", "answer"))
FIRST_TWO = Columns((1, 2))
FORMATS = (".parquet", ".jsonl", ".json", ".csv", ".tsv")


# Text as it may stand in a UTF-8 file; what formats live on (quotes, separators, line ends) comes up often.
@pytest.mark.parametrize("suffix", [".jsonl", ".json", ".csv", ".tsv"])
def test_one_byte_order_mark_is_skipped_and_no_more_than_one(tmp_path: Path, suffix: str) -> None:
    path = write_traces(tmp_path / f"a{suffix}", traces(3))
    expected, count = rows_of(path, COLUMNS), held(path)
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    assert rows_of(path, COLUMNS) == expected
    assert held(path) == count


def test_a_second_byte_order_mark_is_text(tmp_path: Path) -> None:
    path = tmp_path / "a.tsv"
    path.write_bytes(b"\xef\xbb\xbf\xef\xbb\xbfa\tb\n\xef\xbb\xbfc\td\n")
    assert rows_of(path, FIRST_TWO, header=False) == [("\ufeffa", "b"), ("\ufeffc", "d")]


@pytest.mark.parametrize("suffix", [".csv", ".tsv"])
@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
def test_empty_lines_are_no_rows(tmp_path: Path, suffix: str, line_end: str) -> None:
    comma = "," if suffix == ".csv" else "\t"
    lines = ["", f"prompt{comma}response", "", "", f"a{comma}b", "", comma, "", f" {comma} ", ""]
    path = tmp_path / f"a{suffix}"
    path.write_bytes(line_end.join(lines).encode())
    assert rows_of(path) == [("a", "b"), ("", ""), (" ", " ")]
    assert held(path) == 3


def test_an_empty_line_inside_quotes_is_text(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(b'prompt,response\n"a\n\n\nb",c\n')
    assert rows_of(path) == [("a\n\n\nb", "c")]


def test_a_line_of_blanks_is_a_row_of_one_field_in_csv_and_tsv(tmp_path: Path) -> None:
    for suffix in (".csv", ".tsv"):
        path = tmp_path / f"a{suffix}"
        path.write_bytes(b"prompt,response\n \n".replace(b",", b"," if suffix == ".csv" else b"\t"))
        assert rows_of(path) == [Fault.TOO_FEW_FIELDS]


def test_a_quote_inside_an_unquoted_csv_field_is_text(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(b'prompt,response\na"b"c,5" wide\n"say ""yes""",\n')
    assert rows_of(path) == [('a"b"c', '5" wide'), ('say "yes"', "")]


def test_a_csv_field_may_be_longer_than_the_csv_modules_own_limit(tmp_path: Path) -> None:
    path, long = tmp_path / "a.csv", "x" * 300_000
    path.write_text(f"prompt,response\n{long},b\n", encoding="utf-8")
    assert rows_of(path) == [(long, "b")]


def test_a_line_end_that_falls_on_the_border_of_a_read_is_one_line_end(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    for length in range(8170, 8200):
        path.write_bytes(b"p,r\r\n" + b"x" * length + b",y\r\n\r\na,b\r\n")
        assert rows_of(path, Columns(("p", "r"))) == [("x" * length, "y"), ("a", "b")]


def test_an_empty_file_without_a_header_has_no_rows(tmp_path: Path) -> None:
    for name in ("a.csv", "a.tsv", "a.jsonl"):
        (tmp_path / name).touch()
        assert rows_of(tmp_path / name, FIRST_TWO, header=False) == []
        assert held(tmp_path / name, header=False) == 0


@pytest.mark.parametrize("suffix", FORMATS)
def test_a_file_of_no_rows_has_none(tmp_path: Path, suffix: str) -> None:
    path = write_traces(tmp_path / f"a{suffix}", [])
    assert rows_of(path, COLUMNS) == []
    assert held(path) == 0


@pytest.mark.parametrize("suffix", FORMATS)
def test_a_folder_called_key_equals_value_invents_no_column(tmp_path: Path, suffix: str) -> None:
    path = write_traces(tmp_path / "answer=made-up" / "lang=en" / f"a{suffix}", traces(2))
    assert rows_of(path, COLUMNS) == [tuple(trace) for trace in traces(2)]


def test_one_column_may_be_used_twice(tmp_path: Path) -> None:
    for suffix in FORMATS:
        path = write_traces(tmp_path / f"a{suffix}", traces(2))
        columns = Columns(("prompt", "prompt"))
        assert rows_of(path, columns) == [(trace.prompt, trace.prompt) for trace in traces(2)]


def test_a_column_whose_name_has_a_dot_is_that_column(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"turn": [{"response": "no"}], "turn.response": ["b"], "prompt": ["a"]}), path)
    assert rows_of(path, Columns(("prompt", "turn.response"))) == [("a", "b")]


def test_members_of_equal_name_are_rows_of_their_own(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text(
        '{"1": {"prompt": "a", "response": "b"}, "1": {"prompt": "c", "response": "d"}}', encoding="utf-8"
    )
    assert rows_of(path) == [("a", "b"), ("c", "d")]


@pytest.mark.parametrize("suffix", [".jsonl", ".json"])
def test_the_last_of_equal_keys_counts(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a{suffix}"
    row = '{"prompt": "first", "response": "b", "prompt": "last"}'
    path.write_text(row if suffix == ".jsonl" else f"[{row}]", encoding="utf-8")
    assert rows_of(path) == [("last", "b")]
