"""SIGTERM and Ctrl-C during a training.

Before the first step is done, a signal ends the process soon: there is nothing to lose. From then on the first one asks
the run to stop at the boundary of the next update, and a second one ends the process at once, which is no worse than
SIGKILL. Python runs a signal's handler between two of its own instructions only, and a compilation or a step is one of
them that may take minutes. So a thread of our own listens too, and ends the process where the handler can't.
"""

import os
import signal
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

SIGNALS = {signal.SIGINT: "SIGINT", signal.SIGTERM: "SIGTERM"}
GRACE_SECONDS = 3.0


class Interruption:
    """What a run is told of signals. It hears nothing before it is `installed`."""

    def __init__(self) -> None:
        self._first: int | None = None
        self._graceful = False
        self._installed = False
        self._over = threading.Event()

    @property
    def exit_status(self) -> int:
        """As shells report a process that the signal ended; 0 when there was none."""
        return 0 if self._first is None else 128 + self._first

    def asked(self) -> str | None:
        """The name of the signal that asks the run to stop; None: none came."""
        return None if self._first is None else SIGNALS[signal.Signals(self._first)]

    def first_step_done(self) -> None:
        """From now on there is something to lose: a signal stops the run on a boundary.

        The handlers are set once more: libtpu, which the first step loads, puts its own in their place.
        """
        if self._installed and not self._graceful:
            for number in SIGNALS:
                signal.signal(number, self._handle)
        self._graceful = True

    @contextmanager
    def installed(self, say: Callable[[str], None]) -> Iterator[None]:
        """Hear signals until the end. Does nothing where Python has no signals: outside of the main thread."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        hearing, telling = socket.socketpair()
        telling.setblocking(False)  # noqa: FBT003 - the library's signature
        before = {number: signal.signal(number, self._handle) for number in SIGNALS}
        self._installed = True
        wakeup = signal.set_wakeup_fd(telling.fileno(), warn_on_full_buffer=False)
        listener = threading.Thread(target=self._listen, args=(hearing, say), daemon=True)
        listener.start()
        try:
            yield
        finally:
            self._installed = False
            self._over.set()
            signal.set_wakeup_fd(wakeup)
            for number, handler in before.items():
                signal.signal(number, handler)
            telling.close()
            listener.join()
            hearing.close()

    def _handle(self, number: int, _frame: object) -> None:
        """In the main thread, between two instructions of Python."""
        if self._first is None:
            self._first = number
            if not self._graceful:
                raise KeyboardInterrupt

    def _listen(self, hearing: socket.socket, say: Callable[[str], None]) -> None:
        """In a thread of our own, as soon as the signal comes."""
        heard = 0
        while data := hearing.recv(1):
            if data[0] not in SIGNALS:
                continue
            heard += 1
            status = 128 + data[0]
            if heard > 1:
                _end(say, "ended at once; the same command goes on from the last checkpoint", status)
            elif not (self._graceful or self._over.wait(GRACE_SECONDS) or self._graceful):
                _end(
                    say,
                    "interrupted before its first step; the same command again goes on or starts over",
                    status,
                )
            elif not self._over.is_set():
                say("stopping at the end of this update; once more ends at once")


def _end(say: Callable[[str], None], line: str, status: int) -> None:
    say(f"training: {line}")
    sys.stderr.flush()
    os._exit(status)
