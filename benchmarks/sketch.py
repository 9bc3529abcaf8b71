"""Near duplicates told from sketches, beside brute force: precision, recall, and the error of the estimate.

    python benchmarks/sketch.py --data DIR

DIR holds flan-cot and gsm8k. Both are built with sketches, then compared as `manifests audit` does it. Brute force
counts the shingles that every two rows share, by an inverted index: the true Jaccard index of all pairs. A row of gsm8k
is truly near if any row of flan-cot is; precision and recall count rows of gsm8k.

- told: by the estimate alone (`near_pairs`);
- confirmed: candidates whose texts were then compared (`candidate_pairs`, `confirmed`), what `--verify-near` does;
- candidates: of the rows whose best estimate reaches the threshold, every sketch compared with every other, the share
  that the bands find.
"""

import argparse
import platform
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from importlib.metadata import version
from itertools import pairwise
from pathlib import Path
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import polars as pl

from curation.build import build
from curation.recipe_reader import parse_recipe
from manifests.keys import Trace
from manifests.manifest import Manifest
from manifests.row_keys import fixed_width_bytes
from manifests.similarity.confirm import confirmed
from manifests.similarity.jaccard import WORDS, shingle_sets
from manifests.similarity.pairs import candidate_pairs, near_pairs
from manifests.similarity.sketch import Sketches, least_matches, standard_error, text_of
from manifests.store import Store

THRESHOLDS = ("0.5", "0.7", "0.8", "0.9")
EDGES = (0.0, 0.1, 0.3, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)

Floats: TypeAlias = npt.NDArray[np.float64]
Ints: TypeAlias = npt.NDArray[np.int64]
Flags: TypeAlias = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Side:
    """A manifest, its sketches and the shingle sets of its rows' texts."""

    manifest: Manifest
    sketches: Sketches
    sets: list[npt.NDArray[np.uint64]]


@dataclass(frozen=True, slots=True)
class Pairs:
    """All pairs that share a shingle, exactly: their places, common shingles, and shingles together."""

    first: Ints
    second: Ints
    common: Ints
    together: Ints

    @property
    def index(self) -> Floats:
        """The Jaccard indices."""
        index: Floats = self.common / self.together
        return index

    def near(self, threshold: Decimal, rows: int) -> Flags:
        """Which rows of the second are near to a row of the first, exactly."""
        parts, whole = threshold.as_integer_ratio()
        near = np.zeros(rows, np.bool_)
        near[self.second[self.common * whole >= self.together * parts]] = True
        return near


@dataclass(frozen=True, slots=True)
class Outcome:
    """What was found at one threshold. Shares are of rows of the second manifest."""

    threshold: Decimal
    near: int
    told: int
    precision: float
    recall: float
    candidates_found: float
    left_out: int
    confirmed_precision: float
    confirmed_recall: float
    seconds: float
    confirm_seconds: float


@dataclass(frozen=True, slots=True)
class ErrorOf:
    """How the estimate errs on pairs with Jaccard indices in a range: `ratio` is its spread over the stated error."""

    least: float
    below: float
    pairs: int
    bias: float
    spread: float
    ratio: float


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="Near duplicates by sketches, beside brute force.")
    parser.add_argument("--data", type=Path, required=True, help="a folder with flan-cot and gsm8k")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        store = Store(Path(folder), behind=())
        first, second = sides(options.data, store)
        started = time.perf_counter()
        pairs = all_pairs(first.sets, second.sets)
        seconds = time.perf_counter() - started
        print(
            f"flan-cot {len(first.sets):,} rows × gsm8k {len(second.sets):,}, {first.sketches.shape[1]} bytes a row"
        )
        print(
            f"python {platform.python_version()}, " + ", ".join(f"{tool} {version(tool)}" for tool in _TOOLS)
        )
        print(f"brute force: {len(pairs.first):,} pairs share a shingle, counted in {seconds:.1f} s\n")
        report_errors(errors(first.sketches, second.sketches, pairs))
        print()
        report_outcomes(outcomes(store, first, second, pairs))


_TOOLS = ("numpy", "polars", "pyarrow", "xxhash")


def sides(data: Path, store: Store) -> tuple[Side, Side]:
    """Manifests of flan-cot and of gsm8k, training and test, built with sketches."""
    flan = {
        "name": "flan-cot",
        "files": str(data / "flan-cot/flan/v2/cot_data/*.tsv"),
        "header": False,
        "columns": {"prompt": 1, "answer": 2, "reasoning": 3},
    }
    gsm8k = [
        {
            "name": f"gsm8k-{part}",
            "files": str(data / f"gsm8k/grade_school_math/data/{part}.jsonl"),
            "columns": {"prompt": "question", "response": "answer"},
            "tags": {"answer": ["####", ""]},
        }
        for part in ("train", "test")
    ]
    return _side(store, "flan-cot", [flan]), _side(store, "gsm8k", gsm8k)


def _side(store: Store, name: str, sources: Sequence[object]) -> Side:
    table = {"name": name, "sketch": True, "source": list(sources)}
    manifest = store.manifest(build(parse_recipe(table, Path(), name), store).manifest.id)
    blocks = [block.select(Trace._fields).to_pydict() for block in store.dataset_blocks(manifest)]
    texts = (text_of(Trace(*parts)) for block in blocks for parts in zip(*block.values(), strict=True))
    columns = [fixed_width_bytes(block.column("sketch")) for block in manifest.row_blocks()]
    return Side(manifest, np.concatenate(columns), list(shingle_sets(texts, WORDS)))


