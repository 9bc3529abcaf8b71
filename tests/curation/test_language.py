import hashlib
import random
import shutil
from collections.abc import Sequence
from decimal import Decimal, localcontext
from pathlib import Path

import langdetect
import pytest
from langdetect.detector_factory import PROFILES_DIRECTORY, DetectorFactory

from curation.language.filters import LanguageDetector, known_codes, make_filter
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
from curation.language.filters import LanguageDetector
from tests.curation.test_language import SENTENCES, UNSURE, WITHOUT_LANGUAGE
detector = LanguageDetector()
print([detector.languages(text) for text in [*SENTENCES.values(), *UNSURE, *WITHOUT_LANGUAGE]])
"""


@pytest.fixture(scope="module")
def detector() -> LanguageDetector:
    return LanguageDetector()


def verdict(texts: Sequence[str], language: Language) -> tuple[str, str] | None:
    return make_filter(language).verdicts([Trace(*texts)])[0]


def test_plain_sentences_are_told(detector: LanguageDetector) -> None:
    assert {code: detector.languages(text)[0][0] for code, text in SENTENCES.items()} == {
        code: code for code in SENTENCES
    }


def test_the_verdict_depends_on_the_text_alone(detector: LanguageDetector) -> None:
    texts = [*SENTENCES.values(), *UNSURE]
    fresh = {text: LanguageDetector().languages(text) for text in UNSURE[:3]}
    once = {text: detector.languages(text) for text in texts}
    shuffled = texts * 3
    random.Random(5).shuffle(shuffled)
    assert [detector.languages(text) for text in shuffled] == [once[text] for text in shuffled]
    assert fresh == {text: once[text] for text in fresh}


def test_the_verdict_is_the_same_in_every_process(detector: LanguageDetector) -> None:
    here = repr([detector.languages(text) for text in [*SENTENCES.values(), *UNSURE, *WITHOUT_LANGUAGE]])
    for seed in ("1", "2"):
        assert run_python("-c", PROBE, PYTHONHASHSEED=seed).strip() == here


def test_the_detector_leaves_langdetects_own_seed_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(DetectorFactory, "seed", 5)
    expected = LanguageDetector().reference(UNSURE[0])
    monkeypatch.setattr(DetectorFactory, "seed", None)
    assert LanguageDetector().reference(UNSURE[0]) == expected
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
        found, plain = detector.languages(text)[0], langdetect.detect_langs(text)[0]
        assert found[0] == plain.lang
        assert found[1] == pytest.approx(plain.prob, abs=1e-6)


@pytest.mark.parametrize("text", WITHOUT_LANGUAGE)
def test_a_text_with_nothing_to_tell_a_language_by_has_none(detector: LanguageDetector, text: str) -> None:
    assert detector.languages(text) == []
    assert verdict([text] * 3, Language("en", minimum=Decimal(0))) == ("no-language", "")


def test_the_language_asked_for_stays_and_another_leaves_with_its_code() -> None:
    english = [SENTENCES["en"]] * 3
    assert verdict(english, Language("en")) is None
    assert verdict(english, Language("de")) == ("other-language", "en")
    assert verdict([SENTENCES["zh-cn"]] * 3, Language("en")) == ("other-language", "zh-cn")


def test_the_probability_must_be_at_least_min(detector: LanguageDetector) -> None:
    texts = [SENTENCES["en"], SENTENCES["de"], SENTENCES["en"]]
    code, probability = detector.reference("\n".join(texts))[0]
    exactly = Decimal(probability)
    assert exactly < Decimal("0.9999999")
    with localcontext(prec=100):
        around = [exactly + Decimal(distance) for distance in ("0", "-1e-60", "1e-60")]
    verdicts = [verdict(texts, Language(code, minimum=minimum)) for minimum in around]
    assert verdicts == [None, None, ("other-language", code)]


def test_the_language_is_told_from_the_fields_asked_for_joined_by_line_feeds(
    detector: LanguageDetector,
) -> None:
    texts = [SENTENCES["en"], SENTENCES["de"], SENTENCES["fr"]]
    trace = Trace(*texts)
    for field, code in (("prompt", "en"), ("reasoning", "de"), ("answer", "fr")):
        assert verdict(texts, Language(code, on=(field,))) is None
        assert verdict(texts, Language("es", on=(field,))) == ("other-language", code)
    for fields in (("answer", "prompt"), ("prompt", "reasoning", "answer")):
        found = detector.reference("\n".join(getattr(trace, field) for field in fields))[0]
        assert verdict(texts, Language(found[0], minimum=Decimal(found[1]), on=fields)) is None


def test_verdicts_stand_in_the_order_of_the_traces() -> None:
    traces = [Trace(*[text] * 3) for text in [*SENTENCES.values(), "12"]]
    expected: list[tuple[str, str] | None] = [("other-language", code) for code in SENTENCES]
    expected[0] = None
    kept = make_filter(Language("en"))
    assert kept.verdicts(traces) == [*expected, ("no-language", "")]
    assert kept.verdicts([]) == kept.raw_verdicts([]) == []
    assert kept.raw_verdicts(["\n".join(trace) for trace in traces]) == kept.verdicts(traces)


def test_by_script_a_trace_with_one_letter_of_a_script_leaves_with_its_name() -> None:
    trace = ["What does 火 mean?", "It is a word for “fire”, наверно.", "Fire — 🔥"]
    for fields, without, expected in (
        (("prompt", "reasoning", "answer"), ("Han",), ("other-script", "Han")),
        (("reasoning", "answer"), ("Han",), None),
        (("reasoning", "answer"), ("Han", "Cyrillic"), ("other-script", "Cyrillic")),
        (("prompt", "reasoning"), ("Hangul", "Arabic"), None),
        (("answer",), ("Han", "Cyrillic"), None),
    ):
        assert verdict(trace, Language("en", "script", on=fields, without=without)) == expected


def test_by_script_neither_code_nor_min_says_anything() -> None:
    german = [SENTENCES["de"]] * 3
    assert verdict(german, Language("", "script", minimum=Decimal(1), without=("Han",))) is None
    assert verdict(["12", "34", "56"], Language("en", "script", without=("Han",))) is None


def test_by_script_raw_texts_may_be_anything() -> None:
    kept = make_filter(Language("", "script", without=("Han",)))
    assert kept.raw_verdicts(["", "\ud800", "a\n火", "\ud800火"]) == [
        None,
        None,
        ("other-script", "Han"),
        ("other-script", "Han"),
    ]


def test_the_record_is_the_digest_of_the_profiles_in_byte_order_of_their_names() -> None:
    digest = hashlib.sha256()
    for path in sorted(Path(PROFILES_DIRECTORY).glob("[!.]*"), key=lambda path: path.name.encode()):
        for part in (path.name.encode(), path.read_bytes()):
            digest.update(len(part).to_bytes(8, "little"))
            digest.update(part)
    record = make_filter(Language("en")).record
    assert (record.algorithm, record.profiles) == ("langdetect/1", digest.hexdigest())


def test_the_profiles_are_those_of_langdetect_1_0_9(detector: LanguageDetector) -> None:
    assert detector.record.profiles == "5f85dcccdcb310bb8f645f15fdf025d651b5d0f7c77019827b11c473deb1929c"


def test_only_plain_files_of_the_profile_folder_are_profiles(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    record, codes = LanguageDetector().record, known_codes()
    folder = shutil.copytree(PROFILES_DIRECTORY, tmp_path / "profiles")
    (folder / ".hidden").write_text("no profile")
    (folder / "folder").mkdir()
    monkeypatch.setattr("curation.language.filters.PROFILES_DIRECTORY", str(folder))
    assert (LanguageDetector().record, known_codes()) == (record, codes)
    with (folder / "en").open("a") as profile:
        profile.write(" ")
    assert LanguageDetector().record != record


def test_by_script_the_record_is_that_of_the_scripts() -> None:
    record = make_filter(Language("en", "script", without=("Han",))).record
    assert record.algorithm == "script/1"
    assert record != make_filter(Language("en", "script", without=("Han", "Thai"))).record


def test_the_codes_known_are_those_that_langdetect_tells(detector: LanguageDetector) -> None:
    codes = known_codes()
    assert codes == sorted(codes)
    assert len(codes) == 55
    assert set(SENTENCES) <= set(codes)
    assert codes == sorted(detector._factory.get_lang_list())
