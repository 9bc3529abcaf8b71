"""Draws and orders in whole builds: which rows are taken, and where they stand."""

import random
from pathlib import Path

import pytest
from xxhash import xxh3_128_digest

from curation.build import build
from curation.recipe_reader import parse_recipe
from manifests.keys import Trace
from manifests.manifest import Manifest
from tests.curation.helpers import (
    build_mix,
    ledger_of,
    numbers_of,
    plain_reservoir,
    plain_shuffle,
    reasons_of,
    rows_of,
    source,
    store_at,
    traces,
    write_traces,
)


def mixed(manifest: Manifest, seed: int) -> list[tuple[str, int]]:
    """The rows in the order that FORMAT.md gives a mixed manifest, from its own rows table."""
    rows = manifest.rows.to_pylist()
    sources = [entry.source for entry in manifest.identity.ledger]

    def key(row: dict[str, object]) -> tuple[bytes, int, object]:
        assert isinstance(row["content"], bytes)
        return (
            xxh3_128_digest(seed.to_bytes(8, "little") + row["content"]),
            sources.index(str(row["source"])),
            row["row"],
        )

    return [(row["source"], row["row"]) for row in sorted(rows, key=key)]


def test_in_the_sequential_order_each_source_stands_in_the_order_of_its_draw(tmp_path: Path) -> None:
    write_traces(tmp_path / "one.jsonl", traces(20))
    write_traces(tmp_path / "two.jsonl", traces(20, first=100))
    manifest = build_mix(
        tmp_path, source("two", take={"reservoir": 5}), source("one", take={"shuffle": 5, "seed": 7}), seed=3
    ).manifest
    expected = [("two", row) for row in plain_reservoir(range(1, 21), 5, 3)]
    expected += [("one", row) for row in plain_shuffle(range(1, 21), 5, 7)]
    assert rows_of(manifest) == expected
    assert manifest.identity.order == "sequential/1"


@pytest.mark.parametrize("seed", [0, 42, 2**63 - 1])
def test_the_mixed_order_is_by_hash_of_content_and_then_by_source_and_row(tmp_path: Path, seed: int) -> None:
    write_traces(tmp_path / "one.jsonl", [*traces(6), *traces(3)])
    write_traces(tmp_path / "two.jsonl", [*traces(3, first=5), *traces(3)])
    keep = {"duplicates": "keep", "take": {"shuffle": 6}}
    manifest = build_mix(
        tmp_path, source("two", **keep), source("one", **keep), order="mixed", seed=seed
    ).manifest
    assert rows_of(manifest) == mixed(manifest, seed)
    assert manifest.identity.order == "mixed/xxh3-128/1"


def test_orders_and_draws_without_a_seed_have_the_seed_42(tmp_path: Path) -> None:
    write_traces(tmp_path / "one.jsonl", traces(50))
    entry = source("one", take={"reservoir": 20})
    unset = build_mix(tmp_path, entry, order="mixed").manifest
    assert rows_of(unset) == rows_of(build_mix(tmp_path, entry, order="mixed", seed=42).manifest)
    assert rows_of(unset) != rows_of(build_mix(tmp_path, entry, order="mixed", seed=43).manifest)
    assert sorted(numbers_of(unset)) == sorted(plain_reservoir(range(1, 51), 20, 42))


def test_an_order_is_mixed_unless_the_recipe_says_sequential(tmp_path: Path) -> None:
    write_traces(tmp_path / "one.jsonl", traces(30))
    recipe = parse_recipe({"name": "mix", "source": [source("one")]}, tmp_path, "recipe")
    manifest = build(recipe, store_at(tmp_path / "store")).manifest
    assert rows_of(manifest) == mixed(manifest, 42)


def test_in_the_mixed_order_a_row_that_is_gone_moves_no_other(tmp_path: Path) -> None:
    written = traces(40)
    write_traces(tmp_path / "one.jsonl", written)
    whole = numbers_of(build_mix(tmp_path, source("one"), order="mixed").manifest)
    for row in (1, 17, 40):
        without = [*written[: row - 1], Trace("", "", ""), *written[row:]]
        write_traces(tmp_path / "one.jsonl", without)
        rest = numbers_of(build_mix(tmp_path, source("one"), order="mixed").manifest)
        assert rest == [number for number in whole if number != row]


@pytest.mark.parametrize("kind", ["first", "reservoir", "shuffle", "hash"])
def test_candidates_of_a_filtered_draw_are_the_rows_that_are_left(tmp_path: Path, kind: str) -> None:
    written = traces(60)
    written[10:14] = written[5:9]  # rows 11 to 14 as rows 6 to 9
    faulty = [Trace("", "", "") if number % 5 == 0 else trace for number, trace in enumerate(written, 1)]
    write_traces(tmp_path / "one.jsonl", faulty)
    built = build_mix(tmp_path, source("one", rows=[6, 60], take={kind: 12}), seed=11)
    candidates = [row for row in range(6, 61) if row % 5 and row not in range(11, 15)]
    assert numbers_of(built.manifest) == _plain(kind, candidates, 12, 11, built.manifest)
    assert ledger_of(built.manifest)["one"][-1] == ("take", 40, 12, {"not-taken": 28})
    assert {stage for stage, _ in reasons_of(built.manifest).values()} == {"parse", "duplicates"}


