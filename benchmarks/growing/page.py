"""The page GROWTH.md and its plot, from the figures of growth.json."""

from collections.abc import Callable, Mapping
from pathlib import Path

from benchmarks.growing.costs import (
    COMMANDS,
    LINEAR_COMMANDS,
    PLOTTED,
    Figures,
    cost,
    fact,
    growth_of,
    of_size,
    sizes_of,
)
from benchmarks.growing.fits import FLAT, LINEAR, Growth
from benchmarks.growing.outlook import outlook
from benchmarks.growing.plot import Panel, draw, rows_text
from benchmarks.growing.sources import FILE_ROWS
from benchmarks.growing.words import decimal_size, duration, size_text, table
from curation.scan import KEY_BYTES
from manifests.tables import BLOCK_ROWS

BLOCKS_UNDER_WAY = 8
"""Blocks of 8,192 rows whose texts a process may have at once: read, checked, encoded and written at the same time."""

DRAW, RANGE = "build of a draw", "build of a range"
FOOTER = 256 << 10
"""Bytes that are read to count the rows of a parquet file: its end, some times."""
KEYS = KEY_BYTES + 1
"""Bytes of what the main process keeps of a candidate: its key, and whether it is left."""
BUCKET, BUCKET_ROWS = 60, 1 << 20
"""Bytes that finding duplicates takes of a row for a moment, and of about how many rows at a time."""

_INTRODUCTION = """# How the cost grows

Written by `python benchmarks/growth.py`, which says what is run and what each figure is; not by hand. {system}, {cores}
cores of {processor}, {memory} of memory; {versions}. {minutes} minutes in all.

Of session 1's rows 60 % are taken whole from parquet, a reservoir of 10 % comes from JSONL, a hash draw of 5 % from
parquet; session 2 has a fifth of them. A range and a small draw are 2,000 rows of the first source. Every command runs
in a process of its own, start-up included. *Exponent*: least squares on the logarithms of all sizes; *last step*:
between the last two alone; 1 is in proportion, and up to {linear} is what we aim at, and for the range that nothing
grows. *One more row* is what one costs between the last two sizes.

![Seconds, memory and bytes read by rows](growth.svg)
"""


def write_page(figures: Figures, folder: Path) -> None:
    """Write growth.svg and GROWTH.md."""
    (folder / "growth.svg").write_text(plot_of(figures), encoding="utf-8")
    (folder / "GROWTH.md").write_text(page_of(figures), encoding="utf-8")


def plot_of(figures: Figures) -> str:
    """The plot."""
    return draw(
        [
            Panel("Seconds", {name: cost(figures, name, "seconds") for name in PLOTTED}, _plain),
            Panel(
                "Memory of the largest process",
                {name: cost(figures, name, "largest") for name in PLOTTED},
                decimal_size,
            ),
            Panel("Bytes read", {name: cost(figures, name, "read") for name in PLOTTED}, decimal_size),
        ]
    )


def page_of(figures: Figures) -> str:
    """The page."""
    machine = figures["machine"]
    tools = ", ".join(f"{tool} {version}" for tool, version in figures["versions"].items())
    parts = [
        _INTRODUCTION.format(
            system=machine["system"],
            cores=machine["cores"],
            processor=machine["processor"],
            memory=size_text(machine["memory"]),
            versions=tools,
            minutes=figures["minutes"],
            linear=LINEAR,
        ),
        "## Seconds\n",
        _table(figures, "seconds", duration, lambda step: f"{1e6 * step:.1f} µs"),
        "\n## Seconds of all processors\n",
        _table(figures, "processor", duration, lambda step: f"{1e6 * step:.1f} µs"),
        "\n## Bytes read\n",
        _table(figures, "read", size_text, lambda step: f"{step:,.0f}"),
        "\n## Bytes written\n",
        _table(figures, "written", size_text, lambda step: f"{step:,.0f}"),
        "\n## Memory of the largest process\n",
        _table(figures, "largest", size_text, lambda step: f"{step:,.0f} bytes"),
        "\nAll processes of a build together, at their most: "
        + ", ".join(
            f"{size_text(bytes_)} at {rows_text(size)} rows"
            for size, bytes_ in cost(figures, "build", "together").items()
        )
        + ".\n",
        "## What is promised of memory and of reading\n",
        _promises(figures),
        "",
        outlook(figures),
    ]
    return "\n".join(parts)


