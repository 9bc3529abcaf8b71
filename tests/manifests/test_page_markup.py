"""Text becomes markup only by being escaped, and nothing in it goes unseen."""

from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from manifests.lineage import Node
from manifests.page.markup import Markup, number, plain, tag, text
from manifests.page.style import STYLE
from manifests.page.trees import tree


class Reader(HTMLParser):
    """The tags and the text of some markup."""

    def __init__(self, markup: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.text = ""
        self.feed(markup)
        self.close()

    def handle_starttag(self, tag: str, attrs: object) -> None:
        del attrs
        self.tags.append(tag)

    def handle_data(self, data: str) -> None:
        self.text += data


@given(st.text())
def test_text_is_shown_character_by_character_and_opens_no_element(value: str) -> None:
    reader = Reader(text(value))
    assert set(reader.tags) <= {"span"}
    assert len(reader.text) >= len(value)
    Markup(text(value)).encode()


@given(st.text(st.sampled_from("aZ0 \n\t<>&'\"\\é中ा🙂«×–‰ع"), max_size=50))
def test_ordinary_text_is_shown_as_it_is(value: str) -> None:
    reader = Reader(text(value))
    assert reader.text == value
    assert reader.tags == []


@pytest.mark.parametrize(
    "unseen",
    [
        *"\0\r\x0b\x1b\x7f\x85\xad\u061c\u200b\u200d\u200f\u2028\u202e\u2066\u2069\u3164\ufe0f\ufeff\ufffe\ue000",
        "\U000e0041",
        "\ud800",
    ],
)
def test_characters_that_nobody_sees_are_shown_as_their_code_points(unseen: str) -> None:
    assert Reader(text(f"a{unseen}b")).text == f"aU+{ord(unseen):04X}b"
    assert unseen not in text(unseen)
    assert plain(unseen) == "\ufffd"


def test_line_feeds_and_tabs_stay() -> None:
    assert text("a\n\tb") == "a\n\tb"


def test_attributes_are_escaped_and_named_for_html() -> None:
    assert tag("p", text("x"), class_="a", data_pair='0-1"><script>') == (
        '<p class="a" data-pair="0-1&quot;&gt;&lt;script&gt;">x</p>'
    )
    assert tag("meta", charset="utf-8") == '<meta charset="utf-8">'


def test_a_number_is_there_for_people_and_for_machines() -> None:
    assert number(1_234_567, data_tier="row") == '<data value="1234567" data-tier="row">1,234,567</data>'


def test_the_style_sheet_loads_nothing() -> None:
    assert not any(word in STYLE.lower() for word in ("url(", "@import", "http", "</", "@font-face"))


def test_a_tree_shows_relations_rows_and_what_is_missing() -> None:
    shared = Node("b" * 64, "old <b>", None, "disjoint", ())
    middle = Node("c" * 64, "mid", 5, "continue", (shared,))
    root = Node("a" * 64, "new", 1_000, None, (middle, shared))
    reader = Reader(tree(root, {"a" * 64}))
    assert reader.text == (
        "new · 1,000 rows · compared here"
        "continues mid · 5 rows"
        "disjoint from old <b> · not in the store"
        "disjoint from old <b> · not in the store · drawn above"
    )
    assert reader.tags.count("li") == 4


def test_a_tree_whose_ancestors_share_theirs_does_not_grow_with_every_path() -> None:
    node = Node("0" * 64, "0", 1, None, ())
    for generation in range(1, 15):
        node = Node(f"{generation:064}", str(generation), 1, "disjoint", (node, node))
    assert tree(node, set()).count("<li>") == 1 + 2 * 14
