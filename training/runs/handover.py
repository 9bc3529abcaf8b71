"""Going on with a run in another folder (`--resume-from`): as Kaggle hands an earlier session's output to the next.

The earlier folder may be read-only, and may be of a run that was killed, stopped, or trains at this moment. It is only
read. What is needed of it is copied, all at once or not at all: everything but its checkpoints, of which the newest
whole one is, and the lines of its metrics behind that.
"""

import shutil
from collections.abc import Callable, Mapping
from pathlib import Path

from manifests import disk
from training.batches.token_cache import TOKENS, TOKENS_PROOF
from training.errors import RunFolderError
from training.runs import folder
from training.runs.checkpoints import FOLDER, DamagedError, read_checkpoint, refuse_all_damaged, steps_in
from training.runs.folder import Record
from training.runs.lines import cut_lines
from training.runs.metrics import METRICS, keep_metrics

SAME = ("plan", "base_digest", "schedule")
WATCHED = ("pace.jsonl", "samples.jsonl")
BOARD = "tensorboard"
TRIES = 3


class _ChangedError(Exception):
    """The source was written to while it was copied."""


def take_over(source: Path, out: Path, asked: Mapping[str, object], say: Callable[[str], None]) -> bool:
    """Seed `out`, which is empty or not there, with the run in `source`; or leave it, when it holds that run already.

    Whether it was seeded.

    Raises `RunFolderError` when `source` is no run, damaged, or of another request, or when `out` holds another run or
    one that is not as far; `StoreError` (of manifests) when `out` can't be written. In all these cases `out` is left as
    it was.
    """
    theirs = folder.open_run(source, asked)
    if theirs is None:
        raise RunFolderError(f"{source}: no run in it to go on with; leave out --resume-from to begin anew")
    ours = folder.open_run(out, asked)
    if ours is not None:
        _check_further(source, theirs, out, ours)
        say(f"{out}: holds the run of {source}, as far or further; going on with it, not with {source}")
        return False
    for tries_left in reversed(range(TRIES)):
        try:
            with disk.writing(out), disk.staging(out.absolute().parent) as staged:
                step = _copy_run(source, staged, say)
                folder.put_in_place(staged, out)
            break
        except _ChangedError as error:
            if not tries_left:
                raise RunFolderError(
                    f"{source}: changes faster than it can be copied ({error}); wait until it is stopped"
                ) from error
    say(f"{out}: taken over from {source} at step {step}")
    return True


def _check_further(source: Path, theirs: Record, out: Path, ours: Record) -> None:
    """Raises `RunFolderError` when `out` holds another run than `source`, or an earlier state of it."""
    folder.check_same(out, {key: ours.get(key) for key in SAME}, {key: theirs.get(key) for key in SAME})
    steps = [max(steps_in(path / FOLDER), default=0) for path in (source, out)]
    if steps[0] > steps[1]:
        raise RunFolderError(
            f"{out}: holds the same run at step {steps[1]}, {source} is at step {steps[0]}; "
            "take another --out, or leave out --resume-from to go on with this one"
        )


def _copy_run(source: Path, staged: Path, say: Callable[[str], None]) -> int:
    """Copy what is needed of a run; the step of the checkpoint that was copied, 0 when there was none.

    The checkpoint comes first: what it hangs on was on the disk before it was.
    """
    try:
        step = _copy_checkpoint(source, staged, say)
        record = folder.read_record(source)
        for name in record["files"]:
            shutil.copyfile(source / name, staged / name)
            folder.check_file(staged, record, name)
        for name in (TOKENS, TOKENS_PROOF, *((METRICS, *WATCHED) if step else ())):
            if (source / name).exists():
                shutil.copyfile(source / name, staged / name)
        if record["status"] != folder.RUNNING:
            (staged / folder.ADAPTER).parent.mkdir()
            shutil.copyfile(source / folder.ADAPTER, staged / folder.ADAPTER)
            folder.check_adapter(staged, record)
        if (source / BOARD).is_dir():
            _copy_tree(source / BOARD, staged / BOARD)
    except FileNotFoundError as error:
        raise _ChangedError(f"{error.filename} is gone") from error
    if step:
        keep_metrics(staged / METRICS, step)
        for name in WATCHED:
            cut_lines(staged / name, step)
    disk.write_file(staged / folder.RECORD, folder.encoded(record))
    return step


def _copy_checkpoint(source: Path, staged: Path, say: Callable[[str], None]) -> int:
    """Copy the newest whole checkpoint, read from the copy; its step, 0 when there are no checkpoints."""
    steps = steps_in(source / FOLDER)
    for step in steps:
        theirs, copy = source / FOLDER / str(step), staged / FOLDER / str(step)
        _copy_tree(theirs, copy)
        try:
            read_checkpoint(copy)
        except DamagedError as error:
            if not theirs.is_dir():
                raise _ChangedError(f"{theirs} is gone") from error
            say(f"{theirs}: damaged ({error}), left out")
            shutil.rmtree(copy)
        else:
            return step
    refuse_all_damaged(source / FOLDER, steps)
    return 0


def _copy_tree(source: Path, target: Path) -> None:
    """Copy folders and files without their modes: those of a read-only folder must not come along."""
    target.mkdir(parents=True)
    for path in sorted(source.iterdir()):
        if path.is_dir():
            _copy_tree(path, target / path.name)
        else:
            shutil.copyfile(path, target / path.name)
