"""The demo's manifests come out the same with the oldest libraries that pyproject.toml allows as with the newest."""

import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from manifests.store import PUBLISHED, Store

ROOT = Path(__file__).parent.parent


def oldest() -> list[str]:
    """The oldest versions of what the project depends on, each as a requirement."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    found = [re.match(r"([a-z-]+)>=([0-9.]+)", requirement) for requirement in project["dependencies"]]
    return [f"{match[1]}=={match[2]}" for match in found if match is not None]


@pytest.fixture(scope="module")
def old_python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Python with the oldest libraries. Skips where they can't be fetched."""
    folder = tmp_path_factory.mktemp("oldest")
    subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
    python = folder / "bin" / "python"
    pip = [str(python), "-m", "pip", "install", "--quiet", "--no-input"]
    for wanted in ([*oldest(), "hatchling"], ["--no-deps", "--no-build-isolation", str(ROOT)]):
        done = subprocess.run([*pip, *wanted], capture_output=True, text=True, check=False)
        if done.returncode:
            pytest.skip(f"the oldest libraries can't be installed: {done.stderr.strip().splitlines()[-1:]}")
    return python


def run(python: Path, *arguments: object) -> dict[str, object]:
    done = subprocess.run(
        [str(python), "-m", *map(str, arguments), "--json"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    result: dict[str, object] = json.loads(done.stdout)
    return result


def test_every_dependency_has_an_oldest_version() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert len(oldest()) == len(project["dependencies"])
    assert {"pyarrow", "polars", "xxhash", "langdetect"} <= {name.split("==")[0] for name in oldest()}


@pytest.mark.slow
def test_the_oldest_libraries_write_what_the_newest_read_and_the_other_way_round(
    old_python: Path, tmp_path: Path
) -> None:
    published = Store(PUBLISHED, behind=())
    for session in ("demo-session1", "demo-session2"):
        for python, store in ((old_python, tmp_path / "old"), (Path(sys.executable), tmp_path / "new")):
            built = run(python, "curation", "build", session, "--store", store)
            assert built["id"] == published.resolve(session)
    for python, store in ((old_python, tmp_path / "new"), (Path(sys.executable), tmp_path / "old")):
        for session in ("demo-session1", "demo-session2"):
            verified = run(python, "manifests", "verify", session, "--dataset", "--store", store)
            assert verified["verified"] is True
            assert verified["dataset_rows"] == verified["rows"]
