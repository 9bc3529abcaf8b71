"""The identity: the object whose SHA-256 is the id (FORMAT.md, section 6)."""

import copy
import hashlib
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from manifests.canonical import canonical_bytes
from manifests.errors import FormatError
from manifests.identity import DISJOINT, Detector, FileRecord, Identity, Parent, SourceRecord
from manifests.ledger import SourceLedger, Stage
from manifests.reading.identity_reader import parse_identity
from tests.manifests.helpers import NO_ANSWER, build_manifest, parts_of, traces, write_jsonl

# Every key that an identity can have is in this one.
IDENTITY = replace(
    parts_of(traces(3), dropped=1).identity,
    detectors={"traces": Detector("langdetect/1", "0f" * 32)},
    parents=(Parent("12" * 32, DISJOINT), Parent("34" * 32, DISJOINT)),
    takes={"traces": "all/1", "glaive": "hash/bottom-k/xxh3/1"},
    ledger=(
        SourceLedger("traces", (Stage("rows", 4, 4, {}), Stage("parse", 4, 3, {"no-answer": 1}))),
        SourceLedger("glaive", (Stage("rows", 9, 9, {}),)),
    ),
    recipe={"seed": 7, "source": [{"name": "traces", "language": {"is": "en", "min": "0.8"}}]},
    sources=(
        SourceRecord("traces", None, (FileRecord("traces.jsonl", 9, "ab" * 32, 1, 4),)),
        SourceRecord(
            "glaive",
            ("glaiveai/reasoning-v1-20m", "01" * 20),
            (
                FileRecord("data/1.parquet", 5, "cd" * 32, 11, 10),
                FileRecord("data/2.parquet", 5, "ef" * 32, 11, 19, stated=True),
            ),
            (("data/0.parquet", 10),),
        ),
    ),
)
VALUE: dict[str, Any] = json.loads(IDENTITY.data)
Path_ = tuple[str | int, ...]

# Below these an object has the keys that its maker gave it.
FREE = (
    ("recipe",),
    ("algorithms", "takes"),
    ("detectors",),
    ("ledger", 0, "stages", 0, "dropped"),
    ("ledger", 0, "stages", 1, "dropped"),
    ("ledger", 1, "stages", 0, "dropped"),
)


def parse(value: object) -> Identity:
    return parse_identity(canonical_bytes(value), "manifest.json")


def refused(value: object) -> str:
    """The one line with which an identity is refused; it names the file."""
    with pytest.raises(FormatError) as caught:
        parse(value)
    assert str(caught.value).startswith("manifest.json: ")
    assert "\n" not in str(caught.value)
    return str(caught.value)


def places(value: object, path: Path_ = ()) -> Iterator[Path_]:
    """The path of every value inside a value whose keys the format fixes."""
    if path:
        yield path
    if isinstance(value, dict) and path != ("recipe",):
        for key, inner in value.items():
            yield from places(inner, (*path, key))
    elif isinstance(value, list):
        for place, inner in enumerate(value):
            yield from places(inner, (*path, place))


def at(value: Any, path: Path_) -> Any:
    for step in path:
        value = value[step]
    return value


def changed(path: Path_, new: object) -> dict[str, Any]:
    value = copy.deepcopy(VALUE)
    at(value, path[:-1])[path[-1]] = new
    return value


def shown(path: Path_) -> str:
    return ".".join(map(str, path)) or "top"


PLACES = list(places(VALUE))
OBJECTS = [path for path in [(), *PLACES] if isinstance(at(VALUE, path), dict) and path not in FREE]
KEYS = [(*path, key) for path in OBJECTS for key in at(VALUE, path) if key != "stated"]


def other_types(path: Path_) -> list[object]:
    """Values that can't stand at a place, told from the one that does."""
    value = at(VALUE, path)
    if value is True:
        return [False, None, 1, "true"]
    kinds: list[object] = [None, True, -1, 1, "x", [], {}, [1], ["x"], {"x": "x"}]
    if isinstance(value, str):
        return [other for other in kinds if not isinstance(other, str)]
    if isinstance(value, int):
        return [other for other in kinds if other != 1 or other is True]
    if isinstance(value, list):
        return [other for other in kinds if other != []]
    if path[-1] == "origin":
        kinds.remove(None)
    free = path in FREE
    return [other for other in kinds if not isinstance(other, dict) or (other == {} and not free)]


