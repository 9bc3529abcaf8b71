"""What a reader must hold against a manifest (FORMAT.md, section 8): damaged, mixed up, or false from the start."""

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from manifests.errors import FormatError, ManifestError, VerificationError
from manifests.identity import FileRecord, SourceRecord
from manifests.ledger import SourceLedger, Stage
from manifests.manifest import Manifest, read_manifest
from manifests.reading.bounded import LARGEST_JSON
from manifests.tables import CONTENT, REJECTS, ROWS, root_digest
from tests.manifests.helpers import (
    NO_ANSWER,
    Parts,
    build_manifest,
    fresh_copy,
    parts_of,
    rejects_of,
    traces,
    write_jsonl,
)

FILES = ("manifest.json", "rows.parquet", "rejects.parquet", "receipt.json")
HONEST = parts_of(traces(5), dropped=2)


@pytest.fixture
def built(store_path: Path, tmp_path: Path) -> Path:
    """The folder of a manifest that was built from a file with two rows that are no traces."""
    file = write_jsonl(tmp_path / "a.jsonl", [*traces(4), NO_ANSWER, *traces(3, first=9), NO_ANSWER])
    return build_manifest(store_path, "mix", {"a": file}).manifest.folder


def refused(folder: Path) -> str:
    """The one line with which the manifest in a folder is refused."""
    with pytest.raises((FormatError, VerificationError)) as caught:
        read_manifest(folder)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def same(one: Manifest, other: Manifest) -> bool:
    """Whether two readings are the same in all that the identity vouches for."""
    return (one.identity, one.content_blocks) == (other.identity, other.content_blocks) and (
        one.rows.equals(other.rows) and one.rejects.equals(other.rejects)
    )


def loaded(folder: Path) -> Manifest:
    """A manifest with its tables in memory, whatever becomes of their files."""
    manifest = read_manifest(folder)
    assert manifest.rows.num_rows + manifest.rejects.num_rows > 0
    return manifest


def test_a_manifest_is_read_as_it_was_built(built: Path) -> None:
    manifest = read_manifest(built)
    assert manifest.id == built.name
    assert manifest.name == "mix"
    assert manifest.rows.column("row").to_pylist() == [1, 2, 3, 4, 6, 7, 8]
    assert manifest.rejects.select(["row", "stage", "reason"]).to_pylist() == [
        {"row": row, "stage": "parse", "reason": "no-answer"} for row in (5, 9)
    ]


def test_the_parts_of_these_tests_are_a_manifest_when_nothing_is_wrong_with_them(tmp_path: Path) -> None:
    manifest = read_manifest(HONEST.write(tmp_path))
    assert (manifest.rows, manifest.rejects) == (HONEST.rows, HONEST.rejects)
    assert list(manifest.content_blocks) == HONEST.blocks


@pytest.mark.parametrize("file", FILES)
def test_a_manifest_that_lacks_a_file_is_refused(built: Path, file: str) -> None:
    (built / file).unlink()
    assert file in refused(built)


@pytest.mark.parametrize("file", FILES)
def test_a_manifest_with_a_folder_in_place_of_a_file_is_refused(built: Path, file: str) -> None:
    (built / file).unlink()
    (built / file).mkdir()
    assert file in refused(built)


