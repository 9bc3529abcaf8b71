"""What processes promise that are killed, stopped, moved and short of room: the end of one that was left alone."""

import json
import os
import random
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.training.helpers import files_below, record_of
from training.runs.checkpoints import read_checkpoint

ROOT = Path(__file__).parents[2]
CPU = {**os.environ, "JAX_PLATFORMS": "cpu"}
Commands = Callable[..., list[str]]

pytestmark = pytest.mark.slow


def finish(command: list[str], status: int = 0) -> tuple[dict[str, Any], list[str]]:
    """Run a command to its end: its answer (none when it failed), and what it said."""
    done = subprocess.run(command, cwd=ROOT, env=CPU, capture_output=True, text=True, check=False)
    assert done.returncode == status, done.stderr
    assert "Traceback" not in done.stderr
    return json.loads(done.stdout) if done.stdout else {}, done.stderr.splitlines()


def signalled(command: list[str], run: Path, moment: float, number: signal.Signals) -> tuple[int, list[str]]:
    """Run a command and signal it when so many steps are done, and a part of the next: how it ended, what it said."""
    metrics = run / "metrics.jsonl"
    deadline = time.monotonic() + 120
    with subprocess.Popen(
        command, cwd=ROOT, env=CPU, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    ) as process:
        while process.poll() is None and time.monotonic() < deadline:
            done = metrics.read_bytes().count(b"\n") if metrics.exists() else 0
            if run.is_dir() and done >= int(moment):
                break
            time.sleep(0.002)
        time.sleep((moment - int(moment)) * 0.3)
        process.send_signal(number)
        _, said = process.communicate(timeout=120)
    return process.returncode, said.splitlines()


def same_as_left_alone(run: Path, alone: Path) -> None:
    ours, theirs = record_of(run), record_of(alone)
    assert (ours["status"], ours["adapter_digest"]) == ("finished", theirs["adapter_digest"])
    assert (run / "metrics.jsonl").read_bytes() == (alone / "metrics.jsonl").read_bytes()
    last, expected = (read_checkpoint(path / "checkpoints" / str(theirs["steps"])) for path in (run, alone))
    assert last.told == expected.told
    assert all((last.tensors[name] == tensor).all() for name, tensor in expected.tensors.items())


def test_a_run_killed_again_and_again_ends_as_if_it_had_been_left_alone(
    tmp_path: Path, command_for: Commands, first: Path
) -> None:
    out, draw = tmp_path / "run", random.Random(5)
    for moment in (draw.uniform(0, 4), draw.uniform(6, 12), draw.uniform(13, 19)):
        status, _ = signalled(command_for(out), out, moment, signal.SIGKILL)
        assert status == -signal.SIGKILL
    answer, said = finish(command_for(out))
    assert answer["resumed_from"] > 0
    assert len(answer["sessions"]) == 4
    same_as_left_alone(out, first)
    assert all(line.startswith(("sums: ", "going on from step ", "step ")) for line in said), said


