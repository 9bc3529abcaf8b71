"""The dataset card: what the Hub reads of it, and that nothing that came from outside takes effect in it."""

import string
from dataclasses import replace
from itertools import pairwise

import pytest
import yaml  # type: ignore[import-untyped]
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from markdown_it.token import Token

from manifests.command import printable
from manifests.export.card import CONTENT_FEATURES, card, card_body, size_category
from manifests.export.facts import Ancestor, Facts
from manifests.export.markup import (
    LONGEST_CELL,
    MOST_LINES,
    Yaml,
    json_text,
    markdown,
    markdown_table,
    yaml_lines,
)
from manifests.identity import Detector, FileRecord
from tests.manifests.export_parts import facts_of, front_matter, parts_named
from tests.manifests.helpers import parts_of, traces

HOSTILE = st.one_of(
    st.text(),
    st.text(alphabet=string.punctuation + "ab \n\r\t\0\x1b\u202e\u2028"),
    st.sampled_from(
        [
            "---\nlicense: mit\n---",
            "<script>alert(1)</script>",
            "a | b \\| c",
            "``` \n# heading",
            "![x](http://example.org/x.png)",
            "www.example.org http://example.org a@example.org",
            "&lt;b&gt; &#124; \\&#124;",
            "<!-- -->",
            "| a |\n|---|",
            "[^1] $x$ ~~y~~ __z__ **w**",
        ]
    ),
).map(lambda text: "".join(c for c in text if not "\ud800" <= c <= "\udfff"))


def cells(text: str) -> list[str]:
    """The texts of the cells of all tables of a Markdown text; fails if anything in them is more than text."""
    reader = MarkdownIt("gfm-like", {"html": True, "linkify": False})
    found = []
    tokens = reader.parse(text)
    for before, token in pairwise(tokens):
        if before.type in {"td_open", "th_open"}:
            assert {child.type for child in children(token)} <= {"text"}
            found.append("".join(child.content for child in children(token)))
    return found


def children(token: Token) -> list[Token]:
    return token.children or []


def structure(text: str) -> list[str]:
    """The kinds of the blocks of a Markdown text, in order."""
    return [token.type for token in MarkdownIt("gfm-like", {"html": True, "linkify": False}).parse(text)]


def shown(text: str) -> str:
    cut = text if len(text) <= LONGEST_CELL else f"{text[: LONGEST_CELL - 1]}…"
    return printable(cut).strip()


def test_the_front_matter_says_what_the_hub_and_datasets_want_to_know() -> None:
    assert front_matter(card(facts_of(), CONTENT_FEATURES, "Columns.")) == {
        "license": "apache-2.0",
        "pretty_name": facts_of().title,
        "task_categories": ["text-generation"],
        "tags": ["reasoning", "chain-of-thought", "tunix-zero-cost"],
        "size_categories": ["n<1K"],
        "configs": [
            {
                "config_name": "default",
                "data_files": [{"split": "train", "path": "data/train-*.parquet"}],
            }
        ],
        "dataset_info": {
            "config_name": "default",
            "features": [
                {"name": "source", "dtype": "string"},
                {"name": "row", "dtype": "uint64"},
                {"name": "prompt", "dtype": "string"},
                {"name": "reasoning", "dtype": "string"},
                {"name": "answer", "dtype": "string"},
            ],
            "splits": [{"name": "train", "num_bytes": 70, "num_examples": 2}],
            "download_size": 100,
            "dataset_size": 70,
        },
    }


@given(HOSTILE.filter(str.isascii), HOSTILE, HOSTILE, HOSTILE, HOSTILE, HOSTILE)
def test_no_text_from_outside_is_more_than_text(
    source: str, path: str, hub: str, revision: str, order: str, license_: str
) -> None:
    tame = facts_of(parts_named("traces", "a.jsonl", ("o/n", "1"), "mixed"))
    parts = parts_named(source, path, (hub, revision), order)
    facts = facts_of(parts, {source: license_})
    facts = replace(facts, identity=replace(facts.identity, takes={source: order}))
    text = card(facts, CONTENT_FEATURES, "Columns.")

    assert front_matter(text)["pretty_name"] == facts.title
    assert front_matter(text)["license"] in {"other", "unknown", "apache-2.0", "mit"}
    body = card_body(facts, "Columns.")
    assert text.endswith(f"\n---\n\n{body}")
    assert structure(body) == structure(card_body(tame, "Columns."))
    found = cells(body)
    for given_text in (source, path, license_, f"{hub} at {revision}", order):
        assert shown(given_text) in found


@given(st.dictionaries(st.sampled_from(["a", "b", "c"]), HOSTILE | st.integers(), min_size=1))
def test_yaml_gives_back_every_text_and_number(value: dict[str, str | int]) -> None:
    nested: dict[str, Yaml] = {"top": value, "items": [value, "no", 1], "last": "yes"}
    read = yaml.safe_load("\n".join(yaml_lines(nested)))
    assert read == nested


@given(HOSTILE)
def test_json_gives_back_every_text_and_opens_no_tag(text: str) -> None:
    written = json_text({"text": text})
    assert yaml.safe_load(written.replace("\\/", "/")) is not None
    assert "<" not in written
    assert written.isascii()


def test_nothing_is_left_that_makes_a_bare_address_a_link() -> None:
    text = markdown("www.example.org http://example.org mail@example.org")
    assert not [mark for mark in ("www.", ":", "@") if mark in text.replace("&#", "")]


