"""What Prometheus gets of an exporter and its jobs, scrape by scrape.

The jobs' series come from the code that serves them: the poller's records and the metric table. So
these series are what a real exporter would show, and a renamed metric takes its alerts along.
Times are Unix seconds; promtool's tests begin at 0.
"""

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from exporter.config.settings import DeadlineSettings
from exporter.errors import QueryError
from exporter.metrics import (
    API_ERRORS,
    API_REQUESTS,
    BUILD_INFO,
    FAMILIES,
    RELOAD_SUCCESSFUL,
    SHARD,
    SHARDS,
    job_label_names,
)
from exporter.model import (
    EVERYTHING,
    ErrorClass,
    JobRef,
    JobState,
    JobStatus,
    Observation,
    Shard,
    Target,
    WatchList,
)
from exporter.polling.record import Record, observe
from exporter.secret import Secret

MINUTE = 60.0
SCRAPE_INTERVAL = 30
MIN_INTERVAL, MAX_AGE = 5.0, 300.0  # the defaults of the configuration
RULE = DeadlineSettings()
UPTIME = 1e6  # seconds of the monotonic clock at 0
ACTION = "GetUpsertCollectionDataJob"

Page = dict[str, float]
"""Series, as ``name{label="value",…}``, to values."""


@dataclass(frozen=True, slots=True)
class Phase:
    """What holds of a job from a moment on.

    Attributes:
        start: minutes.
        status: as the API spells it.
        rate: entries uploaded in each minute.
        completed: the API's Completed; None for what fits the status.
        error: what the API's error text is about; None for no such text.
    """

    start: float
    status: JobStatus
    rate: int = 0
    completed: bool | None = None
    error: ErrorClass | None = None


@dataclass(frozen=True, slots=True)
class Outage:
    """From and until when, in minutes, queries of a job fail, and how."""

    start: float
    end: float
    error: QueryError


@dataclass(frozen=True, slots=True)
class Job:
    """The life of a job.

    Attributes:
        ref: its identity.
        phases: in order.
        outages: of its queries; the job itself goes on.
        created: minutes.
        zone_error: hours that the API's times are read wrong by.
        tells_progress: whether its answers have a progress.
    """

    ref: JobRef
    phases: tuple[Phase, ...]
    outages: tuple[Outage, ...] = ()
    created: float = 0
    zone_error: float = 0
    tells_progress: bool = True

    def earlier(self, minutes: float) -> "Job":
        """Return the same life, so many minutes before."""
        return replace(
            self,
            phases=tuple(replace(each, start=each.start - minutes) for each in self.phases),
            outages=tuple(
                replace(each, start=each.start - minutes, end=each.end - minutes)
                for each in self.outages
            ),
            created=self.created - minutes,
        )

    def answer(self, now: float) -> JobState:
        """Return what the API says of it.

        Raises:
            QueryError: it says nothing.
        """
        minute = now / MINUTE
        for outage in self.outages:
            if outage.start <= minute < outage.end:
                raise outage.error
        phase = [each for each in self.phases if each.start <= minute][-1]
        off = self.zone_error * 3600
        updated = phase.start * MINUTE if phase.status.is_final else now
        completed = phase.status.is_final if phase.completed is None else phase.completed
        return JobState(
            phase.status,
            completed=completed,
            progress=self._progress(minute) if self.tells_progress else None,
            created=self.created * MINUTE + off,
            updated=updated + off,
            error_text="" if phase.error is None else "no",
            error_class=phase.error,
        )

    def _progress(self, minute: float) -> int:
        ends = [*(phase.start for phase in self.phases[1:]), minute]
        spans = zip(self.phases, ends, strict=True)
        return int(sum(p.rate * max(min(end, minute) - p.start, 0.0) for p, end in spans))


