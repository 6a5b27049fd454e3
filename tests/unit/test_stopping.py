"""Signals, and what the exporter still waits for after them."""

import signal
import threading
from collections import deque
from typing import TYPE_CHECKING, cast

from exporter.cli.serve import wait
from exporter.cli.stopping import RELOAD, Signals

if TYPE_CHECKING:
    from exporter.service import Exporter
    from exporter.web.server import Server


class TellsSignals(Signals):
    """Mimics a process that gets these signals, one after the other, and then no more."""

    def __init__(self, *numbers: int) -> None:
        self._left = deque(numbers)

    def next(self, timeout: float | None = None) -> int | None:
        """Return the next one at once."""
        if self._left:
            return self._left.popleft()
        threading.Event().wait(timeout)
        return None


class SlowServer:
    """Mimics a server with a request under way that takes its time."""

    def __init__(self, seconds: float) -> None:
        self.answered = threading.Event()
        self.closed = threading.Event()
        self._seconds = seconds

    def stop(self, grace: float) -> None:
        """Wait for the request, or until it is cut."""
        if not self.closed.wait(min(self._seconds, grace)):
            self.answered.set()


class NotedExporter:
    """Mimics the exporter, as far as it is told to stop."""

    def __init__(self) -> None:
        self.told: list[str] = []

    def stop(self) -> None:
        """Note it."""
        self.told.append("stop")

    def close(self) -> None:
        """Note it."""
        self.told.append("close")

    def reload(self) -> None:
        """Note it."""
        self.told.append("reload")


def waited(server: SlowServer, *numbers: int) -> list[str]:
    """Serve until these signals have had their effect; return what the exporter was told."""
    exporter = NotedExporter()
    wait(cast("Exporter", exporter), [cast("Server", server)], TellsSignals(*numbers))
    return exporter.told


def test_one_signal_waits_for_requests() -> None:
    """After one signal, a request under way is answered before the end, and no query cut."""
    server = SlowServer(0.2)

    told = waited(server, RELOAD, signal.SIGTERM)

    assert server.answered.is_set()
    assert told == ["reload", "stop", "close"]


def test_a_second_signal_waits_for_nothing() -> None:
    """After a second signal, the end does not wait for a request under way."""
    server = SlowServer(5.0)

    told = waited(server, signal.SIGTERM, signal.SIGINT)

    assert not server.answered.is_set()
    assert told == ["stop", "close"]
    server.closed.set()


def test_a_reload_does_not_cut_requests() -> None:
    """SIGHUP while stopping is not taken for a second signal to stop."""
    server = SlowServer(0.2)

    waited(server, signal.SIGTERM, RELOAD)

    assert server.answered.is_set()
