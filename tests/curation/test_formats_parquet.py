"""Parquet by row groups and by places."""

import random
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curation.errors import SourceError
from curation.files import SourceFile
from curation.formats import parquet
from curation.formats.base import Layout, Notes, Span
from curation.readers import placed_rows, read_head
from curation.traces import Fault
from tests.curation.helpers import message_of
from tests.curation.reading import PAIR, read_at, read_whole

LAYOUT = Layout(PAIR)
TEXTS = st.lists(st.text(max_size=20) | st.none(), max_size=12)


def table(texts: list[str | None]) -> pa.Table:
    column = pa.array(texts, type=pa.string())
    return pa.table({"prompt": column, "response": column.dictionary_encode()})


@settings(max_examples=40)
@given(
    texts=TEXTS,
    group=st.integers(1, 7),
    longest=st.integers(1, 60),
    chosen=st.randoms(use_true_random=False),
    batch=st.integers(1, 40),
)
def test_row_groups_one_by_one_and_rows_by_their_places_are_those_of_the_whole_file(
    tmp_path_factory: pytest.TempPathFactory,
    texts: list[str | None],
    group: int,
    longest: int,
    chosen: random.Random,
    batch: int,
) -> None:
    path = tmp_path_factory.mktemp("parquet") / "a.parquet"
    pq.write_table(table(texts), path, row_group_size=group)
    layout, file = Layout(PAIR, max_row_bytes=longest), SourceFile(path.name, path)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(parquet, "_BATCH_BYTES", batch)
        once = read_whole(path, layout)
        head = read_head(file, layout)
        spans = [Span(number, number + 1) for number in range(head.end)]
        parts = [placed for span in spans for placed in placed_rows(file, layout, head, span, Notes())]
        some = [placed for placed in once.placed if chosen.random() < 0.6]
        at = read_at(path, layout, [place for place, _ in some])
    assert once.placed == parts
    assert at == [raw for _, raw in some]
    assert [place for place, _ in once.placed] == list(range(len(texts)))
    cells = [Fault.NULL if text is None else text for text in texts]
    assert once.raw == [
        Fault.TOO_LARGE if 2 * len((text or "").encode()) > longest else (cell, cell)
        for text, cell in zip(texts, cells, strict=True)
    ]


def test_a_column_that_is_used_twice_counts_once_and_one_that_is_not_used_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"prompt": ["12345"], "response": ["123"], "other": ["x" * 99]}), path)
    for columns, size in ((("prompt", "response"), 8), (("prompt", "prompt"), 5)):
        chosen = type(PAIR)(columns)
        assert read_whole(path, Layout(chosen, max_row_bytes=size)).raw != [Fault.TOO_LARGE]
        assert read_whole(path, Layout(chosen, max_row_bytes=size - 1)).raw == [Fault.TOO_LARGE]


def test_of_texts_that_only_point_into_a_dictionary_few_are_read_at_once(tmp_path: Path) -> None:
    """A file of kilobytes may stand for gigabytes of text."""
    path = tmp_path / "a.parquet"
    texts = pa.DictionaryArray.from_arrays(pa.array([0] * 3000, pa.int32()), ["x" * 4_000_000])
    pq.write_table(pa.table({"prompt": texts, "response": texts}), path, compression="zstd")
    assert path.stat().st_size < 30_000
    file = SourceFile(path.name, path)
    before = pa.total_allocated_bytes()
    for rows, _ in enumerate(placed_rows(file, LAYOUT, read_head(file, LAYOUT), Span(0, 1), Notes())):
        assert pa.total_allocated_bytes() - before < 60_000_000
        if rows > 200:
            break


def test_a_file_of_another_schema_is_refused_with_its_own_name(tmp_path: Path) -> None:
    for name, other in (("b.parquet", {"prompt": ["a"], "answer": ["b"]}), ("c.parquet", {"prompt": [1]})):
        pq.write_table(pa.table(other), tmp_path / name)
        with pytest.raises(SourceError) as raised:
            read_head(SourceFile(name, tmp_path / name), LAYOUT)
        assert message_of(raised).startswith(f"{tmp_path / name}: ")
        assert message_of(raised).endswith("; mend 'columns'")


def test_a_folder_and_a_file_that_is_gone_are_named_so(tmp_path: Path) -> None:
    (tmp_path / "a.parquet").mkdir()
    for name, what in (("a.parquet", "is a directory"), ("b.parquet", r"can't be read \(No such file")):
        with pytest.raises(SourceError, match=what):
            read_head(SourceFile(name, tmp_path / name), LAYOUT)