def verdicts(figures: Figures) -> list[str]:
    """What does not grow as it should, a line each."""
    found = [
        f"{name}: {figure} grows with exponent {max(grows.overall, grows.last):.2f}"
        for figure in ("seconds", "processor", "read", "written", "largest")
        for name in LINEAR_COMMANDS
        if _steep(grows := growth_of(figures, name, figure))
    ]
    return found + [f"{promise}: {measured}" for promise, measured, holds in promises(figures) if not holds]


def promises(figures: Figures) -> list[tuple[str, str, bool]]:
    """Every promise of flat memory, what was measured of it, and whether it holds."""
    before = sizes_of(figures)[-2]
    narrow, wide = figures["sizes"][str(before)], figures["wide"]
    found = []
    for command in ("build", "regenerate"):
        workers = growth_of(figures, command, "others")
        found.append(
            (
                f"`{command}`: batches, never whole sources (the processes that read)",
                f"{_by_size(figures, command, 'others')}: last step {workers.last:.2f}",
                workers.last <= FLAT,
            )
        )
    longer = wide["text_bytes"] - narrow["text_bytes"]
    for command in ("build", "regenerate", "verify --dataset"):
        more = of_size(wide, command, "largest") - of_size(narrow, command, "largest")
        found.append(
            (
                f"`{command}`: no text is held but of {BLOCKS_UNDER_WAY} blocks of {BLOCK_ROWS:,} rows",
                f"{size_text(longer * before)} more text in as many rows: {size_text(max(more, 0.0))} more memory",
                more <= longer * BLOCKS_UNDER_WAY * BLOCK_ROWS,
            )
        )
    grown, rows = (
        _last_step(costs) for costs in (cost(figures, DRAW, "largest"), fact(figures, "drawn_from"))
    )
    spare = BUCKET * max(0, BUCKET_ROWS - int(fact(figures, "drawn_from")[before]))
    allowed = f"{KEYS}, a key and a mark, and once {size_text(spare)}, the rest of a bucket of duplicates"
    found.append(
        (
            f"`{DRAW}`: flat as the source grows, except the keys (16 bytes a row)",
            f"{grown / rows:,.0f} bytes for each of {rows:,.0f} more rows; allowed {allowed}",
            grown <= KEYS * rows + spare,
        )
    )
    grows = growth_of(figures, RANGE, "largest")
    found.append(
        (
            f"`{RANGE}`: only the files that hold it (memory)",
            f"{_by_size(figures, RANGE, 'largest')}: last step {grows.last:.2f}",
            grows.last <= FLAT,
        )
    )
    more, files = _last_step(cost(figures, RANGE, "read")), rows / 2 / FILE_ROWS
    found.append(
        (
            f"`{RANGE}`: only the files that hold it, and the footers of those in front of it (bytes read)",
            f"{size_text(max(more, 0.0))} more for {files:,.0f} more files in front; allowed {size_text(FOOTER)} each",
            more <= FOOTER * files,
        )
    )
    return found


def _last_step(costs: Mapping[int, float]) -> float:
    """What was added between the last two sizes."""
    before, last = sorted(costs)[-2:]
    return costs[last] - costs[before]


def _promises(figures: Figures) -> str:
    lines = [
        [promise, measured, "yes" if holds else "**no**"] for promise, measured, holds in promises(figures)
    ]
    return table(["promise"], ["measured", "holds"], lines)


def _by_size(figures: Figures, command: str, figure: str) -> str:
    return ", ".join(size_text(value) for value in cost(figures, command, figure).values())


def _table(
    figures: Figures, figure: str, reads: Callable[[float], str], of_row: Callable[[float], str]
) -> str:
    lines = []
    for name in COMMANDS:
        grows = growth_of(figures, name, figure)
        marked = name in LINEAR_COMMANDS and _steep(grows)
        exponents = [
            f"**{value:.2f}**" if marked else f"{value:.2f}" for value in (grows.overall, grows.last)
        ]
        values = [reads(value) for value in cost(figures, name, figure).values()]
        lines.append([f"`{name}`", *values, *exponents, of_row(grows.step)])
    sizes = [f"{rows_text(size)} rows" for size in sizes_of(figures)]
    return table(["", *sizes, "exponent", "last step", "one more row"], [], lines)


def _steep(grows: Growth) -> bool:
    return max(grows.overall, grows.last) > LINEAR


def _plain(value: float) -> str:
    return f"{value:g}"
