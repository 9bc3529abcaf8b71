"""How large the demo sources are, and how much of what is planted in them."""

from collections.abc import Mapping
from dataclasses import dataclass, field


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
