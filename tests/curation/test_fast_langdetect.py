import math
import random
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from decimal import Decimal, localcontext
from importlib import import_module
from multiprocessing import get_context
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from langdetect.detector import Detector as Langdetect

from curation.language.check import CHECKS
from curation.language.fast import FastPathError, fast_detect
from curation.language.filters import LanguageDetector, _PlainSums, make_filter
from curation.recipe import Language
from tests.curation.helpers import run_python
from tests.curation.test_language import SENTENCES, UNSURE, WITHOUT_LANGUAGE

CORE = "langdetect_rs._core"
core = pytest.importorskip(CORE, reason="the fast path needs the optional package langdetect_rs")

THREADS = """
from pathlib import Path
from curation.language.filters import make_filter
from curation.recipe import Language
kept = make_filter(Language("en", windows=4))
before = len(list(Path("/proc/self/task").iterdir()))
kept.raw_verdicts(["The train leaves the station at nine. " * 100] * 200)
print(kept.slow_because, len(list(Path("/proc/self/task").iterdir())) - before)
"""


@pytest.fixture(scope="module")
def detector() -> LanguageDetector:
    detector = LanguageDetector()
    assert detector.slow_because is None
    return detector


def sentences(shared_data: Path) -> list[str]:
    folder = shared_data / "lingua-langid" / "sentences"
    return [
        line
        for path in sorted(folder.glob("*.txt"))
        for line in path.read_text(encoding="utf-8").splitlines()
    ]


def differing(texts: list[str]) -> list[str]:
    detector = LanguageDetector()
    assert detector.slow_because is None
    return [text for text in texts if detector.languages(text) != detector.reference(text)]


def long_texts(lines: list[str]) -> Iterator[str]:
    draw = random.Random(11)
    for number in range(30):
        parts = draw.sample(lines, 40 + 6 * number)
        extras = [
            "😀🚂",
            "https://example.org/" + "a" * draw.randrange(3000),
            "ein.name@beispiel.example.org",
            "   ",
            "1 + 2",
        ]
        for extra in extras:
            parts.insert(draw.randrange(len(parts)), extra * draw.randrange(1, 4))
        yield draw.choice((" ", "\n", "  ", "")).join(parts)


def test_the_known_answers_are_langdetects(detector: LanguageDetector) -> None:
    for text, expected in CHECKS:
        found = detector.reference(text)
        assert [code for code, _ in found] == [code for code, _ in expected], text[:100]
        for (_, probability), (_, known) in zip(found, expected, strict=True):
            assert probability == pytest.approx(known, abs=1e-12)


def test_the_known_answers_reach_most_languages_and_texts_that_only_the_draws_decide() -> None:
    assert len({code for _, expected in CHECKS for code, _ in expected}) > 30
    assert sum(len(expected) > 1 for _, expected in CHECKS) >= 4
    assert sum(not expected for _, expected in CHECKS) >= 3
    assert max(len(text) for text, _ in CHECKS) > 10_000


@pytest.mark.parametrize("text", [*SENTENCES.values(), *UNSURE, *WITHOUT_LANGUAGE])
def test_short_texts_are_told_as_langdetect_tells_them(detector: LanguageDetector, text: str) -> None:
    assert detector.languages(text) == detector.reference(text)


@settings(max_examples=150)
@given(st.text(max_size=300) | st.text(alphabet="aA éÄß@./:http火жあ한\u0300\u0301\u0323ơư", max_size=60))
def test_any_text_is_told_as_langdetect_tells_it(detector: LanguageDetector, text: str) -> None:
    assert detector.languages(text) == detector.reference(text)


def test_real_sentences_are_told_as_langdetect_tells_them(shared_data: Path) -> None:
    assert differing(sentences(shared_data)[::150]) == []


def test_long_mixed_texts_are_told_as_langdetect_tells_them(shared_data: Path) -> None:
    texts = list(long_texts(sentences(shared_data)))
    assert min(map(len, texts)) > 3_000
    assert max(map(len, texts)) > 20_000
    assert differing([*texts, "a" * 100_000, "a@" * 50_000, " " * 50_000 + SENTENCES["de"]]) == []


@pytest.mark.slow
def test_every_real_sentence_is_told_as_langdetect_tells_it(shared_data: Path) -> None:
    texts = sentences(shared_data)
    assert len(texts) > 74_000
    shares = [texts[place : place + 4_000] for place in range(0, len(texts), 4_000)]
    with ProcessPoolExecutor(mp_context=get_context("spawn")) as pool:
        assert [text for found in pool.map(differing, shares) for text in found] == []


def test_without_the_package_langdetect_answers(
    detector: LanguageDetector, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, CORE, None)
    alone = LanguageDetector()
    assert alone.slow_because == "langdetect_rs is not installed"
    for text in (*SENTENCES.values(), *UNSURE, ""):
        assert alone.languages(text) == detector.languages(text)
    assert make_filter(Language("en")).slow_because == alone.slow_because
    assert make_filter(Language("en", "script", without=("Han",))).slow_because is None


