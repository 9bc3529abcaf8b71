"""The stage `language`: which traces are in the language asked for (manifests/FORMAT.md, detector `langdetect/1`).

langdetect (a port of Shuyo's language-detection, 2010) draws from a generator that it seeds anew for every text, so a
verdict depends on the text alone; its profiles are loaded in a fixed order, because its sums depend on it.
"""

import hashlib
from functools import cached_property
from pathlib import Path

from langdetect.detector_factory import PROFILES_DIRECTORY, DetectorFactory
from langdetect.lang_detect_exception import ErrorCode, LangDetectException

from curation.recipe import Language
from manifests.identity import DETECTOR_ALGORITHM, Detector
from manifests.keys import Trace

OTHER_LANGUAGE = "other-language"
NO_LANGUAGE = "no-language"
_SEED = 0


class LanguageDetector:
    """Tells the likeliest language of a text, the same one every time. Loading takes about half a second."""

    @cached_property
    def _profiles(self) -> list[tuple[str, bytes]]:
        paths = [
            path for path in Path(PROFILES_DIRECTORY).iterdir() if path.is_file() and path.name[0] != "."
        ]
        return sorted((path.name, path.read_bytes()) for path in paths)

    @cached_property
    def _factory(self) -> DetectorFactory:
        factory = DetectorFactory()
        factory.set_seed(_SEED)
        factory.load_json_profile([profile.decode() for _, profile in self._profiles])
        return factory

    @cached_property
    def record(self) -> Detector:
        """The algorithm and the digest of its profiles, as they stand in a manifest."""
        digest = hashlib.sha256()
        for name, profile in self._profiles:
            for part in (name.encode(), profile):
                digest.update(len(part).to_bytes(8, "little") + part)
        return Detector(DETECTOR_ALGORITHM, digest.hexdigest())

    @property
    def codes(self) -> list[str]:
        """The languages that can be told, sorted: the profiles are named after them."""
        return [name for name, _ in self._profiles]

    def likeliest(self, text: str) -> tuple[str, float] | None:
        """The code and the probability of the likeliest language; None when there is nothing to tell it by."""
        detector = self._factory.create()
        detector.append(text)
        try:
            found = detector.get_probabilities()
        except LangDetectException as error:
            if error.code != ErrorCode.CantDetectError:
                raise
            return None
        return (found[0].lang, found[0].prob) if found else None

    def verdict(self, trace: Trace, language: Language) -> tuple[str, str] | None:
        """None if the trace is in that language, else the reason and detail it is dropped with."""
        text = "\n".join(getattr(trace, field) for field in language.on)
        found = self.likeliest(text)
        if found is None:
            return NO_LANGUAGE, ""
        code, probability = found
        if code == language.code and probability >= language.minimum:
            return None
        return OTHER_LANGUAGE, code
