"""Ctrl-C while a library computes for minutes and hears nothing."""

import os
import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from manifests.command import INTERRUPTED, INTERRUPTION, say

SIGNALS = (signal.SIGINT, signal.SIGTERM)


@contextmanager
def ends_at_once(command: str) -> Iterator[None]:
    """End this process with one line when Ctrl-C or SIGTERM comes, whatever its main thread is at.

    Python runs its handlers between two of its own instructions, which a compilation of minutes is not. What is written
    meanwhile must bear to be cut off: nothing is cleaned up.
    """
    hears, told = socket.socketpair()
    told.settimeout(0)

    def listen() -> None:
        while number := hears.recv(1):
            if number[0] in SIGNALS:
                say(f"{command}: error: {INTERRUPTION}")
                os._exit(INTERRUPTED)

    before = signal.set_wakeup_fd(told.fileno(), warn_on_full_buffer=False)
    listener = threading.Thread(target=listen, daemon=True)
    listener.start()
    try:
        yield
    finally:
        signal.set_wakeup_fd(before)
        told.close()
        listener.join()
        hears.close()