@dataclass(slots=True)
class Exporter:
    """An exporter that is scraped every 30 seconds.

    Attributes:
        instance: the label.
        jobs: that it watches.
        start: minutes, when it is scraped first.
        end: minutes, when it is a target no longer; None for never.
        down: from and until when, in minutes, it does not answer.
        offset: seconds that its scrapes come after the half minute.
        labels: further ones of the scrape target.
        shard: the jobs of other shards are not watched.
        job: the name of the scrape job.
        uptime: minutes that it was there before its first scrape.
    """

    instance: str
    jobs: tuple[Job, ...] = ()
    start: float = 0
    end: float | None = None
    down: tuple[tuple[float, float], ...] = ()
    offset: int = 0
    labels: tuple[tuple[str, str], ...] = ()
    shard: Shard = EVERYTHING
    job: str = "adbpg"
    uptime: float = 0
    _watched: WatchList = field(init=False)
    _records: dict[JobRef, Record] = field(default_factory=dict)
    _counters: Counter[str] = field(default_factory=Counter)

    def scrapes(self, until: float) -> Iterator[tuple[int, Page]]:
        """Yield the second of each scrape and all that Prometheus stores of it."""
        self._start_anew()
        last = min(until, until if self.end is None else self.end) * MINUTE
        first = int(self.start * MINUTE) + self.offset
        for now in range(first, int(last) + 1, SCRAPE_INTERVAL):
            answers = not any(a <= now / MINUTE < b for a, b in self.down)
            page = {"up{}": float(answers)} | (self._page(now) if answers else {})
            yield now, {self._located(series): value for series, value in page.items()}

    def _start_anew(self) -> None:
        self._counters = Counter()
        self._records = {}
        held = [job for job in self.jobs if self.shard.holds(job.ref.job_id)]
        self._watched = WatchList(
            targets={},
            jobs=tuple(job.ref for job in held),
            split=frozenset(job.ref.collection_identity for job in self.jobs if job not in held),
        )
        for job in held:
            target = Target(job.ref.target, job.ref.region_id, Secret("of a namespace"))
            self._records[job.ref] = Record(job.ref, target)
            self._counters[_requests(job)] = 0
            for outage in job.outages:
                self._counters[_errors(job, outage.error)] = 0

    def _page(self, now: float) -> Page:
        for job in self.jobs:
            record = self._records.get(job.ref)
            if record is None:
                continue
            if record.is_due(now + UPTIME, MIN_INTERVAL):
                self._query(job, record, now)
        seen = observe(
            tuple(self._records.values()),
            self._watched,
            now + UPTIME,
            max_age=MAX_AGE,
            limits=RULE,
            round_number=0,
            offset=-UPTIME,
        )
        return {
            **dict(_samples(seen, now)),
            **{name: float(n) for name, n in self._counters.items()},
            _series(BUILD_INFO.name, {"version": "1.2.3", "revision": "", "python": "3.11"}): 1.0,
            f"{SHARD.name}{{}}": float(self.shard.number),
            f"{SHARDS.name}{{}}": float(self.shard.of),
            f"{RELOAD_SUCCESSFUL.name}{{}}": 1.0,
            "process_start_time_seconds{}": (self.start - self.uptime) * MINUTE,
        }

    def _query(self, job: Job, record: Record, now: float) -> None:
        record.queried_at = now + UPTIME
        self._counters[_requests(job)] += 1
        try:
            record.answer(job.answer(now), now + UPTIME)
        except QueryError as error:
            record.fail(error, now + UPTIME)
            self._counters[_errors(job, error)] += 1

    def _located(self, series: str) -> str:
        name, _, rest = series.partition("{")
        labels = (("job", self.job), ("instance", self.instance), *self.labels)
        added = ",".join(f'{label}="{value}"' for label, value in labels)
        return f"{name}{{{added}" + ("" if rest == "}" else ",") + rest


def _requests(job: Job) -> str:
    return _series(API_REQUESTS.name, {"target": job.ref.target, "action": ACTION})


def _errors(job: Job, error: QueryError) -> str:
    labels = {"target": job.ref.target, "action": ACTION, "reason": error.reason}
    return _series(API_ERRORS.name, labels)


def _samples(observations: Sequence[Observation], now: float) -> Iterator[tuple[str, float]]:
    for row in FAMILIES:
        names = job_label_names(row, observations)
        for observation in observations:
            for values, value in row.samples(observation, now):
                labels = dict(zip(names, observation.ref.identity + values, strict=True))
                yield _series(row.name, labels), float(value)


def _series(name: str, labels: Mapping[str, str]) -> str:
    parts = (f"{label}={json.dumps(text, ensure_ascii=False)}" for label, text in labels.items())
    return f"{name}{{{','.join(parts)}}}"
