"""Texts put aside in files and found again."""

import json
import os
from pathlib import Path

import numpy as np
import pytest

from curation.spill import PLACE, Places, SpillReader, SpillWriter, spill_path
from manifests.keys import Trace
from tests.curation.helpers import run_python, traces

TRACES = [Trace("ä", "\U0001f600" * 3, "a\0b"), *traces(5), Trace("x" * 100_000, "y", "z")]


def put(folder: Path, *rows: Trace) -> Places:
    with SpillWriter(folder) as spill:
        for row in rows:
            spill.put(row)
        return spill.places()


def test_what_was_put_aside_is_found_again_in_any_order(tmp_path: Path) -> None:
    places = put(tmp_path, *TRACES)
    assert places.shape == (len(TRACES),)
    order = [3, 0, 6, 0, 1, 5, 2, 4]
    with SpillReader(tmp_path) as texts:
        assert list(texts.traces(places[order])) == [TRACES[place] for place in order]
        columns = texts.columns(places)
    assert [str(column.type) for column in columns] == ["string"] * 3
    assert list(zip(*(column.to_pylist() for column in columns), strict=True)) == TRACES


def test_what_is_put_aside_later_does_not_move_what_was_there(tmp_path: Path) -> None:
    places = np.concatenate([put(tmp_path, trace) for trace in TRACES])
    with SpillReader(tmp_path) as texts:
        assert list(texts.traces(places)) == TRACES
    assert [path.name for path in tmp_path.iterdir()] == [spill_path(tmp_path, os.getpid()).name]


def test_nothing_put_aside_is_no_places(tmp_path: Path) -> None:
    assert put(tmp_path).shape == (0,)
    with SpillReader(tmp_path) as texts:
        assert list(texts.traces(put(tmp_path))) == []


PROGRAM = """
import json, sys
from pathlib import Path
from curation.spill import SpillWriter
from tests.curation.helpers import traces
with SpillWriter(Path(sys.argv[1])) as spill:
    for trace in traces(100, first=int(sys.argv[2])):
        spill.put(trace)
    print(json.dumps(spill.places().tolist()))
"""


def test_every_process_has_a_file_of_its_own(tmp_path: Path) -> None:
    found = [run_python("-c", PROGRAM, tmp_path, first) for first in (1, 500)]
    assert len(list(tmp_path.iterdir())) == 2
    places = np.array([tuple(place) for text in found for place in json.loads(text)], PLACE)
    with SpillReader(tmp_path) as texts:
        assert list(texts.traces(places)) == [*traces(100), *traces(100, first=500)]


def test_a_file_that_is_gone_or_cut_is_an_error_and_not_other_texts(tmp_path: Path) -> None:
    places = put(tmp_path, *TRACES)
    path = spill_path(tmp_path, os.getpid())
    os.truncate(path, path.stat().st_size - 1)
    with SpillReader(tmp_path) as texts, pytest.raises(OSError, match="shorter than it was"):
        texts.columns(places)
    path.unlink()
    with SpillReader(tmp_path) as texts, pytest.raises(FileNotFoundError):
        texts.columns(places)
