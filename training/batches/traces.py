"""A manifest's traces as tokens, and the batches assembled from them."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from manifests.manifest import Manifest
from manifests.row_keys import fixed_width_bytes
from training.batches.plan import TraceSizes
from training.batches.templates import EncodedTrace, Template, encode_traces
from training.batches.token_cache import SCHEMA, TokenCache
from training.batches.tokenizer import Tokenizer

AT_ONCE = 1_024
"""Traces that are encoded together: what memory holds of them, and enough to keep many cores busy."""


class Batch(NamedTuple):
    """The arrays of a step, each [rows, length].

    tokens    int32: traces one behind the other, then padding
    segments  int32: the traces of a row from 1, padding 0
    targets   int32: the token after each place
    weights   float32: 1 where that token is trained on
    """

    tokens: npt.NDArray[np.int32]
    segments: npt.NDArray[np.int32]
    targets: npt.NDArray[np.int32]
    weights: npt.NDArray[np.float32]


@dataclass(frozen=True)
class EncodedManifest:
    """All traces of a manifest as tokens, and what a plan knows of them."""

    cache: TokenCache
    sizes: TraceSizes

    def tokens(self, sample: int) -> npt.NDArray[np.int32]:
        """The tokens of the trace at a place in the manifest, from 1."""
        return self.cache.tokens(sample)


def encoded_batches(
    blocks: Iterable[pa.Table], tokenizer: Tokenizer, template: Template, progress: Callable[[int], None]
) -> Iterator[pa.RecordBatch]:
    """The traces of a dataset's blocks as a token cache holds them, a thousand or so at a time.

    `progress` is told the traces encoded so far.
    """
    done = 0
    for block in blocks:
        for start in range(0, block.num_rows, AT_ONCE):
            part = block.slice(start, AT_ONCE)
            texts = (part.column(name).to_pylist() for name in ("prompt", "reasoning", "answer"))
            yield _record_batch(encode_traces(template, tokenizer, *texts))
            done += part.num_rows
            progress(done)


def encoded_manifest(manifest: Manifest, cache: TokenCache) -> EncodedManifest:
    """The traces of a manifest from their tokens and its rows table."""
    contents, codes, names = (
        [np.empty((0, 16), dtype=np.uint8)],
        list[npt.NDArray[np.int32]](),
        dict[str, int](),
    )
    for block in manifest.row_blocks():
        contents.append(fixed_width_bytes(block.column("content")))
        sources = block.column("source").combine_chunks().dictionary_encode()
        numbers = [names.setdefault(name, len(names)) for name in sources.dictionary.to_pylist()]
        codes.append(np.array(numbers, dtype=np.int32)[sources.indices.to_numpy()])
    sizes = TraceSizes(
        lengths=cache.lengths,
        loss_starts=cache.loss_starts,
        loss_ends=cache.loss_ends,
        faults=cache.faults,
        contents=np.concatenate(contents),
        sources=np.concatenate([np.empty(0, dtype=np.int32), *codes]),
        names=tuple(names),
    )
    return EncodedManifest(cache, sizes)


def assemble_batch(
    lines: Mapping[str, npt.NDArray[np.int64]], encoded: EncodedManifest, rows: int, length: int, pad: int
) -> Batch:
    """The batch of a step from its lines of the plan."""
    tokens = np.full((rows, length), pad, dtype=np.int32)
    segments = np.zeros((rows, length), dtype=np.int32)
    trained = np.zeros((rows, length), dtype=np.float32)
    in_row = [0] * rows
    columns = (
        lines[name].tolist() for name in ("row", "offset", "length", "sample", "loss_start", "loss_end")
    )
    for row, offset, size, sample, loss_start, loss_end in zip(*columns, strict=True):
        in_row[row - 1] += 1
        tokens[row - 1, offset : offset + size] = encoded.tokens(sample)
        segments[row - 1, offset : offset + size] = in_row[row - 1]
        trained[row - 1, loss_start:loss_end] = 1
    targets, weights = np.full_like(tokens, pad), np.zeros_like(trained)
    targets[:, :-1], weights[:, :-1] = tokens[:, 1:], trained[:, 1:]
    return Batch(tokens, segments, targets, weights)


def _record_batch(traces: list[EncodedTrace]) -> pa.RecordBatch:
    offsets = np.cumsum([0, *(len(trace.ids) for trace in traces)], dtype=np.int32)
    values = np.concatenate([trace.ids for trace in traces])
    columns = [
        pa.ListArray.from_arrays(pa.array(offsets), pa.array(values), type=SCHEMA.field("tokens").type),
        pa.array([trace.loss_start for trace in traces], pa.uint32()),
        pa.array([trace.loss_end for trace in traces], pa.uint32()),
        pa.array([trace.fault for trace in traces], pa.uint8()),
    ]
    return pa.RecordBatch.from_arrays(columns, schema=SCHEMA)
