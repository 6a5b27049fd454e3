"""What an exporter knows of the store, and what it has seen since. Time is an argument.

``Ledger`` is the threads and the lock around it.
"""

import itertools
from collections.abc import Iterable, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, TypeVar

from exporter.config import Config, RegistrySettings
from exporter.gpdb.kinds import KINDS
from exporter.model import (
    CollectionHistory,
    Identity,
    JobRef,
    JobState,
    Memory,
    Observation,
    ScrapeResult,
    StoreHealth,
)
from exporter.store.records import Batch, Changes, End, Progress, StoredJob, Taken

if TYPE_CHECKING:
    from collections.abc import Mapping

    from exporter.model import Freshness, Target

ANNOUNCED: Final = "announced"
"""The name of the source of announced jobs."""
DRAINED: Final = "drained"
"""The name of the source of jobs that no job file names any more, although they have not ended."""
FILE: Final = "file"
"""The name of the source of jobs of job files."""

_GIVEN_UP: Final = frozenset({ANNOUNCED, DRAINED})
_MOST: Final = 500  # of each kind of thing in one batch, so that no transaction takes long
_WRITE_INTERVAL: Final = 60.0  # seconds between two writes of one job's progress
_DAY: Final = 86_400.0
_T = TypeVar("_T")
_Collection = tuple[str, ...]


@dataclass(slots=True)
class _Named:
    """A job that is named now.

    Attributes:
        ref: the job.
        was_there: it was named when this process began.
        memory: what the store remembers of it.
        ended_at: Unix seconds, when its end was first seen; None before.
        has_answered: the API has answered for it since it was named.
        failing: monotonic seconds of the first and the last query of those that failed since the
            last good answer; None where the last query worked, or none was made.
        written: the times of its progress and its turn that were last written.
        written_at: monotonic seconds, when that was.
    """

    ref: JobRef
    was_there: bool
    memory: Memory | None = None
    ended_at: float | None = None
    has_answered: bool = False
    failing: tuple[float, float] | None = None
    written: tuple[float | None, float | None] | None = None
    written_at: float = 0.0


