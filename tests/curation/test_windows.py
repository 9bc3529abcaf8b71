import json
import random
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from curation.language.filters import DetectorFilter, LanguageDetector, make_filter
from curation.language.windows import LEAST_WORDS, WINDOW, distinct_words, foreign_language, starts
from curation.recipe import Language

ENGLISH = (
    "First we write down what is known about the two trains, and then we ask which of them is the faster one. "
    "The slower train leaves an hour earlier, so it has already gone sixty miles when the other one starts. "
)
GERMAN = (
    "Zuerst schreiben wir auf, was über die beiden Züge bekannt ist, und dann fragen wir, welcher schneller fährt. "
    "Der langsamere fährt eine Stunde früher ab, also ist er schon weit gekommen, wenn der andere erst beginnt. "
)
CHINESE = "首先我们写下关于这两列火车的已知信息。然后我们问哪一列更快。较慢的火车早一个小时出发。所以它已经走了很远。"
NAMES = (
    "José García López, Wolfgang Müller, François Dupont, Giovanni Rossi, Katarzyna Nowak, Zoltán Kovács, Ayşe Demir, "
    "Maria Silva, Ahmed Hassan, Priya Sharma, Hiroshi Tanaka, Ivan Petrov, Lars Eriksson, Jan Kowalski, "
    "Petra Novakova, Mehmet Demir, Kwame Nkrumah, Heikki Virtanen, Janos Nagy, Marko Horvat, Elena Popescu. "
)
FORMULAS = (
    r"$$\frac{a}{b} \sum_{i=1}^{n} x_i^2 \leq \int_0^\infty e^{-x} dx \quad \alpha, \beta \in \mathbb{R}^n$$ "
)
CODE = "self.params = fc_params(self.getnchannels(), self.getsampwidth(), self.getframerate(), self.getcomptype())\n"
REPEATED = ">>> Decimal('2.1').compare(Decimal('3'))\nDecimal('-1')\n"


@pytest.fixture(scope="module")
def detector() -> LanguageDetector:
    return LanguageDetector()


@pytest.fixture(scope="module")
def english() -> Callable[[str], tuple[str, str] | None]:
    kept = make_filter(Language("en", windows=1000))
    return lambda text: kept.raw_verdicts([text])[0]


def test_windows_begin_at_these_places() -> None:
    assert starts(0, 5) == starts(250, 5) == []
    assert starts(251, 5) == [0, 1]
    assert starts(375, 5) == [0, 125]
    assert starts(376, 5) == [0, 63, 126]
    assert starts(1000, 5) == [0, 187, 375, 562, 750]
    assert starts(1000, 1000) == [0, 125, 250, 375, 500, 625, 750]
    assert starts(9_999, 2) == [0, 9_749]
    assert starts(10_000, 8) == [0, 1392, 2785, 4178, 5571, 6964, 8357, 9750]


@given(st.integers(WINDOW + 1, 10**7), st.integers(2, 1000))
def test_windows_reach_from_the_start_to_the_end_evenly(length: int, most: int) -> None:
    places = starts(length, most)
    steps = {after - before for before, after in pairwise(places)}
    assert (places[0], places[-1]) == (0, length - WINDOW)
    assert max(steps) - min(steps) <= 1
    assert 2 <= len(places) <= most
    # As many as it takes that half of each lies in the next, where so many are allowed.
    assert len(places) == most or max(steps) <= WINDOW // 2


@pytest.mark.parametrize(
    ("window", "words"),
    [
        ("the cat and the dog and the end.", "the cat and dog end"),
        ("It's (see below) a well-known \"fact\", isn't it?", "s see below a well fact isn t it"),
        ("The Quick BROWN fox McX", "fox"),
        ("café Éclair Ünder naïve Paré", "café Éclair Ünder naïve"),
        ("x1 = foo_bar(baz) + os.path.join(a/b) <i> \\frac{ab}{cd} e@mail.org", "baz"),
        ("see https://example.org/some/path now", "see https now"),
        ("规则1。如果ok 用户", "规则 。如果ok 用户"),
        ("", ""),
    ],
)
def test_distinct_words_are_plain_words_each_once(window: str, words: str) -> None:
    assert distinct_words(window) == words


def test_a_word_beside_one_of_these_signs_is_no_plain_word() -> None:
    printable = [chr(code) for code in range(32, 127)]
    before = {sign for sign in printable if distinct_words(f"so {sign}word.") == "so"}
    after = {sign for sign in printable if distinct_words(f"so word{sign} ") == "so"}
    alphanumeric = {sign for sign in printable if sign.isalnum() and not sign.islower()}
    assert before == {*"_./\\=+<>@#$&|{}-", *alphanumeric}
    assert after == {*"_/\\=+<>@&|{}([", *alphanumeric}
    assert distinct_words("so os.path and word.Word end.") == "so and end"


