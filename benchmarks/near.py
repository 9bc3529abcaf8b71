"""Near duplicates: documents a second beside the MinHash of datatrove and datasketch, on the same rows and parameters.

    python benchmarks/near.py --data DIR [--rival-python PATH] [--processes N] [--rounds N]

DIR holds flan-cot: 33,443 rows. `--rival-python` is the Python of an environment with `datatrove`, `datasketch`,
`spacy`, `tokenizers` and `xxhash<4` (datatrove needs the older one); see `rivals/near.py`. All run in turn, `--rounds`
times, each with so many processes that are started, and hold the texts, before the clock runs. Medians are reported.
`-P` keeps this folder, which has a curation.py, out of the way of the package of that name.

- ours: the keys of all rows, and `find_near`: what is dropped has a Jaccard index of at least the threshold;
- theirs: from texts to the documents to drop. Nothing is verified, so they drop more than is near.
"""

import argparse
import json
import multiprocessing
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Self

import numpy as np

# Run as a script, this folder comes first on the path, and its curation.py would hide the package.
sys.path[:] = [entry for entry in sys.path if Path(entry).resolve() != Path(__file__).resolve().parent]

from curation.near.search import band_keys, find_near
from curation.recipe import Near
from manifests.keys import ASCII_WHITESPACE, Trace

BATCH = 1000
RIVALS = ("datasketch", "datasketch-xxhash", "datatrove")


@dataclass(frozen=True, slots=True)
class Run:
    """One measured run. `verified` is None where nothing is."""

    seconds: float
    candidates: int
    verified: int | None
    dropped: int


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="Near duplicates beside datatrove and datasketch.")
    parser.add_argument("--data", type=Path, required=True, help="a folder with flan-cot")
    parser.add_argument("--rival-python", type=Path, help="a Python with datatrove and datasketch")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    near, traces = Near(), flan_cot(options.data)
    words = sum(len(" ".join(trace).split()) for trace in traces)
    print(
        f"flan-cot: {len(traces):,} rows, {words:,} words; {near.bands} bands of {near.rows}, shingles of {near.words} "
        f"words, {options.processes} processes, {options.rounds} rounds, medians"
    )
    print(f"python {platform.python_version()}, numpy {version('numpy')}, xxhash {version('xxhash')}")
    runs: dict[str, list[Run]] = {"ours": []}
    with tempfile.TemporaryDirectory() as folder, Ours(traces, near, options.processes) as ours:
        texts = Path(folder) / "texts.json"
        texts.write_text(json.dumps(["\n".join(trace) for trace in traces]), encoding="utf-8")
        for _ in range(options.rounds):
            runs["ours"].append(ours.run())
            for name in RIVALS if options.rival_python else ():
                run = rival(options.rival_python, name, texts, near, options.processes)
                runs.setdefault(name, []).append(run)
    report(runs, len(traces))
    if not options.rival_python:
        print("datasketch and datatrove were not run: name their Python with --rival-python")


def flan_cot(data: Path) -> list[Trace]:
    """Its rows, files in byte order of their names."""
    traces = []
    for path in sorted((data / "flan-cot/flan/v2/cot_data").glob("*.tsv")):
        for line in path.read_bytes().decode().split("\n"):
            if line:
                prompt, answer, reasoning = (field.strip(ASCII_WHITESPACE) for field in line.split("\t"))
                traces.append(Trace(prompt, reasoning, answer))
    return traces


class Ours:
    """Our way, with processes that hold the traces as the workers of a build do. A context manager."""

    def __init__(self, traces: list[Trace], near: Near, processes: int) -> None:
        self._traces, self._near = traces, near
        self._pool = multiprocessing.get_context("fork").Pool(processes, _hold, (traces, near))

    def __enter__(self) -> Self:
        self._pool.map(_keys_from, range(0, len(self._traces), BATCH))
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.terminate()
        self._pool.join()

    def run(self) -> Run:
        """All of it, once."""
        started = time.perf_counter()
        bands = np.empty((len(self._traces), self._near.bands), dtype=np.uint64)
        firsts = range(0, len(self._traces), BATCH)
        for first, keys in zip(firsts, self._pool.imap(_keys_from, firsts), strict=True):
            bands[first : first + len(keys)] = keys
        found = find_near(bands, self._near, lambda places: [self._traces[place] for place in places])
        seconds = time.perf_counter() - started
        return Run(seconds, candidate_pairs(bands), found.verified, len(found.pairs))


_held: list[tuple[list[Trace], Near]] = []


def _hold(traces: list[Trace], near: Near) -> None:
    _held.append((traces, near))


def _keys_from(first: int) -> np.ndarray[tuple[int, int], np.dtype[np.uint64]]:
    ((traces, near),) = _held
    return band_keys(traces[first : first + BATCH], near)


def candidate_pairs(bands: np.ndarray[tuple[int, int], np.dtype[np.uint64]]) -> int:
    """Different pairs of rows that share a band key."""
    pairs: set[tuple[int, int]] = set()
    for band in bands.T:
        sharing: dict[int, list[int]] = {}
        for row, key in enumerate(band.tolist()):
            others = sharing.setdefault(key, [])
            pairs.update((other, row) for other in others)
            others.append(row)
    return len(pairs)


def rival(python: Path, name: str, texts: Path, near: Near, processes: int) -> Run:
    """Somebody else's way, in an environment of its own."""
    script = Path(__file__).parent / "rivals" / "near.py"
    sizes = [str(size) for size in (near.bands, near.rows, near.words, processes)]
    done = subprocess.run(  # noqa: S603 - the Python that the caller named
        [python, script, name, texts, *sizes],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        sys.exit(f"{name} failed in {python}:\n{done.stderr[-2000:]}")
    found = json.loads(done.stdout.splitlines()[-1])
    return Run(found["seconds"], found["candidates"], None, found["dropped"])


def report(runs: dict[str, list[Run]], rows: int) -> None:
    """A line for each, and how many times faster ours is."""
    ours = statistics.median(run.seconds for run in runs["ours"])
    print(
        f"{'':<20}{'seconds':>9}{'docs/s':>11}{'ours is':>10}{'candidates':>12}{'verified':>10}{'dropped':>9}"
    )
    for name, measured in runs.items():
        seconds = statistics.median(run.seconds for run in measured)
        last = measured[-1]
        verified = "-" if last.verified is None else f"{last.verified:,}"
        print(
            f"{name:<20}{seconds:>9.3f}{rows / seconds:>11,.0f}{seconds / ours:>9.1f}×"
            f"{last.candidates:>12,}{verified:>10}{last.dropped:>9,}"
        )


if __name__ == "__main__":
    main()
