"""A manifest's traces as tokens, and the batches assembled from them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from manifests.manifest import Manifest
from manifests.store import Store
from training.plan import TraceSizes
from training.templates import EncodedTrace, Template, encode_traces
from training.tokenizer import Tokenizer


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
    """All traces of a manifest, one behind the other: trace s has `tokens[offsets[s]:offsets[s + 1]]`."""

    tokens: npt.NDArray[np.int32]
    offsets: npt.NDArray[np.int64]
    sizes: TraceSizes


def encode_manifest(
    store: Store,
    manifest: Manifest,
    tokenizer: Tokenizer,
    template: Template,
    progress: Callable[[int], None],
) -> EncodedManifest:
    """Encode a manifest's dataset, verified block by block as it is read.

    `progress` is told the traces encoded so far. Raises `MissingDatasetError`, `VerificationError` (of manifests).
    """
    encoded: list[EncodedTrace] = []
    for block in store.dataset_blocks(manifest):
        texts = (block.column(name).to_pylist() for name in ("prompt", "reasoning", "answer"))
        encoded.extend(encode_traces(template, tokenizer, *texts))
        progress(len(encoded))
    lengths = np.array([len(trace.ids) for trace in encoded], dtype=np.int64)
    sizes = TraceSizes(
        lengths=lengths,
        loss_starts=np.array([trace.loss_start for trace in encoded], dtype=np.int64),
        loss_ends=np.array([trace.loss_end for trace in encoded], dtype=np.int64),
        contents=manifest.rows.column("content").to_pylist(),
        sources=manifest.rows.column("source").to_pylist(),
        forges_turn=np.array([trace.forges_turn for trace in encoded], dtype=np.bool_),
    )
    tokens = np.concatenate([np.empty(0, dtype=np.int32), *(trace.ids for trace in encoded)])
    return EncodedManifest(tokens, np.concatenate([[0], np.cumsum(lengths)]), sizes)


def assemble_batch(
    lines: Mapping[str, npt.NDArray[np.int64]], encoded: EncodedManifest, rows: int, length: int, pad: int
) -> Batch:
    """The batch of a step from its lines of the plan."""
    tokens = np.full((rows, length), pad, dtype=np.int32)
    segments = np.zeros((rows, length), dtype=np.int32)
    trained = np.zeros((rows, length), dtype=np.float32)
    columns = (lines[name] for name in ("row", "offset", "length", "sample", "loss_start", "loss_end"))
    for row, offset, size, sample, loss_start, loss_end in zip(*columns, strict=True):
        start = encoded.offsets[sample - 1]
        tokens[row - 1, offset : offset + size] = encoded.tokens[start : start + size]
        segments[row - 1, offset : offset + size] = segments[row - 1].max() + 1
        trained[row - 1, loss_start:loss_end] = 1
    targets, weights = np.full_like(tokens, pad), np.zeros_like(trained)
    targets[:, :-1], weights[:, :-1] = tokens[:, 1:], trained[:, 1:]
    return Batch(tokens, segments, targets, weights)
