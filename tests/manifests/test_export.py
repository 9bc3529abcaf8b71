"""An exported folder: whole or not there, the manifest's rows and no others, and a store that verifies itself."""

import shutil
from pathlib import Path

import datasets
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from manifests import dataset, disk
from manifests.errors import CommandError, MissingDatasetError, UnknownManifestError, VerificationError
from manifests.export.exporting import FORMATS, _copy_manifest, export
from manifests.store import NamedVersion, Store
from manifests.tables import BLOCK_ROWS
from tests.manifests.export_parts import LATER, chain, front_matter, published
from tests.manifests.helpers import build_manifest, damage, files_below, parts_of, traces, write_jsonl

STORES = tuple(kind for kind in FORMATS if kind != "messages")  # those that hold the dataset as it is


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """A store with `early` and `later`; nobody changes it."""
    return chain(tmp_path_factory.mktemp("chain"))


def loaded(folder: Path, cache: Path) -> pa.Table:
    """What `datasets` reads from a folder."""
    read = datasets.load_dataset(str(folder), cache_dir=str(cache))
    assert list(read) == ["train"]
    table: pa.Table = read["train"].data.table
    return table.combine_chunks()


def rows_of(store: Store, reference: str) -> pa.Table:
    return pa.concat_tables(store.dataset_blocks(store.manifest(reference)))


@pytest.mark.parametrize("kind", FORMATS)
def test_every_file_of_the_folder_is_told_with_its_size_and_digest(
    kind: str, store: Store, tmp_path: Path
) -> None:
    done = export(store, LATER, kind, tmp_path / "out")
    assert (done.id, done.format, done.folder) == (store.resolve(LATER), kind, tmp_path / "out")
    told = {file.path: (file.size, file.sha256) for file in done.files}
    assert told == {path: disk.sha256_file(done.folder / path) for path in files_below(done.folder)}
    assert list(told) == sorted(told)


@pytest.mark.parametrize("kind", FORMATS)
def test_the_same_manifest_gives_the_same_bytes(kind: str, store: Store, tmp_path: Path) -> None:
    moved = Store(shutil.copytree(store.root, tmp_path / "elsewhere" / "store"), behind=())
    first = export(store, LATER, kind, tmp_path / "first").folder
    second = export(moved, f"{LATER}:1", kind, tmp_path / "deep" / "er" / "second").folder
    assert files_below(first) == files_below(second)


@pytest.mark.parametrize("kind", FORMATS)
def test_no_text_holds_a_path_of_the_machine(kind: str, store: Store, tmp_path: Path) -> None:
    folder = export(store, LATER, kind, tmp_path / "out").folder
    assert [path for path, data in files_below(folder).items() if str(tmp_path.parent).encode() in data] == []


@pytest.mark.parametrize("kind", STORES)
def test_the_folder_is_a_store_that_verifies(kind: str, store: Store, tmp_path: Path) -> None:
    there = Store(export(store, LATER, kind, tmp_path / "out").folder, behind=())
    assert there.versions() == [
        NamedVersion("early", 1, store.resolve("early")),
        NamedVersion(LATER, 1, store.resolve(LATER)),
    ]
    assert rows_of(there, LATER).equals(rows_of(store, LATER))
    with pytest.raises(MissingDatasetError):
        there.dataset_blocks(there.manifest("early"))


@pytest.mark.parametrize("kind", FORMATS)
def test_ancestors_travel_so_that_the_folder_can_be_audited(kind: str, store: Store, tmp_path: Path) -> None:
    there = Store(export(store, LATER, kind, tmp_path / "out").folder, behind=())
    assert there.manifest("early").rows.equals(store.manifest("early").rows)


def test_a_version_keeps_its_number(store: Store, tmp_path: Path) -> None:
    root = Store(shutil.copytree(store.root, tmp_path / "store"), behind=())
    (root.root / "refs" / LATER / "1").rename(root.root / "refs" / LATER / "3")
    there = Store(export(root, LATER, "hub", tmp_path / "out").folder, behind=())
    assert there.resolve(LATER) == there.resolve(f"{LATER}:3") == store.resolve(LATER)


def test_names_of_other_manifests_stay_behind(store: Store, tmp_path: Path) -> None:
    there = Store(export(store, "early", "hub", tmp_path / "out").folder, behind=())
    assert [version.name for version in there.versions()] == ["early"]
    assert there.ids() == [store.resolve("early")]


def test_an_ancestor_that_the_store_lacks_is_told_as_such(store: Store, tmp_path: Path) -> None:
    root = Store(shutil.copytree(store.root, tmp_path / "store"), behind=())
    early = root.resolve("early")
    shutil.rmtree(root.root / "manifests" / early)
    shutil.rmtree(root.root / "refs" / "early")
    folder = export(root, LATER, "hub", tmp_path / "out").folder
    assert Store(folder, behind=()).ids() == [store.resolve(LATER)]
    assert f"| disjoint | {early} |  | not at hand |" in (folder / "README.md").read_text()
    with pytest.raises(UnknownManifestError):
        Store(folder, behind=()).manifest("early")


def test_a_damaged_ancestor_is_not_handed_on(store: Store, tmp_path: Path) -> None:
    root = Store(shutil.copytree(store.root, tmp_path / "store"), behind=())
    (root.root / "manifests" / root.resolve("early") / "rows.parquet").write_bytes(b"PAR1")
    with pytest.raises(VerificationError):
        export(root, LATER, "hub", tmp_path / "there" / "out")
    assert list((tmp_path / "there").iterdir()) == []


