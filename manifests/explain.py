"""Why a row is in a manifest, or where it left: `manifests explain`."""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from typing import Any

import polars as pl

from manifests.dataset import read_row
from manifests.errors import CommandError, FormatError, VerificationError
from manifests.fate import (
    IN,
    NO_SOURCE,
    NOT_TAKEN,
    OUTSIDE_RANGE,
    PAST_FILES,
    REJECTED,
    fates,
)
from manifests.glance import manifest_folder, names_by_id
from manifests.keys import Trace
from manifests.manifest import Manifest, read_manifest
from manifests.reading.row_range import raw_range
from manifests.store import Store
from manifests.words import SHORT_ID, cut

BEGINNING = 200  # characters of a text that are shown
UNKNOWN = "manifest-not-here"
_LONGEST_CHAIN = (
    8  # rows kept for one another; a stage hands on only to later stages, of which there are fewer
)
_MOST_DIGITS = 18


@dataclass(frozen=True, slots=True)
class Explanation:
    """What became of one row in one manifest. What does not apply is None.

    `status` is one of `manifests.fate.STATUSES`, or `manifest-not-here` for a kept row of a manifest that is in no
    store. `place` counts from 1 in training order. `raw_range` is (first, last), `last_row` the
    last row of the source's files. `kept` is the row for which this one was dropped, and what became of that one.
    """

    manifest: str
    names: tuple[str, ...]
    source: str
    row: int
    status: str
    place: int | None = None
    rows: int | None = None
    file: str | None = None
    row_in_file: int | None = None
    content: str | None = None
    prompt: str | None = None
    chars: int | None = None
    raw_range: tuple[int, int] | None = None
    last_row: int | None = None
    stage: str | None = None
    reason: str | None = None
    detail: str | None = None
    text: Trace | None = None
    kept: "Explanation | None" = None


def parse_row(text: str) -> tuple[str, int]:
    """The source and row of `SOURCE:ROW`, rows counted from 1. Raises CommandError for anything else."""
    source, colon, number = text.rpartition(":")
    if not colon or not source or not (number.isascii() and number.isdigit() and len(number) <= _MOST_DIGITS):
        raise CommandError(f"{cut(text)!r}: expected SOURCE:ROW, the row counted from 1, as in glaive:30001")
    if int(number) < 1:
        raise CommandError(f"{cut(text)!r}: rows are counted from 1; give {source[:64]}:1 or more")
    return source, int(number)


def explain(store: Store, manifest: Manifest, source: str, row: int) -> Explanation:
    """What became of a row. `source` must be one of the manifest's, `row` from 1; CommandError otherwise.

    The beginning of its text is given if the manifest has the row and a store its dataset, and they agree.
    """
    if row < 1:
        raise CommandError(f"row {row}: rows are counted from 1")
    if manifest.identity.source(source) is None:
        names = ", ".join(record.name for record in manifest.identity.sources[:20])
        raise CommandError(f"source {source[:64]!r}: manifest {manifest.id[:12]} has the sources {names}")
    explained = _chain(store, manifest, source, row, _LONGEST_CHAIN)
    if explained.place is None:
        return explained
    return replace(explained, text=read_text(store, manifest, explained.place - 1))


def read_text(store: Store, manifest: Manifest, place: int) -> Trace | None:
    """The text of the row at a place (from 0), if a store has it and it is the row's by its keys; else None."""
    folder = store.dataset_folder(manifest)
    if folder is None:
        return None
    try:
        return read_row(folder, manifest, place)
    except (VerificationError, IndexError):
        return None  # what is wrong with a dataset is told by `manifests verify --dataset`


