"""How many processes read, and where files are cut into parts, changes nothing: not one byte of the manifest."""

import csv
import gzip
import io
import json
import random
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pyarrow as pa
import pytest

import curation.regenerate
from curation.build import build
from curation.errors import SourceError
from curation.files import SourceFile
from curation.formats.base import Head, Span
from curation.readers import cut
from curation.recipe_reader import parse_recipe
from curation.regenerate import regenerate
from curation.source_rows import SourceRows
from manifests.keys import Trace
from manifests.manifest import Manifest
from tests.curation.helpers import (
    WRITERS,
    build_mix,
    files_below,
    ledger_of,
    message_of,
    reasons_of,
    source,
    store_at,
    traces,
)

FIND = SourceRows.find
SPANS = [1, 60, 333, 1 << 20]
FAULTY = [Trace("", "Because.", "Yes."), Trace("Why?", " ", "Yes."), Trace("Why?", "Because.", "\n")]
# Texts that look like the places where files are cut.
TRAPS = [
    '"}, {"prompt": "no row", "reasoning": "of its own", "answer": "at all"}, {"',
    '}, "member": {"prompt": "a"}, "x": {',
    '}\n{"prompt": "a", "reasoning": "b", "answer": "c"}\n{',
    'a quote " inside, and "two" more\nand a line',
    '"\n"\n"\na,b,c\n"',
    "a,b,c\r\nd,e,f\r\n",
    '\\"},{\\\\',
    "„“” \u2028 \U0001f600 火 \u0000 end",
]


def trapped(count: int) -> list[Trace]:
    """Traces full of traps; of every seven one is no trace, and one is there twice."""
    generator = random.Random(7)
    rows: list[Trace] = []
    for number in range(count):
        texts = [f"{number} {generator.choice(TRAPS)} {generator.choice(TRAPS)} x" for _ in range(3)]
        row = Trace(*texts)
        if number % 7 == 3:
            row = generator.choice(FAULTY)
        elif number % 7 == 5:
            row = rows[-1]
        rows.append(row)
    return rows


def write_gzip(path: Path, rows: Sequence[Mapping[str, str]]) -> None:
    WRITERS[".jsonl"](path, rows)
    path.write_bytes(gzip.compress(path.read_bytes(), mtime=0))


def write_zstd(path: Path, rows: Sequence[Mapping[str, str]]) -> None:
    WRITERS[".jsonl"](path, rows)
    plain = path.read_bytes()
    with pa.CompressedOutputStream(str(path), "zstd") as stream:
        stream.write(plain)


def write_object(path: Path, rows: Sequence[Mapping[str, str]]) -> None:
    members = {f'"}}, {{ {number}': row for number, row in enumerate(rows)}
    path.write_text(json.dumps(members, ensure_ascii=False), encoding="utf-8")


def write_crlf(path: Path, rows: Sequence[Mapping[str, str]]) -> None:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\r\n", quoting=csv.QUOTE_ALL)
    writer.writerows([list(rows[0]), *(list(row.values()) for row in rows)])
    path.write_bytes(text.getvalue().encode())


def write_unquoted(path: Path, rows: Sequence[Mapping[str, str]]) -> None:
    """CSV in which fields that need no quotes have single ones inside: whoever counts quotes cuts it wrongly."""
    lines = ["prompt,reasoning,answer"]
    for row in rows:
        fields = []
        for number, text in enumerate(row.values()):
            if number == 1 and text:
                fields.append('"' + text.replace('"', '""') + '"')
            else:
                plain = text.replace(",", ";").replace("\n", " ").replace("\r", " ").lstrip('"')
                fields.append(f'{plain} 5" wide' if plain.strip() else "")
        lines.append(",".join(fields))
    path.write_bytes("\n".join(lines).encode())


def write_flat_tsv(path: Path, rows: Sequence[Mapping[str, str]]) -> None:
    flat = [{name: " ".join(text.split()) for name, text in row.items()} for row in rows]
    WRITERS[".tsv"](path, flat)


