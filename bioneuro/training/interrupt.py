"""Ctrl-C between steps: long work stops where its state is whole, and keeps what it has."""

from __future__ import annotations

import math
import signal
import threading
import time
from typing import ClassVar

AGAIN = 1.0  # s, within which a second Ctrl-C means the program, not the run


class TrainingInterrupted(UserWarning):
    """Learning or a simulation stopped at Ctrl-C; what it had reached is kept."""


class Interruption:
    """While active, Ctrl-C sets `requested` instead of raising; a second one raises `KeyboardInterrupt` at once.

    So does one within a second of the last in an earlier run: two in a row stop a program that runs one after the
    other. Only the main thread receives signals; in any other the context manager does nothing.
    """

    last: ClassVar[float] = -math.inf  # when Ctrl-C was pressed last, in any run

    def __init__(self):
        self.requested = False
        self._active = threading.current_thread() is threading.main_thread()

    def __enter__(self) -> Interruption:
        if self._active:
            self._previous = signal.getsignal(signal.SIGINT)
            self._active = self._previous is not None  # None: a handler that Python did not install and cannot restore
        if self._active:
            signal.signal(signal.SIGINT, self._handle)
        return self

    def __exit__(self, *_) -> None:
        if self._active:
            signal.signal(signal.SIGINT, self._previous)

    def _handle(self, *_) -> None:
        now = time.monotonic()
        again, Interruption.last = now - Interruption.last <= AGAIN, now
        if self.requested or again:
            raise KeyboardInterrupt
        self.requested = True
