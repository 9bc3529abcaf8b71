"""What the tests of curation share: small sources in every format, recipes, builds, and what stands in a manifest."""

import csv
import json
import os
import random
import subprocess
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from curation.build import Built, build
from curation.cli import main
from curation.recipe_reader import parse_recipe
from manifests.keys import Trace
from manifests.manifest import Manifest
from manifests.store import Store

ROOT = Path(__file__).resolve().parents[2]
COLUMNS = {"prompt": "prompt", "reasoning": "reasoning", "answer": "answer"}

Item = TypeVar("Item")
Row = tuple[str, int]
StageCounts = tuple[str, int, int, dict[str, int]]


def traces(count: int, first: int = 1) -> list[Trace]:
    """Traces that differ from each other, numbered from `first`; each text is there once and partly beyond ASCII."""
    return [
        Trace(f"Frage {number}: what follows?", f"Nach {number} kommt „eins mehr“.", f"Antwort {number + 1}.")
        for number in range(first, first + count)
    ]


def write_traces(path: Path, rows: Iterable[Trace]) -> Path:
    """Write traces in the format that the name asks for, with the columns prompt, reasoning and answer."""
    path.parent.mkdir(parents=True, exist_ok=True)
    WRITERS[path.suffix](path, [row._asdict() for row in rows])
    return path


def _write_parquet(path: Path, rows: Sequence[Mapping[str, str]]) -> None:
    schema = pa.schema([(name, pa.string()) for name in COLUMNS])
    # Plain values, uncompressed: a test that changes a byte finds it by its text.
    pq.write_table(
        pa.Table.from_pylist(list(rows), schema),
        path,
        compression="none",
        use_dictionary=False,
        row_group_size=4,
    )