@pytest.mark.parametrize("path", KEYS, ids=shown)
def test_an_identity_that_lacks_a_key_is_refused(path: Path_) -> None:
    value = copy.deepcopy(VALUE)
    del at(value, path[:-1])[path[-1]]
    assert repr(path[-1]) in refused(value) or path == ("schemas", path[-1])


@pytest.mark.parametrize("path", OBJECTS, ids=shown)
def test_an_identity_with_a_key_of_its_own_is_refused(path: Path_) -> None:
    assert "sketches" in refused(changed((*path, "sketches"), 1))


@pytest.mark.parametrize("path", [path for path in PLACES if not isinstance(path[-1], int)], ids=shown)
def test_an_identity_with_a_value_of_another_type_is_refused(path: Path_) -> None:
    for other in other_types(path):
        assert refused(changed(path, other))


@pytest.mark.parametrize("path", [path for path in PLACES if isinstance(path[-1], int)], ids=shown)
def test_an_identity_with_a_list_of_something_else_is_refused(path: Path_) -> None:
    others: list[object] = [None, 1, "x", [], [{}]]
    for other in others:
        assert "expected an object" in refused(changed(path, other))


@pytest.mark.parametrize(
    "path", [p for p in PLACES if isinstance(at(VALUE, p), str) and len(at(VALUE, p)) == 64], ids=shown
)
def test_a_digest_is_64_lower_case_hex_digits(path: Path_) -> None:
    for other in ("x", "", "A" * 64, "a" * 63, "a" * 65, "g" * 64, "a" * 64 + "\n"):
        assert "64 hex digits" in refused(changed(path, other))


@pytest.mark.parametrize("value", [[], None, 1, "x", [VALUE]])
def test_something_that_is_no_object_is_refused(value: object) -> None:
    assert "expected an object" in refused(value)


def test_an_identity_is_read_back_as_it_was_written() -> None:
    assert parse_identity(IDENTITY.data, "manifest.json") == IDENTITY
    assert parse_identity(IDENTITY.data, "manifest.json").data == IDENTITY.data


def test_the_identity_of_a_build_is_read_back_as_it_was_written(store_path: Path, tmp_path: Path) -> None:
    file = write_jsonl(tmp_path / "a.jsonl", [*traces(8), NO_ANSWER, *traces(3)])
    first = build_manifest(
        store_path, "first", {"a": file}, a={"rows": [1, 9], "language": "en", "max_drop": 1}
    )
    second = build_manifest(
        store_path,
        "second",
        {"a": file},
        a={"take": {"hash": 2}, "max_drop": 1},
        disjoint={"from": ["first"]},
    )
    for identity in (first.manifest.identity, second.manifest.identity):
        assert parse_identity(identity.data, "manifest.json") == identity
    assert second.manifest.identity.parents == (Parent(first.manifest.id, DISJOINT),)


def test_the_id_is_the_sha256_of_manifest_json(store_path: Path, tmp_path: Path) -> None:
    manifest = build_manifest(store_path, "mix", {"a": write_jsonl(tmp_path / "a.jsonl", traces(3))}).manifest
    data = (store_path / "manifests" / manifest.id / "manifest.json").read_bytes()
    assert hashlib.sha256(data).hexdigest() == manifest.id
    assert data == json.dumps(json.loads(data), sort_keys=True, separators=(",", ":")).encode()


@pytest.mark.parametrize("number", [0, 2, 2**62])
def test_another_format_is_refused_by_its_number(number: int) -> None:
    assert f"manifest format {number}" in refused(changed(("format",), number))


