"""What the figures mean for more rows than were measured: the numbers in outlook.md. Pure, but reads that file."""

import math
from pathlib import Path
from string import Template

import numpy as np

from benchmarks.growing.costs import Figures, cost, fact, growth_of, of_size, sizes_of
from benchmarks.growing.sources import FILE_ROWS
from benchmarks.growing.words import duration, size_text, table
from curation.candidates import kind_of
from curation.recipe import Near
from curation.scan import KEY_BYTES
from curation.spill import PLACE
from manifests.dataset import FILE_ROWS as DATASET_FILE_ROWS
from manifests.reading.bounded import LARGEST_JSON
from manifests.reading.parquet_layout import LARGEST_FOOTER
from manifests.reading.tally import MOST_ROWS
from manifests.row_keys import _ORIGIN_BITS, _ROW_BITS

TEMPLATE = Path(__file__).with_name("outlook.md")
REAL_ROWS = (22_200_000, 1_000_000_000)
REAL_BYTES = 7_000
"""Of text a row."""
_OF_TEXT = frozenset({"build", "regenerate", "verify --dataset"})  # the others read no text
_GIGABIT = 125_000_000  # bytes a second
# How often a build reads a source that is taken whole (its rows, its SHA-256) and one that is drawn from (what is drawn
# once more: it is in most parts of the files), and the share of the latter here.
_WHOLE_READS, _DRAWN_READS, _DRAWN_SHARE = 2.0, 3.0, 0.4
_READS = _WHOLE_READS + (_DRAWN_READS - _WHOLE_READS) * _DRAWN_SHARE
_RANDOM_READS = (0.0001, 0.01)  # seconds
KEY_COLUMNS = 26
"""Bytes of a row in `row_keys.KeyColumns`."""
_MOST_FILES = 10**5  # numbered with five digits


def outlook(figures: Figures) -> str:
    """The section, with the numbers put in."""
    before, largest = sizes_of(figures)[-2:]
    narrow, wide = figures["sizes"][str(before)], figures["wide"]
    hashed, drawn = (growth_of(figures, f"draw {kind}", "seconds").step for kind in ("hash", "reservoir"))
    build = growth_of(figures, "build", "seconds").step + _byte_cost(
        figures, "build", "seconds"
    ) * _more_bytes(figures)
    values = {
        "before": f"{before:,}",
        "largest": f"{largest:,}",
        "narrow_bytes": f"{narrow['text_bytes']:,}",
        "wide_bytes": f"{wide['text_bytes']:,}",
        "real_bytes": f"{REAL_BYTES:,}",
        "sort_factor": f"{math.log(REAL_ROWS[-1]) / math.log(largest):.1f}",
        "memory": size_text(figures["machine"]["memory"]),
        "reads": f"{_READS:.1f}",
        "most_rows": f"{MOST_ROWS:,}",
        "table": _costs(figures),
        "breaks": _breaks(figures),
        "key_bytes": str(KEY_BYTES),
        "shelf_bytes": str(kind_of(texts=False).itemsize),
        "place_bytes": str(PLACE.itemsize),
        "draw_row": f"{_drawn_row(figures):,.0f}",
        "build_row": f"{_memory_row(figures, 'build'):,.0f}",
        "hash_microseconds": f"{hashed * 1e6:.1f}",
        "reservoir_microseconds": f"{drawn * 1e6:.2f}",
        "reservoir_billion": f"{drawn * 1e9 / 60:.0f}",
        "disjoint_row": f"{_disjoint_row(figures):,.0f}",
        "wait_fast": duration(REAL_ROWS[0] * _RANDOM_READS[0]),
        "wait_slow": duration(REAL_ROWS[0] * _RANDOM_READS[1]),
        "build_rate": f"{1 / build:,.0f}" if build > 0 else "more than can be told",
        "main_share": f"{_alone(figures):.0%}",
        "manifest_row": f"{_per_taken(figures, 'manifest_bytes'):,.0f}",
        "verify_billion": duration(growth_of(figures, "verify", "seconds").step * REAL_ROWS[-1]),
    }
    return Template(TEMPLATE.read_text(encoding="utf-8")).substitute(values)


def _costs(figures: Figures) -> str:
    """Time, memory, disk and bytes of the commands for the rows to come."""
    lines = []
    for command in ("build", "regenerate", "verify", "verify --dataset", "audit"):
        seconds = growth_of(figures, command, "seconds").step
        seconds += _byte_cost(figures, command, "seconds") * _more_bytes(figures)
        memory = growth_of(figures, command, "largest").step
        for rows in REAL_ROWS:
            stored = rows * REAL_BYTES * _stored_share(figures)
            fetched = stored * _READS
            more = (
                (size_text(_disk(figures, rows)), f"{size_text(fetched)}, {duration(fetched / _GIGABIT)}")
                if command == "build"
                else ("–", "–")
            )
            lines.append(
                [f"`{command}`", f"{rows:,}", duration(seconds * rows), size_text(memory * rows), *more]
            )
    return table(["command", "rows of session 1", "time", "memory", "disk"], ["over a network"], lines)


