"""Signals, as a queue that the main thread reads."""

import queue
import signal
from types import FrameType

STOP = (signal.SIGTERM, signal.SIGINT)
RELOAD = signal.SIGHUP


class Signals:
    """Turns the signals of this process into what ``next`` returns, from now on."""

    def __init__(self) -> None:
        # SimpleQueue.put is the one that may be called inside a signal handler.
        self._arrived: queue.SimpleQueue[int] = queue.SimpleQueue()
        for number in (*STOP, RELOAD):
            signal.signal(number, self._note)

    def next(self, timeout: float | None = None) -> int | None:
        """Return the next signal's number; None when none came within ``timeout`` seconds."""
        try:
            return self._arrived.get(timeout=timeout)
        except queue.Empty:
            return None

    def _note(self, number: int, _frame: FrameType | None) -> None:
        self._arrived.put(number)
