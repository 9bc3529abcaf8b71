"""The stage `language`: which traces are in the language asked for (manifests/FORMAT.md, section 6, Detector).

langdetect (a port of Shuyo's language-detection, 2010) draws from a generator that it seeds anew for every text, so a
verdict depends on the text alone; its profiles are loaded in a fixed order, because its sums depend on it. Its faster
twin answers in its place where it can be trusted to (`curation.language.fast`). The rule by script needs neither.
"""

import hashlib
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Protocol

from langdetect.detector import Detector as Langdetect
from langdetect.detector_factory import PROFILES_DIRECTORY, DetectorFactory
from langdetect.lang_detect_exception import ErrorCode, LangDetectException

from curation.language.fast import TOLERANCE, Detect, FastPathError, fast_detect
from curation.language.scripts import ScriptFinder
from curation.language.windows import WINDOWS_ALGORITHM, foreign_language
from curation.recipe import Language
from manifests.identity import DETECTOR_ALGORITHM, Detector
from manifests.keys import Trace

OTHER_LANGUAGE = "other-language"
NO_LANGUAGE = "no-language"
MIXED_LANGUAGE = "mixed-language"
OTHER_SCRIPT = "other-script"

Verdict = tuple[str, str] | None
"""None for a trace that stays, else the reason and the detail it is dropped with."""

_SEED = 0


class LanguageFilter(Protocol):
    """What a recipe's `language` asks of every trace of a source."""

    @property
    def record(self) -> Detector:
        """The algorithm and the digest of its profiles, as they stand in a manifest."""

    @property
    def slow_because(self) -> str | None:
        """Why verdicts take some sixty times longer than they could; None if they don't. They are the same."""

    def verdicts(self, traces: Sequence[Trace]) -> list[Verdict]:
        """The verdict on each trace."""

    def raw_verdicts(self, texts: Sequence[str]) -> list[Verdict]:
        """The verdict on each text, whatever the fields it comes from."""


def make_filter(language: Language) -> LanguageFilter:
    """The filter that a recipe asks for. One that detects languages is loaded at its first use, in a third of a second.

    It starts no threads: processes are what rows are shared out to.
    """
    return ScriptFilter(language) if language.by == "script" else DetectorFilter(language)


def known_codes() -> list[str]:
    """The languages that can be told, sorted: langdetect's profiles are named after them."""
    return sorted(path.name for path in _profile_paths())


class DetectorFilter:
    """Keeps what a `LanguageDetector` finds in the language asked for."""

    def __init__(self, language: Language) -> None:
        self._language = language
        self._detector = LanguageDetector()

    @property
    def record(self) -> Detector:
        """Of windows, `langdetect-windows/1` with the profiles of `langdetect/1`."""
        plain = self._detector.record
        return Detector(WINDOWS_ALGORITHM, plain.profiles) if self._language.windows else plain

    @property
    def slow_because(self) -> str | None:
        """Why langdetect itself is used."""
        return self._detector.slow_because

    def verdicts(self, traces: Sequence[Trace]) -> list[Verdict]:
        """The verdict on each trace: `other-language`, `no-language`, `mixed-language`, or it stays."""
        return self.raw_verdicts([_text_of(trace, self._language.on) for trace in traces])

    def raw_verdicts(self, texts: Sequence[str]) -> list[Verdict]:
        """The verdict on each text."""
        return [self._verdict(text) for text in texts]

    def _verdict(self, text: str) -> Verdict:
        asked = self._language
        found = self._detector.languages(text)
        if found and self._is_close(found):
            found = self._detector.reference(text)
        if not found:
            return NO_LANGUAGE, ""
        code, probability = found[0]
        if code != asked.code or probability < asked.minimum:
            return OTHER_LANGUAGE, code
        if asked.windows and (other := foreign_language(text, code, asked.windows, self._detector.languages)):
            return MIXED_LANGUAGE, other
        return None

    def _is_close(self, found: Sequence[tuple[str, float]]) -> bool:
        """Whether a rounding of the fast path could turn the verdict."""
        first, second = found[0][1], found[1][1] if len(found) > 1 else 0.0
        close = abs(first - float(self._language.minimum)) <= TOLERANCE or first - second <= TOLERANCE
        return close and self._detector.slow_because is None


class ScriptFilter:
    """Keeps what has no letter of the scripts in `without`."""

    slow_because: str | None = None

    def __init__(self, language: Language) -> None:
        self._on = language.on
        self._finder = ScriptFinder(language.without)

    @property
    def record(self) -> Detector:
        """`script/1` with the digest of the letters it looks for."""
        return self._finder.record

    def verdicts(self, traces: Sequence[Trace]) -> list[Verdict]:
        """The verdict on each trace: `other-script`, or it stays."""
        return self.raw_verdicts([_text_of(trace, self._on) for trace in traces])

    def raw_verdicts(self, texts: Sequence[str]) -> list[Verdict]:
        """The verdict on each text."""
        found = [self._finder.first(text) for text in texts]
        return [None if script is None else (OTHER_SCRIPT, script) for script in found]


class LanguageDetector:
    """Tells the likely languages of a text, the same ones every time."""

    @cached_property
    def record(self) -> Detector:
        """The algorithm and the digest of its profiles, as they stand in a manifest."""
        digest = hashlib.sha256()
        for name, profile in self._profiles:
            for part in (name.encode(), profile):
                digest.update(len(part).to_bytes(8, "little") + part)
        return Detector(DETECTOR_ALGORITHM, digest.hexdigest())

    @property
    def slow_because(self) -> str | None:
        """Why langdetect itself is used; None if its faster twin is."""
        detect = self._fast
        return detect if isinstance(detect, str) else None

    def languages(self, text: str) -> list[tuple[str, float]]:
        """The code and the probability (above 0.1) of each likely language, likeliest first."""
        return self.reference(text) if isinstance(self._fast, str) else self._fast(text)

    def reference(self, text: str) -> list[tuple[str, float]]:
        """What langdetect itself answers, some sixty times slower."""
        detector = _PlainSums(self._factory)
        detector.append(text)
        try:
            found = detector.get_probabilities()
        except LangDetectException as error:
            if error.code != ErrorCode.CantDetectError:
                raise
            return []
        return [(language.lang, language.prob) for language in found]

    @cached_property
    def _profiles(self) -> list[tuple[str, bytes]]:
        return sorted((path.name, path.read_bytes()) for path in _profile_paths())

    @cached_property
    def _fast(self) -> Detect | str:
        """The fast path, or why there is none."""
        try:
            return fast_detect(self._profiles, _SEED)
        except FastPathError as error:
            return str(error)

    @cached_property
    def _factory(self) -> DetectorFactory:
        factory = DetectorFactory()
        factory.set_seed(_SEED)
        factory.load_json_profile([profile.decode() for _, profile in self._profiles])
        return factory


class _PlainSums(Langdetect):  # type: ignore[misc]  # langdetect has no types
    """langdetect as it is on Python 3.11. From 3.12 on `sum` corrects its roundings, and probabilities would differ."""

    def _normalize_prob(self, prob: list[float]) -> float:
        total = 0.0
        for value in prob:
            total += value
        prob[:] = [value / total for value in prob]
        return max(prob)


def _profile_paths() -> list[Path]:
    return [path for path in Path(PROFILES_DIRECTORY).iterdir() if path.is_file() and path.name[0] != "."]


def _text_of(trace: Trace, fields: Sequence[str]) -> str:
    return "\n".join(getattr(trace, field) for field in fields)
