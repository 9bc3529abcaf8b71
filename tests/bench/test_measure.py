"""What a command costs: its time, its processors' time, the memory of it and its children; and its end at its limit."""

import os
import sys
import time
from pathlib import Path

import pytest

from benchmarks.bench.measure import Outcome, run

MIB = 2**20
WITH_CHILD = """
import subprocess, sys
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(30)"])
"""


def measured(folder: Path, program: str, limit: float = 60.0) -> Outcome:
    return run([sys.executable, "-c", program], limit=limit, folder=folder, environment=dict(os.environ))


def test_output_errors_and_status_are_the_commands(tmp_path: Path) -> None:
    outcome = measured(tmp_path, "import sys; print('said'); print('oh', file=sys.stderr); sys.exit(3)")
    assert (outcome.status, outcome.output, outcome.errors) == (3, "said\n", "oh\n")


def test_sleeping_takes_time_and_no_processor(tmp_path: Path) -> None:
    outcome = measured(tmp_path, "import time; time.sleep(1)")
    assert outcome.seconds >= 1
    assert outcome.processor < 0.8


def test_a_childs_processor_seconds_count(tmp_path: Path) -> None:
    busy = "import time\nwhile time.process_time() < 0.5: pass"
    outcome = measured(tmp_path, f"import subprocess, sys; subprocess.run([sys.executable, '-c', {busy!r}])")
    assert outcome.processor >= 0.5


def test_the_processor_seconds_of_a_process_that_nobody_waits_for_count(tmp_path: Path) -> None:
    busy = "import time\nwhile time.process_time() < 1: pass\ntime.sleep(1)"
    program = (
        f"import subprocess, sys, time; subprocess.Popen([sys.executable, '-c', {busy!r}]); time.sleep(2.5)"
    )
    assert measured(tmp_path, program).processor >= 0.9


def test_the_memory_of_children_is_counted_together(tmp_path: Path) -> None:
    child = f"import time; held = b'1' * (100 * {MIB}); time.sleep(1.5)"
    program = (
        f"import subprocess, sys; [child.wait() for child in "
        f"[subprocess.Popen([sys.executable, '-c', {child!r}]) for _ in range(2)]]"
    )
    assert 200 < measured(tmp_path, program).memory < 320


def test_memory_shared_with_a_forked_child_is_counted_once(tmp_path: Path) -> None:
    program = f"import os, time\nheld = b'1' * (200 * {MIB})\nif os.fork(): os.wait()\nelse: time.sleep(1.5)"
    assert 200 < measured(tmp_path, program).memory < 300


def test_our_own_memory_is_not_the_commands(tmp_path: Path) -> None:
    held = b"1" * (300 * MIB)
    outcome = measured(tmp_path, "import time; time.sleep(0.5)")
    assert outcome.memory < 100 < len(held) / MIB


def test_a_peak_that_is_over_before_a_sample_is_seen_at_the_next(tmp_path: Path) -> None:
    program = f"import time\ntime.sleep(0.5)\nheld = b'1' * (200 * {MIB})\ndel held\ntime.sleep(0.7)"
    assert measured(tmp_path, program).memory > 200


def test_a_command_and_its_children_are_ended_at_the_limit(tmp_path: Path) -> None:
    outcome = measured(tmp_path, WITH_CHILD + "print(child.pid, flush=True); child.wait()", limit=1.5)
    assert outcome.status is None
    assert outcome.seconds < 20
    assert_gone(int(outcome.output))


def test_a_child_that_is_left_behind_is_ended_with_the_command(tmp_path: Path) -> None:
    outcome = measured(tmp_path, WITH_CHILD + "print(child.pid)")
    assert outcome.status == 0
    assert_gone(int(outcome.output))


def assert_gone(process: int) -> None:
    for _ in range(100):
        status = Path(f"/proc/{process}/stat")
        if not status.exists() or status.read_text().rpartition(")")[2].split()[0] == "Z":
            return
        time.sleep(0.05)
    pytest.fail("it still runs")
