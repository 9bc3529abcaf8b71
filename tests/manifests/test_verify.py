"""A manifest that is damaged is told apart by what happened to it, and what can be proven is proven."""

import hashlib
import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from manifests.canonical import canonical_bytes
from manifests.diagnosis.faults import complaint, verification_lines
from manifests.diagnosis.flow import verify
from manifests.errors import FormatError, MissingDatasetError, UnknownManifestError
from manifests.manifest import Manifest
from manifests.store import Store
from tests.manifests.damaging import fault_of, flip, only_fault, rewrite_json
from tests.manifests.helpers import parts_of, publish, traces

Change = Callable[[dict[str, Any]], None]

PARTS = parts_of(traces(40), dropped=3)
MANY = parts_of(traces(20_000))


@pytest.fixture
def store(store_path: Path) -> Store:
    return Store(store_path, behind=())


@pytest.fixture
def manifest(store: Store) -> Manifest:
    return publish(store, PARTS)


def test_a_whole_manifest_verifies_and_says_what_was_checked(store: Store, manifest: Manifest) -> None:
    told = verify(store, "mix", dataset=True, deep=True)
    assert told.verified
    assert (told.id, told.rows, told.dataset_rows, told.notes) == (manifest.id, 40, 40, ())
    assert told.checks == (
        f"manifest {manifest.id[:12]}: 40 rows, digests, ledger and id hold",
        "dataset: 40 rows, each is the manifest's",
        "deep: order, draws, duplicates, rejects, parents, receipt and names hold",
    )
    assert verification_lines(told) == list(told.checks)


def test_what_is_not_in_the_store_is_an_error_and_no_fault(store: Store, manifest: Manifest) -> None:
    shutil.rmtree(store.root / "datasets")
    with pytest.raises(MissingDatasetError):
        verify(store, manifest.id, dataset=True)
    assert verify(store, manifest.id, deep=True).notes == (
        "characters and sketches of the text: the dataset is not here",
    )
    shutil.rmtree(manifest.folder)
    with pytest.raises(UnknownManifestError):
        verify(store, "mix")


def test_every_turned_bit_of_manifest_json_is_found_with_its_byte_and_field(
    store: Store, manifest: Manifest
) -> None:
    path = manifest.folder / "manifest.json"
    whole = path.read_bytes()
    for place in range(0, len(whole), 97):
        flip(path, place, place % 7)
        fault = fault_of(store, manifest)
        assert fault.where.startswith(f"manifest.json, byte {place + 1:,}, field ")
        assert fault.cause.startswith("proven: one bit")
        assert fault.expected != fault.observed
        path.write_bytes(whole)
    flip(path, whole.index(b'"rows":40') + 7, 0)
    fault = fault_of(store, manifest)
    assert fault.where.endswith("field counts.rows")
    assert (fault.expected, fault.observed, fault.differing, fault.of) == ("40", "50", 1, len(whole))


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


@pytest.mark.parametrize(
    ("change", "field", "expected", "observed"),
    [
        (lambda top: top["counts"].update(rows=41_000), "counts.rows", "40", "41000"),
        (lambda top: top.update(rows_digest="ab" * 32), "rows_digest", PARTS.identity.rows_digest, "ab" * 32),
        (
            lambda top: top.update(rejects_digest="cd" * 32),
            "rejects_digest",
            PARTS.identity.rejects_digest,
            "cd" * 32,
        ),
        (
            lambda top: top.update(content_digest="ef" * 32),
            "content_digest",
            PARTS.identity.content_digest,
            "ef" * 32,
        ),
        (lambda top: top["ledger"][0]["stages"][1].update(out=77), "ledger.1.stages.2.out", "40", "77"),
        (lambda top: top["ledger"][0]["stages"][0].update({"in": 99}), "ledger.1.stages.1.in", "43", "99"),
        (
            lambda top: top["ledger"][0]["stages"][1]["dropped"].update({"no-answer": 300}),
            "ledger.1.stages.2.dropped.no-answer",
            "3",
            "300",
        ),
        (lambda top: top.update(format=999), "format", "1", "999"),
    ],
)
def test_a_changed_field_is_found_by_what_the_tables_and_the_ledger_say(
    change: Change,
    field: str,
    expected: str,
    observed: str,
    store: Store,
    manifest: Manifest,
) -> None:
    rewrite_json(manifest.folder / "manifest.json", change)
    fault = fault_of(store, manifest)
    assert fault.where == f"manifest.json, field {field}"
    assert (str(fault.expected).strip('"'), str(fault.observed).strip('"')) == (expected, observed)
    assert fault.cause.startswith("proven: ")


