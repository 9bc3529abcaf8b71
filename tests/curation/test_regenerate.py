"""Sources that gave a manifest its rows, read again: unchanged, rewritten, and changed."""

import shutil
from dataclasses import replace
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from manifests.keys import Trace
from manifests.publish import publish_manifest, stage_manifest
from manifests.tables import CONTENT, root_digest
from tests.curation.helpers import (
    build_mix,
    change_byte,
    files_below,
    source,
    store_at,
    texts_of,
    traces,
    write_traces,
)
from tests.curation.regeneration import FORMATS, ROWS, Site, one_file, site_of


@pytest.mark.parametrize("suffix", FORMATS)
def test_a_deleted_dataset_comes_back_with_the_same_content_digest(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], suffix: str
) -> None:
    site = one_file(tmp_path, capsys, suffix)
    outcome = site.regenerate()
    assert (outcome.status, outcome.err) == (0, "")
    assert outcome.result == {
        "id": site.manifest.id,
        "rows": 8,
        "content_digest": site.manifest.content_digest,
        "verified": True,
        "dataset": str(site.dataset),
        "rewritten_sources": [],
    }
    assert site.dataset.is_dir()


def test_what_comes_back_is_what_was_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_traces(tmp_path / "one.csv", traces(300))
    write_traces(tmp_path / "two.json", traces(200, first=1000))
    built = build_mix(
        tmp_path,
        source("one", "one.csv", take={"reservoir": 250}),
        source("two", "two.json", draw="raw", take={"hash": 150}),
        order="mixed",
    )
    before, files = texts_of(built, tmp_path / "store"), files_below(tmp_path / "store")
    shutil.rmtree(tmp_path / "store" / "datasets")
    site = Site(tmp_path, built.manifest, capsys)
    assert site.regenerate().status == 0
    assert texts_of(built, tmp_path / "store") == before
    assert files_below(tmp_path / "store").keys() == files.keys()


def test_tags_numbers_of_columns_and_missing_headers_are_known_from_the_manifest(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "one.tsv").write_text("a\tb #### c\nd\te #### f\n", encoding="utf-8")
    tags = {"answer": ["####", ""]}
    columns = {"prompt": 1, "response": 2}
    site = site_of(tmp_path, capsys, source("one", "one.tsv", header=False, columns=columns, tags=tags))
    assert site.regenerate().status == 0


