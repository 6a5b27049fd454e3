"""What the poller is given, who observes its queries, and what a scrape looks at."""

import itertools
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from exporter.config import ScrapeSettings
from exporter.errors import QueryError
from exporter.gpdb.kinds import TimeLimits
from exporter.model import EndedAt, JobState, WatchList
from exporter.polling.query import Client
from exporter.polling.record import Record


class Observer(Protocol):
    """Observes how each query ended: the log, the counters, the live check."""

    def queried(self, record: Record, outcome: JobState | QueryError, seconds: float) -> None:
        """Take note of a query that has ended, in whatever thread.

        Args:
            record: of the job, as it was before this query.
            outcome: the answer, or why there is none.
            seconds: that the query took.
        """


@dataclass(frozen=True, slots=True)
class PollSettings:
    """What a configuration says to the poller. A reload brings new settings.

    Attributes:
        scrape: limits and ages.
        time_limits: how long jobs may take.
        calls_per_second: the most calls to one host in any second.
        watched: returns the jobs to watch, each time a scrape begins; its argument returns when
            a job has ended.
        client: makes the calls.
        generation: a number that no other settings have.
    """

    scrape: ScrapeSettings
    time_limits: TimeLimits
    calls_per_second: int
    watched: Callable[[EndedAt], WatchList]
    client: Client
    generation: int = field(init=False, default_factory=itertools.count(1).__next__)


@dataclass(frozen=True, slots=True, eq=False)
class WatchedJobs:
    """The jobs of a watch list with their records, and the settings in force.

    Attributes:
        settings: in force.
        watched: the watch list.
        records: one for each of its jobs, in its order.
    """

    settings: PollSettings
    watched: WatchList
    records: tuple[Record, ...]

    @property
    def generation(self) -> tuple[int, int]:
        """A number for each part; together they say which jobs these are, under which settings."""
        return (self.settings.generation, self.watched.generation)


@dataclass(frozen=True, slots=True)
class Scrape:
    """What a scrape looks at, whatever a reload changes meanwhile.

    Attributes:
        jobs: that it shows.
        round: the number of the round that it waited for.
        since: monotonic seconds, when it began.
    """

    jobs: WatchedJobs
    round: int
    since: float
