"""The keys of a recipe that say what a stage does, and those that say how a source is read."""

import json
from decimal import Decimal
from pathlib import Path

import pytest

from curation.recipe import Decontaminate, Language, Near, PinnedFile
from tests.curation.recipe_toml import Keys, read, refusal, write

EVERYTHING = {
    "max_row_bytes": "100_000",
    "max_expansion": "50",
    "language": '{ is = "en", windows = 8, min = 0.70 }',
    "length": "{ max_chars = 30_000 }",
    "near": '{ threshold = 0.90, words = 3, bands = 10, rows = 5, on = ["reasoning", "answer"] }',
    "max_drop": "0.9",
    "expect": "{ min = 1 }",
}
AGAINST = {"decontaminate": '{ against = ["a.jsonl", "b/*.csv"], column = 2, words = 8, min = 0.75 }'}
PINNED = f"""[{{ path = "a.parquet", size = 5, sha256 = "{"ab" * 32}" }}]"""


def test_every_key_of_a_stage_is_read(tmp_path: Path) -> None:
    recipe = read(tmp_path, top=AGAINST, source=EVERYTHING)
    (source,) = recipe.sources
    assert source.language == Language("en", minimum=Decimal("0.7"), windows=8)
    assert source.near == Near(Decimal("0.9"), 3, 10, 5, ("reasoning", "answer"))
    assert (source.max_chars, source.max_row_bytes, source.max_expansion) == (30_000, 100_000, 50)
    assert recipe.decontaminate == Decontaminate(("a.jsonl", "b/*.csv"), 2, 8, Decimal("0.75"))


def test_the_defaults_are_those_that_the_format_freezes(tmp_path: Path) -> None:
    recipe = read(tmp_path, top={"decontaminate": '{ against = ["a"] }'}, source={"near": "{}"})
    (source,) = recipe.sources
    fields = ("prompt", "reasoning", "answer")
    assert source.near == Near(Decimal("0.8"), 5, 20, 6, fields)
    assert (source.max_chars, source.max_row_bytes, source.max_expansion) == (None, 16 << 20, 200)
    assert recipe.decontaminate == Decontaminate(("a",), "question", 13, Decimal("0.5"))
    (source,) = read(tmp_path).sources
    assert (source.near, source.language, source.script_first) == (None, None, False)
    assert read(tmp_path).decontaminate is None


@pytest.mark.parametrize(
    ("value", "code", "without", "fields"),
    [
        ('{ by = "script" }', "", ("Han",), ("prompt", "reasoning", "answer")),
        ('{ is = "en", by = "script" }', "en", ("Han",), ("prompt", "reasoning", "answer")),
        (
            '{ by = "script", without = ["Hangul", "Han"], on = ["answer"] }',
            *("", ("Hangul", "Han"), ("answer",)),
        ),
    ],
)
def test_a_language_may_be_told_by_script(
    tmp_path: Path, value: str, code: str, without: tuple[str, ...], fields: tuple[str, ...]
) -> None:
    for draw in ("filtered",) if "on =" in value else ("filtered", "raw"):
        (source,) = read(tmp_path, source={"language": value, "draw": f'"{draw}"'}).sources
        assert source.language == Language(code, "script", on=fields, without=without)
        assert source.script_first == (draw == "raw")
    (source,) = read(tmp_path, source={"language": '"en"', "draw": '"raw"'}).sources
    assert not source.script_first


@pytest.mark.parametrize("key", ["min", "windows"])
def test_what_only_a_detector_can_tell_is_no_key_by_script(tmp_path: Path, key: str) -> None:
    message = refusal(write(tmp_path, source={"language": f'{{ by = "script", {key} = 1 }}'}))
    assert f"language: unknown key {key!r}; allowed here: is, by, on, without" in message


def test_fields_are_no_key_where_whole_raw_rows_are_looked_at(tmp_path: Path) -> None:
    raw = {"draw": "'raw'", "language": "{ by = 'script', on = ['prompt'] }"}
    assert "language: on: expected no 'on': before a raw draw" in refusal(write(tmp_path, source=raw))


def test_scripts_are_no_key_by_langdetect(tmp_path: Path) -> None:
    message = refusal(write(tmp_path, source={"language": '{ is = "en", without = ["Han"] }'}))
    assert "language: unknown key 'without'; allowed here: is, by, min, on, windows" in message


