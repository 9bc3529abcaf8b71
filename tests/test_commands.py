"""What the three commands have in common, whatever they are asked for."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

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
