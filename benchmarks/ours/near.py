"""Near duplicates by the functions of a build. Run by the contest `near`.

    python -m benchmarks.ours.near TEXTS PROCESSES OUT

TEXTS is a JSON list of [prompt, reasoning, answer]. Processes hold the traces before the clock runs, as the workers of
a build do. The rows that are dropped, counted from 0, go to OUT/dropped.json: each is nearer to a row that stays than
the threshold, by the true Jaccard index.
"""

import json
import multiprocessing
import sys
import time
from pathlib import Path

import numpy as np

from curation.near.search import band_keys, find_near
from curation.recipe import Near
from manifests.keys import Trace

BATCH = 1000
Keys = np.ndarray[tuple[int, int], np.dtype[np.uint64]]
_held: list[tuple[list[Trace], Near]] = []


def main() -> None:
    """Find, write, tell the seconds."""
    traces = [Trace(*texts) for texts in json.loads(Path(sys.argv[1]).read_bytes())]
    near, processes = Near(), int(sys.argv[2])
    firsts = range(0, len(traces), BATCH)
    with multiprocessing.get_context("fork").Pool(processes, _hold, (traces, near)) as pool:
        pool.map(_keys_from, firsts)  # what numpy and the hash make at their first call is there
        began = time.perf_counter()
        bands = np.empty((len(traces), near.bands), dtype=np.uint64)
        for first, keys in zip(firsts, pool.imap(_keys_from, firsts), strict=True):
            bands[first : first + len(keys)] = keys
        found = find_near(bands, near, lambda places: [traces[place] for place in places])
        seconds = time.perf_counter() - began
    dropped = sorted(int(pair[0]) for pair in found.pairs)
    (Path(sys.argv[3]) / "dropped.json").write_text(json.dumps(dropped), encoding="ascii")
    print(json.dumps({"seconds": seconds, "candidates": candidate_pairs(bands), "verified": found.verified}))


def _hold(traces: list[Trace], near: Near) -> None:
    _held.append((traces, near))


def _keys_from(first: int) -> Keys:
    ((traces, near),) = _held
    return band_keys(traces[first : first + BATCH], near)


def candidate_pairs(bands: Keys) -> int:
    """Different pairs of rows that share a band key."""
    pairs: set[tuple[int, int]] = set()
    for band in bands.T:
        sharing: dict[int, list[int]] = {}
        for row, key in enumerate(band.tolist()):
            others = sharing.setdefault(key, [])
            pairs.update((other, row) for other in others)
            others.append(row)
    return len(pairs)


if __name__ == "__main__":
    main()
