"""The arrows between the packages, the size of a module, and what no file of the project may name."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from importlinter.cli import lint_imports

ROOT = Path(__file__).resolve().parent.parent
LONGEST_MODULE = 400  # lines

# A path like these exists on its author's machine only, and an index is each installer's own choice. Both
# patterns are written so that this file does not match them itself.
MACHINE_PATHS = re.compile(r"(?<![\w.$}>-])/(?:work|tmp|root|home/\w+)/")
REGISTRY_HOSTS = re.compile(r"\b(?:pypi|python(?:hosted)|npmjs|debian)\.(?:org|com)\b")

IMPORT_EVERYTHING_BUT_TRAINING = """
import importlib, pkgutil, sys
import curation, manifests

for package in (curation, manifests):
    for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
        if not module.name.endswith(".__main__"):
            importlib.import_module(module.name)

heavy = {"flax", "jax", "jaxlib", "optax", "orbax", "qwix", "sentencepiece", "tunix"}
print(*sorted(heavy & sys.modules.keys()))
"""


def project_files() -> list[Path]:
    """The files of the checkout that git tracks, or would."""
    git = shutil.which("git")
    if git is None or not (ROOT / ".git").exists():
        pytest.skip("not a git checkout")
    command = [git, "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listing = subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE).stdout
    paths = (ROOT / name for name in sorted(set(listing.decode().split("\0"))) if name)
    return [path for path in paths if path.is_file()]


def lines_that_name(pattern: re.Pattern[str]) -> list[str]:
    """`file:line: text` of every line of a text file of the project that the pattern is found in."""
    found = []
    for path in project_files():
        try:
            text = path.read_bytes().decode()
        except UnicodeDecodeError:
            continue
        found += [
            f"{path.relative_to(ROOT)}:{number}: {line.strip()[:100]}"
            for number, line in enumerate(text.splitlines(), start=1)
            if pattern.search(line)
        ]
    return found


def test_the_import_contracts_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    assert lint_imports(no_cache=True) == 0, "the output below says which import breaks which contract"


def test_importing_all_of_curation_and_manifests_loads_no_jax() -> None:
    command = [sys.executable, "-c", IMPORT_EVERYTHING_BUT_TRAINING]
    done = subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True)
    assert done.stdout.split() == []


def test_no_file_names_a_path_of_one_machine() -> None:
    assert lines_that_name(MACHINE_PATHS) == []


def test_no_file_names_the_host_of_a_package_registry() -> None:
    assert lines_that_name(REGISTRY_HOSTS) == []


def test_no_module_is_too_long_to_be_read_in_one_go() -> None:
    modules = [path for path in project_files() if path.suffix == ".py"]
    lengths = {str(path.relative_to(ROOT)): len(path.read_bytes().splitlines()) for path in modules}
    assert {name: length for name, length in lengths.items() if length > LONGEST_MODULE} == {}