def test_a_long_table_says_how_many_lines_it_leaves_out() -> None:
    lines = markdown_table(
        ("name", "rows"), [("a", number) for number in range(MOST_LINES + 7)], "`the file`"
    )
    assert len(lines) == 2 + MOST_LINES + 2
    assert lines[1] == "|---|---:|"
    assert lines[-1] == "And 7 more, in `the file`."


def test_a_long_text_is_cut() -> None:
    assert markdown("x" * 200) == "x" * 200
    assert markdown("x" * 201) == f"{'x' * 199}…"


def test_the_command_names_at_most_eight_sources() -> None:
    identity = parts_of(traces(2)).identity
    named = [replace(identity.sources[0], name=f"source{number}") for number in range(12)]
    ledger = [replace(identity.ledger[0], source=source.name) for source in named]
    takes = {source.name: "all/1" for source in named}
    many = replace(identity, sources=tuple(named), ledger=tuple(ledger), takes=takes)
    assert card_body(facts_of(replace(parts_of(traces(2)), identity=many)), "").count("--sources ") == 8


def test_many_files_of_a_source_do_not_make_a_long_card() -> None:
    parts = parts_of(traces(2))
    files = tuple(FileRecord(f"{number}.jsonl", 1, "ab" * 32, number, number) for number in range(1, 3_000))
    source = replace(parts.identity.sources[0], files=files)
    text = card_body(
        facts_of(replace(parts, identity=replace(parts.identity, sources=(source,)))), "Columns."
    )
    assert len(text) < 20_000
    assert "And 2,949 more, in" in text


@pytest.mark.parametrize(
    ("rows", "category"),
    [
        (0, "n<1K"),
        (999, "n<1K"),
        (1_000, "1K<n<10K"),
        (99_999, "10K<n<100K"),
        (123_000, "100K<n<1M"),
        (22_000_000, "10M<n<100M"),
        (10**9, "n>1B"),
        (10**12, "n>1B"),
    ],
)
def test_the_size_category_holds_the_number_of_rows(rows: int, category: str) -> None:
    assert size_category(rows) == category


def told(algorithm: str, language: object) -> Facts:
    parts = parts_of(traces(2))
    return facts_of(
        replace(
            parts,
            identity=replace(
                parts.identity,
                detectors={"traces": Detector(algorithm, "ab" * 32)},
                recipe={"source": [{"name": "traces", "language": language}]},
            ),
        )
    )


@pytest.mark.parametrize("language", ["no", {"is": "no", "min": "0.9"}])
def test_a_language_is_named_where_every_row_was_told_to_be_in_it(language: object) -> None:
    assert front_matter(card(told("langdetect/1", language), CONTENT_FEATURES, ""))["language"] == ["no"]


def test_chinese_is_named_by_its_language_alone() -> None:
    assert front_matter(card(told("langdetect/1", "zh-cn"), CONTENT_FEATURES, ""))["language"] == ["zh"]


def odd(recipe: dict[str, object]) -> Facts:
    facts = told("langdetect/1", "en")
    return replace(facts, identity=replace(facts.identity, recipe=recipe))


@pytest.mark.parametrize(
    "facts",
    [odd({}), odd({"source": 7}), odd({"source": [7, {"name": []}, {"name": {}}]})],
    ids=["no sources", "no list", "no names"],
)
def test_a_recipe_of_another_shape_names_no_language(facts: Facts) -> None:
    assert "language" not in front_matter(card(facts, CONTENT_FEATURES, ""))


@pytest.mark.parametrize(
    "facts",
    [facts_of(), told("script/1", "en"), told("langdetect/1", "E N"), told("langdetect/1", 7)],
    ids=["no detector", "by script", "no code", "no text"],
)
def test_no_language_is_named_where_none_is_known(facts: Facts) -> None:
    assert "language" not in front_matter(card(facts, CONTENT_FEATURES, ""))


def test_the_lineage_names_every_ancestor_and_says_which_were_not_at_hand() -> None:
    facts = facts_of(
        ancestors=(
            Ancestor("a" * 64, "disjoint", "c" * 64, ("early:1", "early:2"), 1_234),
            Ancestor("b" * 64, "continue", "a" * 64, (), None),
        )
    )
    found = cells(card_body(facts, ""))
    assert found[found.index("disjoint") - 1 :][:5] == [
        "c" * 12,
        "disjoint",
        "a" * 64,
        "early:1, early:2",
        "1,234",
    ]
    assert found[found.index("continue") - 1 :][:5] == ["a" * 12, "continue", "b" * 64, "", "not at hand"]


def test_the_ledger_stands_in_the_card_stage_by_stage() -> None:
    found = cells(card_body(facts_of(), ""))
    assert found[found.index("parse") - 1 :][:5] == ["traces", "parse", "3", "2", "1 no-answer"]


@pytest.mark.parametrize("name", ["```\n# heading", "$(reboot)", "a b", "UPPER", "", "x" * 65])
def test_a_source_of_a_name_that_no_recipe_allows_stands_in_no_command(name: str) -> None:
    assert "--sources" not in card_body(facts_of(parts_named(name, "a.jsonl")), "")


def test_the_commands_name_the_manifest_and_its_local_sources() -> None:
    facts = facts_of()
    commands = [
        line for line in card_body(facts, "").splitlines() if line.startswith(("manifests", "curation"))
    ]
    assert commands == [
        f"manifests verify {facts.short_id} --store .",
        f"curation regenerate {facts.short_id} --store . --out ../mix-again --sources traces=DIR",
    ]
