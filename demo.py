"""The three jobs on your own machine, without network data: regenerate a mix, audit two sessions, train from an id.

Runs the commands a person would type, shows each with what it prints, and fails if the manifests are not exactly the
published ones. Everything it writes lies in one folder, thrown away and made anew each time.
"""

import argparse
import json
import os
import shlex
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
SESSIONS = ("demo-session1", "demo-session2")
BINARIES = Path(sys.executable).parent


class DemoError(Exception):
    """A step of the demo that did not come out as it must."""


def main() -> int:
    """Run the demo; its exit status."""
    parser = argparse.ArgumentParser(description="Run the whole chain once, on the demo sources.")
    parser.add_argument(
        "--folder", type=Path, default=Path("demo-output"), help="where to work (default: %(default)s)"
    )
    folder: Path = parser.parse_args().folder
    started = time.monotonic()
    try:
        _run_chain(folder)
    except (DemoError, OSError) as error:
        print(f"demo: error: {error}", file=sys.stderr)
        return 1
    print(f"\nThe whole chain took {time.monotonic() - started:.0f} seconds.")
    return 0


def _run_chain(folder: Path) -> None:
    _clear(folder)
    store, runs = folder / "store", [folder / "run1", folder / "run2"]
    published = {
        version["name"]: version["id"] for version in _ask("manifests", "list", store=folder)["manifests"]
    }

    _headline("1. Build the mixes of two sessions from the demo sources")
    for session in SESSIONS:
        _show("curation", "build", session, store=store)
        built = _ask("manifests", "show", session, store=store)["id"]
        if built != published.get(session):
            raise DemoError(
                f"{session}: built {built}, published is {published.get(session)}; the chain is broken"
            )
        print(f"  = the published manifest of {session}")

    _headline("2. Audit the overlap between the sessions")
    _show("manifests", "audit", *SESSIONS, store=store)

    _headline("3. Lose a dataset, and regenerate it from its manifest")
    dataset = store / "datasets" / published[SESSIONS[0]]
    print(f"$ rm -r {dataset}")
    shutil.rmtree(dataset)
    _show("curation", "regenerate", SESSIONS[0], store=store)
    _show("manifests", "verify", SESSIONS[0], "--dataset", store=store)

    _headline("4. Train on session 1, then go on with session 2")
    _show("training", "run", SESSIONS[0], "--model", "tiny", "--out", str(runs[0]), store=store)
    _show(
        *(
            "training",
            "run",
            SESSIONS[1],
            "--model",
            "tiny",
            "--continue",
            str(runs[0]),
            "--out",
            str(runs[1]),
        ),
        store=store,
    )

    _headline("5. See what was trained, and take it along")
    page, adapter = folder / "run2.html", folder / "adapter"
    _show("training", "report", str(runs[1]), "--out", str(page), store=store)
    _show("training", "export", str(runs[1]), "--format", "peft", "--out", str(adapter), store=store)

    _headline("Where everything lies")
    for what, path in (
        ("sources", HERE / "curation" / "demo" / "files"),
        ("recipes", HERE / "curation" / "recipes"),
        ("manifests", store / "manifests"),
        ("datasets", store / "datasets"),
        ("runs", runs[0]),
        ("", runs[1]),
        ("page", page),
        ("adapter", adapter / "adapter_model.safetensors"),
    ):
        if not path.exists():
            raise DemoError(f"{path} is not there; a command above did not do what it said")
        print(f"  {what:<10} {path}")


def _clear(folder: Path) -> None:
    """Make the folder anew; one that is no demo's is left alone."""
    marker = folder / ".zerocost-demo"
    if folder.exists() and any(folder.iterdir()) and not marker.exists():
        raise DemoError(f"{folder}: holds something else; give an empty folder with --folder")
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    marker.touch()


def _headline(text: str) -> None:
    print(f"\n== {text}", flush=True)


def _command(arguments: tuple[str, ...], store: Path) -> list[str]:
    return [str(BINARIES / arguments[0]), *arguments[1:], "--store", str(store)]


def _show(*arguments: str, store: Path) -> None:
    """Run a command with its output on the terminal."""
    print(f"$ {shlex.join([*arguments, '--store', str(store)])}", flush=True)
    command = _command(arguments, store)
    done = subprocess.run(command, check=False, env=_environment())  # noqa: S603 - our own commands
    if done.returncode:
        raise DemoError(f"'{shlex.join(arguments[:2])}' ended with exit status {done.returncode}")


def _ask(*arguments: str, store: Path) -> dict[str, Any]:
    """Run a command with --json; its answer."""
    command = [*_command(arguments, store), "--json"]
    done = subprocess.run(command, check=False, capture_output=True, text=True)  # noqa: S603 - our own commands
    if done.returncode:
        raise DemoError(done.stderr.strip())
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def _environment() -> dict[str, str]:
    """The demo is about the chain, not about speed: it runs where every machine can, on the CPU."""
    return dict(os.environ) | {"JAX_PLATFORMS": "cpu"}


if __name__ == "__main__":
    sys.exit(main())
