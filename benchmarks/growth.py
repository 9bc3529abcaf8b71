"""How the cost of the commands grows with the rows: time, memory and bytes at 10^5, 10^6 and 10^7 rows.

    python benchmarks/growth.py [--sizes 100000 1000000 10000000] [--folder DIR] [--out DIR]
    python benchmarks/growth.py --page-only [--out DIR]      write the page again from the figures that are there

For each size sources are generated (traces of 300 bytes; parquet in files of 25,000 rows, JSONL in one file; 2 % of
the rows are no traces, 2.5 % are repeated, 0.5 % are in two sources), and every command runs as a process of its own,
start-up included: `build` (a source taken whole, a reservoir, a hash draw), `regenerate` after the dataset is gone,
`verify`, `verify --dataset`, the `build` of a second session (a fifth of the rows, some of them the first one's), the
same without what the first holds, `audit` of the two, a `build` of 2,000 rows out of the middle of the first source,
and one of 2,000 drawn from all of that source. Two draws run alone, as functions, on as many candidates as there are
rows. The size before the last is run with traces five times as long too. What is planted in the sources has to come
out of every command, or the benchmark ends.

Three rounds of the smallest size, of which medians are taken, and one of the others. What the figures are is said in
growing/meter.py. Writes growth.json (the figures), growth.svg (a plot) and GROWTH.md (tables, and what they mean for
22 million and a billion rows, as growing/outlook.md has it).
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
# Run as a script, this folder comes first on the path, and its curation.py would hide the package.
sys.path[:] = [
    str(ROOT),
    *(entry for entry in sys.path if Path(entry or ".").resolve() != ROOT / "benchmarks"),
]

from benchmarks.growing.machine import machine, versions
from benchmarks.growing.page import verdicts, write_page
from benchmarks.growing.sources import Source, sources_of, text_bytes, write_sources

SIZES = (100_000, 1_000_000, 10_000_000)
ROUNDS_OF_SMALLEST = 3
WIDE_WORDS = 170  # of reasoning, five times the bytes of a trace
FEW_ROWS = 2_000  # of a range, and of a small draw

_METER = ROOT / "benchmarks" / "growing" / "meter.py"
# As `curation.selection` does it, in this process alone.
_DRAW = """
import sys
from curation.sampling import merge_smallest, reservoir, smallest_of
from curation.selection import HASHED_ROWS
kind, rows, wanted = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
def part(first):
    numbers = range(first + 1, min(first + HASHED_ROWS, rows) + 1)
    return smallest_of(((b"o" * 32, number) for number in numbers), wanted, 42, first)
if kind == "reservoir":
    drawn = reservoir(rows, wanted, 42)
else:
    drawn = merge_smallest(map(part, range(0, rows, HASHED_ROWS)), wanted)
