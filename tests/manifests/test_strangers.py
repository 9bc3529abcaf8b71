"""What stands beside the data, and damage elsewhere in a store: told, and nobody is led astray."""

from pathlib import Path

import pytest

from manifests.dataset import read_row
from manifests.diagnosis.flow import text_faults, verify
from manifests.errors import CommandError, FormatError, StoreError, VerificationError
from manifests.explain import explain
from manifests.manifest import Manifest
from manifests.page.write import check_target
from manifests.reading import tally
from manifests.store import Store
from tests.manifests.helpers import build_manifest, traces, write_jsonl


@pytest.fixture
def manifest(store_path: Path, tmp_path: Path) -> Manifest:
    return build_manifest(store_path, "mix", {"a": write_jsonl(tmp_path / "a.jsonl", traces(5))}).manifest


def store_of(manifest: Manifest) -> Store:
    return Store(manifest.folder.parents[1], behind=())


def dataset_of(manifest: Manifest) -> Path:
    folder = store_of(manifest).dataset_folder(manifest)
    assert folder is not None
    return folder


def test_a_card_that_leads_other_readers_elsewhere_is_a_fault(manifest: Manifest) -> None:
    card = dataset_of(manifest) / "README.md"
    assert verify(store_of(manifest), "mix", dataset=True).verified
    card.write_text(card.read_text().replace("data/train-*", "more/train-*"))
    (fault,) = verify(store_of(manifest), "mix", dataset=True).faults
    assert "not the card of this dataset" in fault.what


@pytest.mark.parametrize("name", ["more.parquet", "data/more.parquet", "data/train-1.parquet"])
def test_a_strange_file_in_a_dataset_is_a_fault(name: str, manifest: Manifest) -> None:
    (dataset_of(manifest) / name).write_bytes(b"")
    faults = verify(store_of(manifest), "mix", dataset=True).faults
    assert any(name in fault.where or "train-1" in fault.what for fault in faults)


def test_one_damaged_name_hides_no_other(manifest: Manifest) -> None:
    store = store_of(manifest)
    (store.root / "refs" / "bad").mkdir()
    (store.root / "refs" / "bad" / "1").write_text("")
    assert [version.name for version in store.versions()] == ["mix"]
    assert store.manifest("mix").id == manifest.id
    (damage,) = store.damaged_references()
    assert "expected the 64 hex digits" in damage
    with pytest.raises(StoreError, match="expected the 64 hex digits"):
        store.resolve("bad")


def test_a_single_row_is_read_with_its_keys_checked(manifest: Manifest) -> None:
    folder = dataset_of(manifest)
    assert read_row(folder, manifest, 2) == traces(5)[2]
    assert explain(store_of(manifest), manifest, "a", 3).text == traces(5)[2]
    (part,) = (folder / "data").iterdir()
    part.rename(part.with_name("elsewhere"))
    assert read_row(folder, manifest, 2) is None
    part.symlink_to(part.with_name("elsewhere"))
    with pytest.raises(VerificationError, match="a link"):
        read_row(folder, manifest, 2)
    assert explain(store_of(manifest), manifest, "a", 3).text is None


def test_a_data_folder_that_is_a_link_is_refused(manifest: Manifest, tmp_path: Path) -> None:
    data = dataset_of(manifest) / "data"
    data.symlink_to(data.rename(tmp_path / "data"))
    with pytest.raises(VerificationError, match="a link"):
        list(store_of(manifest).dataset_blocks(manifest))


def test_texts_that_no_build_leaves_are_a_fault_of_a_deep_look(manifest: Manifest) -> None:
    block = next(store_of(manifest).dataset_blocks(manifest))
    assert text_faults(block, manifest.rows, 0) == []
    spaced = block.set_column(2, "prompt", [[f" {text}" for text in block.column("prompt").to_pylist()]])
    assert any("white space" in fault.what for fault in text_faults(spaced, manifest.rows, 0))


def test_ranges_that_are_too_wide_together_are_refused(
    manifest: Manifest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tally, "MOST_ROWS", 4)
    with pytest.raises(FormatError, match="raw ranges of 5 rows, this version reads up to 4"):
        store_of(manifest).manifest("mix")


@pytest.mark.parametrize("limit", ["MOST_CHARACTERS", "MOST_BLOCK_CHARACTERS"])
def test_characters_that_no_dataset_has_are_not_believed(
    limit: str, manifest: Manifest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(f"manifests.dataset.{limit}", 20)
    with pytest.raises(VerificationError, match="this version reads no such dataset"):
        list(store_of(manifest).dataset_blocks(manifest))


def test_a_page_takes_the_place_of_nothing_but_a_file(tmp_path: Path) -> None:
    check_target(tmp_path / "new.html")
    (tmp_path / "link.html").symlink_to(tmp_path / "new.html")
    for path in (Path("/dev/null"), tmp_path / "link.html"):
        with pytest.raises(CommandError, match="something else than a file"):
            check_target(path)
