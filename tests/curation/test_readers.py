"""Every format read by a plain script gives what the readers give."""

import csv
import io
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from curation.recipe import Columns
from curation.traces import Fault
from tests.curation.helpers import traces, write_traces
from tests.curation.reading import held, rows_of

COLUMNS = Columns(("prompt", "reasoning", "answer"))
FIRST_TWO = Columns((1, 2))
FORMATS = (".parquet", ".jsonl", ".json", ".csv", ".tsv")

# Text as it may stand in a UTF-8 file; what formats live on (quotes, separators, line ends) comes up often.
SPECIAL = st.sampled_from([*'",\t\r\n \\;\0\v\f\x85\u2028\ufeffé\U0001f600', "</think>"])
TEXT = st.lists(SPECIAL | st.characters(exclude_categories=["Cs"]), max_size=12).map("".join)
ANY_TEXT = st.text(max_size=12) | TEXT | st.sampled_from(["\ud83d", "\ude00\ud83d", "a\udfff"])


def plain_cell(value: object) -> str | Fault:
    """What FORMAT.md makes of a value of JSON."""
    if value is None:
        return Fault.NULL
    if not isinstance(value, str):
        return Fault.NOT_TEXT
    return Fault.LONE_SURROGATE if any("\ud800" <= character <= "\udfff" for character in value) else value


@given(
    records=st.lists(st.tuples(TEXT, TEXT, TEXT), max_size=8),
    line_end=st.sampled_from(["\n", "\r\n", "\r"]),
    quoting=st.sampled_from([csv.QUOTE_ALL, csv.QUOTE_MINIMAL]),
    mark=st.sampled_from([b"", b"\xef\xbb\xbf"]),
    last_ends=st.booleans(),
)
def test_what_a_csv_writer_wrote_is_read_back(
    tmp_path_factory: pytest.TempPathFactory,
    records: list[tuple[str, str, str]],
    line_end: str,
    quoting: Literal[0, 1],
    mark: bytes,
    *,
    last_ends: bool,
) -> None:
    text = io.StringIO(newline="")
    # Where CR and LF do not both end a line, csv.writer leaves the other one unquoted unless it quotes all.
    writer = csv.writer(
        text, lineterminator=line_end, quoting=quoting if line_end == "\r\n" else csv.QUOTE_ALL
    )
    writer.writerows([("other", "response", "prompt"), *records])
    data = text.getvalue() if last_ends else text.getvalue().removesuffix(line_end)
    path = tmp_path_factory.mktemp("csv") / "a.csv"
    path.write_bytes(mark + data.encode())
    assert rows_of(path) == [(prompt, response) for _, response, prompt in records]
    assert held(path) == len(records)
    assert rows_of(path, FIRST_TWO, header=False) == [("other", "response"), *((a, b) for a, b, _ in records)]
    assert held(path, header=False) == len(records) + 1


@given(
    records=st.lists(
        st.tuples(TEXT, TEXT).map(lambda pair: tuple(_without_tsv_signs(text) for text in pair)), max_size=8
    ),
    line_end=st.sampled_from(["\n", "\r\n"]),
    last_ends=st.booleans(),
)
@example(records=[('"open', 'a "quote"'), ("'", '""')], line_end="\n", last_ends=False)
def test_a_tsv_split_at_tabs_and_line_feeds_gives_the_same_rows(
    tmp_path_factory: pytest.TempPathFactory,
    records: list[tuple[str, ...]],
    line_end: str,
    *,
    last_ends: bool,
) -> None:
    data = line_end.join("\t".join(record) for record in [("prompt", "response"), *records])
    path = tmp_path_factory.mktemp("tsv") / "a.tsv"
    path.write_bytes((data + (line_end if last_ends else "")).encode())
    plain = [tuple(line.removesuffix("\r").split("\t")) for line in data.split("\n")]
    assert rows_of(path) == plain[1:] == records
    assert rows_of(path, FIRST_TWO, header=False) == plain
    assert (held(path), held(path, header=False)) == (len(records), len(records) + 1)


def _without_tsv_signs(text: str) -> str:
    return "".join(character for character in text if character not in "\t\r\n")


VALUES = st.dictionaries(
    st.sampled_from(["prompt", "response", "other"]) | ANY_TEXT,
    ANY_TEXT | st.none() | st.integers() | st.booleans() | st.lists(ANY_TEXT, max_size=2) | st.floats(),
    max_size=4,
)
# The first object has both columns: a file in which no row has one is refused.
OBJECTS = st.lists(VALUES, max_size=6).map(lambda values: [{"prompt": "p", "response": "r"}, *values])


