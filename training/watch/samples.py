"""Replies of a network to a few held-out prompts, again and again: `samples.jsonl`.

Always the same prompts, decoded greedily, so that what differs between two steps is what was learnt between them.
"""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa

from training.errors import RunFolderError
from training.replies.reply import kept_share
from training.runs.lines import append_line, read_lines

SAMPLES = "samples.jsonl"
PROMPTS = 8
PROMPT_MOST = 512  # tokens
REPLY_MOST = 1024  # tokens, the end of turn counted


@dataclass(frozen=True)
class Sample:
    """A reply as it is kept: a line of `samples.jsonl`. `lapse` says how it breaks the template's format, if it does.

    `step` is the number of steps behind which it was made, 0 for before the first; `tokens` has the end of turn.
    """

    step: int
    sample: int
    source: str
    prompt: str
    reply: str
    tokens: int
    lapse: str | None


def choose_samples(held_out: pa.Table, source_of: Callable[[int], str]) -> list[int]:
    """The samples to watch: by source in turn, the first of each in the held-out table, then the second, at most 8.

    Only traces that are short enough: one whose reply would be cut off tells nothing of the format.
    """
    columns = {name: held_out.column(name).to_numpy().astype(np.int64) for name in held_out.column_names}
    prompts = columns["loss_start"] - columns["offset"]
    replies = columns["loss_end"] - columns["loss_start"]
    short = (prompts <= PROMPT_MOST) & (replies <= REPLY_MOST)
    by_source: dict[str, list[int]] = {}
    for sample in columns["sample"][short].tolist():
        by_source.setdefault(source_of(sample), []).append(sample)
    turns = [
        (turn, place, sample)
        for place, samples in enumerate(by_source.values())
        for turn, sample in enumerate(samples)
    ]
    return [sample for _, _, sample in sorted(turns)[:PROMPTS]]


def append_samples(path: Path, samples: Sequence[Sample]) -> None:
    """Add replies, on disk when this returns."""
    for sample in samples:
        append_line(path, asdict(sample))


def read_samples(path: Path) -> list[Sample]:
    """The replies that a run has kept, none without the file. Raises `RunFolderError` for lines that are none."""
    samples = []
    for number, line in enumerate(read_lines(path), 1):
        if line.keys() != _TYPES.keys() or not all(isinstance(line[key], _TYPES[key]) for key in _TYPES):
            raise RunFolderError(f"{path}, line {number}: not a sample; the run is damaged")
        samples.append(Sample(**line))
    return samples


def format_share(samples: Sequence[Sample]) -> float:
    """The share of replies that keep the format, of at least one reply."""
    return kept_share(sample.lapse for sample in samples)


_TYPES = {
    "step": int,
    "sample": int,
    "source": str,
    "prompt": str,
    "reply": str,
    "tokens": int,
    "lapse": str | None,
}
