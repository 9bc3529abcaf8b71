"""What a command costs: run as a small process of its own, so that what it counts is the command's alone.

    python meter.py COMMAND [ARGUMENT …]      prints one JSON object, and the command's output with it

- seconds, processor: wall clock; user and system time of all its processes (wait4).
- largest: the peak of the largest process (wait4's ru_maxrss: exact).
- first, others: the peaks (VmHWM) of the command's own process and of the largest of those that it started, looked at
  ten times a second, so that what came in the last tenth before an end is missed.
- together: the largest sum, at one of these moments, of the proportional memory (PSS) of all its processes. Looking
  takes long in large processes, so there are never more moments than take a tenth of the time.
- read, written: bytes that all its processes asked of read() and write() (rchar, wchar of /proc/PID/io once the
  command has ended, which include the processes that it waited for): files, cached or not, and pipes between them.
- disk_read, disk_written: what of it went to a disk (read_bytes, write_bytes).

Memory in bytes. Linux only.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

_TURN = 0.1
_SHARE = 0.1


def main() -> None:
    """Run, measure, print."""
    began = time.perf_counter()
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as said:
        process = subprocess.Popen(sys.argv[1:], stdout=out, stderr=said, start_new_session=True)  # noqa: S603
        seen = _Seen(process.pid)
        while os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
            time.sleep(seen.look())
        seconds = time.perf_counter() - began
        counted = _counts(process.pid)  # it has ended, and is waited for only now: its counts are whole
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        texts = {}
        for name, file in (("out", out), ("said", said)):
            file.seek(0)
            texts[name] = file.read()
    figures = {
        "seconds": seconds,
        "processor": used.ru_utime + used.ru_stime,
        "largest": used.ru_maxrss * 1024,
        "first": seen.first,
        "others": seen.others,
        "together": seen.together,
        **counted,
    }
    print(json.dumps({"status": process.returncode, **texts, "figures": figures}))


class _Seen:
    """The memory of a session's processes, as it was seen from time to time."""

    def __init__(self, session: int) -> None:
        self.first = self.others = self.together = 0
        self._session = session

    def look(self) -> float:
        """Look once; the seconds to wait before the next look."""
        began, together = time.perf_counter(), 0
        for process in _members(self._session):
            peak = _kilobytes(process, "status", "VmHWM:")
            together += _kilobytes(process, "smaps_rollup", "Pss:")
            if process == self._session:
                self.first = max(self.first, peak)
            else:
                self.others = max(self.others, peak)
        self.together = max(self.together, together)
        return max(_TURN, (time.perf_counter() - began) / _SHARE)


def _members(session: int) -> list[int]:
    """The processes of a session."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                state = (entry / "stat").read_text(errors="replace").rpartition(")")[2].split()
            except OSError:  # it has ended
                continue
            if int(state[3]) == session:
                found.append(int(entry.name))
    return found


def _kilobytes(process: int, file: str, name: str) -> int:
    try:
        lines = Path(f"/proc/{process}/{file}").read_text().splitlines()
    except OSError:  # it has ended
        return 0
    return next((1024 * int(line.split()[1]) for line in lines if line.startswith(name)), 0)


def _counts(process: int) -> dict[str, int]:
    names = {
        "rchar": "read",
        "wchar": "written",
        "read_bytes": "disk_read",
        "write_bytes": "disk_written",
    }
    lines = (line.split(": ") for line in Path(f"/proc/{process}/io").read_text().splitlines())
    return {names[name]: int(value) for name, value in lines if name in names}


if __name__ == "__main__":
    main()