@given(
    objects=OBJECTS,
    ascii_only=st.booleans(),
    blank=st.sampled_from(["", "\n", " \t\r\n\n"]),
    last_ends=st.booleans(),
)
def test_jsonl_decoded_line_by_line_gives_the_same_cells(
    tmp_path_factory: pytest.TempPathFactory,
    objects: list[dict[str, object]],
    blank: str,
    *,
    ascii_only: bool,
    last_ends: bool,
) -> None:
    lines = [_dumped(value, ascii_only=ascii_only) for value in objects]
    path = tmp_path_factory.mktemp("jsonl") / "a.jsonl"
    path.write_bytes((blank + f"\n{blank}".join(lines) + ("\n" + blank if last_ends else "")).encode())
    plain = [json.loads(line) for line in lines]
    assert rows_of(path) == [
        (plain_cell(row.get("prompt")), plain_cell(row.get("response"))) for row in plain
    ]
    assert held(path) == len(objects)


@given(objects=OBJECTS, ascii_only=st.booleans(), indent=st.sampled_from([None, 0, 1]), keyed=st.booleans())
def test_json_decoded_at_once_gives_the_same_cells(
    tmp_path_factory: pytest.TempPathFactory,
    objects: list[dict[str, object]],
    indent: int | None,
    *,
    ascii_only: bool,
    keyed: bool,
) -> None:
    whole = {f"{number}": value for number, value in enumerate(objects)} if keyed else objects
    text = _dumped(whole, ascii_only=ascii_only, indent=indent)
    path = tmp_path_factory.mktemp("json") / "a.json"
    path.write_bytes(f"\n {text}\n".encode())
    decoded = json.loads(text)
    plain = list(decoded.values()) if keyed else decoded
    assert rows_of(path) == [
        (plain_cell(row.get("prompt")), plain_cell(row.get("response"))) for row in plain
    ]
    assert held(path) == len(objects)


def _dumped(value: object, *, ascii_only: bool, indent: int | None = None) -> str:
    text = json.dumps(value, ensure_ascii=ascii_only, indent=indent)
    try:
        text.encode()
    except UnicodeEncodeError:  # lone surrogates can stand in a file as escapes only
        return json.dumps(value, ensure_ascii=True, indent=indent)
    return text


def _dictionary(array: pa.Array) -> pa.Array:
    return array.dictionary_encode()


def _large(array: pa.Array) -> pa.Array:
    return array.cast(pa.large_string())


def _view(array: pa.Array) -> pa.Array:
    return array.cast(pa.string_view())


def _large_dictionary(array: pa.Array) -> pa.Array:
    return array.cast(pa.large_string()).dictionary_encode()


@pytest.mark.parametrize("form", [pa.array, _dictionary, _large, _view, _large_dictionary])
@settings(max_examples=25)
@given(
    prompts=st.lists(TEXT | st.none(), max_size=9),
    group=st.integers(1, 10),
    compression=st.sampled_from(["none", "zstd"]),
)
def test_a_parquet_table_read_at_once_gives_the_same_cells(
    tmp_path_factory: pytest.TempPathFactory,
    form: Callable[[pa.Array], pa.Array],
    prompts: Sequence[str | None],
    group: int,
    compression: str,
) -> None:
    texts = pa.array(prompts, type=pa.string())
    numbers = pa.array(range(len(prompts)), type=pa.int64())
    table = pa.table({"number": numbers, "response": form(texts), "prompt": form(texts)})
    path = tmp_path_factory.mktemp("parquet") / "a.parquet"
    pq.write_table(table, path, row_group_size=group, compression=compression)
    plain = pq.read_table(path).to_pylist()
    assert rows_of(path) == [(plain_cell(row["prompt"]), plain_cell(row["response"])) for row in plain]
    assert held(path) == len(prompts)


@pytest.mark.parametrize("suffix", FORMATS)
def test_a_range_of_rows_is_the_slice_of_all_rows(tmp_path: Path, suffix: str) -> None:
    everything = [tuple(trace) for trace in traces(11)]
    path = write_traces(tmp_path / f"a{suffix}", traces(11))
    assert rows_of(path, COLUMNS) == everything
    assert held(path) == 11
    for first in range(1, 13):
        for last in (*range(first, 14), None):
            assert rows_of(path, COLUMNS, first=first, last=last) == everything[first - 1 : last]


@pytest.mark.parametrize("suffix", [".csv", ".tsv"])
def test_without_a_header_the_first_record_is_the_first_row(tmp_path: Path, suffix: str) -> None:
    path = write_traces(tmp_path / f"a{suffix}", traces(5))
    everything = [("prompt", "reasoning", "answer"), *(tuple(trace) for trace in traces(5))]
    for first in range(1, 8):
        for last in (*range(first, 9), None):
            found = rows_of(path, Columns((1, 2, 3)), header=False, first=first, last=last)
            assert found == everything[first - 1 : last]


def test_a_range_in_a_parquet_file_of_many_batches_is_the_slice(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    texts = [f"text {number}" for number in range(1, 5001)]
    pq.write_table(pa.table({"prompt": texts, "response": texts}), path, row_group_size=2100)
    for first, last in ((1, None), (1024, 1025), (1025, 2100), (2100, 2101), (2101, 4200), (4999, 9999)):
        assert rows_of(path, first=first, last=last) == [(text, text) for text in texts[first - 1 : last]]
