"""Croissant: what mlcroissant says of the description, and the records that it reads by it."""

import json
from pathlib import Path

import mlcroissant
import pyarrow as pa
import pytest

from manifests import dataset
from manifests.export.croissant import croissant
from manifests.export.exporting import export
from manifests.export.markup import json_text
from manifests.keys import Trace
from manifests.tables import BLOCK_ROWS
from tests.manifests.export_parts import LATER, chain, facts_of, published
from tests.manifests.helpers import parts_of, traces

# mlcroissant calls what rdflib and pandas are about to replace.
pytestmark = [
    pytest.mark.filterwarnings("ignore:ConjunctiveGraph is deprecated:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:The inplace keyword in DataFrame.reset_index is deprecated"),
]

COLUMNS = ("source", "row", "prompt", "reasoning", "answer")
AWKWARD = [
    Trace("nan", "NaN", "None"),
    Trace("2020-01-01", "1e5", "007"),
    Trace("<script>&amp;", "a\0b\x1b[31m", "\U0001f600 ü \u202e"),
    Trace("two\nlines", "a\r\nb", 'quoted "text", with commas'),
]


def described(folder: Path) -> mlcroissant.Dataset:
    return mlcroissant.Dataset(str(folder / "croissant.json"))


def records(folder: Path) -> list[tuple[str | int, ...]]:
    """What mlcroissant reads, texts decoded: it hands them out as UTF-8."""
    return [
        tuple(
            value.decode() if isinstance(value := record[f"traces/{name}"], bytes) else int(value)
            for name in COLUMNS
        )
        for record in described(folder).records(record_set="traces")
    ]


def expected(parts_content: pa.Table) -> list[tuple[str | int, ...]]:
    return list(zip(*(parts_content.column(name).to_pylist() for name in COLUMNS), strict=True))


def test_mlcroissant_finds_no_fault_and_misses_the_date_alone(tmp_path: Path) -> None:
    issues = described(
        export(chain(tmp_path), LATER, "croissant", tmp_path / "out").folder
    ).metadata.ctx.issues
    assert list(issues.errors) == []
    assert [str(warning).rpartition("/")[2] for warning in issues.warnings] == [
        'datePublished" is recommended, but does not exist.'
    ]


def test_the_records_are_the_rows_in_order_over_all_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dataset, "FILE_ROWS", BLOCK_ROWS)
    parts = parts_of([*traces(BLOCK_ROWS - 2), *AWKWARD])
    store, _ = published(tmp_path, parts)
    folder = export(store, "mix", "croissant", tmp_path / "out").folder
    assert len(list(folder.rglob("train-*.parquet"))) == 2
    assert records(folder) == expected(parts.content)


def test_every_data_file_stands_with_its_size_and_digest(tmp_path: Path) -> None:
    done = export(chain(tmp_path), LATER, "croissant", tmp_path / "out")
    stated = json.loads((done.folder / "croissant.json").read_text())["distribution"]
    (data,) = [file for file in done.files if "/train-" in file.path]
    assert [(entry["contentUrl"], entry["sha256"], entry["contentSize"]) for entry in stated[:-1]] == [
        (data.path, data.sha256, f"{data.size} B")
    ]
    assert {file.name for file in done.folder.glob(stated[-1]["includes"])} == {stated[0]["name"]}


def test_the_id_is_what_is_cited(tmp_path: Path) -> None:
    store = chain(tmp_path)
    metadata = described(export(store, LATER, "croissant", tmp_path / "out").folder).metadata
    assert store.resolve(LATER) in metadata.cite_as
    assert metadata.version == "1.0.0"
    assert metadata.license == ["https://spdx.org/licenses/CC-BY-4.0.html"]


def test_the_version_is_its_own_even_where_the_name_went_on_to_another(tmp_path: Path) -> None:
    store = chain(tmp_path)
    identifier = store.resolve(LATER)
    (store.root / "refs" / LATER / "9").write_text(f"{store.resolve('early')}\n")
    done = export(store, identifier, "croissant", tmp_path / "out")
    assert json.loads((done.folder / "croissant.json").read_text())["version"] == "1.0.0"


@pytest.mark.parametrize("words", ["</script><script>", "http://example.org/ |", "_:b0", "@id", "{}"])
def test_the_words_of_a_licence_stay_words(words: str, tmp_path: Path) -> None:
    path = tmp_path / "croissant.json"
    path.write_text(json_text(croissant(facts_of(licenses={"traces": words}))))
    assert mlcroissant.Dataset(str(path)).metadata.license == [words]
    assert "<" not in path.read_text()
