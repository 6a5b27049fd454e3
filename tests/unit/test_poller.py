"""The poller with real threads. Time stands still unless a test moves it or says otherwise."""

import logging
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from concurrent.futures import Future
from dataclasses import replace

import pytest

from exporter.clock import Clock
from exporter.config import ScrapeSettings
from exporter.errors import (
    AuthRejected,
    ConnectionFailed,
    NoCredentials,
    NotFound,
    Throttled,
)
from exporter.gpdb.client import Answer
from exporter.instruments import Instruments
from exporter.model import JobRef, JobStatus, Observation, ScrapeResult, Snapshot, Target, WatchList
from exporter.poller import Plan, Poller
from exporter.poller.record import DeadlineRule
from exporter.secret import Secret
from tests.fakes import LIMIT, FakeApi, HandSetClock, ended, in_background, poll, running

ACTION = "GetUpsertCollectionDataJob"
BRIEFLY = 0.2  # seconds that a scrape really waits, where a test is about waiting in vain
SCRAPE = ScrapeSettings(min_interval=5.0, max_age=300.0, concurrency=8)


def target(name: str, *, host: str = "") -> Target:
    """Return a target; each has a host of its own unless one is given."""
    return Target(
        name,
        "cn-hangzhou",
        Secret("testpassword"),
        db_instance_id=f"gp-{name}",
        endpoint=f"https://{host or name}.example.com",
    )


def jobs_of(name: str, number: int) -> tuple[JobRef, ...]:
    """Return jobs called a-0, a-1, ... of the target a."""
    return tuple(
        JobRef(name, "cn-hangzhou", f"{name}-{n}", "document", db_instance_id=f"gp-{name}")
        for n in range(number)
    )


class World:
    """A poller, the API that it asks, the clock that it reads, and what it watches."""

    def __init__(self, clock: Clock | None = None) -> None:
        self.api = FakeApi()
        self.time = HandSetClock()
        self._clock = clock or self.time.clock()
        self.instruments = Instruments("1.2.3")
        self.watched = WatchList(targets={}, jobs=())
        self.plan = Plan(
            scrape=SCRAPE,
            deadline=DeadlineRule(entries_per_second=1000.0, grace=1800.0),
            calls_per_second=100_000,
            watched=lambda: self.watched,
            client=self.api,
        )
        self._others = set(threading.enumerate())
        self.poller = Poller(
            self.plan, tally=self.instruments, clock=self._clock, chance=lambda: 0.0
        )

    def watch(self, jobs: Mapping[str, int], *targets: Target) -> None:
        """Watch so many jobs of each target."""
        each = {name: target(name) for name in jobs} | {each.name: each for each in targets}
        refs = tuple(ref for name, number in jobs.items() for ref in jobs_of(name, number))
        self.watched = WatchList(targets=each, jobs=refs)
        self.instruments.watch(each, [ACTION])

    def adopt(self, **scrape: float) -> None:
        """Take over a plan with other settings."""
        self.plan = replace(self.plan, scrape=replace(self.plan.scrape, **scrape))  # type: ignore[arg-type]
        self.poller.adopt(self.plan)

    def scrape(self, budget: float = LIMIT) -> Snapshot:
        """Take a snapshot, here and now."""
        return self.poller.take_snapshot(self._clock.monotonic() + budget)

    def scrape_in_background(self, budget: float = LIMIT) -> "Future[Snapshot]":
        """Take a snapshot in another thread, and return once it has begun its queries."""
        before = len(self.api.calls)
        future = in_background(lambda: self.scrape(budget))
        self.api.wait_for_calls(before + 1)
        return future

    def wait_until_late(self, *names: str) -> None:
        """Return once all jobs have answered but these."""
        poll(
            lambda: (
                {
                    each.ref.job_id
                    for each in self.poller.last_seen().observations
                    if each.result is ScrapeResult.LATE
                }
                == set(names)
            )
        )

    def prove(self) -> None:
        """Let all jobs answer once, and be due again; from now on calls are counted."""
        self.scrape()
        self.time.advance(SCRAPE.min_interval)
        self.api.forget()

    def threads(self) -> int:
        """Return how many threads the poller has."""
        new = set(threading.enumerate()) - self._others
        return sum(thread.name == "query" for thread in new)

    def errors(self, name: str, reason: str) -> float | None:
        """Return the count of errors."""
        labels = {"target": name, "action": ACTION, "reason": reason}
        sample = "adbpg_exporter_api_errors_total"
        return self.instruments.registry.get_sample_value(sample, labels)

    def end(self) -> None:
        """Leave no thread behind."""
        self.poller.close()
        self.api.release()
        for thread in self.api.threads:
            thread.join(LIMIT)
            assert not thread.is_alive()