def _breaks(figures: Figures) -> str:
    """What gives way at how many rows, lowest first."""
    memory = figures["machine"]["memory"]
    bands = 8 * Near().bands
    found: list[tuple[float, str, str]] = [
        (
            memory / REAL_BYTES,
            "texts put aside",
            "no longer in memory when the mix is written: slow, not wrong",
        ),
        (
            memory / _disjoint_row(figures),
            "`overlap.rows_held_earlier`",
            "memory for the rows of a manifest in `[disjoint]`",
        ),
        (
            memory / bands,
            "`near.search`",
            f"memory for {bands} bytes of band keys a row, where `near` is asked for",
        ),
        (
            memory / _memory_row(figures, "build"),
            "`build`, `texts`",
            "memory of a build that takes three rows of four: the rows table and the places of texts",
        ),
        (
            memory / _drawn_row(figures),
            "`candidates.Candidates`",
            "memory of a build that takes few of its rows",
        ),
        (
            memory / _memory_row(figures, "regenerate"),
            "`regenerate`",
            "memory for the rows table and the places of texts",
        ),
        (memory / _memory_row(figures, "audit"), "`row_keys.KeyColumns`", "memory of an audit"),
        (
            MOST_ROWS,
            "`tally.MOST_ROWS`",
            "a manifest whose raw ranges have more rows is refused, by its own build at the end as well",
        ),
        (
            LARGEST_JSON / _per_taken(figures, "receipt_bytes"),
            "`bounded.LARGEST_JSON`",
            "receipt.json, which lists the digests of all blocks, is too large to be read",
        ),
        (
            DATASET_FILE_ROWS * _MOST_FILES,
            "`train-00000-of-0000N`",
            "files of a dataset are numbered with five digits",
        ),
        (
            FILE_ROWS << _ORIGIN_BITS,
            "`row_keys._ORIGIN_BITS`",
            f"an audit tells 2^{_ORIGIN_BITS} files apart (here of {FILE_ROWS:,} rows)",
        ),
        (1 << _ROW_BITS, "`row_keys._ROW_BITS`", "rows of one file that an audit tells apart"),
    ]
    if (footer := _per_taken(figures, "footer_bytes")) > 0:
        found.append(
            (
                LARGEST_FOOTER / footer,
                "`parquet_layout.LARGEST_FOOTER`",
                "the footer of rows.parquet is too large to be read",
            )
        )
    lines = [[where, _round(rows), what] for rows, where, what in sorted(found)]
    return table(["where", "rows, about"], ["what gives way"], lines)


def _byte_cost(figures: Figures, command: str, figure: str) -> float:
    """What one more byte of text in every row costs, a row."""
    if command not in _OF_TEXT:
        return 0.0
    before = sizes_of(figures)[-2]
    narrow, wide = figures["sizes"][str(before)], figures["wide"]
    more = of_size(wide, command, figure) - of_size(narrow, command, figure)
    return max(0.0, more / before / float(wide["text_bytes"] - narrow["text_bytes"]))


def _more_bytes(figures: Figures) -> float:
    return float(REAL_BYTES - figures["sizes"][str(sizes_of(figures)[-1])]["text_bytes"])


def _memory_row(figures: Figures, command: str) -> float:
    """Bytes of the largest process for one more row."""
    return max(growth_of(figures, command, "largest").step, 1e-3)


def _drawn_row(figures: Figures) -> float:
    """Bytes of the largest process for one more row of a source of which few are drawn."""
    memory, rows = cost(figures, "build of a draw", "largest"), fact(figures, "drawn_from")
    before, last = sizes_of(figures)[-2:]
    return max((memory[last] - memory[before]) / (rows[last] - rows[before]), 1e-3)


def _disjoint_row(figures: Figures) -> float:
    """Bytes for one more row of a manifest that another must be disjoint from: its keys, or what was measured."""
    with_it, without = (cost(figures, name, "largest") for name in ("build 2nd, disjoint", "build 2nd"))
    more = {size: with_it[size] - without[size] for size in with_it}
    before, last = sizes_of(figures)[-2:]
    taken = fact(figures, "taken")
    return max((more[last] - more[before]) / (taken[last] - taken[before]), KEY_COLUMNS)


def _per_taken(figures: Figures, name: str) -> float:
    """Bytes of a file for one more row of the manifest."""
    before, last = sizes_of(figures)[-2:]
    sizes, taken = fact(figures, name), fact(figures, "taken")
    return float((sizes[last] - sizes[before]) / (taken[last] - taken[before]))


def _stored_share(figures: Figures) -> float:
    """Stored bytes of a source for each byte of its text; a fifth of the rows are session 2's."""
    last = figures["sizes"][str(sizes_of(figures)[-1])]
    return float(last["source_bytes"] / (1.2 * last["rows"] * last["text_bytes"]))


def _disk(figures: Figures, rows: int) -> float:
    """Bytes that a build of so many rows puts on the disk, its sources not counted, if it takes the same share."""
    last = figures["sizes"][str(sizes_of(figures)[-1])]
    taken = rows * last["taken"] / last["rows"]
    texts = REAL_BYTES * taken
    dataset = texts * last["dataset_bytes"] / (last["taken"] * last["text_bytes"])
    shelves = rows * kind_of(texts=True).itemsize
    return float(texts + dataset + shelves + taken * _per_taken(figures, "manifest_bytes"))


def _alone(figures: Figures) -> float:
    """The share of a build's work that one core does alone, if it has all cores for the rest (Amdahl's law)."""
    last = figures["sizes"][str(sizes_of(figures)[-1])]
    cores = int(figures["machine"]["cores"])
    if cores == 1:
        return 1.0
    seconds, processor = (of_size(last, "build", figure) for figure in ("seconds", "processor"))
    return max(0.0, min(1.0, (seconds * cores - processor) / (cores - 1) / processor))


def _round(rows: float) -> str:
    """A number of rows with two digits that mean something; powers of two stand as they are."""
    if float(np.log2(rows)).is_integer():
        return f"2^{int(math.log2(rows))} = {rows:,.0f}"
    scale = 10 ** max(0, int(math.log10(rows)) - 1)
    return f"{round(rows / scale) * scale:,.0f}"