@pytest.mark.parametrize("kind", ["first", "reservoir", "shuffle", "hash"])
def test_a_raw_draw_is_the_plain_scripts_over_all_rows_and_what_is_rejected_is_missing(
    tmp_path: Path, kind: str
) -> None:
    written = traces(60)
    faulty = [Trace("", "", "") if number % 5 == 0 else trace for number, trace in enumerate(written, 1)]
    write_traces(tmp_path / "one.jsonl", faulty)
    built = build_mix(tmp_path, source("one", rows=[6, 60], draw="raw", take={kind: 30}), seed=11)
    drawn = _plain(kind, list(range(6, 61)), 30, 11, built.manifest)
    gone = reasons_of(built.manifest)
    assert numbers_of(built.manifest) == [row for row in drawn if row % 5]
    assert set(gone) == {row for row in drawn if row % 5 == 0}
    stages = ledger_of(built.manifest)["one"]
    assert [stage for stage, *_ in stages] == ["rows", "take", "parse", "duplicates", "across"]
    assert stages[1] == ("take", 55, 30, {"not-taken": 25})


def test_after_a_raw_draw_duplicates_are_sought_among_what_was_drawn(tmp_path: Path) -> None:
    write_traces(tmp_path / "one.jsonl", [*traces(3), *traces(3)])
    manifest = build_mix(tmp_path, source("one", draw="raw", take={"shuffle": 5}), seed=1).manifest
    drawn = plain_shuffle(range(1, 7), 5, 1)
    repeated = {row for row in drawn if row > 3 and row - 3 in drawn}
    assert numbers_of(manifest) == [row for row in drawn if row not in repeated]
    assert reasons_of(manifest) == dict.fromkeys(repeated, ("duplicates", "same-content"))


def _plain(kind: str, candidates: list[int], wanted: int, seed: int, manifest: Manifest) -> list[int]:
    """The plain script of a draw, over row numbers."""
    if kind == "reservoir":
        return plain_reservoir(candidates, wanted, seed)
    if kind == "shuffle":
        return plain_shuffle(candidates, wanted, seed)
    if kind == "first":
        return candidates[:wanted]
    (file,) = manifest.identity.sources[0].files
    origin = bytes.fromhex(file.sha256)

    def key(row: int) -> bytes:
        return xxh3_128_digest(seed.to_bytes(8, "little") + origin + row.to_bytes(8, "little"))

    return sorted(candidates, key=key)[:wanted]


def test_a_draw_by_hash_is_bound_to_origin_and_row_within_the_file_and_nested(tmp_path: Path) -> None:
    write_traces(tmp_path / "a.jsonl", traces(30))
    write_traces(tmp_path / "b.jsonl", traces(30, first=100))

    def drawn(files: str, count: int, **keys: object) -> list[tuple[str, int]]:
        manifest = build_mix(tmp_path, source("one", files, take={"hash": count}, **keys)).manifest
        (record,) = manifest.identity.sources
        return [(file.path, row) for file, row in map(record.locate, numbers_of(manifest))]

    twenty = drawn("?.jsonl", 20)
    assert drawn("?.jsonl", 10) == twenty[:10]
    of_b = [(path, row) for path, row in twenty if path == "b.jsonl"]
    assert of_b
    assert drawn("b.jsonl", len(of_b)) == of_b
    assert drawn("?.jsonl", len(of_b), rows=[31, 60]) == of_b


def test_every_source_starts_a_generator_of_its_own(tmp_path: Path) -> None:
    write_traces(tmp_path / "one.jsonl", traces(30))
    write_traces(tmp_path / "two.jsonl", traces(30, first=100))
    take = {"take": {"reservoir": 5}}
    manifest = build_mix(tmp_path, source("one", **take), source("two", **take)).manifest
    rows = rows_of(manifest)
    assert [row for name, row in rows if name == "one"] == [row for name, row in rows if name == "two"]


def test_takes_are_recorded_by_the_names_of_their_definitions(tmp_path: Path) -> None:
    takes: dict[str, object] = {
        "all": "all",
        **{kind: {kind: 2} for kind in ("first", "reservoir", "shuffle", "hash")},
    }
    for name in takes:
        write_traces(tmp_path / f"{name}.jsonl", traces(2, first=random.Random(name).randint(1, 10**6)))
    manifest = build_mix(tmp_path, *(source(name, take=take) for name, take in takes.items())).manifest
    assert manifest.identity.takes == {
        "all": "all/1",
        "first": "first/1",
        "reservoir": "reservoir/algorithm-r/mt19937/1",
        "shuffle": "shuffle/fisher-yates/mt19937/1",
        "hash": "hash/bottom-k/xxh3/1",
    }
