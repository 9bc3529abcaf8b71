import hashlib
import random
from decimal import Decimal
from pathlib import Path

import langdetect
import pytest
from langdetect.detector_factory import PROFILES_DIRECTORY, DetectorFactory

from curation.language import LanguageDetector
from curation.recipe import Language
from manifests.keys import Trace
from tests.curation.helpers import run_python

SENTENCES = {
    "en": "The train leaves the station at nine and arrives before the rain begins.",
    "de": "Der Zug verlässt den Bahnhof um neun und kommt an, bevor der Regen beginnt.",
    "fr": "Le train quitte la gare à neuf heures et arrive avant que la pluie commence.",
    "es": "El tren sale de la estación a las nueve y llega antes de que empiece la lluvia.",
    "ru": "Поезд отходит от станции в девять и прибывает до начала дождя.",
    "zh-cn": "火车九点离开车站。我们在下雨之前到达。我们在那里等着朋友们。",
    "ja": "列車は九時に駅を出て、雨が降り始める前に到着します。",
}
# Nothing that langdetect looks at, or so little that it lists no language.
WITHOUT_LANGUAGE = [
    "",
    " \n",
    "12345 67890",
    "3 + 4 = 7; 8 * 9 = 72",
    "!!! ??? ...",
    "https://example.org/a",
    "∀∃∈∑",
]
# Short or mixed texts are those whose verdict hangs on the generator.
UNSURE = [
    "no",
    "an",
    "x = 1 so y",
    "si no",
    "Berlin 1990",
    "de la",
    "in die",
    "das train est",
    "ok ok 火",
    "a b c d e f",
]

PROBE = """
from curation.language import LanguageDetector
from tests.curation.test_language import SENTENCES, UNSURE, WITHOUT_LANGUAGE
detector = LanguageDetector()
print([detector.likeliest(text) for text in [*SENTENCES.values(), *UNSURE, *WITHOUT_LANGUAGE]])
"""


@pytest.fixture(scope="module")
def detector() -> LanguageDetector:
    return LanguageDetector()


def test_plain_sentences_are_told(detector: LanguageDetector) -> None:
    found = {code: detector.likeliest(text) for code, text in SENTENCES.items()}
    assert {code: verdict[0] for code, verdict in found.items() if verdict} == {
        code: code for code in SENTENCES
    }


def test_the_verdict_depends_on_the_text_alone(detector: LanguageDetector) -> None:
    texts = [*SENTENCES.values(), *UNSURE]
    fresh = {text: LanguageDetector().likeliest(text) for text in UNSURE[:3]}
    once = {text: detector.likeliest(text) for text in texts}
    shuffled = texts * 3
    random.Random(5).shuffle(shuffled)
    assert [detector.likeliest(text) for text in shuffled] == [once[text] for text in shuffled]
    assert fresh == {text: once[text] for text in fresh}


def test_the_verdict_is_the_same_in_every_process(detector: LanguageDetector) -> None:
    here = repr([detector.likeliest(text) for text in [*SENTENCES.values(), *UNSURE, *WITHOUT_LANGUAGE]])
    for seed in ("1", "2"):
        assert run_python("-c", PROBE, PYTHONHASHSEED=seed).strip() == here


def test_the_detector_leaves_langdetects_own_seed_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(DetectorFactory, "seed", 5)
    expected = LanguageDetector().likeliest(UNSURE[0])
    monkeypatch.setattr(DetectorFactory, "seed", None)
    assert LanguageDetector().likeliest(UNSURE[0]) == expected
    assert DetectorFactory.seed is None


def test_on_real_sentences_the_verdict_is_langdetects(
    detector: LanguageDetector, shared_data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(DetectorFactory, "seed", 0)
    paths = sorted((shared_data / "lingua-langid" / "sentences").glob("*.txt"))
    texts = [
        text
        for path in paths
        for text in path.read_text(encoding="utf-8").splitlines()[10:13]
        if text.strip()
    ]
    assert len(texts) > 200
    for text in texts:
        found, plain = detector.likeliest(text), langdetect.detect_langs(text)[0]
        assert found is not None
        assert found[0] == plain.lang
        assert found[1] == pytest.approx(plain.prob, abs=1e-6)


@pytest.mark.parametrize("text", WITHOUT_LANGUAGE)
def test_a_text_with_nothing_to_tell_a_language_by_has_none(detector: LanguageDetector, text: str) -> None:
    assert detector.likeliest(text) is None
    assert detector.verdict(Trace(text, text, text), Language("en", Decimal(0))) == ("no-language", "")


def test_the_language_asked_for_stays_and_another_leaves_with_its_code(detector: LanguageDetector) -> None:
    english = Trace(*[SENTENCES["en"]] * 3)
    assert detector.verdict(english, Language("en")) is None
    assert detector.verdict(english, Language("de")) == ("other-language", "en")
    assert detector.verdict(Trace(*[SENTENCES["zh-cn"]] * 3), Language("en")) == ("other-language", "zh-cn")


def test_the_probability_must_be_at_least_min(detector: LanguageDetector) -> None:
    trace = Trace(SENTENCES["en"], SENTENCES["de"], SENTENCES["en"])
    found = detector.likeliest("\n".join(trace))
    assert found is not None
    code, probability = found
    exactly = Decimal(probability)
    assert exactly < Decimal("0.9999999")
    assert detector.verdict(trace, Language(code, exactly)) is None
    assert detector.verdict(trace, Language(code, exactly + Decimal("1e-60"))) == ("other-language", code)


def test_the_language_is_told_from_the_fields_asked_for_joined_by_line_feeds(
    detector: LanguageDetector,
) -> None:
    trace = Trace(SENTENCES["en"], SENTENCES["de"], SENTENCES["fr"])
    for field, code in (("prompt", "en"), ("reasoning", "de"), ("answer", "fr")):
        assert detector.verdict(trace, Language(code, on=(field,))) is None
        assert detector.verdict(trace, Language("es", on=(field,))) == ("other-language", code)
    for fields in (("prompt", "answer"), ("answer", "prompt"), ("prompt", "reasoning", "answer")):
        found = detector.likeliest("\n".join(getattr(trace, field) for field in fields))
        assert found is not None
        minimum = Decimal(found[1])
        assert detector.verdict(trace, Language(found[0], minimum, on=fields)) is None


def test_the_record_is_the_digest_of_the_profiles_in_byte_order_of_their_names(
    detector: LanguageDetector,
) -> None:
    digest = hashlib.sha256()
    for path in sorted(Path(PROFILES_DIRECTORY).glob("[!.]*"), key=lambda path: path.name.encode()):
        for part in (path.name.encode(), path.read_bytes()):
            digest.update(len(part).to_bytes(8, "little"))
            digest.update(part)
    assert (detector.record.algorithm, detector.record.profiles) == ("langdetect/1", digest.hexdigest())


def test_the_profiles_are_those_of_langdetect_1_0_9(detector: LanguageDetector) -> None:
    assert detector.record.profiles == "5f85dcccdcb310bb8f645f15fdf025d651b5d0f7c77019827b11c473deb1929c"
