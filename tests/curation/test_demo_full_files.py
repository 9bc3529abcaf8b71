"""The demo sources at the upstream size: layouts, bytes, which sources are written, and what is left when it fails."""

import csv
import io
import json
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from curation.demo.formats import csv_blocks, json_line_blocks, json_object_blocks
from curation.demo.layouts import Fields
from curation.demo.scales import full_scale
from curation.demo.sources import write_demo_sources, write_scale
from curation.errors import DemoSourcesError
from tests.curation.full_demo import GLAIVE, SMALLER, TEXT_FILES, Written, digest, glaive_rows, write

Lot = list[Fields]
COT = "cot-collection/cot-collection.json"
FROZEN = {
    "raiden/raiden.csv": "46ea70ec894a0e259e0ec0a943988cc1ee43c7e5dcb4764b1fae8c224d6a9fa8",
    "openo1/openo1.jsonl": "317564585e1f492d74c277b1a737bc541164078fe052505db9401ca7da04dda3",
    COT: "dc3fb2117be36434c4f6192253b7bae4f75ee4f3e96a6a9362214b00916bfaf5",
}


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Written:
    return write(tmp_path_factory.mktemp("parent") / "full")


def run(directory: Path, progress: str, only: Sequence[str] = ()) -> "subprocess.CompletedProcess[str]":
    """Write in another process, which calls `progress` now and then."""
    script = f"""if True:
        import os, resource, signal, sys
        from pathlib import Path
        from curation.demo.scales import full_scale
        from curation.demo.sources import write_scale
        scale, only = full_scale(one_in=500), sys.argv[2:]
        write_scale(Path(sys.argv[1]), scale, seed=42, name="full", only=only, progress={progress})
        """
    command: list[str | Path] = [sys.executable, "-c", script, directory, *only]
    return subprocess.run(command, check=False, capture_output=True, text=True)


# --- Bytes and layouts ---


def test_the_files_lie_where_the_truth_says(written: Written) -> None:
    files = written.truth.files
    assert [file.path for file in files] == [*TEXT_FILES, *GLAIVE]
    assert all(digest(written.directory / file.path) == file.sha256 for file in files)
    assert all((written.directory / file.path).stat().st_size == file.size for file in files)
    assert (written.directory / "truth.json").read_text(encoding="ascii") == written.truth.as_json()


def test_the_text_files_of_seed_42_are_frozen(written: Written) -> None:
    assert {path: digest(written.directory / path) for path in TEXT_FILES} == FROZEN


def test_another_seed_tells_other_rows_with_the_same_counts(written: Written, tmp_path: Path) -> None:
    other = write_scale(tmp_path, SMALLER, seed=43, name="full")
    assert other.survivors == written.truth.survivors
    assert not {file.sha256 for file in other.files} & {file.sha256 for file in written.truth.files}


def test_every_source_has_its_upstream_layout(written: Written) -> None:
    directory, truth = written.directory, written.truth
    assert {source: len(told) for source, told in written.rows.items()} == truth.rows
    fields = {source: {tuple(row) for row in told} for source, told in written.rows.items()}
    assert fields == {
        "raiden": {("prompt", "response")},
        "openo1": {("instruction", "output")},
        "cot": {("source", "target", "rationale", "task", "type")},
        "glaive": {("prompt", "response")},
    }
    assert (directory / "raiden/raiden.csv").read_bytes().startswith(b"prompt,response\r\n")
    assert list(json.loads((directory / COT).read_bytes())) == [str(number) for number in range(3_675)]
    lines = (directory / "openo1/openo1.jsonl").read_bytes().removesuffix(b"\n").split(b"\n")
    assert {"openo1": sum(not line.strip() for line in lines)} == truth.blank_lines == {"openo1": 1}


@given(
    st.lists(st.text(alphabet='a,"\n\ud800', max_size=4), min_size=1, max_size=12),
    st.sets(st.integers(1, 11)),
    st.integers(0, 4),
)
def test_text_files_do_not_show_where_one_lot_ends(
    texts: list[str], cuts: set[int], blank_lines: int
) -> None:
    rows: Lot = [{"text": text, "number": str(number)} for number, text in enumerate(texts)]
    lots = cut(rows, cuts)
    lines = b"".join(json_line_blocks(lots, len(rows), blank_lines))
    assert lines == b"".join(json_line_blocks([rows], len(rows), blank_lines))
    assert [json.loads(line) for line in lines.split(b"\n") if line.strip()] == rows
    member = b"".join(json_object_blocks(lots))
    assert member == b"".join(json_object_blocks([rows]))
    assert json.loads(member) == {str(number): row for number, row in enumerate(rows)}


@given(
    st.lists(st.text(alphabet='a,"\r\né', max_size=4), min_size=1, max_size=12), st.sets(st.integers(1, 11))
)
def test_csv_is_read_back_as_it_was_wherever_one_lot_ends(texts: list[str], cuts: set[int]) -> None:
    rows: Lot = [{"text": text, "number": str(number)} for number, text in enumerate(texts)]
    table = b"".join(csv_blocks(cut(rows, cuts))).decode()
    found = csv.reader(io.StringIO(table, newline=""), strict=True)
    assert list(found) == [["text", "number"], *(list(row.values()) for row in rows)]


