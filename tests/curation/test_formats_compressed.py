"""Compressed JSONL gives the rows of the plain file, or says what is wrong with it."""

import gzip
import random
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pyarrow as pa
import pytest

from curation.errors import SourceError
from curation.formats import jsonl
from curation.formats.base import Layout
from curation.recipe import Columns
from curation.traces import Fault
from tests.curation.helpers import message_of
from tests.curation.reading import read_at, read_checked, read_cut, read_whole, rows_of

A = Columns(("a",))
LAYOUT = Layout(A)


def zstd(data: bytes) -> bytes:
    return bytes(pa.Codec("zstd").compress(data, asbytes=True))


Compress = Callable[[bytes], bytes]
KINDS = pytest.mark.parametrize(("suffix", "compress"), [(".gz", gzip.compress), (".zst", zstd)])


def lines(count: int) -> bytes:
    draw = random.Random(1)
    return b"".join(b'{"a": "%d %d"}\n' % (number, draw.getrandbits(200)) for number in range(count))


def message(path: Path, layout: Layout = LAYOUT) -> str:
    """What a file is refused with, after its path; with the default limits the same by `read_rows`."""
    with pytest.raises(SourceError) as raised:
        read_checked(path, layout, 1)
    text = message_of(raised)
    if layout is LAYOUT:
        with pytest.raises(SourceError) as again:
            rows_of(path, A)
        assert message_of(again) == text
    return text.removeprefix(str(path))


@KINDS
def test_it_gives_the_rows_of_the_plain_file_in_however_many_pieces_it_was_compressed(
    tmp_path: Path, suffix: str, compress: Compress
) -> None:
    data = b"\xef\xbb\xbf" + b'{"a": "\xff"}\n\n' + lines(5000) + b'{"a": "' + b"x" * 900 + b'"}\n{"a": null}'
    plain = tmp_path / "a.jsonl"
    plain.write_bytes(data)
    for layout in (LAYOUT, Layout(A, max_row_bytes=500)):
        expected = read_whole(plain, layout)
        for cuts in ([], [1], [100, 100, 70_000], [len(data) - 1]):
            edges = [0, *cuts, len(data)]
            path = tmp_path / f"a.jsonl{suffix}"
            path.write_bytes(b"".join(compress(data[a:b]) for a, b in pairwise(edges)))
            assert read_whole(path, layout).outcome == expected.outcome
            assert read_cut(path, layout, 100).outcome == expected.outcome
            some = expected.placed[::7] + expected.placed[-2:]
            assert read_at(path, layout, [place for place, _ in some]) == [raw for _, raw in some]
    assert Fault.TOO_LARGE in expected.raw


@KINDS
def test_cut_short_anywhere_it_is_refused(tmp_path: Path, suffix: str, compress: Compress) -> None:
    path, whole = tmp_path / f"a.jsonl{suffix}", compress(lines(3)) + compress(lines(4))
    first = len(compress(lines(3)))
    for length in range(len(whole)):
        if length != first:  # there it is a whole file
            path.write_bytes(whole[:length])
            found = message(path)
            assert found.endswith("; fetch the file again")
            assert ("no " if length == 0 else "not whole ") in found


@KINDS
def test_it_is_refused_with_the_row_at_which_it_ends(tmp_path: Path, suffix: str, compress: Compress) -> None:
    path, whole = tmp_path / f"a.jsonl{suffix}", compress(lines(15_000))
    for broken in (whole[: len(whole) // 2], whole + b"something else", whole + b"\0" * 100):
        path.write_bytes(broken)
        found = message(path)
        assert found.startswith(", row ")
        row = int(found.removeprefix(", row ").split(":")[0])
        assert row > 3_000
        assert f": not whole {'gzip' if suffix == '.gz' else 'zstd'} data (" in found
        assert found.endswith("); fetch the file again")


@KINDS
def test_what_is_not_compressed_at_all_is_refused(tmp_path: Path, suffix: str, compress: Compress) -> None:
    del compress
    path = tmp_path / f"a.jsonl{suffix}"
    path.write_bytes(lines(3))
    assert message(path).startswith(": not whole ")


def test_damage_that_gzip_notices_is_refused(tmp_path: Path) -> None:
    path, whole = tmp_path / "a.jsonl.gz", bytearray(gzip.compress(lines(1000)))
    whole[-6] ^= 4
    path.write_bytes(whole)
    assert ": not whole gzip data (" in message(path)


@KINDS
def test_what_expands_beyond_its_bound_is_refused_early(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, suffix: str, compress: Compress
) -> None:
    path, line = tmp_path / f"a.jsonl{suffix}", b'{"a": "' + b"b" * 990 + b'"}\n'
    path.write_bytes(compress(line * 3000))
    assert read_whole(path, LAYOUT).rows == 3000
    monkeypatch.setattr(jsonl, "LEAST_EXPANSION", 1 << 20)
    found = message(path, Layout(A, max_expansion=2))
    assert found.startswith(", row ")
    assert int(found.removeprefix(", row ").split(":")[0]) <= (1 << 20) // len(line) + 1
    assert found.endswith(
        "the file expands to more than 1,048,576 bytes; set max_expansion (times its size) if that is meant"
    )
    enough = 3000 * len(line) // path.stat().st_size + 1
    assert read_whole(path, Layout(A, max_expansion=enough)).rows == 3000
    assert "expands to more than" in message(path, Layout(A, max_expansion=enough - 2))
