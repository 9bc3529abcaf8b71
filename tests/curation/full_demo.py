"""What the tests of the full size share: one row in 500 of it, written, read back and parsed."""

import csv
import hashlib
import io
import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import pyarrow.parquet as pq

from curation.demo.scales import full_scale
from curation.demo.sources import Truth, write_scale
from tests.curation.demo_reader import Fields, Place, Trace, parse

SMALLER = full_scale(one_in=500)
TEXT_FILES = ("raiden/raiden.csv", "openo1/openo1.jsonl", "cot-collection/cot-collection.json")
GLAIVE = tuple(f"glaive/train-{number:05d}-of-00006.parquet" for number in range(6))


@dataclass(frozen=True)
class Written:
    """Sources that were written, with what their truth file says."""

    directory: Path
    truth: Truth

    @cached_property
    def rows(self) -> dict[str, list[Fields]]:
        raiden, openo1, cot = (
            (self.directory / path).read_bytes().decode("utf-8", "surrogateescape") for path in TEXT_FILES
        )
        return {
            "raiden": list(csv.DictReader(io.StringIO(raiden, newline=""), strict=True)),
            "openo1": [json.loads(line) for line in openo1.split("\n") if line.strip()],
            "cot": list(json.loads(cot).values()),
            "glaive": glaive_rows(self.directory),
        }

    @cached_property
    def parsed(self) -> dict[Place, Trace | str]:
        """Of each row its trace, or why there is none."""
        return {
            (source, number): parse(source, row)
            for source, told in self.rows.items()
            for number, row in enumerate(told, 1)
        }

    @cached_property
    def repeats(self) -> dict[Place, Place]:
        """Every row that is planted as an exact duplicate, and the row that it repeats."""
        within = (*self.truth.duplicates, *self.truth.session_overlap)
        return {(one.source, one.row): (one.source, one.duplicate_of_row) for one in within} | {
            (one.source, one.row): (one.duplicate_of_source, one.duplicate_of_row)
            for one in self.truth.across
        }


def write(directory: Path) -> Written:
    return Written(directory, write_scale(directory, SMALLER, seed=42, name="full"))


def glaive_rows(directory: Path) -> list[Fields]:
    return [row for path in sorted(directory.glob("glaive/*")) for row in pq.read_table(path).to_pylist()]


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
