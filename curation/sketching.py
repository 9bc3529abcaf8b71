"""Sketches of the rows of a mix, made from the texts that were put aside for it."""

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import numpy as np

from curation.progress import Progress
from curation.spill import TEXTS, Places, SpillReader
from curation.workers.base import Workers
from manifests.keys import Trace
from manifests.similarity.sketch import SKETCH_BYTES, Sketches, sketches, text_of

_PORTION_BYTES = 4 << 20


def sketches_of(texts: Places, folder: Path, workers: Workers, progress: Progress) -> Sketches:
    """The sketch of each text put aside in `folder`, in the order of the places, however many processes work.

    Texts are read in the order in which they lie there, and a few megabytes at a time: by the workers where they see
    the folder, else for them.
    """
    progress.begin("sketches")
    result = np.empty((len(texts), SKETCH_BYTES), np.uint8)
    order = np.argsort(texts, order=("process", "begin"))
    done = 0
    portions = _portions(texts[order])
    tasks: Iterator[_Portion] = map(_Portion, portions)
    if not workers.shares_files:
        tasks = (_Portion(portion, tuple(_read(folder, portion))) for portion in portions)
    for portion, found in workers.ordered(_sketch, folder, tasks):
        result[order[done : done + len(found)]] = found
        done += len(found)
        progress.step(len(found), int(_sizes(portion.places).sum()))
    return result


class _Portion(NamedTuple):
    """Texts by their places, and themselves for those who don't see the folder that they lie in."""

    places: Places
    traces: tuple[Trace, ...] | None = None


def _sketch(folder: Path, portion: _Portion) -> Sketches:
    traces = _read(folder, portion.places) if portion.traces is None else portion.traces
    return sketches(map(text_of, traces))


def _read(folder: Path, places: Places) -> Iterator[Trace]:
    with SpillReader(folder) as reader:
        yield from reader.traces(places)


def _portions(texts: Places) -> Iterator[Places]:
    number = np.cumsum(_sizes(texts)) // _PORTION_BYTES
    edges = [0, *(np.flatnonzero(np.diff(number)) + 1).tolist(), len(texts)]
    return (texts[begin:end] for begin, end in pairwise(edges) if begin < end)


def _sizes(texts: Places) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    return sum((texts[name].astype(np.int64) for name in TEXTS), np.zeros(len(texts), np.int64))