@pytest.mark.parametrize("file", FILES)
def test_a_manifest_with_a_file_cut_short_is_refused(built: Path, file: str) -> None:
    data = (built / file).read_bytes()
    for length in {0, 1, 4, *range(8, len(data) - 1, len(data) // 40 + 1), len(data) - 2}:
        (built / file).write_bytes(data[:length])
        assert file in refused(built)


@pytest.mark.parametrize("file", FILES)
def test_a_flipped_bit_anywhere_is_refused_or_changes_nothing(built: Path, file: str) -> None:
    honest, data = loaded(built), bytearray((built / file).read_bytes())
    survived = 0
    for place in range(0, len(data), 3):
        data[place] ^= 1 << place % 8
        (built / file).write_bytes(data)
        try:
            assert same(read_manifest(built), honest)
            survived += 1
        except (FormatError, VerificationError) as error:
            assert "\n" not in str(error)  # noqa: PT017 - most flips are refused, some hit what nobody reads
        data[place] ^= 1 << place % 8
    assert survived == 0 or file != "manifest.json"


@pytest.mark.parametrize("file", FILES)
def test_a_file_of_another_manifest_is_refused(
    built: Path, store_path: Path, tmp_path: Path, file: str
) -> None:
    rows = [*traces(3), NO_ANSWER, *traces(4, first=9), NO_ANSWER]
    other = build_manifest(store_path, "mix", {"a": write_jsonl(tmp_path / "b.jsonl", rows)}).manifest.folder
    (built / file).write_bytes((other / file).read_bytes())
    refused(built)


def test_a_manifest_under_another_id_is_refused(built: Path, tmp_path: Path) -> None:
    for name in ("0" * 64, built.name[:-1], built.name.upper(), "manifest"):
        renamed = fresh_copy(built, tmp_path / name)
        assert f"has the id {built.name}, the folder another" in refused(renamed)


def test_a_manifest_json_of_endless_size_is_not_read(built: Path) -> None:
    with (built / "manifest.json").open("r+b") as file:
        file.truncate(LARGEST_JSON + 1)
    assert f"larger than {LARGEST_JSON:,} bytes" in refused(built)


def columns(table: pa.Table, **changed: Sequence[object]) -> pa.Table:
    """A table with other values in some of its columns."""
    for name, values in changed.items():
        place = table.schema.get_field_index(name)
        table = table.set_column(
            place, table.schema.field(place), pa.array(values, type=table.schema.field(place).type)
        )
    return table


def ledger(*stages: Stage, source: str = "traces") -> tuple[SourceLedger, ...]:
    return (SourceLedger(source, stages),)


FILE = FileRecord("traces.jsonl", 1, "ab" * 32, 1, 7)
DROPPED = [("traces", 6, "parse", "no-answer"), ("traces", 7, "parse", "no-answer")]

# What is false, and the words of the error. Every digest and count is right: only the one check can say no.
TAKEN = Stage("take", 5, 5, {})
FALSE: dict[str, tuple[Parts, str]] = {
    "a stage that drops rows without a reason": (
        HONEST.changed(ledger=ledger(Stage("rows", 7, 7, {}), Stage("parse", 7, 5, {"no-answer": 1}), TAKEN)),
        "7 rows in, but 5 out and 1 dropped",
    ),
    "a stage that gets fewer rows than were left": (
        HONEST.changed(ledger=ledger(Stage("rows", 9, 9, {}), Stage("parse", 7, 5, {"no-answer": 2}), TAKEN)),
        "the stage before handed on 9",
    ),
    "a stage of a later format": (
        HONEST.changed(ledger=ledger(Stage("sketch", 5, 5, {}))),
        "stage 'sketch' is unknown",
    ),
    "a ledger of another source": (
        HONEST.changed(ledger=ledger(*HONEST.identity.ledger[0].stages, source="other")),
        "sources of the ledger: expected ['traces'], found ['other']",
    ),
    "a ledger without a source": (
        HONEST.changed(ledger=()),
        "sources of the ledger: expected ['traces'], found []",
    ),
    "a source that stands twice": (
        HONEST.changed(
            sources=HONEST.identity.sources * 2,
            recipe={"order": "sequential", "source": [{"name": "traces", "duplicates": "keep"}] * 2},
            ledger=(
                *HONEST.identity.ledger,
                SourceLedger("traces", tuple(Stage(name, 0, 0, {}) for name in ("rows", "parse", "take"))),
            ),
        ),
        "sources, each named once: expected 1, found 2",
    ),
    "fewer rows than the ledger says": (
        HONEST.changed(
            ledger=ledger(
                Stage("rows", 7, 7, {}), Stage("parse", 7, 6, {"no-answer": 1}), Stage("take", 6, 6, {})
            )
        ),
        "rows by source {'traces': 5}, the ledger says {'traces': 6}",
    ),
    "rows of an unknown source": (
        replace(HONEST, rows=columns(HONEST.rows, source=["traces"] * 4 + ["other"])).sealed(),
        "rows by source",
    ),
    "fewer rejects than the ledger says": (
        replace(HONEST, rejects=HONEST.rejects.slice(0, 1)).sealed(),
        "rejects and ledger differ",
    ),
    "more rejects than the ledger says": (
        replace(HONEST, rejects=rejects_of([*DROPPED, ("traces", 4, "parse", "null")])).sealed(),
        "rejects and ledger differ",
    ),
    "rejects for another reason": (
        replace(HONEST, rejects=columns(HONEST.rejects, reason=["null", "no-answer"])).sealed(),
        "rejects and ledger differ",
    ),
    "rejects at another stage": (
        replace(HONEST, rejects=columns(HONEST.rejects, stage=["language", "parse"])).sealed(),
        "rejects and ledger differ",
    ),
    "rejects of an unknown source": (
        replace(HONEST, rejects=columns(HONEST.rejects, source=["other", "traces"])).sealed(),
        "rejects and ledger differ",
    ),
    "a row that stands twice": (
        replace(HONEST, rows=columns(HONEST.rows, row=[1, 2, 3, 4, 4])).sealed(),
        "source traces: a row stands twice",
    ),
    "a row that was rejected twice": (
        replace(HONEST, rejects=columns(HONEST.rejects, row=[6, 6])).sealed(),
        "source traces: a row stands twice",
    ),
    "a row that is in and out": (
        replace(HONEST, rejects=columns(HONEST.rejects, row=[5, 7])).sealed(),
        "source traces: a row stands twice",
    ),
    "a row behind the files": (
        replace(HONEST, rows=columns(HONEST.rows, row=[1, 2, 3, 4, 8])).sealed(),
        "rows 1 to 8, its raw range is 1 to 7",
    ),
    "a reject behind the files": (
        replace(HONEST, rejects=columns(HONEST.rejects, row=[6, 2**64 - 1])).sealed(),
        "its raw range is 1 to 7",
    ),
    "a row in front of the files": (
        replace(HONEST, rejects=HONEST.rejects.slice(0, 1)).changed(
            sources=(SourceRecord("traces", None, (replace(FILE, first_row=2),), (("before.jsonl", 1),)),),
            ledger=ledger(Stage("rows", 6, 6, {}), Stage("parse", 6, 5, {"no-answer": 1}), TAKEN),
        ),
        "rows 1 to 6, its raw range is 2 to 7",
    ),
}


@pytest.mark.parametrize("what", FALSE)
def test_a_manifest_that_contradicts_itself_is_refused(what: str, tmp_path: Path) -> None:
    parts, words = FALSE[what]
    assert words in refused(parts.write(tmp_path))


@pytest.mark.parametrize("which", ["rows", "rejects"])
def test_a_table_with_another_number_of_rows_than_stated_is_refused(which: str, tmp_path: Path) -> None:
    stated = {"rows": 6} if which == "rows" else {"rejects": 3}
    false = replace(HONEST, identity=replace(HONEST.identity, **stated))  # type: ignore[arg-type]
    assert "rows, manifest.json says" in refused(false.write(tmp_path))


@pytest.mark.parametrize("which", ["rows", "rejects"])
def test_a_table_with_another_digest_than_stated_is_refused(which: str, tmp_path: Path) -> None:
    false = replace(HONEST, identity=replace(HONEST.identity, **{f"{which}_digest": "ab" * 32}))  # type: ignore[arg-type]
    assert f"manifest.json says {'ab' * 32}" in refused(false.write(tmp_path))


def test_block_digests_that_do_not_give_the_content_digest_are_refused(tmp_path: Path) -> None:
    false = replace(HONEST, identity=replace(HONEST.identity, content_digest="ab" * 32))
    assert "block digests that don't give content_digest" in refused(false.write(tmp_path))


def replace_table(folder: Path, file: str, table: pa.Table) -> None:
    pq.write_table(table, folder / file)


@pytest.mark.parametrize("file", ["rows.parquet", "rejects.parquet"])
def test_a_null_in_a_table_is_refused(built: Path, file: str) -> None:
    table = pq.read_table(built / file)
    texts = pa.array([None, *table.column("source").to_pylist()[1:]], type=pa.string())
    replace_table(built, file, table.set_column(0, "source", texts))
    assert "a null where none may be" in refused(built)


@pytest.mark.parametrize(
    "change",
    [
        lambda table: table.append_column("more", table.column("row")),
        lambda table: table.drop_columns(["row"]),
        lambda table: table.set_column(1, "row", table.column("row").cast(pa.int64())),
    ],
    ids=["one more", "one less", "another type"],
)
@pytest.mark.parametrize(
    ("file", "form"), [("rows.parquet", ROWS), ("rejects.parquet", REJECTS)], ids=["rows", "rejects"]
)
def test_a_table_with_other_columns_is_refused_even_when_it_is_empty(
    tmp_path: Path, file: str, form: object, change: Callable[[pa.Table], pa.Table]
) -> None:
    assert form in {ROWS, REJECTS}
    folder = parts_of(traces(0)).write(tmp_path)
    assert read_manifest(folder).rows.num_rows == 0
    replace_table(folder, file, change(pq.read_table(folder / file)))
    assert "expected the columns source:string,row:u64" in refused(folder)


def test_the_same_table_written_by_another_tool_is_the_same_manifest(built: Path) -> None:
    honest = loaded(built)
    for file in ("rows.parquet", "rejects.parquet"):
        pq.write_table(pq.read_table(built / file), built / file, compression="none", row_group_size=2)
    assert same(read_manifest(built), honest)


@pytest.mark.parametrize(
    ("table", "column"), [("rows", "source"), ("rejects", "source"), ("rejects", "detail")]
)
def test_text_that_is_not_utf8_is_refused(table: str, column: str, tmp_path: Path) -> None:
    whole = getattr(HONEST, table)
    place = whole.schema.get_field_index(column)
    broken = pa.array([b"\xff"] * whole.num_rows, type=pa.binary())
    text = pa.StringArray.from_buffers(len(broken), *broken.buffers()[1:])
    false = replace(HONEST, **{table: whole.set_column(place, whole.schema.field(place), text)}).sealed()
    assert f"{table}.parquet" in refused(false.write(tmp_path))


@pytest.mark.parametrize(
    ("receipt", "words"),
    [
        (b"", "not JSON"),
        (b"\xff", "not JSON"),
        (b"[" * 100_000, "not JSON"),
        (b"[]", "not a receipt"),
        (b"{}", "not a receipt"),
        (b'{"blocks":[]}', "not a receipt"),
        (b'{"blocks":{}}', "no list of block digests"),
        (b'{"blocks":{"content":{}}}', "no list of block digests"),
        (b'{"blocks":{"content":[1]}}', "no list of block digests"),
        (b'{"blocks":{"content":["zz"]}}', "no list of block digests"),
        (b'{"blocks":{"content":[]}}', "no list of block digests"),
        (b'{"blocks":{"content":["' + b"ab" * 32 + b'"]}}', "block digests that don't give content_digest"),
    ],
)
def test_a_receipt_without_the_right_block_digests_is_refused(
    built: Path, receipt: bytes, words: str
) -> None:
    (built / "receipt.json").write_bytes(receipt)
    assert words in refused(built)


def test_nothing_but_the_block_digests_of_a_receipt_matters(built: Path) -> None:
    honest = loaded(built)
    blocks = json.loads((built / "receipt.json").read_bytes())["blocks"]["content"]
    assert root_digest(CONTENT, honest.identity.rows, blocks) == honest.content_digest
    (built / "receipt.json").write_text(json.dumps({"name": 7, "blocks": {"content": blocks}}))
    assert same(read_manifest(built), honest)


def test_a_manifest_of_another_format_is_refused_by_its_number(tmp_path: Path) -> None:
    folder = HONEST.write(tmp_path)
    (folder / "manifest.json").write_bytes(HONEST.identity.data.replace(b'"format":1', b'"format":2'))
    assert "manifest format 2; this version reads format 1" in refused(folder)


def test_every_refusal_is_an_error_of_this_package() -> None:
    assert issubclass(FormatError, ManifestError)
    assert issubclass(VerificationError, ManifestError)
    assert (FormatError.exit_status, VerificationError.exit_status) == (2, 1)
