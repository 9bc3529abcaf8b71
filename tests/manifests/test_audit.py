"""The audit: what two manifests share, against sets in plain Python."""

import hashlib
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from manifests.audit import DEFAULT_TIERS, TIERS, Audit, audit, audit_json
from manifests.errors import CommandError
from manifests.identity import FileRecord, SourceRecord
from manifests.keys import Trace
from manifests.manifest import Manifest
from manifests.origins import locate_rows
from manifests.overlap import ComparedRows, HeldRow, first_pairs, rows_held_earlier, shared_keys
from manifests.row_keys import CONTENT, ROW, OriginNumbers, fixed_width_bytes, key_columns, row_keys
from manifests.tables import ROWS, empty_table, table_of
from tests.manifests.helpers import build_manifest, held_manifest, parts_of, traces, write_jsonl

Key = tuple[bytes, int] | bytes
Row = tuple[str, int, bytes, bytes]
FIELDS = parts_of(traces(1)).identity

digests = st.sampled_from(["ab" * 32, "cd" * 32, "ef" * 32])
hubs = st.none() | st.tuples(st.sampled_from(["a/b", "a/c"]), st.sampled_from(["0" * 40, "1" * 40]))
contents = st.binary(min_size=1, max_size=1).map(lambda key: bytes([key[0] % 12]) * 16)
prompts = st.binary(min_size=1, max_size=1).map(lambda key: bytes([key[0] % 5]) * 16)


@st.composite
def manifests(draw: st.DrawFn) -> Manifest:
    """A manifest of up to three sources of up to three files, some of them empty or not read from their first row."""
    sources, names, numbers = [], [], []
    for name in draw(st.lists(st.sampled_from("xyz"), max_size=3, unique=True)):
        row, files = draw(st.integers(1, 5)), []
        for path in draw(st.lists(st.sampled_from(["1", "2", "3"]), min_size=1, max_size=3, unique=True)):
            held = draw(st.integers(0, 3))
            files.append(FileRecord(path, 1, draw(digests), row, row + held - 1))
            row += held
        sources.append(SourceRecord(name, draw(hubs), tuple(files)))
        chosen = (
            draw(st.lists(st.integers(files[0].first_row, row - 1), unique=True))
            if row > files[0].first_row
            else []
        )
        names += [name] * len(chosen)
        numbers += chosen
    order = draw(st.permutations(range(len(names))))
    count = len(names)
    columns = [[names[place] for place in order], [numbers[place] for place in order]]
    keys = [draw(st.lists(one, min_size=count, max_size=count)) for one in (contents, prompts)]
    identity = replace(FIELDS, sources=tuple(sources), rows=count)
    return held_manifest(identity, table_of(ROWS, [*columns, *keys, [1] * count]))


def compare(first: Manifest, second: Manifest, tiers: tuple[str, ...] = DEFAULT_TIERS) -> Audit:
    """The audit of two manifests that may be equal but for what tells them apart here."""
    if first.id == second.id:
        second = replace(second, identity=replace(second.identity, content_digest="0" * 64))
    return audit([first, second], tiers)


def counted(outcome: Audit) -> dict[str, int]:
    (pair,) = outcome.pairs
    return {tier: shared.keys for tier, shared in pair.shared.items()}


def sides(outcome: Audit, tier: str) -> tuple[Mapping[str, int], Mapping[str, int]]:
    (pair,) = outcome.pairs
    return pair.shared[tier].first_rows, pair.shared[tier].second_rows


def examples(outcome: Audit, tier: str) -> list[str]:
    (pair,) = outcome.pairs
    return [
        f"{match.first[0]}:{match.first[1]} = {match.second[0]}:{match.second[1]}"
        for match in pair.shared[tier].examples
    ]


def rows_of(manifest: Manifest) -> list[Row]:
    columns = (manifest.rows.column(name).to_pylist() for name in ("source", "row", "content", "prompt"))
    return list(zip(*columns, strict=True))


def origin_row(manifest: Manifest, name: str, row: int) -> tuple[bytes, int]:
    """Where a row comes from: the page's rule, file by file."""
    (source,) = (source for source in manifest.identity.sources if source.name == name)
    (file,) = (file for file in source.files if file.first_row <= row <= file.last_row)
    if source.hub is None:
        return bytes.fromhex(file.sha256), row - file.first_row + 1
    text = "hub\n{}\n{}\n{}".format(*source.hub, file.path)
    return hashlib.sha256(text.encode()).digest(), row - file.first_row + 1


TIER_KEYS: dict[str, Callable[[Manifest, Row], Key]] = {
    "row": lambda manifest, row: origin_row(manifest, row[0], row[1]),
    "content": lambda _manifest, row: row[2],
    "prompt": lambda _manifest, row: row[3],
}