def all_pairs(first: Sequence[npt.NDArray[np.uint64]], second: Sequence[npt.NDArray[np.uint64]]) -> Pairs:
    """All pairs of rows that share a shingle, by an inverted index."""
    sizes = [np.array([len(found) for found in sets]) for sets in (first, second)]
    left, right = (
        pl.DataFrame(
            {"shingle": np.concatenate(list(sets)), "place": np.repeat(np.arange(len(sets)), counts)}
        )
        for sets, counts in zip((first, second), sizes, strict=True)
    )
    shared = (
        left.join(right, on="shingle", how="inner")
        .group_by("place", "place_right")
        .len()
        .sort("place", "place_right")
    )
    places = shared["place"].to_numpy(), shared["place_right"].to_numpy()
    common = shared["len"].to_numpy().astype(np.int64)
    return Pairs(*places, common, sizes[0][places[0]] + sizes[1][places[1]] - common)


def errors(first: Sketches, second: Sketches, pairs: Pairs) -> list[ErrorOf]:
    """The error of the estimate (before it is limited to 0) on all pairs that share a shingle, by their true index."""
    matches = np.count_nonzero(first[pairs.first] == second[pairs.second], axis=1)
    true = pairs.index
    error = (2 * matches - 1) / 255 - true
    stated = np.array([standard_error(index) for index in true.tolist()])
    found = []
    for least, below in pairwise(EDGES):
        here = (true >= least) & (true < below)
        if here.any():
            ratio = float(np.sqrt(np.mean((error[here] / stated[here]) ** 2)))
            found.append(
                ErrorOf(
                    least, below, int(here.sum()), float(error[here].mean()), float(error[here].std()), ratio
                )
            )
    return found


def outcomes(store: Store, first: Side, second: Side, pairs: Pairs) -> list[Outcome]:
    """What the sketches tell at each of the thresholds."""
    best = best_matches(first.sketches, second.sketches)
    return [outcome(store, (first, second), pairs, best, Decimal(text)) for text in THRESHOLDS]


def outcome(
    store: Store, compared: tuple[Side, Side], pairs: Pairs, best: Ints, threshold: Decimal
) -> Outcome:
    """What the sketches tell at a threshold, alone and confirmed. `best` is what `best_matches` gives."""
    first, second = compared
    rows = len(second.sets)
    near = pairs.near(threshold, rows)
    started = time.perf_counter()
    found = near_pairs(first.sketches, second.sketches, threshold)
    told_at = time.perf_counter()
    candidates = candidate_pairs(first.sketches, second.sketches, threshold)
    sure = confirmed(store, first.manifest, second.manifest, candidates, threshold)
    done = time.perf_counter()
    if any(index < Fraction(threshold) for index in sure.indices):
        raise SystemExit("a pair was confirmed that is not near")
    told, certain = (_flags(places, rows) for places in (found.second, sure.second))
    estimated = best >= least_matches(threshold)
    return Outcome(
        threshold,
        int(near.sum()),
        int(told.sum()),
        _share(told & near, told),
        _share(told & near, near),
        _share(told & estimated, estimated),
        found.left_out,
        _share(certain & near, certain),
        _share(certain & near, near),
        told_at - started,
        done - told_at,
    )


def best_matches(first: Sketches, second: Sketches) -> Ints:
    """Of each sketch of the second the most equal bytes with any of the first: every one compared with every one."""
    best = np.zeros(len(second), np.int64)
    by_byte = np.ascontiguousarray(first.T)
    for row, sketch in enumerate(second):
        equal = np.zeros(len(first), np.uint8)
        for column, value in zip(by_byte, sketch, strict=True):
            equal += column == value
        best[row] = equal.max(initial=0)
    return best


def _flags(places: Ints, rows: int) -> Flags:
    flags = np.zeros(rows, np.bool_)
    flags[places] = True
    return flags


def _share(part: Flags, whole: Flags) -> float:
    return float(part.sum() / whole.sum()) if whole.any() else 1.0


def report_errors(found: Sequence[ErrorOf]) -> None:
    """A line for each range of true indices."""
    print(f"{'true index':<14}{'pairs':>9}{'bias':>10}{'spread':>9}{'error / stated':>16}")
    for part in found:
        print(
            f"{part.least:.1f} to {part.below:<7.1f}{part.pairs:>9,}{part.bias:>+10.4f}{part.spread:>9.4f}"
            f"{part.ratio:>16.3f}"
        )


def report_outcomes(found: Sequence[Outcome]) -> None:
    """A line for each threshold."""
    print(
        f"{'threshold':<11}{'near':>6}{'told':>6}{'precision':>11}{'recall':>8}{'candidates':>12}{'left out':>10}"
        f"{'s':>7}   confirmed:{'precision':>11}{'recall':>8}{'s':>7}"
    )
    for part in found:
        print(
            f"{part.threshold!s:<11}{part.near:>6,}{part.told:>6,}{part.precision:>11.3f}{part.recall:>8.3f}"
            f"{part.candidates_found:>12.4f}{part.left_out:>10,}{part.seconds:>7.2f}   "
            f"{'':10}{part.confirmed_precision:>11.3f}{part.confirmed_recall:>8.4f}{part.confirm_seconds:>7.2f}"
        )


if __name__ == "__main__":
    main()
