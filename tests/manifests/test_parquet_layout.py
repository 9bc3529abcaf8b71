"""The layout of a parquet file, read by ourselves: what pyarrow says of honest files; hostile ones are refused."""

import os
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from manifests.errors import VerificationError
from manifests.reading.parquet_layout import LARGEST_FOOTER, read_layout
from manifests.tables import BLOCK_ROWS

TABLE = pa.table(
    {
        "text": [f"text {number % 7}" * 20 for number in range(5_000)],
        "number": pa.array(range(5_000), pa.uint64()),
        "key": pa.array([bytes([number % 256]) * 16 for number in range(5_000)], pa.binary(16)),
    }
)
WAYS: dict[str, dict[str, object]] = {
    "plain": {"use_dictionary": False},
    "by dictionary": {},
    "zstd with checksums": {"compression": "zstd", "write_page_checksum": True},
    "many row groups": {"row_group_size": 700},
    "small pages": {"data_page_size": 512, "use_dictionary": False},
    "the second kind of pages": {"data_page_version": "2.0"},
    "an index of pages": {"write_page_index": True},
    "other encodings": {"use_dictionary": False, "column_encoding": {"number": "DELTA_BINARY_PACKED"}},
    "bloom filters": {},
}


def layout_of(path: Path) -> list[tuple[int, list[tuple[int, bool]]]]:
    return [
        (group.rows, [(column.decompressed, column.by_dictionary) for column in group.columns])
        for group in read_layout(path, path.stat().st_size)
    ]


@pytest.mark.parametrize("way", WAYS)
def test_rows_and_dictionaries_are_those_that_pyarrow_tells(way: str, tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    pq.write_table(TABLE, path, **WAYS[way])
    metadata = pq.read_metadata(path)
    for number, (rows, columns) in enumerate(layout_of(path)):
        group = metadata.row_group(number)
        assert rows == group.num_rows
        for place, (decompressed, by_dictionary) in enumerate(columns):
            column = group.column(place)
            assert by_dictionary == any("DICTIONARY" in name for name in column.encodings)
            # The footer counts the pages' headers as well.
            assert decompressed <= column.total_uncompressed_size <= decompressed + 200 * (rows + 2)
    assert len(layout_of(path)) == metadata.num_row_groups


def test_a_table_without_rows_has_pages_without_bytes(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    pq.write_table(TABLE.slice(0, 0), path)
    assert sum(rows for rows, _ in layout_of(path)) == 0


@settings(max_examples=300)
@given(st.data())
def test_damage_is_refused_or_changes_a_number_and_never_ends_otherwise(data: st.DataObject) -> None:
    sink = pa.BufferOutputStream()
    pq.write_table(TABLE.slice(0, 50), sink, row_group_size=20)
    damaged = bytearray(sink.getvalue().to_pybytes())
    for _ in range(data.draw(st.integers(1, 3))):
        damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    damaged = damaged[: data.draw(st.integers(len(damaged) // 2, len(damaged)))]
    path = Path(os.environ.get("TMPDIR", "/tmp"), f"layout-{os.getpid()}.parquet")  # noqa: S108 - one file, rewritten
    path.write_bytes(damaged)
    try:
        layout_of(path)
    except VerificationError as error:
        assert "\n" not in str(error)  # noqa: PT017 - damage that hits a text changes nothing here
    finally:
        path.unlink()


_MILLION = 1_000_000
# A million columns whose names have one letter.
_FOOTER = b"\x29\xfc\xc0\x84\x3d" + b"\x48\x01c\x00" * _MILLION + b"\x00"
_MANY_COLUMNS = b"PAR1" + _FOOTER + len(_FOOTER).to_bytes(4, "little") + b"PAR1"


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "its last bytes are not PAR1"),
        (b"PAR1", "its last bytes are not PAR1"),
        (b"PAR1" + (100).to_bytes(4, "little") + b"PAR1", "a footer of 100 bytes in a file of 12"),
        (b"PAR1" + bytes(9) + (9).to_bytes(4, "little") + b"PAR1", "a list of the footer is missing"),
        (b"PAR1\x49" + (1).to_bytes(4, "little") + b"PAR1", "it ends too early"),
        (b"PAR1\x1b\x00\x02\x00\x00\x00PAR1", "a value of kind 11"),
        (b"PAR1\x19\xf0\xff\xff\xff\x0f" + (6).to_bytes(4, "little") + b"PAR1", "a list of"),
        (b"PAR1" + b"\x1c" * 40 + (40).to_bytes(4, "little") + b"PAR1", "nested too deep"),
        (b"PAR1" + b"\x19" * 40 + (40).to_bytes(4, "little") + b"PAR1", "nested too deep"),
        (b"PAR1" + b"\x15\x02\x05\x02\x02\x00" + (6).to_bytes(4, "little") + b"PAR1", "stands twice"),
        (b"PAR1" + b"\x05\x84\x80\x10\x02\x00" + (6).to_bytes(4, "little") + b"PAR1", "can't be"),
        (
            b"PAR1" + b"\x49\x15\x02\x00" + (4).to_bytes(4, "little") + b"PAR1",
            "a list of the footer is missing",
        ),
        (_MANY_COLUMNS, "more than 262,144 values"),
        (b"PAR1\x16" + b"\xff" * 12 + (13).to_bytes(4, "little") + b"PAR1", "an endless number"),
    ],
)
def test_what_is_no_parquet_file_is_refused(content: bytes, words: str, tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    path.write_bytes(content)
    with pytest.raises(VerificationError, match=words):
        layout_of(path)


def test_an_endless_footer_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    with path.open("wb") as file:
        file.truncate(LARGEST_FOOTER * 2)
        file.seek(0, os.SEEK_END)
        file.write((LARGEST_FOOTER + 1).to_bytes(4, "little") + b"PAR1")
    with pytest.raises(VerificationError, match=f"at most {LARGEST_FOOTER:,} are read"):
        layout_of(path)


# The footer of this file announces encodings that are none. Asked for the column, pyarrow ends the process.
ABORT = """
import sys, pyarrow.parquet as pq
try:
    metadata = pq.ParquetFile(sys.argv[1]).metadata
    for place in range(3):
        metadata.row_group(0).column(place)
except Exception:
    pass
"""


@pytest.mark.slow
def test_this_reader_is_needed_because_pyarrow_ends_the_process_on_some_footers(tmp_path: Path) -> None:
    """When this fails pyarrow has mended it, and the layout may be read with pyarrow again."""
    path = tmp_path / "a.parquet"
    pq.write_table(TABLE.slice(0, BLOCK_ROWS), path)
    data = bytearray(path.read_bytes())
    length = int.from_bytes(data[-8:-4], "little")
    for place in range(len(data) - 8 - length, len(data) - 8, 5):
        data[place] ^= 1 << place % 8
        path.write_bytes(data)
        done = subprocess.run([sys.executable, "-c", ABORT, str(path)], capture_output=True, check=False)
        data[place] ^= 1 << place % 8
        if done.returncode < 0:
            return
    pytest.fail("pyarrow survived every footer tried")
