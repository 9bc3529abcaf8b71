"""What the search for evaluation questions finds in real prompts, what it finds wrongly, and how fast it is.

    python benchmarks/decontamination.py DATA

DATA is a folder with gsm8k, flan-cot, star-1 and game24-r1. flan-cot holds the 7,473 training questions of gsm8k, so
that what is found of them is right; no prompt should hold one of the 1,319 test questions.
"""

import argparse
import json
import random
import re
import statistics
import time
from collections.abc import Callable
from decimal import Decimal
from functools import partial
from pathlib import Path

import polars as pl

from curation.decontamination import Questions, read_questions
from curation.recipe import Decontaminate

GSM8K = "gsm8k/grade_school_math/data/{}.jsonl"
SETTINGS = [(words, Decimal(minimum)) for words in (13, 8) for minimum in ("0.5", "0.8")]
ANY = Decimal("0.000001")  # one run of a question is enough
BATCH = 1000
NUMBER = re.compile(r"\d+")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description="Evaluation questions in real prompts: found, wrongly found, speed."
    )
    parser.add_argument("data", type=Path)
    data = parser.parse_args().data
    mixes = prompts(data)
    print(
        "prompts that contain a question: " + ", ".join(f"{name} {len(mix):,}" for name, mix in mixes.items())
    )
    for split in ("train", "test"):
        for words, minimum in [*SETTINGS, (13, ANY), (8, ANY)]:
            questions = read_questions(
                Decontaminate((GSM8K.format(split),), "question", words, minimum), data
            )
            labels = {
                name: [label for label in matched(questions, mix) if label] for name, mix in mixes.items()
            }
            found = len({label for held in labels.values() for label in held})
            counts = "  ".join(f"{name} {len(held):>5,}" for name, held in labels.items())
            share = "any run" if minimum == ANY else f"{minimum}    "
            print(
                f"{split:<5} words {words:>2}  min {share}  {counts}   {found:,} of {questions.files[0].questions:,}"
            )
    print("\ntest questions, changed, that are still found")
    for words, minimum in SETTINGS:
        questions = read_questions(Decontaminate((GSM8K.format("test"),), "question", words, minimum), data)
        asked = [
            json.loads(line)["question"] for line in (data / GSM8K.format("test")).read_text().splitlines()
        ]
        found_of = {
            name: sum(map(bool, matched(questions, changed))) for name, changed in variations(asked).items()
        }
        print(
            f"words {words:>2}  min {minimum}  "
            + "  ".join(f"{name} {count}" for name, count in found_of.items())
        )
    print("\nspeed, in batches of 1,000, medians of 5")
    text = " ".join(prompt for name, mix in mixes.items() if name != "flan gsm8k" for prompt in mix)
    kilobytes = [text[begin : begin + 1024] for begin in range(0, len(text), 1024)]
    for split in ("test", "train"):
        questions = read_questions(Decontaminate((GSM8K.format(split),)), data)
        for name, mix in {"1 KiB, no match": kilobytes, **mixes}.items():
            seconds = timed(partial(matched, questions, mix))
            size = sum(map(len, mix))
            print(
                f"{split:<5} {name:<16} {len(mix):>6,} prompts of {size / len(mix):>5,.0f} characters: "
                f"{len(mix) / seconds:>9,.0f} prompts/s, {seconds / len(mix) * 1e6:>5.1f} µs each"
            )


def prompts(data: Path) -> dict[str, list[str]]:
    """The prompts of each mix; those of flan-cot's gsm8k file by themselves."""
    flan = {
        path.stem: [line.split("\t")[0] for line in path.read_text().split("\n") if line]
        for path in sorted((data / "flan-cot/flan/v2/cot_data").glob("*.tsv"))
    }
    return {
        "flan gsm8k": flan.pop("gsm8k_train"),
        "flan others": [prompt for mix in flan.values() for prompt in mix],
        "star-1": [row["question"] for row in json.loads((data / "star-1/data/STAR-1.json").read_text())],
        "game24-r1": pl.read_parquet(data / "game24-r1/data/24game_sft/*.parquet")["prompt"].to_list(),
    }


def variations(asked: list[str]) -> dict[str, list[str]]:
    """The questions as they are, in other clothes, and with changes that make others of them."""
    chance = random.Random(0)

    def other(number: re.Match[str]) -> str:
        return str(int(number.group()) + chance.randint(1, 9))

    def one_number(text: str) -> str:
        places = [place.start() for place in NUMBER.finditer(text)]
        begin = chance.choice(places) if places else len(text)
        return text[:begin] + NUMBER.sub(other, text[begin:], count=1)

    def every_tenth_word(text: str) -> str:
        words = text.split()
        for place in chance.sample(range(len(words)), max(1, len(words) // 10)):
            words[place] = "something"
        return " ".join(words)

    with_numbers = [text for text in asked if NUMBER.search(text)]
    return {
        "as it is": asked,
        "capitals and markup": [
            f"<|user|>\n**Q:** {text.upper().replace(' ', ' * ')}\nThink!" for text in asked
        ],
        "one other number": list(map(one_number, with_numbers)),
        f"all other numbers (of {len(with_numbers):,})": [NUMBER.sub(other, text) for text in with_numbers],
        "a tenth of the words": list(map(every_tenth_word, asked)),
    }


def matched(questions: Questions, mix: list[str]) -> list[str | None]:
    """The matches of a mix, batch by batch."""
    return [
        label
        for begin in range(0, len(mix), BATCH)
        for label in questions.matches(mix[begin : begin + BATCH])
    ]


def timed(step: Callable[[], object]) -> float:
    """Seconds of a step: the median of five."""
    seconds = []
    for _ in range(5):
        begin = time.perf_counter()
        step()
        seconds.append(time.perf_counter() - begin)
    return statistics.median(seconds)


if __name__ == "__main__":
    main()