def keys_of(manifest: Manifest, tier: str) -> dict[Key, Row]:
    """The keys of a manifest, each with the first row that has it."""
    found: dict[Key, Row] = {}
    for row in rows_of(manifest):
        found.setdefault(TIER_KEYS[tier](manifest, row), row)
    return found


@given(manifests(), manifests())
def test_the_counts_are_the_sizes_of_the_intersections_of_key_sets(first: Manifest, second: Manifest) -> None:
    outcome = compare(first, second)
    shared = {tier: keys_of(first, tier).keys() & keys_of(second, tier).keys() for tier in TIER_KEYS}
    assert counted(outcome) == {tier: len(keys) for tier, keys in shared.items()}
    assert counted(compare(second, first)) == counted(outcome)
    for tier, keys in shared.items():
        for manifest, rows in zip((first, second), sides(outcome, tier), strict=True):
            expected = Counter(row[0] for row in rows_of(manifest) if TIER_KEYS[tier](manifest, row) in keys)
            assert rows == expected


@given(manifests(), manifests())
def test_the_examples_are_the_first_rows_that_share_a_key(first: Manifest, second: Manifest) -> None:
    outcome = compare(first, second)
    for tier in TIER_KEYS:
        ours, theirs = keys_of(first, tier), keys_of(second, tier)
        expected = [
            f"{ours[key][0]}:{ours[key][1]} = {row[0]}:{row[1]}" for key, row in theirs.items() if key in ours
        ]
        assert examples(outcome, tier) == expected[:3]


@given(manifests(), st.lists(manifests(), min_size=1, max_size=3))
def test_a_match_is_by_row_before_content_and_names_the_first_manifest_and_its_first_row(
    candidates: Manifest, earlier: list[Manifest]
) -> None:
    held: dict[str, dict[Key, tuple[str, str, int]]] = {ROW: {}, CONTENT: {}}
    for manifest in earlier:
        for tier, keys in held.items():
            for key, row in keys_of(manifest, tier).items():
                keys.setdefault(key, (manifest.id, row[0], row[1]))
    expected = []
    for place, row in enumerate(rows_of(candidates)):
        for tier, keys in held.items():
            if (key := TIER_KEYS[tier](candidates, row)) in keys:
                expected.append(HeldRow(place, tier, *keys[key]))
                break
    assert matches_of(candidates, earlier) == expected


def test_half_a_key_in_common_is_no_match() -> None:
    def of_one_file(name: str, digest: str, keys: list[bytes]) -> Manifest:
        source = SourceRecord(name, None, (FileRecord("1", 1, digest, 1, len(keys)),))
        columns = [[name] * len(keys), list(range(1, len(keys) + 1)), keys, keys, [1] * len(keys)]
        return held_manifest(replace(FIELDS, sources=(source,), rows=len(keys)), table_of(ROWS, columns))

    keys = [bytes(16), bytes(8) + b"\1" * 8, b"\1" * 8 + bytes(8), b"\1" * 16]
    ours, theirs = of_one_file("x", "ab" * 32, keys), of_one_file("y", "cd" * 32, [keys[3], keys[1], keys[3]])
    assert matches_of(ours, [theirs]) == [
        HeldRow(1, CONTENT, theirs.id, "y", 2),
        HeldRow(3, CONTENT, theirs.id, "y", 1),
    ]


def matches_of(candidates: Manifest, earlier: list[Manifest]) -> list[HeldRow]:
    origins = OriginNumbers()
    rows = key_columns(candidates, origins).row
    contents = fixed_width_bytes(candidates.rows.column("content"))
    (found,) = rows_held_earlier([ComparedRows(rows, contents)], earlier, origins)
    return found


@given(manifests())
def test_the_keys_of_a_manifest_stand_in_its_order(manifest: Manifest) -> None:
    table = row_keys(manifest)
    assert table.schema.names == ["source", "row", "origin", "row_in_file", "content", "prompt"]
    assert list(
        zip(*(table.column(n).to_pylist() for n in ("source", "row", "content", "prompt")), strict=True)
    ) == (rows_of(manifest))
    located = zip(table.column("origin").to_pylist(), table.column("row_in_file").to_pylist(), strict=True)
    assert list(located) == [origin_row(manifest, name, row) for name, row, *_ in rows_of(manifest)]


@given(manifests())
def test_rows_are_located_all_at_once_as_they_are_one_by_one(manifest: Manifest) -> None:
    for source in manifest.identity.sources:
        rows = np.array([row for name, row, *_ in rows_of(manifest) if name == source.name], dtype=np.uint64)
        origins, within = locate_rows(source, rows)
        assert origins.shape == (len(rows), 32)
        located = [source.locate(int(row)) for row in rows]
        assert list(zip(map(bytes, origins), within.tolist(), strict=True)) == [
            (source.origin(file), row) for file, row in located
        ]


