"""Hosts that throttle, keys that are refused, and faults of our own."""

import logging
import threading
from collections import Counter
from collections.abc import Iterator

import pytest

from exporter.clock import Deadline
from exporter.errors import AuthRejected, NoCredentials, Throttled
from exporter.gpdb.answers import Answer
from exporter.polling import Poller
from tests.fakes import LIMIT, running
from tests.pollers import BRIEFLY, World, by_id, results, target


@pytest.fixture
def world() -> Iterator[World]:
    """A poller without jobs, whose time stands still."""
    made = World()
    yield made
    made.end()


def test_throttling_leaves_the_host_alone(world: World) -> None:
    """A throttled host's targets are late and not asked until its pause is over; others go on."""
    host = {name: target(name, host="shared") for name in ("a", "b")}
    world.watch({"a": 1, "b": 1, "c": 1}, *host.values())
    world.prove()
    world.api.script("a", Throttled("x", retry_after=20.0))
    world.api.script("b", Throttled("x", retry_after=20.0))
    world.scrape()
    world.api.forget()
    world.time.advance(19.9)
    during = world.scrape()
    asked = world.api.asked()
    world.api.script("a", running())
    world.api.script("b", running())
    world.time.advance(5.0)
    after = world.scrape()

    assert asked == ["c-0"]
    assert results(during) == {"a-0": "late", "b-0": "late", "c-0": "fresh"}
    assert set(results(after).values()) == {"fresh"}


def test_a_refused_key_costs_one_call_at_first_contact(world: World) -> None:
    """With a wrong key the first scrape makes one call for each target, the others wait for it."""
    world.watch({"a": 20, "b": 20})
    world.api.script("a", AuthRejected("x"))
    world.api.script("b", AuthRejected("x"))

    snapshot = world.scrape()

    assert sorted(world.api.asked()) == ["a-0", "b-0"]
    assert Counter(results(snapshot).values()) == {"failed": 2, "late": 38}
    assert world.errors("a", "auth") == 1


def test_a_refused_key_costs_one_call_a_minute(world: World) -> None:
    """Ten minutes of scrapes with a wrong key make ten calls."""
    world.watch({"a": 20})
    world.api.script("a", AuthRejected("x"))
    for _ in range(40):
        world.scrape()
        world.time.advance(15.0)

    assert len(world.api.asked()) == 10


def test_a_new_key_is_used_at_once(world: World) -> None:
    """When the key changes, nobody waits for the minute to end."""
    world.watch({"a": 5})
    world.api.script("a", AuthRejected("x"))
    world.scrape()
    world.time.advance(5.0)
    world.api.script("a", running())
    world.api.key = 2

    snapshot = world.scrape()

    assert set(results(snapshot).values()) == {"fresh"}


def test_a_refusal_of_the_old_key_is_not_held_against_the_new_one(world: World) -> None:
    """A call with the old key that is refused after the change does not close the target."""
    world.watch({"a": 5})
    world.prove()
    world.api.hold("a-0")
    world.api.script("a-0", AuthRejected("x"), running())
    world.scrape(BRIEFLY)
    world.time.advance(5.0)
    world.api.key = 2
    waiting = world.scrape_in_background()
    world.api.release()
    waiting.result(LIMIT)
    world.time.advance(5.0)

    snapshot = world.scrape()

    assert set(results(snapshot).values()) == {"fresh"}


def test_without_credentials_each_query_says_so(world: World) -> None:
    """No usable key is a failure of the jobs, and no error of the scrape."""
    world.watch({"a": 2})
    world.api.key = NoCredentials("no key")
    world.api.script("a", NoCredentials("no key"))

    snapshot = world.scrape()

    assert {each.reason for each in snapshot.observations} == {"credentials"}
    assert world.errors("a", "credentials") == 2


@pytest.mark.parametrize(
    "outcome",
    [
        RuntimeError("password=hunter2"),
        MemoryError("password=hunter2"),
        Answer(None, None),  # type: ignore[arg-type]  # breaks the decoder
    ],
    ids=["client", "memory", "decoder"],
)
def test_a_fault_of_ours_costs_one_job(
    world: World, caplog: pytest.LogCaptureFixture, outcome: Exception | Answer
) -> None:
    """An unexpected exception is that job's internal error, and its text is never logged."""
    caplog.set_level(logging.DEBUG)
    world.watch({"a": 10})
    world.api.script("a-3", outcome)

    snapshot = world.scrape()

    others = by_id(snapshot)
    broken = others.pop("a-3")
    assert broken.up is False
    assert broken.reason == "internal"
    assert all(each.up for each in others.values())
    assert world.errors("a", "internal") == 1
    logged = " ".join(f"{vars(line)}" for line in caplog.records)
    assert "unexpected" in logged
    assert "hunter2" not in logged


def test_the_poller_outlives_a_broken_observer(monkeypatch: pytest.MonkeyPatch) -> None:
    """A thread that dies of a fault in counting holds up no later scrape."""
    died = threading.Event()
    monkeypatch.setattr(threading, "excepthook", lambda _: died.set())
    world = World()
    world.watch({"a": 3})

    class Broken:
        broken = True

        def queried(self, *_: object) -> None:
            if self.broken:
                raise MemoryError

    observer = Broken()
    poller = Poller(world.settings, observers=[observer], clock=world.time.clock())
    poller.take_snapshot(Deadline.after(BRIEFLY, world.time.clock().monotonic))
    assert died.wait(LIMIT)
    observer.broken = False
    world.time.advance(5.0)

    snapshot = poller.take_snapshot(Deadline.after(LIMIT, world.time.clock().monotonic))

    poller.close()
    assert set(results(snapshot).values()) == {"fresh"}