def test_the_keys_that_select_stand_in_the_identity_as_they_were_set(tmp_path: Path) -> None:
    selecting = json.loads(json.dumps(read(tmp_path, top=AGAINST, source=EVERYTHING).selecting))
    assert selecting["decontaminate"] == {"column": 2, "words": 8, "min": "0.75"}
    (source,) = selecting["source"]
    assert source == {
        "name": "one",
        "columns": {"prompt": "question", "response": "output"},
        "max_row_bytes": 100_000,
        "language": {"is": "en", "windows": 8, "min": "0.7"},
        "length": {"max_chars": 30_000},
        "near": {"threshold": "0.9", "words": 3, "bands": 10, "rows": 5, "on": ["reasoning", "answer"]},
    }


def test_pinned_files_are_read_and_select_nothing(tmp_path: Path) -> None:
    recipe = read(tmp_path, source={"files": "", "hub": '"a/b"', "pinned": PINNED})
    assert recipe.sources[0].pinned == (PinnedFile("a.parquet", 5, "ab" * 32),)
    assert recipe.selecting == read(tmp_path, source={"files": "", "hub": '"a/b"'}).selecting


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        (
            {"pinned": PINNED},
            "source 1 (one): pinned: expected a 'hub' to go with it; local files are not pinned",
        ),
        ({"hub": '"a/b"', "pinned": "[]"}, "source 1 (one): pinned: expected at least one [[pinned]] table"),
        (
            {"hub": '"a/b"', "pinned": PINNED.replace('path = "a.parquet", ', "")},
            "source 1 (one): pinned 1: path: expected the path of a file in the repository; it is missing",
        ),
        (
            {"hub": '"a/b"', "pinned": PINNED.replace("size = 5", "size = -1")},
            "source 1 (one): pinned 1: size: expected a whole number from 0; found -1",
        ),
        (
            {"hub": '"a/b"', "pinned": PINNED.replace("ab" * 32, "AB" * 32)},
            "source 1 (one): pinned 1: sha256: expected 64 hex digits; found 'ABAB",
        ),
        (
            {"max_row_bytes": "0"},
            "source 1 (one): max_row_bytes: expected a whole number from 1 to 1,073,741,824",
        ),
        ({"max_row_bytes": str((1 << 30) + 1)}, "source 1 (one): max_row_bytes: expected a whole number"),
        ({"max_row_bytes": "1e6"}, "source 1 (one): max_row_bytes: expected a whole number"),
        (
            {"max_expansion": "0"},
            "source 1 (one): max_expansion: expected a whole number from 1 to 1,000,000",
        ),
        ({"max_expansion": "1000001"}, "source 1 (one): max_expansion: expected a whole number"),
        ({"length": "4000"}, "source 1 (one): length: expected a table with max_chars; found 4000"),
        ({"near": "true"}, "source 1 (one): near: expected a table with threshold, words, bands, rows, on; "),
    ],
)
def test_what_a_source_can_not_have_is_refused(tmp_path: Path, keys: Keys, message: str) -> None:
    assert refusal(write(tmp_path, source=keys)).startswith(message)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ('"test.jsonl"', ": expected a table with against, column, words, min; found 'test.jsonl'"),
        ("{}", ": against: expected a list of paths or globs of files with questions; it is missing"),
        (
            "{ against = 'a' }",
            ": against: expected a list of paths or globs of files with questions; found 'a'",
        ),
        ("{ against = [] }", ": against: expected a list of paths"),
        ("{ against = ['a', 'a'] }", ": against: expected a list of paths"),
        ("{ against = [''] }", ": against: expected a list of paths"),
        ("{ against = ['a'], column = '' }", ": column: expected the name of a column, or its number from 1"),
        ("{ against = ['a'], column = 0 }", ": column: expected the name of a column, or its number from 1"),
        ("{ against = ['a'], column = -1 }", ": column: expected a whole number from 1; found -1"),
        (
            "{ against = ['a'], column = true }",
            ": column: expected the name of a column, or its number from 1",
        ),
        ("{ against = ['a'], words = 0 }", ": words: expected a whole number from 1 to 1,000; found 0"),
        ("{ against = ['a'], min = 0 }", ": min: expected a share above 0.0, at most 1.0; found 0"),
        ("{ against = ['a'], min = 1.01 }", ": min: expected a share from 0.0 to 1.0"),
    ],
)
def test_what_decontaminate_can_not_have_is_refused(tmp_path: Path, value: str, message: str) -> None:
    assert refusal(write(tmp_path, top={"decontaminate": value})).startswith(f"decontaminate{message}")


def test_a_number_with_an_endless_tail_is_refused_without_being_written_out(tmp_path: Path) -> None:
    message = refusal(write(tmp_path, source={"near": "{ threshold = 1e-999999999 }"}))
    assert "threshold: expected a share" in message
    assert len(message) < 400