def test_an_ancestor_by_two_ways_travels_once(tmp_path: Path) -> None:
    store = chain(tmp_path)
    files = {"three": write_jsonl(tmp_path / "three.jsonl", traces(3, first=50))}
    build_manifest(store.root, "last", files, disjoint={"from": [LATER, "early"]})
    there = Store(export(store, "last", "hub", tmp_path / "out").folder, behind=())
    assert [version.name for version in there.versions()] == ["early", "last", LATER]


def test_a_manifest_that_changed_since_it_was_read_is_not_handed_on(tmp_path: Path) -> None:
    store, manifest = published(tmp_path, parts_of(traces(3)))
    (store.root / "manifests" / manifest.id / "receipt.json").write_text("{}")
    with pytest.raises(VerificationError):
        _copy_manifest(manifest, tmp_path)


@pytest.mark.parametrize("kind", ["hub", "messages"])
def test_datasets_reads_the_rows_in_order_from_several_files(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dataset, "FILE_ROWS", BLOCK_ROWS)
    store, manifest = published(tmp_path, parts_of(traces(BLOCK_ROWS + 100)))
    done = export(store, "mix", kind, tmp_path / "out")
    data = [done.folder / file.path for file in done.files if "/train-" in file.path]
    assert [pq.read_metadata(file).num_rows for file in data] == [BLOCK_ROWS, 100]
    read = loaded(done.folder, tmp_path / "cache")
    assert read.num_rows == BLOCK_ROWS + 100
    expected = rows_of(store, "mix")
    for name in set(expected.column_names) & set(read.column_names):
        assert read.column(name).combine_chunks().equals(expected.column(name).combine_chunks())
    assert manifest.id in (done.folder / "README.md").read_text()


def test_the_card_states_the_sizes_of_the_data(store: Store, tmp_path: Path) -> None:
    folder = export(store, LATER, "hub", tmp_path / "out").folder
    info = front_matter((folder / "README.md").read_text())["dataset_info"]
    rows = rows_of(store, LATER)
    texts = sum(
        len(text.encode()) for name in rows.column_names if name != "row" for text in rows[name].to_pylist()
    )
    assert info["splits"] == [
        {"name": "train", "num_bytes": texts + 8 * rows.num_rows, "num_examples": rows.num_rows}
    ]
    (data,) = folder.glob("datasets/*/data/*.parquet")
    assert info["download_size"] == data.stat().st_size


def test_the_card_states_the_licences_of_the_recipe(store: Store, tmp_path: Path) -> None:
    folder = export(store, LATER, "hub", tmp_path / "out").folder
    assert front_matter((folder / "README.md").read_text())["license"] == "cc-by-4.0"


@pytest.mark.parametrize("kind", FORMATS)
def test_a_manifest_without_rows_can_be_exported(kind: str, tmp_path: Path) -> None:
    store, _ = published(tmp_path, parts_of([], dropped=2))
    folder = export(store, "mix", kind, tmp_path / "out").folder
    (data,) = folder.rglob("train-*.parquet")
    assert pq.read_metadata(data).num_rows == 0


@pytest.mark.parametrize("taken", ["folder", "file", "link"])
def test_what_is_there_is_never_written_over(taken: str, store: Store, tmp_path: Path) -> None:
    out = tmp_path / "out"
    match taken:
        case "folder":
            out.mkdir()
        case "file":
            out.touch()
        case _:
            out.symlink_to("nowhere")
    with pytest.raises(CommandError, match="exists already"):
        export(store, LATER, "hub", out)
    assert list(tmp_path.iterdir()) == [out]


def test_a_missing_dataset_says_how_to_rebuild_it(store: Store, tmp_path: Path) -> None:
    root = Store(shutil.copytree(store.root, tmp_path / "store"), behind=())
    shutil.rmtree(root.root / "datasets")
    with pytest.raises(MissingDatasetError, match="curation regenerate"):
        export(root, LATER, "hub", tmp_path / "there" / "out")
    assert not (tmp_path / "there").exists()


@pytest.mark.parametrize("kind", FORMATS)
def test_a_row_that_is_not_the_manifests_ends_the_export(kind: str, store: Store, tmp_path: Path) -> None:
    root = Store(shutil.copytree(store.root, tmp_path / "store"), behind=())
    damage(root.root / "datasets" / root.resolve(LATER))
    with pytest.raises(VerificationError):
        export(root, LATER, kind, tmp_path / "there" / "out")
    assert list((tmp_path / "there").iterdir()) == []


def test_a_folder_that_came_meanwhile_is_not_written_over(store: Store, tmp_path: Path) -> None:
    out = tmp_path / "out"

    def someone_else(_done: int, _rows: int) -> None:
        out.mkdir(exist_ok=True)
        (out / "theirs").touch()

    with pytest.raises(CommandError, match="exists already"):
        export(store, LATER, "hub", out, progress=someone_else)
    assert [path.name for path in out.iterdir()] == ["theirs"]


def test_progress_is_told_in_rows(tmp_path: Path) -> None:
    store, _ = published(tmp_path, parts_of(traces(BLOCK_ROWS + 5)))
    told: list[tuple[int, int]] = []
    export(store, "mix", "messages", tmp_path / "out", progress=lambda *step: told.append(step))
    assert told == [(BLOCK_ROWS, BLOCK_ROWS + 5), (BLOCK_ROWS + 5, BLOCK_ROWS + 5)]


def test_an_unknown_format_is_refused_with_those_there_are(store: Store, tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="'zip': expected one of hub, croissant, kaggle, messages"):
        export(store, LATER, "zip", tmp_path / "out")
