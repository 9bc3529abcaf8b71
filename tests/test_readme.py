"""What the README tells people to type works as it stands there."""

import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from curation.recipe_reader import read_recipe
from manifests.store import PUBLISHED, Store

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")


def console_commands() -> list[list[str]]:
    """The lines after `$ ` in the README's console blocks, split as a shell would."""
    blocks = re.findall(r"^```console\n(.*?)^```", README, flags=re.MULTILINE | re.DOTALL)
    lines = [
        line.removeprefix("$ ") for block in blocks for line in block.splitlines() if line.startswith("$ ")
    ]
    return [shlex.split(line) for line in lines]


def run_in(folder: Path, command: list[str]) -> None:
    """Run one of our commands as a person in `folder` would."""
    environment = {key: value for key, value in os.environ.items() if key != "ZEROCOST_STORE"}
    environment["XDG_CACHE_HOME"] = str(folder / "cache")
    done = subprocess.run(
        [sys.executable, "-m", *command],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"{shlex.join(command)}: {done.stderr}"


def test_the_readme_shows_each_of_the_three_jobs() -> None:
    verbs = {tuple(command[:2]) for command in console_commands()}
    assert {("curation", "regenerate"), ("manifests", "audit"), ("training", "run")} <= verbs


def test_the_commands_of_the_readme_that_do_not_train_work_in_an_empty_folder(tmp_path: Path) -> None:
    for command in console_commands():
        if command[0] != "training" and "--scores" not in command:  # scores come from a training
            run_in(tmp_path, command)


@pytest.mark.slow
def test_all_commands_of_the_readme_work_in_an_empty_folder(tmp_path: Path) -> None:
    for command in console_commands():
        run_in(tmp_path, command)
    assert (tmp_path / "runs" / "session2" / "adapter" / "adapter.safetensors").is_file()
    record = json.loads((tmp_path / "runs" / "session1" / "run.json").read_text())
    assert f"plan      {record['plan']}\n" in README


def test_the_recipe_in_the_readme_is_a_recipe(tmp_path: Path) -> None:
    (block,) = re.findall(r"^```toml\n(.*?)^```", README, flags=re.MULTILINE | re.DOTALL)
    (tmp_path / "mine.toml").write_text(block, encoding="utf-8")
    assert read_recipe(tmp_path / "mine.toml").name == "mine"


@pytest.mark.parametrize("session", ["demo-session1", "demo-session2"])
def test_the_readme_names_the_published_manifests(session: str, tmp_path: Path) -> None:
    identifier = Store(tmp_path / "store", (PUBLISHED,)).resolve(session)
    assert f"| `{session}` | `{identifier}` |" in README


def test_the_digests_that_the_readme_shows_are_those_of_the_published_manifests(tmp_path: Path) -> None:
    store = Store(tmp_path / "store", (PUBLISHED,))
    manifests = [store.manifest(session) for session in ("demo-session1", "demo-session2")]
    known = {text for manifest in manifests for text in (manifest.id, manifest.content_digest)}
    shown = set(re.findall(r"(?:\bid|content_digest)\s+([0-9a-f]{64})\b", README))
    assert shown
    assert shown <= known
