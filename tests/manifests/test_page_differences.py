"""Two texts side by side: the words that differ are marked, and the work is bounded."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from manifests.page.differences import LEAD, LONGEST, LONGEST_EQUAL, Excerpt, compare

TEXTS = st.text(st.sampled_from("ab \n.界"), max_size=40) | st.text(max_size=40)


def marked(excerpt: Excerpt) -> list[str]:
    return [piece for piece, differs in excerpt.pieces if differs]


def test_the_words_that_differ_are_marked_in_both() -> None:
    found = compare("Half of 12 is 6, so he pays 60 cents.", "Half of 12 is 6, so she pays 90 cents.")
    assert found.likeness == "similar"
    assert marked(found.first) == ["he", "60"]
    assert marked(found.second) == ["she", "90"]


def test_words_that_only_one_has_are_marked_there() -> None:
    found = compare("one two three four", "one two and three four")
    assert marked(found.first) == []
    assert "".join(marked(found.second)).strip() == "and"


def test_white_space_alone_aligns_nothing() -> None:
    found = compare("so far; check 7.", "so far; verify  7 once more.")
    assert [piece.strip() for piece in marked(found.first)] == ["check"]
    assert [piece.strip() for piece in marked(found.second)] == ["verify", "once more"]


def test_scripts_without_spaces_are_compared_by_character() -> None:
    found = compare("今天天气很好。", "今天天气不好。")
    assert (marked(found.first), marked(found.second)) == (["很"], ["不"])


def test_equal_texts_show_their_beginning_and_what_is_left_out() -> None:
    text = "word " * 1_000
    found = compare(text, text)
    assert found.likeness == "equal"
    assert found.first.text == text[:LONGEST_EQUAL]
    assert (found.first.before, found.first.after) == (0, len(text) - LONGEST_EQUAL)


def test_long_texts_are_shown_around_the_first_difference() -> None:
    head, tail = "same words " * 500, " the end" * 500
    found = compare(f"{head}left{tail}", f"{head}right{tail}")
    for excerpt, word, text in (
        (found.first, "left", f"{head}left{tail}"),
        (found.second, "right", f"{head}right{tail}"),
    ):
        assert marked(excerpt) == [word]
        assert 0 < excerpt.text.index(word) <= LEAD
        assert text.startswith(excerpt.text, excerpt.before)
        assert excerpt.before + len(excerpt.text) + excerpt.after == len(text)
    assert found.first.text.startswith("words ")


def test_the_end_of_an_excerpt_is_not_taken_for_a_difference() -> None:
    tail = " ".join(str(number) for number in range(1_000))
    found = compare(f"start {tail}", f"start with a few words more {tail}")
    assert marked(found.first) == []
    assert "".join(marked(found.second)).split() == ["with", "a", "few", "words", "more"]
    assert len(found.first.text) == len(found.second.text) == LONGEST


def test_texts_with_hardly_a_word_in_common_are_called_different_throughout() -> None:
    found = compare("alpha beta gamma delta", "one two three four")
    assert found.likeness == "different throughout"
    assert marked(found.first) == marked(found.second) == []


@given(TEXTS, TEXTS)
def test_an_excerpt_is_part_of_its_text_and_all_of_it_is_accounted_for(first: str, second: str) -> None:
    found = compare(first, second)
    for excerpt, text in ((found.first, first), (found.second, second)):
        assert text[excerpt.before :].startswith(excerpt.text)
        assert excerpt.before + len(excerpt.text) + excerpt.after == len(text)
        assert len(excerpt.text) <= LONGEST
        assert all(piece for piece, _ in excerpt.pieces)
    assert (found.likeness == "equal") == (first == second)


@given(TEXTS, TEXTS)
def test_what_is_not_marked_is_the_same_in_both(first: str, second: str) -> None:
    found = compare(first, second)
    if found.likeness == "similar":
        plain = ["".join(p for p, differs in e.pieces if not differs) for e in (found.first, found.second)]
        assert plain[0] == plain[1]


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("!?" * 4_000, "?!" * 4_000),
        ("x" + "a b " * 2_000, "y" + "b a " * 2_000),
        ("".join("!" * n + "?" for n in range(200)), "".join("!" * n + "?" for n in range(200, 0, -1))),
        ("x" * 1_000_000, "x" * 999_999 + "y"),
    ],
)
def test_crafted_texts_cost_no_more_than_others(first: str, second: str) -> None:
    began = time.process_time()
    compare(first, second)
    assert time.process_time() - began < 1


def test_a_difference_before_a_word_without_end_is_marked_alone() -> None:
    found = compare("count zero " + "w" * 3_000, "count one " + "w" * 3_000)
    assert (marked(found.first), marked(found.second)) == (["zero"], ["one"])
