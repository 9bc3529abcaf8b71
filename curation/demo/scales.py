"""How large the demo sources are, and how much of what is planted in them.

The small size is told by the templates, row by row. The full size has the row counts of the upstream sources, and is
composed of the templates' sentences.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace


@dataclass(frozen=True, slots=True)
class Part:
    """How many rows one source has, or one half of it, and what is planted in them. The rest is fresh."""

    source: str
    rows: int
    duplicates: Mapping[str, int] = field(default_factory=dict)
    """Rows with the content of an earlier row, by the part which that row is in."""
    near_duplicates: Mapping[str, int] = field(default_factory=dict)
    """Rows with nearly the content of an earlier row, by the part which that row is in."""
    languages: Mapping[str, int] = field(default_factory=dict)
    malformed: Mapping[str, int] = field(default_factory=dict)
    """Rows that can't become a trace, by the reason."""


@dataclass(frozen=True, slots=True)
class Scale:
    """The parts of all sources, by name and in the order in which they are told."""

    parts: Mapping[str, Part]
    blank_lines: int
    glaive_files: int
    row_groups: int = 2
    """Of each file of glaive."""
    sentences: int = 0
    """So many different ones are told, in English, to compose rows of the full size from."""

    def rows(self) -> dict[str, int]:
        """How many rows each source has."""
        rows: dict[str, int] = {}
        for part in self.parts.values():
            rows[part.source] = rows.get(part.source, 0) + part.rows
        return rows

    def only(self, sources: Collection[str]) -> "Scale":
        """The parts of these sources."""
        return replace(
            self, parts={name: part for name, part in self.parts.items() if part.source in sources}
        )


SCALES: Mapping[str, Scale] = {
    "small": Scale(
        parts={
            "raiden": Part(
                source="raiden",
                rows=160,
                duplicates={"raiden": 4},
                malformed={
                    "no-prompt": 2,
                    "no-reasoning": 2,
                    "no-answer": 1,
                    "tag-unclosed": 1,
                    "tag-repeated": 1,
                    "text-before-reasoning": 1,
                    "invalid-utf8": 1,
                },
            ),
            "openo1": Part(
                source="openo1",
                rows=200,
                duplicates={"openo1": 4, "raiden": 2},
                languages={"de": 13, "es": 13, "fr": 13, "zh": 21},
                malformed={
                    "null": 2,
                    "no-prompt": 1,
                    "no-reasoning": 2,
                    "no-answer": 2,
                    "tag-unclosed": 2,
                    "tag-repeated": 1,
                    "text-before-reasoning": 1,
                    "invalid-utf8": 1,
                    "lone-surrogate": 1,
                    "not-text": 1,
                },
            ),
            "cot": Part(
                source="cot",
                rows=300,
                duplicates={"cot": 6},
                near_duplicates={"cot": 6},
                malformed={
                    "null": 2,
                    "no-prompt": 1,
                    "no-reasoning": 1,
                    "no-answer": 1,
                    "lone-surrogate": 1,
                    "not-text": 2,
                },
            ),
            "glaive, first half": Part(
                source="glaive",
                rows=200,
                duplicates={"glaive, first half": 5, "raiden": 3},
                near_duplicates={"glaive, first half": 4},
                malformed={
                    "null": 2,
                    "no-prompt": 1,
                    "no-reasoning": 2,
                    "no-answer": 2,
                    "tag-unclosed": 1,
                    "tag-repeated": 1,
                    "text-before-reasoning": 1,
                },
            ),
            "glaive, second half": Part(
                source="glaive",
                rows=200,
                duplicates={"glaive, second half": 3, "glaive, first half": 5, "raiden": 1},
                near_duplicates={"glaive, first half": 2},
                malformed={
                    "null": 1,
                    "no-prompt": 1,
                    "no-reasoning": 1,
                    "no-answer": 1,
                    "tag-unclosed": 1,
                    "tag-repeated": 1,
                },
            ),
        },
        blank_lines=3,
        glaive_files=4,
    ),
}

FULL_GLAIVE_ROWS = 150_000
_SESSION_1, _SESSION_2 = 30_000, 100_000
FEWEST_GLAIVE_ROWS = _SESSION_1 + _SESSION_2
_ROWS_A_FILE = 25_000
_TAGGED_DEFECTS = (
    "no-prompt", "no-reasoning", "no-answer", "tag-unclosed", "tag-repeated", "text-before-reasoning",
)  # fmt: skip
_COT_DEFECTS = "null", "no-prompt", "no-reasoning", "no-answer", "lone-surrogate", "not-text"


def full_scale(glaive_rows: int = FULL_GLAIVE_ROWS, *, one_in: int = 1) -> Scale:
    """The row counts of the upstream sources: 62,925, 77,685, 1,837,928, and of glaive as many as asked for.

    Glaive has at least the rows of both sessions; how many stand behind them changes neither. With `one_in`, only one
    in so many rows, and at least one of all that is planted, from fewer sentences.
    """

    def few(count: int) -> int:
        return max(1, count // one_in)

    def each(defects: tuple[str, ...], count: int) -> dict[str, int]:
        return dict.fromkeys(defects, few(count))

    first, second, rest = "glaive, first half", "glaive, second half", "glaive, rest"
    behind = (glaive_rows - FEWEST_GLAIVE_ROWS) // one_in
    parts = {
        "raiden": Part(
            source="raiden",
            rows=62_925 // one_in,
            duplicates={"raiden": few(600)},
            malformed=each((*_TAGGED_DEFECTS, "invalid-utf8"), 40),
        ),
        "openo1": Part(
            source="openo1",
            rows=77_685 // one_in,
            duplicates={"openo1": few(700), "raiden": few(200)},
            languages={"de": few(1_500), "es": few(1_500), "fr": few(1_500), "zh": few(20_000)},
            malformed=each(("null", *_TAGGED_DEFECTS, "invalid-utf8", "lone-surrogate", "not-text"), 40),
        ),
        "cot": Part(
            source="cot",
            rows=1_837_928 // one_in,
            duplicates={"cot": few(4_000)},
            near_duplicates={"cot": few(2_000)},
            malformed=each(_COT_DEFECTS, 300),
        ),
        first: Part(
            source="glaive",
            rows=_SESSION_1 // one_in,
            duplicates={first: few(400), "raiden": few(100)},
            near_duplicates={first: few(200)},
            malformed=each(("null", *_TAGGED_DEFECTS), 20),
        ),
        second: Part(
            source="glaive",
            rows=_SESSION_2 // one_in,
            duplicates={second: few(1_000), first: few(1_000), "raiden": few(100)},
            near_duplicates={first: few(300)},
            malformed=each(("null", *_TAGGED_DEFECTS), 60),
        ),
        rest: Part(
            source="glaive",
            rows=behind,
            duplicates={rest: behind // 100},
            malformed=dict.fromkeys(("null", *_TAGGED_DEFECTS), behind // 1_000),
        ),
    }
    return Scale(
        parts={name: part for name, part in parts.items() if part.rows},
        blank_lines=few(300),
        glaive_files=-(-glaive_rows // _ROWS_A_FILE),
        row_groups=25,
        sentences=60_000 // min(one_in, 10),
    )