@pytest.fixture
def world() -> Iterator[World]:
    """A poller without jobs, whose time stands still."""
    made = World()
    yield made
    made.end()


def by_id(snapshot: Snapshot) -> dict[str, Observation]:
    """Return the observations by job id."""
    return {observation.ref.job_id: observation for observation in snapshot.observations}


def results(snapshot: Snapshot) -> dict[str, str]:
    """Return how each job fared."""
    return {name: each.result.value for name, each in by_id(snapshot).items()}


def progress(snapshot: Snapshot) -> dict[str, int | None]:
    """Return each job's progress."""
    return {
        name: None if each.state is None else each.state.progress
        for name, each in by_id(snapshot).items()
    }


# One call per job


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
    first = world.scrape()
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
    world.api.script("a-0", running(), NotFound("no such job"))
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


# Budgets


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
    for _ in range(5):
        waiting.append(in_background(world.scrape))
        world.wait_until_late(*dead)
        world.time.advance(5.0)

    assert Counter(call.target for call in world.api.calls if call.target != "a") == (
        Counter(dict.fromkeys("bcdefghij", 15))
    )
    assert not any(each.done() for each in waiting)


def test_other_scrapers_do_not_keep_healthy_jobs_waiting(world: World) -> None:
    """Two servers scrape in turn while a target hangs: a healthy job is asked when it is due."""
    world.watch({"a": 50, "b": 1})
    world.prove()
    world.api.hold("a")
    for number in range(1, 8):
        in_background(world.scrape)
        world.api.wait_until(lambda n=number: world.api.asked().count("b-0") >= n)
        world.wait_until_late(*(f"a-{n}" for n in range(50)))
        world.time.advance(7.5)

    assert world.api.asked().count("b-0") == 7


# Hosts and keys


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


# Faults of our own


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


def test_the_poller_outlives_a_broken_tally(monkeypatch: pytest.MonkeyPatch) -> None:
    """A thread that dies of a fault in counting holds up no later scrape."""
    died = threading.Event()
    monkeypatch.setattr(threading, "excepthook", lambda _: died.set())
    world = World()
    world.watch({"a": 3})

    class BrokenTally(Instruments):
        broken = True

        def called(self, *args: object, **kwargs: object) -> None:  # noqa: ARG002
            if self.broken:
                raise MemoryError

    tally = BrokenTally("1.2.3")
    poller = Poller(world.plan, tally=tally, clock=world.time.clock())
    poller.take_snapshot(world.time.monotonic + BRIEFLY)
    assert died.wait(LIMIT)
    tally.broken = False
    world.time.advance(5.0)

    snapshot = poller.take_snapshot(world.time.monotonic + LIMIT)

    poller.close()
    assert set(results(snapshot).values()) == {"fresh"}


# Reload


def test_jobs_that_stay_keep_what_was_seen(world: World) -> None:
    """After a reload the jobs that are still watched are shown as before, and not asked anew."""
    world.watch({"a": 3})
    before = world.scrape()
    world.watch({"a": 2, "b": 1})
    world.adopt()

    after = world.scrape()

    assert world.api.asked()[3:] == ["b-0"]
    assert by_id(after)["a-0"].state == by_id(before)["a-0"].state
    assert results(after) == {"a-0": "cached", "a-1": "cached", "b-0": "fresh"}


def test_a_job_of_a_changed_target_starts_anew(world: World) -> None:
    """Another endpoint is another story: nothing seen there before counts."""
    world.watch({"a": 1})
    world.scrape()
    world.api.hold("a")
    world.watch({"a": 1}, target("a", host="elsewhere"))
    world.adopt()

    snapshot = world.scrape(BRIEFLY)

    assert world.api.asked() == ["a-0", "a-0"]
    assert by_id(snapshot)["a-0"].state is None
    assert by_id(snapshot)["a-0"].up is None


def test_a_job_that_was_away_is_forgotten(world: World) -> None:
    """A job that was removed and comes back is asked as a new one."""
    world.watch({"a": 2})
    world.scrape()
    world.watch({"a": 1})
    world.scrape()
    world.watch({"a": 2})
    world.api.hold("a")

    snapshot = world.scrape(BRIEFLY)

    assert results(snapshot) == {"a-0": "cached", "a-1": "late"}
    assert by_id(snapshot)["a-1"].up is None


def test_labels_and_expectations_follow_a_reload(world: World) -> None:
    """What only the configuration says of a job is shown as it is configured now."""
    world.watch({"a": 1})
    world.scrape()
    ref = replace(world.watched.jobs[0], labels=(("team", "search"),), expected_entries=1000)
    world.watched = replace(world.watched, jobs=(ref,))

    snapshot = world.scrape()

    observation = snapshot.observations[0]
    assert observation.ref == ref
    assert observation.deadline_at == 1_704_699_600.0 + 1.0 + 1800.0
    assert len(world.api.asked()) == 1


