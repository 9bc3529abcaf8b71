"""Parquet files of the Hub that are counted and not fetched: the footer alone, and nothing that is none."""

from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from curation.errors import SourceError
from curation.hub.repository import HubRepository
from curation.hub.transport import HubHttp
from tests.curation.hub_server import QUICK, REPOSITORY, HubServer, one_line

GUESS = 64 << 10


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[HubServer]:
    monkeypatch.setenv("NO_PROXY", "*")
    with HubServer() as server:
        yield server


def parquet(path: Path, rows: int) -> bytes:
    table = pa.table({"prompt": [f"question {row}" * 5 for row in range(rows)]})
    pq.write_table(table, path, compression="none", use_dictionary=False, row_group_size=1_000)
    return path.read_bytes()


def test_rows_are_counted_from_the_footer_alone_and_once(hub: HubServer, tmp_path: Path) -> None:
    data = parquet(tmp_path / "t.parquet", 60_000)
    commit = hub.commit({"train.parquet": data})
    with HubHttp(hub.settings(tmp_path), patience=QUICK) as http:
        repository = HubRepository(http, "one", REPOSITORY, commit)
        (file,) = repository.files(None)
        listed = http.received
        assert repository.count_parquet_rows(file) == 60_000
        assert http.received - listed <= 64 << 10 < len(data) // 20
        assert {entry.headers["range"] for entry in hub.asked("cdn")} == {
            f"bytes={len(data) - (64 << 10)}-{len(data) - 1}"
        }
        asked = len(hub.requests)
        assert repository.count_parquet_rows(file) == 60_000
        assert len(hub.requests) == asked


def test_a_footer_larger_than_the_guess_is_fetched_exactly(hub: HubServer, tmp_path: Path) -> None:
    table = pa.table({f"column {number}": [number] * 100 for number in range(200)})
    pq.write_table(table, tmp_path / "t.parquet", row_group_size=10)
    data = (tmp_path / "t.parquet").read_bytes()
    commit = hub.commit({"train.parquet": data})
    with hub.repository(tmp_path, commit) as repository:
        assert repository.count_parquet_rows(*repository.files(None)) == 100
    first, second = (entry.headers["range"] for entry in hub.asked("cdn"))
    footer = int.from_bytes(data[-8:-4], "little") + 8
    assert footer > 64 << 10
    assert (first, second) == tuple(f"bytes={len(data) - n}-{len(data) - 1}" for n in (64 << 10, footer))


def test_a_footer_that_breaks_off_is_asked_for_again(hub: HubServer, tmp_path: Path) -> None:
    commit = hub.commit({"train.parquet": parquet(tmp_path / "t.parquet", 2_500)})
    hub.fail("cdn:", cut_after=1_000)
    hub.fail("cdn:", cut_after=1_000, no_length=True)
    with hub.repository(tmp_path, commit) as repository:
        assert repository.count_parquet_rows(*repository.files(None)) == 2_500
    assert len(hub.asked("cdn")) == 3


def test_more_than_a_footer_is_not_read(hub: HubServer, tmp_path: Path) -> None:
    data = parquet(tmp_path / "t.parquet", 2_500)
    commit = hub.commit({"train.parquet": data})
    span = f"bytes {len(data) - GUESS}-{len(data) - 1}/{len(data)}"
    endless = {"body": bytes(16 << 20), "no_length": True, "whole": True, "times": QUICK.tries}
    hub.fail("cdn:", headers={"Content-Range": span}, **endless)
    with HubHttp(hub.settings(tmp_path), patience=QUICK) as http:
        repository = HubRepository(http, "one", REPOSITORY, commit)
        with pytest.raises(SourceError, match="gave up"):
            repository.count_parquet_rows(*repository.files(None))
        assert http.received < QUICK.tries * (1 << 20)
    hub.fail("cdn:", whole=True)  # the whole file in answer to a range
    with (
        hub.repository(tmp_path, commit) as repository,
        pytest.raises(SourceError, match="got the whole"),
    ):
        repository.count_parquet_rows(*repository.files(None))


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (b"", "no parquet file"),
        (b"PAR1", "no parquet file"),
        (b"\xff" * 99 + b"PAR1", "no parquet file"),
        (b"PAR1" + b"x" * 99 + b"\x40\0\0\0PARX", "no parquet file"),
        (b"PAR1" + b"x" * 99 + b"\x40\0\0\0PAR1", "its footer can't be read"),
    ],
)
def test_a_footer_that_is_none_is_refused(hub: HubServer, tmp_path: Path, data: bytes, told: str) -> None:
    commit = hub.commit({"a.parquet": data})
    with hub.repository(tmp_path, commit) as repository, pytest.raises(SourceError) as raised:
        repository.count_parquet_rows(*repository.files(None))
    assert f"a.parquet: {told}" in one_line(raised)
