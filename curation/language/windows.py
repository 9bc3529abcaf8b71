"""Windows of a long text that are surely in another language (manifests/FORMAT.md, `langdetect-windows/1`). Pure.

langdetect reads no more than the first 10,000 characters of a text, and finds one language there. So windows of the
whole text are judged as well, each for itself. A window is foreign only if the language asked for isn't even listed,
neither for the window nor for its distinct plain words: lists of names, formulas, code and a repeated word look
foreign to langdetect, and have few such words or none. The lengths are those of a measurement on real English
reasoning with and without planted switches (benchmarks/language.py).
"""

import re
from collections.abc import Callable, Sequence

WINDOWS_ALGORITHM = "langdetect-windows/1"
WINDOW = 250
LEAST_WORDS = 100
"""How many code points the distinct words of a window must have, joined by spaces."""

_STEP = WINDOW // 2

# Plain words. Of ASCII letters alone: in lower case, and no part of a name in code, a formula, a path or an address.
# With a letter beyond ASCII: not begun by A-Z. Case beyond ASCII is not looked at, for its tables move.
_WORD = re.compile(
    r"(?<![0-9A-Za-z_./\\=+<>@#$&|{}\x80-\U0010ffff-])[a-z]+"
    r"(?![0-9A-Za-z_/\\=+<>@&|{}(\[\x80-\U0010ffff]|\.[0-9A-Za-z_])"
    r"|(?<![A-Za-z\x80-\U0010ffff])(?![A-Z])[A-Za-z]*[\x80-\U0010ffff][A-Za-z\x80-\U0010ffff]*"
)


def foreign_language(
    text: str, code: str, most: int, languages: Callable[[str], Sequence[tuple[str, float]]]
) -> str | None:
    """The likeliest language of the first window that is surely not in the language `code`; None if there is none.

    At most `most` windows are looked at, 2 or more. `languages` lists the likely languages of a text, likeliest first.
    """
    for start in starts(len(text), most):
        window = text[start : start + WINDOW]
        found = languages(window)
        if not found or _lists(found, code):
            continue
        words = distinct_words(window)
        if len(words) < LEAST_WORDS:
            continue
        confirmed = languages(words)
        if confirmed and not _lists(confirmed, code):
            return found[0][0]
    return None


def starts(length: int, most: int) -> list[int]:
    """Where the windows of a text begin, in code points: evenly spread from its start to its end, half overlapped.

    At most `most` (2 or more) of them. A text no longer than a window has none: it has been judged as a whole.
    """
    spare = length - WINDOW
    if spare <= 0:
        return []
    last = min(most, 1 + -(-spare // _STEP)) - 1
    return [place * spare // last for place in range(last + 1)]


def distinct_words(window: str) -> str:
    """The plain words of a window, each once, in the order of their first places, joined by spaces."""
    return " ".join(dict.fromkeys(_WORD.findall(window)))


def _lists(found: Sequence[tuple[str, float]], code: str) -> bool:
    return any(language == code for language, _ in found)
