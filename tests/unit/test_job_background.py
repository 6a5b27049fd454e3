import logging
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from exporter.background import Background
from exporter.clock import Deadline
from tests.fakes import LIMIT


def until() -> Deadline:
    """Return a deadline that comes only if something hangs."""
    return Deadline.after(LIMIT)


def test_who_waits_gets_a_run_that_began_later() -> None:
    """A run that is under way may have missed what a caller is after: they wait for the next."""
    begun, go = threading.Semaphore(0), threading.Semaphore(0)
    runs: list[int] = []

    def run() -> None:
        begun.release()
        assert go.acquire(timeout=LIMIT)
        runs.append(len(runs))

    background = Background(run)
    first = background.start()
    assert begun.acquire(timeout=LIMIT)
    others = [background.start() for _ in range(5)]
    go.release()
    assert background.wait(first, until())
    assert not background.wait(others[0], Deadline(0.0))
    go.release()

    assert all(background.wait(number, until()) for number in others)
    assert (len({*others}), runs) == (1, [0, 1])


def test_a_fault_is_logged_and_ends_the_run(caplog: pytest.LogCaptureFixture) -> None:
    """What a run raises leaves nobody waiting, and the next run is another attempt."""
    runs: list[None] = []

    def run() -> None:
        runs.append(None)
        raise ValueError("a fault of ours")

    background = Background(run)

    assert background.wait(background.start(), until())
    assert background.wait(background.start(), until())
    assert len(runs) == 2
    assert [record.levelno for record in caplog.records] == [logging.ERROR] * 2


def test_without_a_thread_it_runs_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the system gives no thread the caller's does the work."""
    ran_in: list[threading.Thread] = []

    def refuse(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    background = Background(lambda: ran_in.append(threading.current_thread()))

    assert background.wait(background.start(), until())
    assert ran_in == [threading.current_thread()]


def test_many_callers() -> None:
    """However many ask at once, each waits for a run, and runs are fewer than callers."""
    runs: list[None] = []
    background = Background(lambda: runs.append(None))

    with ThreadPoolExecutor(16) as pool:
        done = [*pool.map(lambda _: background.wait(background.start(), until()), range(200))]

    assert all(done)
    assert 1 <= len(runs) <= 200
