"""The table at the end of a build, and what a dry run says."""

import re
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from curation.summary import summary_lines
from manifests.keys import Trace
from manifests.manifest import Manifest
from tests.curation.helpers import (
    COLUMNS,
    build_mix,
    files_below,
    run_command,
    source,
    traces,
    write_recipe,
    write_traces,
)

Cells = dict[str, list[str]]


def table(manifest: Manifest) -> tuple[list[str], Cells, list[str]]:
    """Headings, cells by the name that a line begins with, and the lines of the reasons."""
    lines = summary_lines(manifest)
    end = lines.index("  rejected:") if "  rejected:" in lines else len(lines)
    split = [re.split(r"\s{2,}", line.strip()) for line in lines[:end]]
    return split[0], {cells[0]: cells[1:] for cells in split[1:]}, [line.strip() for line in lines[end + 1 :]]


def count(cell: str) -> int:
    return int(cell.replace(",", ""))


@pytest.fixture
def manifest(tmp_path: Path) -> Manifest:
    """Two sources of which rows leave at several stages."""
    empty = [Trace("", "a", "b")] * 4 + [Trace("a", "", "b")] * 2
    write_traces(tmp_path / "one.jsonl", [*traces(3_000), *empty, *traces(5)])
    write_traces(tmp_path / "two.csv", [*traces(30, first=2_990), *traces(1_000, first=9_500)])
    return build_mix(
        tmp_path,
        source("one", take={"shuffle": 2_000}),
        source("two", "two.csv", length={"max_chars": 66}, take={"first": 500}, max_drop=1),
        order="mixed",
    ).manifest


def test_every_line_of_the_summary_adds_up_and_is_the_ledgers(manifest: Manifest) -> None:
    headings, cells, _ = table(manifest)
    assert headings == [
        *("source", "rows in", "rejected", "not taken", "rows out", "of the mix", "characters"),
    ]
    assert list(cells) == ["one", "two", "together"]
    assert cells["one"][:4] == ["3,011", "11", "1,000", "2,000"]
    for line in cells.values():
        rows_in, rejected, not_taken, rows_out = map(count, line[:4])
        assert rows_in == rejected + not_taken + rows_out
    for ledger in manifest.identity.ledger:
        assert count(cells[ledger.source][0]) == ledger.stages[0].rows_in
        assert count(cells[ledger.source][1]) == sum(rows for _, _, rows in ledger.rejected())
        assert count(cells[ledger.source][3]) == ledger.rows


def test_the_last_line_is_the_sum_of_the_others(manifest: Manifest) -> None:
    _, cells, _ = table(manifest)
    for place in (0, 1, 2, 3, 5):
        assert count(cells["together"][place]) == count(cells["one"][place]) + count(cells["two"][place])
    assert count(cells["together"][3]) == manifest.identity.rows


def test_shares_are_of_the_rows_and_characters_are_those_of_the_rows_taken(manifest: Manifest) -> None:
    _, cells, _ = table(manifest)
    assert [cells[name][4] for name in cells] == ["80.0%", "20.0%", "100.0%"]
    for name in ("one", "two"):
        characters = [row["chars"] for row in manifest.rows.to_pylist() if row["source"] == name]
        assert count(cells[name][5]) == sum(characters)


def test_every_reason_stands_below_with_its_source_and_stage(manifest: Manifest) -> None:
    _, cells, reasons = table(manifest)
    told = {}
    for line in reasons:
        rows, source_name, stage, reason = re.fullmatch(r"([\d,]+)  (\S+), (\S+): (\S+)", line).groups()  # type: ignore[union-attr]
        told[source_name, stage, reason] = count(rows)
    assert told == {
        (entry.source, stage, reason): rows
        for entry in manifest.identity.ledger
        for stage, reason, rows in entry.rejected()
    }
    assert told["one", "parse", "no-prompt"] == 4
    assert {stage for _, stage, _ in told} == {"parse", "length", "duplicates", "across"}
    assert sum(told.values()) == count(cells["together"][1])


def test_one_source_has_no_sum_and_nothing_rejected_no_reasons(tmp_path: Path) -> None:
    write_traces(tmp_path / "one.jsonl", traces(5))
    _, cells, reasons = table(build_mix(tmp_path, source("one")).manifest)
    assert list(cells) == ["one"]
    assert cells["one"][:5] == ["5", "0", "0", "5", "100.0%"]
    assert reasons == []


