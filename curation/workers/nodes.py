"""What must be the same on every node of a cluster, because results depend on it."""

import hashlib
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from platform import python_version

from manifests.publish import TOOLS

_PACKAGES = Path(__file__).resolve().parents[2]  # the folder that holds the packages of this project
_SOURCES = ("curation", "manifests")


def installed() -> dict[str, str]:
    """Versions of Python, of this package, of the libraries that a receipt names, and a digest of our own code.

    Two checkouts of one version differ in the digest.
    """
    versions = {"Python": python_version()} | {tool: _version(tool) for tool in TOOLS}
    return versions | {"code": _digest_of_code()}


def difference(ours: Mapping[str, str], theirs: Mapping[str, str]) -> str:
    """What a node has that we have otherwise, in words; nothing, if there is nothing."""
    names = sorted(name for name in ours.keys() | theirs.keys() if ours.get(name) != theirs.get(name))
    if names == ["code"]:
        return f"other code of the same version (digest {theirs.get('code')}, here {ours.get('code')})"
    return ", ".join(f"{name} {theirs.get(name)} (here {ours.get(name)})" for name in names if name != "code")


def _version(tool: str) -> str:
    try:
        return version(tool)
    except PackageNotFoundError:
        return "not installed"


def _digest_of_code() -> str:
    digest = hashlib.sha256()
    for package in _SOURCES:
        for path in sorted((_PACKAGES / package).rglob("*.py")):
            digest.update(f"{path.relative_to(_PACKAGES).as_posix()}\n".encode())
            digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()[:16]
