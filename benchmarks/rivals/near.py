"""The MinHash of other tools. Run by the contest `near`, each under a Python that has the tool.

    python rivals/near.py datasketch|datasketch-xxhash|datatrove|data-juicer TEXTS BANDS ROWS WORDS PROCESSES OUT

TEXTS is a JSON list of [prompt, reasoning, answer], joined here by line feeds. The documents to drop, counted from 0,
go to OUT/dropped.json. Prints one JSON object: seconds from texts to the documents to drop, and candidate pairs.
Signatures are computed by so many processes, which hold the texts before the clock runs; data-juicer starts its own
while it runs.

- datasketch: MinHash.bulk over the set of word shingles, then an LSH index: a document that meets another there is
  dropped, else entered. With its own hash (SHA-1), or with xxHash's.
- datatrove: its four steps, with its own tokenizer and normalisation. Its candidates are the matches that it writes.
- data-juicer: its operator, words split at spaces, lower case; no count of candidates.
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
Run = Callable[[Pool], tuple[int, list[int]]]
"""Candidate pairs, and the documents to drop."""


def main() -> None:
    """Run the one that was asked for."""
    name, path, *numbers, out = sys.argv[1:]
    bands, rows, words, processes = map(int, numbers)
    texts = ["\n".join(trace) for trace in json.loads(Path(path).read_bytes())]
    _held.update(texts=texts, bands=bands, rows=rows, words=words, parts=processes)
    if name == "data-juicer":
        seconds, dropped = _data_juicer(texts)
        candidates = None
    else:
        run = _prepare_datatrove() if name == "datatrove" else _prepare_datasketch(name)
        with multiprocessing.get_context("fork").Pool(processes) as pool:
            pool.map(_nothing, range(processes))
            started = time.perf_counter()
            candidates, dropped = run(pool)
            seconds = time.perf_counter() - started
    (Path(out) / "dropped.json").write_text(json.dumps(sorted(dropped)), encoding="ascii")
    print(json.dumps({"seconds": seconds, "candidates": candidates}))


def _nothing(_: int) -> None:
    """Wake a process."""


def _prepare_datasketch(name: str) -> Run:
    settings: dict[str, Any] = {"num_perm": _held["bands"] * _held["rows"]}
    if name == "datasketch-xxhash":
        settings["hashfunc"] = importlib.import_module("xxhash").xxh32_intdigest
    _held.update(datasketch=importlib.import_module("datasketch"), settings=settings)
    return _datasketch


def _datasketch(pool: Pool) -> tuple[int, list[int]]:
    index = _held["datasketch"].MinHashLSH(
        num_perm=_held["settings"]["num_perm"], params=(_held["bands"], _held["rows"])
    )
    candidates = row = 0
    dropped: list[int] = []
    for sketches in pool.imap(_sketches, range(0, len(_held["texts"]), 1000)):
        for sketch in sketches:
            met = index.query(sketch)
            candidates += len(met)
            if met:
                dropped.append(row)
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


def _prepare_datatrove() -> Run:
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


def _datatrove(pool: Pool) -> tuple[int, list[int]]:
    folder = _held["folder"]
    pool.map(_sign, range(_held["parts"]), chunksize=1)
    pool.map(_match, range(_held["bands"]), chunksize=1)
    _held["steps"].MinhashDedupCluster(folder + "/matches", folder + "/clusters", _held["config"]).run()
    left = {row for part in pool.map(_filter, range(_held["parts"]), chunksize=1) for row in part}
    dropped = [row for row in range(len(_held["texts"])) if row not in left]
    return len(set(_matches(Path(folder) / "matches"))), dropped


def _sign(part: int) -> None:
    _held["signature"].run(_held["documents"][part], part, _held["parts"])


def _match(band: int) -> None:
    folder = _held["folder"]
    step = _held["steps"].MinhashDedupBuckets(
        folder + "/signatures", folder + "/matches", config=_held["config"], lines_to_buffer=1000
    )
    step.run(None, band, _held["bands"])


def _filter(part: int) -> list[int]:
    step = _held["steps"].MinhashDedupFilter(_held["folder"] + "/clusters")
    return [int(left.id) for left in step.run(_held["documents"][part], part, _held["parts"])]


def _matches(folder: Path) -> Iterator[bytes]:
    for path in folder.glob("*.dups"):
        data = path.read_bytes()
        yield from (data[at : at + 16] for at in range(0, len(data), 16))


def _data_juicer(texts: list[str]) -> tuple[float, list[int]]:
    datasets = importlib.import_module("datasets")
    nested = importlib.import_module("data_juicer.core.data").NestedDataset
    minhash = importlib.import_module("data_juicer.ops.deduplicator.document_minhash_deduplicator")
    rows = nested(datasets.Dataset.from_dict({"row": list(range(len(texts))), "text": texts}))
    started = time.perf_counter()
    operator = minhash.DocumentMinhashDeduplicator(
        tokenization="space",
        window_size=_held["words"],
        num_permutations=_held["bands"] * _held["rows"],
        num_bands=_held["bands"],
        num_rows_per_band=_held["rows"],
        text_key="text",
        num_proc=_held["parts"],
    )
    left = set(rows.process([operator], open_monitor=False)["row"])
    return time.perf_counter() - started, [row for row in range(len(texts)) if row not in left]


if __name__ == "__main__":
    main()
