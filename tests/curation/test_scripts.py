import hashlib
import sys
import unicodedata
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from curation.language.scripts import SCRIPTS, ScriptFinder

# How Unicode's names of letters begin, by script.
NAMES = {name.upper(): name for name in SCRIPTS} | {
    "CJK UNIFIED": "Han",
    "CJK COMPATIBILITY IDEOGRAPH": "Han",
    "HALFWIDTH HANGUL": "Hangul",
    "HALFWIDTH KATAKANA": "Katakana",
}
ASSIGNED_LETTERS = [
    chr(code)
    for code in range(128, sys.maxunicode + 1)
    if unicodedata.category(chr(code)) in {"Lu", "Ll", "Lt", "Lo"}
]


@pytest.mark.parametrize(
    ("letter", "script"),
    [
        ("火", "Han"),
        ("㐀", "Han"),
        ("𠀀", "Han"),
        ("々", "Han"),
        ("あ", "Hiragana"),
        ("ア", "Katakana"),
        ("한", "Hangul"),
        ("ㄅ", "Bopomofo"),
        ("ж", "Cyrillic"),
        ("λ", "Greek"),
        ("א", "Hebrew"),
        ("ب", "Arabic"),
        ("अ", "Devanagari"),
        ("ก", "Thai"),
        ("ა", "Georgian"),
        ("አ", "Ethiopic"),
    ],
)
def test_a_letter_is_found_in_its_script_and_in_no_other(letter: str, script: str) -> None:
    text = f"So «café» — is it {letter}?"
    assert ScriptFinder([script]).first(text) == script
    assert ScriptFinder(set(SCRIPTS) - {script}).first(text) is None


@pytest.mark.parametrize(
    "text",
    [
        "",
        "plain ASCII",
        "Größe, naïve, Øresund, Đà Nẵng, ŝanĝo",
        "“quotes” — dashes… 😀 × ÷ ≤ ∑ ∞ → ½ µ",
        "。、「」ー・\u3007",
        "٣ ५ ๕",
        "⺀⼀㊀",
    ],
)
def test_latin_punctuation_digits_and_signs_are_letters_of_no_script(text: str) -> None:
    assert ScriptFinder(SCRIPTS).first(text) is None


def test_the_script_named_is_that_of_the_first_letter_in_the_text() -> None:
    finder = ScriptFinder(["Han", "Cyrillic", "Greek"])
    assert [finder.first(text) for text in ("a ж 火 λ", "é 火 ж", "λ火ж", "ア 火")] == [
        "Cyrillic",
        "Han",
        "Greek",
        "Han",
    ]


def test_where_no_script_is_named_nothing_is_found() -> None:
    assert ScriptFinder([]).first("火 ж λ") is None


def test_a_script_that_is_not_known_is_refused() -> None:
    with pytest.raises(KeyError):
        ScriptFinder(["Latin"])


def test_ranges_are_ascending_and_apart_and_no_letter_is_of_two_scripts() -> None:
    bounds = sorted(pair for ranges in SCRIPTS.values() for pair in ranges)
    assert all(first <= last for first, last in bounds)
    assert all(before[1] < after[0] for before, after in pairwise(bounds))
    assert bounds[0][0] > 127
    for ranges in SCRIPTS.values():
        assert list(ranges) == sorted(ranges)


def test_every_letter_with_a_scripts_name_is_in_its_table() -> None:
    finders = {name: ScriptFinder([name]) for name in SCRIPTS}
    checked = dict.fromkeys(SCRIPTS, 0)
    for letter in ASSIGNED_LETTERS:
        name = unicodedata.name(letter, "")
        script = next((NAMES[start] for start in NAMES if name.startswith((f"{start} ", f"{start}-"))), None)
        if script is not None:
            assert finders[script].first(letter) == script, f"U+{ord(letter):04X} {name}"
            checked[script] += 1
    assert min(checked.values()) > 36, checked


def test_whatever_this_python_knows_of_a_table_is_a_letter() -> None:
    for name, ranges in SCRIPTS.items():
        for first, last in ranges:
            for code in range(first, last + 1):
                # Python's tables are older than Unicode 18: what they don't know is "Cn".
                assert unicodedata.category(chr(code)) in {"Lu", "Ll", "Lt", "Lo", "Lm", "Cn"}, name


@given(st.text(), st.sets(st.sampled_from(sorted(SCRIPTS)), max_size=4))
def test_finding_is_looking_at_every_letter(text: str, names: set[str]) -> None:
    def script_of(letter: str) -> str | None:
        inside = (
            name for name in names if any(first <= ord(letter) <= last for first, last in SCRIPTS[name])
        )
        return next(inside, None)

    plain = next((script for script in map(script_of, text) if script), None)
    assert ScriptFinder(names).first(text) == plain


def test_a_lone_surrogate_is_no_letter() -> None:
    assert ScriptFinder(SCRIPTS).first("\ud800\udc00 \udfff") is None
    assert ScriptFinder(SCRIPTS).first("\ud800火") == "Han"


def test_the_record_is_the_digest_of_the_ranges_looked_for_whatever_their_order() -> None:
    digest = hashlib.sha256()
    for name in ("Cyrillic", "Han"):
        digest.update(len(name).to_bytes(8, "little") + name.encode())
        digest.update(len(SCRIPTS[name]).to_bytes(8, "little"))
        for bound in (bound for pair in SCRIPTS[name] for bound in pair):
            digest.update(bound.to_bytes(8, "little"))
    for names in (["Han", "Cyrillic"], ["Cyrillic", "Han", "Han"]):
        record = ScriptFinder(names).record
        assert (record.algorithm, record.profiles) == ("script/1", digest.hexdigest())


def test_the_tables_are_frozen() -> None:
    assert ScriptFinder(["Han"]).record.profiles == (
        "5c13db5e1e175794731c704b439eadd008e4ba211288630a617f71298fbf3d9c"
    )
    assert ScriptFinder(SCRIPTS).record.profiles == (
        "4e97eaf61f8c5a2f77e02326123ae0875f8ab83f8c735b5438debd55ff5c944a"
    )
