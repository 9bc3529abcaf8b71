"""Curves and texts as event files that TensorBoard reads while they grow.

Written record by record with tensorboardX's own encoding, without its writer: that one names its files after the
machine, and keeps a thread.
"""

import time
from collections.abc import Callable, Mapping
from pathlib import Path

from tensorboardX.proto.event_pb2 import Event, SessionLog
from tensorboardX.record_writer import RecordWriter
from tensorboardX.summary import Summary, text

FOLDER = "tensorboard"
SECONDS_BETWEEN = 10.0  # flushes to the disk


class Board:
    """An event file of one start of a run. What earlier files say of step `from_step` and those behind it is void."""

    def __init__(self, folder: Path, from_step: int, clock: Callable[[], float] = time.time) -> None:
        folder.mkdir(exist_ok=True)
        self._clock = clock
        self._flushed = clock()
        # TensorBoard reads the files of a folder in the order of their names.
        self._writer = RecordWriter(str(folder / f"events.out.tfevents.{time.time_ns():019}"))
        self._write(Event(file_version="brain.Event:2"))
        self._write(Event(step=from_step, session_log=SessionLog(status=SessionLog.START)))

    def scalars(self, step: int, values: Mapping[str, float]) -> None:
        """The values of curves at a step."""
        summary = Summary(
            value=[Summary.Value(tag=tag, simple_value=value) for tag, value in sorted(values.items())]
        )
        self._write(Event(step=step, summary=summary))

    def text(self, step: int, tag: str, content: str) -> None:
        """A text at a step. TensorBoard reads it as Markdown; here all of it is code, so it stands as it is."""
        lines = content.splitlines()
        self._write(Event(step=step, summary=text(tag, "\n".join(f"    {line}" for line in lines))))

    def close(self) -> None:
        """Flush what is left."""
        self._writer.flush()
        self._writer.close()

    def _write(self, event: Event) -> None:
        now = self._clock()
        event.wall_time = now
        self._writer.write(event.SerializeToString())
        if now - self._flushed >= SECONDS_BETWEEN:
            self._flushed = now
            self._writer.flush()
