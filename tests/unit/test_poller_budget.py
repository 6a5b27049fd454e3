"""Scrapes that must not wait for everything: budgets, threads, and targets that hang."""

import threading
from collections import Counter
from collections.abc import Iterator

import pytest

from tests.fakes import LIMIT, in_background, running
from tests.pollers import BRIEFLY, SCRAPE, World, by_id, progress, results


@pytest.fixture
def world() -> Iterator[World]:
    """A poller without jobs, whose time stands still."""
    made = World()
    yield made
    made.end()


def test_nothing_is_known_of_a_job_that_did_not_answer_yet(world: World) -> None:
    """A job whose first query has not ended is neither up nor down."""
    world.watch({"a": 1})
    world.api.hold("a")

    snapshot = world.scrape(BRIEFLY)

    assert by_id(snapshot)["a-0"].up is None
    assert by_id(snapshot)["a-0"].state is None
    assert results(snapshot) == {"a-0": "late"}


@pytest.mark.parametrize("budget", [0.0, -1.0, -1e9])
def test_a_budget_of_nothing_is_no_error(world: World, budget: float) -> None:
    """A scrape that has no time shows what is known."""
    world.watch({"a": 2})
    world.prove()

    snapshot = world.scrape(budget)

    assert progress(snapshot) == {"a-0": 100, "a-1": 100}


def test_a_hanging_job_does_not_hold_the_scrape(world: World) -> None:
    """At its deadline a scrape goes without the job that hangs, and with all the others."""
    world.watch({"a": 10})
    world.prove()
    world.api.hold("a-3")
    waiting = world.scrape_in_background()
    world.wait_until_late("a-3")

    snapshot = world.scrape(BRIEFLY)

    assert not waiting.done()
    others = results(snapshot)
    assert others.pop("a-3") == "late"
    assert set(others.values()) == {"fresh"}


def test_a_call_in_flight_is_not_doubled_and_is_waited_for(world: World) -> None:
    """The next scrape waits for a query that still hangs instead of making another."""
    world.watch({"a": 2})
    world.prove()
    world.api.hold("a-0")
    world.api.script("a-0", running(777))
    world.scrape(BRIEFLY)
    world.time.advance(60.0)

    waiting = world.scrape_in_background()  # begins with a-1
    assert not waiting.done()
    world.api.release()
    snapshot = waiting.result(LIMIT)

    assert Counter(world.api.asked())["a-0"] == 1
    assert progress(snapshot)["a-0"] == 777
    assert results(snapshot)["a-0"] == "fresh"


def test_a_late_answer_is_kept_for_the_next_scrape(world: World) -> None:
    """An answer that comes between two scrapes is shown by the next, which asks nothing."""
    world.watch({"a": 1})
    world.prove()
    world.api.hold("a")
    world.api.script("a-0", running(777))
    world.scrape(BRIEFLY)
    world.api.release()
    world.wait_until_late()

    snapshot = world.scrape()

    assert progress(snapshot) == {"a-0": 777}
    assert results(snapshot) == {"a-0": "cached"}
    assert world.api.asked() == ["a-0"]


def test_queries_that_were_not_started_by_the_deadline_are_not_started(world: World) -> None:
    """Nothing is asked between scrapes: what is left of a round ends with its budget."""
    world.watch({"a": 20})
    world.prove()
    world.api.hold("a")
    waiting = world.scrape_in_background(BRIEFLY)
    world.api.wait_for_calls(SCRAPE.concurrency)
    waiting.result(LIMIT)
    world.time.advance(BRIEFLY)
    world.api.release()
    world.wait_until_late(*(f"a-{n}" for n in range(SCRAPE.concurrency, 20)))

    assert len(world.api.asked()) == SCRAPE.concurrency


def test_concurrency_is_never_exceeded_and_threads_are_bounded(world: World) -> None:
    """Round after round, with calls that hang, there are never more calls or threads."""
    world.watch({"a": 30, "b": 30})
    world.prove()
    for _ in range(6):
        world.api.hold("a-7", "b-7")
        world.scrape(BRIEFLY)
        world.api.release()
        world.scrape()
        world.time.advance(5.0)

    assert world.api.most_in_flight <= SCRAPE.concurrency
    assert world.threads() <= SCRAPE.concurrency
    assert len(world.api.threads) <= SCRAPE.concurrency


def test_a_hundred_scrapes_need_no_more_threads(world: World) -> None:
    """Threads are kept and used again."""
    world.watch({"a": 3})
    for _ in range(100):
        world.scrape()
        world.time.advance(5.0)

    assert world.threads() <= 3


def test_a_system_without_threads_to_give(
    world: World, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Where no further thread can be had, the poller goes on with those that it has."""
    start = threading.Thread.start

    def refuse(thread: threading.Thread) -> None:  # mimics a system at its limit
        if thread.name == "query" and world.threads() >= 2:
            raise RuntimeError("can't start new thread")
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", refuse)
    world.watch({"a": 20})

    snapshot = world.scrape()

    assert set(results(snapshot).values()) == {"fresh"}
    assert world.threads() == 2
    assert "no further thread for queries" in caplog.messages


def test_a_dead_target_does_not_hold_the_others(world: World) -> None:
    """One of ten targets hangs and never ends: in each round the nine others complete."""
    world.watch({"a": 50, **dict.fromkeys("bcdefghij", 3)})
    world.prove()
    world.api.hold("a")
    dead = [f"a-{n}" for n in range(50)]
    waiting = []
    for number in range(1, 6):
        waiting.append(in_background(world.scrape))
        world.wait_for_calls(3 * number, *"bcdefghij")
        world.wait_until_late(*dead)
        world.time.advance(5.0)

    assert not any(each.done() for each in waiting)


def test_other_scrapers_do_not_keep_healthy_jobs_waiting(world: World) -> None:
    """Two servers scrape in turn while a target hangs: a healthy job is asked when it is due."""
    world.watch({"a": 50, "b": 1})
    world.prove()
    world.api.hold("a")
    for number in range(1, 8):
        in_background(world.scrape)
        world.wait_for_calls(number, "b")
        world.wait_until_late(*(f"a-{n}" for n in range(50)))
        world.time.advance(7.5)

    assert world.api.asked().count("b-0") == 7
