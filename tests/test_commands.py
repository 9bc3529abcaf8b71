"""What the three commands have in common, whatever they are asked for."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from curation.cli import main as curation
from manifests.cli import main as manifests
from training.cli import main as training

COMMANDS = ("curation", "manifests", "training")


def run_in(folder: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run one of our commands in a folder."""
    return subprocess.run(
        [sys.executable, "-m", *arguments],
        cwd=folder,
        env=dict(os.environ) | environment,
        capture_output=True,
        text=True,
        errors="surrogateescape",
        check=False,
    )


@pytest.mark.parametrize("store", ["", os.fsdecode(b"st\xff")])
def test_a_store_that_can_not_be_named_is_refused_before_any_work(store: str, tmp_path: Path) -> None:
    done = run_in(tmp_path, "curation", "build", "demo-session1", "--store", store)
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert done.stderr.startswith("curation: error: argument --store: ")
    assert list(tmp_path.iterdir()) == []


def test_a_store_from_the_environment_is_held_to_the_same(tmp_path: Path) -> None:
    done = run_in(tmp_path, "manifests", "list", ZEROCOST_STORE=os.fsdecode(b"st\xff"))
    assert done.returncode == 2
    assert "ZEROCOST_STORE" in done.stderr


@pytest.mark.parametrize("url", ["s3://bucket/run", "gs://bucket/run", "s3:/bucket/run"])
@pytest.mark.parametrize(
    ("main", "line"),
    [
        (curation, "regenerate mix --out URL"),
        (curation, "pin demo-session1 --out URL"),
        (curation, "demo-sources URL"),
        (manifests, "export mix --format hub --out URL"),
        (manifests, "audit mix mix --html URL"),
        (manifests, "show mix --scores URL"),
        (training, "plan mix --out URL"),
        (training, "plan mix --cache URL"),
        (training, "plan mix --base URL"),
        (training, "plan mix --tokenizer URL"),
        (training, "plan mix --config URL"),
        (training, "run mix --out URL"),
        (training, "run mix --out run --continue URL"),
        (training, "run mix --out run --resume-from URL"),
        (training, "score mix --adapter URL"),
        (training, "score mix --out URL"),
        (training, "export URL --format peft --out out"),
        (training, "export run --format peft --out URL"),
        (training, "sample URL --prompt x"),
        (training, "report URL --out out"),
        (training, "preflight mix --model tiny --cache URL"),
        (training, "tokenizer mix --out URL"),
    ],
)
def test_a_url_where_only_a_path_of_this_machine_can_be_is_refused_before_any_work(
    main: Callable[[Sequence[str]], int],
    line: str,
    url: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(line.replace("URL", url).split()) == 2
    error = capsys.readouterr().err
    assert f"'{url}': expected a path on this machine, found a URL" in error
    assert error.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("command", COMMANDS)
def test_an_interrupt_while_libraries_are_imported_is_no_traceback(command: str, tmp_path: Path) -> None:
    for delay in (0.15, 0.3):
        process = subprocess.Popen(
            [sys.executable, "-m", command, "--help"],
            cwd=tmp_path,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        time.sleep(delay)
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate()
        assert f"{command}/" not in errors, errors  # a traceback through our files


def test_termination_cleans_up_like_an_interrupt(tmp_path: Path) -> None:
    script = (
        "import argparse, os, signal, sys\n"
        "from pathlib import Path\n"
        "from manifests import disk\n"
        "from manifests.command import Parser, run\n"
        "def handler(options):\n"
        "    with disk.staging(Path('here')):\n"
        "        os.kill(os.getpid(), signal.SIGTERM)\n"
        "    return 0\n"
        "parser = Parser(prog='work')\n"
        "parser.set_defaults(handler=handler)\n"
        "sys.exit(run(parser, []))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 130
    assert done.stderr.startswith("work: error: interrupted")
    assert list((tmp_path / "here").iterdir()) == []
