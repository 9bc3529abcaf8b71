"""A small literal mix that passes every stage. Its ids are promises: a change that moves one breaks every manifest."""

from pathlib import Path

import pytest

from curation.build import build
from curation.recipe_reader import read_recipe
from manifests.manifest import Manifest
from tests.curation.helpers import ledger_of, rejects_of, rows_of, store_at

EARLIER = """
name = "earlier"
[[source]]
name = "riddles"
files = "riddles/*.csv"
columns = { prompt = "riddle", reasoning = "why", answer = "solution" }
rows = [2, 3]
"""
MIX = """
name = "golden"
seed = 7

[[source]]
name = "riddles"
files = "riddles/*.csv"
columns = { prompt = "riddle", reasoning = "why", answer = "solution" }
max_drop = 0.6

[[source]]
name = "sums"
files = "sums.jsonl"
columns = { prompt = "question", response = "output" }
tags = { reasoning = ["<Thought>", "</Thought>"], answer = ["<Output>", "</Output>"] }
language = { is = "en", min = 0.80, on = ["prompt", "reasoning"] }
take = { reservoir = 3 }

[[source]]
name = "steps"
files = "steps.tsv"
header = false
columns = { prompt = 1, response = 2 }
tags = { answer = ["####", ""] }
duplicates = "keep"
take = { shuffle = 4, seed = 1 }

[[source]]
name = "keyed"
files = "keyed.json"
columns = { prompt = "p", response = "r" }
rows = [2, 6]
draw = "raw"
take = { hash = 4 }

[disjoint]
from = ["earlier"]
"""
FILES = {
    "riddles/a.csv": 'riddle,why,solution\r\n"What has keys, but no locks?","A ""piano"" has keys.",A piano.\r\n',
    "riddles/b.csv": (
        "riddle,why,solution\n"
        "What has hands but can't clap?,A clock has hands.,A clock.\n"
        "What gets wetter the more it dries?,Drying makes a towel wet.,A towel.\n"
        "What has keys?,,A piano.\n"
        "What runs but never walks?,Water runs.,A river.\n"
    ),
    "sums.jsonl": "".join(
        f'{{"question": "How many apples are there if you add {n} apples to the {n} apples in the basket?", '
        f'"output": "<Thought>There are {n} apples in the basket and we add {n} more of them.</Thought>\\n'
        f'<Output>{n + n}</Output>"}}\n'
        for n in (1, 2, 3, 4, 5, 2)
    )
    + '{"question": "Wie viele Äpfel sind im Korb, wenn man zwei Äpfel dazulegt?", '
    '"output": "<Thought>Im Korb liegen zwei Äpfel, und wir legen noch zwei dazu.</Thought><Output>4</Output>"}\n'
    '{"question": "How many apples?", "output": "<Thought>There are two.<Output>2</Output>"}\n',
    "steps.tsv": "".join(
        f'What is {n} + {n}?\t"{n}" twice is {n + n}. #### {n + n}\n' for n in (1, 2, 3, 1, 5)
    ),
    "keyed.json": '{"x": {"p": "skipped"}, "y": {"p": "Say é.", "r": "<think>\\u00e9</think>é"}, '
    '"z": {"p": "Say 😀.", "r": "<think>\\ud83d\\ude00</think>😀"}, "z": {"p": null, "r": "<think>a</think>b"}, '
    '"w": {"p": "Say a.", "r": "<think>a</think>a"}, '
    '"v": {"p": "What has keys, but no locks?", "r": "<think>A \\"piano\\" has keys.</think>A piano."}}',
}
ROWS = [
    *[("keyed", 3), ("steps", 5), ("sums", 1), ("riddles", 5), ("keyed", 5), ("steps", 1)],
    *[("steps", 4), ("sums", 5), ("steps", 3), ("sums", 4), ("riddles", 1), ("keyed", 2)],
]
REJECTS = [
    ("riddles", 2, "disjoint", "same-row", "", "EARLIER", "riddles", 2),
    ("riddles", 3, "disjoint", "same-row", "", "EARLIER", "riddles", 3),
    ("riddles", 4, "parse", "no-reasoning", "", "", "", 0),
    ("sums", 6, "duplicates", "same-content", "", "", "sums", 2),
    ("sums", 7, "language", "other-language", "de", "", "", 0),
    ("sums", 8, "parse", "tag-unclosed", "", "", "", 0),
    ("keyed", 6, "across", "same-content", "", "", "riddles", 1),
]
LEDGER = {
    "riddles": [
        ("rows", 5, 5, {}),
        ("parse", 5, 4, {"no-reasoning": 1}),
        ("duplicates", 4, 4, {}),
        ("across", 4, 4, {}),
        ("disjoint", 4, 2, {"same-row": 2}),
        ("take", 2, 2, {}),
    ],
    "sums": [
        ("rows", 8, 8, {}),
        ("parse", 8, 7, {"tag-unclosed": 1}),
        ("language", 7, 6, {"other-language": 1}),
        ("duplicates", 6, 5, {"same-content": 1}),
        ("across", 5, 5, {}),
        ("disjoint", 5, 5, {}),
        ("take", 5, 3, {"not-taken": 2}),
    ],
    "steps": [
        ("rows", 5, 5, {}),
        ("parse", 5, 5, {}),
        ("disjoint", 5, 5, {}),
        ("take", 5, 4, {"not-taken": 1}),
    ],
    "keyed": [
        ("rows", 5, 5, {}),
        ("take", 5, 4, {"not-taken": 1}),
        ("parse", 4, 4, {}),
        ("duplicates", 4, 4, {}),
        ("across", 4, 3, {"same-content": 1}),
        ("disjoint", 3, 3, {}),
    ],
}
EARLIER_ID = "b95d5d9c92f9ab502f0256d97ce350b3c554540049e3366e195ad6af20b42929"
MIX_ID = "6abed660a238a7452a10cb52601b5d81e7f6b94986961fa7f51f975c89086fd7"


def build_golden(folder: Path) -> tuple[Manifest, Manifest]:
    """The earlier manifest and the mix, built from files written anew."""
    for path, text in FILES.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(text.encode())
    manifests = []
    for name, recipe in (("earlier.toml", EARLIER), ("golden.toml", MIX)):
        (folder / name).write_text(recipe, encoding="utf-8")
        manifests.append(build(read_recipe(folder / name), store_at(folder / "store")).manifest)
    return manifests[0], manifests[1]


def test_the_golden_mix_is_the_same_when_rows_are_looked_at_two_at_a_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for constant in ("pool._BLOCK_ROWS", "selection.HASHED_ROWS", "shelf._BLOCK_ROWS"):
        monkeypatch.setattr(f"curation.{constant}", 2)
    monkeypatch.setattr("curation.duplicates._BUCKET_ROWS", 1)
    assert build_golden(tmp_path)[1].id == MIX_ID


def test_the_golden_mix_has_the_rows_and_the_ledger_it_has_always_had(tmp_path: Path) -> None:
    earlier, mix = build_golden(tmp_path)
    assert ledger_of(mix) == LEDGER
    assert rejects_of(mix) == [
        tuple(earlier.id if value == "EARLIER" else value for value in reject) for reject in REJECTS
    ]
    assert rows_of(mix) == ROWS


def test_the_golden_ids_are_what_they_have_always_been(tmp_path: Path) -> None:
    earlier, mix = build_golden(tmp_path)
    assert (earlier.id, mix.id) == (EARLIER_ID, MIX_ID)
