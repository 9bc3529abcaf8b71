"""HTML from text. Text and markup are different types: what comes from data can't get into a page unescaped.

Characters that nobody sees, or that change how others are shown (controls, bidirectional overrides, zero-width ones),
are shown as their code points. A parser of HTML would drop or replace some of them
(https://html.spec.whatwg.org/multipage/parsing.html#preprocessing-the-input-stream).
"""

import html
import re
from typing import NewType

Markup = NewType("Markup", str)

EMPTY = Markup("")
_WITHOUT_END = frozenset({"meta", "br", "wbr"})

# Controls but tab and line feed, what Unicode calls default ignorable, line and paragraph separators, surrogates,
# private use, noncharacters. Written out, so that a page does not change with the Unicode tables of a Python.
_UNSEEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\xad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u2028-\u202e"
    "\u2060-\u206f\u3164\ud800-\uf8ff\ufdd0-\ufdef\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb\ufffe\uffff"
    "\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff\U000f0000-\U0010ffff]"
)


def text(value: str) -> Markup:
    """`value` as text of a page, every character of it."""
    return Markup(_UNSEEN.sub(_code_point, html.escape(value)))


def plain(value: str) -> str:
    """`value` as an attribute or a title, where there is no markup: unseen characters as U+FFFD, escaped."""
    return html.escape(_UNSEEN.sub("\ufffd", value))


def tag(name: str, /, *inner: Markup, **attributes: str | int) -> Markup:
    """An element. Attributes are text; `class_` is `class`, `data_pair` is `data-pair`."""
    pairs = "".join(
        f' {key.removesuffix("_").replace("_", "-")}="{plain(str(value))}"'
        for key, value in attributes.items()
    )
    end = "" if name in _WITHOUT_END else f"</{name}>"
    return Markup(f"<{name}{pairs}>{''.join(inner)}{end}")


def joined(*parts: Markup) -> Markup:
    """Parts one after another."""
    return Markup("".join(parts))


def number(value: int, **attributes: str | int) -> Markup:
    """A whole number: for machines as it is, for people with thousands set apart."""
    return tag("data", text(f"{value:,}"), value=value, **attributes)


def _code_point(match: re.Match[str]) -> str:
    code = f"U+{ord(match[0]):04X}"
    return f'<span class="unseen" title="a character that can\'t be seen">{code}</span>'
