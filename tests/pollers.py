"""A poller with real threads over a fake API, as the tests of ``exporter.polling`` use it."""

import threading
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from exporter.clock import Clock, Deadline
from exporter.config import ScrapeSettings
from exporter.config.settings import DeadlineSettings
from exporter.gpdb.kinds import UPSERT_COLLECTION_DATA
from exporter.instruments import Instruments
from exporter.model import JobRef, Observation, ScrapeResult, Snapshot, Target, WatchList
from exporter.polling import Poller, PollSettings
from exporter.polling.journal import Journal
from exporter.secret import Secret
from tests.fakes import (
    LIMIT,
    FakeApi,
    HandSetClock,
    in_background,
    poll,
)

if TYPE_CHECKING:
    from concurrent.futures import Future

ACTION = "GetUpsertCollectionDataJob"
BRIEFLY = 1.0  # seconds that a scrape really waits, where a test is about waiting in vain
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
        JobRef(
            name,
            "cn-hangzhou",
            f"{name}-{n}",
            "document",
            db_instance_id=f"gp-{name}",
            kind=UPSERT_COLLECTION_DATA,
        )
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
        self.settings = PollSettings(
            scrape=SCRAPE,
            time_limits=DeadlineSettings(),
            calls_per_second=100_000,
            watched=lambda _ended_at: self.watched,
            client=self.api,
        )
        self._others = set(threading.enumerate())
        self.poller = Poller(
            self.settings,
            observers=[self.instruments, Journal()],
            clock=self._clock,
            chance=lambda: 0.0,
        )

    def watch(self, jobs: Mapping[str, int], *targets: Target) -> None:
        """Watch so many jobs of each target."""
        each = {name: target(name) for name in jobs} | {each.name: each for each in targets}
        refs = tuple(ref for name, number in jobs.items() for ref in jobs_of(name, number))
        self.watched = WatchList(targets=each, jobs=refs)
        self.instruments.watch({name: [ACTION] for name in each})

    def adopt(self, **scrape: float) -> None:
        """Take over settings with other settings."""
        self.settings = replace(
            self.settings, scrape=self.settings.scrape.model_copy(update=scrape)
        )
        self.poller.adopt(self.settings)

    def scrape(self, budget: float = LIMIT) -> Snapshot:
        """Take a snapshot, here and now."""
        return self.poller.take_snapshot(Deadline.after(budget, self._clock.monotonic))

    def scrape_in_background(self, budget: float = LIMIT) -> "Future[Snapshot]":
        """Take a snapshot in another thread, and return once it has begun its queries."""
        before = len(self.api.calls)
        future = in_background(lambda: self.scrape(budget))
        self.api.wait_for_calls(before + 1)
        return future

    def wait_for_calls(self, number: int, *targets: str) -> None:
        """Return once so many calls to each of these targets have begun."""

        def have_begun() -> bool:
            counts = Counter(call.target for call in self.api.calls)
            return all(counts[name] == number for name in targets)

        self.api.wait_until(have_begun)

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