FORMATS: dict[str, Callable[[Path, Sequence[Mapping[str, str]]], None]] = {
    "a.parquet": WRITERS[".parquet"],
    "a.jsonl": WRITERS[".jsonl"],
    "a.jsonl.gz": write_gzip,
    "a.jsonl.zst": write_zstd,
    "list.json": WRITERS[".json"],
    "object.json": write_object,
    "a.csv": WRITERS[".csv"],
    "crlf.csv": write_crlf,
    "unquoted.csv": write_unquoted,
    "a.tsv": write_flat_tsv,
}
SCRIPT = {"by": "script", "without": ["Han"]}
DRAWS: dict[str, dict[str, object]] = {
    "all": {},
    "drawn": {"take": {"shuffle": 20}, "duplicates": "keep"},
    "raw": {"draw": "raw", "take": {"reservoir": 30}, "duplicates": "keep"},
    "script": {
        "draw": "raw",
        "take": {"shuffle": 9},
        "language": SCRIPT,
        "max_drop": 1,
        "duplicates": "keep",
    },
    "range": {"rows": [18, 45], "near": {"threshold": 1}, "duplicates": "keep"},
}


def cut_small(monkeypatch: pytest.MonkeyPatch, size: int) -> None:
    """Have files cut into parts of about this size, by builds and by regeneration."""
    found = FIND.__func__  # type: ignore[attr-defined]

    def find(kind: type[SourceRows], *arguments: object) -> SourceRows:
        rows: SourceRows = found(kind, *arguments)
        rows.span_bytes = size
        return rows

    def cut_file(file: SourceFile, head: Head) -> list[Span]:
        return list(cut(file, head, size))

    monkeypatch.setattr(SourceRows, "find", classmethod(find))
    monkeypatch.setattr(curation.regenerate, "cut", cut_file)


def built(folder: Path, store: Path, workers: int, *sources: Mapping[str, object], **top: object) -> Manifest:
    recipe = parse_recipe({"name": "mix", "source": list(sources), **top}, folder, "recipe")
    return build(recipe, store_at(store), workers=workers).manifest


def manifest_bytes(manifest: Manifest) -> dict[str, bytes]:
    """The files of a manifest, without the receipt, which holds the time."""
    return {name: data for name, data in files_below(manifest.folder).items() if name != "receipt.json"}


def dataset_bytes(store: Path, manifest: Manifest) -> dict[str, bytes]:
    return files_below(store / "datasets" / manifest.id)


