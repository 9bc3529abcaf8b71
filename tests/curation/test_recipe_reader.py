from pathlib import Path

import pytest

from curation.errors import RecipeError
from curation.recipe import Columns, Disjoint, Expect, Language, Tags, Take
from curation.recipe_reader import find_recipe, read_form
from tests.curation.helpers import message_of
from tests.curation.recipe_toml import COMMIT, read, refusal, write

THREE_COLUMNS = '{ prompt = "question", reasoning = "why", answer = "output" }'


def test_a_recipe_says_what_it_sets_and_the_rest_is_default(tmp_path: Path) -> None:
    recipe = read(tmp_path)
    assert (recipe.name, recipe.folder, recipe.seed, recipe.mixed, recipe.disjoint) == (
        "mix",
        tmp_path,
        42,
        True,
        None,
    )
    (source,) = recipe.sources
    assert (source.name, source.files, source.hub, source.revision) == ("one", "absent/*.jsonl", None, None)
    assert source.columns == Columns(("question", "output"))
    assert source.tags == Tags(("<think>", "</think>"), None)
    assert (source.header, source.rows, source.draw_raw, source.language) == (True, None, False, None)
    assert (source.keep_duplicates, source.take, source.expect) == (False, Take("all"), Expect())
    assert str(source.max_drop) == "0.5"


def test_every_key_that_is_set_is_read(tmp_path: Path) -> None:
    source = {
        "files": '"data/*.tsv"',
        "header": "false",
        "columns": "{ prompt = 1, response = 3 }",
        "tags": '{ reasoning = ["<a>", "</a>"], answer = ["####", ""] }',
        "rows": "[30_001, 130_000]",
        "draw": '"raw"',
        "language": '{ is = "zh-cn", by = "langdetect", min = 0.9, on = ["answer", "prompt"] }',
        "duplicates": '"keep"',
        "take": "{ reservoir = 20_000, seed = 7 }",
        "expect": "{ min = 19_000 }",
        "max_drop": "0.99",
    }
    recipe = read(
        tmp_path,
        top={"seed": "0", "order": '"sequential"'},
        source=source,
        disjoint={"on_overlap": '"error"'},
    )
    assert (recipe.seed, recipe.mixed, recipe.disjoint) == (0, False, Disjoint(("session1",), drop=False))
    (read_source,) = recipe.sources
    assert (read_source.header, read_source.columns) == (False, Columns((1, 3)))
    assert read_source.tags == Tags(("<a>", "</a>"), ("####", ""))
    assert (read_source.rows, read_source.draw_raw) == ((30_001, 130_000), True)
    language = read_source.language
    assert isinstance(language, Language)
    assert (language.code, str(language.minimum), language.on) == ("zh-cn", "0.9", ("answer", "prompt"))
    assert (read_source.keep_duplicates, read_source.take) == (True, Take("reservoir", 20_000, 7))
    assert (read_source.expect, str(read_source.max_drop)) == (Expect(minimum=19_000), "0.99")


def test_three_columns_need_no_tags_and_have_none(tmp_path: Path) -> None:
    (source,) = read(tmp_path, source={"columns": THREE_COLUMNS}).sources
    assert (source.columns, source.tags) == (Columns(("question", "why", "output")), None)


def test_set_tags_are_exactly_the_pairs_they_name(tmp_path: Path) -> None:
    (source,) = read(tmp_path, source={"tags": '{ answer = ["<o>", "</o>"] }'}).sources
    assert source.tags == Tags(None, ("<o>", "</o>"))


def test_a_language_can_be_just_its_code(tmp_path: Path) -> None:
    (source,) = read(tmp_path, source={"language": '"en"'}).sources
    language = source.language
    assert isinstance(language, Language)
    assert (language.code, str(language.minimum), language.on) == (
        "en",
        "0.5",
        ("prompt", "reasoning", "answer"),
    )


def test_a_hub_source_is_read_with_the_commit_it_is_pinned_to(tmp_path: Path) -> None:
    (source,) = read(
        tmp_path, source={"files": "", "hub": '"owner/some.name-1"', "revision": f'"{COMMIT}"'}
    ).sources
    assert (source.files, source.hub, source.revision) == (None, "owner/some.name-1", COMMIT)


