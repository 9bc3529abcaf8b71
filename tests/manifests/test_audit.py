"""The audit: what two manifests share, against sets in plain Python."""

import hashlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from manifests.audit import TIERS, Audit, audit, first_matches, row_keys
from manifests.describe import audit_lines
from manifests.errors import CommandError
from manifests.identity import FileRecord, SourceRecord
from manifests.keys import Trace
from manifests.manifest import Manifest
from manifests.origins import locate_rows
from manifests.tables import REJECTS, ROWS, empty_table, table_of
from tests.manifests.helpers import build_manifest, parts_of, traces, write_jsonl

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
    return Manifest(
        Path(), identity, table_of(ROWS, [*columns, *keys, [1] * count]), empty_table(REJECTS), (), {}
    )


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
    outcome = audit(first, second)
    shared = {tier: keys_of(first, tier).keys() & keys_of(second, tier).keys() for tier in TIER_KEYS}
    counted = outcome.overlap.same_row, outcome.overlap.same_content, outcome.overlap.same_prompt
    assert counted == tuple(map(len, shared.values()))
    assert audit(second, first).overlap == outcome.overlap


@given(manifests(), manifests())
def test_the_examples_are_the_first_rows_that_share_a_key(first: Manifest, second: Manifest) -> None:
    outcome = audit(first, second)
    for tier in TIER_KEYS:
        ours, theirs = keys_of(first, tier), keys_of(second, tier)
        expected = [
            f"{ours[key][0]}:{ours[key][1]} = {row[0]}:{row[1]}" for key, row in theirs.items() if key in ours
        ]
        assert outcome.examples[tier] == expected[:3]


@given(manifests(), st.lists(manifests(), min_size=1, max_size=3))
def test_a_match_names_the_first_manifest_that_has_the_key_and_its_first_row(
    candidates: Manifest, earlier: list[Manifest]
) -> None:
    for tier, key_of in TIER_KEYS.items():
        held: dict[Key, tuple[str, str, int]] = {}
        for manifest in earlier:
            for key, row in keys_of(manifest, tier).items():
                held.setdefault(key, (manifest.id, row[0], row[1]))
        keys = [key_of(candidates, row) for row in rows_of(candidates)]
        expected = [(place, *held[key]) for place, key in enumerate(keys) if key in held]
        assert first_matches(row_keys(candidates), earlier, tier) == expected


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


def counts(outcome: Audit) -> tuple[int, int, int]:
    return outcome.overlap.same_row, outcome.overlap.same_content, outcome.overlap.same_prompt


def test_ranges_that_share_no_row_and_no_content_share_nothing(numbers: Path, store_path: Path) -> None:
    one = build_manifest(store_path, "one", {"a": numbers}, a={"rows": [1, 7]}).manifest
    other = build_manifest(store_path, "other", {"a": numbers}, a={"rows": [8, 15]}).manifest
    assert counts(audit(one, other)) == (0, 0, 0)
    assert not audit(one, other).overlapping


def test_ranges_that_share_rows_share_exactly_those(numbers: Path, store_path: Path) -> None:
    one = build_manifest(store_path, "one", {"a": numbers}, a={"rows": [1, 7]}).manifest
    other = build_manifest(store_path, "other", {"a": numbers}, a={"rows": [6, 15]}).manifest
    assert counts(audit(one, other)) == (2, 2, 2)
    assert audit(one, other).examples["row"] == ["a:6 = a:6", "a:7 = a:7"]


def test_ranges_disjoint_by_row_are_still_compared_by_content(numbers: Path, store_path: Path) -> None:
    one = build_manifest(store_path, "one", {"a": numbers}, a={"rows": [1, 7]}).manifest
    other = build_manifest(store_path, "other", {"a": numbers}, a={"rows": [14, 20]}).manifest
    outcome = audit(one, other)
    assert counts(outcome) == (0, 5, 5)
    assert outcome.overlapping
    assert outcome.examples["content"] == ["a:1 = a:16", "a:2 = a:17", "a:3 = a:18"]


def test_the_same_file_under_another_name_and_label_holds_the_same_rows(
    numbers: Path, store_path: Path, tmp_path: Path
) -> None:
    copied = tmp_path / "elsewhere" / "copy.jsonl"
    copied.parent.mkdir()
    copied.write_bytes(numbers.read_bytes())
    one = build_manifest(store_path, "one", {"a": numbers}, a={"rows": [1, 15]}).manifest
    other = build_manifest(store_path, "other", {"renamed": copied}, renamed={"rows": [3, 9]}).manifest
    assert counts(audit(one, other)) == (7, 7, 7)