@pytest.mark.parametrize("name", FORMATS)
def test_wherever_a_file_is_cut_the_manifest_is_the_same_byte_for_byte(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    FORMATS[name](tmp_path / name, [row._asdict() for row in trapped(60)])
    sources = [source(draw, name, **keys) for draw, keys in DRAWS.items()]
    whole = built(tmp_path, tmp_path / "whole", 0, *sources)
    dropped = {stage for entry in whole.identity.ledger for stage, _, _ in entry.rejected()}
    assert dropped >= {"parse", "language", "duplicates", "near"}
    for size in SPANS:
        cut_small(monkeypatch, size)
        store = tmp_path / f"store-{size}"
        manifest = built(tmp_path, store, 0, *sources)
        assert manifest_bytes(manifest) == manifest_bytes(whole)
        assert dataset_bytes(store, manifest) == dataset_bytes(tmp_path / "whole", whole)


@pytest.fixture(scope="module")
def every_format(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[dict[str, object]], Manifest]:
    """A folder, sources in it of every format with every kind of draw, and the manifest that this process builds."""
    folder = tmp_path_factory.mktemp("formats")
    sources = []
    for number, (name, write) in enumerate(FORMATS.items()):
        (folder / str(number)).mkdir()
        write(folder / str(number) / name, [row._asdict() for row in trapped(50 + 7 * number)])
        draw, keys = list(DRAWS.items())[number % len(DRAWS)]
        sources.append(source(f"{draw}-{number}", f"{number}/*", **{**keys, "max_drop": 1}))
    return folder, sources, built(folder, folder / "store", 0, *sources)


@pytest.mark.parametrize("workers", [1, 2, 3])
def test_however_many_processes_read_the_manifest_is_the_same_byte_for_byte(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    every_format: tuple[Path, list[dict[str, object]], Manifest],
    workers: int,
) -> None:
    folder, sources, whole = every_format
    assert whole.identity.rows > 100
    cut_small(monkeypatch, 700)
    manifest = built(folder, tmp_path / "store", workers, *sources)
    assert manifest_bytes(manifest) == manifest_bytes(whole)
    assert dataset_bytes(tmp_path / "store", manifest) == dataset_bytes(folder / "store", whole)


def test_however_many_processes_read_the_rows_are_found_again(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    every_format: tuple[Path, list[dict[str, object]], Manifest],
) -> None:
    folder, _, whole = every_format
    cut_small(monkeypatch, 700)
    again = regenerate(store_at(folder / "store"), whole.id, {}, tmp_path / "again", workers=2)
    assert files_below(again.folder) == dataset_bytes(folder / "store", whole)


@pytest.mark.parametrize("name", FORMATS)
def test_however_a_file_is_cut_its_rows_are_found_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    FORMATS[name](tmp_path / name, [row._asdict() for row in trapped(90)])
    manifest = built(tmp_path, tmp_path / "store", 0, source("one", name, take={"shuffle": 30}))
    for size in SPANS:
        cut_small(monkeypatch, size)
        again = regenerate(
            store_at(tmp_path / "store"), manifest.id, {}, tmp_path / f"again-{size}", workers=0
        )
        assert files_below(again.folder) == dataset_bytes(tmp_path / "store", manifest)


@pytest.mark.parametrize(("size", "workers"), [*((size, 0) for size in SPANS), (333, 2)])
def test_a_broken_row_is_named_by_its_number_wherever_the_file_is_cut(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: int, workers: int
) -> None:
    rows = [json.dumps(row._asdict()) for row in traces(40)]
    rows[29] = rows[29][:-3]
    (tmp_path / "one.jsonl").write_text("\n".join(rows), encoding="utf-8")
    cut_small(monkeypatch, size)
    asked: list[dict[str, object]] = [{}, {"rows": [11, 35]}, {"draw": "raw"}, {"rows": [30, 30]}]
    for keys in asked:
        with pytest.raises(SourceError) as raised:
            built(tmp_path, tmp_path / "store", workers, source("one", **keys))
        assert "one.jsonl, row 30: not a line of JSON" in message_of(raised)


@pytest.mark.parametrize("size", SPANS)
@pytest.mark.parametrize("draw", ["filtered", "raw"])
@pytest.mark.parametrize("first", [1, 11, 29])
def test_what_is_broken_behind_the_range_is_not_the_ranges_concern(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: int, draw: str, first: int
) -> None:
    rows = [json.dumps(row._asdict()) for row in traces(40)]
    rows[29] = rows[29][:-3]
    (tmp_path / "one.jsonl").write_text("\n".join(rows), encoding="utf-8")
    cut_small(monkeypatch, size)
    manifest = built(tmp_path, tmp_path / "store", 0, source("one", rows=[first, 29], draw=draw))
    assert manifest.identity.rows == 30 - first


def test_a_row_is_dropped_for_the_first_thing_that_is_wrong_with_it(tmp_path: Path) -> None:
    """Parse, language, length, decontaminate, in this order: what left at one stage is not seen by the next."""
    question = " ".join(f"w{number}" for number in range(20))
    rows = [
        Trace("", "火 " * 50, question),
        Trace(f"{question} 火", "long " * 50, "yes"),
        Trace(question, "long " * 50, "yes"),
        Trace(question, "short", "yes"),
        Trace("Why?", "short", "yes"),
    ]
    WRITERS[".jsonl"](tmp_path / "one.jsonl", [row._asdict() for row in rows])
    WRITERS[".jsonl"](tmp_path / "test.jsonl", [{"question": question}])
    entry = source("one", language={"by": "script"}, length={"max_chars": 100}, max_drop=1)
    manifest = build_mix(tmp_path, entry, decontaminate={"against": ["test.jsonl"]}).manifest
    assert reasons_of(manifest) == {
        1: ("parse", "no-prompt"),
        2: ("language", "other-script"),
        3: ("length", "too-long"),
        4: ("decontaminate", "evaluation-question"),
    }
    assert [stage for stage, *_ in ledger_of(manifest)["one"]] == [
        *("rows", "parse", "language", "length", "decontaminate", "duplicates", "across", "take"),
    ]
