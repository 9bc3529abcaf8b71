"""What is bounded: the bytes of a row, what a range reads, and the memory of the process that builds."""

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from curation.errors import SourceError
from manifests.cli import main as manifests_main
from manifests.keys import Trace
from tests.curation.helpers import (
    COLUMNS,
    build_mix,
    files_below,
    ledger_of,
    message_of,
    numbers_of,
    rejects_of,
    run_command,
    run_python,
    source,
    traces,
    write_recipe,
    write_traces,
)

FORMATS = [".parquet", ".jsonl", ".json", ".csv", ".tsv"]


@pytest.mark.parametrize("draw", ["filtered", "raw"])
@pytest.mark.parametrize("suffix", FORMATS)
def test_a_row_of_more_bytes_than_the_recipe_allows_is_rejected_and_the_others_are_found_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], suffix: str, draw: str
) -> None:
    written = traces(9)
    written[3] = Trace("why", "because " * 5_000, "yes")
    written[8] = Trace("why", "yes", "because " * 5_000)
    write_traces(tmp_path / f"a{suffix}", written)
    entry = source("one", f"a{suffix}", max_row_bytes=10_000, draw=draw)
    built = build_mix(tmp_path, entry)
    manifest, store = built.manifest, tmp_path / "store"
    assert rejects_of(manifest) == [("one", row, "parse", "too-large", "", "", "", 0) for row in (4, 9)]
    assert numbers_of(manifest) == [1, 2, 3, 5, 6, 7, 8]
    assert json.loads(manifest.identity.data)["recipe"]["source"][0]["max_row_bytes"] == 10_000
    assert manifests_main(["verify", manifest.id, "--dataset", "--store", str(store)]) == 0

    again = run_command(capsys, "regenerate", manifest.id, "--store", store, "--out", tmp_path / "again")
    assert (again.status, again.err) == (0, "")
    assert files_below(tmp_path / "again") == files_below(store / "datasets" / manifest.id)

    everything = build_mix(tmp_path, source("one", f"a{suffix}")).manifest
    assert numbers_of(everything) == list(range(1, 10))
    assert everything.id != manifest.id


def test_a_row_that_only_the_recipes_limit_allows_is_found_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_traces(tmp_path / "one.jsonl", [*traces(1), Trace("why", "because " * 2_200_000, "yes")])
    assert ledger_of(build_mix(tmp_path, source("one")).manifest)["one"][1][3] == {"too-large": 1}
    manifest = build_mix(tmp_path, source("one", max_row_bytes=20_000_000)).manifest
    assert numbers_of(manifest) == [1, 2]
    store, out = tmp_path / "store", tmp_path / "again"
    assert run_command(capsys, "regenerate", manifest.id, "--store", store, "--out", out).status == 0
    assert files_below(out) == files_below(store / "datasets" / manifest.id)


def test_a_limit_that_nothing_reaches_is_another_id_and_the_same_rows(tmp_path: Path) -> None:
    write_traces(tmp_path / "one.jsonl", traces(5))
    without = build_mix(tmp_path, source("one")).manifest
    limited = build_mix(tmp_path, source("one", max_row_bytes=10_000)).manifest
    assert limited.content_digest == without.content_digest
    assert limited.id != without.id