def test_a_release_that_answers_otherwise_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    def seeded_otherwise(_state: object) -> object:
        return core.SeedState(random.Random(1).getstate()[1])

    monkeypatch.setitem(sys.modules, CORE, SimpleNamespace(Factory=core.Factory, SeedState=seeded_otherwise))
    alone = LanguageDetector()
    assert (
        alone.slow_because
        == "langdetect_rs answers otherwise than langdetect on texts whose answers are known"
    )
    assert alone.languages(UNSURE[0]) == alone.reference(UNSURE[0])


@pytest.mark.parametrize(
    ("change", "used"),
    [
        (lambda code, probability: (code, probability + 1e-11), True),
        (lambda code, probability: (code, probability - 1e-8), False),
        (lambda code, probability: ("no" if code == "da" else code, probability), False),
    ],
)
def test_a_release_is_used_if_codes_are_equal_and_probabilities_almost(
    monkeypatch: pytest.MonkeyPatch, change: Callable[[str, float], tuple[str, float]], *, used: bool
) -> None:
    class Changed:
        def __init__(self, *settings: object) -> None:
            self.factory = core.Factory(*settings)
            self.add_profile = self.factory.add_profile

        def detect_langs(self, text: str, state: object) -> list[tuple[str, float]]:
            return [change(*found) for found in self.factory.detect_langs(text, state) or []]

    monkeypatch.setitem(sys.modules, CORE, SimpleNamespace(Factory=Changed, SeedState=core.SeedState))
    assert (LanguageDetector().slow_because is None) == used


def test_a_release_with_another_interface_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, CORE, SimpleNamespace())
    assert (LanguageDetector().slow_because or "").startswith("langdetect_rs fails: AttributeError: ")


def test_other_profiles_are_not_answered_from(detector: LanguageDetector) -> None:
    profiles = detector._profiles
    for others in (profiles[:-1], profiles[5:], [(name, profiles[0][1]) for name, _ in profiles]):
        with pytest.raises(FastPathError):
            fast_detect(others, 0)
    with pytest.raises(FastPathError):
        fast_detect(profiles, 1)


def test_langdetect_is_asked_where_a_rounding_could_turn_the_verdict(detector: LanguageDetector) -> None:
    text = f"{SENTENCES['en']}\n{SENTENCES['de']}\n{SENTENCES['en']}"
    code, probability = detector.languages(text)[0]
    for distance, asked in (
        ("0", True),
        ("-9e-10", True),
        ("1e-8", False),
        ("-1e-8", False),
    ):
        with localcontext(prec=100):
            minimum = Decimal(probability) + Decimal(distance)
        kept = make_filter(Language(code, minimum=minimum))
        stays = kept.raw_verdicts([text]) == [None]
        assert stays == (Decimal(distance) <= 0)
        assert ("_factory" in vars(kept._detector)) == asked  # type: ignore[attr-defined]


def test_langdetect_is_asked_where_two_languages_almost_tie(monkeypatch: pytest.MonkeyPatch) -> None:
    kept = make_filter(Language("en", minimum=Decimal("0.4")))
    for apart, verdict in ((9e-10, ("other-language", "de")), (2e-9, None)):
        answer = [("en", 0.5), ("de", 0.5 - apart)]
        monkeypatch.setattr(LanguageDetector, "languages", lambda _self, _text, answer=answer: answer)
        assert kept.raw_verdicts([SENTENCES["de"]]) == [verdict]


def test_sums_are_taken_from_left_to_right_on_every_python(detector: LanguageDetector) -> None:
    plain = 0.0
    for _ in range(10):
        plain += 0.1
    assert plain != 1.0
    probabilities = [0.1] * 10
    assert _PlainSums(detector._factory)._normalize_prob(probabilities) == 0.1 / plain
    assert probabilities == [0.1 / plain] * 10


def test_a_sum_that_corrects_its_roundings_as_from_python_3_12_on_changes_nothing(
    detector: LanguageDetector, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = {text: detector.reference(text) for text, _ in CHECKS}
    monkeypatch.setattr("langdetect.detector.sum", math.fsum, raising=False)
    assert {text: detector.reference(text) for text, _ in CHECKS} == known
    assert Langdetect(detector._factory)._normalize_prob([0.1] * 10) == 0.1


@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="threads are counted in /proc")
def test_telling_languages_starts_no_threads() -> None:
    assert run_python("-c", THREADS).split() == ["None", "0"]


def test_the_package_is_loaded_only_when_a_language_has_to_be_told() -> None:
    code = "import sys; from curation.language.filters import *; from curation.recipe import Language; "
    code += "make_filter(Language('en')).record; print(any('langdetect_rs' in name for name in sys.modules))"
    assert run_python("-c", code).strip() == "False"
    assert import_module(CORE) is core
