"""The dataset: what was written is handed out, and nothing that is not the manifest's."""

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from manifests.dataset import FILE_ROWS, read_dataset, total_rows
from manifests.errors import MissingDatasetError, VerificationError
from manifests.keys import Trace
from manifests.manifest import Manifest, read_manifest
from manifests.store import Store
from manifests.tables import BLOCK_ROWS, CONTENT, table_digest
from tests.manifests.helpers import Parts, parts_of, publish, run_python, traces, write_blocks

LOAD = """
import json, sys, datasets
loaded = datasets.load_dataset(sys.argv[1])
print(json.dumps({"splits": list(loaded), "rows": list(loaded["train"]), "columns": loaded["train"].column_names}))
"""


def short(count: int) -> Parts:
    """Many rows of very short traces."""
    return parts_of([Trace(str(number), "r", "ä") for number in range(count)])


def written(parts: Parts, folder: Path) -> tuple[Manifest, Path]:
    """A manifest, and its dataset in a folder of its own."""
    dataset = folder / "dataset"
    dataset.mkdir()
    assert write_blocks(dataset, parts.content, parts.identity.id) == parts.blocks
    return read_manifest(parts.write(folder / "manifests")), dataset


def refused(dataset: Path, manifest: Manifest) -> str:
    """The one line with which a dataset is refused."""
    with pytest.raises(VerificationError) as caught:
        total_rows(read_dataset(dataset, manifest))
    assert "\n" not in str(caught.value)
    assert str(dataset) in str(caught.value)
    assert "'curation regenerate' rebuilds it" in str(caught.value)
    return str(caught.value)


def rewrite(dataset: Path, change: Callable[[pa.Table], pa.Table]) -> None:
    """Rewrite a dataset of one file."""
    (file,) = (dataset / "data").iterdir()
    pq.write_table(change(pq.read_table(file)), file)


def put(row: int, column: str, value: object) -> Callable[[pa.Table], pa.Table]:
    """Another value in one row, counted from 1."""

    def change(table: pa.Table) -> pa.Table:
        place = table.schema.get_field_index(column)
        values = table.column(column).to_pylist()
        values[row - 1] = value
        return table.set_column(place, column, pa.array(values, type=table.schema.field(place).type))

    return change