@pytest.mark.parametrize(
    ("path", "new"),
    [
        (("encoding",), "rows/v2"),
        (("schemas", "rows"), VALUE["schemas"]["rows"] + ",sketch:bytes16"),
        (("algorithms", "content"), "content/xxh3-128/2"),
        (("algorithms", "prompt"), "prompt/unicode-fold/xxh3-128/1"),
        (("detectors", "traces", "algorithm"), "langdetect/2"),
        (("parents", 0, "relation"), "continues"),
    ],
    ids=lambda value: shown(value) if isinstance(value, tuple) else "",
)
def test_what_format_1_does_not_define_is_refused(path: Path_, new: str) -> None:
    assert repr(new) in refused(changed(path, new)) or new in refused(changed(path, new))


@pytest.mark.parametrize(
    "files",
    [
        [],
        [("a", 0, 4)],
        [("a", 2, 0)],
        [("a", 1, 4), ("b", 6, 7)],
        [("a", 1, 4), ("b", 4, 7)],
        [("b", 5, 7), ("a", 1, 4)],
    ],
    ids=["none", "row 0", "ends before it begins", "a gap", "an overlap", "another order"],
)
def test_files_that_do_not_follow_each_other_are_refused(files: list[tuple[str, int, int]]) -> None:
    records = [
        {"path": path, "size": 1, "sha256": "ab" * 32, "first_row": first, "last_row": last}
        for path, first, last in files
    ]
    assert "files with gaps or none at all" in refused(changed(("sources", 0, "files"), records))


def test_a_ledger_without_stages_is_refused() -> None:
    assert "no stages" in refused(changed(("ledger", 0, "stages"), []))


@pytest.mark.parametrize(
    "takes", [{}, {"traces": "all/1"}, {"traces": "all/1", "glaive": "all/1", "other": "all/1"}]
)
def test_every_source_has_a_draw_and_every_draw_a_source(takes: dict[str, str]) -> None:
    assert "takes" in refused(changed(("algorithms", "takes"), takes))


def test_every_detector_has_a_source() -> None:
    assert "detectors" in refused(changed(("detectors", "other"), VALUE["detectors"]["traces"]))


def test_a_row_is_located_in_the_file_that_holds_it() -> None:
    empty, full = FileRecord("b", 0, "ab" * 32, 4, 3), FileRecord("c", 1, "cd" * 32, 4, 9)
    source = SourceRecord("s", None, (FileRecord("a", 1, "ef" * 32, 1, 3), empty, full))
    assert [source.locate(row) for row in (1, 3, 4, 9)] == [
        (source.files[0], 1),
        (source.files[0], 3),
        (full, 1),
        (full, 6),
    ]


@pytest.mark.parametrize(
    "path", ["../rows.csv", "/rows.csv", "a/../rows.csv", "a//rows.csv", "./rows.csv", ""]
)
def test_a_path_that_leaves_its_folder_is_refused(path: str) -> None:
    good = IDENTITY.data.decode()
    record = IDENTITY.sources[0].files[0]
    false = canonical_bytes(json.loads(good.replace(f'"path":"{record.path}"', f'"path":"{path}"')))
    with pytest.raises(FormatError, match="path must be a relative path"):
        parse_identity(false, "here")


@pytest.mark.parametrize("name", ["", "../../x", "a\x1b[31m", "<script>", "A", "-a", "deadbeef", "a" * 65])
def test_a_source_whose_name_can_be_none_is_refused(name: str) -> None:
    false = copy.deepcopy(VALUE)
    false["sources"][0]["name"] = name
    with pytest.raises(FormatError, match="name must be 1 to 64 of a-z"):
        parse(false)


def test_a_parent_that_stands_twice_is_refused() -> None:
    false = copy.deepcopy(VALUE)
    false["parents"] *= 2
    with pytest.raises(FormatError, match="a parent stands twice"):
        parse(false)


def test_a_reason_that_dropped_nothing_is_left_out() -> None:
    false = copy.deepcopy(VALUE)
    false["ledger"][0]["stages"][1]["dropped"]["null"] = 0
    with pytest.raises(FormatError, match="null must be left out or above 0"):
        parse(false)