@pytest.mark.parametrize("where", ["begin", "middle", "end"])
@pytest.mark.parametrize(("other", "code"), [(GERMAN * 3, "de"), (CHINESE * 5, "zh-cn")])
def test_a_switch_anywhere_in_a_long_text_is_found(
    english: Callable[[str], tuple[str, str] | None], where: str, other: str, code: str
) -> None:
    parts = {"begin": (0, 80), "middle": (70, 10), "end": (80, 0)}[where]
    text = other.join(ENGLISH * count for count in parts)
    assert len(text) > 16_000
    assert english(ENGLISH * 80) is None
    assert english(text) == ("mixed-language", code)
    if where != "begin":
        assert make_filter(Language("en")).raw_verdicts([text]) == [None]


@pytest.mark.parametrize(
    "inner", [NAMES, NAMES.upper(), FORMULAS * 4, CODE * 5, REPEATED * 10, "0123456789abcdef" * 40]
)
def test_names_formulas_and_code_are_not_foreign(
    english: Callable[[str], tuple[str, str] | None], inner: str
) -> None:
    assert english(ENGLISH * 5 + inner + ENGLISH * 5) is None


def test_the_whole_text_is_judged_first(english: Callable[[str], tuple[str, str] | None]) -> None:
    assert english(GERMAN * 60) == ("other-language", "de")
    assert english("123 " * 1000) == ("no-language", "")


def test_the_first_foreign_window_names_the_language(
    english: Callable[[str], tuple[str, str] | None],
) -> None:
    assert english(ENGLISH * 40 + CHINESE * 5 + ENGLISH * 10 + GERMAN * 3) == ("mixed-language", "zh-cn")


def test_a_window_is_foreign_only_if_the_window_and_its_words_do_not_list_the_language() -> None:
    text = ENGLISH * 3
    words = distinct_words(text[:WINDOW])
    assert len(words) >= LEAST_WORDS

    def judged(window: list[tuple[str, float]], plain: list[tuple[str, float]]) -> str | None:
        return foreign_language(
            text[: WINDOW + 1], "en", 2, lambda seen: window if len(seen) == WINDOW else plain
        )

    assert judged([("fr", 0.5), ("de", 0.4)], [("de", 0.2)]) == "fr"
    assert judged([("fr", 0.8), ("en", 0.11)], [("de", 0.9)]) is None
    assert judged([("fr", 0.9)], [("de", 0.8), ("en", 0.11)]) is None
    assert judged([], [("de", 0.9)]) is None
    assert judged([("fr", 0.9)], []) is None


def test_a_window_with_few_words_is_not_foreign(detector: LanguageDetector) -> None:
    words = "der langsame zug fährt erst eine stunde nach dem schnellen ab und kommt doch früher an als der "
    for length, expected in ((LEAST_WORDS, "de"), (LEAST_WORDS - 1, None)):
        text = f" {words}{'eisenbahnwagen'[: length + 4 - len(words)]}".ljust(WINDOW + 1)
        assert len(distinct_words(text)) == length
        assert foreign_language(text, "en", 2, detector.languages) == expected


def test_the_record_says_that_windows_were_judged() -> None:
    plain, windows = make_filter(Language("en")).record, make_filter(Language("en", windows=8)).record
    assert windows.algorithm == "langdetect-windows/1"
    assert windows.profiles == plain.profiles


def test_real_english_reasoning_stays_and_a_real_switch_is_found(shared_data: Path) -> None:
    kept = make_filter(Language("en", windows=64))
    completions = pq.read_table(shared_data / "game24-r1/data/24game_sft/train.parquet").column("completion")
    assert set(kept.raw_verdicts(completions.to_pylist()[::20])) == {None}
    rows = json.loads((shared_data / "star-1/data/STAR-1.json").read_text(encoding="utf-8"))
    responses = [row["response"] for row in rows]
    chinese = [text for text in responses if "根据" in text]
    assert kept.raw_verdicts(chinese) == [("mixed-language", "zh-cn")]
    assert set(kept.raw_verdicts([text for text in responses[::5] if text not in chinese])) == {None}


def test_planted_switches_are_found(shared_data: Path) -> None:
    folder, draw = shared_data / "lingua-langid" / "sentences", random.Random(1)
    texts = {path.stem: path.read_text(encoding="utf-8").splitlines() for path in folder.glob("*.txt")}
    kept = DetectorFilter(Language("en", windows=1000))
    english = " ".join(texts["en"])[:12_000]
    assert kept.raw_verdicts([english]) == [None]
    found = []
    for code in ("ar", "cs", "de", "es", "fr", "hi", "it", "ja", "ko", "nl", "pt", "ru", "tr", "vi", "zh"):
        other = " ".join(draw.sample(texts[code], 40))[:500]
        for place in (0, 6_000, len(english)):
            verdict = kept.raw_verdicts([f"{english[:place]} {other} {english[place:]}"])[0]
            found.append(verdict is not None and verdict[0] == "mixed-language")
    assert sum(found) >= len(found) - 1
