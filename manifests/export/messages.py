r"""Traces as chats: what TRL's SFTTrainer and others take as `messages`.

The texts are those that `training` puts into its default template, so a chat template that adds nothing else (Gemma's)
gives the very text that a run here trains on. No field of its own for the reasoning: templates differ in what they call
it, and Gemma's knows none.
"""

from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from manifests import dataset
from manifests.dataset import parquet_writer
from manifests.export.markup import Yaml
from manifests.tables import BLOCK_ROWS

FEATURES: tuple[Mapping[str, Yaml], ...] = (
    {
        "name": "messages",
        "list": [{"name": "role", "dtype": "string"}, {"name": "content", "dtype": "string"}],
    },
    {"name": "source", "dtype": "string"},
    {"name": "row", "dtype": "uint64"},
)

_USER, _ASSISTANT = "user", "assistant"
_BEFORE, _BETWEEN = "<think>\n", "\n</think>\n\n"
TURN_BYTES = sum(
    map(len, (_USER, _ASSISTANT, _BEFORE, _BETWEEN))
)  # what a chat adds to the texts of its trace

# Texts of one Arrow array hold less than 2 GiB. A single trace is smaller than what is left above this.
PIECE_BYTES = 512 << 20

_MESSAGE = pa.struct(
    [pa.field("role", pa.string(), nullable=False), pa.field("content", pa.string(), nullable=False)]
)
SCHEMA = pa.schema(
    [
        pa.field("messages", pa.list_(_MESSAGE), nullable=False),
        pa.field("source", pa.string(), nullable=False),
        pa.field("row", pa.uint64(), nullable=False),
    ]
)


def message_pieces(block: pa.Table) -> Iterator[pa.Table]:
    r"""The rows of a block of the content table as chats, in order, in pieces of at most 512 MiB of text (or one row).

    A chat is a user's turn, the prompt, and an assistant's: `<think>\n{reasoning}\n</think>\n\n{answer}`.
    """
    texts = [block.column(name) for name in ("prompt", "reasoning", "answer")]
    sizes = sum(pc.binary_length(text).to_numpy().astype(np.int64) for text in texts)
    start, held = 0, 0
    for place, size in enumerate(np.asarray(sizes).tolist()):
        if held and held + size > PIECE_BYTES:
            yield _chats(block.slice(start, place - start))
            start, held = place, 0
        held += size
    if start < block.num_rows:
        yield _chats(block.slice(start))


def _chats(rows: pa.Table) -> pa.Table:
    prompt, reasoning, answer = (
        rows.column(name).combine_chunks() for name in ("prompt", "reasoning", "answer")
    )
    reply = pc.binary_join_element_wise(_BEFORE, reasoning, _BETWEEN, answer, "")
    count = rows.num_rows
    turns = pa.array(np.arange(2 * count).reshape(2, count).T.ravel())  # a user's, an assistant's, a user's …
    contents = pa.concat_arrays([prompt, reply]).take(turns)
    roles = pa.array([_USER, _ASSISTANT] * count, pa.string())
    structs = pa.StructArray.from_arrays([roles, contents], fields=list(_MESSAGE))
    offsets = pa.array(np.arange(count + 1, dtype=np.int32) * 2)
    chats = pa.ListArray.from_arrays(offsets, structs, type=SCHEMA.field("messages").type)
    return pa.Table.from_arrays([chats, rows.column("source"), rows.column("row")], schema=SCHEMA)


def write_messages(folder: Path, blocks: Iterable[pa.Table], rows: int) -> None:
    """Write the chats of a content table's blocks into `folder/data`, as many rows a file as a dataset has."""
    (folder / "data").mkdir(parents=True)
    files = max(1, -(-rows // dataset.FILE_ROWS))
    left = iter(blocks)
    for number in range(files):
        path = folder / "data" / f"train-{number:05}-of-{files:05}.parquet"
        with parquet_writer(path, SCHEMA) as writer:
            for block in islice(left, dataset.FILE_ROWS // BLOCK_ROWS):
                for piece in message_pieces(block):
                    writer.write_table(piece)