def test_an_answer_for_a_removed_job_does_no_harm(world: World) -> None:
    """A query whose job and target were removed meanwhile ends in peace."""
    world.watch({"a": 2, "b": 1})
    world.prove()
    world.api.hold("a")
    world.scrape(BRIEFLY)
    world.watch({"b": 1})
    world.adopt()
    waiting = in_background(world.scrape)
    world.api.release()

    snapshot = waiting.result(LIMIT)

    assert list(by_id(snapshot)) == ["b-0"]
    assert set(snapshot.targets) == {"b"}
    assert world.errors("a", "timeout") is None


def test_a_scrape_under_way_is_not_mixed_with_a_reload(world: World) -> None:
    """A scrape shows the list and the settings with which it began, whatever comes meanwhile."""
    world.watch({"a": 3})
    world.prove()
    world.api.hold("a")
    waiting = world.scrape_in_background()
    world.watch({"b": 2})
    world.adopt(max_age=0.001)
    later = in_background(world.scrape)
    world.api.wait_until(lambda: world.api.asked().count("b-0") == 1)
    world.api.release()

    assert progress(waiting.result(LIMIT)) == {"a-0": 100, "a-1": 100, "a-2": 100}
    assert set(waiting.result(LIMIT).targets) == {"a"}
    assert set(results(later.result(LIMIT))) == {"b-0", "b-1"}


def test_a_new_job_is_asked_by_the_next_scrape(world: World) -> None:
    """A scrape with a new list does not share the round of the old one."""
    world.watch({"a": 3})
    world.prove()
    world.api.hold("a")
    world.scrape_in_background()
    world.watch({"a": 3, "b": 1})
    waiting = in_background(world.scrape)

    world.wait_until_late("a-0", "a-1", "a-2")

    assert world.api.asked().count("b-0") == 1
    assert not waiting.done()


def test_a_reload_drops_nothing_of_the_round_under_way(world: World) -> None:
    """Another calls_per_second does not cost the scrape under way a single job."""
    world.watch({"a": 30})
    world.prove()
    world.api.hold("a")
    waiting = world.scrape_in_background()
    world.api.wait_for_calls(SCRAPE.concurrency)
    world.poller.adopt(replace(world.plan, calls_per_second=90_000))
    world.api.release()

    snapshot = waiting.result(LIMIT)

    assert set(results(snapshot).values()) == {"fresh"}


def test_less_concurrency_after_a_reload(world: World) -> None:
    """A smaller concurrency holds from the next round on."""
    world.watch({"a": 30})
    world.prove()
    world.adopt(concurrency=2)
    world.scrape()

    assert world.api.most_in_flight <= 2


def test_many_reloads_under_load(world: World) -> None:
    """Through a hundred reloads and concurrent scrapes each snapshot is one list or the other."""
    world.watch({"a": 5})
    first = world.watched
    world.watch({"a": 3, "b": 4})
    second = world.watched
    world.instruments.watch("ab", [ACTION])
    stop = threading.Event()

    def scrape() -> set[tuple[str, ...]]:
        seen = set()
        while not stop.is_set():
            seen.add(tuple(each.ref.job_id for each in world.scrape().observations))
        return seen

    scrapers = [in_background(scrape) for _ in range(3)]
    for number in range(100):
        world.watched = first if number % 2 else second
        world.adopt()
        world.time.advance(1.0)
        world.scrape()
    stop.set()

    lists = {tuple(ref.job_id for ref in each.jobs) for each in (first, second)}
    for scraper in scrapers:
        assert scraper.result(LIMIT) <= lists


# What a snapshot says


def test_the_order_is_the_lists(world: World) -> None:
    """Observations come in the watch list's order, whoever answers first."""
    world.watch({"b": 2, "a": 2})
    world.prove()
    world.api.hold("b-0", "a-0")
    waiting = world.scrape_in_background()
    world.api.wait_until(lambda: len(world.api.calls) == 4)
    world.api.release()

    snapshot = waiting.result(LIMIT)

    assert list(by_id(snapshot)) == ["b-0", "b-1", "a-0", "a-1"]
    assert list(snapshot.targets) == ["b", "a"]


def test_one_now(world: World) -> None:
    """A snapshot is taken at one moment, and knows how long it took."""
    world.watch({"a": 1})
    world.prove()
    world.api.hold("a")
    waiting = world.scrape_in_background()
    world.time.advance(2.0)
    world.api.release()

    snapshot = waiting.result(LIMIT)

    assert snapshot.taken_at == world.time.wall
    assert snapshot.duration == 2.0
    assert by_id(snapshot)["a-0"].answered_at == world.time.wall


