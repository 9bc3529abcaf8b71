"""What is planted in the demo sources: all that the truth file lists, and nothing else."""

from collections import Counter
from itertools import combinations
from pathlib import Path

import langdetect
import pytest

from curation.demo.sources import Truth, write_demo_sources
from tests.curation.demo_reader import Fields, Place, Trace, parse, read_all, read_traces


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Truth]:
    directory = tmp_path_factory.mktemp("parent") / "demo"
    return directory, write_demo_sources(directory)


@pytest.fixture(scope="module")
def directory(written: tuple[Path, Truth]) -> Path:
    return written[0]


@pytest.fixture(scope="module")
def truth(written: tuple[Path, Truth]) -> Truth:
    return written[1]


@pytest.fixture(scope="module")
def rows(directory: Path) -> dict[str, list[Fields]]:
    return read_all(directory)


@pytest.fixture(scope="module")
def traces(directory: Path) -> dict[Place, Trace]:
    return read_traces(directory)


@pytest.fixture(scope="module")
def repeats(truth: Truth) -> dict[Place, Place]:
    """Every row that is planted as an exact duplicate, and the row that it repeats."""
    within = {(one.source, one.row): (one.source, one.duplicate_of_row) for one in truth.duplicates}
    across = {(one.source, one.row): (one.duplicate_of_source, one.duplicate_of_row) for one in truth.across}
    overlap = {(one.source, one.row): (one.source, one.duplicate_of_row) for one in truth.session_overlap}
    return within | across | overlap


def test_exactly_the_malformed_rows_have_a_defect_and_it_is_the_one_told(
    rows: dict[str, list[Fields]], truth: Truth
) -> None:
    found = {
        (source, number, parsed)
        for source, told in rows.items()
        for number, row in enumerate(told, 1)
        if isinstance(parsed := parse(source, row), str)
    }
    assert found == {(one.source, one.row, one.reason) for one in truth.malformed}
    assert len(found) == len(truth.malformed)
    assert {reason for _, _, reason in found} == {
        "null", "no-prompt", "no-reasoning", "no-answer", "tag-unclosed", "tag-repeated",
        "text-before-reasoning", "invalid-utf8", "lone-surrogate", "not-text",
    }  # fmt: skip


def test_raw_bytes_and_escapes_stand_in_the_files_as_they_were_planted(directory: Path) -> None:
    for path in ("raiden/raiden.csv", "openo1/openo1.jsonl"):
        with pytest.raises(UnicodeDecodeError):
            (directory / path).read_text(encoding="utf-8")
    assert rb"\ud800" in (directory / "openo1/openo1.jsonl").read_bytes()
    assert rb"\ud800" in (directory / "cot-collection/cot-collection.json").read_bytes()


def test_exactly_the_planted_rows_repeat_another(
    traces: dict[Place, Trace], repeats: dict[Place, Place], truth: Truth
) -> None:
    first: dict[Trace, Place] = {}
    found = {
        place: first[trace] for place, trace in traces.items() if first.setdefault(trace, place) != place
    }
    assert found == repeats
    assert len(repeats) == len(truth.duplicates) + len(truth.across) + len(truth.session_overlap)


def test_duplicates_lie_where_their_list_says(truth: Truth) -> None:
    half = truth.glaive_halves["first"][1]
    assert Counter(one.source for one in truth.duplicates) == {
        "raiden": 4,
        "openo1": 4,
        "cot": 6,
        "glaive": 8,
    }
    assert all(
        (one.row > half) == (one.duplicate_of_row > half)
        for one in truth.duplicates
        if one.source == "glaive"
    )
    assert Counter((one.source, one.duplicate_of_source) for one in truth.across) == {
        ("openo1", "raiden"): 2,
        ("glaive", "raiden"): 4,
    }
    assert [one.source for one in truth.session_overlap] == ["glaive"] * 5
    assert all(one.duplicate_of_row <= half < one.row for one in truth.session_overlap)


def test_some_duplicates_differ_in_outer_whitespace(
    rows: dict[str, list[Fields]], repeats: dict[Place, Place]
) -> None:
    same_source = [(one, other) for one, other in repeats.items() if one[0] == other[0]]
    raw = [(rows[a[0]][a[1] - 1], rows[b[0]][b[1] - 1]) for a, b in same_source]
    assert 5 < sum(row == other for row, other in raw) < len(raw) - 5


def test_no_prompt_comes_twice_but_for_planted_rows(
    traces: dict[Place, Trace], repeats: dict[Place, Place], truth: Truth
) -> None:
    near = {(one.source, one.row) for one in truth.near_duplicates}
    prompts = Counter(
        " ".join(prompt.lower().split())
        for place, (prompt, _, _) in traces.items()
        if place not in repeats and place not in near
    )
    assert set(prompts.values()) == {1}


def test_exactly_the_planted_rows_are_near_duplicates(
    traces: dict[Place, Trace], repeats: dict[Place, Place], truth: Truth
) -> None:
    shingles = {place: word_triples(trace) for place, trace in traces.items() if place not in repeats}
    likeness = {
        frozenset(pair): len(shared) / len(shingles[pair[0]] | shingles[pair[1]])
        for pair in combinations(shingles, 2)
        if len(shared := shingles[pair[0]] & shingles[pair[1]]) > len(shingles[pair[0]]) // 2
    }
    planted = {
        frozenset([(one.source, one.row), (one.source, one.near_of_row)]) for one in truth.near_duplicates
    }
    assert len(planted) == len(truth.near_duplicates) == 12
    assert {pair for pair, value in likeness.items() if value >= 0.8} == planted
    assert all(value < 0.65 for pair, value in likeness.items() if pair not in planted)


def word_triples(trace: Trace) -> set[tuple[str, ...]]:
    words = " ".join(trace).split(" ")
    return set(zip(words, words[1:], words[2:], strict=False))


def test_langdetect_agrees_with_the_language_of_every_openo1_row(
    traces: dict[Place, Trace], truth: Truth, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(langdetect.DetectorFactory, "seed", 0)
    languages = {one.row: one.language for one in truth.other_languages}
    assert Counter(languages.values()) == {"de": 13, "es": 13, "fr": 13, "zh": 21}
    for (source, row), (prompt, reasoning, answer) in traces.items():
        if source == "openo1":
            for text in (f"{prompt}\n{reasoning}\n{answer}", reasoning):
                assert langdetect.detect(text).split("-")[0] == languages.get(row, "en"), text


def test_rows_in_other_languages_are_neither_malformed_nor_repeated(
    truth: Truth, repeats: dict[Place, Place]
) -> None:
    other = {(one.source, one.row) for one in truth.other_languages}
    assert not other & {(one.source, one.row) for one in truth.malformed}
    assert not other & (repeats.keys() | set(repeats.values()))


def test_the_survivors_are_what_a_build_leaves(traces: dict[Place, Trace], truth: Truth) -> None:
    other = {(one.source, one.row) for one in truth.other_languages}
    half = truth.glaive_halves["first"][1]
    left: dict[Trace, str] = {}
    for (source, row), trace in traces.items():
        if (source, row) not in other and (source != "glaive" or row <= half):
            left.setdefault(trace, source)
    assert Counter(left.values()) == truth.survivors