@pytest.mark.parametrize(
    ("parts", "where", "key"),
    [
        ({"top": {"sed": "1"}}, "", "sed"),
        ({"source": {"take_all": "true"}}, "source 1: ", "take_all"),
        ({"source": {"columns": '{ prompt = "a", response = "b", output = "c" }'}}, "columns: ", "output"),
        ({"source": {"tags": '{ thought = ["<a>", "</a>"] }'}}, "tags: ", "thought"),
        ({"source": {"take": "{ frist = 5 }"}}, "take: ", "frist"),
        ({"source": {"language": '{ is = "en", minimum = 0.5 }'}}, "language: ", "minimum"),
        ({"source": {"length": "{ max_tokens = 5 }"}}, "length: ", "max_tokens"),
        ({"source": {"near": "{ jaccard = 0.8 }"}}, "near: ", "jaccard"),
        ({"source": {"hub": '"a/b"', "pinned": '[{ name = "a" }]'}}, "pinned 1: ", "name"),
        ({"top": {"decontaminate": '{ against = ["a"], ngram = 13 }'}}, "decontaminate: ", "ngram"),
        ({"source": {"expect": "{ max = 5 }"}}, "expect: ", "max"),
        ({"disjoint": {"form": '["a"]'}}, "disjoint: ", "form"),
        ({"after": "[other]\nkey = 1"}, "", "other"),
    ],
)
def test_an_unknown_key_is_refused_at_every_level_with_those_that_are_allowed(
    tmp_path: Path, parts: dict[str, dict[str, str]], where: str, key: str
) -> None:
    message = refusal(write(tmp_path, **parts))  # type: ignore[arg-type]
    assert f"{where}unknown key {key!r}; allowed here: " in message
    levels = {
        "": "name, seed, order, sketch, source, disjoint, continue, decontaminate",
        "source 1: ": (
            "files, hub, revision, pinned, license, max_expansion, expect, max_drop, name, header, columns, tags, "
            "max_row_bytes, rows, draw, language, length, duplicates, near, take"
        ),
        "columns: ": "prompt, response, reasoning, answer",
        "tags: ": "reasoning, answer",
        "take: ": "first, reservoir, shuffle, hash, seed",
        "language: ": "is, by, min, on, windows",
        "length: ": "max_chars",
        "near: ": "threshold, words, bands, rows, on",
        "decontaminate: ": "against, column, words, min",
        "pinned 1: ": "path, size, sha256",
        "expect: ": "min, rows",
        "disjoint: ": "from, on_overlap",
    }
    assert message.endswith(f"allowed here: {levels[where]}")


@pytest.mark.parametrize("value", ["5", "true", "[1]", '"two"'])
def test_a_disjoint_that_is_no_table_is_refused(tmp_path: Path, value: str) -> None:
    assert refusal(write(tmp_path, top={"disjoint": value})).startswith(
        "disjoint: expected a table with from, on_overlap; found "
    )


@pytest.mark.parametrize(
    "text",
    ['name = "mix"', 'name = "mix"\nsource = []', 'name = "mix"\nsource = [1]', 'name = "mix"\nsource = 1'],
)
def test_a_recipe_without_a_source_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "recipe.toml"
    path.write_text(text, encoding="utf-8")
    assert refusal(path).startswith("source: expected at least one [[source]] table; ")


@pytest.mark.parametrize("name", ["Mix", "a/b", "..", "-mix", "a_b", "", "x" * 65, "deadbeef", "0123456789"])
def test_a_name_that_could_not_be_a_reference_is_refused(tmp_path: Path, name: str) -> None:
    for parts in ({"top": {"name": f'"{name}"'}}, {"source": {"name": f'"{name}"'}}):
        message = refusal(write(tmp_path, **parts))  # type: ignore[arg-type]
        assert f"name {name!r}: " in message
        assert "a-z, 0-9 and -" in message or "8 or more hex digits" in message


def test_a_recipe_without_a_name_is_refused(tmp_path: Path) -> None:
    assert (
        refusal(write(tmp_path, top={"name": ""})) == "name: expected a name of a-z, 0-9 and -; it is missing"
    )


def test_two_sources_of_one_name_are_refused(tmp_path: Path) -> None:
    second = '[[source]]\nname = "one"\nfiles = "b.jsonl"\ncolumns = { prompt = "a", response = "b" }'
    assert (
        refusal(write(tmp_path, after=second)) == "two sources are called 'one'; each needs a name of its own"
    )


