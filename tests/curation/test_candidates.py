"""What a build holds of every row that became a trace is its key; the rest comes back from the disk."""

import tracemalloc
from contextlib import ExitStack
from pathlib import Path

import numpy as np

from curation.candidates import Candidates
from curation.formats.base import Layout
from curation.recipe import Columns
from curation.scan import Job, RowKeys
from curation.spill import PLACE

ROWS, PARTS = 1_000, 100


def keys_of(part: int) -> RowKeys:
    numbers = np.arange(part * ROWS, (part + 1) * ROWS, dtype=np.uint64)
    keys = np.stack([numbers, numbers + 1], axis=1).view(np.uint8)
    texts = np.zeros(ROWS, PLACE)
    texts["begin"] = numbers
    return RowKeys(
        numbers + 1, numbers * 2, numbers * 3, keys, keys[:, ::-1], np.empty((ROWS, 0), np.uint64), texts
    )


def test_a_candidate_takes_its_key_in_memory_and_nothing_else(tmp_path: Path) -> None:
    job = Job(Layout(Columns((1, 2, 3))), None, spill=tmp_path)
    with ExitStack() as stack:
        tracemalloc.start()
        candidates = Candidates(job, tmp_path, stack)
        for part in range(PARTS):
            candidates.add(keys_of(part))
        held, _ = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert held < 20 * ROWS * PARTS  # sixteen, and what a buffer has in hand to grow
        assert len(candidates) == len(candidates.contents) == ROWS * PARTS
        places = np.array([ROWS * PARTS - 1, 0, 5 * ROWS])
        rows, wheres, characters, prompts, texts = candidates.at(
            places, "rows", "places", "characters", "prompts", "texts"
        )
        assert rows.tolist() == (places + 1).tolist()
        assert wheres.tolist() == (places * 2).tolist()
        assert characters.tolist() == (places * 3).tolist()
        assert prompts.tolist() == candidates.contents[places, ::-1].tolist()
        assert texts["begin"].tolist() == places.tolist()
    assert list(tmp_path.iterdir()) == []