def test_a_changed_field_is_found_beside_a_table_that_was_changed_as_well(
    store: Store, manifest: Manifest
) -> None:
    rewrite_json(manifest.folder / "manifest.json", lambda top: top.update(rows_digest="ab" * 32))
    _write_rows(manifest, PARTS.rejects.slice(0, 2), "rejects.parquet")
    told = verify(store, manifest.id)
    assert [fault.where for fault in told.faults] == ["manifest.json, field rows_digest", "rejects.parquet"]


def test_fields_changed_together_are_counted(store: Store, manifest: Manifest) -> None:
    def change(top: dict[str, object]) -> None:
        top.update(rows_digest="ab" * 32, content_digest="ab" * 32)

    rewrite_json(manifest.folder / "manifest.json", change)
    assert fault_of(store, manifest).differing == 2


@pytest.mark.parametrize(
    ("rewritten", "cause"),
    [
        (lambda data: data + b"\n", "bytes were added at its end"),
        (lambda data: b"\xef\xbb\xbf" + data, "a tool put a byte order mark in front"),
        (lambda data: json.dumps(json.loads(data), indent=2).encode(), "a tool formatted it anew"),
    ],
)
def test_another_layout_of_the_same_values_is_told_apart(
    rewritten: Callable[[bytes], bytes], cause: str, store: Store, manifest: Manifest
) -> None:
    path = manifest.folder / "manifest.json"
    path.write_bytes(rewritten(path.read_bytes()))
    assert fault_of(store, manifest).cause == f"proven: {cause}"


def test_a_file_of_another_manifest_is_named_with_that_manifest(store: Store, manifest: Manifest) -> None:
    other = publish(store, parts_of(traces(40, first=5), dropped=4), "other")
    for name in ("manifest.json", "rows.parquet", "rejects.parquet"):
        whole = (manifest.folder / name).read_bytes()
        shutil.copy(other.folder / name, manifest.folder / name)
        fault = fault_of(store, manifest)
        assert (fault.where, fault.what) == (name, "it is another manifest's")
        assert other.id[:12] in fault.cause
        (manifest.folder / name).write_bytes(whole)


@pytest.mark.parametrize("name", ["manifest.json", "rows.parquet", "rejects.parquet", "receipt.json"])
def test_a_missing_or_empty_file_is_named(name: str, store: Store, manifest: Manifest) -> None:
    (manifest.folder / name).write_bytes(b"")
    assert fault_of(store, manifest).where == name
    (manifest.folder / name).unlink()
    assert fault_of(store, manifest).where == name


@pytest.mark.parametrize("name", ["rows.parquet", "rejects.parquet"])
def test_a_table_cut_short_says_how_much_is_left(name: str, store: Store, manifest: Manifest) -> None:
    path = manifest.folder / name
    data = path.read_bytes()
    path.write_bytes(data[:1_000])
    assert fault_of(store, manifest).cause == f"the file was cut short: 1,000 of {len(data):,} bytes"


@pytest.mark.parametrize("name", ["rows.parquet", "rejects.parquet"])
def test_a_turned_bit_of_a_small_table_is_proven_by_the_digest(
    name: str, store: Store, manifest: Manifest
) -> None:
    path = manifest.folder / name
    whole = path.read_bytes()
    found = 0
    for place in range(4, len(whole), 211):
        flip(path, place, 3)
        told = verify(store, manifest.id)
        if not told.verified:  # some bytes say nothing that is read
            found += 1
            assert told.faults[0].cause == f"proven: one bit of byte {place + 1:,} was turned"
        path.write_bytes(whole)
    assert found > 5


def _write_rows(manifest: Manifest, rows: pa.Table, name: str = "rows.parquet") -> None:
    pq.write_table(rows, manifest.folder / name)


