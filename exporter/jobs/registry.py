"""The registry: merges what the sources name, each job once, and shards and caps it."""

import logging
import threading
from collections.abc import Mapping, Sequence

from exporter.config import Config
from exporter.errors import Problem
from exporter.jobs.source import JobSource, Listing
from exporter.model import EVERYTHING, JobRef, Shard, WatchList

_log = logging.getLogger(__name__)


class Registry:
    """The jobs to watch. May be called from several threads.

    Args:
        config: its targets, and how many jobs may be watched.
        sources: of a job that two of them name, the first one's facts count.
        shard: only its jobs are watched, out of all that are named.
    """

    def __init__(
        self, config: Config, sources: Sequence[JobSource], *, shard: Shard = EVERYTHING
    ) -> None:
        self._config = config
        self._sources = tuple(sources)
        self._shard = shard
        self._lock = threading.Lock()
        self._dropped = 0
        self._doubles: Mapping[str, frozenset[tuple[str, ...]]] = {}
        self._versions: tuple[int, ...] = ()
        self._list: WatchList | None = None

    @property
    def dropped(self) -> int:
        """How many jobs are over ``scrape.max_jobs`` and so not watched."""
        return self._dropped

    def current(self) -> WatchList:
        """Return what is to be watched now. It is the same object while nothing has changed."""
        with self._lock:
            listings = [source.listing() for source in self._sources]
            versions = tuple(listing.version for listing in listings)
            if self._list is None or versions != self._versions:
                self._list, self._versions = self._merged(listings), versions
            return self._list

    def problems(self) -> tuple[Problem, ...]:
        """Return what is wrong with the sources now."""
        with self._lock:
            return tuple(p for source in self._sources for p in source.listing().problems)

    def _merged(self, listings: Sequence[Listing]) -> WatchList:
        jobs: dict[tuple[str, ...], JobRef] = {}
        doubles: dict[str, list[JobRef]] = {}
        for batch in (batch for listing in listings for batch in listing.batches):
            for job in batch.jobs:
                if jobs.setdefault(job.identity, job) is not job:
                    doubles.setdefault(batch.origin, []).append(job)
        self._log_doubles(doubles)
        ours: list[JobRef] = []
        others: list[JobRef] = []
        for job in jobs.values():
            (ours if self._shard.holds(job.job_id) else others).append(job)
        most = self._config.scrape.max_jobs
        self._log_dropped(max(0, len(ours) - most))
        return WatchList(
            targets={target.name: target for target in self._config.targets},
            jobs=tuple(ours[:most]),
            file_errors={
                path: broken for each in listings for path, broken in each.file_errors.items()
            },
            sources=tuple(source.name for source in self._sources),
            split=frozenset(job.collection_identity for job in [*others, *ours[most:]]),
        )

    def _log_doubles(self, doubles: Mapping[str, Sequence[JobRef]]) -> None:
        found = {path: frozenset(job.identity for job in jobs) for path, jobs in doubles.items()}
        for path, jobs in doubles.items():
            if found[path] != self._doubles.get(path):
                facts = {"file": path, "jobs": len(jobs), "job_id": jobs[0].job_id}
                _log.warning("jobs of a job file are watched already", extra=facts)
        self._doubles = found

    def _log_dropped(self, dropped: int) -> None:
        if dropped and dropped != self._dropped:
            facts = {"dropped": dropped, "max_jobs": self._config.scrape.max_jobs}
            _log.warning("more jobs than scrape.max_jobs", extra=facts)
        self._dropped = dropped