def test_no_filter_and_no_draw_runs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Rows that the filters would see in another way now are not looked at: the manifest says which rows."""
    path = write_traces(tmp_path / "one.jsonl", [*traces(10), *traces(2)])
    site = site_of(tmp_path, capsys, source("one", take={"reservoir": 5}))
    chosen = set(site.manifest.rows.column("row").to_pylist())
    written = [*traces(10), *traces(2)]
    write_traces(
        path, [trace if row in chosen else Trace("", "", "") for row, trace in enumerate(written, 1)]
    )
    outcome = site.regenerate("--allow-rewritten")
    assert outcome.status == 0
    assert outcome.result["rewritten_sources"] == ["one: one.jsonl"]


@pytest.mark.parametrize("suffix", FORMATS)
@pytest.mark.parametrize("field", ["Frage 7: what", "Nach 7 kommt", "Antwort 8."])
def test_a_changed_byte_of_a_chosen_row_is_refused_with_source_and_row(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], suffix: str, field: str
) -> None:
    site = one_file(tmp_path, capsys, suffix)
    change_byte(
        tmp_path / "data" / f"a{suffix}",
        field,
        field.replace("a", "o", 1) if "a" in field else field.replace("t", "T", 1),
    )
    status, line = site.refused()
    assert status == 1
    assert line.startswith("source one, row 7: expected content ")
    assert f"a{suffix} is not the file the manifest was built from" in line
    assert line.endswith("nothing was written")


@pytest.mark.parametrize(
    ("suffix", "old", "new", "what"),
    [
        (".jsonl", '"Frage 7', " Frage 7", "row 7: not a line of JSON"),
        (".json", '"Frage 7', " Frage 7", "row 7: not JSON"),
        (".jsonl", '"answer": "Antwort 8', '"Answer": "Antwort 8', "row 7: expected a trace, found null"),
        (".csv", "Frage 7: what", "Frage 7,,what", "row 7: expected a trace, found too-many-fields"),
        (".tsv", "\tAntwort 8", " Antwort 8", "row 7: expected a trace, found too-few-fields"),
        (".tsv", "Antwort 8.\n", "Antwort 8. ", "row 7: expected a trace, found too-many-fields"),
    ],
)
def test_a_changed_byte_that_breaks_a_row_is_refused_with_source_and_row(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], suffix: str, old: str, new: str, what: str
) -> None:
    site = one_file(tmp_path, capsys, suffix)
    change_byte(tmp_path / "data" / f"a{suffix}", old, new)
    status, line = site.refused()
    assert status == 1
    assert line.startswith("source one")
    where, _, fault = what.partition("found ")
    assert where in line
    assert f"({fault})" in line or not fault


@pytest.mark.parametrize("suffix", FORMATS)
def test_a_changed_byte_of_another_row_is_refused_unless_equal_rows_are_enough(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], suffix: str
) -> None:
    site = one_file(tmp_path, capsys, suffix)
    for text in ("Frage 2: what", "Frage 12: what"):
        change_byte(tmp_path / "data" / f"a{suffix}", text, text.replace("what", "that"))
    status, line = site.refused()
    assert status == 1
    assert line.startswith(f"source one, rows 1 to 10: a{suffix} is not the file the manifest was built from")
    outcome = site.regenerate("--allow-rewritten")
    assert outcome.status == 0
    assert outcome.result["rewritten_sources"] == [f"one: a{suffix}"]
    assert (
        outcome.err == f"note: one: a{suffix}: other bytes than when the manifest was built, the same rows\n"
    )
    assert site.dataset.is_dir()


def test_a_rewritten_parquet_with_the_same_rows_is_taken_where_that_is_allowed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    site = one_file(tmp_path, capsys, ".parquet")
    path = tmp_path / "data" / "a.parquet"
    pq.write_table(pq.read_table(path), path, row_group_size=5, compression="zstd")
    assert site.refused()[0] == 1
    outcome = site.regenerate("--allow-rewritten")
    assert outcome.status == 0
    assert outcome.result["content_digest"] == site.manifest.content_digest
    assert outcome.result["rewritten_sources"] == ["one: a.parquet"]


@pytest.mark.parametrize("suffix", FORMATS)
def test_a_row_too_many_or_too_few_before_a_chosen_one_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], suffix: str
) -> None:
    site = one_file(tmp_path, capsys, suffix)
    for rows in ([*traces(1), *traces(ROWS)], traces(ROWS)[1:]):
        write_traces(tmp_path / "data" / f"a{suffix}", rows)
        status, line = site.refused()
        assert status == 1
        assert line.startswith("source one, row 3: expected content ")


@pytest.mark.parametrize("suffix", [".jsonl", ".csv", ".tsv"])
def test_a_source_that_ends_before_its_last_chosen_row_is_refused_with_the_row_that_is_missing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], suffix: str
) -> None:
    site = one_file(tmp_path, capsys, suffix)
    write_traces(tmp_path / "data" / f"a{suffix}", traces(8))
    status, line = site.refused()
    assert status == 1
    assert line.startswith("source one, row 9: expected rows up to 10, but ")


@pytest.mark.parametrize("suffix", [".parquet", ".json"])
def test_a_source_that_was_cut_is_refused_with_its_name(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], suffix: str
) -> None:
    site = one_file(tmp_path, capsys, suffix)
    path = tmp_path / "data" / f"a{suffix}"
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    status, line = site.refused()
    assert status == 1
    assert line.startswith("source one, row ")
    assert "mend" not in line
    assert f"a{suffix} is not the file the manifest was built from" in line


def test_of_two_changed_sources_the_one_that_can_not_be_read_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    one = write_traces(tmp_path / "one.jsonl", traces(5))
    two = write_traces(tmp_path / "two.parquet", traces(5, first=50))
    site = site_of(tmp_path, capsys, source("one"), source("two", "two.parquet"))
    one.write_bytes(one.read_bytes() + b"\n")
    two.write_bytes(two.read_bytes()[:-1])
    status, line = site.refused()
    assert status == 1
    assert line.startswith("source two")
    assert "two.parquet is not the file the manifest was built from" in line


def test_of_several_files_the_one_that_changed_the_row_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for number, name in enumerate("abc"):
        write_traces(tmp_path / "data" / f"{name}.jsonl", traces(3, first=1 + 3 * number))
    site = site_of(tmp_path, capsys, source("one", "data/*"))
    with (tmp_path / "data" / "a.jsonl").open("ab") as file:
        file.write(b"\n")
    change_byte(tmp_path / "data" / "b.jsonl", "Frage 5", "frage 5")
    status, line = site.refused()
    assert status == 1
    assert line.startswith("source one, row 5: ")
    assert "b.jsonl is not the file the manifest was built from" in line


def test_a_manifest_that_states_another_content_digest_than_its_rows_give_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whoever forges a manifest can make it agree with itself, but not with the sources."""
    site = one_file(tmp_path, capsys, ".jsonl")
    manifest, false_blocks = site.manifest, ["ab" * 32]
    digest = root_digest(CONTENT, manifest.identity.rows, false_blocks)
    identity = replace(manifest.identity, content_digest=digest)
    staged = stage_manifest(tmp_path, identity, manifest.rows, manifest.rejects, false_blocks, "forged")
    forged = Site(tmp_path, publish_manifest(store_at(site.store), staged), capsys)
    status, line = forged.refused("--sources", f"one={tmp_path / 'data'}")
    assert status == 1
    assert f"content_digest is {manifest.content_digest}, expected {digest}" in line