def _write_csv(path: Path, rows: Sequence[Mapping[str, str]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(COLUMNS))
        writer.writeheader()
        writer.writerows(rows)


def _write_tsv(path: Path, rows: Sequence[Mapping[str, str]]) -> None:
    lines = ["\t".join(COLUMNS), *("\t".join(row.values()) for row in rows)]
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")


def _write_jsonl(path: Path, rows: Sequence[Mapping[str, str]]) -> None:
    lines = (json.dumps(row, ensure_ascii=False) for row in rows)
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")


def _write_json(path: Path, rows: Sequence[Mapping[str, str]]) -> None:
    path.write_text(json.dumps(list(rows), ensure_ascii=False), encoding="utf-8")


WRITERS: dict[str, Callable[[Path, Sequence[Mapping[str, str]]], None]] = {
    ".parquet": _write_parquet,
    ".jsonl": _write_jsonl,
    ".json": _write_json,
    ".csv": _write_csv,
    ".tsv": _write_tsv,
}


def source(name: str, files: str | Path | None = None, /, **keys: object) -> dict[str, object]:
    """A [[source]] table. Its file is `<name>.jsonl` unless another is given."""
    return {"name": name, "files": str(files or f"{name}.jsonl"), "columns": COLUMNS, **keys}


def build_mix(folder: Path, /, *sources: Mapping[str, object], **top: object) -> Built:
    """Build a recipe whose files lie in `folder`, into the store `folder/store`.

    The mix is called `mix` and its order is sequential unless `top` says otherwise.
    """
    return build_watched(folder, sources, lambda _what, _rows: None, **top)


class Watch:
    """A progress that passes on what is being done and how many rows of it are done, part by part."""

    def __init__(self, told: Callable[[str, int], None]) -> None:
        self._told, self._what, self._rows = told, "", 0

    def begin(self, what: str, size: int | None = None) -> None:
        del size
        self._what, self._rows = what, 0

    def step(self, rows: int, size: int) -> None:
        del size
        self._rows += rows
        self._told(self._what, self._rows)


def build_watched(
    folder: Path, sources: Sequence[Mapping[str, object]], told: Callable[[str, int], None], /, **top: object
) -> Built:
    """Build like `build_mix`; after every part of a file `told` gets what is done, and how many rows of it."""
    table = {"name": "mix", "order": "sequential", "source": [dict(entry) for entry in sources], **top}
    return build(parse_recipe(table, folder, "recipe"), store_at(folder / "store"), Watch(told))


def store_at(root: Path) -> Store:
    """The store at `root`, with nothing behind it."""
    return Store(root, behind=())


def toml(value: object) -> str:
    """A value as TOML writes it inline."""
    if isinstance(value, Mapping):
        return f"{{ {', '.join(f'{key} = {toml(item)}' for key, item in value.items())} }}"
    return json.dumps(value)  # texts, numbers, booleans and lists of them look alike in both


def write_recipe(path: Path, *sources: Mapping[str, object], **top: object) -> Path:
    """Write a recipe as TOML; it is called `mix` unless `top` says otherwise."""
    lines = [f"{key} = {toml(value)}" for key, value in {"name": "mix", **top}.items()]
    for entry in sources:
        lines += ["[[source]]", *(f"{key} = {toml(value)}" for key, value in entry.items())]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def rows_of(manifest: Manifest) -> list[Row]:
    """(source, row) of every row, in training order."""
    columns = (manifest.rows.column(name).to_pylist() for name in ("source", "row"))
    return list(zip(*columns, strict=True))


def numbers_of(manifest: Manifest) -> list[int]:
    """The row numbers, in training order."""
    return [row for _, row in rows_of(manifest)]


def rejects_of(manifest: Manifest) -> list[tuple[object, ...]]:
    """The rejects table, row by row."""
    return [tuple(row.values()) for row in manifest.rejects.to_pylist()]


def reasons_of(manifest: Manifest) -> dict[int, tuple[str, str]]:
    """(stage, reason) of every reject, by row."""
    return {row["row"]: (row["stage"], row["reason"]) for row in manifest.rejects.to_pylist()}


def ledger_of(manifest: Manifest) -> dict[str, list[StageCounts]]:
    """(stage, in, out, dropped by reason) of every stage, by source."""
    return {
        entry.source: [
            (stage.stage, stage.rows_in, stage.rows_out, dict(stage.dropped)) for stage in entry.stages
        ]
        for entry in manifest.identity.ledger
    }


def texts_of(built: Built, store: Path) -> list[Trace]:
    """The text of every row, in training order, read from the dataset."""
    blocks = store_at(store).dataset_blocks(built.manifest)
    return [
        Trace(row["prompt"], row["reasoning"], row["answer"]) for block in blocks for row in block.to_pylist()
    ]


def left_behind(store: Path) -> list[str]:
    """Whatever lies in a store beside its lock and the empty folders `datasets` and `manifests`."""
    paths = {str(path.relative_to(store)) for path in store.rglob("*")} if store.exists() else set()
    return sorted(paths - {".lock", "datasets", "manifests"})


def files_below(folder: Path) -> dict[str, bytes]:
    """Every file below a folder, hidden ones too, by path."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def message_of(raised: pytest.ExceptionInfo[BaseException]) -> str:
    """The message of an error, which has to be one line."""
    message = str(raised.value)
    assert message
    assert "\n" not in message
    return message


def change_byte(path: Path, old: str, new: str) -> None:
    """Put `new` in the place of `old`, which stands in the file exactly once and is as long."""
    data, before, after = path.read_bytes(), old.encode(), new.encode()
    assert data.count(before) == 1
    assert len(before) == len(after)
    path.write_bytes(data.replace(before, after))


def plain_reservoir(rows: Iterable[Item], wanted: int, seed: int) -> list[Item]:
    """The script that the draw `reservoir` must agree with."""
    random.seed(seed)
    slots: list[Item] = []
    for k, row in enumerate(rows, 1):
        if k <= wanted:
            slots.append(row)
        else:
            j = random.randint(0, k - 1)
            if j < wanted:
                slots[j] = row
    return slots


def plain_shuffle(rows: Iterable[Item], wanted: int, seed: int) -> list[Item]:
    """The script that the draw `shuffle` must agree with."""
    everything = list(rows)
    random.seed(seed)
    random.shuffle(everything)
    return everything[:wanted]


@dataclass(frozen=True)
class Outcome:
    """What a command left: its exit status and what it wrote."""

    status: int
    out: str
    err: str

    @property
    def result(self) -> dict[str, object]:
        """The one JSON object on standard output."""
        value = json.loads(self.out)
        assert isinstance(value, dict)
        return value

    @property
    def error(self) -> str:
        """The one line on standard error, without what every error begins with; nothing is on standard output."""
        assert self.out == ""
        assert self.err.count("\n") == 1
        assert self.err.endswith("\n")
        beginning = "curation: error: "
        assert self.err.startswith(beginning)
        return self.err.removeprefix(beginning).removesuffix("\n")


Command = Callable[..., Outcome]


def run_command(capture: pytest.CaptureFixture[str], *arguments: object) -> Outcome:
    """Run `curation` with these arguments in this process."""
    capture.readouterr()
    status = main([str(argument) for argument in arguments])
    out, err = capture.readouterr()
    return Outcome(status, out, err)


def run_python(*arguments: object, **environment: str) -> str:
    """What a Python of its own prints, started from another folder with these environment variables."""
    done = subprocess.run(
        [sys.executable, *map(str, arguments)],
        cwd=ROOT.parent,
        env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout
