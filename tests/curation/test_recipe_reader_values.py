"""Every key of a recipe given a value that it can't have."""

from pathlib import Path

import pytest

from tests.curation.recipe_toml import refusal, write

TOP_VALUES = [
    ("seed", "-1", "from 0 to 2^63 - 1", "-1"),
    ("seed", "9223372036854775808", "from 0 to 2^63 - 1", "9223372036854775808"),
    ("seed", "4.0", "a whole number", "found 4"),
    ("seed", "true", "a whole number", "True"),
    ("seed", '"42"', "a whole number", "'42'"),
    ("order", '"shuffled"', '"mixed" or "sequential"', "'shuffled'"),
    ("order", "1", '"mixed" or "sequential"', "found 1"),
    ("name", "7", "a text", "found 7"),
]
SOURCE_VALUES = [
    ("name", "7", "a text", "found 7"),
    ("name", "", "a name of a-z, 0-9 and -", "it is missing"),
    ("files", '["a.jsonl"]', "a text", "['a.jsonl']"),
    ("files", '""', "a path or glob", "''"),
    ("files", "", "a path or glob of local files", "it is missing"),
    ("header", '"no"', "true or false", "'no'"),
    ("header", "0", "true or false", "found 0"),
    ("columns", '["question", "output"]', "a table with prompt, response", "['question', 'output']"),
    ("columns", "", "a table with prompt, response", "it is missing"),
    ("tags", '["<think>", "</think>"]', "a table with reasoning, answer", "['<think>', '</think>']"),
    ("tags", "{}", "a pair for reasoning, for answer, or both", "{}"),
    ("rows", "5", "[first, last], counted from 1", "found 5"),
    ("rows", "[5]", "[first, last], counted from 1", "[5]"),
    ("rows", "[1, 2, 3]", "[first, last], counted from 1", "[1, 2, 3]"),
    ("rows", "[1, 2.0]", "[first, last], counted from 1", "[1, Decimal"),
    ("rows", "[1, true]", "[first, last], counted from 1", "[1, True]"),
    ("rows", "[true, 5]", "[first, last], counted from 1", "[True, 5]"),
    ("rows", "[0, 5]", "[first, last], counted from 1", "[0, 5]"),
    ("rows", "[5, 3]", "[first, last], counted from 1", "[5, 3]"),
    ("draw", '"late"', '"filtered" or "raw"', "'late'"),
    ("draw", "true", '"filtered" or "raw"', "True"),
    ("language", "1", 'a code such as "en"', "found 1"),
    ("duplicates", '"first"', '"drop" or "keep"', "'first'"),
    ("duplicates", "false", '"drop" or "keep"', "False"),
    ("take", '"some"', '"all" or a table with one of first, reservoir, shuffle, hash', "'some'"),
    ("take", "5", '"all" or a table with one of first, reservoir, shuffle, hash', "found 5"),
    ("expect", "5", "a table with min, rows", "found 5"),
    ("expect", "{}", "{ min = N } or { rows = N }", "{}"),
    ("expect", "{ min = 1, rows = 2 }", "{ min = N } or { rows = N }", "{'min': 1, 'rows': 2}"),
    ("max_drop", "1.01", "a share from 0.0 to 1.0", "1.01"),
    ("max_drop", "-0.1", "a share from 0.0 to 1.0", "-0.1"),
    ("max_drop", "nan", "a share from 0.0 to 1.0", "NaN"),
    ("max_drop", '"0.5"', "a share from 0.0 to 1.0", "'0.5'"),
    ("max_drop", "true", "a share from 0.0 to 1.0", "True"),
]
INNER_VALUES = [
    ("columns", "prompt", "{ response = 'b' }", "the name of a column", "it is missing"),
    ("columns", "prompt", "{ prompt = 1, response = 'b' }", "the name of a column", "found 1"),
    ("columns", "prompt", "{ prompt = '', response = 'b' }", "the name of a column", "''"),
    ("columns", "response", "{ prompt = 'a', response = ['b'] }", "the name of a column", "['b']"),
    ("columns", "reasoning", "{ prompt = 'a', answer = 'b' }", "the name of a column", "it is missing"),
    ("columns", "answer", "{ prompt = 'a', reasoning = 'b' }", "the name of a column", "it is missing"),
    (
        "columns",
        "answer",
        "{ prompt = 'a', response = 'b', answer = 'c' }",
        "prompt and response, or prompt,",
        "'c'",
    ),
    ("tags", "reasoning", "{ reasoning = '<think>' }", "two different texts", "'<think>'"),
    ("tags", "reasoning", "{ reasoning = ['<think>'] }", "two different texts", "['<think>']"),
    ("tags", "reasoning", "{ reasoning = ['a', 'b', 'c'] }", "two different texts", "['a', 'b', 'c']"),
    ("tags", "reasoning", "{ reasoning = ['a', 'b', 1] }", "two different texts", "['a', 'b', 1]"),
    ("tags", "reasoning", "{ reasoning = ['a', 1] }", "two different texts", "['a', 1]"),
    ("tags", "reasoning", "{ reasoning = ['a', 'a'] }", "two different texts", "['a', 'a']"),
    ("tags", "reasoning", "{ reasoning = ['', 'a'] }", "two different texts", "['', 'a']"),
    ("tags", "reasoning", "{ reasoning = ['a', 'abc'] }", "two different texts", "['a', 'abc']"),
    ("tags", "answer", "{ answer = ['abc', 'b'] }", "two different texts", "['abc', 'b']"),
    ("tags", "answer", "{ answer = ['', ''] }", "two different texts", "['', '']"),
    ("tags", "reasoning", "{ reasoning = ['####', ''] }", "two different texts", "['####', '']"),
    (
        "take",
        "first, hash",
        "{ first = 5, hash = 5 }",
        "exactly one of first, reservoir, shuffle, hash",
        "found {'first'",
    ),
    ("take", "take", "{ seed = 5 }", "exactly one of first, reservoir, shuffle, hash", "{'seed': 5}"),
    ("take", "seed", "{ first = 5, seed = 1 }", "no seed: 'first' draws nothing", "found 1"),
    ("take", "reservoir", "{ reservoir = 0 }", "a whole number from 1", "found 0"),
    ("take", "reservoir", "{ reservoir = '5' }", "a whole number from 1", "'5'"),
    ("take", "shuffle", "{ shuffle = 5.0 }", "a whole number from 1", "found 5"),
    ("take", "hash", "{ hash = true }", "a whole number from 1", "True"),
    ("take", "first", "{ first = 9223372036854775808 }", "a whole number from 1", "9223372036854775808"),
    ("take", "seed", "{ hash = 5, seed = -1 }", "from 0 to 2^63 - 1", "-1"),
    ("take", "seed", "{ hash = 5, seed = 'x' }", "from 0 to 2^63 - 1", "'x'"),
    ("language", "is", "{ min = 0.5 }", "the code of a language", "it is missing"),
    ("language", "is", "{ is = 1 }", "a text", "found 1"),
    ("language", "is", "'english'", "the code of a language", "'english'"),
    ("language", "is", "'EN'", "the code of a language", "'EN'"),
    ("language", "is", "'zh_cn'", "the code of a language", "'zh_cn'"),
    ("language", "by", "{ is = 'en', by = 'letters' }", '"langdetect" or "script"', "'letters'"),
    ("language", "is", "{ is = 'de', by = 'script' }", '"en" or nothing', "'de'"),
    ("language", "without", "{ by = 'script', without = ['Klingon'] }", "a list of some of ", "['Klingon']"),
    ("language", "without", "{ by = 'script', without = [] }", "a list of some of ", "[]"),
    ("language", "without", "{ by = 'script', without = 'Han' }", "a list of some of ", "'Han'"),
    ("language", "on", "{ by = 'script', on = ['all'] }", "a list of some of prompt", "['all']"),
    ("language", "windows", "{ is = 'en', windows = 1 }", "a whole number from 2 to 1,000", "found 1"),
    ("language", "windows", "{ is = 'en', windows = 1001 }", "a whole number from 2 to 1,000", "1001"),
    ("language", "windows", "{ is = 'en', windows = true }", "a whole number from 2 to 1,000", "True"),
    ("length", "max_chars", "{ max_chars = 0 }", "a whole number from 1", "found 0"),
    ("length", "max_chars", "{ max_chars = 4000.0 }", "a whole number from 1", "4000"),
    ("length", "max_chars", "{ max_chars = '4000' }", "a whole number from 1", "'4000'"),
    ("length", "max_chars", "{}", "a whole number from 1", "it is missing"),
    ("near", "threshold", "{ threshold = 0.0 }", "a share above 0.0, at most 1.0", "found 0"),
    ("near", "threshold", "{ threshold = 1.1 }", "a share from 0.0 to 1.0", "1.1"),
    ("near", "words", "{ words = 0 }", "a whole number from 1 to 1,000", "found 0"),
    ("near", "bands", "{ bands = 0 }", "a whole number from 1 to 1,000", "found 0"),
    ("near", "rows", "{ rows = 1001 }", "a whole number from 1 to 1,000", "1001"),
    ("near", "bands", "{ bands = 101, rows = 10 }", "bands × rows of at most 1,000", "found 101"),
    ("near", "on", "{ on = [] }", "a list of some of prompt, reasoning, answer", "[]"),
    ("language", "by", "{ is = 'en', by = 1 }", '"langdetect"', "found 1"),
    ("language", "min", "{ is = 'en', min = 1.5 }", "a share from 0.0 to 1.0", "1.5"),
    ("language", "min", "{ is = 'en', min = '0.5' }", "a share from 0.0 to 1.0", "'0.5'"),
    ("language", "min", "{ is = 'en', min = inf }", "a share from 0.0 to 1.0", "Infinity"),
    (
        "language",
        "on",
        "{ is = 'en', on = 'prompt' }",
        "a list of some of prompt, reasoning, answer",
        "'prompt'",
    ),
    ("language", "on", "{ is = 'en', on = [] }", "a list of some of prompt, reasoning, answer", "[]"),
    (
        "language",
        "on",
        "{ is = 'en', on = ['response'] }",
        "a list of some of prompt, reasoning",
        "['response']",
    ),
    (
        "language",
        "on",
        "{ is = 'en', on = ['prompt', 'prompt'] }",
        "a list of some of",
        "['prompt', 'prompt']",
    ),
    ("language", "on", "{ is = 'en', on = [['prompt']] }", "a list of some of", "[['prompt']]"),
    ("expect", "min", "{ min = -1 }", "a whole number from 0", "-1"),
    ("expect", "min", "{ min = '1' }", "a whole number from 0", "'1'"),
    ("expect", "rows", "{ rows = 1.5 }", "a whole number from 0", "1.5"),
]
DISJOINT_VALUES = [
    ("from", "[]", "a list of manifests", "[]"),
    ("from", "", "a list of manifests", "it is missing"),
    ("from", '"session1"', "a list of manifests", "'session1'"),
    ("from", '["session1", 2]', "a list of manifests", "['session1', 2]"),
    ("on_overlap", '"refuse"', '"drop" or "error"', "'refuse'"),
    ("on_overlap", "false", '"drop" or "error"', "False"),
]


@pytest.mark.parametrize(("key", "value", "allowed", "found"), TOP_VALUES)
def test_a_value_that_a_recipe_can_not_have_is_refused(
    tmp_path: Path, key: str, value: str, allowed: str, found: str
) -> None:
    _says(refusal(write(tmp_path, top={key: value})), f"{key}: expected ", allowed, found)


@pytest.mark.parametrize(("key", "value", "allowed", "found"), SOURCE_VALUES)
def test_a_value_that_a_source_can_not_have_is_refused(
    tmp_path: Path, key: str, value: str, allowed: str, found: str
) -> None:
    where = "source 1" if key == "name" else "source 1 (one)"
    _says(refusal(write(tmp_path, source={key: value})), f"{where}: {key}: expected ", allowed, found)


@pytest.mark.parametrize(("table", "key", "value", "allowed", "found"), INNER_VALUES)
def test_a_value_that_a_table_of_a_source_can_not_have_is_refused(
    tmp_path: Path, table: str, key: str, value: str, allowed: str, found: str
) -> None:
    message = refusal(write(tmp_path, source={table: value}))
    _says(message, f"source 1 (one): {table}: {key}: expected ", allowed, found)


@pytest.mark.parametrize(("key", "value", "allowed", "found"), DISJOINT_VALUES)
def test_a_value_that_disjoint_can_not_have_is_refused(
    tmp_path: Path, key: str, value: str, allowed: str, found: str
) -> None:
    _says(refusal(write(tmp_path, disjoint={key: value})), f"disjoint: {key}: expected ", allowed, found)


def _says(message: str, beginning: str, allowed: str, found: str) -> None:
    """Where and which key, what is allowed, and what stands there."""
    assert message.startswith(beginning)
    expected, semicolon, observed = message.removeprefix(beginning).rpartition("; ")
    assert semicolon
    assert allowed in expected
    assert found in observed
