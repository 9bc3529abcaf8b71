"""Every single flipped bit, every truncation and every swapped file of a small store: refused, or nothing changed.

    python benchmarks/flips.py [--store DIR] [--name NAME] [--processes N]

The default is the frozen store of format 1. After each change the manifest and its dataset are read the way any reader
reads them. A change that is not refused must leave identity, rows, rejects and texts as they were: anything else, a
traceback or a process that ends is a failure. Prints the points tried and the failures; exits with 1 if there are any.
"""

import argparse
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from manifests.dataset import read_dataset
from manifests.errors import FormatError, VerificationError
from manifests.manifest import read_manifest
from manifests.store import Store

ROOT = Path(__file__).resolve().parent.parent
PORTION = 256
"""Bytes of a file whose bits one child flips: a child that dies costs no other its work."""


def everything(folder: Path, dataset: Path) -> tuple[object, ...]:
    """All that a reader gets of a manifest and its dataset."""
    manifest = read_manifest(folder)
    texts = [block.to_pydict() for block in read_dataset(dataset, manifest)]
    return manifest.identity, manifest.rows.to_pydict(), manifest.rejects.to_pydict(), texts


def attempt(folder: Path, dataset: Path, honest: tuple[object, ...]) -> str:
    """`refused`, `unchanged` or `wrong`."""
    try:
        return "unchanged" if everything(folder, dataset) == honest else "wrong"
    except (FormatError, VerificationError) as error:
        return "wrong" if "\n" in str(error) else "refused"


def child(folder: Path, dataset: Path, path: Path, first: int, last: int) -> None:
    """Flip every bit of a file's bytes `first` to `last`, and cut the file at each of them; print the counts."""
    honest, data = everything(folder, dataset), path.read_bytes()
    counts = {"refused": 0, "unchanged": 0, "wrong": 0}
    for place in range(first, min(last, len(data))):
        for bit in range(8):
            flipped = bytearray(data)
            flipped[place] ^= 1 << bit
            path.write_bytes(flipped)
            counts[attempt(folder, dataset, honest)] += 1
        path.write_bytes(data[:place])
        counts[attempt(folder, dataset, honest)] += 1
    path.write_bytes(data)
    print(*counts.values())


def portion(store: Path, name: str, file: Path, first: int) -> tuple[int, int, int]:
    """(refused, unchanged, failures) of a portion of a file, tried in a copy of the store by a child."""
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder, "store")
        shutil.copytree(store, copy)
        done = subprocess.run(  # noqa: S603 - this script
            [
                sys.executable,
                __file__,
                "--child",
                copy,
                "--name",
                name,
                "--file",
                file,
                "--first",
                str(first),
            ],
            capture_output=True,
            text=True,
            check=False,
        )
    if done.returncode:
        print(f"{file} from {first}: the child ended with {done.returncode}: {done.stderr[-300:]}")
        return 0, 0, 1
    refused, unchanged, wrong = map(int, done.stdout.split())
    return refused, unchanged, wrong


def swaps(store: Path, names: list[str]) -> tuple[int, int]:
    """(tried, failures): each file of each manifest in the place of each other's of that name."""
    tried = failures = 0
    reader = Store(store, behind=())
    for name in names:
        for other in names:
            for file in ("manifest.json", "rows.parquet", "rejects.parquet", "receipt.json", "dataset"):
                if other == name:
                    continue
                with tempfile.TemporaryDirectory() as folder:
                    copy = Path(folder, "store")
                    shutil.copytree(store, copy)
                    mine, theirs = (reader.resolve(one) for one in (name, other))
                    rooms = ("datasets", "") if file == "dataset" else ("manifests", file)
                    target, source = (copy / rooms[0] / one / rooms[1] for one in (mine, theirs))
                    honest = everything(store / "manifests" / mine, store / "datasets" / mine)
                    if file == "dataset":
                        shutil.rmtree(target)
                        shutil.copytree(source, target)
                    else:
                        shutil.copyfile(source, target)
                    outcome = attempt(copy / "manifests" / mine, copy / "datasets" / mine, honest)
                    tried, failures = tried + 1, failures + (outcome != "refused")
    return tried, failures


def main() -> int:
    """Try everything, print the figures."""
    parser = argparse.ArgumentParser(description="Flip every bit of a small store.")
    parser.add_argument("--store", type=Path, default=ROOT / "tests" / "frozen" / "format-1" / "store")
    parser.add_argument("--name", default="session-b")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--child", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--file", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--first", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    store = options.child or options.store
    identifier = Store(store, behind=()).resolve(options.name)
    folder, dataset = store / "manifests" / identifier, store / "datasets" / identifier
    if options.child:
        child(folder, dataset, store / options.file, options.first, options.first + PORTION)
        return 0
    files = [
        path.relative_to(store) for room in (folder, dataset / "data") for path in sorted(room.iterdir())
    ]
    failures = 0
    with ThreadPoolExecutor(options.processes) as pool:
        for file in files:
            size = (store / file).stat().st_size
            begins = range(0, size, PORTION)
            found = list(pool.map(lambda first, file=file: portion(store, options.name, file, first), begins))
            refused, unchanged, wrong = (sum(column) for column in zip(*found, strict=True))
            failures += wrong
            print(
                f"{file.name:<34} {size:>7,} bytes: {8 * size:>7,} flips, {size:>6,} cuts: {refused:>7,} refused, "
                f"{unchanged:>6,} unchanged, {wrong} failures",
                flush=True,
            )
    names = sorted({version.name for version in Store(store, behind=()).versions()})
    tried, wrong = swaps(store, names)
    print(f"swaps of files between manifests: {tried} tried, {wrong} failures")
    return 1 if failures + wrong else 0


if __name__ == "__main__":
    sys.exit(main())
