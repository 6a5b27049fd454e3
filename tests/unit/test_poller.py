"""Scrapes that share queries, and how long they wait. Time stands still unless a test moves it."""

import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace

import pytest

from exporter.clock import Clock
from exporter.errors import ConnectionFailed, NotFound
from exporter.model import JobStatus, ScrapeResult, Snapshot
from tests.fakes import LIMIT, ended, in_background, poll, running
from tests.pollers import SCRAPE, World, by_id, progress, results


@pytest.fixture
def world() -> Iterator[World]:
    """A poller without jobs, whose time stands still."""
    made = World()
    yield made
    made.end()


@pytest.mark.parametrize("scrapers", [2, 16])
def test_concurrent_scrapes_share_their_calls(world: World, scrapers: int) -> None:
    """Scrapes at the same time over a slow API make one call for each job, and all see it."""
    world.watch({"a": 12})
    world.prove()
    world.api.hold("a")
    begun = threading.Barrier(scrapers)

    def scrape() -> Snapshot:
        begun.wait(LIMIT)
        return world.scrape()

    waiting = [in_background(scrape) for _ in range(scrapers)]
    world.api.wait_for_calls(SCRAPE.concurrency)
    world.api.release()
    snapshots = [future.result(LIMIT) for future in waiting]

    assert Counter(world.api.asked()) == Counter({f"a-{n}": 1 for n in range(12)})
    for snapshot in snapshots:
        assert all(each.up and each.state for each in snapshot.observations)


def test_scrapes_within_min_interval_share_their_calls(world: World) -> None:
    """Ten scrapes within min_interval make one call for each job; the later ones show the same."""
    world.watch({"a": 3})
    first = last = world.scrape()
    for _ in range(9):
        world.time.advance(0.5)
        last = world.scrape()

    assert sorted(world.api.asked()) == ["a-0", "a-1", "a-2"]
    assert set(results(first).values()) == {"fresh"}
    assert set(results(last).values()) == {"cached"}
    assert progress(last) == progress(first)


def test_after_min_interval_a_job_is_asked_again(world: World) -> None:
    """The next scrape after min_interval asks again, and shows what is new."""
    world.watch({"a": 1})
    world.api.script("a-0", running(100), running(200))
    world.scrape()
    world.time.advance(5.0)

    snapshot = world.scrape()

    assert progress(snapshot) == {"a-0": 200}
    assert world.api.asked() == ["a-0", "a-0"]


def test_a_final_job_is_not_asked(world: World) -> None:
    """A job that has ended is never asked again, and its state stays for ever."""
    world.watch({"a": 2})
    world.api.script("a-0", ended(1600))
    world.scrape()
    world.api.forget()
    for _ in range(5):
        world.time.advance(86_400.0)
        world.scrape()

    snapshot = world.scrape()

    assert set(world.api.asked()) == {"a-1"}
    observation = by_id(snapshot)["a-0"]
    assert observation.result is ScrapeResult.FINAL
    assert observation.up is True
    assert observation.state is not None
    assert observation.state.status is JobStatus.SUCCESS
    assert observation.state.progress == 1600


def test_a_failed_query_is_repeated_after_min_interval_and_not_before(world: World) -> None:
    """A failure neither hammers the API nor is kept as a result."""
    world.watch({"a": 1})
    world.api.script("a-0", ConnectionFailed("x"), running())
    first = world.scrape()
    world.time.advance(4.9)
    second = world.scrape()
    world.time.advance(0.1)
    third = world.scrape()

    assert [by_id(each)["a-0"].up for each in (first, second, third)] == [False, False, True]
    assert [results(each)["a-0"] for each in (first, second, third)] == [
        "failed",
        "failed",
        "fresh",
    ]
    assert world.api.asked() == ["a-0", "a-0"]


def test_not_found_ends_the_state_and_is_asked_ever_more_slowly(world: World) -> None:
    """A job that is gone has no state at once, and an hour of scrapes asks it eight times."""
    world.watch({"a": 1})
    world.api.script("a-0", running(), NotFound("no such job", what="job"))
    world.prove()

    first = by_id(world.scrape())["a-0"]
    for _ in range(240):
        world.time.advance(15.0)
        world.scrape()

    assert first.state is None
    assert first.up is False
    assert first.reason == "not_found"
    assert len(world.api.asked()) == 8  # after 0.5, 1, 2, 4, 8, 15, 15, ... minutes


def test_the_state_ages_out(world: World) -> None:
    """While queries fail the last state is shown until it is max_age old; up is 0 all along."""
    world.watch({"a": 1})
    world.api.script("a-0", running(), ConnectionFailed("x"))
    world.scrape()
    world.time.advance(299.0)
    before = by_id(world.scrape())["a-0"]
    world.time.advance(1.0)
    after = by_id(world.scrape())["a-0"]

    assert before.up is after.up is False
    assert before.state is not None
    assert after.state is None
    assert after.answered_at == before.answered_at


def test_a_jump_of_the_wall_clock_is_not_noticed(world: World) -> None:
    """When the wall clock jumps an hour, nothing is asked too soon, too late, or aged out."""
    world.watch({"a": 1})
    world.scrape()
    for jump in (3_600.0, -7_200.0, 3_600.0):
        world.time.jump(jump)
        world.time.advance(4.9)
        early = world.scrape()
        world.time.advance(0.1)
        world.scrape()

        assert by_id(early)["a-0"].state is not None
    assert len(world.api.asked()) == 4


def test_close_lets_waiting_scrapes_return(world: World) -> None:
    """Once closed, nobody waits any more, and nothing is started."""
    world.watch({"a": 30})
    world.prove()
    world.api.hold("a")
    waiting = [world.scrape_in_background()] + [in_background(world.scrape) for _ in range(3)]
    world.api.wait_for_calls(SCRAPE.concurrency)

    world.poller.close()

    for future in waiting:
        assert len(future.result(LIMIT).observations) == 30
    world.api.release()
    world.api.wait_until(lambda: world.api.in_flight.total() == 0)
    assert len(world.api.asked()) == SCRAPE.concurrency


def test_after_the_end_a_scrape_shows_what_is_known(world: World) -> None:
    """A scrape that comes too late returns at once, and starts no thread."""
    world.watch({"a": 3})
    world.prove()
    world.poller.close()
    poll(lambda: world.threads() == 0)

    snapshot = world.scrape()

    assert progress(snapshot) == dict.fromkeys(("a-0", "a-1", "a-2"), 100)
    assert world.api.asked() == []
    assert world.threads() == 0


def test_a_rate_limit_is_kept_by_the_threads() -> None:
    """With 20 calls a second, 30 jobs take more than a second."""
    world = World(Clock())
    world.settings = replace(world.settings, calls_per_second=20)
    world.adopt()
    world.watch({"a": 30})
    begun = time.monotonic()

    snapshot = world.scrape(LIMIT)

    assert set(results(snapshot).values()) == {"fresh"}
    assert time.monotonic() - begun >= 1.0
    world.end()
