"""The command: `python -m benchmarks.bench`, and `python -m benchmarks.bench page` to write the pages anew.

It writes `benchmarks/results.json`, `benchmarks/RESULTS.md` from it, and the README's part between its marks. Some of
the contests, or fewer rows, are nothing to publish: their pages lie below `.bench`. Exit status 1 says that somebody
could not run, or that a difference is not explained; the page says which.
"""

import argparse
import json
import signal
import sys
from collections.abc import Sequence
from dataclasses import fields, replace
from pathlib import Path

from benchmarks.bench.contest import Sizes
from benchmarks.bench.page import readme_part, render, with_part
from benchmarks.bench.results import read_results, write_results
from benchmarks.bench.run import CONTESTS, ROOT, TPU, Options, run_all, say

FOLDER, README = ROOT / "benchmarks", ROOT / "README.md"
PART = ROOT / ".bench" / "part"


def main() -> int:
    """Parse, run, write."""
    options = _parser().parse_args()
    signal.signal(
        signal.SIGTERM, lambda *_: sys.exit(143)
    )  # so that what runs is ended, and its files removed
    out: Path = options.out or folder_of(options.only, options.one_in)
    if options.what == "run":
        sizes = replace(Sizes(), **{size.name: getattr(options, size.name) for size in fields(Sizes)})
        results = run_all(
            Options(
                options.cache.resolve(),
                sizes,
                tuple(options.only),
                options.data,
                options.real,
                dict(_given(given) for given in options.python),
                options.minutes,
            )
        )
        out.mkdir(parents=True, exist_ok=True)
        write_results(results, out / "results.json")
    results = read_results(out / "results.json")
    if options.what == "page" and TPU.is_file():  # it is measured on its own, maybe after the rest
        results = replace(results, tpu=json.loads(TPU.read_bytes()))
        write_results(results, out / "results.json")
    (out / "RESULTS.md").write_text(render(results), encoding="utf-8")
    if out.resolve() == FOLDER:
        text = README.read_text(encoding="utf-8")
        README.write_text(with_part(text, readme_part(results)), encoding="utf-8")
    say(
        f"{out / 'RESULTS.md'}: {'everything ran' if results.whole else 'not everything ran, or differs; it says what'}"
    )
    return 0 if results.whole else 1


def folder_of(contests: Sequence[str], one_in: int) -> Path:
    """Where the pages of some contests on one in so many rows go."""
    return FOLDER if tuple(contests) == CONTESTS and one_in == 1 else PART


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.bench", description="Ours beside its rivals, on one page."
    )
    parser.add_argument(
        "what",
        nargs="?",
        choices=("run", "page"),
        default="run",
        help="`page` measures nothing, but reads tpu.json",
    )
    parser.add_argument("--only", nargs="+", choices=CONTESTS, default=list(CONTESTS), metavar="CONTEST")
    parser.add_argument("--data", type=Path, help="what `curation demo-sources DIR --scale full` wrote")
    parser.add_argument("--real", type=Path, help="a folder with flan-cot, for near duplicates")
    parser.add_argument(
        "--python",
        action="append",
        default=[],
        metavar="NAME=PATH",
        help="a Python with this rival's packages",
    )
    parser.add_argument("--minutes", type=float, default=60.0, help="nothing is begun after these")
    parser.add_argument("--cache", type=Path, default=ROOT / ".bench", help="keeps the rivals' environments")
    parser.add_argument("--out", type=Path, help="where the pages go (default: benchmarks, or .bench/part)")
    for size in fields(Sizes):
        kind = type(size.default)
        parser.add_argument(f"--{size.name.replace('_', '-')}", type=kind, default=size.default)
    return parser


def _given(text: str) -> tuple[str, Path]:
    name, _, path = text.partition("=")
    return name, Path(path)


if __name__ == "__main__":
    sys.exit(main())
