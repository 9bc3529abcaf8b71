"""The demo sources: the same bytes for a seed, the upstream layouts, and where they are written."""

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest

import curation
from curation.demo.sources import Truth, write_demo_sources
from curation.errors import DemoSourcesError
from tests.curation.demo_reader import PARQUET_FILES, Fields, read_all, read_traces

SHIPPED = Path(curation.__file__).parent / "demo" / "files"
TEXT_FILES = {
    "raiden/raiden.csv": "4637ca4e9cc7e6da9599d27e4d5ffe8b418c2d3367bda0e6328caa6ddc182af5",
    "openo1/openo1.jsonl": "b91ccc75c589732eb050b9b0136ec0299dd8a71e217fceb1d5e2995fe7ffa913",
    "cot-collection/cot-collection.json": "775164090ea401a14d09f3c0e29a541add5e3516c68e7e277e47e486d8116f6f",
}


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Truth]:
    directory = tmp_path_factory.mktemp("parent") / "demo"
    return directory, write_demo_sources(directory)


@pytest.fixture(scope="module")
def directory(written: tuple[Path, Truth]) -> Path:
    return written[0]


@pytest.fixture(scope="module")
def truth(written: tuple[Path, Truth]) -> Truth:
    return written[1]


@pytest.fixture(scope="module")
def rows(directory: Path) -> dict[str, list[Fields]]:
    return read_all(directory)


def digests(directory: Path) -> dict[str, str]:
    paths = sorted(path for path in directory.rglob("*") if path.is_file())
    return {
        path.relative_to(directory).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in paths
    }


# --- The same seed, the same bytes ---


@pytest.mark.parametrize(
    "environment",
    [
        {"PYTHONHASHSEED": "1", "TZ": "Asia/Kathmandu"},
        {"PYTHONHASHSEED": "2", "LC_ALL": "C", "PYTHONUTF8": "0"},
    ],
)
def test_the_same_seed_gives_the_same_bytes_in_any_environment(
    directory: Path, tmp_path: Path, environment: dict[str, str]
) -> None:
    call = "import sys, pathlib; from curation.demo.sources import *; write_demo_sources(pathlib.Path(sys.argv[1]))"
    subprocess.run(
        [sys.executable, "-c", call, tmp_path / "again"],
        check=True,
        cwd=Path(curation.__file__).parent.parent,
        env={**os.environ, **environment},
    )
    assert digests(tmp_path / "again") == digests(directory)


def test_the_text_files_of_seed_42_are_frozen(directory: Path) -> None:
    assert {path: digests(directory)[path] for path in TEXT_FILES} == TEXT_FILES


def test_another_seed_tells_other_traces_with_the_same_counts(truth: Truth, tmp_path: Path) -> None:
    other = write_demo_sources(tmp_path / "other", seed=43)
    assert other.survivors == truth.survivors
    assert not {file.sha256 for file in other.files} & {file.sha256 for file in truth.files}


def test_the_shipped_files_are_what_is_written(directory: Path) -> None:
    assert sorted(digests(SHIPPED)) == sorted(digests(directory))
    for path in TEXT_FILES:
        assert (SHIPPED / path).read_bytes() == (directory / path).read_bytes(), path
    for path in PARQUET_FILES:
        assert pq.read_table(SHIPPED / path) == pq.read_table(directory / path), path


def test_the_shipped_truth_is_that_of_the_shipped_files(directory: Path) -> None:
    shipped, fresh = (json.loads((folder / "truth.json").read_text()) for folder in (SHIPPED, directory))
    for file in shipped.pop("files"):
        assert (SHIPPED / file["path"]).stat().st_size == file["size"]
        assert digests(SHIPPED)[file["path"]] == file["sha256"]
    fresh.pop("files")
    assert shipped == fresh


def test_the_shipped_set_is_small() -> None:
    assert sum(path.stat().st_size for path in SHIPPED.rglob("*") if path.is_file()) < 1_200_000


# --- The layouts ---


def test_the_files_lie_where_the_truth_says(directory: Path, truth: Truth) -> None:
    assert [file.path for file in truth.files] == [*TEXT_FILES, *PARQUET_FILES]
    assert {file.path: file.sha256 for file in truth.files} == {
        path: digest for path, digest in digests(directory).items() if path != "truth.json"
    }
    assert all((directory / file.path).stat().st_size == file.size for file in truth.files)


