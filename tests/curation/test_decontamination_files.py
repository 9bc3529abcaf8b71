import json
from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pytest

from curation import decontamination
from curation.decontamination import read_questions
from curation.errors import RecipeError, SourceError
from curation.files import SourceFile
from curation.recipe import Decontaminate
from curation.traces import Cell
from manifests.disk import sha256_file
from manifests.identity import QuestionFile
from tests.curation.evaluation_questions import BAKERS, TRAINS, counting, questions_of


def test_questions_too_short_are_counted_and_the_rows_of_the_others_stand(tmp_path: Path) -> None:
    questions = questions_of(tmp_path, "What is 2 + 3?", "", counting(range(7)), counting(range(8)))
    size, sha256 = sha256_file(tmp_path / "test.jsonl")
    assert questions.files == (QuestionFile("test.jsonl", size, sha256, questions=1, too_short=3),)
    assert questions.matches([f"2 {counting(range(8))}"]) == ["test.jsonl:4"]


def test_the_questions_of_every_format_are_read_in_order_of_the_patterns_then_of_the_paths(
    tmp_path: Path,
) -> None:
    texts = [counting(range(start, start + 20)) for start in range(0, 120, 20)]
    for folder in ("b", "a/in"):
        (tmp_path / folder).mkdir(parents=True)
    pl.DataFrame({"question": [texts[0]]}).write_parquet(tmp_path / "b" / "x.parquet")
    (tmp_path / "a" / "1.json").write_text(json.dumps([{"question": texts[1]}, {"question": texts[0]}]))
    (tmp_path / "a" / "2.csv").write_text(f'id,question\n1,"{texts[2]}"\n')
    (tmp_path / "a" / "in" / "3.tsv").write_text(f"question\tid\n{texts[3]}\t1\n")
    against = ("b/*.parquet", "a/*.*", "a/in/3.tsv")
    questions = read_questions(Decontaminate(against), tmp_path)
    assert [file.path for file in questions.files] == ["x.parquet", "1.json", "2.csv", "3.tsv"]
    assert questions.matches(texts) == ["x.parquet:1", "1.json:1", "2.csv:1", "3.tsv:1", None, None]


def test_a_column_number_reads_files_without_a_header(tmp_path: Path) -> None:
    (tmp_path / "q.tsv").write_text(f"1\t{BAKERS}\n2\t{TRAINS}\n")
    questions = read_questions(Decontaminate(("q.tsv",), column=2), tmp_path)
    assert questions.matches([TRAINS, BAKERS]) == ["q.tsv:2", "q.tsv:1"]


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("q.jsonl", '{"prompt": "a b"}\n', r"q\.jsonl, row 1: .*found null; .* name the column that holds"),
        ("q.csv", "prompt\na b\n", r"q\.csv: expected one column 'question'"),
        ("q.jsonl", '{"question": "' + BAKERS + '"}\n{"question": null}\n', r"q\.jsonl, row 2: .*found null"),
        (
            "q.jsonl",
            '{"question": ["a"]}\n',
            r"q\.jsonl, row 1: column 'question': expected a question, found not-text",
        ),
        ("q.csv", f"id,question\n1,{BAKERS}\n2\n", r"q\.csv, row 2: .*too-few-fields"),
        (
            "q.jsonl",
            '{"question": "too short"}\n',
            r"none of 1 questions has 8 words or more in column 'question'",
        ),
        ("q.csv", "question\n", r"none of 0 questions has 8 words"),
    ],
)
def test_a_file_that_gives_no_question_stops_the_build(
    tmp_path: Path, name: str, text: str, message: str
) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(SourceError, match=message) as caught:
        read_questions(Decontaminate((name,)), tmp_path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("pattern", ["missing.jsonl", "*.jsonl", "missing/*.csv"])
def test_a_pattern_that_finds_no_file_stops_the_build(tmp_path: Path, pattern: str) -> None:
    with pytest.raises(SourceError, match=r"decontaminate: .*no file"):
        read_questions(Decontaminate((pattern,)), tmp_path)


def test_one_file_without_a_usable_question_stops_the_build_though_another_has_some(tmp_path: Path) -> None:
    questions_of(tmp_path, BAKERS, name="a.jsonl")
    (tmp_path / "b.jsonl").write_text('{"question": "too short"}\n')
    with pytest.raises(SourceError, match=r"b\.jsonl: none of 1 questions"):
        read_questions(Decontaminate(("*.jsonl",)), tmp_path)


def test_two_files_that_would_be_named_alike_are_refused(tmp_path: Path) -> None:
    for folder in ("a", "b"):
        questions_of(tmp_path / folder, BAKERS)
    with pytest.raises(
        RecipeError, match=r"both named 'test\.jsonl'; use one pattern .* such as '\*/test\.jsonl'"
    ):
        read_questions(Decontaminate(("a/test.jsonl", "b/test.jsonl")), tmp_path)
    both = read_questions(Decontaminate(("*/test.jsonl",)), tmp_path)
    assert both.matches([BAKERS]) == ["a/test.jsonl:1"]


def test_a_file_that_changes_while_it_is_read_stops_the_build(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = decontamination._texts

    def and_written(file: SourceFile, column: str | int) -> Iterator[tuple[int, Cell]]:
        yield from read(file, column)
        here = Path(str(file.here))
        here.write_text(here.read_text().replace("week", "year"))

    monkeypatch.setattr(decontamination, "_texts", and_written)
    with pytest.raises(SourceError, match="changed while it was being read"):
        questions_of(tmp_path, BAKERS)


def test_a_file_that_may_not_be_read_stops_the_build(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: Path) -> tuple[int, str]:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(decontamination, "sha256_file", refuse)
    with pytest.raises(SourceError, match=r"test\.jsonl: can't be read \(Permission denied\)"):
        questions_of(tmp_path, BAKERS)
