"""The signals of this process, from its first moment to its last.

A signal handler in Python runs in the main thread, between two of its steps: not while that thread
waits for a lock, if the kernel has given the signal to another thread. So the handlers here do
nothing. The interpreter itself writes the number of each signal into a pipe, in whichever thread it
arrives, and a thread that does nothing else reads it there.
"""

import os
import signal
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress

STOP = (signal.SIGTERM, signal.SIGINT)
RELOAD = signal.SIGHUP
_ONE_SHOT = ("check-config", "query", "wait", "watch", "announce", "forget")
_M_ARENA_MAX = -8  # of glibc's malloc.h


class Signals:
    """What becomes of the signals.

    A command that ends by itself is ended by each of them at once. One that serves is ended at
    once by those that stop, until it has called ``take``: from then on ``next`` returns them, and
    only one that comes while another is not yet returned ends the process at once. SIGHUP never
    ends a command that serves; several that wait are one.

    Args:
        serves: whether the command runs until a signal.
        leave: ends the process with an exit code.
    """

    def __init__(self, *, serves: bool = True, leave: Callable[[int], object] = os._exit) -> None:
        self._serves = serves
        self._leave = leave
        self._changed = threading.Condition()
        self._waiting: list[int] = []
        self._is_taken = False

    def take(self) -> None:
        """Have ``next`` return signals that stop, instead of ending the process."""
        with self._changed:
            self._is_taken = True

    def give_back(self) -> None:
        """Have each signal that stops end the process at once again."""
        with self._changed:
            self._is_taken = False

    def next(self, timeout: float | None = None) -> int | None:
        """Return the next signal's number; None when none came within ``timeout`` seconds."""
        with self._changed:
            self._changed.wait_for(lambda: self._waiting, timeout)
            return self._waiting.pop(0) if self._waiting else None

    def arrive(self, number: int) -> None:
        """Take note of a signal."""
        with self._changed:
            is_waiting = bool({*STOP} & {*self._waiting})
            if number == RELOAD and self._serves:
                if RELOAD not in self._waiting:
                    self._waiting.append(number)
                    self._changed.notify_all()
            elif number in STOP and self._is_taken and not is_waiting:
                self._waiting.append(number)
                self._changed.notify_all()
            else:
                self._leave(0 if self._serves else 128 + number)


def serves(arguments: Sequence[str]) -> bool:
    """Whether a command line is that of a command that runs until a signal; none means serve."""
    return not arguments or arguments[0] not in _ONE_SHOT


def take_over(signals: Signals) -> None:
    """Have the signals of this process arrive there, from now on and in any thread."""
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
    for number in (*STOP, RELOAD):
        signal.signal(number, lambda _number, _frame: None)
    share_one_heap()
    threading.Thread(target=_watch, args=(reading, signals), name="signals", daemon=True).start()


def _watch(reading: int, signals: Signals) -> None:
    while numbers := os.read(reading, 4096):
        for number in numbers:
            signals.arrive(number)


def share_one_heap() -> None:
    """Have glibc give all threads to come one heap.

    Each scrape is written in another thread. With a heap for each, up to 8 for a processor, each
    keeps the size of a page: 85 MB instead of 60 at 10,000 jobs after twenty scrapes.
    """
    import ctypes  # noqa: PLC0415  no signal waits for it

    with suppress(OSError, AttributeError):  # another C library has no mallopt, or no such heaps
        ctypes.CDLL(None).mallopt(_M_ARENA_MAX, 1)