@pytest.fixture
def numbers(tmp_path: Path) -> Path:
    """A file with 20 rows; rows 16 to 20 say what rows 1 to 5 say."""
    return write_jsonl(tmp_path / "numbers.jsonl", [*traces(15), *traces(5)])


def counts(outcome: Audit) -> tuple[int, ...]:
    return tuple(counted(outcome).values())


def test_ranges_that_share_no_row_and_no_content_share_nothing(numbers: Path, store_path: Path) -> None:
    one = build_manifest(store_path, "one", {"a": numbers}, a={"rows": [1, 7]}).manifest
    other = build_manifest(store_path, "other", {"a": numbers}, a={"rows": [8, 15]}).manifest
    assert counts(compare(one, other)) == (0, 0, 0)
    assert not compare(one, other).overlapping


def test_ranges_that_share_rows_share_exactly_those(numbers: Path, store_path: Path) -> None:
    one = build_manifest(store_path, "one", {"a": numbers}, a={"rows": [1, 7]}).manifest
    other = build_manifest(store_path, "other", {"a": numbers}, a={"rows": [6, 15]}).manifest
    assert counts(compare(one, other)) == (2, 2, 2)
    assert examples(compare(one, other), "row") == ["a:6 = a:6", "a:7 = a:7"]


def test_ranges_disjoint_by_row_are_still_compared_by_content(numbers: Path, store_path: Path) -> None:
    one = build_manifest(store_path, "one", {"a": numbers}, a={"rows": [1, 7]}).manifest
    other = build_manifest(store_path, "other", {"a": numbers}, a={"rows": [14, 20]}).manifest
    outcome = compare(one, other)
    assert counts(outcome) == (0, 5, 5)
    assert outcome.overlapping
    assert examples(outcome, "content") == ["a:1 = a:16", "a:2 = a:17", "a:3 = a:18"]


def test_the_same_file_under_another_name_and_label_holds_the_same_rows(
    numbers: Path, store_path: Path, tmp_path: Path
) -> None:
    copied = tmp_path / "elsewhere" / "copy.jsonl"
    copied.parent.mkdir()
    copied.write_bytes(numbers.read_bytes())
    one = build_manifest(store_path, "one", {"a": numbers}, a={"rows": [1, 15]}).manifest
    other = build_manifest(store_path, "other", {"renamed": copied}, renamed={"rows": [3, 9]}).manifest
    assert counts(compare(one, other)) == (7, 7, 7)


def test_a_row_counts_within_its_file_wherever_the_file_stands_in_its_source(
    store_path: Path, tmp_path: Path
) -> None:
    for name, first in (("1", 1), ("2", 20), ("3", 40)):
        write_jsonl(tmp_path / "files" / f"{name}.jsonl", traces(5, first))
    alone = build_manifest(store_path, "alone", {"a": tmp_path / "files" / "2.jsonl"}).manifest
    among = build_manifest(
        store_path, "among", {"a": tmp_path / "files" / "*.jsonl"}, a={"rows": [7, 15]}
    ).manifest
    outcome = compare(alone, among)
    assert counts(outcome) == (4, 4, 4)
    assert examples(outcome, "row") == ["a:2 = a:7", "a:3 = a:8", "a:4 = a:9"]


def test_rows_that_stand_several_times_count_once(store_path: Path, tmp_path: Path) -> None:
    keep = {"duplicates": "keep", "max_drop": 1}
    one = write_jsonl(tmp_path / "one.jsonl", [*traces(2), *traces(2), *traces(2)])
    other = write_jsonl(tmp_path / "other.jsonl", [*traces(2), *traces(1)])
    first, second = [
        build_manifest(store_path, file.stem, {"a": file}, a=keep).manifest for file in (one, other)
    ]
    assert counts(compare(first, second)) == (0, 2, 2)


def test_the_same_prompt_is_told_apart_from_the_same_content(store_path: Path, tmp_path: Path) -> None:
    one = write_jsonl(tmp_path / "one.jsonl", [Trace("What is  1 + 1?", "Count.", "2"), Trace("b", "b", "b")])
    other = write_jsonl(
        tmp_path / "other.jsonl", [Trace("what is 1 + 1?", "Guess.", "2"), Trace("c", "b", "b")]
    )
    first, second = [build_manifest(store_path, file.stem, {"a": file}).manifest for file in (one, other)]
    assert counts(compare(first, second)) == (0, 0, 1)
    assert not compare(first, second).overlapping
    assert compare(first, second, ("prompt",)).overlapping