def test_a_row_counts_within_its_file_wherever_the_file_stands_in_its_source(
    store_path: Path, tmp_path: Path
) -> None:
    for name, first in (("1", 1), ("2", 20), ("3", 40)):
        write_jsonl(tmp_path / "files" / f"{name}.jsonl", traces(5, first))
    alone = build_manifest(store_path, "alone", {"a": tmp_path / "files" / "2.jsonl"}).manifest
    among = build_manifest(
        store_path, "among", {"a": tmp_path / "files" / "*.jsonl"}, a={"rows": [7, 15]}
    ).manifest
    outcome = audit(alone, among)
    assert counts(outcome) == (4, 4, 4)
    assert outcome.examples["row"] == ["a:2 = a:7", "a:3 = a:8", "a:4 = a:9"]


def test_rows_that_stand_several_times_count_once(store_path: Path, tmp_path: Path) -> None:
    keep = {"duplicates": "keep", "max_drop": 1}
    one = write_jsonl(tmp_path / "one.jsonl", [*traces(2), *traces(2), *traces(2)])
    other = write_jsonl(tmp_path / "other.jsonl", [*traces(2), *traces(1)])
    first, second = [
        build_manifest(store_path, file.stem, {"a": file}, a=keep).manifest for file in (one, other)
    ]
    assert counts(audit(first, second)) == (0, 2, 2)


def test_the_same_prompt_is_told_apart_from_the_same_content(store_path: Path, tmp_path: Path) -> None:
    one = write_jsonl(tmp_path / "one.jsonl", [Trace("What is  1 + 1?", "Count.", "2"), Trace("b", "b", "b")])
    other = write_jsonl(
        tmp_path / "other.jsonl", [Trace("what is 1 + 1?", "Guess.", "2"), Trace("c", "b", "b")]
    )
    first, second = [build_manifest(store_path, file.stem, {"a": file}).manifest for file in (one, other)]
    assert counts(audit(first, second)) == (0, 0, 1)
    assert not audit(first, second).overlapping
    assert audit(first, second, ("prompt",)).overlapping


@pytest.mark.parametrize(
    ("tiers", "overlapping"),
    [(("row",), False), (("content",), True), (("prompt",), True), (("row", "content"), True), ((), False)],
)
def test_the_tiers_asked_for_decide_whether_there_is_overlap(
    tiers: tuple[str, ...], *, overlapping: bool, numbers: Path, store_path: Path
) -> None:
    one = build_manifest(store_path, "one", {"a": numbers}, a={"rows": [1, 5]}).manifest
    other = build_manifest(store_path, "other", {"a": numbers}, a={"rows": [16, 20]}).manifest
    outcome = audit(one, other, tiers)
    assert outcome.overlapping is overlapping
    assert counts(outcome) == (0, 5, 5)


@pytest.mark.parametrize("tiers", [("rows",), ("row", "Content"), ("",), ("near", "far")])
def test_an_unknown_tier_is_refused(tiers: tuple[str, ...], tmp_path: Path) -> None:
    manifest = Manifest(tmp_path, FIELDS, empty_table(ROWS), empty_table(REJECTS), (), {})
    with pytest.raises(CommandError, match=f"expected some of {', '.join(TIERS)}"):
        audit(manifest, manifest, tiers)


def test_near_duplicates_can_t_be_told_from_manifests_without_sketches(tmp_path: Path) -> None:
    manifest = Manifest(tmp_path, FIELDS, empty_table(ROWS), empty_table(REJECTS), (), {})
    with pytest.raises(CommandError, match="carry no sketches"):
        audit(manifest, manifest, ("row", "near"))


def test_an_audit_reads_as_counts_examples_and_a_verdict(numbers: Path, store_path: Path) -> None:
    one = build_manifest(store_path, "one", {"a": numbers}, a={"rows": [1, 7]}).manifest
    other = build_manifest(store_path, "other", {"a": numbers}, a={"rows": [14, 20]}).manifest
    assert audit_lines(audit(one, other)) == [
        f"audit one {one.id[:12]} (7 rows) against other {other.id[:12]} (7 rows)",
        "  same origin row          0",
        "  same content             5   e.g. a:1 = a:16, a:2 = a:17, a:3 = a:18",
        "  same prompt              5   e.g. a:1 = a:16, a:2 = a:17, a:3 = a:18",
        "  near duplicate   not counted: the manifests carry no sketches",
        "OVERLAP: they share by row or content",
    ]
    assert audit_lines(audit(one, other, ("row",)))[-1] == "no overlap by row"


def test_keys_are_compared_as_bytes_even_where_they_hold_zeros() -> None:
    keys = [bytes(16), b"\x00" * 15 + b"\x01", b"\x01" + b"\x00" * 15]
    rows = table_of(ROWS, [["traces"] * 3, [1, 2, 3], keys, keys, [1] * 3])
    files = (FileRecord("a", 1, "ab" * 32, 1, 3),)
    identity = replace(FIELDS, sources=(SourceRecord("traces", None, files),))
    manifest = Manifest(Path(), identity, rows, empty_table(REJECTS), (), {})
    assert counts(audit(manifest, manifest)) == (3, 3, 3)
    assert pa.types.is_fixed_size_binary(row_keys(manifest).schema.field("content").type)