def cut(rows: Lot, cuts: set[int]) -> list[Lot]:
    bounds = pairwise([0, *sorted(place for place in cuts if place < len(rows)), len(rows)])
    return [rows[start:end] for start, end in bounds]


def test_glaive_comes_in_many_files_of_many_row_groups_of_equal_size(written: Written) -> None:
    files = [pq.ParquetFile(written.directory / path).metadata for path in GLAIVE]
    assert {(file.num_rows, file.num_row_groups, file.row_group(0).num_rows) for file in files} == {
        (50, 25, 2)
    }
    assert {file.row_group(0).column(1).compression for file in files} == {"SNAPPY"}
    assert (full_scale().glaive_files, full_scale(1_000_000).glaive_files) == (6, 40)


def test_the_same_seed_gives_the_same_files_in_another_process_and_progress_is_told(
    written: Written, tmp_path: Path
) -> None:
    done = run(tmp_path / "again", "print")
    assert done.stderr == ""
    assert done.stdout.split("\n") == ["raiden 125", "openo1 155", "cot 3675", "glaive 300", ""]
    for path in (*TEXT_FILES, *GLAIVE, "truth.json"):
        assert (tmp_path / "again" / path).read_bytes() == (written.directory / path).read_bytes()


# --- Which sources, how many rows ---


def test_more_rows_of_glaive_leave_the_sessions_as_they_are(written: Written, tmp_path: Path) -> None:
    scale = full_scale(260_000, one_in=500)
    truth = write_scale(tmp_path, scale, seed=42, name="full", only=["glaive", "raiden"])
    assert truth.rows == {"raiden": 125, "glaive": 520}
    assert truth.glaive_halves == {"first": (1, 60), "second": (61, 260), "rest": (261, 520)}
    assert len(list(tmp_path.glob("glaive/*"))) == 11
    assert glaive_rows(tmp_path)[:260] == written.rows["glaive"][:260]
    assert digest(tmp_path / "raiden/raiden.csv") == digest(written.directory / "raiden/raiden.csv")


def test_only_the_sources_asked_for_are_written_and_only_what_repeats_others_changes(
    written: Written, tmp_path: Path
) -> None:
    truth = write_scale(tmp_path, SMALLER, seed=42, name="full", only=["glaive"])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["glaive", "truth.json"]
    assert truth.rows == {"glaive": 300}
    assert (truth.across, truth.blank_lines) == ((), {})
    across = {one.row for one in written.truth.across if one.source == "glaive"}
    pairs = zip(glaive_rows(tmp_path), written.rows["glaive"], strict=True)
    assert {number for number, (alone, together) in enumerate(pairs, 1) if alone != together} == across
    assert truth.survivors["glaive"] == written.truth.survivors["glaive"] + sum(row <= 60 for row in across)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"scale": "full", "only": ["x"]}, "'x' is unknown; choose from raiden, openo1, cot, glaive$"),
        ({"scale": "full", "glaive_rows": 129_999}, "129,999 rows of glaive are too few; .* take 130,000$"),
        ({"scale": "full", "glaive_rows": 0}, "0 rows of glaive are too few"),
        ({"glaive_rows": 200_000}, "scale 'small' has all its sources and rows"),
        ({"only": ["cot"]}, "choose some of them with scale 'full'$"),
    ],
)
def test_what_cannot_be_asked_for_is_refused(
    tmp_path: Path, options: Mapping[str, object], message: str
) -> None:
    with pytest.raises(DemoSourcesError, match=message):
        write_demo_sources(tmp_path / "full", **options)  # type: ignore[arg-type]
    assert list(tmp_path.iterdir()) == []


# --- When it fails ---


def test_a_killed_run_leaves_a_hidden_folder_that_the_next_one_ignores(
    written: Written, tmp_path: Path
) -> None:
    die = "lambda source, _: source == 'glaive' and os.kill(os.getpid(), signal.SIGKILL)"
    assert run(tmp_path / "full", die).returncode == -signal.SIGKILL
    [left] = tmp_path.iterdir()
    assert left.name.startswith(".full.")
    assert left.name.endswith(".partial")
    write_scale(tmp_path / "full", SMALLER, seed=42, name="full", only=["cot"])
    assert digest(tmp_path / "full" / COT) == digest(written.directory / COT)


@pytest.mark.parametrize("source", ["raiden", "glaive"])
def test_a_disk_that_is_full_is_one_line_and_leaves_nothing(tmp_path: Path, source: str) -> None:
    limit = "lambda *_: resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))"
    done = run(tmp_path / "full", limit, [source])
    last = done.stderr.strip().split("\n")[-1]
    assert "DemoSourcesError: demo sources: can't write" in last
    assert last.endswith("/full: File too large; make room or name another")
    assert list(tmp_path.iterdir()) == []