def test_every_source_has_its_upstream_fields(rows: dict[str, list[Fields]], truth: Truth) -> None:
    fields = {
        "raiden": ["prompt", "response"],
        "openo1": ["instruction", "output"],
        "cot": ["source", "target", "rationale", "task", "type"],
        "glaive": ["prompt", "response"],
    }
    assert {source: len(told) for source, told in rows.items()} == truth.rows
    assert all(list(row) == fields[source] for source, told in rows.items() for row in told)
    assert {row["type"] for row in rows["cot"]} == {"CoT"}


def test_csv_has_fields_of_many_lines_with_commas_and_quotes(
    directory: Path, rows: dict[str, list[Fields]]
) -> None:
    content = (directory / "raiden/raiden.csv").read_bytes()
    assert content.startswith(b"prompt,response\r\n")
    assert content.endswith(b"\r\n")
    assert content.count(b"\n") > 4 * len(rows["raiden"])
    assert sum('"' in str(row["prompt"]) and "," in str(row["prompt"]) for row in rows["raiden"]) >= 5


def test_blank_lines_are_counted_and_lie_between_rows(directory: Path, truth: Truth) -> None:
    lines = (directory / "openo1/openo1.jsonl").read_bytes().removesuffix(b"\n").split(b"\n")
    blank = [number for number, line in enumerate(lines) if not line.strip()]
    assert {"openo1": len(blank)} == truth.blank_lines
    assert len(lines) - len(blank) == truth.rows["openo1"]
    assert {lines[number] for number in blank} == {b"", b"  "}
    assert 0 < blank[0] < blank[-1] < len(lines) - 1


def test_the_json_object_is_keyed_by_consecutive_ids(directory: Path) -> None:
    content = (directory / "cot-collection/cot-collection.json").read_bytes()
    pairs = json.loads(content, object_pairs_hook=list)
    assert [key for key, _ in pairs] == [str(number) for number in range(300)]


def test_parquet_files_share_the_rows_and_both_halves_begin_with_a_file(
    directory: Path, truth: Truth
) -> None:
    files = [pq.ParquetFile(directory / path) for path in PARQUET_FILES]
    assert [file.metadata.num_rows for file in files] == [100] * 4
    assert all(file.metadata.num_row_groups == 2 for file in files)
    assert truth.glaive_halves == {"first": (1, 200), "second": (201, 400)}


def test_the_truth_file_says_what_was_returned(directory: Path, truth: Truth) -> None:
    content = (directory / "truth.json").read_text(encoding="ascii")
    assert content == truth.as_json()
    found = json.loads(content)
    assert content == json.dumps(found, sort_keys=True, indent=1) + "\n"
    assert found["malformed"][0].keys() == {"source", "row", "reason"}
    assert found["near_duplicates"][0].keys() == {"source", "row", "near_of_row"}


def test_reasoning_is_as_long_as_its_source_promises(directory: Path) -> None:
    lengths = {"raiden": (400, 1800), "openo1": (100, 1500), "cot": (80, 300), "glaive": (400, 1800)}
    for (source, row), (_, reasoning, _) in read_traces(directory).items():
        shortest, longest = lengths[source]
        assert shortest <= len(reasoning) <= longest + 20, (source, row)


# --- Where it is written ---


def test_a_folder_that_is_empty_is_used(tmp_path: Path, truth: Truth) -> None:
    assert write_demo_sources(tmp_path) == truth
    assert [path.name for path in tmp_path.parent.iterdir() if path.name.endswith(".partial")] == []


def test_a_folder_that_is_not_empty_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(DemoSourcesError, match=r"is not empty; name a folder that is absent or empty$"):
        write_demo_sources(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_a_file_in_the_place_of_the_folder_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "demo").write_text("mine")
    with pytest.raises(DemoSourcesError, match="is a file"):
        write_demo_sources(tmp_path / "demo")
    assert (tmp_path / "demo").read_text() == "mine"


@pytest.mark.parametrize("path", ["file/demo", "n" * 300])
def test_a_place_that_cannot_be_written_is_one_line_and_leaves_nothing(tmp_path: Path, path: str) -> None:
    (tmp_path / "file").write_text("mine")
    with pytest.raises(DemoSourcesError, match="can't write") as error:
        write_demo_sources(tmp_path / path)
    assert "\n" not in str(error.value)
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_an_unknown_scale_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    with pytest.raises(DemoSourcesError, match="scale 'huge' is unknown; choose one of small"):
        write_demo_sources(tmp_path / "demo", scale="huge")
    assert not (tmp_path / "demo").exists()
