"""Queries every job once, and of each target without jobs one that is made up."""

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from exporter.clock import Clock, Deadline
from exporter.config.units import format_duration
from exporter.errors import ApiError, BadAnswer, NameNotResolved, QueryError
from exporter.gpdb.endpoints import CENTRAL_HOST, is_regional_by_default
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
class Results:
    """How the queries ended.

    Attributes:
        jobs: that are watched.
        probes: one made-up job for each target without jobs.
        outcomes: by the job's identity; those that are missing were not queried, or not answered.
        health: of the targets' clocks, by name.
        at: Unix seconds at the end of the check.
        cut: when the check ended, in words, if it was before all was answered; else empty.
        central: whether the API answered at its central host, by the names of targets whose own
            host has no address; those that are missing were not tried there.
    """

    jobs: tuple[JobRef, ...]
    probes: tuple[JobRef, ...]
    outcomes: Mapping[Identity, Outcome]
    health: Mapping[str, TargetHealth]
    at: float
    cut: str
    central: Mapping[str, bool] = field(default_factory=dict)


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


class LiveCheck:
    """Queries as a scrape does, within its limits, but everything and once.

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
        self._settings = settings
        self._everything = everything
        self._ended = _Outcomes(progress)
        self._clock = clock
        self._is_cut = False
        self._poller = self._poller_of(everything, self._ended)

    def run(self, timeout: float) -> Results:
        """Return the results once all is answered, or the time is up, or it was cut.

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
        outcomes = dict(self._ended.outcomes)
        return Results(
            jobs=self._jobs,
            probes=self._probes,
            outcomes=outcomes,
            health=snapshot.targets,
            at=snapshot.taken_at,
            cut=cut,
            central={} if cut else self._try_central(outcomes, deadline),
        )

    def cut(self) -> None:
        """Have ``run`` return with what was answered until now. May be called in any thread."""
        self._is_cut = True
        self._poller.close()

    def _try_central(
        self, outcomes: Mapping[Identity, Outcome], deadline: Deadline
    ) -> dict[str, bool]:
        """Try the central host once for each target whose region's own host has no address."""
        lost: dict[str, JobRef] = {}
        for job in self._everything.jobs:
            target = self._everything.targets[job.target]
            if isinstance(outcomes.get(job.identity), NameNotResolved) and is_regional_by_default(
                target
            ):
                lost.setdefault(job.target, job)
        if not lost:
            return {}
        targets = {
            name: replace(self._everything.targets[name], endpoint=f"https://{CENTRAL_HOST}")
            for name in lost
        }
        ended = _Outcomes(lambda _count: None)
        self._poller = self._poller_of(WatchList(targets, tuple(lost.values())), ended)
        if self._is_cut:  # before it could have closed this one
            return {}
        self._poller.take_snapshot(deadline)
        self._poller.close()
        return {name: _is_of_api(ended.outcomes.get(job.identity)) for name, job in lost.items()}

    def _poller_of(self, watched: WatchList, observer: _Outcomes) -> Poller:
        settings = replace(self._settings, watched=lambda _ended_at: watched)
        return Poller(settings, observers=[observer], clock=self._clock)


def _is_of_api(outcome: Outcome | None) -> bool:
    """Whether the API answered, be it to say no."""
    if isinstance(outcome, BadAnswer):
        return outcome.is_of_api
    return isinstance(outcome, JobState | ApiError)


def _made_up(target: Target) -> JobRef:
    return target.job(MADE_UP_JOB, MADE_UP_COLLECTION, kind=DEFAULT_KIND)
