"""Questions to look for, for the tests of the stage `decontaminate`."""

import json
from decimal import Decimal
from pathlib import Path

from curation.decontamination import Questions, read_questions
from curation.recipe import Decontaminate

BAKERS = "A baker sells loaves at the market every day. How many loaves does the baker sell in one week?"
TRAINS = "Two trains leave the same town at noon. How far apart are the two trains after three hours?"


def questions_of(
    folder: Path, *texts: str, words: int = 13, minimum: str = "0.5", name: str = "test.jsonl"
) -> Questions:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text("".join(json.dumps({"question": text}) + "\n" for text in texts))
    return read_questions(Decontaminate((name,), words=words, minimum=Decimal(minimum)), folder)


def counting(numbers: range) -> str:
    return " ".join(f"w{number}" for number in numbers)
