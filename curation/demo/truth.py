"""The truth about the demo sources: what was written, and what is planted in it. Pure."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

from curation.demo.formats import SourceFile
from curation.demo.planting import Planted
from curation.demo.scales import Scale


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
    rows of the first are the `session_overlap`. What follows the halves at the full size is the `rest`. A malformed
    row is no duplicate and not in another language. `survivors` is what is left of each source after parsing, English
    only, duplicates within and duplicates across, sources in the order raiden, openo1, cot, glaive; of glaive only the
    first half takes part.
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


def truth_of(
    seed: int, name: str, scale: Scale, planted: Sequence[Planted], files: Sequence[SourceFile]
) -> Truth:
    """The truth about what was written: the parts of the scale, what is planted in them, the files."""
    sources = {name: part.source for name, part in scale.parts.items()}
    rows = scale.rows()
    repeats = [(one, sources[one.part], sources[one.of_part]) for one in planted if one.kind == "duplicate"]
    first_part = {source: part for part, source in reversed(sources.items())}
    return Truth(
        seed=seed,
        scale=name,
        rows=rows,
        files=tuple(files),
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
        blank_lines={"openo1": scale.blank_lines} if "openo1" in rows else {},
        glaive_halves=_halves(scale),
        survivors={
            source: scale.parts[name].rows - sum(one.part == name and one.kind != "near" for one in planted)
            for source, name in first_part.items()
        },
    )


def _halves(scale: Scale) -> dict[str, tuple[int, int]]:
    """The rows of each part of glaive, under the part's name without the source's: `glaive, first half`."""
    found: dict[str, tuple[int, int]] = {}
    end = 0
    for name, part in scale.parts.items():
        if part.source == "glaive":
            found[name.removeprefix("glaive, ").removesuffix(" half")] = (end + 1, end + part.rows)
            end += part.rows
    return found
