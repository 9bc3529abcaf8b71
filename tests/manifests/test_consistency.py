"""What an identity says twice, it must say alike (FORMAT.md, section 8)."""

from dataclasses import replace
from pathlib import Path

import pytest

from manifests.errors import FormatError, VerificationError
from manifests.identity import CONTINUE, DISJOINT, Detector, Identity, Parent, QuestionFile, SourceRecord
from manifests.ledger import REASONS, SourceLedger, Stage
from manifests.reading.consistency import check_consistency, expected_stages
from manifests.reading.recipe_types import check_recipe
from tests.manifests.helpers import build_manifest, parts_of, traces, write_jsonl

HONEST = parts_of(traces(5), dropped=2).identity
FILE = HONEST.sources[0].files[0]


def with_entry(**keys: object) -> Identity:
    """The identity with other keys in the recipe's entry of its source."""
    entry = {"name": "traces", "duplicates": "keep", **keys}
    return replace(HONEST, recipe={"order": "sequential", "source": [entry]})


def with_recipe(**keys: object) -> Identity:
    return replace(HONEST, recipe={**HONEST.recipe, **keys})


def with_stages(*names: str) -> Identity:
    """The identity with a ledger of these stages, none of which drops anything but `parse`."""
    stages, rows = [], 7
    for name in names:
        dropped = {"no-answer": 2} if name == "parse" else {}
        stages.append(Stage(name, rows, rows - sum(dropped.values()), dropped))
        rows -= sum(dropped.values())
    return replace(HONEST, ledger=(SourceLedger("traces", tuple(stages)),))


DETECTED = {"traces": Detector("langdetect/1", "ab" * 32)}
QUESTIONS = (QuestionFile("test.jsonl", 1, "cd" * 32, 1, 0),)
EARLIER = (Parent("ef" * 32, DISJOINT),)

# What is false, and the words of the error.
FALSE: dict[str, tuple[Identity, str]] = {
    "no recipe": (replace(HONEST, recipe={}), "no list of sources"),
    "sources of the recipe that are no tables": (with_recipe(source=[1]), "source can't be [1]"),
    "a recipe of another source": (with_entry(name="other"), "sources of the recipe"),
    "a recipe of a later version": (with_recipe(shuffle=True), "recipe: unknown keys 'shuffle'"),
    "a source of a later version": (with_entry(weight=2), "source 1: unknown keys 'weight'"),
    "another order": (with_recipe(order="mixed"), "order: expected 'mixed/xxh3-128/1', found 'sequential/1'"),
    "an order that is none": (with_recipe(order="random"), "order can't be 'random'"),
    "the default order": (
        replace(HONEST, recipe={"source": HONEST.recipe["source"]}),
        "order: expected 'mixed",
    ),
    "sketches that were not asked for": (replace(HONEST, sketched=True), "sketches: expected False"),
    "sketches that are not there": (with_recipe(sketch=True), "sketches: expected True"),
    "questions that were not asked for": (replace(HONEST, questions=QUESTIONS), "decontamination"),
    "questions that are not there": (with_recipe(decontaminate={}), "decontamination: expected True"),
    "a parent that was not asked for": (replace(HONEST, parents=EARLIER), "disjoint parents: expected False"),
    "a parent that is not there": (with_recipe(disjoint={}), "disjoint parents: expected True"),
    "a parent named twice": (
        replace(with_recipe(disjoint={}), parents=EARLIER * 2),
        "parents, each named once: expected 1, found 2",
    ),
    "a stage that was not asked for": (
        with_stages("rows", "parse", "length", "take"),
        "source traces: stages",
    ),
    "a stage that is not there": (with_entry(length={"max_chars": 9}), "source traces: stages"),
    "a stage that comes too early": (with_stages("rows", "take", "parse"), "source traces: stages"),
    "another draw": (with_entry(take={"first": 5}), "draw: expected 'first/1', found 'all/1'"),
    "a draw that is none": (with_entry(take={"best": 5}), "take can't be {'best': 5}"),
    "another number of rows drawn": (
        replace(with_entry(take={"first": 4}), takes={"traces": "first/1"}),
        "rows taken: expected 4, found 5",
    ),
    "a detector that was not asked for": (replace(HONEST, detectors=DETECTED), "a detector: expected False"),
    "another detector": (
        replace(
            with_stages("rows", "parse", "language", "take"),
            recipe=with_entry(language={"is": "en", "windows": 3}).recipe,
            detectors=DETECTED,
        ),
        "detector: expected 'langdetect-windows/1', found 'langdetect/1'",
    ),
    "near duplicates that were not sought": (
        replace(HONEST, near={"traces": "near/minhash-lsh/1"}),
        "a search for near duplicates: expected False",
    ),
    "files that begin too late": (
        replace(HONEST, sources=(SourceRecord("traces", None, (FILE,), (("before", 1),)),)),
        "first row of its files: expected 2, found 1",
    ),
    "a range that ends before its files": (
        with_entry(rows=[1, 6]),
        "last row of its files: expected 6, found 7",
    ),
    "a range with more rows than the ledger": (
        replace(HONEST, sources=(SourceRecord("traces", None, (replace(FILE, last_row=8),)),)),
        "rows of its raw range: expected 8, found 7",
    ),
    "a range that begins before its files": (
        replace(
            with_entry(rows=[2, 8]),
            sources=(
                SourceRecord("traces", None, (replace(FILE, first_row=3, last_row=8),), (("before", 2),)),
            ),
        ),
        "first row of its range: expected '3 or later', found 2",
    ),
}


