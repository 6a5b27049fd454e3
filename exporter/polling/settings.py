"""What the poller is given, who is told of its queries, and what a scrape looks at."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from exporter.config import ScrapeSettings
from exporter.errors import QueryError
from exporter.gpdb.kinds import TimeLimits
from exporter.model import EndedAt, JobState, WatchList
from exporter.polling.query import Client
from exporter.polling.record import Record


class Tally(Protocol):
    """Where the poller counts."""

    def called(
        self, target: str, action: str, seconds: float, error: QueryError | None = None
    ) -> None:
        """Count one query, how long it took, and why it failed if it did."""

    def invalid(self, fields: Sequence[str]) -> None:
        """Count the fields of an answer that could not be read."""


class Witness(Protocol):
    """Who is told how each query ended, in whatever thread, before the record changes."""

    def answered(self, record: Record, state: JobState) -> None:
        """Take note of an answer."""

    def failed(self, record: Record, error: QueryError) -> None:
        """Take note of a failure."""


@dataclass(frozen=True, slots=True)
class PollSettings:
    """What a configuration tells the poller. A reload brings a new one.

    Attributes:
        scrape: limits and ages.
        deadline: when a job should have ended.
        calls_per_second: the most calls to one host in any second.
        watched: gives the jobs to watch, each time a scrape begins; it is told how to find out
            which have ended.
        client: makes the calls.
    """

    scrape: ScrapeSettings
    deadline: TimeLimits
    calls_per_second: int
    watched: Callable[[EndedAt], WatchList]
    client: Client


@dataclass(frozen=True, slots=True, eq=False)
class View:
    """What a scrape looks at, whatever a reload changes meanwhile. Equal only to itself.

    Attributes:
        plan: in force when it began.
        watched: the watch list then.
        records: one for each of its jobs, in its order.
    """

    plan: PollSettings
    watched: WatchList
    records: tuple[Record, ...]


@dataclass(frozen=True, slots=True)
class Asked:
    """What a scrape asked about.

    Attributes:
        view: its jobs.
        round: the number of the round that it waited for.
        since: monotonic seconds, when it began.
    """

    view: View
    round: int
    since: float
