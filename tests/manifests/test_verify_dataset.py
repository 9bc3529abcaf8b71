"""A dataset that is not the manifest's: the first row and column, how many, and what happened to it."""

import html
import shutil
import unicodedata
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from manifests.diagnosis.faults import Fault
from manifests.diagnosis.flow import verify
from manifests.diagnosis.texts import LARGEST_TEXT, text_fault
from manifests.keys import Trace, trace_keys
from manifests.manifest import Manifest
from manifests.store import Store
from tests.manifests.damaging import fault_of, rewrite_dataset, with_text
from tests.manifests.helpers import build_manifest, parts_of, publish, traces, write_jsonl

PARTS = parts_of(traces(40))
TEXT = Trace("Wie heißt\ndie Stadt Köln?", "Erst <denken>, dann “sagen”.\r\nSo.", "Wien & Umgebung")


@pytest.fixture
def store(store_path: Path) -> Store:
    return Store(store_path, behind=())


@pytest.fixture
def manifest(store: Store) -> Manifest:
    return publish(store, PARTS)


def changed(store: Store, manifest: Manifest, change: Callable[[pa.Table], pa.Table]) -> Fault:
    """The fault of a dataset whose content table was changed."""
    rewrite_dataset(store.root / "datasets" / manifest.id, change)
    return fault_of(store, manifest, dataset=True)


def test_without_dataset_or_deep_the_dataset_is_not_read(store: Store, manifest: Manifest) -> None:
    shutil.rmtree(store.root / "datasets" / manifest.id / "data")
    assert verify(store, manifest.id).verified
    assert not verify(store, manifest.id, deep=True).verified


@pytest.mark.parametrize(
    ("change", "row", "cause", "differing"),
    [
        (
            lambda table: table.slice(0, 30),
            "row 31 (traces:31)",
            "10 rows missing at the end: an incomplete copy",
            10,
        ),
        (
            lambda table: pa.concat_tables([table.slice(0, 9), table.slice(11)]),
            "row 10 (traces:10)",
            "2 rows missing, first traces:10: somebody filtered it; in their places",
            31,
        ),
        (
            lambda table: table.take(list(reversed(range(40)))),
            "row 1 (traces:1)",
            "only the order differs: all 40 rows are here, shuffled or put together anew",
            40,
        ),
        (
            lambda table: pa.concat_tables([table, table.slice(3, 2)]),
            "row 41",
            "every row is here, 2 rows more than once: files were copied twice",
            2,
        ),
        (
            lambda table: pa.concat_tables([table.slice(0, 20), table.slice(0, 20)]),
            "row 21 (traces:21)",
            "rows were lost, added or written anew in several places; 'curation regenerate' rebuilds the dataset",
            20,
        ),
    ],
)
def test_what_happened_to_the_rows_as_a_whole_is_told(
    change: Callable[[pa.Table], pa.Table],
    row: str,
    cause: str,
    differing: int,
    store: Store,
    manifest: Manifest,
) -> None:
    fault = changed(store, manifest, change)
    assert (fault.where.removeprefix("dataset, "), fault.cause) == (row, cause)
    assert (fault.differing, fault.of) == (differing, 40)


def test_a_dataset_sorted_by_a_tool_is_called_so(store: Store, tmp_path: Path) -> None:
    path = write_jsonl(tmp_path / "one.jsonl", traces(40))
    manifest = build_manifest(store.root, "mix", {"one": path}, order="mixed").manifest
    fault = changed(
        store, manifest, lambda table: table.sort_by([("source", "ascending"), ("row", "ascending")])
    )
    assert fault.cause == "only the order differs: all 40 rows are here, sorted by source and row"


@pytest.mark.parametrize("column", ["prompt", "reasoning", "answer"])
@pytest.mark.parametrize("bit", [0, 5])
def test_a_turned_bit_in_a_text_is_found_with_its_column(
    column: str, bit: int, store: Store, manifest: Manifest
) -> None:
    def change(table: pa.Table) -> pa.Table:
        text = table.column(column)[17].as_py()
        return with_text(table, 17, column, chr(ord(text[0]) ^ 1 << bit) + text[1:])

    fault = changed(store, manifest, change)
    assert fault.where == f"dataset, row 18 (traces:18), column {column}"
    assert fault.cause == "proven: one bit was turned, by a disk, a memory or a copy"
    true = PARTS.content.column(column)[17].as_py()
    assert str(fault.expected).strip("'") == true[:20]
    assert (fault.differing, fault.of) == (1, 40)


def test_rows_of_another_manifest_are_recognised_as_a_whole_and_by_file(
    store: Store, manifest: Manifest
) -> None:
    other = publish(store, parts_of(traces(40, first=500)), "other")
    whole, theirs = (store.root / "datasets" / one.id / "data" for one in (manifest, other))
    rewrite_dataset(
        whole.parent, lambda table: pa.concat_tables([table.slice(0, 39), _content(theirs).slice(39)])
    )
    fault = fault_of(store, manifest, dataset=True)
    assert fault.where.startswith("dataset, row 40 (traces:40)")
    assert (
        fault.cause == f"the row of manifest {other.id[:12]} stands here: files of its dataset were put here"
    )
    shutil.rmtree(whole)
    shutil.copytree(theirs, whole)
    fault = fault_of(store, manifest, dataset=True)
    assert (fault.what, other.id[:12] in fault.cause) == ("it is another manifest's", True)


def _content(folder: Path) -> pa.Table:
    return pq.read_table(min(folder.glob("*.parquet")))