def test_too_large_rows_are_guarded(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_traces(tmp_path / "one.jsonl", traces(5))
    recipe = write_recipe(tmp_path / "recipe.toml", source("one", max_row_bytes=10))
    outcome = run_command(capsys, "build", recipe, "--store", tmp_path / "store")
    assert outcome.status == 1
    assert "stage parse would drop 5 of 5 rows" in outcome.error
    assert "5 of them too-large" in outcome.error


def write_groups(path: Path, first: int, rows: int, group: int) -> None:
    """A parquet file with a column that nobody asks for."""
    path.parent.mkdir(parents=True, exist_ok=True)
    columns = [pa.array(column) for column in zip(*traces(rows, first=first), strict=True)]
    held = pa.table([*columns, pa.array(["unasked"] * rows)], names=[*COLUMNS, "other"])
    pq.write_table(held, path, row_group_size=group, compression="none", use_dictionary=False)


def spoil(path: Path, first_row: int, last_row: int) -> int:
    """Put garbage into all column chunks of row groups without rows of the range (from 0), and into `other`."""
    data, spoilt, row = bytearray(path.read_bytes()), 0, 0
    metadata = pq.read_metadata(path)
    for number in range(metadata.num_row_groups):
        group = metadata.row_group(number)
        needed = row + group.num_rows > first_row and row <= last_row
        for place in range(group.num_columns):
            chunk = group.column(place)
            if not needed or chunk.path_in_schema == "other":
                begin, size = chunk.data_page_offset, chunk.total_compressed_size
                data[begin : begin + size] = b"\xff" * size
                spoilt += size
        row += group.num_rows
    path.write_bytes(data)
    return spoilt


@pytest.mark.parametrize("workers", ["1", "2"])
@pytest.mark.parametrize("draw", ["filtered", "raw"])
def test_a_range_over_many_parquet_files_reads_only_the_files_and_row_groups_that_hold_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], draw: str, workers: str
) -> None:
    """What must not be read is garbage; files in front of the range are only asked for the number of their rows."""
    for number in range(10):
        write_groups(tmp_path / "data" / f"{number}.parquet", 1 + 100 * number, 100, 10)
    first, last = 255, 437
    for number in range(10):
        path = tmp_path / "data" / f"{number}.parquet"
        spoilt = spoil(path, first - 1 - 100 * number, last - 1 - 100 * number)
        assert spoilt > (0 if 2 <= number <= 4 else path.stat().st_size / 2)
    for number in range(5, 10):
        (tmp_path / "data" / f"{number}.parquet").write_bytes(b"garbage")
        (tmp_path / "data" / f"{number}.parquet").chmod(0)

    entry = source("one", "data/*", rows=[first, last], draw=draw, expect={"rows": last - first + 1})
    recipe, store = write_recipe(tmp_path / "recipe.toml", entry, order="sequential"), tmp_path / "store"
    outcome = run_command(capsys, "build", recipe, "--store", store, "--workers", workers, "--json")
    assert (outcome.status, outcome.err) == (0, "")
    identity = json.loads((store / "manifests" / str(outcome.result["id"]) / "manifest.json").read_bytes())
    assert [
        (file["path"], file["first_row"], file["last_row"]) for file in identity["sources"][0]["files"]
    ] == [
        ("2.parquet", 201, 300),
        ("3.parquet", 301, 400),
        ("4.parquet", 401, last),
    ]
    assert identity["sources"][0]["before"] == [{"path": f"{n}.parquet", "rows": 100} for n in (0, 1)]
    again = run_command(
        capsys, "regenerate", outcome.result["id"], "--store", store, "--out", tmp_path / "again"
    )
    assert again.status == 0
    # That what is read is not to be garbage shows that the garbage above was not read.
    spoil(tmp_path / "data" / "3.parquet", 50, 59)
    assert run_command(capsys, "build", recipe, "--store", tmp_path / "other").status == 2


def test_a_compressed_file_that_expands_beyond_what_the_recipe_allows_is_refused(tmp_path: Path) -> None:
    line = json.dumps(Trace("a", "b" * 1_000_000, "c")._asdict()) + "\n"
    with pa.CompressedOutputStream(str(tmp_path / "a.jsonl.zst"), "zstd") as stream:
        for _ in range(80):
            stream.write(line.encode())
    with pytest.raises(SourceError) as raised:
        build_mix(tmp_path, source("one", "a.jsonl.zst", max_expansion=10))
    assert "max_expansion" in message_of(raised)
    limited = build_mix(tmp_path, source("one", "a.jsonl.zst", max_expansion=1_000_000, max_drop=1)).manifest
    assert ledger_of(limited)["one"][0] == ("rows", 80, 80, {})
    # It only stops a build: it is no part of what the manifest is.
    assert "max_expansion" not in json.loads(limited.identity.data)["recipe"]["source"][0]


PEAK = """
import resource, sys
from curation.cli import main
status = main(["build", sys.argv[1], "--store", sys.argv[2], "--workers", "2"])
print("peak", resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
sys.exit(status)
"""


def peak_of(folder: Path, rows: int, **keys: object) -> int:
    """Kilobytes that the process of a build takes at most, for so many rows of a kilobyte."""
    folder.mkdir()
    with (folder / "one.jsonl").open("w", encoding="utf-8") as file:
        for number in range(rows):
            text = f"{number} Es war einmal, und dann kam noch etwas. " * 23
            file.write(
                json.dumps({"prompt": f"Frage {number}?", "reasoning": text, "answer": str(number)}) + "\n"
            )
    recipe = write_recipe(folder / "recipe.toml", source("one", **keys))
    return int(run_python("-c", PEAK, recipe, folder / "store").split()[-1])


@pytest.mark.slow
@pytest.mark.parametrize("keys", [{}, {"draw": "raw", "take": {"shuffle": 2_000}}], ids=["all", "raw"])
def test_a_source_four_times_as_large_takes_hardly_more_memory(
    tmp_path: Path, keys: dict[str, object]
) -> None:
    small = peak_of(tmp_path / "small", 30_000, **keys)  # several blocks, so that all buffers are in use
    large = peak_of(tmp_path / "large", 120_000, **keys)
    assert large - small < 40_000  # 90,000 rows more: their keys are some 10 MB, their text 90