def test_a_revision_without_a_hub_is_refused(tmp_path: Path) -> None:
    message = refusal(write(tmp_path, source={"revision": f'"{COMMIT}"'}))
    assert message.startswith(
        "source 1 (one): revision: expected a 'hub' to go with it; local files have no revision; "
    )


@pytest.mark.parametrize("revision", ["main", "v1.0", COMMIT[:12], COMMIT])
def test_a_revision_may_be_a_branch_for_pin_to_resolve(tmp_path: Path, revision: str) -> None:
    """A build refuses all but a commit (test_guards.py)."""
    (source,) = read(tmp_path, source={"files": "", "hub": '"a/b"', "revision": f'"{revision}"'}).sources
    assert source.revision == revision


def test_an_empty_revision_is_refused(tmp_path: Path) -> None:
    message = refusal(write(tmp_path, source={"files": "", "hub": '"a/b"', "revision": '""'}))
    assert message.startswith("source 1 (one): revision: expected a commit, 40 hex digits (or a branch, ")


@pytest.mark.parametrize("hub", ["openo1", "a/b/c", "/b", "a/", "a b/c", "https://host/a/b"])
def test_a_hub_that_is_no_repository_is_refused(tmp_path: Path, hub: str) -> None:
    message = refusal(write(tmp_path, source={"files": "", "hub": f'"{hub}"'}))
    assert message == f"source 1 (one): hub: expected 'owner/name'; found {hub!r}"


def test_tags_for_three_columns_are_refused(tmp_path: Path) -> None:
    tags = '{ answer = ["<o>", "</o>"] }'
    message = refusal(write(tmp_path, source={"columns": THREE_COLUMNS, "tags": tags}))
    assert message.startswith(
        "source 1 (one): tags: expected columns for prompt and response to go with it; found {'answer'"
    )


@pytest.mark.parametrize("number", ["'question'", "0", "-1", "true", "1.0"])
def test_without_a_header_columns_are_numbers_from_1(tmp_path: Path, number: str) -> None:
    keys = {"header": "false", "columns": f"{{ prompt = {number}, response = 2 }}"}
    message = refusal(write(tmp_path, source=keys))
    assert message.startswith(
        "source 1 (one): columns: prompt: expected the number of a column, from 1 (header = false); found "
    )


def test_a_long_value_is_shown_only_in_part(tmp_path: Path) -> None:
    message = refusal(write(tmp_path, source={"draw": f'"{"x" * 5000}"'}))
    assert len(message) < 250
    assert message.endswith("xxx…")


def test_a_value_of_several_lines_is_shown_on_one(tmp_path: Path) -> None:
    assert r"found 'a\nb'" in refusal(write(tmp_path, source={"draw": '"a\\nb"'}))


@pytest.mark.parametrize(
    "text",
    [
        "name = ",
        "name = 'a'\nname = 'b'",
        "seed = " + "1" * 5000,
        "seed = 1e99999999999999999999",
        "source = " + "[" * 5000,
    ],
    ids=["cut", "twice", "endless integer", "endless exponent", "endless nesting"],
)
def test_what_is_no_toml_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "recipe.toml"
    path.write_text(text, encoding="utf-8")
    assert refusal(path).startswith("not TOML (")


def test_a_recipe_that_is_not_utf_8_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "recipe.toml"
    path.write_bytes(b'name = "\xff"')
    assert refusal(path).startswith("not TOML (")


def test_a_recipe_that_is_not_there_is_refused_with_the_path_asked_for(tmp_path: Path) -> None:
    for wanted, what in ((tmp_path / "absent.toml", "no such file"), (tmp_path, "is a folder")):
        with pytest.raises(RecipeError) as raised:
            find_recipe(str(wanted))
        assert message_of(raised).startswith(f"recipe {str(wanted)!r}: {what}; give the path of a TOML file")


def test_a_path_to_a_recipe_is_taken_as_it_is(tmp_path: Path) -> None:
    path = write(tmp_path)
    assert find_recipe(str(path)) == path


def test_a_form_that_the_recipe_of_a_manifest_does_not_hold_is_refused() -> None:
    with pytest.raises(RecipeError) as raised:
        read_form({"source": [{"name": "one"}]}, "two", "manifest.json")
    assert message_of(raised) == "manifest.json: its recipe has no source 'two'; the manifest is damaged"
