"""Duplicates, across, disjoint and keep against an implementation with dictionaries, over random small mixes."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import Phase, example, given, settings
from hypothesis import strategies as st

from curation.errors import OverlapError, RecipeError
from manifests.manifest import Manifest
from tests.curation.helpers import (
    StageCounts,
    build_mix,
    ledger_of,
    left_behind,
    message_of,
    rejects_of,
    rows_of,
    run_python,
    source,
    traces,
    write_traces,
)

FILES = 3
# An example costs builds: one that fails is shown as it was found, not made smaller for minutes.
BUILDS = settings(phases=[Phase.explicit, Phase.reuse, Phase.generate])
SETS = 5  # so few different contents that most rows are equal to some other


@dataclass(frozen=True)
class Part:
    """A source: one of the files, from a row on, and whether its duplicates stay."""

    file: int
    first: int
    keep: bool


@dataclass(frozen=True)
class Held:
    """A row that is still in the mix: where it is, where it comes from, what it says."""

    source: str
    row: int
    origin: tuple[tuple[int, ...], int]
    content: int


@dataclass(frozen=True)
class Expected:
    rows: list[Held]
    rejects: list[tuple[object, ...]]
    ledger: dict[str, list[StageCounts]]


PARTS = st.lists(
    st.builds(Part, st.integers(0, FILES - 1), st.integers(1, 3), st.booleans()), min_size=1, max_size=3
)
CONTENTS = st.lists(
    st.lists(st.integers(0, SETS - 1), min_size=3, max_size=7).map(tuple), min_size=FILES, max_size=FILES
)


Hit = tuple[Held, str, str, Held]  # a row that is dropped, why, and the manifest and row that is kept instead


def repeats(rows: Sequence[Held], first: dict[int, Held]) -> list[Hit]:
    """The rows whose content was met before; `first` is where, and learns what is new."""
    return [
        (held, "same-content", "", kept)
        for held in rows
        if (kept := first.setdefault(held.content, held)) is not held
    ]


def hits(rows: Sequence[Held], parents: Sequence[tuple[str, list[Held]]]) -> list[Hit]:
    """The rows that a parent holds: the first hit by origin row in all of them, else the first by content."""
    found: list[Hit] = []
    earlier = [(parent, row) for parent, of_parent in parents for row in of_parent]
    for held in rows:
        same_row = [(held, "same-row", parent, row) for parent, row in earlier if row.origin == held.origin]
        same = [(held, "same-content", parent, row) for parent, row in earlier if row.content == held.content]
        found += [*same_row, *same][:1]
    return found


def expected_of(
    files: Sequence[tuple[int, ...]],
    parts: Sequence[Part],
    parents: Sequence[tuple[str, list[Held]]] | None = None,
) -> Expected:
    """The stages of FORMAT.md, section 4, by dictionaries and in plain order."""
    names = [f"s{number}" for number in range(len(parts))]
    left: dict[str, list[Held]] = {}
    for name, part in zip(names, parts, strict=True):
        rows = enumerate(files[part.file], 1)
        left[name] = [
            Held(name, row, (files[part.file], row), content) for row, content in rows if row >= part.first
        ]
    ledger: dict[str, list[StageCounts]] = {name: [] for name in names}
    rejects: dict[str, list[tuple[object, ...]]] = {name: [] for name in names}

    def stage(name: str, stage: str, dropped: Sequence[Hit] = ()) -> None:
        gone = {held for held, *_ in dropped}
        before, left[name] = left[name], [held for held in left[name] if held not in gone]
        reasons = Counter(reason for _, reason, _, _ in dropped)
        ledger[name].append((stage, len(before), len(left[name]), dict(reasons)))
        rejects[name] += [
            (name, held.row, stage, why, "", of, kept.source, kept.row) for held, why, of, kept in dropped
        ]

    dropping = {name for name, part in zip(names, parts, strict=True) if not part.keep}
    everywhere: dict[int, Held] = {}
    for name in names:
        stage(name, "rows")
        stage(name, "parse")
        if name in dropping:
            stage(name, "duplicates", repeats(left[name], {}))
    for name in names:
        again = repeats(left[name], everywhere)
        if name in dropping:
            stage(name, "across", again)
    for name in names:
        if parents is not None:
            stage(name, "disjoint", hits(left[name], parents))
        stage(name, "take")
    in_order = [
        entry for name in names for entry in sorted(rejects[name], key=lambda entry: int(str(entry[1])))
    ]
    return Expected([held for name in names for held in left[name]], in_order, ledger)


def build_parts(
    folder: Path, files: Sequence[tuple[int, ...]], parts: Sequence[Part], **top: object
) -> Manifest:
    """Build a mix of these parts; a content is a trace of the same number."""
    written = traces(SETS)
    for number, contents in enumerate(files):
        write_traces(folder / f"{number}.jsonl", [written[content] for content in contents])
    sources = [
        source(
            f"s{number}",
            f"{part.file}.jsonl",
            rows=[part.first, len(files[part.file])],
            duplicates="keep" if part.keep else "drop",
            max_drop=1,
        )
        for number, part in enumerate(parts)
    ]
    return build_mix(folder, *sources, **top).manifest


def as_rows(held: Sequence[Held]) -> list[tuple[str, int]]:
    return [(row.source, row.row) for row in held]


@settings(BUILDS, max_examples=50)
@given(files=CONTENTS, parts=PARTS)
@example(
    files=[(0, 0, 1), (1, 1, 0), (0, 1, 0)],
    parts=[Part(0, 1, keep=False), Part(1, 1, keep=True), Part(2, 1, keep=False)],
)
@example(files=[(0, 0, 0), (0, 0, 0), (0, 0, 0)], parts=[Part(0, 2, keep=True), Part(0, 1, keep=False)])
def test_of_equal_rows_the_first_sources_lowest_stays_and_the_others_name_it(
    tmp_path_factory: pytest.TempPathFactory, files: list[tuple[int, ...]], parts: list[Part]
) -> None:
    manifest = build_parts(tmp_path_factory.mktemp("mix"), files, parts)
    expected = expected_of(files, parts)
    assert rows_of(manifest) == as_rows(expected.rows)
    assert rejects_of(manifest) == expected.rejects
    assert ledger_of(manifest) == expected.ledger


@settings(BUILDS, max_examples=40)
@given(files=CONTENTS, parts=PARTS, earlier=st.lists(PARTS, min_size=1, max_size=2), refuse=st.booleans())
def test_what_an_earlier_manifest_holds_leaves_with_the_first_parents_first_row_named(
    tmp_path_factory: pytest.TempPathFactory,
    files: list[tuple[int, ...]],
    parts: list[Part],
    earlier: list[list[Part]],
    *,
    refuse: bool,
) -> None:
    folder = tmp_path_factory.mktemp("mix")
    parents = []
    for number, of_parent in enumerate(earlier):
        built = build_parts(folder, files, of_parent, name=f"earlier-{number}", seed=number)
        parents.append((built.id, expected_of(files, of_parent).rows))
    expected = expected_of(files, parts, parents)
    disjoint = {"from": [parent for parent, _ in parents], "on_overlap": "error" if refuse else "drop"}
    shared = [entry for entry in expected.rejects if entry[2] == "disjoint"]
    if refuse and shared:
        first = shared[0]
        with pytest.raises(OverlapError) as raised:
            build_parts(folder, files, parts, disjoint=disjoint)
        message = message_of(raised)
        assert message.startswith(
            f"{len(shared):,} rows are in an earlier manifest, the first {first[0]}:{first[1]} ({first[3]} "
        )
        return
    manifest = build_parts(folder, files, parts, disjoint=disjoint)
    assert rows_of(manifest) == as_rows(expected.rows)
    assert rejects_of(manifest) == expected.rejects
    assert ledger_of(manifest) == expected.ledger
    assert [parent.id for parent in manifest.identity.parents] == [parent for parent, _ in parents]


def test_rows_shared_with_an_earlier_manifest_are_refused_if_the_recipe_says_so(tmp_path: Path) -> None:
    write_traces(tmp_path / "one.jsonl", traces(10))
    earlier = build_mix(tmp_path, source("one", rows=[1, 6]), name="earlier").manifest
    before = left_behind(tmp_path / "store")
    with pytest.raises(OverlapError) as raised:
        build_mix(
            tmp_path, source("one", rows=[5, 10]), disjoint={"from": ["earlier"], "on_overlap": "error"}
        )
    message = message_of(raised)
    assert message.startswith("2 rows are in an earlier manifest, the first one:5 (same-row as one:5 of ")
    assert earlier.id[:12] in message
    assert left_behind(tmp_path / "store") == before


def test_nothing_shared_is_no_reason_to_refuse(tmp_path: Path) -> None:
    write_traces(tmp_path / "one.jsonl", traces(10))
    build_mix(tmp_path, source("one", rows=[1, 5]), name="earlier")
    later = build_mix(
        tmp_path, source("one", rows=[6, 10]), disjoint={"from": ["earlier"], "on_overlap": "error"}
    )
    assert ledger_of(later.manifest)["one"][-2] == ("disjoint", 5, 5, {})


def test_the_same_row_is_found_whatever_its_source_is_called_and_however_its_range_is_counted(
    tmp_path: Path,
) -> None:
    write_traces(tmp_path / "data" / "a.jsonl", traces(3))
    write_traces(tmp_path / "data" / "b.jsonl", traces(4, first=10))
    build_mix(tmp_path, source("one", "data/*.jsonl", rows=[2, 5]), name="earlier")
    (tmp_path / "data" / "b.jsonl").rename(tmp_path / "renamed.jsonl")
    later = build_mix(
        tmp_path, source("two", "renamed.jsonl", max_drop=1), disjoint={"from": ["earlier"]}
    ).manifest
    named = [(row, reason, kept) for _, row, _, reason, _, _, _, kept in rejects_of(later)]
    assert named == [(1, "same-row", 4), (2, "same-row", 5)]


def test_a_parent_named_twice_is_refused(tmp_path: Path) -> None:
    write_traces(tmp_path / "one.jsonl", traces(2))
    earlier = build_mix(tmp_path, source("one"), name="earlier").manifest
    with pytest.raises(RecipeError, match="two of them are the same manifest"):
        build_mix(tmp_path, source("one"), disjoint={"from": ["earlier", earlier.id]})


PROBE = """
import sys
from pathlib import Path
from tests.curation.test_selection import build_large
print(build_large(Path(sys.argv[1])).id)
"""


def build_large(folder: Path) -> Manifest:
    """A mix of 24,000 rows with many equal ones, far more than one chunk of any engine, and an earlier one."""
    written = traces(2000)
    picks = [[(number * number * 31 + shift * 17) % 2000 for number in range(8000)] for shift in range(3)]
    for number, of_file in enumerate(picks):
        write_traces(folder / f"{number}.jsonl", [written[pick] for pick in of_file])
    build_mix(folder, source("s0", "0.jsonl", rows=[1, 200], max_drop=1), name="earlier")
    sources = [source(f"s{number}", f"{number}.jsonl", max_drop=1) for number in range(3)]
    return build_mix(folder, *sources, order="mixed", disjoint={"from": ["earlier"]}).manifest


def test_a_large_mix_is_the_same_on_one_thread(tmp_path: Path) -> None:
    here = build_large(tmp_path / "here")
    for threads in ("1", "5"):
        folder = tmp_path / threads
        folder.mkdir()
        assert run_python("-c", PROBE, folder, POLARS_MAX_THREADS=threads).strip() == here.id
