"""The environments of the rivals: one each, made once from its list of exact versions, kept between runs."""

import hashlib
import json
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.bench.contest import OWN, RIVALS

LIMIT = 1200.0
"""Seconds for one installation."""
SHOWN = """
import importlib.metadata, json, platform, sys
versions = {}
for name in sys.argv[1:]:
    try:
        versions[name] = importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        pass
print(json.dumps({"python": platform.python_version(), "versions": versions}))
"""


@dataclass(frozen=True, slots=True)
class Environment:
    """A Python with a rival's packages, or the reason why there is none."""

    python: Path | None
    version: str = ""
    versions: Mapping[str, str] = field(default_factory=dict)
    problem: str = ""


def own() -> Environment:
    """The project's own."""
    names = ("polars", "pyarrow", "numpy", "xxhash", "langdetect", "langdetect-rs", "jax", "google-tunix")
    return _described(Path(sys.executable), names)


def open_environment(name: str, folder: Path, given: Mapping[str, Path]) -> Environment:
    """The environment of this name: the given Python, or one below `folder`, made if its list has changed."""
    if name == OWN:
        return own()
    lines = read_list(RIVALS / f"{name}.txt")
    if name in given:
        return _described(given[name], _shown(lines))
    home = folder / name
    stamp, wanted = home / "made-from", _digest(lines)
    if not stamp.is_file() or stamp.read_text(encoding="ascii") != wanted:
        problem = _make(home, lines)
        if problem:
            return Environment(None, problem=problem)
        stamp.write_text(wanted, encoding="ascii")
    return _described(home / "bin" / "python", _shown(lines))


def read_list(path: Path) -> list[str]:
    """The lines of a rival's list that name a package; those to show come first, up to the line `# brought by them`."""
    return [line.strip() for line in path.read_text(encoding="ascii").splitlines() if line.strip()]


def _shown(lines: Sequence[str]) -> list[str]:
    """The packages that were asked for: what stands above `# brought by them`."""
    asked = lines[: lines.index(BROUGHT)] if BROUGHT in lines else lines
    return [line.partition("==")[0] for line in asked if not line.startswith("#")]


BROUGHT = "# brought by them"


def _digest(lines: Sequence[str]) -> str:
    version = ".".join(map(str, sys.version_info[:3]))
    return hashlib.sha256("\n".join([version, sys.base_prefix, *lines]).encode()).hexdigest()


def _make(home: Path, lines: Sequence[str]) -> str:
    """Make it from nothing; the reason, if that doesn't work.

    The list is whole, so nothing is resolved. What exists as source only is built by the list's own setuptools.
    """
    shutil.rmtree(home, ignore_errors=True)
    home.parent.mkdir(parents=True, exist_ok=True)
    packages = [line for line in lines if not line.startswith("#")]
    builders = [line for line in packages if line.partition("==")[0] in ("setuptools", "wheel")]
    pip = [
        home / "bin" / "python",
        "-m",
        "pip",
        "--disable-pip-version-check",
        "-qq",
        "install",
        "--no-input",
    ]
    plain = ["--no-deps", "--no-build-isolation", "--use-pep517"]
    steps = [[sys.executable, "-m", "venv", home]]
    steps += [[*pip, "--no-deps", *builders]] if builders else []
    steps += [[*pip, *plain, *packages]]
    end = time.monotonic() + LIMIT
    for step in steps:
        try:
            done = subprocess.run(  # noqa: S603 - venv and pip
                list(map(str, step)),
                capture_output=True,
                text=True,
                check=False,
                timeout=max(1.0, end - time.monotonic()),
            )
        except subprocess.TimeoutExpired:
            return f"not installed in {LIMIT:.0f} s"
        if done.returncode:
            return f"can't be installed: {_last_line(done.stderr)}"
    return ""


def _described(python: Path, names: Sequence[str]) -> Environment:
    try:
        done = subprocess.run(  # noqa: S603 - the environment's Python
            [str(python), "-c", SHOWN, *names], capture_output=True, text=True, check=True, timeout=60
        )
    except (OSError, subprocess.SubprocessError) as error:
        return Environment(None, problem=f"its Python can't be run: {type(error).__name__}")
    told = json.loads(done.stdout)
    return Environment(python, told["python"], told["versions"])


def _last_line(text: str) -> str:
    lines = [line for line in text.splitlines() if line.strip()]
    return lines[-1][:200] if lines else "nothing was said"
