"""What a signal promises: soon when there is nothing to lose, on a boundary when there is, at once when asked twice."""

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from training.loop.interruption import Interruption

ROOT = Path(__file__).parents[2]
# A stand-in for a training, in a process of its own: what it says and how it ends is the real thing.
PROGRAM = """
import sys, time
from training.loop.interruption import Interruption
interruption = Interruption()
say = lambda line: print(line, flush=True)
try:
    with interruption.installed(say):
        BODY
        say(f"asked {interruption.asked()}")
except KeyboardInterrupt:
    say("KeyboardInterrupt")
sys.exit(interruption.exit_status)
"""

# One instruction of Python that takes a minute, as a compilation may: no handler runs meanwhile.
DEAF = "import hashlib; say('ready'); hashlib.pbkdf2_hmac('sha256', b'', b'', 10**8)"


def start(body: str) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM.replace("BODY", body)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


SIGNALS = pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])


@SIGNALS
def test_before_the_first_step_a_signal_ends_it(number: signal.Signals, status: int) -> None:
    process = start("say('ready'); time.sleep(30)")
    process.send_signal(number)
    out, _ = process.communicate(timeout=20)
    assert (process.returncode, out) == (status, "KeyboardInterrupt\n")


@SIGNALS
def test_from_the_first_step_on_it_asks_for_a_stop_on_the_next_boundary(
    number: signal.Signals, status: int
) -> None:
    body = """interruption.first_step_done(); say("ready")
        while interruption.asked() is None: time.sleep(0.01)
        time.sleep(0.3)"""
    process = start(body)
    process.send_signal(number)
    out, _ = process.communicate(timeout=20)
    assert process.returncode == status
    assert sorted(out.splitlines()) == [
        f"asked {number.name}",
        "stopping at the end of this update; once more ends at once",
    ]


def test_a_library_that_put_its_own_handlers_in_place_is_no_obstacle() -> None:
    """Libtpu does, when the first step loads it."""
    body = """import signal
        for number in (signal.SIGINT, signal.SIGTERM): signal.signal(number, signal.SIG_DFL)
        interruption.first_step_done(); say("ready")
        while interruption.asked() is None: time.sleep(0.01)
        time.sleep(0.3)"""
    process = start(body)
    process.send_signal(signal.SIGTERM)
    out, _ = process.communicate(timeout=20)
    assert process.returncode == 143
    assert "asked SIGTERM" in out.splitlines()


@SIGNALS
def test_a_second_one_ends_it_at_once_even_where_python_can_not_hear(
    number: signal.Signals, status: int
) -> None:
    body = "interruption.first_step_done(); " + DEAF
    process = start(body)
    began = time.monotonic()
    process.send_signal(number)
    assert process.stdout is not None
    assert "stopping" in process.stdout.readline()
    process.send_signal(number)
    out, _ = process.communicate(timeout=20)
    assert time.monotonic() - began < 10
    assert (process.returncode, out) == (
        status,
        "training: ended at once; the same command goes on from the last checkpoint\n",
    )


def test_before_the_first_step_it_ends_soon_even_where_python_can_not_hear() -> None:
    process = start(DEAF)
    time.sleep(1)  # so that it is deaf by then
    began = time.monotonic()
    process.send_signal(signal.SIGTERM)
    out, _ = process.communicate(timeout=20)
    assert time.monotonic() - began < 10
    assert process.returncode == 143
    assert out == (
        "training: interrupted before its first step; the same command again goes on or starts over\n"
    )


def test_handlers_are_put_back_and_other_signals_are_not_ours() -> None:
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    heard: list[int] = []
    others = signal.signal(signal.SIGUSR1, lambda number, _frame: heard.append(number))
    said: list[str] = []
    try:
        with Interruption().installed(said.append):
            os.kill(os.getpid(), signal.SIGUSR1)
            time.sleep(0.1)
    finally:
        signal.signal(signal.SIGUSR1, others)
    assert (heard, said) == ([signal.SIGUSR1], [])
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == before
    assert signal.set_wakeup_fd(-1) == -1


def test_what_was_not_installed_hears_nothing() -> None:
    interruption = Interruption()
    assert (interruption.asked(), interruption.exit_status) == (None, 0)


def test_outside_of_the_main_thread_nothing_is_installed() -> None:
    before = signal.getsignal(signal.SIGTERM)
    seen: list[object] = []

    def in_thread() -> None:
        with Interruption().installed(print):
            seen.append(signal.getsignal(signal.SIGTERM))

    thread = threading.Thread(target=in_thread)
    thread.start()
    thread.join()
    assert seen == [before]
