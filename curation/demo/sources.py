"""The demo sources: four small sources in the upstream layouts, and a file that says what is planted in them.

    raiden/raiden.csv                        prompt, response: <think> … </think>, then the answer
    openo1/openo1.jsonl                      instruction, output: <Thought> … </Thought> <Output> … </Output>
    cot-collection/cot-collection.json       one object keyed by id: source, target, rationale, task, type
    glaive/train-00000-of-00004.parquet …    prompt, response, as in raiden
    truth.json                               see `Truth`

The same seed gives the same bytes of CSV and JSON on any machine. It gives the same rows of parquet, whose bytes
depend on the version of pyarrow, and with them the sizes and digests in the truth file.
"""

import hashlib
import json
import secrets
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from io import BytesIO
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from curation.demo.layouts import Fields, upstream_fields
from curation.demo.planting import Planted, plant
from curation.demo.scales import SCALES, Scale
from curation.errors import DemoSourcesError


@dataclass(frozen=True, slots=True)
class SourceFile:
    """A file that was written: its path below the folder, its size in bytes, its SHA-256 in hex."""

    path: str
    size: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Duplicate:
    """A row with the content of an earlier row of its source."""

    source: str
    row: int
    duplicate_of_row: int


@dataclass(frozen=True, slots=True)
class CrossDuplicate:
    """A row with the content of a row of another source."""

    source: str
    row: int
    duplicate_of_source: str
    duplicate_of_row: int


@dataclass(frozen=True, slots=True)
class NearDuplicate:
    """A row with nearly the content of an earlier row of its source."""

    source: str
    row: int
    near_of_row: int


@dataclass(frozen=True, slots=True)
class OtherLanguage:
    """A row that is not in English, with its ISO 639-1 code."""

    source: str
    row: int
    language: str


@dataclass(frozen=True, slots=True)
class Malformed:
    """A row that can't become a trace, with its only defect."""

    source: str
    row: int
    reason: str


@dataclass(frozen=True, slots=True)
class Truth:
    """What was written and what is planted in it. Rows are counted from 1, blank lines not counted.

    `duplicates` lie within one source, for glaive within one half of it; rows of its second half that repeat
    rows of the first are the `session_overlap`. A malformed row is no duplicate and not in another language.
    `survivors` is what is left of each source after parsing, English only, duplicates within and duplicates
    across, sources in the order raiden, openo1, cot, glaive; of glaive only the first half takes part.
    """

    seed: int
    scale: str
    rows: Mapping[str, int]
    files: tuple[SourceFile, ...]
    duplicates: tuple[Duplicate, ...]
    across: tuple[CrossDuplicate, ...]
    session_overlap: tuple[Duplicate, ...]
    near_duplicates: tuple[NearDuplicate, ...]
    other_languages: tuple[OtherLanguage, ...]
    malformed: tuple[Malformed, ...]
    blank_lines: Mapping[str, int]
    glaive_halves: Mapping[str, tuple[int, int]]
    survivors: Mapping[str, int]

    def as_json(self) -> str:
        """The truth file: ASCII, keys sorted, indented by one."""
        return json.dumps(asdict(self), sort_keys=True, indent=1) + "\n"


def write_demo_sources(directory: Path, *, seed: int = 42, scale: str = "small") -> Truth:
    """Write the four sources and `truth.json` to a folder that is absent or empty, and return the truth.

    Nothing half-written remains: all is written to a folder beside it, which is then renamed. Raises
    DemoSourcesError if the scale is unknown, the folder is not empty, or it can't be written.
    """
    if scale not in SCALES:
        raise DemoSourcesError(f"demo sources: scale {scale!r} is unknown; choose one of {', '.join(SCALES)}")
    files, truth = demo_files(seed, scale)
    try:
        if directory.exists() and (not directory.is_dir() or any(directory.iterdir())):
            kind = "is not empty" if directory.is_dir() else "is a file"
            raise DemoSourcesError(f"demo sources: {directory} {kind}; name a folder that is absent or empty")
        directory.parent.mkdir(parents=True, exist_ok=True)
        staging = directory.with_name(f".{directory.name}.{secrets.token_hex(4)}.partial")
        try:
            for path, content in {**files, "truth.json": truth.as_json().encode()}.items():
                target = staging / path
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(content)
            if directory.exists():
                directory.rmdir()
            staging.rename(directory)
        finally:
            shutil.rmtree(staging, ignore_errors=True)
    except OSError as error:
        raise DemoSourcesError(
            f"demo sources: can't write {directory}: {error.strerror}; name another"
        ) from error
    return truth


