"""Two texts side by side: an excerpt of each around the first difference, with the words that differ marked. Pure.

The work is bounded: however long the texts, `difflib` compares 720 characters of each.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher

LONGEST = 480  # characters of an excerpt
LEAD = 120  # characters shown before the first difference
LONGEST_EQUAL = 240  # characters of an excerpt that has none
_COMPARED = 720  # more than is shown, so that the end of an excerpt is no difference
_ALIKE = 0.25  # with less in common, marks would only be noise

# A word (of a long one 40 characters at a time, so that where a text is cut changes only the last), a run of white
# space, or any other character; of scripts without spaces each character by itself. No Unicode tables: they move.
_WORDS = re.compile("[0-9A-Za-z_\u00c0-\u1fff]{1,40}|[ \t\r\n]+|.", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Excerpt:
    """A part of a text: pieces with whether they differ from the other text, and the characters left out around it."""

    pieces: tuple[tuple[str, bool], ...]
    before: int
    after: int

    @property
    def text(self) -> str:
        """The part itself."""
        return "".join(piece for piece, _ in self.pieces)


@dataclass(frozen=True, slots=True)
class Comparison:
    """Excerpts of two texts at the same place. `likeness` is `equal`, `similar` or `different throughout`.

    Only similar texts have marked pieces.
    """

    first: Excerpt
    second: Excerpt
    likeness: str


def compare(first: str, second: str) -> Comparison:
    """Both texts from up to 120 characters before their first difference, 480 of each; of equal ones the first 240."""
    if first == second:
        both = _unmarked(first, 0, LONGEST_EQUAL)
        return Comparison(both, both, "equal")
    start = _start(first, _common_beginning(first, second))
    left, right = (_WORDS.findall(text[start : start + _COMPARED]) for text in (first, second))
    head = _common(left, right)
    # White space is in every text: alone it is nothing to align by.
    matcher = SequenceMatcher(str.isspace, left[head:], right[head:], autojunk=False)
    blocks = [
        (0, 0, head),
        *((head + one, head + other, size) for one, other, size in matcher.get_matching_blocks()),
    ]
    shared = sum(len("".join(left[one : one + size])) for one, _, size in blocks)
    if shared < _ALIKE * min(len("".join(left)), len("".join(right))):
        return Comparison(_unmarked(first, start), _unmarked(second, start), "different throughout")
    return Comparison(
        _marked(first, start, left, [(one, size) for one, _, size in blocks]),
        _marked(second, start, right, [(other, size) for _, other, size in blocks]),
        "similar",
    )


def _start(text: str, difference: int) -> int:
    """Where the excerpts begin: at a word, at most 120 characters before the first difference."""
    earliest = max(0, difference - LEAD)
    gap = text.find(" ", earliest, difference) if earliest else -1
    return earliest if gap < 0 else gap + 1


def _common_beginning(first: str, second: str) -> int:
    """How many characters two texts have in common at their beginning."""
    low, high = 0, min(len(first), len(second))
    while low < high:
        middle = (low + high + 1) // 2
        if first[low:middle] == second[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low


def _common(first: Sequence[str], second: Sequence[str]) -> int:
    """How many words two lists have in common at their beginning."""
    most = min(len(first), len(second))
    return next((place for place in range(most) if first[place] != second[place]), most)


def _unmarked(text: str, start: int, longest: int = LONGEST) -> Excerpt:
    part = text[start : start + longest]
    return Excerpt(((part, False),) if part else (), start, len(text) - start - len(part))


def _marked(text: str, start: int, words: Sequence[str], same: Sequence[tuple[int, int]]) -> Excerpt:
    pieces: list[tuple[str, bool]] = []
    place = 0
    for begin, size in same:
        pieces += [("".join(words[place:begin]), True), ("".join(words[begin : begin + size]), False)]
        place = begin + size
    left, kept = LONGEST, list[tuple[str, bool]]()
    for piece, differs in pieces:
        if shown := piece[:left]:
            kept.append((shown, differs))
            left -= len(shown)
    return Excerpt(tuple(kept), start, len(text) - start - (LONGEST - left))
