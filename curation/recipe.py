"""A recipe: what to take, from which sources, in which order. `recipe_reader` makes it from TOML. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path

DEFAULT_SEED = 42
DEFAULT_MAX_DROP = Decimal("0.5")
DEFAULT_MAX_ROW_BYTES = 16 << 20
DEFAULT_MAX_EXPANSION = 200
FIELDS = ("prompt", "reasoning", "answer")


@dataclass(frozen=True, slots=True)
class Take:
    """Which of a source's rows to draw: `kind` is all, first, reservoir, shuffle or hash; `count` None means all."""

    kind: str = "all"
    count: int | None = None
    seed: int | None = None


@dataclass(frozen=True, slots=True)
class Tags:
    """The pairs (start, end) that mark reasoning and answer in a response. An end of "" is the end of the text."""

    reasoning: tuple[str, str] | None = ("<think>", "</think>")
    answer: tuple[str, str] | None = None


@dataclass(frozen=True, slots=True)
class Language:
    """Which language a trace must be in, how that is told, and from which fields.

    By langdetect: `code` must be the likeliest language, `minimum` likely; with `windows` so many windows of the text
    are looked at as well. By script: no letter of the scripts `without` may occur; `code` and `minimum` say nothing.
    """

    code: str
    by: str = "langdetect"
    minimum: Decimal = Decimal("0.5")
    on: tuple[str, ...] = FIELDS
    windows: int = 0
    without: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Near:
    """When two traces are near duplicates: the Jaccard index of their shingles, runs of `words` words of `on`.

    `bands` × `rows` MinHash values propose the pairs that are verified.
    """

    threshold: Decimal = Decimal("0.8")
    words: int = 5
    bands: int = 20
    rows: int = 6
    on: tuple[str, ...] = FIELDS


@dataclass(frozen=True, slots=True)
class Decontaminate:
    """Evaluation questions that no prompt may contain.

    `against` are paths or globs of files of the formats of sources; `column` holds the question (a name, or a number
    from 1 for files without a header). A prompt contains a question that has at least the share `minimum` of its runs
    of `words` words in it.
    """

    against: tuple[str, ...]
    column: str | int = "question"
    words: int = 13
    minimum: Decimal = Decimal("0.5")


@dataclass(frozen=True, slots=True)
class PinnedFile:
    """A file of a Hub repository as `curation pin` found it: path in the repository, bytes, SHA-256 in hex."""

    path: str
    size: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Columns:
    """The columns (names, or numbers from 1) of (prompt, response) or of (prompt, reasoning, answer)."""

    chosen: tuple[str | int, ...]

    @property
    def tagged(self) -> bool:
        """Whether a response has to be split by tags."""
        return len(self.chosen) < len(FIELDS)


@dataclass(frozen=True, slots=True)
class Expect:
    """How many rows of a source the finished manifest must have: at least, or exactly."""

    minimum: int | None = None
    rows: int | None = None


@dataclass(frozen=True, slots=True)
class SourceRecipe:
    """One source of a recipe. Either `files` (a path or glob) or `hub` is set; `tags` is None for three columns.

    `license` is what the source is under, in words; it selects nothing.
    """

    name: str
    columns: Columns
    tags: Tags | None
    files: str | None = None
    hub: str | None = None
    revision: str | None = None
    pinned: tuple[PinnedFile, ...] = ()
    license: str | None = None
    header: bool = True
    rows: tuple[int, int] | None = None
    draw_raw: bool = False
    language: Language | None = None
    max_chars: int | None = None
    keep_duplicates: bool = False
    near: Near | None = None
    take: Take = Take()
    expect: Expect = Expect()
    max_drop: Decimal = DEFAULT_MAX_DROP
    max_row_bytes: int = DEFAULT_MAX_ROW_BYTES
    max_expansion: int = DEFAULT_MAX_EXPANSION

    @property
    def script_first(self) -> bool:
        """Whether a script rule looks at the raw rows, before a raw draw."""
        return self.draw_raw and self.language is not None and self.language.by == "script"


@dataclass(frozen=True, slots=True)
class Disjoint:
    """Earlier manifests that the mix must share nothing with; what it shares is dropped, or is an error."""

    references: tuple[str, ...]
    drop: bool = True


@dataclass(frozen=True, slots=True)
class Recipe:
    """What to take. `selecting` holds the keys that were set and that select, as they stand in the identity.

    `sketch` asks for a sketch of every row, by which an audit tells near duplicates. `continues` names the manifests
    whose training is to be gone on with; that selects nothing.
    """

    name: str
    folder: Path
    sources: tuple[SourceRecipe, ...]
    selecting: Mapping[str, object]
    seed: int = DEFAULT_SEED
    mixed: bool = True
    disjoint: Disjoint | None = None
    continues: tuple[str, ...] = ()
    decontaminate: Decontaminate | None = None
    sketch: bool = False

    def sketched(self) -> "Recipe":
        """The recipe as if it said `sketch = true`."""
        return replace(self, sketch=True, selecting={**self.selecting, "sketch": True})