def demo_files(seed: int, scale: str) -> tuple[dict[str, bytes], Truth]:
    """The files of all sources, by path, and the truth about them; nothing is written."""
    counts = SCALES[scale]
    rows, planted = plant(seed, counts)
    fields = {source: [upstream_fields(source, row) for row in told] for source, told in rows.items()}
    files = {
        "raiden/raiden.csv": _csv(fields["raiden"]),
        "openo1/openo1.jsonl": _json_lines(fields["openo1"], counts.blank_lines),
        "cot-collection/cot-collection.json": _json_object(fields["cot"]),
        **_parquet_files(fields["glaive"], counts.glaive_files),
    }
    return files, _truth(seed, scale, counts, planted, files)


def _csv(rows: Sequence[Fields]) -> bytes:
    """RFC 4180 with a header: lines end in CR LF, a field is quoted if it has to be, null has no form."""

    def quoted(value: str) -> str:
        return '"' + value.replace('"', '""') + '"' if set(value) & set(',"\r\n') else value

    lines = [",".join(rows[0]), *(",".join(quoted(str(value)) for value in row.values()) for row in rows)]
    return "".join(f"{line}\r\n" for line in lines).encode("utf-8", "surrogateescape")


def _json(value: Fields) -> str:
    """One object as JSON, not escaped but for the lone surrogate, which UTF-8 can't hold."""
    return json.dumps(value, ensure_ascii=False).replace("\ud800", "\\ud800")


def _json_lines(rows: Sequence[Fields], blank_lines: int) -> bytes:
    """One object a line, with blank lines evenly between them, every other one of them with spaces."""
    lines = [_json(row) for row in rows]
    for blank in range(blank_lines, 0, -1):
        lines.insert(blank * len(rows) // (blank_lines + 1), "  " if blank % 2 == 0 else "")
    return "".join(f"{line}\n" for line in lines).encode("utf-8", "surrogateescape")


def _json_object(rows: Sequence[Fields]) -> bytes:
    """One object that holds all rows, keyed "0", "1", …, one a line."""
    entries = [f'"{number}": {_json(row)}' for number, row in enumerate(rows)]
    return ("{\n" + ",\n".join(entries) + "\n}\n").encode()


def _parquet_files(rows: Sequence[Fields], count: int) -> dict[str, bytes]:
    """The rows in equal shares, named as the Hub names them, with two row groups a file."""
    files = {}
    for number in range(count):
        share = rows[number * len(rows) // count : (number + 1) * len(rows) // count]
        schema = pa.schema([(name, pa.string()) for name in share[0]])
        buffer = BytesIO()
        table = pa.Table.from_pylist(share, schema)
        pq.write_table(table, buffer, row_group_size=-(-len(share) // 2), compression="zstd")
        files[f"glaive/train-{number:05d}-of-{count:05d}.parquet"] = buffer.getvalue()
    return files


def _truth(
    seed: int, scale: str, counts: Scale, planted: Sequence[Planted], files: Mapping[str, bytes]
) -> Truth:
    sources = {name: part.source for name, part in counts.parts.items()}
    rows: dict[str, int] = {}
    for part in counts.parts.values():
        rows[part.source] = rows.get(part.source, 0) + part.rows
    half = counts.parts["glaive, first half"].rows
    repeats = [(one, sources[one.part], sources[one.of_part]) for one in planted if one.kind == "duplicate"]
    first_part = {source: name for name, source in reversed(sources.items())}
    return Truth(
        seed=seed,
        scale=scale,
        rows=rows,
        files=tuple(
            SourceFile(path, len(content), hashlib.sha256(content).hexdigest())
            for path, content in files.items()
        ),
        duplicates=tuple(
            Duplicate(source, one.row, one.of_row) for one, source, _ in repeats if one.part == one.of_part
        ),
        across=tuple(
            CrossDuplicate(source, one.row, of, one.of_row) for one, source, of in repeats if source != of
        ),
        session_overlap=tuple(
            Duplicate(source, one.row, one.of_row)
            for one, source, of in repeats
            if source == of and one.part != one.of_part
        ),
        near_duplicates=tuple(
            NearDuplicate(sources[one.part], one.row, one.of_row) for one in planted if one.kind == "near"
        ),
        other_languages=tuple(
            OtherLanguage(sources[one.part], one.row, one.detail) for one in planted if one.kind == "language"
        ),
        malformed=tuple(
            Malformed(sources[one.part], one.row, one.detail) for one in planted if one.kind == "malformed"
        ),
        blank_lines={"openo1": counts.blank_lines},
        glaive_halves={"first": (1, half), "second": (half + 1, rows["glaive"])},
        survivors={
            source: counts.parts[name].rows - sum(one.part == name and one.kind != "near" for one in planted)
            for source, name in first_part.items()
        },
    )
