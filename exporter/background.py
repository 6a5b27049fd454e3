"""Work in a thread of its own, so that who needs its result waits no longer than they like."""

import logging
import threading
from collections.abc import Callable

from exporter.clock import Deadline

_log = logging.getLogger(__name__)


class Background:
    """Runs something again and again, once at a time, and once for all who want it meanwhile.

    Args:
        run: what is to be run. What it raises is logged.
    """

    def __init__(self, run: Callable[[], object]) -> None:
        self._run = run
        self._changed = threading.Condition()
        self._wanted = self._begun = self._ended = 0  # numbers of runs
        self._is_running = False

    def start(self) -> int:
        """Have it run from now on, and return the number of the run to wait for.

        One that has begun before may have missed what the caller is after.
        """
        with self._changed:
            self._wanted = number = self._begun + 1
            if self._is_running:
                return number
            self._is_running = True
        try:
            threading.Thread(target=self._loop, name="background", daemon=True).start()
        except (RuntimeError, MemoryError):  # the system denies us a thread
            self._loop()
        return number

    def wait(self, number: int, deadline: Deadline) -> bool:
        """Wait for a run to end; return whether it has.

        Args:
            number: from ``start``.
            deadline: of the waiting.
        """
        with self._changed:
            return self._changed.wait_for(lambda: self._ended >= number, max(0.0, deadline.left()))

    def _loop(self) -> None:
        while True:
            with self._changed:
                if self._wanted == self._begun:
                    self._is_running = False
                    return
                self._begun = self._wanted
            try:
                self._run()
            except Exception:  # noqa: BLE001  the edge of a thread; what was known stays in use
                _log.exception("unexpected")
            finally:
                with self._changed:
                    self._ended = self._begun
                    self._changed.notify_all()
