"""A recipe: what to take, from which sources, in which order. `recipe_reader` makes it from TOML. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

DEFAULT_SEED = 42
DEFAULT_MAX_DROP = Decimal("0.5")
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
    """Which language a trace must be in, how it is told, how likely it must be, and which fields it is told from."""

    code: str
    minimum: Decimal = Decimal("0.5")
    on: tuple[str, ...] = FIELDS


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
    """One source of a recipe. Either `files` (a path or glob) or `hub` is set; `tags` is None for three columns."""

    name: str
    columns: Columns
    tags: Tags | None
    files: str | None = None
    hub: str | None = None
    revision: str | None = None
    header: bool = True
    rows: tuple[int, int] | None = None
    draw_raw: bool = False
    language: Language | None = None
    keep_duplicates: bool = False
    take: Take = Take()
    expect: Expect = Expect()
    max_drop: Decimal = DEFAULT_MAX_DROP


@dataclass(frozen=True, slots=True)
class Disjoint:
    """Earlier manifests that the mix must share nothing with; what it shares is dropped, or is an error."""

    references: tuple[str, ...]
    drop: bool = True


@dataclass(frozen=True, slots=True)
class Recipe:
    """What to take. `selecting` holds the keys that were set and that select, as they stand in the identity."""

    name: str
    folder: Path
    sources: tuple[SourceRecipe, ...]
    selecting: Mapping[str, object]
    seed: int = DEFAULT_SEED
    mixed: bool = True
    disjoint: Disjoint | None = None