def test_file_errors_are_the_lists(world: World) -> None:
    """A snapshot hands on which job files are broken."""
    world.watched = WatchList(targets={}, jobs=(), file_errors={"/jobs/x.yaml": True})

    assert world.scrape().file_errors == {"/jobs/x.yaml": True}
    assert world.poller.last_seen().file_errors == {"/jobs/x.yaml": True}


def test_last_seen_asks_nothing(world: World) -> None:
    """What was seen last can be had without a call, and before the first scrape it is nothing."""
    world.watch({"a": 2})
    before = world.poller.last_seen()
    asked = world.api.asked()
    world.scrape()
    world.time.advance(60.0)
    after = world.poller.last_seen()

    assert asked == []
    assert [each.result for each in before.observations] == [ScrapeResult.LATE] * 2
    assert [each.up for each in before.observations] == [None, None]
    assert len(world.api.asked()) == 2
    assert progress(after) == {"a-0": 100, "a-1": 100}


def test_the_counts_of_a_scrape_are_there_when_it_returns(world: World) -> None:
    """Requests, errors and unreadable fields are counted before the snapshot is handed out."""
    world.watch({"a": 3})
    world.api.script("a-1", ConnectionFailed("x"))
    world.api.script("a-2", running("12a", UpdateTime="never"))

    world.scrape()

    value = world.instruments.registry.get_sample_value
    labels = {"target": "a", "action": ACTION}
    assert value("adbpg_exporter_api_requests_total", labels) == 3
    assert world.errors("a", "connection") == 1
    assert value("adbpg_exporter_api_request_duration_seconds_count", {"action": ACTION}) == 3
    assert value("adbpg_exporter_invalid_fields_total", {"field": "Progress"}) == 1
    assert value("adbpg_exporter_invalid_fields_total", {"field": "UpdateTime"}) == 1


def test_how_long_a_query_took(world: World) -> None:
    """The duration that is counted is that of the call."""
    world.watch({"a": 1})
    world.api.hold("a")
    waiting = world.scrape_in_background()
    world.time.advance(3.0)
    world.api.release()
    waiting.result(LIMIT)

    name = "adbpg_exporter_api_request_duration_seconds_sum"
    assert world.instruments.registry.get_sample_value(name, {"action": ACTION}) == 3.0


def test_clock_skew(world: World) -> None:
    """A target's skew is that of its last answer, good or not, and stays when none comes."""
    refused = ConnectionFailed("x")
    refused.clock_skew = -3.0
    world.watch({"a": 1, "b": 1})
    outcomes = (Answer(running(), 2.0), refused, ConnectionFailed("x"))
    world.api.script("a", *outcomes)
    skews = []
    for _ in outcomes:
        skews.append(world.scrape().targets["a"].clock_skew)
        world.time.advance(5.0)

    assert skews == [2.0, -3.0, -3.0]
    assert world.scrape().targets["b"].clock_skew is None


@pytest.mark.parametrize(
    ("update_time", "status", "skew", "suspect"),
    [
        ("2024-01-08 15:46:40", "Running", 0.0, False),  # now, in UTC+8
        ("2024-01-08 15:47:40", "Running", 0.0, False),
        ("2024-01-08 15:47:41", "Running", 0.0, True),
        ("2024-01-08 15:47:41", "Running", None, True),
        ("2024-01-08 15:47:41", "Running", 2.0, False),  # the API's clock is ahead of ours
        ("2024-01-08 15:46:42", "Running", -60.0, True),
        ("2024-01-08 23:46:40", "Start", 0.0, True),
        ("2024-01-08 23:46:40", "Success", 0.0, False),
        ("never", "Running", 0.0, False),
    ],
)
def test_a_suspect_time_zone(
    world: World, update_time: str, status: str, skew: float | None, *, suspect: bool
) -> None:
    """An active job that was updated over a minute in the API's future makes its target suspect."""
    world.watch({"a": 2, "b": 1})
    answer = running(UpdateTime=update_time, Status=status, Completed=status == "Success")
    world.api.script("a-1", Answer(answer, skew))
    world.api.script("a-0", Answer(running(), skew))

    targets = world.scrape().targets

    assert targets["a"].time_zone_suspect is suspect
    assert targets["b"].time_zone_suspect is False


# The end


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
    world.plan = replace(world.plan, calls_per_second=20)
    world.adopt()
    world.watch({"a": 30})
    begun = time.monotonic()

    snapshot = world.scrape(LIMIT)

    assert set(results(snapshot).values()) == {"fresh"}
    assert time.monotonic() - begun >= 1.0
    world.end()
