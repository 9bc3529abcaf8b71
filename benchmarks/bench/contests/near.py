"""Near duplicates by MinHash, the same bands, rows and shingles for all. Ours verifies what it drops."""

import json
from collections.abc import Mapping
from pathlib import Path

import polars as pl

from benchmarks.bench.contest import OWN, Answer, Contestant, Match, Place, Verdict, script
from benchmarks.bench.files import ROLES, cot_rows
from curation.recipe import Near
from manifests.keys import ASCII_WHITESPACE

TITLE, UNIT = "Near duplicates", "rows"
OURS = "ours, `near = { threshold = 0.8 }`"
PROCESSES = 2


def prepare(place: Place) -> Match:
    """Real rows if there are any, else generated ones."""
    near, path = Near(), place.folder / "traces.json"
    if place.real:
        traces, of = _flan_cot(place.real), "flan-cot (real)"
    else:
        frame = pl.scan_parquet(cot_rows(place).parquet / "*.parquet").select(ROLES)
        traces = list(map(list, frame.head(place.sizes.few(place.sizes.near)).collect().iter_rows()))
        of = "generated CoT-Collection"
    path.write_text(json.dumps(traces), encoding="utf-8")
    words = sum(len(" ".join(trace).split()) for trace in traces)
    sizes = [str(size) for size in (near.bands, near.rows, near.words, PROCESSES)]

    def theirs(name: str, tool: str, environment: str, did: str, behind: str) -> Contestant:
        return Contestant(
            name, environment, (script("near.py"), tool, str(path), *sizes, "{out}"), did, behind=behind
        )

    return Match(
        f"{len(traces):,} rows of {of}, {words:,} words; {near.bands} bands of {near.rows}, shingles of "
        f"{near.words} words; "
        f"{PROCESSES} processes each that hold the texts before the clock runs; until it is known which rows "
        "are dropped",
        len(traces),
        (
            Contestant(
                OURS,
                OWN,
                ("-m", "benchmarks.ours.near", str(path), str(PROCESSES), "{out}"),
                "the keys of all rows and the search of a build; each row dropped is verified by the Jaccard index",
            ),
            theirs(
                "datasketch",
                "datasketch",
                "datasketch",
                "`MinHash.bulk` with its own hash, then `MinHashLSH`",
                behind="SHA-1 of every shingle, called from Python, and an index of dictionaries in one process",
            ),
            theirs(
                "datasketch with xxHash",
                "datasketch-xxhash",
                "datasketch",
                "the same with xxHash's 32 bits",
                behind="every shingle is a Python object, and an index of dictionaries fills in one process",
            ),
            theirs(
                "datatrove",
                "datatrove",
                "datatrove",
                "its four steps, its own tokenizer and normalisation, files between the steps",
                behind="spaCy's tokenizer and a Python object a shingle, and files between four steps",
            ),
            theirs(
                "data-juicer",
                "data-juicer",
                "data-juicer",
                "`document_minhash_deduplicator`, words at spaces; it starts its processes while the clock runs",
                behind="SHA-1 of every shingle, called from Python, and rows pass through Arrow files",
            ),
        ),
        _check,
    )


def _flan_cot(data: Path) -> list[list[str]]:
    """Its rows, files in byte order of their names."""
    traces = []
    for path in sorted((data / "flan-cot/flan/v2/cot_data").glob("*.tsv")):
        for line in path.read_bytes().decode().split("\n"):
            if line:
                prompt, answer, reasoning = (field.strip(ASCII_WHITESPACE) for field in line.split("\t"))
                traces.append([prompt, reasoning, answer])
    return traces


def _check(answers: Mapping[str, Answer]) -> Mapping[str, Verdict]:
    dropped = {
        name: set(json.loads((answer.out / "dropped.json").read_bytes())) for name, answer in answers.items()
    }
    ours, told = dropped[OURS], answers[OURS].told
    verdicts = {
        name: Verdict(
            f"{len(rows):,} dropped, of our {len(ours):,} {len(rows & ours):,}; nothing is verified, and its "
            "hashes are "
            "others",
            sound=bool(rows) or not ours,
        )
        for name, rows in dropped.items()
    }
    verdicts[OURS] = Verdict(
        f"{len(ours):,} dropped, each verified ({told['candidates']:,} candidate pairs, {told['verified']:,} verified)"
    )
    return verdicts