def test_a_mix_without_rows_has_a_summary_too(tmp_path: Path) -> None:
    write_traces(tmp_path / "one.jsonl", [Trace("", "", "")] * 3)
    write_traces(tmp_path / "two.jsonl", [Trace("", "", "")] * 2)
    manifest = build_mix(tmp_path, source("one", max_drop=1), source("two", max_drop=1)).manifest
    _, cells, reasons = table(manifest)
    assert cells["together"] == ["5", "5", "0", "0", "0.0%", "0"]
    assert reasons == ["3  one, parse: no-prompt", "2  two, parse: no-prompt"]


def test_the_columns_of_the_summary_stand_below_each_other(manifest: Manifest) -> None:
    lines = summary_lines(manifest)
    shown = lines[: lines.index("  rejected:")]
    assert len({len(line) for line in shown}) == 1
    ends = [[found.end() for found in re.finditer(r"\S+(?: \S+)*", line)][1:] for line in shown]
    assert all(line == ends[0] for line in ends)


def test_a_dry_run_says_files_and_bytes_of_every_source_and_reads_no_text(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_traces(tmp_path / "data" / "a.jsonl", traces(500))
    write_traces(tmp_path / "data" / "b.csv", traces(500))
    (tmp_path / "data" / "c.jsonl.gz").write_bytes(b"garbage")
    (tmp_path / "data" / "d.json").write_bytes(b"\xff")
    sizes = {path.name: path.stat().st_size for path in (tmp_path / "data").iterdir()}
    for path in (tmp_path / "data").iterdir():
        path.chmod(0)  # for whoever may read anything it is garbage still
    recipe = write_recipe(
        tmp_path / "recipe.toml",
        source("one", "data/*", rows=[10, 20]),
        source("two", "data/a*", language="en"),
    )
    outcome = run_command(capsys, "build", recipe, "--dry-run", "--json", "--store", tmp_path / "store")
    assert (outcome.status, outcome.err) == (0, "")
    assert outcome.result == {
        "sources": {
            "one": {"files": 4, "bytes": sum(sizes.values()), "paths": sorted(sizes)},
            "two": {"files": 1, "bytes": sizes["a.jsonl"], "paths": ["a.jsonl"]},
        },
        "bytes": sum(sizes.values()) + sizes["a.jsonl"],
    }
    outcome = run_command(capsys, "build", recipe, "--dry-run", "--store", tmp_path / "store")
    one, two, together = outcome.out.splitlines()
    assert one.startswith("one ")
    assert f"rows 10 to 20, at most 4 of 4 files, {sum(sizes.values()):,} bytes, from {tmp_path}/data" in one
    assert f"all rows, at most 1 of 1 files, {sizes['a.jsonl']:,} bytes" in two
    assert f"at most {sum(sizes.values()) + sizes['a.jsonl']:,} bytes to read" in together
    assert not (tmp_path / "store").exists()


def write_groups(path: Path, first: int, rows: int, group: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    columns = zip(*traces(rows, first=first), strict=True)
    held = pa.table([pa.array(column) for column in columns], names=list(COLUMNS))
    pq.write_table(held, path, row_group_size=group)


def test_a_dry_run_of_a_range_of_parquet_names_only_the_files_and_row_groups_that_hold_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for number in range(6):
        write_groups(tmp_path / "data" / f"{number}.parquet", 1 + 1_000 * number, 1_000, 100)
    recipe = write_recipe(tmp_path / "recipe.toml", source("one", "data/*", rows=[1_950, 3_050]))
    before = files_below(tmp_path)
    outcome = run_command(capsys, "build", recipe, "--dry-run", "--json", "--store", tmp_path / "store")
    (told,) = outcome.result["sources"].values()  # type: ignore[attr-defined]
    assert told["paths"] == ["1.parquet", "2.parquet", "3.parquet"]
    whole = sum(path.stat().st_size for path in (tmp_path / "data").iterdir())
    assert 0.15 * whole < told["bytes"] < 0.25 * whole  # 12 of 60 row groups
    assert files_below(tmp_path) == before


def test_behind_a_file_of_text_a_dry_run_names_every_file_because_nobody_knows(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """How far text reaches into the range shows when it is read. What is said is an upper bound."""
    write_traces(tmp_path / "data" / "a.jsonl", traces(4))
    write_groups(tmp_path / "data" / "b.parquet", 5, 4, 2)
    (tmp_path / "data" / "c.parquet").write_bytes(b"garbage")
    recipe = write_recipe(tmp_path / "recipe.toml", source("one", "data/*", rows=[5, 8]))
    outcome = run_command(capsys, "build", recipe, "--dry-run", "--json", "--store", tmp_path / "store")
    sizes = [path.stat().st_size for path in (tmp_path / "data").iterdir()]
    assert outcome.result["bytes"] == sum(sizes)
    assert run_command(capsys, "build", recipe, "--store", tmp_path / "store").status == 0
