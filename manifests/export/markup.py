"""Text that came from outside, made safe for YAML, Markdown and JSON. Pure."""

import json
import string
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TypeAlias

from manifests.command import printable
from manifests.words import cut

Yaml: TypeAlias = "str | int | Sequence[Yaml] | Mapping[str, Yaml]"

LONGEST_CELL = 200  # characters of a text in a table
MOST_LINES = 50  # of a table

# Numeric references are text to every Markdown reader, also where a backslash is not: `|` in a cell, `<` in HTML, what
# makes a bare address a link. What is left is escaped by a backslash, as CommonMark allows for ASCII punctuation.
_REFERENCES = "&<>|`:@\\"
_PLAIN = "/.,-%"
_ESCAPES = str.maketrans(
    {character: f"\\{character}" for character in string.punctuation if character not in _PLAIN}
    | {character: f"&#{ord(character)};" for character in _REFERENCES}
)


def markdown(text: str) -> str:
    """`text` as it reads, in one line of Markdown: no markup in it takes effect; at most 200 characters of it."""
    return printable(cut(text, LONGEST_CELL)).translate(_ESCAPES).replace("www.", "www&#46;")


def markdown_table(header: Sequence[str], rows: Iterable[Sequence[str | int]], where_all: str) -> list[str]:
    """The lines of a table; every cell is escaped. After 50 rows it says how many more there are, and where.

    Columns that hold numbers in the first row are aligned to the right.
    """
    every = list(rows)
    numbers = [isinstance(cell, int) for cell in every[0]] if every else [False] * len(header)
    lines = [
        f"| {' | '.join(header)} |",
        f"|{'|'.join('---:' if right else '---' for right in numbers)}|",
    ]
    for row in every[:MOST_LINES]:
        cells = (f"{cell:,}" if isinstance(cell, int) else markdown(cell) for cell in row)
        lines.append(f"| {' | '.join(cells)} |")
    if len(every) > MOST_LINES:
        lines += ["", f"And {len(every) - MOST_LINES:,} more, in {where_all}."]
    return lines


def yaml_lines(value: Mapping[str, Yaml], indent: str = "") -> Iterator[str]:
    """The lines of a YAML mapping in block style, all strings quoted. Keys are plain words; no list is empty."""
    for key, item in value.items():
        if isinstance(item, str | int):
            yield f"{indent}{key}: {_yaml_scalar(item)}"
            continue
        yield f"{indent}{key}:"
        if isinstance(item, Mapping):
            yield from yaml_lines(item, f"{indent}  ")
            continue
        for element in item:
            if isinstance(element, Mapping):
                first, *others = yaml_lines(element, f"{indent}  ")
                yield f"{indent}- {first.lstrip(' ')}"
                yield from others
            elif isinstance(element, str | int):
                yield f"{indent}- {_yaml_scalar(element)}"


def _yaml_scalar(value: str | int) -> str:
    """Quoted, so that `no`, `1e3` or `---` stay texts; beyond ASCII as escapes, JSON's pairs as YAML's single ones."""
    if isinstance(value, int):
        return str(value)
    quoted = json.dumps(value, ensure_ascii=False)
    return "".join(
        character
        if " " <= character <= "~"
        else f"\\u{ord(character):04x}"
        if character <= "\uffff"
        else f"\\U{ord(character):08x}"
        for character in quoted
    )


def json_text(value: object) -> str:
    """JSON, indented, in ASCII; `<` as an escape, so that no page it is put into takes markup from it."""
    return json.dumps(value, indent=1, ensure_ascii=True).replace("<", "\\u003c") + "\n"
