"""A manifest whose dataset is gone, for the tests that rebuild it."""

import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest

from manifests.manifest import Manifest
from tests.curation.helpers import (
    Outcome,
    build_mix,
    files_below,
    left_behind,
    run_command,
    source,
    traces,
    write_traces,
)

FORMATS = [".parquet", ".jsonl", ".json", ".csv", ".tsv"]
ROWS = 12


@dataclass
class Site:
    """A built manifest whose dataset is gone, and the folder in which its sources lie."""

    folder: Path
    manifest: Manifest
    capture: pytest.CaptureFixture[str]

    @property
    def store(self) -> Path:
        return self.folder / "store"

    @property
    def dataset(self) -> Path:
        return self.store / "datasets" / self.manifest.id

    def regenerate(self, *arguments: object, json: bool = True) -> Outcome:
        flags = ["--json"] if json else []
        return run_command(
            self.capture, "regenerate", self.manifest.id, "--store", self.store, *flags, *arguments
        )

    def refused(self, *arguments: object) -> tuple[int, str]:
        """Status and line of a regeneration that has to fail and leave everything as it is."""
        before = files_below(self.folder)
        outcome = self.regenerate(*arguments)
        assert files_below(self.folder) == before
        assert not [path for path in left_behind(self.store) if path.startswith(("datasets/", "manifests/."))]
        return outcome.status, outcome.error


def site_of(
    folder: Path, capture: pytest.CaptureFixture[str], *sources: dict[str, object], **top: object
) -> Site:
    """Build a mix and delete its dataset."""
    built = build_mix(folder, *sources, **top)
    shutil.rmtree(folder / "store" / "datasets" / built.manifest.id)
    return Site(folder, built.manifest, capture)


def one_file(folder: Path, capture: pytest.CaptureFixture[str], suffix: str) -> Site:
    """A site with one file of which rows 3 to 10 are chosen, in another order."""
    write_traces(folder / "data" / f"a{suffix}", traces(ROWS))
    files = f"data/*{suffix}"
    return site_of(folder, capture, source("one", files, rows=[3, 10], take={"shuffle": 8}), order="mixed")