class Books:
    """The jobs that matter now, the history, and what has yet to be written into the store.

    Args:
        is_durable: whether the store survives this process.
        shards: how many exporters share the announced jobs.
    """

    def __init__(self, *, is_durable: bool, shards: int = 1) -> None:
        self._is_durable = is_durable
        self._shards = shards
        self._targets: Mapping[str, Target] = {}
        self._places: frozenset[_Collection] = frozenset()
        self._settings = RegistrySettings()
        self._most = 0
        self.freshness: tuple[Freshness, ...] = ()
        self._has_begun = False
        self._announced: dict[Identity, StoredJob] = {}
        self._drained: dict[Identity, StoredJob] = {}
        self._versions = itertools.count(1)
        self._version = {ANNOUNCED: 0, DRAINED: 0}
        self._named: dict[Identity, _Named] = {}
        self._over: tuple[int, AbstractSet[Identity]] = (0, frozenset())
        self._history: dict[_Collection, CollectionHistory] = {}
        self._new_collections: dict[_Collection, None] = {}  # or not known for long
        self._ends: dict[Identity, End] = {}
        self._progress: dict[Identity, Progress] = {}
        self._lost: dict[Identity, JobRef] = {}
        self._unreachable: dict[Identity, float] = {}  # monotonic seconds, since when
        self._unwatched: dict[Identity, None] = {}  # of which the store does not know it yet
        self._watch_at = 0.0  # monotonic seconds

    def adopt(self, config: Config) -> None:
        """Go on with a new configuration."""
        self._targets = {target.name: target for target in config.targets}
        jobs = (target.job("", "", kind="") for target in config.targets)
        self._places = frozenset(job.collection_identity[1:] for job in jobs)
        self._settings = config.registry
        self._most = config.scrape.max_jobs * self._shards
        self.freshness = config.freshness
        self._know_fresh()
        for source in self._version:
            self._changed(source)

    @property
    def most(self) -> int:
        """How many announced jobs may be unfinished, and how many ended ones are shown."""
        return self._most

    @property
    def keep_ended(self) -> float:
        """Seconds for which jobs are shown after their end."""
        return self._settings.keep_ended

    @property
    def health(self) -> StoreHealth:
        """How many announced jobs there are."""
        ended = sum(job.ended_at is not None for job in self._announced.values())
        return StoreHealth(active=len(self._announced) - ended, ended=ended)

    @property
    def over(self) -> tuple[int, AbstractSet[Identity]]:
        """The jobs of job files that ended long ago, and a number that goes with them."""
        return self._over

    def history(self) -> tuple[CollectionHistory, ...]:
        """Return what is remembered of the collections of the targets that there are."""
        keys = sorted(key for key in self._history if key[1:4] in self._places)
        return tuple(self._history[key] for key in keys)

    def version(self, source: str) -> int:
        """Return another number whenever the jobs of ``ANNOUNCED`` or ``DRAINED`` are others."""
        return self._version[source]

    def jobs(self, source: str) -> tuple[JobRef, ...]:
        """Return the jobs of ``ANNOUNCED`` or ``DRAINED``, as far as their targets are there."""
        stored = self._announced if source == ANNOUNCED else self._drained
        return tuple(job.ref for job in stored.values() if self._is_there(job.ref))

    def memory(self, identity: Identity) -> Memory | None:
        """Return what the store remembers of a named job."""
        named = self._named.get(identity)
        return named.memory if named else None

    def name(self, refs: Sequence[JobRef], *, are_all: bool) -> list[Identity]:
        """Take over which jobs are named; return those that were not named before.

        Args:
            refs: each once.
            are_all: whether every source has been read since the start.
        """
        before, self._named = self._named, {}
        new: list[Identity] = []
        for ref in refs:
            identity = ref.identity
            named = before.get(identity)
            if named is None:
                new.append(identity)
                named = _Named(ref, not self._has_begun and ref.source != ANNOUNCED)
                self._know((*ref.collection_identity, ref.kind))
            named.ref = ref
            self._named[identity] = named
        self._has_begun = self._has_begun or are_all
        self._unwatched.update(dict.fromkeys(new))
        return new

    def remember(self, jobs: Iterable[StoredJob]) -> None:
        """Take over what the store knows of named jobs."""
        for job in jobs:
            named = self._named.get(job.ref.identity)
            if named is None or named.has_answered or job.is_lost:
                continue
            named.memory = job.memory
            named.ended_at = job.ended_at

    def queried(
        self,
        ref: JobRef,
        before: JobState | None,
        outcome: JobState | None,
        now: float,
        wall: float,
    ) -> None:
        """Note how a query ended.

        Args:
            ref: the job.
            before: its answer before.
            outcome: the answer; None if there is none.
            now: monotonic seconds.
            wall: Unix seconds.
        """
        identity = ref.identity
        named = self._named.get(identity)
        if named is None:
            return
        if outcome is None:
            named.failing = (named.failing[0] if named.failing else now, now)
            return
        named.failing = None
        is_first_sight = before is None and not named.has_answered
        named.has_answered = True
        if named.ended_at is not None:
            return
        if not outcome.status.is_final:
            if ref.source == FILE and identity not in self._drained:
                self._drained[identity] = StoredJob(ref=replace(ref, source=DRAINED), seen_at=wall)
                self._changed(DRAINED)
            return
        named.ended_at = wall
        # Whether an end that was there at the start was counted, only a lasting store knows.
        is_new = self._is_durable or not (is_first_sight and named.was_there)
        self._ends[identity] = End(ref=ref, state=outcome, seen_at=wall, is_new=is_new)
        if identity in self._announced:
            job = self._announced[identity]
            self._announced[identity] = replace(job, ended_at=wall)
        if ref.source == DRAINED:
            self._drained[identity] = StoredJob(ref=ref, ended_at=wall)
        elif self._drained.pop(identity, None):
            self._changed(DRAINED)

    def observe(self, observations: Iterable[Observation], now: float) -> None:
        """Note what a scrape saw of jobs that are under way (now: monotonic seconds)."""
        if not self._is_durable:
            return
        seldom = max(_WRITE_INTERVAL, self._settings.keep_unseen / 4)
        for seen in observations:
            if seen.result is not ScrapeResult.FRESH:
                continue
            identity = seen.ref.identity
            named, state, seen_at = self._named.get(identity), seen.state, seen.answered_at
            if named is None or named.ended_at is not None or state is None or seen_at is None:
                continue
            written = (seen.progress_changed_at, seen.turn_at)
            pause = seldom if named.written == written else _WRITE_INTERVAL
            if named.written is not None and now - named.written_at < pause:
                continue
            named.written, named.written_at = written, now
            ref = replace(seen.ref, source=FILE) if seen.ref.source == DRAINED else seen.ref
            self._progress[identity] = Progress(
                ref=ref,
                state=state,
                progress_changed_at=seen.progress_changed_at,
                turn_at=seen.turn_at,
                seen_at=seen_at,
            )

    def expire(self, now: float, wall: float) -> list[JobRef]:
        """Let go of jobs whose time is over; return those that are given up now.

        Args:
            now: monotonic seconds.
            wall: Unix seconds.
        """
        ended_before = wall - self._settings.keep_ended
        for source, jobs in ((ANNOUNCED, self._announced), (DRAINED, self._drained)):
            gone = [each for each, job in jobs.items() if _is_before(job.kept_from, ended_before)]
            for identity in gone:
                del jobs[identity]
                self._changed(source)
        over = {
            identity
            for identity, named in self._named.items()
            if named.ref.source == FILE and _is_before(named.ended_at, ended_before)
        }
        if over != self._over[1]:
            self._over = (next(self._versions), over)
        self._bound()
        return self._given_up(now)

    def _bound(self) -> None:
        """Keep no more announced jobs that have ended than can be watched: the latest."""
        surplus = self.health.ended - self._most
        if surplus > 0:
            ended = [(job.kept_from, identity) for identity, job in self._announced.items()]
            oldest = sorted((at, identity) for at, identity in ended if at is not None)
            for _, identity in oldest[:surplus]:
                del self._announced[identity]
            self._changed(ANNOUNCED)

    def _given_up(self, now: float) -> list[JobRef]:
        given_up = []
        unreachable, self._unreachable = self._unreachable, {}
        for identity, job in itertools.chain(self._announced.items(), self._drained.items()):
            if job.ended_at is not None or identity in self._lost:
                continue
            named = self._named.get(identity)
            if not self._is_there(job.ref):  # nobody can query it
                since = self._unreachable[identity] = unreachable.get(identity, now)
                failing = (since, now)
            elif named is None or named.failing is None or named.ref.source not in _GIVEN_UP:
                continue
            else:
                failing = named.failing
            if failing[1] - failing[0] >= self._settings.keep_unseen:
                self._lost[identity] = job.ref
                given_up.append(job.ref)
        return given_up

    def take(self, taken: Iterable[Taken]) -> None:
        """Take over jobs that were announced here."""
        for each in taken:
            self._put(ANNOUNCED, each.job, is_listed=True)

    def forget(self, target: str, job_id: str) -> None:
        """Let go of an announced job."""
        for identity, job in [*self._announced.items()]:
            if (job.ref.target, job.ref.job_id) == (target, job_id):
                del self._announced[identity]
                self._changed(ANNOUNCED)

    def begin(self, changes: Changes, wall: float) -> None:
        """Take over what the store holds, all at once (wall: Unix seconds)."""
        self._history = {(*each.collection, each.kind): each for each in changes.history}
        self.apply(changes, wall)

    def apply(self, changes: Changes, wall: float) -> None:
        """Take over what has changed in the store (wall: Unix seconds)."""
        for each in changes.history:
            self._history[*each.collection, each.kind] = each
        ended_before = wall - self._settings.keep_ended
        for job in changes.jobs:
            identity, source = job.ref.identity, job.ref.source
            is_over = job.is_lost or _is_before(job.kept_from, ended_before)
            if (named := self._named.get(identity)) and not job.is_lost:
                named.ended_at = named.ended_at or job.ended_at
            self._put(ANNOUNCED, job, is_listed=source == ANNOUNCED and not is_over)
            is_drained = source == DRAINED if job.ended_at is not None else source == FILE
            self._put(DRAINED, job, is_listed=is_drained and not is_over)

    def _put(self, source: str, job: StoredJob, *, is_listed: bool) -> None:
        """List a job as one of a source, or no longer."""
        jobs = self._announced if source == ANNOUNCED else self._drained
        job = replace(job, ref=replace(job.ref, source=source), state=None)
        identity = job.ref.identity
        if not is_listed:
            if jobs.pop(identity, None) is not None:
                self._changed(source)
            return
        before = jobs.get(identity)
        # An end that was seen here is written soon.
        if before is not None and before.ended_at is not None and job.ended_at is None:
            job = replace(job, ended_at=before.ended_at)
        jobs[identity] = job
        if before is None or before.ref != job.ref:
            self._changed(source)

    def batch(self, now: float, wall: float) -> Batch:
        """Return what is to be written next, as much as one transaction should hold.

        Args:
            now: monotonic seconds.
            wall: Unix seconds.
        """
        if now >= self._watch_at:
            self._watch_at = now + self.kept_unwatched / 4
            self._unwatched.update(dict.fromkeys(self._named))
            refs = [named.ref for named in self._named.values()]
            self._new_collections.update({(*r.collection_identity, r.kind): None for r in refs})
            self._know_fresh()
        return Batch(
            collections=_some(self._new_collections),
            ends=_some(self._ends.values()),
            progress=_some(self._progress.values()),
            lost=_some(self._lost.values()),
            seen_before=wall - self._settings.keep_unseen,
            watched=_some(self._unwatched),
        )

    def written(self, batch: Batch) -> None:
        """Note that the store holds a batch now."""
        for key in batch.collections:
            self._new_collections.pop(key, None)
        for end in batch.ends:
            self._ends.pop(end.ref.identity, None)
        for job in batch.progress:
            if self._progress.get(job.ref.identity) is job:
                del self._progress[job.ref.identity]
        for ref in batch.lost:
            self._lost.pop(ref.identity, None)
            self._unreachable.pop(ref.identity, None)
            if named := self._named.get(ref.identity):
                named.failing = None  # another exporter may have had an answer
        for identity in batch.watched:
            self._unwatched.pop(identity, None)

    @property
    def kept_unwatched(self) -> float:
        """Seconds for which the store keeps a job that has ended, and that nobody watches."""
        return max(self._settings.keep_ended, _DAY)

    @property
    def may_clean(self) -> bool:
        """Whether the store knows which jobs are watched here, so that none of them is deleted."""
        return self._has_begun and not self._unwatched

    def _know(self, key: _Collection) -> None:
        if key not in self._history:
            self._new_collections[key] = None

    def _know_fresh(self) -> None:
        for each in self.freshness:
            self._new_collections[*each.collection, each.kind] = None

    def _changed(self, source: str) -> None:
        self._version[source] = next(self._versions)

    def _is_there(self, ref: JobRef) -> bool:
        """Whether the job's target is there, and is still the same place.

        A newer exporter on the same store may know further kinds: those jobs are its own.
        """
        target = self._targets.get(ref.target)
        if target is None or ref.kind not in KINDS:
            return False
        return target.rebased(ref, ()).identity == ref.identity


def _is_before(moment: float | None, limit: float) -> bool:
    return moment is not None and moment <= limit


def _some(values: Iterable[_T]) -> tuple[_T, ...]:
    return tuple(itertools.islice(values, _MOST))