@pytest.mark.parametrize("count", [0, 1, BLOCK_ROWS - 1, BLOCK_ROWS, BLOCK_ROWS + 1, 2 * BLOCK_ROWS + 5])
def test_the_rows_that_were_written_are_handed_out_in_blocks_of_8192(count: int, tmp_path: Path) -> None:
    parts = short(count)
    manifest, dataset = written(parts, tmp_path)
    blocks = list(read_dataset(dataset, manifest))
    assert pa.concat_tables([*blocks, CONTENT.schema.empty_table()]).equals(parts.content)
    assert [block.num_rows for block in blocks[:-1]] == [BLOCK_ROWS] * (len(blocks) - 1)
    assert len(blocks) == -(-count // BLOCK_ROWS)


def test_a_file_holds_65536_rows_in_groups_of_8192(tmp_path: Path) -> None:
    parts = short(FILE_ROWS + 3)
    manifest, dataset = written(parts, tmp_path)
    files = sorted((dataset / "data").iterdir())
    assert [file.name for file in files] == ["train-00000-of-00002.parquet", "train-00001-of-00002.parquet"]
    held = [pq.ParquetFile(file).metadata for file in files]
    assert [metadata.num_rows for metadata in held] == [65_536, 3]
    assert [held[0].row_group(group).num_rows for group in range(held[0].num_row_groups)] == [8_192] * 8
    assert pa.concat_tables(read_dataset(dataset, manifest)).equals(parts.content)

    files[1].rename(tmp_path / "aside.parquet")
    assert "65536 rows, the manifest has 65539" in refused(dataset, manifest)
    (tmp_path / "aside.parquet").rename(dataset / "data" / "train-00000-and.parquet")
    assert "expected traces:1, found traces:65537" in refused(dataset, manifest)


def test_row_groups_and_compression_of_another_tool_change_nothing(tmp_path: Path) -> None:
    parts = short(BLOCK_ROWS + 100)
    manifest, dataset = written(parts, tmp_path)
    (file,) = (dataset / "data").iterdir()
    pq.write_table(parts.content, file, row_group_size=3_000, compression="none", use_dictionary=False)
    blocks = list(read_dataset(dataset, manifest))
    assert [block.num_rows for block in blocks] == [BLOCK_ROWS, 100]
    assert pa.concat_tables(blocks).equals(parts.content)


@pytest.mark.parametrize("column", ["prompt", "reasoning", "answer"])
@pytest.mark.parametrize("row", [1, 3, 5])
def test_a_changed_text_is_named_by_source_and_row(column: str, row: int, tmp_path: Path) -> None:
    manifest, dataset = written(parts_of(traces(5)), tmp_path)
    expected = manifest.rows.column("content")[row - 1].as_py().hex()
    rewrite(dataset, put(row, column, "something else"))
    words = f"row {row} of the dataset (traces:{row}): expected content {expected}, found "
    assert words in refused(dataset, manifest)


def test_a_changed_text_in_a_later_block_is_found_and_the_blocks_before_are_whole(tmp_path: Path) -> None:
    parts = short(BLOCK_ROWS + 10)
    manifest, dataset = written(parts, tmp_path)
    rewrite(dataset, put(BLOCK_ROWS + 7, "answer", "b"))
    blocks = read_dataset(dataset, manifest)
    assert next(blocks).to_pylist() == parts.content.slice(0, BLOCK_ROWS).to_pylist()
    with pytest.raises(VerificationError, match=r"row 8199 of the dataset \(traces:8199\)"):
        next(blocks)


def test_a_prompt_that_differs_only_in_case_is_another_text(tmp_path: Path) -> None:
    manifest, dataset = written(parts_of(traces(2)), tmp_path)
    rewrite(dataset, put(2, "prompt", "WHAT IS 2 + 1?"))
    assert "(traces:2)" in refused(dataset, manifest)


@pytest.mark.parametrize(
    ("column", "value", "found"), [("source", "other", "other:2"), ("row", 7, "traces:7")]
)
def test_a_row_with_another_name_is_refused(column: str, value: object, found: str, tmp_path: Path) -> None:
    manifest, dataset = written(parts_of(traces(3)), tmp_path)
    rewrite(dataset, put(2, column, value))
    assert f"row 2 of the dataset (traces:2): expected traces:2, found {found};" in refused(dataset, manifest)


def take(places: Sequence[int]) -> Callable[[pa.Table], pa.Table]:
    return lambda table: table.take(pa.array(places, type=pa.int64()))


@pytest.mark.parametrize(
    ("places", "words"),
    [
        ([0, 2, 1], "row 2 of the dataset (traces:2): expected traces:2, found traces:3"),
        ([1, 2], "row 1 of the dataset (traces:1): expected traces:1, found traces:2"),
        ([0, 2], "row 2 of the dataset (traces:2): expected traces:2, found traces:3"),
        ([0, 1], "2 rows, the manifest has 3"),
        ([], "0 rows, the manifest has 3"),
        ([0, 1, 2, 2], "more rows than the 3 of the manifest"),
        ([0, 1, 2, 0, 1, 2], "more rows than the 3 of the manifest"),
    ],
)
def test_swapped_missing_and_added_rows_are_refused(places: list[int], words: str, tmp_path: Path) -> None:
    manifest, dataset = written(parts_of(traces(3)), tmp_path)
    rewrite(dataset, take(places))
    assert words in refused(dataset, manifest)


@pytest.mark.parametrize("count", [0, BLOCK_ROWS])
def test_a_row_behind_the_last_block_is_refused(count: int, tmp_path: Path) -> None:
    manifest, dataset = written(short(count), tmp_path)
    rewrite(dataset, lambda table: pa.concat_tables([table, short(1).content]))
    assert f"more rows than the {count:,} of the manifest" in refused(dataset, manifest)


def test_a_whole_block_that_is_missing_is_refused(tmp_path: Path) -> None:
    manifest, dataset = written(short(BLOCK_ROWS + 1), tmp_path)
    rewrite(dataset, lambda table: table.slice(0, BLOCK_ROWS))
    assert "8192 rows, the manifest has 8193" in refused(dataset, manifest)


def test_the_dataset_of_another_manifest_is_refused(tmp_path: Path) -> None:
    manifest, dataset = written(parts_of(traces(3)), tmp_path)
    rewrite(dataset, lambda _table: parts_of(traces(3, first=2)).content)
    assert "(traces:1): expected content" in refused(dataset, manifest)


def test_text_that_fits_the_keys_of_the_rows_but_not_the_content_digest_is_refused(tmp_path: Path) -> None:
    honest, other = parts_of(traces(3)), parts_of(traces(3, first=9))
    false = replace(honest, content=other.content).sealed()
    manifest = read_manifest(false.write(tmp_path / "manifests"))
    dataset = tmp_path / "dataset"
    dataset.mkdir()
    write_blocks(dataset, honest.content, manifest.id)
    assert "block 1: its digest differs" in refused(dataset, manifest)
    rewrite(dataset, lambda _table: other.content)
    assert "(traces:1): expected content" in refused(dataset, manifest)


def test_a_prompt_key_that_is_not_the_text_s_is_refused(tmp_path: Path) -> None:
    honest = parts_of(traces(2))
    prompts = pa.array([honest.rows.column("prompt")[0].as_py(), bytes(16)], type=pa.binary(16))
    false = replace(honest, rows=honest.rows.set_column(3, honest.rows.schema.field(3), prompts)).sealed()
    manifest, dataset = written(false, tmp_path)
    assert "row 2 of the dataset (traces:2)" in refused(dataset, manifest)


@pytest.mark.parametrize("column", ["source", "prompt", "answer"])
def test_text_that_is_not_utf8_is_refused_by_row(column: str, tmp_path: Path) -> None:
    manifest, dataset = written(parts_of(traces(2)), tmp_path)

    def change(table: pa.Table) -> pa.Table:
        data = [text.encode() for text in table.column(column).to_pylist()]
        binary = pa.array([data[0], b"\xff"], type=pa.binary())
        text = pa.StringArray.from_buffers(2, *binary.buffers()[1:])
        return table.set_column(table.schema.get_field_index(column), column, text)

    rewrite(dataset, change)
    assert "row 2 of the dataset (traces:2)" in refused(dataset, manifest)


def test_a_null_is_refused(tmp_path: Path) -> None:
    manifest, dataset = written(parts_of(traces(2)), tmp_path)
    rewrite(dataset, put(2, "answer", None))
    refused(dataset, manifest)


def test_a_dataset_with_other_columns_is_refused(tmp_path: Path) -> None:
    manifest, dataset = written(parts_of(traces(2)), tmp_path)
    rewrite(dataset, lambda table: table.append_column("more", table.column("row")))
    assert "expected the columns source:string" in refused(dataset, manifest)


def test_a_dataset_without_files_is_refused(tmp_path: Path) -> None:
    manifest, dataset = written(parts_of(traces(2)), tmp_path)
    (file,) = (dataset / "data").iterdir()
    file.unlink()
    assert "no data/train-*.parquet in it" in refused(dataset, manifest)
    (dataset / "data").rmdir()
    assert "no data/train-*.parquet in it" in refused(dataset, manifest)


def test_damaged_bytes_are_refused_or_change_nothing(tmp_path: Path) -> None:
    parts = parts_of(traces(30))
    manifest, dataset = written(parts, tmp_path)
    (file,) = (dataset / "data").iterdir()
    data = bytearray(file.read_bytes())
    for place in range(0, len(data), 2):
        data[place] ^= 1 << place % 8
        file.write_bytes(data)
        try:
            assert pa.concat_tables(read_dataset(dataset, manifest)).equals(parts.content)
        except VerificationError as error:
            assert "\n" not in str(error)  # noqa: PT017 - most flips are refused, some hit what nobody reads
        data[place] ^= 1 << place % 8
    for length in range(0, len(data), len(data) // 50):
        file.write_bytes(data[:length])
        assert "can't be read" in refused(dataset, manifest)


def test_datasets_loads_the_folder_as_it_is(store_path: Path, tmp_path: Path) -> None:
    store = Store(store_path, behind=())
    parts = short(FILE_ROWS + 2)
    manifest = publish(store, parts)
    folder = store.dataset_folder(manifest)
    done = run_python(
        "-c",
        LOAD,
        folder,
        HF_HOME=str(tmp_path / "cache"),
        HF_HUB_OFFLINE="1",
        HF_DATASETS_DISABLE_PROGRESS_BARS="1",
    )
    assert done.returncode == 0, done.stderr
    loaded = json.loads(done.stdout)
    assert loaded["splits"] == ["train"]
    assert loaded["columns"] == ["source", "row", "prompt", "reasoning", "answer"]
    assert loaded["rows"] == parts.content.to_pylist()


def test_the_card_names_the_manifest_and_its_rows(tmp_path: Path) -> None:
    manifest, dataset = written(short(1_234), tmp_path)
    card = (dataset / "README.md").read_text(encoding="utf-8")
    assert manifest.id in card
    assert "1,234" in card


def test_a_manifest_whose_dataset_is_not_here_says_how_to_get_it(store_path: Path, tmp_path: Path) -> None:
    manifest = read_manifest(parts_of(traces(2)).write(tmp_path))
    store = Store(store_path, behind=())
    assert store.dataset_folder(manifest) is None
    with pytest.raises(MissingDatasetError, match=f"'curation regenerate {manifest.id[:12]}' rebuilds it"):
        store.dataset_blocks(manifest)


def test_the_digest_of_a_dataset_is_the_one_of_its_content(tmp_path: Path) -> None:
    parts = short(BLOCK_ROWS + 1)
    manifest, dataset = written(parts, tmp_path)
    assert (
        table_digest(CONTENT, pa.concat_tables(read_dataset(dataset, manifest)))[0] == manifest.content_digest
    )