@pytest.mark.parametrize(("number", "status"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_run_that_is_asked_to_stop_exports_and_goes_on_to_the_end_of_one_left_alone(
    tmp_path: Path, command_for: Commands, first: Path, number: signal.Signals, status: int
) -> None:
    out = tmp_path / "run"
    moment = random.Random(number).uniform(1, 15)
    ended, said = signalled(command_for(out), out, moment, number)
    assert ended == status
    assert "stopping at the end of this update; once more ends at once" in said
    assert any(line.startswith("stopped behind step ") and number.name in line for line in said)
    record = record_of(out)
    assert record["status"] == "stopped"
    assert (out / record["adapter"]).is_file()
    finish(command_for(out))
    same_as_left_alone(out, first)


def test_before_the_first_step_a_signal_ends_it_soon_with_one_line(
    tmp_path: Path, command_for: Commands
) -> None:
    out = tmp_path / "run"
    began = time.monotonic()
    status, said = signalled(command_for(out), out, 0.5, signal.SIGTERM)
    assert status == 143
    assert [line for line in said if "interrupted before its first step" in line] == [said[-1]]
    assert not any("Traceback" in line for line in said)
    assert time.monotonic() - began < 60
    assert record_of(out)["status"] == "running"


@contextmanager
def mounted(*arguments: object, place: Path) -> Iterator[Path]:
    """A mount at `place`; skips the test where none can be made."""
    place.mkdir()
    try:
        mount(*arguments, place)
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f"nothing can be mounted here: {error}")
    try:
        yield place
    finally:
        subprocess.run(["umount", place], check=True)  # noqa: S607 - wherever it is


@contextmanager
def read_only(folder: Path, place: Path) -> Iterator[Path]:
    """`folder` as it looks at `place`, where nothing can be written."""
    with mounted("--bind", folder, place=place):
        mount("-o", "remount,bind,ro", place)
        yield place


def mount(*arguments: object) -> None:
    subprocess.run(["mount", *map(str, arguments)], check=True, capture_output=True)  # noqa: S607 - as above


def test_a_full_disk_is_one_line_and_the_same_command_finishes_once_there_is_room(
    tmp_path: Path, command_for: Commands, first: Path
) -> None:
    with mounted("-t", "tmpfs", "-o", "size=800k", "tmpfs", place=tmp_path / "disk") as disk:
        command = command_for(disk / "run")
        _, said = finish(command, status=2)
        [error] = [line for line in said if line.startswith("training: error: ")]
        assert error == said[-1]
        assert "No space left on device" in error
        mount("-o", "remount,size=8m", disk)
        answer, _ = finish(command)
        assert answer["resumed_from"] > 0
        same_as_left_alone(disk / "run", first)


def test_sessions_hand_over_as_on_kaggle(
    tmp_path: Path, command_for: Commands, first: Path, second: Path
) -> None:
    """Everything earlier is mounted read-only under another name; the working folder is a small disk of its own."""
    earlier = tmp_path / "earlier"
    signalled(command_for(earlier), earlier, 9.5, signal.SIGKILL)
    before = files_below(earlier)
    store = Path(command_for(earlier)[command_for(earlier).index("--store") + 1])
    shutil.copytree(store, tmp_path / "store")
    with (
        read_only(tmp_path / "store", tmp_path / "input-store") as input_store,
        read_only(earlier, tmp_path / "input-run") as input_run,
        mounted("-t", "tmpfs", "-o", "size=8m", "tmpfs", place=tmp_path / "working") as working,
    ):
        flags = ("--store", input_store)
        answer, said = finish(command_for(working / "run", *flags, "--resume-from", input_run))
        assert any(
            line.startswith(f"{working / 'run'}: taken over from {input_run} at step ") for line in said
        )
        assert answer["resumed_from"] == 8
        same_as_left_alone(working / "run", first)

        with read_only(working / "run", tmp_path / "input-finished") as finished:
            go_on = [*flags, "--steps", "3", "--continue", finished]
            answer, _ = finish(command_for(working / "next", *go_on, name="two"))
            assert answer["adapter_digest"] == record_of(second)["adapter_digest"]

            shared = command_for(working / "no", *flags, "--continue", finished, name="shared")
            _, said = finish(shared, status=1)
            assert "repeats what" in said[-1]
            answer, _ = finish([*shared, "--allow-overlap", "--steps", "1"])
            assert answer["overlap"]["counts"]["row"] > 0

        mount("-o", f"remount,size={_used(working) + (1 << 16)}", working)
        _, said = finish(command_for(working / "again", *flags, "--resume-from", input_run), status=2)
        assert "No space left on device" in said[-1]
        assert sorted(path.name for path in working.iterdir()) == ["next", "no", "run"]
    assert files_below(earlier) == before


def _used(disk: Path) -> int:
    usage = os.statvfs(disk)
    return (usage.f_blocks - usage.f_bfree) * usage.f_frsize
