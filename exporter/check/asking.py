"""Asks once about every job, and of each target without jobs about one that is made up."""

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Final

from exporter.clock import Clock, Deadline
from exporter.config.units import format_duration
from exporter.errors import QueryError
from exporter.gpdb.kinds import DEFAULT_KIND
from exporter.model import (
    JobRef,
    JobState,
    Target,
    TargetHealth,
    WatchList,
)
from exporter.polling import Poller, PollSettings
from exporter.polling.record import Record

MADE_UP_JOB: Final = "00000000-0000-0000-0000-000000000000"
MADE_UP_COLLECTION: Final = "adbpg-job-exporter-check"

Identity = tuple[str, ...]
Outcome = JobState | QueryError


@dataclass(frozen=True, slots=True)
class Seen:
    """All that was seen.

    Attributes:
        jobs: that are watched.
        probes: one made-up job for each target without jobs.
        outcomes: by the job's identity; those that are missing were not asked, or not answered.
        health: of the targets' clocks, by name.
        at: Unix seconds when it was seen.
        cut: when asking ended, in words, if it was before all was answered; else empty.
    """

    jobs: tuple[JobRef, ...]
    probes: tuple[JobRef, ...]
    outcomes: Mapping[Identity, Outcome]
    health: Mapping[str, TargetHealth]
    at: float
    cut: str


class _Outcomes:
    """An ``Observer`` that keeps how each query ended."""

    def __init__(self, progress: Callable[[int], None]) -> None:
        self.outcomes: dict[Identity, Outcome] = {}
        self._progress = progress
        self._lock = threading.Lock()

    def queried(self, record: Record, outcome: Outcome, seconds: float) -> None:  # noqa: ARG002
        """See ``Observer``."""
        with self._lock:
            self.outcomes[record.ref.identity] = outcome
            self._progress(len(self.outcomes))


class Asking:
    """Asks as a scrape does, with its limits, but about everything and once.

    Args:
        settings: of the configuration.
        clock: what time it is.
        progress: takes how many queries have ended, called by one thread at a time.
    """

    def __init__(
        self, settings: PollSettings, *, clock: Clock, progress: Callable[[int], None]
    ) -> None:
        watched = settings.watched(lambda _identity, _target: None)
        busy = {job.target for job in watched.jobs}
        targets = watched.targets.items()
        self._jobs = watched.jobs
        self._probes = tuple(_made_up(target) for name, target in targets if name not in busy)
        everything = WatchList(watched.targets, (*watched.jobs, *self._probes))
        self._ended = _Outcomes(progress)
        self._clock = clock
        self._is_cut = False
        self._poller = Poller(
            replace(settings, watched=lambda _ended_at: everything),
            observers=[self._ended],
            clock=clock,
        )

    def ask(self, timeout: float) -> Seen:
        """Return what was seen once all is answered, or the time is up, or it was cut.

        Args:
            timeout: seconds for all together.
        """
        deadline = Deadline.after(timeout, self._clock.monotonic)
        snapshot = self._poller.take_snapshot(deadline)
        cut = ""
        if self._is_cut:
            cut = "before it was stopped"
        elif deadline.has_passed:
            cut = f"within {format_duration(timeout)}: give more with --live.timeout"
        self._poller.close()
        return Seen(
            jobs=self._jobs,
            probes=self._probes,
            outcomes=dict(self._ended.outcomes),
            health=snapshot.targets,
            at=snapshot.taken_at,
            cut=cut,
        )

    def cut(self) -> None:
        """Have ``ask`` return with what was seen until now. May be called in any thread."""
        self._is_cut = True
        self._poller.close()


def _made_up(target: Target) -> JobRef:
    return target.job(MADE_UP_JOB, MADE_UP_COLLECTION, kind=DEFAULT_KIND)
