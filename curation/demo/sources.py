"""The demo sources: four sources in the upstream layouts, small or full, and a file that says what is planted in them.

    raiden/raiden.csv                        prompt, response: <think> … </think>, then the answer
    openo1/openo1.jsonl                      instruction, output: <Thought> … </Thought> <Output> … </Output>
    cot-collection/cot-collection.json       one object keyed by id: source, target, rationale, task, type
    glaive/train-00000-of-0000N.parquet …    prompt, response, as in raiden
    truth.json                               see `Truth`

The same seed gives the same bytes of CSV and JSON on any machine. It gives the same rows of parquet, whose bytes
depend on the version of pyarrow, and with them the sizes and digests in the truth file.
"""

import secrets
import shutil
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path

from curation.demo.formats import (
    SourceFile,
    csv_blocks,
    json_line_blocks,
    json_object_blocks,
    write_blocks,
    write_parquet,
)
from curation.demo.full.telling import Progress, tell
from curation.demo.layouts import upstream_fields
from curation.demo.planting import Planted, Row, plant
from curation.demo.scales import FEWEST_GLAIVE_ROWS, FULL_GLAIVE_ROWS, SCALES, Scale, full_scale
from curation.demo.truth import Truth, truth_of
from curation.errors import DemoSourcesError

__all__ = ["Progress", "Truth", "write_demo_sources", "write_scale"]

Lots = Mapping[str, Iterable[Sequence[Row]]]
"""The rows of each source, in lots."""

FULL = "full"
SOURCES = "raiden", "openo1", "cot", "glaive"


def write_demo_sources(
    directory: Path,
    *,
    seed: int = 42,
    scale: str = "small",
    glaive_rows: int | None = None,
    only: Collection[str] = (),
    progress: Progress | None = None,
) -> Truth:
    """Write the four sources and `truth.json` to a folder that is absent or empty, and return the truth.

    At scale `full` glaive may have more rows or fewer than its 150,000, but not fewer than the two sessions take; and
    with `only`, only these sources are written. A row that would repeat one of a source that is not written is then a
    fresh one; all others are the same. `progress` is told now and then how many rows of a source are written.

    Nothing half-written remains: all is written to a folder beside it, which is then renamed. Raises
    DemoSourcesError if the scale or a source is unknown, the rows are too few, the folder is not empty, or it can't
    be written.
    """
    if scale not in (*SCALES, FULL):
        choices = ", ".join((*SCALES, FULL))
        raise DemoSourcesError(f"demo sources: scale {scale!r} is unknown; choose one of {choices}")
    if scale != FULL and (only or glaive_rows is not None):
        raise DemoSourcesError(
            f"demo sources: scale {scale!r} has all its sources and rows; choose some of them with scale {FULL!r}"
        )
    for source in only:
        if source not in SOURCES:
            raise DemoSourcesError(
                f"demo sources: source {source!r} is unknown; choose from {', '.join(SOURCES)}"
            )
    if glaive_rows is not None and glaive_rows < FEWEST_GLAIVE_ROWS:
        raise DemoSourcesError(
            f"demo sources: {glaive_rows:,} rows of glaive are too few; the two sessions take {FEWEST_GLAIVE_ROWS:,}"
        )
    counts = SCALES[scale] if scale != FULL else full_scale(glaive_rows or FULL_GLAIVE_ROWS)
    return write_scale(directory, counts, seed=seed, name=scale, only=only, progress=progress)


def write_scale(
    directory: Path,
    scale: Scale,
    *,
    seed: int,
    name: str,
    only: Collection[str] = (),
    progress: Progress | None = None,
) -> Truth:
    """As `write_demo_sources`, of a scale of one's own, which the truth file gives this name."""
    try:
        if directory.exists() and (not directory.is_dir() or any(directory.iterdir())):
            kind = "is not empty" if directory.is_dir() else "is a file"
            raise DemoSourcesError(f"demo sources: {directory} {kind}; name a folder that is absent or empty")
        directory.parent.mkdir(parents=True, exist_ok=True)
        staging = directory.with_name(f".{directory.name}.{secrets.token_hex(4)}.partial")
        try:
            staging.mkdir()
            truth = _write(staging, scale, seed, name, only or SOURCES, progress)
            if directory.exists():
                directory.rmdir()
            staging.rename(directory)
        finally:
            shutil.rmtree(staging, ignore_errors=True)
    except OSError as error:
        raise DemoSourcesError(
            f"demo sources: can't write {directory}: {error.strerror or error}; make room or name another"
        ) from error
    return truth


def _write(
    folder: Path, scale: Scale, seed: int, name: str, sources: Collection[str], progress: Progress | None
) -> Truth:
    rows: Lots
    planted: list[Planted]
    if scale.sentences:
        rows, planted = tell(seed, scale, sources, progress)
        scale = scale.only(sources)
    else:
        told, planted = plant(seed, scale)
        rows = {source: [lot] for source, lot in told.items()}
    files = [file for source, lots in rows.items() for file in _write_source(folder, scale, source, lots)]
    truth = truth_of(seed, name, scale, planted, files)
    (folder / "truth.json").write_text(truth.as_json(), encoding="ascii")
    return truth


def _write_source(folder: Path, scale: Scale, source: str, rows: Iterable[Sequence[Row]]) -> list[SourceFile]:
    lots = ([upstream_fields(source, row) for row in lot] for lot in rows)
    count = scale.rows()[source]
    match source:
        case "raiden":
            return [write_blocks(folder, "raiden/raiden.csv", csv_blocks(lots))]
        case "openo1":
            blocks = json_line_blocks(lots, count, scale.blank_lines)
            return [write_blocks(folder, "openo1/openo1.jsonl", blocks)]
        case "cot":
            return [write_blocks(folder, "cot-collection/cot-collection.json", json_object_blocks(lots))]
        case _:
            codec = "snappy" if scale.sentences else "zstd"
            return list(write_parquet(folder, lots, count, scale.glaive_files, scale.row_groups, codec))