def test_a_changed_row_is_named_with_its_column_where_the_dataset_is_whole(store: Store) -> None:
    manifest = publish(store, MANY)
    numbers = MANY.rows.column("chars").to_pylist()
    numbers[9_000], numbers[9_001] = 1, 2
    wrong = MANY.rows.set_column(4, MANY.rows.schema.field(4), pa.array(numbers, pa.uint64()))
    _write_rows(manifest, wrong)
    fault = fault_of(store, manifest)
    assert fault.where == "rows.parquet, row 9,001 (traces:9001), column chars"
    true = MANY.rows.column("chars")[9_000].as_py()
    assert (fault.expected, fault.observed, fault.differing, fault.of) == (str(true), "1", 2, 20_000)
    shutil.rmtree(store.root / "datasets")
    fault = fault_of(store, manifest)
    assert fault.where == "rows.parquet, rows 8,193 to 16,384"
    assert fault.what == "1 block of 3 differ, first rows 8,193 to 16,384"


def test_rows_in_another_order_are_told_from_changed_ones(store: Store, manifest: Manifest) -> None:
    _write_rows(manifest, PARTS.rows.take(list(reversed(range(40)))))
    assert fault_of(store, manifest).cause == "the rows stand in another order: a tool wrote the file anew"


def test_rows_too_few_or_of_another_shape_are_faults(store: Store, manifest: Manifest) -> None:
    shutil.rmtree(store.root / "datasets")
    _write_rows(manifest, PARTS.rows.slice(0, 30))
    fault = fault_of(store, manifest)
    assert (fault.expected, fault.observed) == ("40 rows", "30 rows")
    _write_rows(manifest, PARTS.rows.drop_columns(["chars"]))
    assert "expected the columns" in fault_of(store, manifest).what


def test_block_digests_that_prove_nothing_are_not_believed(store: Store, manifest: Manifest) -> None:
    shutil.rmtree(store.root / "datasets")
    receipt = manifest.folder / "receipt.json"
    rewrite_json(receipt, lambda top: top["blocks"].update(rejects=["ab" * 32]))
    others = parts_of(traces(40), dropped=3, source="others").rejects
    _write_rows(manifest, others, "rejects.parquet")
    fault = fault_of(store, manifest)
    assert (fault.what, fault.expected) == ("its digest differs", manifest.identity.rejects_digest)


def test_a_receipt_that_vouches_for_wrong_bytes_proves_nothing(store: Store, manifest: Manifest) -> None:
    shutil.rmtree(store.root / "datasets")
    path = manifest.folder / "rows.parquet"
    _write_rows(manifest, parts_of(traces(40, first=2)).rows)
    data = path.read_bytes()
    stated = {"size": len(data), "sha256": _sha256(data)}
    rewrite_json(manifest.folder / "receipt.json", lambda top: top["files"].update({"rows.parquet": stated}))
    flip(path, 30, 2)
    assert "proven" not in fault_of(store, manifest).cause


@pytest.mark.parametrize("content", [["ab" * 32], "no list", [], ["short"]])
def test_block_digests_of_the_dataset_that_do_not_fit_are_a_fault_of_the_receipt(
    content: object, store: Store, manifest: Manifest
) -> None:
    rewrite_json(manifest.folder / "receipt.json", lambda top: top["blocks"].update(content=content))
    assert fault_of(store, manifest).where == "receipt.json, blocks content"


def test_damage_in_several_files_is_several_faults(store: Store, manifest: Manifest) -> None:
    flip(manifest.folder / "manifest.json", 30, 1)
    flip(manifest.folder / "rejects.parquet", 60, 1)
    (manifest.folder / "receipt.json").write_text("{}")
    told = verify(store, manifest.id)
    assert [fault.where.split(",")[0] for fault in told.faults] == [
        "manifest.json",
        "rejects.parquet",
        "receipt.json",
    ]
    assert complaint(told).endswith("and 2 more")
    assert complaint(told).count("\n") == 0


def test_a_manifest_that_contradicts_itself_under_its_own_id_is_a_fault(store: Store) -> None:
    false = replace(PARTS, identity=replace(PARTS.identity, order="mixed/xxh3-128/1")).sealed()
    folder = false.write(store.root / "manifests")
    fault = only_fault(verify(store, folder.name))
    assert fault.where == "manifest"
    assert "published" in fault.cause


def test_a_newer_format_is_an_error_and_no_fault(store: Store) -> None:
    data = canonical_bytes({**json.loads(PARTS.identity.data), "format": 2})
    folder = store.root / "manifests" / _sha256(data)
    folder.mkdir(parents=True)
    (folder / "manifest.json").write_bytes(data)
    with pytest.raises(FormatError, match="a newer one is needed"):
        verify(store, folder.name)