def test_an_identity_that_says_the_same_everywhere_is_taken() -> None:
    check_consistency(HONEST, "here")
    check_consistency(replace(HONEST, parents=(Parent("ab" * 32, CONTINUE),)), "here")


@pytest.mark.parametrize("what", FALSE)
def test_an_identity_that_contradicts_itself_is_refused(what: str) -> None:
    identity, words = FALSE[what]
    with pytest.raises((FormatError, VerificationError)) as caught:
        check_consistency(identity, "here")
    message = str(caught.value)
    assert message.startswith("here: ")
    assert words in message
    assert "\n" not in message


def test_hostile_values_are_shown_short_and_escaped() -> None:
    with pytest.raises((FormatError, VerificationError)) as caught:
        check_consistency(with_recipe(order="\x1b[2J" * 1_000), "here")
    assert len(str(caught.value)) < 400
    assert "\x1b" not in str(caught.value)


EVERYTHING = {"language": "en", "length": {"max_chars": 9}, "near": {}}
STAGES: dict[str, tuple[dict[str, object], list[str]]] = {
    "all": ({}, [name for name in REASONS if name not in {"decontaminate", "disjoint"}]),
    "raw": (
        {"draw": "raw"},
        ["rows", "take", "parse", "language", "length", "duplicates", "near", "across"],
    ),
    "raw, by script": (
        {"draw": "raw", "language": {"by": "script"}},
        ["rows", "language", "take", "parse", "length", "duplicates", "near", "across"],
    ),
    "duplicates kept": (
        {"duplicates": "keep"},
        ["rows", "parse", "language", "length", "near", "take"],
    ),
}


@pytest.mark.parametrize("what", STAGES)
def test_the_stages_are_those_that_the_recipe_asks_for(what: str) -> None:
    keys, expected = STAGES[what]
    assert expected_stages(HONEST, {**EVERYTHING, **keys}) == expected


def test_stages_of_the_mix_come_with_its_tables() -> None:
    identity = with_recipe(disjoint={}, decontaminate={})
    assert expected_stages(identity, {}) == [
        *("rows", "parse", "decontaminate", "duplicates", "across", "disjoint", "take"),
    ]


def test_what_a_build_writes_says_the_same_everywhere(store_path: Path, tmp_path: Path) -> None:
    file = write_jsonl(tmp_path / "a.jsonl", traces(9))
    first = build_manifest(
        store_path, "first", {"a": file}, a={"rows": [2, 5], "language": "de", "max_drop": 1}
    )
    second = build_manifest(
        store_path,
        "second",
        {"a": file},
        a={"draw": "raw", "language": {"by": "script"}, "take": {"shuffle": 4}, "near": {}, "max_drop": 1},
        disjoint={"from": ["first"]},
    )
    for built in (first, second):
        check_consistency(built.manifest.identity, "here")


WRONG: list[tuple[str, object]] = [
    ("seed", -1),
    ("seed", "abc"),
    ("seed", True),
    ("sketch", 1),
    ("disjoint", []),
    ("decontaminate", "yes"),
    ("source", {}),
]
WRONG_OF_A_SOURCE: list[tuple[str, object]] = [
    ("header", "no"),
    ("columns", {"prompt": "a"}),
    ("columns", {"prompt": "a", "response": 0}),
    ("columns", ["a", "b"]),
    ("tags", "<think>"),
    ("max_row_bytes", 0),
    ("rows", "1-5"),
    ("rows", [1, 5, 9]),
    ("rows", [5, 1]),
    ("rows", [0, 5]),
    ("draw", 7),
    ("language", 7),
    ("length", {"max_chars": 0}),
    ("length", {}),
    ("duplicates", True),
    ("near", "0.8"),
    ("take", {"first": 5, "hash": 2}),
    ("take", {"all": 5}),
    ("take", {"first": 0}),
    ("take", {"first": 5, "seed": -1}),
    ("take", "first"),
]


@pytest.mark.parametrize(("key", "value"), WRONG)
def test_a_key_of_the_recipe_of_another_kind_is_refused(key: str, value: object) -> None:
    with pytest.raises(FormatError, match=f"recipe: {key} can't be"):
        check_recipe({"source": [], key: value}, "here")


@pytest.mark.parametrize(("key", "value"), WRONG_OF_A_SOURCE)
def test_a_key_of_a_source_of_another_kind_is_refused(key: str, value: object) -> None:
    with pytest.raises(FormatError, match=f"recipe, source 1: {key} can't be"):
        check_recipe({"source": [{"name": "a", key: value}]}, "here")


def test_a_recipe_that_is_too_large_is_refused() -> None:
    with pytest.raises(FormatError, match="at most 1,048,576 are read"):
        check_recipe(
            {"source": [{"name": "a", "columns": {"prompt": "p" * (1 << 20), "response": "r"}}]}, "here"
        )
