"""The MinHash of datasketch and of datatrove, for `near.py`. Runs in an environment that has them.

    python rivals/near.py datasketch|datasketch-xxhash|datatrove TEXTS BANDS ROWS WORDS PROCESSES

TEXTS is a JSON list of texts. Prints one JSON object: seconds from texts to the documents to drop, candidate pairs,
documents dropped. Signatures are computed by so many processes, which hold the texts before the clock runs.

- datasketch: MinHash.bulk over the set of word shingles, then an LSH index: a document that meets another there is
  dropped, else entered. With its own hash (SHA-1), or with xxHash's.
- datatrove: its four steps, with its own tokenizer and normalisation. Its candidates are the matches that it writes.
"""

import importlib
import json
import logging
import multiprocessing
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from multiprocessing.pool import Pool
from pathlib import Path
from typing import Any

_held: dict[str, Any] = {}


def main() -> None:
    """Run the one that was asked for."""
    name, path, *numbers = sys.argv[1:]
    bands, rows, words, processes = map(int, numbers)
    _held.update(
        texts=json.loads(Path(path).read_bytes()), bands=bands, rows=rows, words=words, parts=processes
    )
    run = _prepare_datatrove() if name == "datatrove" else _prepare_datasketch(name)
    with multiprocessing.get_context("fork").Pool(processes) as pool:
        pool.map(_nothing, range(processes))
        started = time.perf_counter()
        candidates, dropped = run(pool)
        seconds = time.perf_counter() - started
    print(json.dumps({"seconds": seconds, "candidates": candidates, "dropped": dropped}))


def _nothing(_: int) -> None:
    """Wake a process."""


def _prepare_datasketch(name: str) -> Callable[[Pool], tuple[int, int]]:
    settings: dict[str, Any] = {"num_perm": _held["bands"] * _held["rows"]}
    if name == "datasketch-xxhash":
        settings["hashfunc"] = importlib.import_module("xxhash").xxh32_intdigest
    _held.update(datasketch=importlib.import_module("datasketch"), settings=settings)
    return _datasketch


def _datasketch(pool: Pool) -> tuple[int, int]:
    index = _held["datasketch"].MinHashLSH(
        num_perm=_held["settings"]["num_perm"], params=(_held["bands"], _held["rows"])
    )
    candidates = dropped = row = 0
    for sketches in pool.imap(_sketches, range(0, len(_held["texts"]), 1000)):
        for sketch in sketches:
            met = index.query(sketch)
            candidates += len(met)
            if met:
                dropped += 1
            else:
                index.insert(row, sketch, check_duplication=False)
            row += 1
    return candidates, dropped


def _sketches(first: int) -> list[Any]:
    length = _held["words"]
    sets = []
    for text in _held["texts"][first : first + 1000]:
        words = text.encode().lower().split()
        sets.append({b" ".join(words[at : at + length]) for at in range(max(1, len(words) - length + 1))})
    minhash = _held["datasketch"].MinHash
    return [_held["datasketch"].LeanMinHash(sketch) for sketch in minhash.bulk(sets, **_held["settings"])]


def _prepare_datatrove() -> Callable[[Pool], tuple[int, int]]:
    os.environ["TQDM_DISABLE"] = "1"
    logger = importlib.import_module("loguru").logger
    logger.remove()
    logger.add(sys.stderr, level=logging.WARNING)
    steps = importlib.import_module("datatrove.pipeline.dedup.minhash")
    document = importlib.import_module("datatrove.data").Document
    texts, parts = _held["texts"], _held["parts"]
    shares = [range(part * len(texts) // parts, (part + 1) * len(texts) // parts) for part in range(parts)]
    _held.update(
        steps=steps,
        config=steps.MinhashConfig(
            n_grams=_held["words"], num_buckets=_held["bands"], hashes_per_bucket=_held["rows"]
        ),
        documents=[[document(text=texts[row], id=str(row)) for row in share] for share in shares],
        folder=tempfile.mkdtemp(),
    )
    signature = steps.MinhashDedupSignature(_held["folder"] + "/signatures", _held["config"])
    signature.word_tokenizer.word_tokenize("its tokenizer is loaded at the first text")
    _held["signature"] = signature
    return _datatrove


def _datatrove(pool: Pool) -> tuple[int, int]:
    folder = _held["folder"]
    pool.map(_sign, range(_held["parts"]), chunksize=1)
    pool.map(_match, range(_held["bands"]), chunksize=1)
    _held["steps"].MinhashDedupCluster(folder + "/matches", folder + "/clusters", _held["config"]).run()
    left = sum(pool.map(_filter, range(_held["parts"]), chunksize=1))
    return len(set(_matches(Path(folder) / "matches"))), len(_held["texts"]) - left


def _sign(part: int) -> None:
    _held["signature"].run(_held["documents"][part], part, _held["parts"])


def _match(band: int) -> None:
    folder = _held["folder"]
    step = _held["steps"].MinhashDedupBuckets(
        folder + "/signatures", folder + "/matches", config=_held["config"], lines_to_buffer=1000
    )
    step.run(None, band, _held["bands"])


def _filter(part: int) -> int:
    step = _held["steps"].MinhashDedupFilter(_held["folder"] + "/clusters")
    return sum(1 for _ in step.run(_held["documents"][part], part, _held["parts"]))


def _matches(folder: Path) -> Iterator[bytes]:
    for path in folder.glob("*.dups"):
        data = path.read_bytes()
        yield from (data[at : at + 16] for at in range(0, len(data), 16))


if __name__ == "__main__":
    main()