assert len(set(drawn)) == wanted
"""


class BenchmarkError(Exception):
    """A command that ended otherwise than it should, or gave other rows than were planted."""


@dataclass
class Bench:
    """One size: its folder, and what was measured in it so far, by command and figure, round by round."""

    folder: Path
    rows: int
    measures: dict[str, dict[str, list[float]]] = field(default_factory=dict)

    @property
    def store(self) -> Path:
        """The store of this round."""
        return self.folder / "store"

    def run(self, name: str, *arguments: object, status: int = 0) -> str:
        """Measure a command under a name; what it printed. Raises BenchmarkError when it ends with another status."""
        command = [sys.executable, "-I", "-S", str(_METER), sys.executable, "-P", *map(str, arguments)]
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)  # noqa: S603
        told = json.loads(done.stdout)
        if told["status"] != status:
            raise BenchmarkError(f"{name}: exit status {told['status']}, expected {status}\n{told['said']}")
        figures: dict[str, float] = told["figures"]
        kept = self.measures.setdefault(name, {})
        for figure, value in figures.items():
            kept.setdefault(figure, []).append(value)
        print(
            f"{self.rows:>12,} rows  {name:<22} {figures['seconds']:8.1f} s  {figures['largest'] / 2**20:8,.0f} MiB",
            file=sys.stderr,
            flush=True,
        )
        return str(told["out"])

    def command(self, name: str, module: str, *arguments: object, status: int = 0) -> dict[str, Any]:
        """Measure a command of the project; the object that it prints."""
        out = self.run(name, "-m", module, *arguments, "--store", self.store, "--json", status=status)
        result: dict[str, Any] = json.loads(out)
        return result


def main() -> None:
    """Measure and write, or only write."""
    parser = argparse.ArgumentParser(description="How the cost of the commands grows with the rows.")
    parser.add_argument("--sizes", type=int, nargs="+", default=list(SIZES))
    parser.add_argument("--folder", type=Path, help="where to generate (default: a temporary folder)")
    parser.add_argument("--out", type=Path, default=ROOT / "benchmarks", help="where the page is written")
    parser.add_argument("--page-only", action="store_true", help="write the page from growth.json as it is")
    options = parser.parse_args()
    if len(set(options.sizes)) < 2 or min(options.sizes) < 5 * FEW_ROWS:  # noqa: PLR2004
        parser.error(f"--sizes: give at least two, each at least {5 * FEW_ROWS:,}")
    figures = options.out / "growth.json"
    if not options.page_only:
        with tempfile.TemporaryDirectory(dir=options.folder, prefix="growth-") as folder:
            measured = measure(Path(folder), sorted(set(options.sizes)))
        figures.write_text(json.dumps(measured, indent=1) + "\n", encoding="ascii")
    written = json.loads(figures.read_bytes())
    write_page(written, options.out)
    for line in verdicts(written):
        print(line)


def measure(folder: Path, sizes: list[int]) -> dict[str, object]:
    """The figures of all sizes, and of the last but one with long traces."""
    began = time.monotonic()
    measured = {
        str(size): one_size(folder, size, ROUNDS_OF_SMALLEST if size == sizes[0] else 1) for size in sizes
    }
    wide = one_size(folder, sizes[-2], 1, words=WIDE_WORDS)
    return {
        "machine": machine(),
        "versions": versions(),
        "minutes": round((time.monotonic() - began) / 60, 1),
        "sizes": measured,
        "wide": wide,
    }


def one_size(folder: Path, rows: int, rounds: int, **shape: int) -> dict[str, object]:
    """Everything at one size, in a folder that is removed in the end."""
    bench = Bench(folder / f"{rows}", rows)
    bench.folder.mkdir()
    sources = sources_of(rows, **shape)
    size = write_sources(bench.folder / "sources", sources)
    for _ in range(rounds):
        shutil.rmtree(bench.store, ignore_errors=True)
        facts = one_round(bench, sources)
    shutil.rmtree(bench.folder)
    return {
        "rows": rows,
        "rounds": rounds,
        "source_bytes": size,
        "text_bytes": text_bytes(**shape),
        **facts,
        "measures": bench.measures,
    }


def one_round(bench: Bench, sources: Mapping[str, Source]) -> dict[str, int]:
    """All commands once, in a store of their own; what else is worth knowing of what they made."""
    whole, lines, hashed, fresh = (sources[name] for name in ("whole", "lines", "hashed", "fresh"))
    wanted = {"lines": bench.rows // 10, "hashed": bench.rows // 20}
    first = _recipe(
        bench,
        "first",
        {
            "whole": "",
            "lines": f"take = {{ reservoir = {wanted['lines']} }}",
            "hashed": f"take = {{ hash = {wanted['hashed']} }}",
        },
    )
    workers = ("--workers", len(os.sched_getaffinity(0)))
    built = bench.command("build", "curation", "build", first, *workers)
    rejects = (
        sum(one.unclosed + one.repeated for one in (whole, lines, hashed)) + lines.shared + hashed.shared
    )
    taken = whole.rows - whole.unclosed - whole.repeated + sum(wanted.values())
    _same("build, rows and rejects", (built["rows"], built["rejects"]), (taken, rejects))
    identifier = built["id"]
    manifest, dataset = (bench.store / kind / identifier for kind in ("manifests", "datasets"))
    facts = {
        "taken": taken,
        "rejects": rejects,
        "drawn_from": whole.rows,
        "manifest_bytes": _size(manifest),
        "dataset_bytes": _size(dataset),
    }
    facts["receipt_bytes"] = (manifest / "receipt.json").stat().st_size
    facts["footer_bytes"] = _footer(manifest / "rows.parquet")

    shutil.rmtree(dataset)
    again = bench.command("regenerate", "curation", "regenerate", identifier, *workers)
    _same("regenerate", again["content_digest"], built["content_digest"])
    bench.command("verify", "manifests", "verify", identifier)
    checked = bench.command("verify --dataset", "manifests", "verify", identifier, "--dataset")
    _same("verify --dataset", (checked["verified"], checked["rows"]), (True, taken))

    second = bench.command(
        "build 2nd", "curation", "build", _recipe(bench, "second", {"fresh": ""}), *workers
    )
    left = fresh.rows - fresh.unclosed - fresh.repeated
    _same("build of session 2, rows", second["rows"], left)
    disjoint = _recipe(bench, "disjoint", {"fresh": ""}, '[disjoint]\nfrom = ["first"]\n')
    apart = bench.command("build 2nd, disjoint", "curation", "build", disjoint, *workers)
    _same("build of session 2 without what session 1 holds, rows", apart["rows"], left - fresh.shared)
    audit = bench.command("audit", "manifests", "audit", second["id"], identifier, status=1)
    _same("audit", (audit["same_row"], audit["same_content"]), (0, fresh.shared))

    middle = whole.rows // 2
    part = _recipe(bench, "part", {"whole": f"rows = [{middle + 1}, {middle + FEW_ROWS}]"})
    bench.command("build of a range", "curation", "build", part, *workers)
    few = _recipe(bench, "few", {"whole": f"take = {{ reservoir = {FEW_ROWS} }}"})
    drawn = bench.command("build of a draw", "curation", "build", few, *workers)
    _same("build of a draw, rows", drawn["rows"], FEW_ROWS)
    for kind in ("reservoir", "hash"):
        bench.run(f"draw {kind}", "-c", _DRAW, kind, bench.rows, bench.rows // 10)
    return facts


def _recipe(bench: Bench, name: str, sources: Mapping[str, str], more: str = "") -> Path:
    """Write a recipe of some sources, each with what is asked of it."""
    text = [f'name = "{name}"', "seed = 42"]
    for source, keys in sources.items():
        files = bench.folder / "sources" / source / "*"
        columns = '{ prompt = "prompt", response = "response" }'
        text += [
            "[[source]]",
            f'name = "{source}"',
            f"files = {json.dumps(str(files))}",
            f"columns = {columns}",
            keys,
        ]
    path = bench.folder / f"{name}.toml"
    path.write_text("\n".join([*text, more]), encoding="utf-8")
    return path


def _same(what: str, found: object, expected: object) -> None:
    if found != expected:
        raise BenchmarkError(f"{what}: found {found}, expected {expected}")


def _footer(path: Path) -> int:
    """The bytes of a parquet file's footer, which stand before its last four."""
    with path.open("rb") as file:
        file.seek(-8, os.SEEK_END)
        return int.from_bytes(file.read(4), "little")


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


if __name__ == "__main__":
    main()
