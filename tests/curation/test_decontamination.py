import json
import pickle
from collections.abc import Sequence
from decimal import Decimal
from fractions import Fraction
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from curation import decontamination
from curation.decontamination import read_questions, words_of
from curation.recipe import Decontaminate
from tests.curation.evaluation_questions import BAKERS, TRAINS, counting, questions_of
from tests.curation.helpers import run_python

LINES = st.lists(st.lists(st.sampled_from("abc"), max_size=16).map(" ".join), min_size=1, max_size=8)


def plainly(texts: Sequence[str], prompt: str, words: int, minimum: Fraction) -> str | None:
    """The definition as it stands in FORMAT.md, without an index."""

    def runs(text: str, length: int) -> set[tuple[str, ...]]:
        found = words_of(text)
        return {tuple(found[place : place + length]) for place in range(len(found) - length + 1)}

    best, best_share = None, Fraction(0)
    for row, text in enumerate(texts, 1):
        length = min(words, len(words_of(text)))
        if length < min(8, words):
            continue
        asked = runs(text, length)
        share = Fraction(len(asked & runs(prompt, length)), len(asked))
        if share >= minimum and share > best_share:
            best, best_share = f"test.jsonl:{row}", share
    return best


def test_words_are_runs_of_ascii_letters_and_digits_and_of_the_letters_of_other_scripts() -> None:
    golden = {
        "Don't — DON\u2019T “do” it!": ["don", "t", "don", "t", "do", "it"],
        "\\frac{1}{2} + x_1 = <b>3.5</b>\x1c\x00\u00a07": [
            "frac",
            "1",
            "2",
            "x",
            "1",
            "b",
            "3",
            "5",
            "b",
            "7",
        ],
        "3×4÷2 x² ½ 5€ a😀b": ["3", "4", "2", "x", "5", "a", "b"],
        "Élève ÉLÈVE straße": ["Élève", "ÉlÈve", "straße"],  # the case of ASCII letters only
        "Сколько будет дважды два?": ["Сколько", "будет", "дважды", "два"],
        "Tiếng Việt, हिन्दी": ["tiếng", "việt", "हिन्दी"],
        "法国的首都,GPT4是什么?": ["法", "国", "的", "首", "都", "gpt4", "是", "什", "么"],
        "ไทย。한국⼀𠀀": ["ไ", "ท", "ย", "한", "국", "⼀", "𠀀"],
        "": [],
    }
    assert {text: words_of(text) for text in golden} == golden


@given(text=st.text(st.characters(max_codepoint=127)))
def test_the_short_way_for_ascii_gives_the_words_of_the_general_one(text: str) -> None:
    assert words_of(text) == words_of(text + " 字")[:-1]


@given(
    texts=LINES, prompts=LINES, words=st.integers(1, 13), minimum=st.sampled_from(["0.01", "0.5", "0.8", "1"])
)
def test_what_matches_is_what_the_plain_definition_says(
    tmp_path_factory: pytest.TempPathFactory, texts: list[str], prompts: list[str], words: int, minimum: str
) -> None:
    long_enough = "d e f g h i j k l m n o p"
    questions = questions_of(
        tmp_path_factory.mktemp("law"), *texts, long_enough, words=words, minimum=minimum
    )
    prompts = [*prompts, f"{texts[0]} {prompts[0]} {texts[-1]}", " ".join(texts)]
    expected = [plainly([*texts, long_enough], prompt, words, Fraction(minimum)) for prompt in prompts]
    assert questions.matches(prompts) == expected
    assert [questions.matches([prompt])[0] for prompt in prompts] == expected


def test_markup_case_and_punctuation_hide_no_question(tmp_path: Path) -> None:
    questions = questions_of(tmp_path, TRAINS, BAKERS)
    dressed = (
        "<|user|>\n**Question**:\n" + BAKERS.upper().replace(" ", "\u00a0 ").replace(".", " … ") + "\nThink!"
    )
    assert questions.matches([dressed, "Nothing of it.", ""]) == ["test.jsonl:2", None, None]


def test_other_numbers_make_another_question_and_one_other_number_in_a_long_one_does_not(
    tmp_path: Path,
) -> None:
    first = "Ann buys 12 pens at 3 dollars each and then 7 books at 15 dollars each. How much does she spend?"
    other = "Ann buys 14 pens at 2 dollars each and then 9 books at 11 dollars each. How much does she spend?"
    questions = questions_of(tmp_path, first, f"{first} {counting(range(50))} 12 {counting(range(50, 60))}")
    assert questions.matches([other, first]) == [None, "test.jsonl:1"]
    assert questions.matches([f"{first} {counting(range(50))} 13"]) == ["test.jsonl:1"]
    assert questions.matches([f"{other} {counting(range(50))} 13"]) == ["test.jsonl:2"]


@pytest.mark.parametrize(
    ("minimum", "held", "found"),
    [("0.8", 8, True), ("0.8", 7, False), ("0.07", 1, True), ("1", 9, False), ("1", 10, True)],
)
def test_the_share_is_compared_exactly(tmp_path: Path, minimum: str, held: int, *, found: bool) -> None:
    questions = questions_of(tmp_path, counting(range(22)), minimum=minimum)  # 10 runs of 13 words
    assert (questions.matches([counting(range(12 + held))])[0] is not None) == found


def test_a_share_that_a_float_would_miss_is_met(tmp_path: Path) -> None:
    questions = questions_of(tmp_path, counting(range(112)), minimum="0.07")  # 0.07 * 100 > 7 in floats
    assert questions.matches([counting(range(19)), counting(range(18))]) == ["test.jsonl:1", None]


def test_a_run_that_a_question_repeats_counts_once_and_a_prompt_that_repeats_it_gains_nothing(
    tmp_path: Path,
) -> None:
    questions = questions_of(tmp_path, f"{'x ' * 30}{counting(range(13))}", minimum="0.1")  # 14 runs: 1 + 13
    assert questions.matches(["x " * 100]) == [None]
    assert questions.matches(["x " * 13 + "w0"]) == ["test.jsonl:1"]


def test_the_question_named_is_the_one_of_the_largest_share_and_of_equal_ones_the_first(
    tmp_path: Path,
) -> None:
    questions = questions_of(tmp_path, f"{BAKERS} {counting(range(5))}", BAKERS, BAKERS)
    assert questions.matches([f"{TRAINS} {BAKERS}"]) == ["test.jsonl:2"]


def test_a_question_shorter_than_a_run_is_one_run_of_all_its_words(tmp_path: Path) -> None:
    questions = questions_of(tmp_path, counting(range(8)), counting(range(20, 32)), counting(range(40, 53)))
    assert questions.matches([f"a {counting(range(8))} b"]) == ["test.jsonl:1"]
    assert questions.matches([counting(range(7)), counting(range(1, 8))]) == [None, None]
    assert questions.matches([f"{counting(range(20, 32))} b"]) == ["test.jsonl:2"]
    assert questions.matches([counting(range(21, 32))]) == [None]


def test_a_run_of_a_longer_question_is_no_short_question(tmp_path: Path) -> None:
    questions = questions_of(tmp_path, counting(range(8)), counting(range(100, 130)), minimum="0.05")
    assert questions.matches([counting(range(100, 108)), counting(range(100, 112))]) == [None, None]


def test_a_question_never_spans_two_prompts_or_two_questions(tmp_path: Path) -> None:
    questions = questions_of(tmp_path, counting(range(13)), counting(range(13, 26)))
    assert (
        questions.matches([counting(range(7)), counting(range(7, 19)), counting(range(19, 26))]) == [None] * 3
    )


def test_with_shorter_runs_shorter_questions_are_sought(tmp_path: Path) -> None:
    questions = questions_of(tmp_path, "What is 2 + 3?", words=4)
    assert questions.matches(["so, what is 2 plus 3", "What is 2*3"]) == [None, "test.jsonl:1"]


@given(data=st.data())
def test_pieces_and_chunks_change_nothing(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    texts, prompts = data.draw(LINES), [prompt.replace("b", "bé字") for prompt in data.draw(LINES)]
    folder = tmp_path_factory.mktemp("chunks")
    questions = questions_of(folder, *(text.replace("b", "bé字") for text in texts), BAKERS, words=5)
    prompts = [" ".join(texts), *prompts, " ".join(prompts)]
    expected = questions.matches(prompts)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(decontamination, "_PIECE_CHARS", data.draw(st.integers(1, 9)))
        patch.setattr(decontamination, "_CHUNK_WORDS", data.draw(st.integers(1, 9)))
        assert questions.matches(prompts) == expected


def test_a_prompt_of_one_endless_word_and_one_that_repeats_a_question_are_read_in_time(
    tmp_path: Path,
) -> None:
    questions = questions_of(tmp_path, *(f"{BAKERS} {number}" for number in range(1000)))
    prompts = ["a" * 5_000_000, f"{BAKERS} " * 20_000 + "7", "é" * 5_000_000, ""]
    assert questions.matches(prompts) == [None, "test.jsonl:8", None, None]


def test_no_prompts_give_no_matches(tmp_path: Path) -> None:
    assert questions_of(tmp_path, BAKERS).matches([]) == []


def test_questions_survive_the_way_to_another_process(tmp_path: Path) -> None:
    questions = questions_of(tmp_path, *(counting(range(start, start + 30)) for start in range(0, 3000, 10)))
    (tmp_path / "questions").write_bytes(pickle.dumps(questions))
    probe = (
        "import pickle, sys\nfrom pathlib import Path\n"
        "questions = pickle.loads(Path(sys.argv[1]).read_bytes())\n"
        "print(questions.matches([' '.join(f'w{n}' for n in range(s, s + 25)) for s in range(0, 2000, 7)]))"
    )
    prompts = [counting(range(start, start + 25)) for start in range(0, 2000, 7)]
    for seed in ("1", "2"):
        printed = run_python("-c", probe, str(tmp_path / "questions"), PYTHONHASHSEED=seed)
        assert printed.strip() == str(questions.matches(prompts))


def test_gsm8k_is_found_in_flan_cot_and_nowhere_else(shared_data: Path) -> None:
    folder = shared_data / "flan-cot/flan/v2/cot_data"
    flan = {
        path.stem: [line.split("\t")[0] for line in path.read_text().split("\n") if line]
        for path in sorted(folder.glob("*.tsv"))
    }
    stars = [row["question"] for row in json.loads((shared_data / "star-1/data/STAR-1.json").read_text())]
    games = pl.read_parquet(shared_data / "game24-r1/data/24game_sft/*.parquet")["prompt"].to_list()
    trained, rest = flan.pop("gsm8k_train"), sum(flan.values(), stars + games)
    against = "gsm8k/grade_school_math/data/{}.jsonl"
    train = read_questions(Decontaminate((against.format("train"),), minimum=Decimal("0.8")), shared_data)
    found = train.matches(trained)
    assert len(trained) == len(set(found) - {None}) == 7473
    assert set(train.matches(rest)) == {None}
    for minimum, expected in (
        ("0.5", 2),
        ("0.8", 0),
    ):  # two say "A train travels 270 miles" for "A plane travels 1200"
        test = read_questions(Decontaminate((against.format("test"),), minimum=Decimal(minimum)), shared_data)
        hits = [label for label in test.matches(trained + rest) if label]
        assert hits == ["test.jsonl:603"] * expected
