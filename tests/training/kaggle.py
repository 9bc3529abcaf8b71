"""Kaggle's folders, made below another, and sessions in them that execute a notebook."""

import json
import os
import subprocess
import sys
import sysconfig
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.manifests.helpers import _HELD_TO_PERMISSIONS, read_only
from tests.training.helpers import files_below

ROOT = Path(__file__).parent.parent.parent

# As Kaggle does it: another process, which knows the notebook's file and the folder to work in.
EXECUTE = """
import sys
import nbformat
from nbclient import NotebookClient
notebook, done, working = sys.argv[1:]
cells = nbformat.read(notebook, as_version=4)
client = NotebookClient(cells, timeout=600, kernel_name="python3", resources={"metadata": {"path": working}})
try:
    client.execute()
finally:
    nbformat.write(cells, done)
"""


def read(notebook: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(notebook.read_text(encoding="utf-8"))
    return content


@dataclass(frozen=True)
class Session:
    """What a session leaves: what each cell said, and its output, where the next session finds it as an input."""

    said: dict[str, str]
    output: Path


class Kaggle:
    """Kaggle's folders below `place`, with the inputs of both notebooks."""

    def __init__(self, place: Path) -> None:
        self.place = place
        self.datasets = place / "input" / "datasets" / "someone"
        self.notebooks = place / "input" / "notebooks" / "someone"
        self.venv = place / "temp" / "zerocost"
        self.notebooks.mkdir(parents=True)
        for session in ("session1", "session2"):
            ours("curation", "build", f"demo-{session}", "--store", place / "store")
            flags = ["--store", place / "store", "--format", "kaggle", "--out", self.datasets / session]
            ours("manifests", "export", f"demo-{session}", *flags)
        wheel = ["wheel", "--quiet", "--no-deps", "--no-build-isolation", "--wheel-dir"]
        ours("pip", *wheel, self.datasets / "wheels", ROOT)
        (self.datasets / "settings.toml").write_text("checkpoint_every = 1\n")
        self._lend_libraries()

    def _lend_libraries(self) -> None:
        """Let the environment to be made find what this one holds, but for the project: it is too much to install."""
        library = Path(sysconfig.get_path("purelib"))
        lent, place = self.place / "lent", self.venv / library.relative_to(sys.prefix)
        lent.mkdir()
        place.mkdir(parents=True)
        for path in library.iterdir():
            if "tunix_zero_cost" not in path.name:
                (lent / path.name).symlink_to(path)
        (place / "lent.pth").write_text(f"{lent}\n")

    def session(self, notebook: Path, manifest: str, output: str, **choices: object) -> Session:
        """Run a notebook on the CPU, from an empty working folder and with inputs that can't be written."""
        working, done = self.place / "working", self.place / f"{output}.ipynb"
        working.mkdir()
        chosen = {
            "MANIFEST": f"demo-{manifest}",
            "STORE": self.datasets / manifest,
            "MODEL": "tiny",
            "BASE": "",
            "CONFIG": self.datasets / "settings.toml",
            "STEPS": 2,
            "PLATFORMS": "cpu",
            "MOST": 4,
            "WHEELS": self.datasets / "wheels",
            "VENV": self.venv,
            "WORKING": working,
            **choices,
        }
        with read_only(self.place / "input") as given:
            before = files_below(given)
            ended = execute(notebook, done, working, chosen)
            assert ended.returncode == 0, ended.stderr[-3000:]
            assert files_below(given) == before
        working.rename(self.notebooks / output)
        return Session(said_in(done), self.notebooks / output)


def ours(module: str, *arguments: object) -> None:
    subprocess.run([sys.executable, "-m", module, *map(str, arguments)], check=True, capture_output=True)


def execute(
    notebook: Path, done: Path, working: Path, chosen: Mapping[str, object]
) -> "subprocess.CompletedProcess[str]":
    """Run a notebook as a user whom permissions bind; what it became is in `done`, also when it fails."""
    home = {name: str(done.parent / "home") for name in ("HOME", "XDG_CACHE_HOME", "JUPYTER_RUNTIME_DIR")}
    return subprocess.run(
        [sys.executable, "-c", _HELD_TO_PERMISSIONS, "-c", EXECUTE, str(notebook), str(done), str(working)],
        env={**os.environ, **home, **{f"ZEROCOST_{name}": str(value) for name, value in chosen.items()}},
        capture_output=True,
        text=True,
        check=False,
    )


def said_in(notebook: Path) -> dict[str, str]:
    """What each code cell printed."""
    return {
        cell["id"]: "".join("".join(output.get("text", "")) for output in cell["outputs"])
        for cell in read(notebook)["cells"]
        if cell["cell_type"] == "code"
    }
