"""What the templates of the demo tell: whole sentences, true equations, and the same for the same seed."""

# ruff: noqa: RUF001 - Chinese is written with full-width punctuation.

import ast
import operator
import re
from collections.abc import Iterator
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from curation.demo.templates import FOREIGN, LONG, SHORT, Draw, Template, Trace
from curation.demo.templates.wording import clock, decimal, duration, listing, money, ordinal, plural

ENGLISH = (*LONG, *(template for _, template in SHORT))
ALL = (*ENGLISH, *(template for templates in FOREIGN.values() for template in templates))


def told(template: Template, count: int = 40) -> Iterator[Trace]:
    for care in (0, 0.5, 1):
        draw = Draw(f"test of care {care}", care=care)
        for _ in range(count):
            yield template(draw)


def name(template: Template) -> str:
    return f"{template.__module__.rsplit('.', 1)[-1]}.{template.__qualname__}"


@pytest.mark.parametrize("template", ALL, ids=name)
def test_a_template_tells_clean_text(template: Template) -> None:
    for trace in told(template):
        for text in (trace.prompt, trace.reasoning, trace.answer):
            assert text
            assert text == text.strip()
            assert not re.search(r"[\[\]{}|]|  |\n\n\n| \n|\bNone\b(?! of)|Fraction| [,.;]", text), text
        assert trace.prompt[-1] in ".?)…？。" or re.search(r"km$|\d$", trace.prompt), trace.prompt


@pytest.mark.parametrize("template", LONG, ids=name)
def test_sentences_begin_with_a_capital_letter(template: Template) -> None:
    begins = re.compile(r"(?:^|[a-z)\"][.?!] )([a-z]\w*)", re.MULTILINE)
    for trace in told(template):
        assert not begins.search(trace.prompt), trace.prompt
        assert not [word for word in begins.findall(trace.reasoning) if len(word) > 1], trace.reasoning


NUMBER = r"\(*-?(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?\)*"
SIDE = rf"{NUMBER}(?:(?: [-+×÷/] |/){NUMBER})*"
EQUATION = re.compile(rf"(?<![\w.^)/°-])(?<![-+×÷/=^] ){SIDE}(?: = {SIDE})+(?![\w^(])")
OPERATORS = {ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.Div: operator.truediv}


def value(node: ast.expr) -> Fraction:
    match node:
        case ast.Constant(value=number):
            return Fraction(str(number))
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return -value(operand)
        case ast.BinOp(left=left, op=sign, right=right):
            return Fraction(OPERATORS[type(sign)](value(left), value(right)))
    raise AssertionError(ast.dump(node))


def sides(equation: str) -> list[Fraction]:
    plain = equation.replace(",", "").replace("×", "*").replace("÷", "/").split(" = ")
    # A parenthesis around a whole equation is none of its sides'.
    whole = [side if side.count("(") == side.count(")") else side.strip("()") for side in plain]
    return [value(ast.parse(side, mode="eval").body) for side in whole]


@pytest.mark.parametrize("template", ALL, ids=name)
def test_every_equation_is_true(template: Template) -> None:
    for trace in told(template):
        for equation in EQUATION.findall(f"{trace.reasoning}\n{trace.answer}".replace("$", "")):
            assert len(set(sides(equation))) == 1, (equation, trace.reasoning)


def test_most_of_what_is_calculated_is_checked_by_the_test_above() -> None:
    found = [len(EQUATION.findall(trace.reasoning)) for template in ALL for trace in told(template, 2)]
    assert sum(found) > 1.4 * len(found)


@given(st.text(alphabet=st.characters(exclude_characters="[]|", exclude_categories=["Cs"])))
def test_text_without_the_notation_changes_in_its_whitespace_only(text: str) -> None:
    assert Draw("any", care=1).tell(text).split() == text.split()


@given(st.lists(st.sampled_from(["a", "b", "c", ""]), min_size=1), st.integers())
def test_one_of_the_alternatives_is_told(alternatives: list[str], seed: int) -> None:
    text = Draw(f"{seed}", care=0).tell(f"x[{'|'.join(alternatives)}]y")
    assert text in {f"x{alternative}y" for alternative in alternatives}


def test_checks_are_told_by_care() -> None:
    assert Draw("any", care=0).tell("First.[? Second.] [!Third.]") == "First."
    always = Draw("any", care=1).tell("First. [?Second.] [!Third.]")
    assert "Second." in always
    assert always.endswith("Third.")


def test_blank_lines_part_paragraphs_and_other_line_ends_are_spaces() -> None:
    assert Draw("any", care=0).tell("\n  a\n  b\n\n  []\n  \n   c ") == "a b\n\nc"


def test_the_draws_of_a_seed_are_frozen() -> None:
    draw = Draw("frozen", care=0.5)
    assert [draw.number(1, 6) for _ in range(10)] == [3, 5, 1, 4, 1, 6, 6, 4, 6, 1]
    assert "".join(draw.order("abcdefgh")) == "gebfdahc"
    assert [person.name for person in draw.people(4)] == ["Iris", "Bea", "Ravi", "Jonas"]
    assert draw.tell("[a|b|c][a|b|c][!d][!e][!f]") == "caf"


def test_people_in_one_story_begin_with_different_letters() -> None:
    for seed in range(50):
        people = Draw(f"{seed}", care=0).people(8)
        assert len({person.name[0] for person in people}) == 8


def test_numbers_become_words_as_people_write_them() -> None:
    assert [money(500), money(1205), money(123456)] == ["$5", "$12.05", "$1,234.56"]
    assert [clock(65), clock(1440 + 5)] == ["01:05", "00:05"]
    assert [duration(0), duration(61), duration(120)] == ["0 minutes", "1 hour and 1 minute", "2 hours"]
    assert [decimal(Fraction(1, 3)), decimal(-2), decimal(Fraction(-5, 4), 1)] == ["0.333", "-2", "-1.2"]
    assert [ordinal(number) for number in (1, 2, 3, 4, 11, 12, 22)] == [
        "1st",
        "2nd",
        "3rd",
        "4th",
        "11th",
        "12th",
        "22nd",
    ]
    assert [plural(1, "box", "boxes"), plural(1200, "day")] == ["1 box", "1,200 days"]
    assert [listing(["a"]), listing(["a", "b"]), listing(["a", "b", "c"], "or")] == [
        "a",
        "a and b",
        "a, b or c",
    ]
