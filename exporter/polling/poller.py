"""The poller: threads and a lock around the rounds."""

import logging
import random
import threading
from collections.abc import Callable, Mapping, Sequence

from exporter import files
from exporter.clock import Clock, Deadline
from exporter.errors import QueryError
from exporter.gpdb.endpoints import base_url
from exporter.model import (
    Identity,
    JobRef,
    JobState,
    Memory,
    Observation,
    Snapshot,
    Target,
    TargetHealth,
    WatchList,
)
from exporter.polling import query
from exporter.polling.budget import HostLimit, TargetBudget
from exporter.polling.query import Client
from exporter.polling.record import Record, observe
from exporter.polling.round import Round, Task
from exporter.polling.settings import Observer, PollSettings, Scrape, WatchedJobs

logger = logging.getLogger(__name__)

_ZONE_TOLERANCE = 60.0  # seconds that an UpdateTime may lie in the future before we doubt the zone


class Poller:
    """Queries the jobs that are due, and remembers the answers.

    Args:
        settings: of the configuration.
        observers: of each query that ends.
        clock: what time it is.
        recall: returns what is remembered of a job that is new here.
        chance: returns a number from 0 to 1.
    """

    def __init__(
        self,
        settings: PollSettings,
        *,
        observers: Sequence[Observer],
        clock: Clock,
        recall: Callable[[Identity], Memory | None] = lambda _: None,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._recall = recall
        self._settings = settings
        self._observers = observers
        self._clock = clock
        self._chance = chance
        self._watching = threading.Lock()  # guards the watch list and which records there are
        self._lock = threading.Lock()  # guards the records, budgets and rounds
        self._work = threading.Condition(self._lock)  # a query may be started
        self._done = threading.Condition(self._lock)  # the last query of a round has ended
        self._jobs = WatchedJobs(settings, WatchList(targets={}, jobs=()), ())
        self._records: dict[tuple[str, ...], Record] = {}
        self._limits: dict[str, HostLimit] = {}
        self._budgets: dict[str, TargetBudget] = {}
        self._round = Round(0, 0.0, {}, 1)
        self._in_flight = 0
        self._threads = 0
        self._closed = False

    def adopt(self, settings: PollSettings) -> None:
        """Go on with a new configuration. What was seen of jobs that stay is kept."""
        with self._lock:
            for limit in self._limits.values():
                limit.allow(settings.calls_per_second)
            self._settings = settings

    def poll(self, deadline: Deadline) -> Scrape:
        """Query the jobs that are due, until all are answered or the deadline has come.

        Concurrent callers share one round. What is not answered by the deadline is late; its
        answer is kept for the next snapshot.

        Args:
            deadline: of the scrape.
        """
        started = self._clock.monotonic()
        with self._watching, files.patience(min(files.PATIENCE, deadline.left())):
            jobs = self._look()
            key_version = query.key_version(jobs.settings.client)
            with self._lock:
                number = self._begin_or_join(jobs, key_version, deadline.at)
        with self._lock:
            # A caller that comes later can move the round's deadline, but not ours.
            self._done.wait_for(lambda: not self._busy, deadline.left())
        return Scrape(jobs, number, started)

    def snapshot(self, scrape: Scrape) -> Snapshot:
        """Return what is known by now of the jobs of a scrape."""
        with self._lock:
            return self._snapshot(scrape)

    def take_snapshot(self, deadline: Deadline) -> Snapshot:
        """Query what is due, and return what is known of all jobs then.

        Args:
            deadline: of the scrape.
        """
        return self.snapshot(self.poll(deadline))

    def last_seen(self) -> Snapshot:
        """Return what is known of all jobs, without a call."""
        started = self._clock.monotonic()
        with self._watching:
            jobs = self._look()
        with self._lock:
            return self._snapshot(Scrape(jobs, self._round.number, started))

    def known(self, target: str, job_id: str) -> tuple[JobRef, JobState | None, str] | None:
        """Return a watched job, its last answer, and why its last query failed.

        None for a job that no scrape has looked at.
        """
        for record in self._records.values():
            if record.ref.job_id == job_id and record.ref.target == target:
                with self._lock:
                    return record.ref, record.state, record.reason
        return None

    def close(self) -> None:
        """Start no further query, and let no scrape wait. Threads end with their last call."""
        with self._lock:
            self._closed = True
            self._round.abandon()
            self._work.notify_all()
            self._done.notify_all()

    @property
    def _busy(self) -> bool:
        return not self._closed and (self._in_flight > 0 or self._round.has_queued)

    def _look(self) -> WatchedJobs:
        """Take over today's watch list: keep the records of jobs that stay, forget the others."""
        settings, jobs = self._settings, self._jobs
        watched = settings.watched(self._ended_at)
        if watched.generation == jobs.watched.generation:
            self._jobs = WatchedJobs(settings, watched, jobs.records)
        else:
            records = tuple(self._record(ref, watched) for ref in watched.jobs)
            self._records = {record.ref.identity: record for record in records}
            self._jobs = WatchedJobs(settings, watched, records)
        return self._jobs

    def _ended_at(self, identity: tuple[str, ...], target: Target) -> float | None:
        """Return when a job ended (Unix seconds); None if it has not, as far as we know."""
        record = self._records.get(identity)
        if record is None:
            memory = self._recall(identity)
            return memory.ended_at if memory else None
        if record.state is None or not record.is_final:
            return None
        if record.target != target:
            return None
        return record.state.updated or record.state.created or 0.0

    def _record(self, ref: JobRef, watched: WatchList) -> Record:
        target = watched.targets[ref.target]
        record = self._records.get(ref.identity)
        if record is None:
            record = Record(ref, target)
            if memory := self._recall(ref.identity):
                record.recall(memory, self._clock.offset())
            return record
        if record.target != target:
            return Record(ref, target)
        record.ref = ref
        return record

    def _begin_or_join(self, jobs: WatchedJobs, key_version: int, deadline: float) -> int:
        """Return the number of the round that a scrape waits for."""
        now = self._clock.monotonic()
        if self._busy:
            deadline = max(self._round.deadline, deadline)
            if self._round.covers(jobs.watched.generation, now):
                self._round.deadline = deadline
                return self._round.number
        settings = jobs.settings
        self._round.abandon()
        self._budgets = {
            n: self._budget(settings, t, key_version) for n, t in jobs.watched.targets.items()
        }
        self._round = Round(
            self._round.number + 1, deadline, self._budgets, settings.scrape.concurrency
        )
        queued = self._round.queue(
            jobs.records, jobs.watched.generation, now, settings.scrape.min_interval
        )
        # Those that have a query under way from earlier may hang.
        self._hire(min(self._in_flight + queued, settings.scrape.concurrency))
        self._work.notify(queued)
        return self._round.number

    def _hire(self, threads: int) -> None:
        """Have so many threads, if the system allows it; go on with fewer if not."""
        try:
            while self._threads < threads and not self._closed:
                threading.Thread(target=self._serve, name="query", daemon=True).start()
                self._threads += 1
        except (RuntimeError, MemoryError):
            logger.warning("no further thread for queries", extra={"threads": self._threads})

    def _budget(self, settings: PollSettings, target: Target, key_version: int) -> TargetBudget:
        url = base_url(target)
        limit = self._limits.get(url)
        if limit is None:
            limit = self._limits[url] = HostLimit(settings.calls_per_second)
        budget = self._budgets.get(target.name)
        if budget is None or budget.limit is not limit:
            return TargetBudget(limit, key_version)
        if budget.key_version != key_version:
            # What calls with the old key still have to say is not about the new one.
            return TargetBudget(limit, key_version, api_clock=budget.api_clock)
        return budget

    def _serve(self) -> None:
        try:
            taken = self._first()
            while taken is not None:
                taken = self._query(*taken)
        finally:
            with self._lock:
                self._threads -= 1

    def _query(self, task: Task, client: Client) -> tuple[Task, Client] | None:
        """Make a query, and return the next one."""
        started = self._clock.monotonic()
        try:
            answer, state = query.query_job(client, task.record)
        except QueryError as error:
            return self._conclude(task, started, error, error.clock_skew)
        return self._conclude(task, started, state, answer.clock_skew)

    def _conclude(
        self, task: Task, started: float, outcome: JobState | QueryError, skew: float | None
    ) -> tuple[Task, Client] | None:
        try:
            seconds = self._clock.monotonic() - started
            for observer in self._observers:
                observer.queried(task.record, outcome, seconds)
        except BaseException:  # a query that never ended would hold up each scrape to come
            with self._lock:
                self._finish(task, outcome, skew)
            raise
        with self._lock:  # once for both: all threads wait for it
            self._finish(task, outcome, skew)
            return self._take()

    def _first(self) -> tuple[Task, Client] | None:
        with self._lock:
            return self._take()

    def _take(self) -> tuple[Task, Client] | None:
        while not self._closed:
            now = self._clock.monotonic()
            found = self._round.next(now, self._in_flight)
            if isinstance(found, Task):
                found.record.in_flight = True
                found.record.queried_at = now
                found.budget.started(now)
                self._in_flight += 1
                return found, self._settings.client
            if not self._busy:
                self._done.notify_all()  # the rest of the round was abandoned
            self._work.wait(found)
        return None

    def _finish(self, task: Task, outcome: JobState | QueryError, skew: float | None) -> None:
        record, budget = task.record, task.budget
        now = self._clock.monotonic()
        self._in_flight -= 1
        record.in_flight = False
        record.done_in = self._round.number
        if skew is not None:
            budget.api_clock = self._clock.offset() + skew
        error = outcome if isinstance(outcome, QueryError) else None
        was_probing = budget.limit.is_probing
        self._round.ended(task, error, now, self._chance)
        if isinstance(outcome, QueryError):
            record.fail(outcome, now)
        else:
            record.answer(outcome, now)
        if self._round.has_queued:
            # A target that answers may have earned one more call, a host after a pause many.
            self._work.notify(self._threads if was_probing else 1)
        elif not self._in_flight:
            self._done.notify_all()

    def _snapshot(self, scrape: Scrape) -> Snapshot:
        now, offset = self._clock.monotonic(), self._clock.offset()
        jobs, settings = scrape.jobs, scrape.jobs.settings
        observations = observe(
            jobs.records,
            jobs.watched,
            now,
            max_age=settings.scrape.max_age,
            limits=settings.time_limits,
            round_number=scrape.round,
            offset=offset,
        )
        return Snapshot(
            taken_at=now + offset,
            duration=now - scrape.since,
            observations=observations,
            targets=self._health(jobs.watched, observations, offset),
            file_errors=jobs.watched.file_errors,
            sources=jobs.watched.sources,
            patterns=jobs.watched.patterns,
            dropped=jobs.watched.dropped,
            dropped_unfinished=jobs.watched.dropped_unfinished,
        )

    def _health(
        self, watched: WatchList, observations: tuple[Observation, ...], offset: float
    ) -> dict[str, TargetHealth]:
        skews = {
            name: None if budget.api_clock is None else budget.api_clock - offset
            for name, budget in self._budgets.items()
        }
        suspects = {o.ref.target for o in observations if _zone_is_suspect(o, skews)}
        return {
            name: TargetHealth(clock_skew=skews.get(name), time_zone_suspect=name in suspects)
            for name in watched.targets
        }


def _zone_is_suspect(observation: Observation, skews: Mapping[str, float | None]) -> bool:
    """Whether an active job was updated in the API's own future."""
    state, answered_at = observation.state, observation.answered_at
    if state is None or state.updated is None or answered_at is None or state.status.is_final:
        return False
    there = answered_at + (skews.get(observation.ref.target) or 0.0)
    return state.updated > there + _ZONE_TOLERANCE
