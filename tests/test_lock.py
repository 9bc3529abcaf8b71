"""What `requirements.lock` promises: one exact, hashed and complete set that any index can serve."""

import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).resolve().parent.parent

# All that a line may say: a name, one version, perhaps a marker, hashes. That leaves no room for a host, a
# URL, a path or an option of pip.
LOCKED_LINE = re.compile(
    r"(?P<name>[a-z0-9-]+)==(?P<version>[a-z0-9.]+)"
    r"(?: ; [a-z_]+ [^:/@]+?)?"
    r"(?: --hash=sha256:[0-9a-f]{64})+"
)


def logical_lines() -> list[str]:
    """The lock's lines, continuations joined, without comments."""
    text = (ROOT / "requirements.lock").read_text(encoding="ascii")
    joined = re.sub(r" \\\n +", " ", text)
    return [line for line in joined.splitlines() if not line.startswith("#")]


def locked_versions() -> dict[str, Version]:
    """Each locked distribution's version, by canonical name."""
    found = (LOCKED_LINE.fullmatch(line) for line in logical_lines())
    return {match["name"]: Version(match["version"]) for match in found if match}


def declared_requirements() -> list[Requirement]:
    """Every requirement that pyproject.toml names: to run, of each extra, to build."""
    pyproject = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    named = [*pyproject["project"]["dependencies"], *pyproject["build-system"]["requires"]]
    for extra in pyproject["project"]["optional-dependencies"].values():
        named += extra
    return [Requirement(line) for line in named]


def test_every_line_is_a_name_one_exact_version_and_its_hashes() -> None:
    assert [line[:100] for line in logical_lines() if not LOCKED_LINE.fullmatch(line)] == []


def test_each_distribution_is_locked_once() -> None:
    names = [line.split("==")[0] for line in logical_lines()]
    assert names == sorted(set(names))


@pytest.mark.parametrize("requirement", declared_requirements(), ids=str)
def test_what_pyproject_names_is_locked_within_its_range(requirement: Requirement) -> None:
    version = locked_versions()[canonicalize_name(requirement.name)]
    assert requirement.specifier.contains(version), f"{requirement} is locked at {version}"


def test_the_lock_is_free_of_torch_and_its_cuda_libraries() -> None:
    assert not [name for name in locked_versions() if name.startswith(("nvidia", "torch", "triton"))]


def test_no_comment_names_an_address() -> None:
    assert "://" not in (ROOT / "requirements.lock").read_text(encoding="ascii")
