"""Ctrl-C while a library computes: the command ends then, with one line, and not when the library is done."""

import signal
import subprocess
import sys
import time

import pytest

from training.commands.interrupting import ends_at_once

# A digest of minutes, which lets other threads run and hears no signal: as a compilation does.
DEAF = """
import hashlib
from training.commands.interrupting import ends_at_once
with ends_at_once("work"):
    print("begun", flush=True)
    hashlib.pbkdf2_hmac("sha256", b"", b"", 2_000_000_000)
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_command_that_hears_nothing_ends_with_one_line(number: signal.Signals) -> None:
    handled = f"import signal; signal.signal({number}, signal.default_int_handler)\n"
    process = subprocess.Popen(
        [sys.executable, "-c", handled + DEAF], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "begun\n"
    began = time.monotonic()
    process.send_signal(number)
    _, told = process.communicate(timeout=60)
    assert process.returncode == 130
    assert told.startswith("work: error: interrupted; ")
    assert told.count("\n") == 1
    assert time.monotonic() - began < 20


def test_behind_it_signals_are_what_they_were() -> None:
    before = signal.set_wakeup_fd(-1)
    with ends_at_once("work"):
        assert signal.set_wakeup_fd(-1, warn_on_full_buffer=False) != -1
    assert signal.set_wakeup_fd(before) == -1
