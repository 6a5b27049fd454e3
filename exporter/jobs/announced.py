"""Jobs that programs announce over HTTP. They are kept in memory: a restart forgets them."""

import itertools
import logging
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final, Protocol

from exporter.config import AnnouncedEntry, Config, RegistrySettings
from exporter.errors import Conflict, QueryError, TooManyJobs
from exporter.gpdb.kinds import KINDS
from exporter.jobs.source import Batch, Listing
from exporter.model import JobRef, JobState

_log = logging.getLogger(__name__)

ANNOUNCED: Final = "announced"
"""The name of the source of these jobs."""

_REPLACEABLE: Final = ("expected_entries", "deadline", "labels")
_Key = tuple[str, str]


class Record(Protocol):
    """What a query was about."""

    @property
    def ref(self) -> JobRef:
        """The job."""


@dataclass(slots=True)
class _Entry:
    """What is known of one announced job. The lock of ``Announcements`` guards it.

    Attributes:
        ref: the job, as it was announced.
        ended: monotonic seconds, when its end was first seen; None before.
        failing: monotonic seconds of the first and the last query of those that failed since the
            last good answer; None where the last query worked, or none was made.
    """

    ref: JobRef
    ended: float | None = None
    failing: tuple[float, float] | None = None


class Announcements:
    """The announced jobs, over all reloads. May be called from several threads.

    Args:
        clock: monotonic seconds.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._entries: dict[_Key, _Entry] = {}
        self._versions = itertools.count(1)
        self._version = 0

    def announce(self, entries: Sequence[AnnouncedEntry], most: int) -> list[bool]:
        """Take over jobs, all or none; return for each whether it is new.

        One that is known takes over the fields that are given, and keeps the others.

        Args:
            entries: the jobs, each once.
            most: how many unfinished jobs there may be.

        Raises:
            Conflict: one of them contradicts what is known.
            TooManyJobs: they would be more than ``most``.
        """
        with self._lock:
            known = [self._entries.get(_key(entry.ref)) for entry in entries]
            refs = [
                entry.ref if before is None else _merged(before.ref, entry)
                for entry, before in zip(entries, known, strict=True)
            ]
            unfinished = sum(entry.ended is None for entry in self._entries.values())
            if known.count(None) and unfinished + known.count(None) > most:
                message = (
                    f"{unfinished:,} announced jobs have not ended, and {most:,} can be watched"
                )
                raise TooManyJobs(f"{message}: see scrape.max_jobs")
            for ref, before in zip(refs, known, strict=True):
                if before is None:
                    self._entries[_key(ref)] = _Entry(ref)
                elif before.ref != ref:
                    before.ref = ref
                else:
                    continue
                self._version = next(self._versions)
            return [before is None for before in known]

    def forget(self, target: str, job_id: str) -> bool:
        """Watch a job no longer; return whether it was announced."""
        with self._lock:
            if self._entries.pop((target, job_id), None) is None:
                return False
            self._version = next(self._versions)
            return True

    def find(self, target: str, job_id: str) -> JobRef | None:
        """Return an announced job; None if there is no such one."""
        with self._lock:
            entry = self._entries.get((target, job_id))
            return entry.ref if entry else None

    def refs(self) -> tuple[int, tuple[JobRef, ...]]:
        """Return the jobs, in the order of their announcement, and a number that goes with them."""
        with self._lock:
            return self._version, tuple(entry.ref for entry in self._entries.values())

    @property
    def version(self) -> int:
        """Another number whenever the jobs are others."""
        return self._version

    def queried(self, record: Record, outcome: JobState | QueryError, seconds: float) -> None:  # noqa: ARG002
        """Note how a query ended; see ``polling.settings.Observer``."""
        ref, now = record.ref, self._clock()
        with self._lock:
            entry = self._entries.get(_key(ref))
            if entry is None or entry.ref.identity != ref.identity:
                return
            if isinstance(outcome, QueryError):
                entry.failing = (entry.failing[0] if entry.failing else now, now)
                return
            entry.failing = None
            if outcome.status.is_final and entry.ended is None:
                entry.ended = now

    def expire(self, settings: RegistrySettings) -> None:
        """Forget jobs that ended long ago, and give up those whose queries have failed for long."""
        now = self._clock()
        given_up: list[JobRef] = []
        with self._lock:
            gone = []
            for key, entry in self._entries.items():
                if entry.ended is not None:
                    if now - entry.ended >= settings.keep_ended:
                        gone.append(key)
                elif entry.failing and entry.failing[1] - entry.failing[0] >= settings.keep_unseen:
                    gone.append(key)
                    given_up.append(entry.ref)
            for key in gone:
                del self._entries[key]
            if gone:
                self._version = next(self._versions)
        for ref in given_up:
            facts = {"job_id": ref.job_id, "collection": ref.collection, "target": ref.target}
            _log.warning("announced job given up: its queries have failed for long", extra=facts)


class AnnouncedJobs:
    """The announced jobs as a configuration names their targets and labels.

    Args:
        config: the targets and labels that there are, and how long jobs stay.
        announcements: the jobs.
    """

    name: Final = ANNOUNCED

    def __init__(self, config: Config, announcements: Announcements) -> None:
        self._targets = {target.name: target for target in config.targets}
        self._labels = config.job_labels
        self._settings = config.registry
        self._announcements = announcements
        self._listing = Listing(-1, ())

    def refresh(self) -> None:
        """Let go of the jobs whose time is over."""
        self._announcements.expire(self._settings)

    def listing(self) -> Listing:
        """Return the jobs of the targets that there are."""
        listing = self._listing
        if listing.version != self._announcements.version:
            version, refs = self._announcements.refs()
            jobs = tuple(self._rebased(ref) for ref in refs if ref.target in self._targets)
            self._listing = listing = Listing(version, (Batch("", jobs),))
        return listing

    def _rebased(self, ref: JobRef) -> JobRef:
        return self._targets[ref.target].rebased(ref, self._labels)


def _key(ref: JobRef) -> _Key:
    return ref.target, ref.job_id


def _merged(known: JobRef, entry: AnnouncedEntry) -> JobRef:
    """Return a known job with what an announcement says of it now.

    Raises:
        Conflict: it says something else of what cannot change.
    """
    ref, given = entry.ref, entry.given
    if ref.collection != known.collection:
        raise Conflict(f"job {ref.job_id} is known, of another collection: {known.collection}")
    if "kind" in given and ref.kind != known.kind:
        raise Conflict(f"job {ref.job_id} is known, of another kind: {known.kind}")
    new = {name: getattr(ref, name) for name in _REPLACEABLE if name in given}
    merged = replace(known, **new)
    if refused := KINDS[merged.kind].refusal(merged):
        raise Conflict(f"job {ref.job_id}: {refused[1]}")
    return merged