@pytest.mark.parametrize(
    ("tiers", "overlapping"),
    [(("row",), False), (("content",), True), (("prompt",), True), (("row", "content"), True), ((), False)],
)
def test_the_tiers_asked_for_decide_whether_there_is_overlap(
    tiers: tuple[str, ...], *, overlapping: bool, numbers: Path, store_path: Path
) -> None:
    one = build_manifest(store_path, "one", {"a": numbers}, a={"rows": [1, 5]}).manifest
    other = build_manifest(store_path, "other", {"a": numbers}, a={"rows": [16, 20]}).manifest
    outcome = compare(one, other, tiers)
    assert outcome.overlapping is overlapping
    assert counts(outcome) == (0, 5, 5)


@pytest.mark.parametrize("tiers", [("rows",), ("row", "Content"), ("",), ("near", "far")])
def test_an_unknown_tier_is_refused(tiers: tuple[str, ...]) -> None:
    manifest = held_manifest(FIELDS, empty_table(ROWS))
    with pytest.raises(CommandError, match=f"expected some of {', '.join(TIERS)}"):
        compare(manifest, manifest, tiers)


def test_near_duplicates_can_t_be_told_from_manifests_without_sketches() -> None:
    manifest = held_manifest(FIELDS, empty_table(ROWS))
    with pytest.raises(CommandError, match="carries no sketches"):
        compare(manifest, manifest, ("row", "near"))


def test_keys_are_compared_as_bytes_even_where_they_hold_zeros() -> None:
    keys = [bytes(16), b"\x00" * 15 + b"\x01", b"\x01" + b"\x00" * 15]
    rows = table_of(ROWS, [["traces"] * 3, [1, 2, 3], keys, keys, [1] * 3])
    files = (FileRecord("a", 1, "ab" * 32, 1, 3),)
    identity = replace(FIELDS, rows=3, sources=(SourceRecord("traces", None, files),))
    manifest = held_manifest(identity, rows)
    assert counts(compare(manifest, manifest)) == (3, 3, 3)
    assert pa.types.is_fixed_size_binary(row_keys(manifest).schema.field("content").type)


def test_keys_are_compared_in_parts_as_they_are_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    generator = np.random.default_rng(42)
    one, other = (generator.integers(0, 40, (rows, 2), np.uint64) for rows in (500, 700))
    at_once = shared_keys(one, other)
    monkeypatch.setattr("manifests.overlap._PART_ROWS", 64)
    in_parts = shared_keys(one, other)
    assert at_once.keys == in_parts.keys == len({*map(tuple, one.tolist())} & {*map(tuple, other.tolist())})
    assert at_once.first_places.tolist() == in_parts.first_places.tolist()
    assert at_once.second_places.tolist() == in_parts.second_places.tolist()
    assert first_pairs(one, other, at_once, 9) == first_pairs(one, other, in_parts, 9)


def test_of_several_manifests_every_two_are_compared(numbers: Path, store_path: Path) -> None:
    ranges = [[1, 7], [6, 12], [11, 20]]
    built = [
        build_manifest(store_path, f"m{first}", {"a": numbers}, a={"rows": [first, last]}).manifest
        for first, last in ranges
    ]
    outcome = audit(built)
    assert [(pair.first, pair.second) for pair in outcome.pairs] == [(0, 1), (0, 2), (1, 2)]
    assert [pair.shared["row"].keys for pair in outcome.pairs] == [2, 0, 2]
    assert [pair.shared["content"].keys for pair in outcome.pairs] == [2, 5, 2]
    told = audit_json(outcome)
    assert (told["same_row"], told["same_content"], told["near_duplicate"]) == (4, 9, None)
    assert told["overlap"] is True
    assert "a" not in told


def test_what_is_told_of_two_manifests_stands_at_the_top(numbers: Path, store_path: Path) -> None:
    one = build_manifest(store_path, "one", {"a": numbers}, a={"rows": [1, 7]}).manifest
    other = build_manifest(store_path, "other", {"a": numbers}, a={"rows": [14, 20]}).manifest
    told = audit_json(audit([one, other]))
    assert (told["a"], told["b"]) == (one.id, other.id)
    assert (told["same_row"], told["same_content"], told["same_prompt"]) == (0, 5, 5)
    assert told["examples"] == {
        "row": [],
        "content": ["a:1 = a:16", "a:2 = a:17", "a:3 = a:18"],
        "prompt": ["a:1 = a:16", "a:2 = a:17", "a:3 = a:18"],
        "near": [],
    }


@pytest.mark.parametrize("threshold", ["0", "-1", "1.01"])
def test_a_threshold_that_is_no_similarity_is_refused(threshold: str) -> None:
    manifest = held_manifest(FIELDS, empty_table(ROWS))
    with pytest.raises(CommandError, match="expected a similarity"):
        audit([manifest, manifest], threshold=Decimal(threshold))


def test_one_manifest_alone_or_twice_is_refused() -> None:
    manifest = held_manifest(FIELDS, empty_table(ROWS))
    with pytest.raises(CommandError, match="at least two manifests"):
        audit([manifest])
    with pytest.raises(CommandError, match="named twice"):
        audit([manifest, manifest])
