"""Machines that work on one store in a bucket: commands run in this process, each machine has a cache of its own."""

from pathlib import Path

import pytest

from curation.cli import main as curation_main
from manifests.cli import main as manifests_main
from tests.curation.helpers import Outcome, source, traces, write_recipe, write_traces
from tests.object_server import Bucket

DATA = "data/train-00000-of-00001.parquet"


class Team:
    """Machines that work on one store in a bucket: each has a cache of its own."""

    def __init__(
        self, bucket: Bucket, folder: Path, capture: pytest.CaptureFixture[str], patch: pytest.MonkeyPatch
    ) -> None:
        self.bucket, self.folder, self.store = bucket, folder, f"{bucket.url}/team/store"
        self._capture, self._patch = capture, patch
        write_traces(folder / "one.jsonl", traces(20))
        self.recipe = write_recipe(folder / "mix.toml", source("one", folder / "one.jsonl"))
        self.machine("first")

    def machine(self, name: str) -> None:
        """From now on commands run on this machine."""
        self._patch.setenv("XDG_CACHE_HOME", str(self.folder / f"cache-of-{name}"))

    def mirrors(self, name: str) -> list[Path]:
        return sorted((self.folder / f"cache-of-{name}").glob("tunix-zero-cost/stores/*"))

    def curation(self, *arguments: object, store: object = None) -> Outcome:
        return self._run(curation_main, *arguments, "--store", store or self.store)

    def manifests(self, *arguments: object, store: object = None) -> Outcome:
        return self._run(manifests_main, *arguments, "--store", store or self.store)

    def build(self) -> str:
        """Build the mix; its id."""
        return str(self.curation("build", self.recipe, "--json").result["id"])

    def _run(self, main: object, *arguments: object) -> Outcome:
        self._capture.readouterr()
        assert callable(main)
        status = main([str(argument) for argument in arguments])
        return Outcome(status, *self._capture.readouterr())


@pytest.fixture
def team(
    bucket: Bucket, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Team:
    return Team(bucket, tmp_path, capsys, monkeypatch)


def complaint(done: Outcome, status: int = 2) -> str:
    """The one line with which a command refuses."""
    assert (done.status, done.out) == (status, "")
    assert done.err.endswith("\n")
    line = done.err[:-1]
    assert line.isprintable()
    return line
