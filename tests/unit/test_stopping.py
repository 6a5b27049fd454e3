"""Signals, and what the exporter still waits for after them."""

import itertools
import signal
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, cast

import pytest

from exporter.cli.serve import Reloader, wait
from exporter.errors import ConfigurationError
from exporter.signals import RELOAD, Signals
from tests.fakes import LIMIT

if TYPE_CHECKING:
    from exporter.service import Exporter
    from exporter.web.server import Server


class BusyServer:
    """Mimics a server with a request under way, which ends when a test lets it.

    Attributes:
        stopping: it was called upon to stop.
        go: lets the request end.
        answered: the request has ended.
    """

    def __init__(self) -> None:
        self.stopping, self.go, self.answered = (threading.Event() for _ in range(3))

    def stop(self, grace: float) -> None:
        """Wait for the request."""
        assert grace > 0
        self.stopping.set()
        if self.go.wait(LIMIT):
            self.answered.set()


class NotedExporter:
    """Mimics the exporter, as far as it reloads and stops.

    Attributes:
        did: what it was called upon to do.
        reloading: a reload has begun.
        go: lets reloads end.
    """

    def __init__(self) -> None:
        self.did: list[str] = []
        self.reloading, self.go = threading.Event(), threading.Event()

    def stop(self) -> None:
        """Note it."""
        self.did.append("stop")

    def close(self) -> None:
        """Note it."""
        self.did.append("close")

    def reload(self) -> None:
        """Note it, and hang."""
        self.did.append("reload")
        self.reloading.set()
        assert self.go.wait(LIMIT)


class Serving:
    """A command that serves, between its signals and what it stops."""

    def __init__(self) -> None:
        self.exporter, self.server, self.signals = NotedExporter(), BusyServer(), Signals()
        self.signals.take()
        self._pool = ThreadPoolExecutor(1)
        exporter, servers = cast("Exporter", self.exporter), [cast("Server", self.server)]
        self._ended = self._pool.submit(wait, exporter, servers, self.signals)

    def ended(self) -> list[str]:
        """Wait for the end, and return what the exporter did until then."""
        self._ended.result(LIMIT)
        self._pool.shutdown()
        return self.exporter.did


def test_one_signal_waits_for_requests() -> None:
    """After one signal, a request under way is answered before the end, and no query cut."""
    it = Serving()

    it.signals.arrive(signal.SIGTERM)
    assert it.server.stopping.wait(LIMIT)
    it.server.go.set()

    assert it.ended() == ["stop", "close"]
    assert it.server.answered.is_set()


def test_a_second_signal_waits_for_nothing() -> None:
    """After a second signal, the end does not wait for a request under way."""
    it = Serving()

    it.signals.arrive(signal.SIGTERM)
    assert it.server.stopping.wait(LIMIT)
    it.signals.arrive(signal.SIGINT)

    assert it.ended() == ["stop", "close"]
    assert not it.server.answered.is_set()
    it.server.go.set()


def test_a_reload_does_not_cut_requests() -> None:
    """SIGHUP while stopping is not taken for a second signal to stop."""
    it = Serving()

    it.signals.arrive(signal.SIGTERM)
    assert it.server.stopping.wait(LIMIT)
    it.signals.arrive(RELOAD)
    it.server.go.set()

    assert it.ended() == ["stop", "close"]
    assert it.server.answered.is_set()


def test_a_reload_that_hangs_does_not_hold_up_the_end() -> None:
    """SIGTERM during a reload that never ends stops as it does at any other moment."""
    it = Serving()

    it.signals.arrive(RELOAD)
    assert it.exporter.reloading.wait(LIMIT)
    it.signals.arrive(signal.SIGTERM)
    it.server.go.set()

    assert it.ended() == ["reload", "stop", "close"]
    it.exporter.go.set()


class Reloads:
    """Mimics what reloads: each one waits until it is let go.

    Attributes:
        begun: how many have begun.
    """

    def __init__(self, *outcomes: Exception | None) -> None:
        self.begun = 0
        self._outcomes = itertools.chain(outcomes, itertools.repeat(None))
        self._changed = threading.Condition()
        self._may_end = 0

    def __call__(self) -> None:
        """Reload."""
        with self._changed:
            self.begun += 1
            number = self.begun
            self._changed.notify_all()
            assert self._changed.wait_for(lambda: self._may_end >= number, LIMIT)
        if outcome := next(self._outcomes):
            raise outcome

    def wait_until_begun(self, number: int) -> None:
        """Wait until so many have begun."""
        with self._changed:
            assert self._changed.wait_for(lambda: self.begun == number, LIMIT)

    def let_end(self) -> None:
        """Let one more end."""
        with self._changed:
            self._may_end += 1
            self._changed.notify_all()


def test_a_storm_of_reloads_is_two() -> None:
    """Whatever comes during a reload is one more reload, which sees all that has changed."""
    reloads = Reloads()
    reloader = Reloader(reloads)
    reloader.request()
    reloads.wait_until_begun(1)

    for _ in range(1_000):
        reloader.request()
    reloads.let_end()
    reloads.wait_until_begun(2)
    reloads.let_end()

    reloader.request()
    reloads.wait_until_begun(3)
    reloads.let_end()


@pytest.mark.parametrize("outcome", [ConfigurationError([]), MemoryError(), ValueError("x")])
def test_a_reload_that_fails_is_not_the_last(outcome: Exception) -> None:
    """After a reload that failed, for whatever reason, the next one is made."""
    reloads = Reloads(outcome)
    reloader = Reloader(reloads)
    reloader.request()
    reloads.wait_until_begun(1)

    reloader.request()
    reloads.let_end()
    reloads.wait_until_begun(2)
    reloads.let_end()


def test_no_reload_begins_after_the_stop() -> None:
    """What was to be reloaded when the stop began is not: its files may be gone already."""
    before = {*threading.enumerate()}
    reloads = Reloads()
    reloader = Reloader(reloads)
    reloader.request()
    reloads.wait_until_begun(1)
    (worker,) = {*threading.enumerate()} - before
    reloader.request()

    reloader.close()
    reloads.let_end()
    worker.join(LIMIT)

    assert not worker.is_alive()
    assert reloads.begun == 1