def _chain(store: Store, manifest: Manifest, source: str, row: int, left: int) -> Explanation:
    wanted = pl.DataFrame({"source": [source], "row": [row]}, schema={"source": pl.String, "row": pl.UInt64})
    fate = fates(manifest, wanted).row(0, named=True)
    names = tuple(names_by_id(store).get(manifest.id, []))
    found = _told(Explanation(manifest.id, names, source, row, str(fate["status"])), manifest, fate)
    if found.status != REJECTED or not fate["kept_source"] or not left:
        return found
    kept_manifest, kept_source, kept_row = (fate[f"kept_{name}"] for name in ("manifest", "source", "row"))
    if kept_manifest in {"", manifest.id}:
        return replace(found, kept=_chain(store, manifest, kept_source, kept_row, left - 1))
    return replace(found, kept=_elsewhere(store, kept_manifest, kept_source, kept_row, left - 1))


def _elsewhere(store: Store, identifier: str, source: str, row: int, left: int) -> Explanation:
    """What became of a row in a manifest that another one names."""
    folder = manifest_folder(store, identifier)
    names = tuple(names_by_id(store).get(identifier, []))
    with suppress(FormatError, VerificationError):  # damaged is as good as not here
        if folder is not None:
            return _chain(store, read_manifest(folder), source, row, left)
    return Explanation(identifier, names, source, row, UNKNOWN)


def _told(found: Explanation, manifest: Manifest, fate: Mapping[str, Any]) -> Explanation:
    """`found` with all that manifest and fate say of the row."""
    identity, record = manifest.identity, manifest.identity.source(found.source)
    found = replace(found, rows=identity.rows, **{name: fate[name] for name in ("stage", "reason", "detail")})
    if record is not None:
        found = replace(found, raw_range=raw_range(identity, record), last_row=record.files[-1].last_row)
        if record.files[0].first_row <= found.row <= record.files[-1].last_row:
            file, within = record.locate(found.row)
            found = replace(found, file=file.path, row_in_file=within)
    if found.status == IN:
        place = int(fate["place"])
        content, prompt, chars = (
            manifest.rows.column(name)[place].as_py() for name in ("content", "prompt", "chars")
        )
        found = replace(found, place=place + 1, content=content.hex(), prompt=prompt.hex(), chars=chars)
    return found


def explanation_json(told: Explanation) -> dict[str, object]:
    """An explanation as `--json` prints it; of a text the beginning of each part."""
    result = asdict(told)
    result["kept"] = None if told.kept is None else explanation_json(told.kept)
    if told.text is not None:
        result["text"] = {name: text[:BEGINNING] for name, text in told.text._asdict().items()}
    return result


def explanation_lines(told: Explanation) -> list[str]:
    """An explanation for people: what became of the row, where it stands, and how its text begins."""
    lines = [f"{_row(told)}: {_became(told)}"]
    if told.file is not None:
        lines.append(f"  file     {cut(told.file)}, row {told.row_in_file:,} of it")
    if told.content is not None:
        lines += [f"  content  {told.content}", f"  prompt   {told.prompt}", f"  chars    {told.chars:,}"]
    kept, indent = told.kept, "  "
    while kept is not None:
        lines.append(f"{indent}kept     {_row(kept)} of {_manifest(kept)}: {_became(kept)}")
        kept, indent = kept.kept, indent + "  "
    for name, text in told.text._asdict().items() if told.text is not None else ():
        lines.append(f"  {name:<9} {text[:BEGINNING]!r}{'…' if len(text) > BEGINNING else ''}")
    return lines


def _became(told: Explanation) -> str:
    first, last = told.raw_range or (1, 0)
    texts = {
        IN: f"in, at place {told.place or 0:,} of {told.rows or 0:,} in training order",
        REJECTED: f"rejected at {told.stage}: {told.reason}{f' ({cut(told.detail)})' if told.detail else ''}",
        NOT_TAKEN: "a candidate, but the draw did not take it",
        OUTSIDE_RANGE: f"outside the rows {first:,} to {last:,} that the recipe looks at",
        PAST_FILES: f"past the files, which end at row {told.last_row or 0:,}",
        NO_SOURCE: "its manifest has no such source",
        UNKNOWN: "that manifest is not in the store, or damaged there",
    }
    return texts[told.status]


def _row(told: Explanation) -> str:
    return f"{told.source}:{told.row}"


def _manifest(told: Explanation) -> str:
    return " ".join([*told.names[:3], told.manifest[:SHORT_ID]])