def test_a_missing_file_is_an_incomplete_copy(store: Store) -> None:
    manifest = publish(store, parts_of(traces(70_000)))
    folder = store.root / "datasets" / manifest.id / "data"
    (folder / "train-00001-of-00002.parquet").unlink()
    fault = fault_of(store, manifest, dataset=True)
    assert fault.what == "1 file missing: train-00001-of-00002.parquet"
    assert fault.cause == "an incomplete copy; fetch it again"
    (folder / "train-00000-of-00002.parquet").rename(folder / "aside")
    assert fault_of(store, manifest, dataset=True).what == "no data/train-*.parquet in it"


def test_a_file_that_can_t_be_decoded_says_how_far_it_can(store: Store) -> None:
    manifest = publish(store, parts_of(traces(20_000)))
    file = store.root / "datasets" / manifest.id / "data" / "train-00000-of-00001.parquet"
    with pq.ParquetFile(file) as parquet:
        place = parquet.metadata.row_group(1).column(2).data_page_offset + 200
    data = bytearray(file.read_bytes())
    data[place] ^= 255
    file.write_bytes(data)
    fault = fault_of(store, manifest, dataset=True)
    assert fault.where == "dataset, data/train-00000-of-00001.parquet"
    assert fault.what.startswith("after its row 8,192: can't be read")
    file.write_bytes(data[:5_000])
    assert fault_of(store, manifest, dataset=True).where == "dataset, data/train-00000-of-00001.parquet"


@pytest.mark.parametrize(("value", "what"), [(None, "a null"), (b"\xff\xfe", "text that is not UTF-8")])
def test_a_row_that_is_no_trace_is_named(
    value: bytes | None, what: str, store: Store, manifest: Manifest
) -> None:
    def change(table: pa.Table) -> pa.Table:
        answers = table.column("answer").cast(pa.binary()).to_pylist()
        answers[5] = value
        array = pa.array(answers, pa.binary())
        column = pa.StringArray.from_buffers(
            len(array), array.buffers()[1], array.buffers()[2], array.buffers()[0]
        )
        return table.set_column(4, pa.field("answer", pa.string()), column)

    fault = changed(store, manifest, change)
    assert fault.where == "dataset, row 6 (traces:6)"
    assert fault.what.startswith(what)
    assert fault.differing == 1


def keys(trace: Trace) -> tuple[bytes, bytes, int]:
    return (*trace_keys(trace), sum(map(len, trace)))


@pytest.mark.parametrize(
    ("tool", "words"),
    [
        (lambda text: unicodedata.normalize("NFD", text), "Unicode normalisation, it was in form NFC"),
        (lambda text: text.replace("\r\n", "\n"), "CRLF was made LF"),
        (lambda text: html.escape(text, quote=False), "it was escaped as HTML"),
        (lambda text: text.encode().decode("latin-1"), "UTF-8 was read as Latin-1"),
        (lambda text: f"{text}\n", "whitespace was put at its ends"),
        (lambda text: text.replace("Stadt", "Stodt"), "one character was changed"),
        (lambda text: text.replace("Stadt", "Stat"), "one character was lost"),
        (lambda text: text.replace("Stadt", "Staadt"), "one character was added"),
    ],
)
def test_what_a_tool_did_to_a_text_is_proven_by_undoing_it(tool: Callable[[str], str], words: str) -> None:
    told = text_fault(Trace(*(tool(part) for part in TEXT)), *keys(TEXT))
    assert words in told.cause
    assert told.cause.startswith("proven")
    assert told.expected != told.observed


def test_swapped_columns_are_told() -> None:
    assert "swapped" in text_fault(Trace(TEXT.prompt, TEXT.answer, TEXT.reasoning), *keys(TEXT)).cause


@pytest.mark.parametrize(
    ("seen", "words"),
    [
        (TEXT._replace(reasoning="Erst den�, dann ��."), "U+FFFD"),
        (Trace("Wie heißt die Stadt?", "Erst", "Wien"), "folded whitespace"),
        (Trace("Wie heißt\ndie Stadt?", "Erst", "Wien"), "normalisation or a cut"),
        (Trace("Which\ntown?", "First", "Vienna"), "cut or edited"),
        (Trace(TEXT.prompt * 3, TEXT.reasoning, TEXT.answer), "characters more"),
        (TEXT._replace(answer="Graz & Umgebunf"), "as many characters"),
        (TEXT._replace(answer="x" * (LARGEST_TEXT + 1)), "too long to look"),
    ],
)
def test_what_can_t_be_proven_is_called_likely_at_most(seen: Trace, words: str) -> None:
    told = text_fault(seen, *keys(TEXT))
    assert words in told.cause
    assert "proven" not in told.cause


def test_a_prompt_whose_key_differs_is_the_column() -> None:
    assert text_fault(TEXT._replace(prompt="Was ganz anderes"), *keys(TEXT)).column == "prompt"
    assert (
        text_fault(
            TEXT._replace(prompt=TEXT.prompt.replace("Stadt", "STADT"), answer="?"), *keys(TEXT)
        ).column
        == ""
    )


@given(st.text(min_size=1, max_size=30), st.text(min_size=1, max_size=30))
def test_a_text_that_was_edited_at_will_never_counts_as_proven_unless_it_is_undone(
    ours: str, theirs: str
) -> None:
    true, seen = Trace("p", "r", ours), Trace("p", "r", theirs)
    if ours == theirs or not ours.isascii() or not theirs.isascii():
        return
    told = text_fault(seen, *keys(true))
    if told.cause.startswith("proven") and told.expected is not None:
        assert told.expected.strip("'\"")[:5] in repr(ours) or told.column != "answer"
