"""Chats: the texts that `training` trains on, a turn of the user's and one of the assistant's for every trace."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from manifests.export import messages
from manifests.export.exporting import export
from manifests.export.messages import message_pieces
from manifests.keys import Trace
from manifests.store import Store
from tests.manifests.export_parts import LATER, chain, front_matter
from tests.manifests.helpers import parts_of, traces
from training.batches.templates import TEMPLATES

TEXT = st.text(st.characters(codec="utf-8"), min_size=1)
TRACES = st.lists(st.builds(Trace, TEXT, TEXT, TEXT), max_size=9)
DEFAULT_TEMPLATE = TEMPLATES["gemma-think/1"]


def chats(pieces: list[pa.Table]) -> list[tuple[str, int, list[dict[str, str]]]]:
    return [(row["source"], row["row"], row["messages"]) for piece in pieces for row in piece.to_pylist()]


def expected(rows: list[Trace]) -> list[tuple[str, int, list[dict[str, str]]]]:
    return [
        (
            "traces",
            number,
            [
                {"role": "user", "content": row.prompt},
                {"role": "assistant", "content": DEFAULT_TEMPLATE.completion(row.reasoning, row.answer)},
            ],
        )
        for number, row in enumerate(rows, 1)
    ]


@given(TRACES)
def test_a_chat_holds_the_texts_of_the_default_template(rows: list[Trace]) -> None:
    pieces = list(message_pieces(parts_of(rows).content))
    assert len(pieces) == bool(rows)
    assert chats(pieces) == expected(rows)


@given(TRACES, st.integers(1, 60))
def test_pieces_are_bounded_and_lose_no_row(rows: list[Trace], most: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(messages, "PIECE_BYTES", most)
        pieces = list(message_pieces(parts_of(rows).content))
    assert chats(pieces) == expected(rows)
    assert all(piece.num_rows for piece in pieces)
    for piece in pieces:
        texts = [message["content"].encode() for _, _, chat in chats([piece]) for message in chat]
        added = piece.num_rows * (messages.TURN_BYTES - len("userassistant"))
        assert piece.num_rows == 1 or sum(map(len, texts)) - added <= most


@given(st.integers(0, 5), st.integers(0, 5))
def test_rows_of_a_part_of_a_table_are_those_of_the_part(start: int, count: int) -> None:
    rows = traces(8)
    pieces = list(message_pieces(parts_of(rows).content.slice(start, count)))
    assert chats(pieces) == expected(rows)[start : start + count]


def test_the_card_states_the_size_of_the_chats(tmp_path: Path) -> None:
    store = chain(tmp_path)
    folder = export(store, LATER, "messages", tmp_path / "out").folder
    (data,) = (folder / "data").iterdir()
    texts = 0
    for row in pq.read_table(data).to_pylist():
        strings = [row["source"], *(text for message in row["messages"] for text in message.values())]
        texts += sum(len(text.encode()) for text in strings) + 8
    info = front_matter((folder / "README.md").read_text())["dataset_info"]
    assert info["splits"][0]["num_bytes"] == texts


def test_the_folder_holds_manifests_and_names_but_no_other_data(tmp_path: Path) -> None:
    store = chain(tmp_path)
    folder = export(store, LATER, "messages", tmp_path / "out").folder
    there = Store(folder, behind=())
    assert there.resolve(LATER) == store.resolve(LATER)
    assert there.dataset_folder(there.manifest(LATER)) is None
    assert "--dataset" not in (folder / "README.md").read_text()
