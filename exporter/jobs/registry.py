"""The registry: merges what the sources name, each job once, and shards and caps it."""

import heapq
import logging
import threading
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from functools import partial
from typing import Protocol

from exporter.background import Background
from exporter.clock import Deadline
from exporter.config import Config
from exporter.errors import Problem
from exporter.jobs.source import JobSource, Listing
from exporter.model import EVERYTHING, EndedAt, Identity, JobRef, Shard, Target, WatchList

_log = logging.getLogger(__name__)


class Outcomes(Protocol):
    """What is remembered of jobs that are named."""

    def recall(self, refs: Sequence[JobRef], *, are_all: bool) -> None:
        """Take over which jobs are named, and whether every source has been read."""

    def over(self) -> tuple[int, AbstractSet[Identity]]:
        """Return the jobs that ended too long ago, and a number that goes with them."""


class Registry:
    """The jobs to watch. May be called from several threads.

    Args:
        config: its targets, and how many jobs may be watched.
        sources: of a job that two of them name, the first one's facts count.
        previous: of the configuration before a reload.
        shard: only its jobs are watched, out of all that are named.
        outcomes: what is remembered of jobs; None for a command that ends.
    """

    def __init__(
        self,
        config: Config,
        sources: Sequence[JobSource],
        *,
        previous: "Registry | None" = None,
        shard: Shard = EVERYTHING,
        outcomes: Outcomes | None = None,
    ) -> None:
        self._outcomes = outcomes
        self._config = config
        self._targets = {target.name: target for target in config.targets}
        self._sources = tuple(sources)
        self._shard = shard
        self._refreshing = [Background(partial(self._refresh, source)) for source in sources]
        self._unread = {source.name for source in sources}
        self._lock = threading.Lock()
        self._doubles: Mapping[str, frozenset[Identity]] = {}
        self._versions: tuple[int, ...] | None = None  # of the listings that are merged
        self._named: tuple[JobRef, ...] = ()  # all jobs of this shard, each once
        self._others: frozenset[tuple[str, str, str, str]] = frozenset()  # collections of others
        self._list = previous.latest if previous else WatchList({}, ())
        # Of jobs over the limit: when those ended that were left out, which nobody else remembers,
        # and those that were chosen as unfinished ones.
        self._ends = previous.ends(self._targets) if previous else {}
        self._unfinished: tuple[JobRef, ...] = ()

    @property
    def latest(self) -> WatchList:
        """The last watch list that ``current`` returned; at first, that of before a reload."""
        return self._list

    def ends(self, targets: Mapping[str, Target]) -> dict[Identity, tuple[Target, float]]:
        """Return when each ended job that was left out did, as those of these targets say."""
        return {
            identity: (targets[target.name], end)
            for identity, (target, end) in self._ends.items()
            if targets.get(target.name) == target
        }

    def refresh(self, patience: float) -> bool:
        """Have all sources look for what is named now; return whether all have.

        Args:
            patience: the most seconds to wait for them. Who takes longer goes on behind.
        """
        deadline = Deadline.after(patience)
        runs = [(each, each.start()) for each in self._refreshing]
        return all(each.wait(number, deadline) for each, number in runs)

    def current(self, ended_at: EndedAt) -> WatchList:
        """Return what is to be watched; the same object as long as nothing is different.

        Args:
            ended_at: knows which of the watched jobs have ended.
        """
        with self._lock:
            listings = [source.listing() for source in self._sources]
            versions = tuple(listing.version for listing in listings)
            over = self._outcomes.over() if self._outcomes else (0, frozenset())
            if (*versions, over[0]) != self._versions:
                named, self._versions = self._merged(listings), (*versions, over[0])
                if self._outcomes:
                    self._outcomes.recall(named, are_all=not self._unread)
                self._named = tuple(job for job in named if job.identity not in over[1])
                self._list = self._chosen(listings, ended_at)
            elif self._has_one_ended(ended_at):
                self._list = self._chosen(listings, ended_at)
            return self._list

    def count(self) -> int:
        """Return how many jobs will be watched, or somewhat more."""
        named = sum(
            len(batch.jobs) for source in self._sources for batch in source.listing().batches
        )
        return min(named, self._config.scrape.max_jobs)

    def problems(self) -> tuple[Problem, ...]:
        """Return what is wrong with the sources, so that jobs are left out."""
        return tuple(p for source in self._sources for p in source.listing().problems)

    def warnings(self) -> tuple[Problem, ...]:
        """Return what is unwise in the sources, or cannot be found out."""
        return tuple(w for source in self._sources for w in source.listing().warnings)

    def _refresh(self, source: JobSource) -> None:
        source.refresh()
        with self._lock:
            is_last = self._unread == {source.name}
            self._unread.discard(source.name)
        if is_last:
            self._log_named()

    def _log_named(self) -> None:
        """Log once what the sources name, when all of them have been read."""
        listings = [source.listing() for source in self._sources]
        facts: dict[str, object] = {"targets": len(self._targets)}
        for source, listing in zip(self._sources, listings, strict=True):
            facts[f"jobs_{source.name}"] = sum(len(batch.jobs) for batch in listing.batches)
        patterns = [report for listing in listings for report in listing.patterns]
        if patterns:
            facts |= {"patterns": len(patterns), "files": sum(each.files for each in patterns)}
            facts["pattern"] = patterns[0].pattern
        _log.info("watching", extra=facts)

    def _merged(self, listings: Sequence[Listing]) -> tuple[JobRef, ...]:
        jobs: dict[Identity, JobRef] = {}
        doubles: dict[str, list[JobRef]] = {}
        for batch in (batch for listing in listings for batch in listing.batches):
            for job in batch.jobs:
                if jobs.setdefault(job.identity, job) is not job and batch.origin:
                    doubles.setdefault(batch.origin, []).append(job)
        self._log_doubles(doubles)
        ours: list[JobRef] = []
        others: set[tuple[str, str, str, str]] = set()
        for job in jobs.values():
            if self._shard.holds(job.job_id):
                ours.append(job)
            else:
                others.add(job.collection_identity)
        self._others = frozenset(others)
        return tuple(ours)

    def _has_one_ended(self, ended_at: EndedAt) -> bool:
        """Whether a job that was chosen as an unfinished one has ended since."""
        return any(
            ended_at(job.identity, self._targets[job.target]) is not None
            for job in self._unfinished
        )

    def _chosen(self, listings: Sequence[Listing], ended_at: EndedAt) -> WatchList:
        """Return the watch list: all jobs, or if these are too many, those that matter most."""
        jobs, most = self._named, self._config.scrape.max_jobs
        left_out: list[JobRef] = []  # that have not ended
        if len(jobs) <= most:
            self._ends, self._unfinished = {}, ()
        else:
            identities = [job.identity for job in jobs]
            ends = [self._end(i, job, ended_at) for i, job in zip(identities, jobs, strict=True)]
            positions = choose(identities, ends, most, {job.identity for job in self._list.jobs})
            others = {*range(len(jobs))}.difference(positions)
            self._ends = {
                identities[number]: (self._targets[jobs[number].target], end)
                for number, end in enumerate(ends)
                if end is not None and (number in others or identities[number] in self._ends)
            }
            self._unfinished = tuple(jobs[number] for number in positions if ends[number] is None)
            left_out = [jobs[number] for number in others if ends[number] is None]
            jobs = tuple(jobs[number] for number in positions)
        watched = WatchList(
            targets=self._targets,
            jobs=jobs,
            file_errors={p: e for listing in listings for p, e in listing.file_errors.items()},
            sources=tuple(source.name for source in self._sources),
            patterns=tuple(report for listing in listings for report in listing.patterns),
            dropped=len(self._named) - len(jobs),
            dropped_unfinished=len(left_out),
            split=self._others.union(job.collection_identity for job in left_out),
        )
        self._log_dropped(watched)
        return watched

    def _end(self, identity: Identity, job: JobRef, ended_at: EndedAt) -> float | None:
        target = self._targets[job.target]
        known = self._ends.get(identity)
        if known is not None and known[0] == target:
            return known[1]
        return ended_at(identity, target)

    def _log_doubles(self, doubles: Mapping[str, Sequence[JobRef]]) -> None:
        found = {path: frozenset(job.identity for job in jobs) for path, jobs in doubles.items()}
        for path, jobs in doubles.items():
            if found[path] != self._doubles.get(path):
                facts = {"file": path, "jobs": len(jobs), "job_id": jobs[0].job_id}
                _log.warning("jobs of a job file are watched already", extra=facts)
        self._doubles = found

    def _log_dropped(self, watched: WatchList) -> None:
        before = (self._list.dropped, self._list.dropped_unfinished)
        facts = {"dropped": watched.dropped, "unfinished": watched.dropped_unfinished}
        if watched.dropped and tuple(facts.values()) != before:
            facts["max_jobs"] = self._config.scrape.max_jobs
            _log.warning("more jobs than scrape.max_jobs", extra=facts)


def choose(
    jobs: Sequence[Identity],
    ends: Sequence[float | None],
    most: int,
    watched: AbstractSet[Identity],
) -> list[int]:
    """Return the positions of the jobs to watch, in order.

    Those that have not ended come first, and among them those that are watched already, so that
    none is given up for one that was named later. Then those that ended last.

    Args:
        jobs: all that are named.
        ends: Unix seconds when each ended; None for one that has not, as far as we know.
        most: how many can be watched.
        watched: those that are.
    """
    unfinished = [number for number, end in enumerate(ends) if end is None]
    if len(unfinished) >= most:
        unfinished.sort(key=lambda number: jobs[number] not in watched)
        return sorted(unfinished[:most])
    ended = ((end, -number) for number, end in enumerate(ends) if end is not None)
    newest = heapq.nlargest(most - len(unfinished), ended)
    return sorted([*unfinished, *(-number for _, number in newest)])
