"""The records that flow through the exporter. All are frozen; none can carry a secret downstream.

Times are Unix seconds (UTC) by the wall clock, unless a name says otherwise.
"""

import enum
import hashlib
import itertools
import re
from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from datetime import timedelta, timezone, tzinfo
from typing import Literal

from exporter.secret import AnySecret

CONFIGURED = "config"  # the name of the source that is the configuration
DEFAULT_NAMESPACE = "public"  # the vendor's page: "Default value: public"
BEIJING = timezone(timedelta(hours=8))


class JobStatus(enum.StrEnum):
    """The status of a job, spelt as the vendor's page spells it, and one for all others."""

    PENDING = "Pending"  # accepted, but not begun: the API has a queue of its own
    START = "Start"
    RUNNING = "Running"
    CANCELLING = "Cancelling"
    CANCELLED = "Cancelled"
    SUCCESS = "Success"
    FAILED = "Failed"
    UNKNOWN = "Unknown"

    __hash__ = str.__hash__  # that of enum is written in Python, and this is looked up most

    @property
    def is_final(self) -> bool:
        """Whether the job will never change again, so that no query is of use."""
        return self in _FINAL

    @property
    def is_active(self) -> bool:
        """Whether the job is known to be under way."""
        return self in _ACTIVE


_FINAL = frozenset({JobStatus.SUCCESS, JobStatus.FAILED, JobStatus.CANCELLED})
_ACTIVE = frozenset({JobStatus.PENDING, JobStatus.START, JobStatus.RUNNING, JobStatus.CANCELLING})


class Unit(enum.StrEnum):
    """What a job's progress is counted in."""

    ENTRIES = "entries"  # of a total that the API does not know
    PERCENT = "percent"


@dataclass(frozen=True, slots=True)
class Target:
    """A namespace of one instance or workspace: where jobs are queried, and as whom.

    Attributes:
        name: what job files call it; unique.
        region_id: such as ``cn-hangzhou``.
        namespace_password: of the namespace; revealed for ``gpdb.client`` only.
        db_instance_id: empty when workspace_id is given.
        workspace_id: empty when db_instance_id is given.
        namespace: empty when not configured: the API then takes ``public``.
        endpoint: scheme and host such as ``https://gpdb.aliyuncs.com``; empty to derive it
            from the region.
        network: which of the region's hosts to derive.
        time_zone: in which the API's zoneless times are read.
    """

    name: str
    region_id: str
    namespace_password: AnySecret
    db_instance_id: str = ""
    workspace_id: str = ""
    namespace: str = ""
    endpoint: str = ""
    network: Literal["public", "vpc"] = "public"
    time_zone: tzinfo = BEIJING

    def job(
        self,
        job_id: str,
        collection: str,
        *,
        kind: str,
        expected_entries: int | None = None,
        deadline: float | None = None,
        labels: tuple[tuple[str, str], ...] = (),
        source: str = CONFIGURED,
    ) -> "JobRef":
        """Return a job of this target; the arguments are as ``JobRef`` has them."""
        return JobRef(
            target=self.name,
            region_id=self.region_id,
            job_id=job_id,
            collection=collection,
            collection_namespace=self.namespace or DEFAULT_NAMESPACE,
            db_instance_id=self.db_instance_id,
            workspace_id=self.workspace_id,
            kind=kind,
            expected_entries=expected_entries,
            deadline=deadline,
            labels=labels,
            source=source,
        )

    def rebased(self, ref: "JobRef", labels: Sequence[str]) -> "JobRef":
        """Return a job of a target of this name as this target has it.

        Args:
            ref: the job.
            labels: the names of the labels that jobs have now.
        """
        values = dict(ref.labels)
        return self.job(
            ref.job_id,
            ref.collection,
            kind=ref.kind,
            expected_entries=ref.expected_entries,
            deadline=ref.deadline,
            labels=tuple((name, values.get(name, "")) for name in labels),
            source=ref.source,
        )


@dataclass(frozen=True, slots=True)
class JobRef:
    """One job to watch: its identity and exactly its labels. ``Target.job`` makes it.

    Attributes:
        target: the name of its target.
        region_id: of its target.
        job_id: as the operation that started the job gave it.
        collection: the collection's name.
        collection_namespace: the namespace's name; ``public`` where the target gives none.
        db_instance_id: empty for a target that is a workspace.
        workspace_id: empty for a target that is an instance.
        kind: the name of its row in ``gpdb.kinds.KINDS``.
        expected_entries: how many entries the upload holds, where the user says so.
        deadline: seconds that it may take from its turn on, where the user says so.
        labels: the configured job labels as (name, value), in the configuration's order.
        source: the name of the source that names it.
    """

    target: str
    region_id: str
    job_id: str
    collection: str
    collection_namespace: str = DEFAULT_NAMESPACE
    db_instance_id: str = ""
    workspace_id: str = ""
    kind: str = field(kw_only=True)
    expected_entries: int | None = None
    deadline: float | None = None
    labels: tuple[tuple[str, str], ...] = ()
    source: str = CONFIGURED

    @property
    def identity(self) -> tuple[str, str, str, str, str]:
        """What makes it this job and no other: the values of the identity labels, in order."""
        return (
            self.job_id,
            self.collection,
            self.collection_namespace,
            self.db_instance_id,
            self.workspace_id,
        )

    @property
    def collection_identity(self) -> tuple[str, str, str, str]:
        """What makes its collection this one and no other: the identity without the job id."""
        return self.identity[1:]


@dataclass(frozen=True, slots=True)
class Shard:
    """One of several exporters that share the jobs of one configuration, each job in one of them.

    Attributes:
        number: from 1 to ``of``.
        of: how many shards there are.
    """

    number: int = 1
    of: int = 1

    @classmethod
    def parse(cls, text: str) -> "Shard":
        """Return the shard of a text such as ``2/3``.

        Raises:
            ValueError: it is no such text. The message says what was expected.
        """
        matched = re.fullmatch(r"([0-9]{1,4})/([0-9]{1,4})", text)
        if matched is None:
            raise ValueError(f"expected NUMBER/SHARDS such as 1/3, got {text!r}")
        shard = cls(int(matched[1]), int(matched[2]))
        if not shard.of:
            raise ValueError(f"expected at least one shard, got {text!r}")
        if not 1 <= shard.number <= shard.of:
            raise ValueError(
                f"expected a shard from 1/{shard.of} to {shard.of}/{shard.of}, got {text!r}"
            )
        return shard

    def holds(self, job_id: str) -> bool:
        """Whether a job is one of this shard.

        The first 8 bytes of the SHA-256 of its id in UTF-8, as a big-endian number, modulo ``of``:
        the same in every process and version, since the shards of one set may be of several.
        """
        if self.of == 1:
            return True
        digest = hashlib.sha256(job_id.encode()).digest()
        return int.from_bytes(digest[:8], "big") % self.of == self.number - 1


EVERYTHING = Shard()

Identity = tuple[str, ...]
"""The values of the identity labels of a job, in order; see ``JobRef.identity``."""


# When a job of this identity ended (Unix seconds), as this target says; None if it has not, or
# nobody knows.
EndedAt = Callable[[tuple[str, ...], Target], float | None]


@dataclass(frozen=True, slots=True)
class PatternReport:
    """What one pattern of ``job_files`` finds.

    Attributes:
        pattern: as it is configured, below the configuration's directory.
        files: how many files match, and those in unreadable folders whose last list stays.
        broken: how many of them cannot be read, or hold a mistake.
        error: why it is not known which files match; empty where it can.
    """

    pattern: str
    files: int
    broken: int = 0
    error: str = ""


@dataclass(frozen=True, slots=True)
class WatchList:
    """What is to be watched right now.

    Attributes:
        targets: by name.
        jobs: without duplicates, in a stable order, at most ``scrape.max_jobs``.
        file_errors: of job files and patterns that failed since the start, by path: whether the
            last reading did; the broken ones first, at most a hundred.
        sources: the names of all sources of jobs, in order.
        patterns: of job files.
        dropped: how many named jobs are left out, since they are over ``scrape.max_jobs``.
        dropped_unfinished: how many of these have not ended, as far as we know.
        generation: a number that no other watch list has.
        split: the collections of which further jobs are named, but not watched here: those of
            other shards, and those over ``scrape.max_jobs``.
    """

    targets: Mapping[str, Target]
    jobs: tuple[JobRef, ...]
    file_errors: Mapping[str, bool] = field(default_factory=dict)
    sources: tuple[str, ...] = ()
    patterns: tuple[PatternReport, ...] = ()
    dropped: int = 0
    dropped_unfinished: int = 0
    generation: int = field(init=False, default_factory=itertools.count(1).__next__)
    split: AbstractSet[tuple[str, str, str, str]] = frozenset()


class ErrorClass(enum.StrEnum):
    """What the error text of a job is about. ``exporter.gpdb.job_errors`` finds it."""

    DIMENSION_MISMATCH = "dimension_mismatch"  # a vector is not as long as the collection's
    BAD_DATA = "bad_data"  # a value or a field that the collection cannot take
    DUPLICATE = "duplicate"  # an entry twice
    QUOTA = "quota"  # a limit of the account or the instance
    PERMISSION = "permission"
    TIMEOUT = "timeout"
    OUT_OF_MEMORY = "out_of_memory"
    DISK_FULL = "disk_full"
    INTERNAL = "internal"  # the service or the instance failed
    OTHER = "other"  # none of these


@dataclass(frozen=True, slots=True)
class Usage:
    """What a job has consumed, as far as the API says so.

    Attributes:
        embedding_tokens: of text that was embedded.
        embedding_entries: entries that were embedded.
        llm_input_tokens: given to the large language model.
        llm_output_tokens: written by it.
    """

    embedding_tokens: int | None = None
    embedding_entries: int | None = None
    llm_input_tokens: int | None = None
    llm_output_tokens: int | None = None


NO_USAGE = Usage()


@dataclass(frozen=True, slots=True)
class JobState:
    """One answer of the API about one job, decoded. Each fact is kept apart, as it came.

    Attributes:
        status: the job's status; UNKNOWN for a missing or undocumented one.
        status_text: the status as the API spelt it, at most 2,000 characters; for the log.
        completed: the API's ``Completed``; None where it is missing or no boolean.
        progress: in the unit of the job's kind; None where it is missing or cannot be read.
        created: the API's ``CreateTime``; None where it is missing or no time.
        updated: the API's ``UpdateTime``; None likewise.
        error_text: the API's ``Error``, at most 2,000 characters; empty for none. Anything can be
            in it: it is for logs and terminals, escaped, and never a label.
        error_code: the API's ``ErrorCode``, at most 2,000 characters; empty for none. Undocumented.
        error_class: what code and text are about; None without any.
        usage: what the job has consumed.
        invalid_fields: the names of the fields that could not be read.
        request_id: the answer's RequestId, which the vendor's support asks for; empty without.
    """

    status: JobStatus
    status_text: str = ""
    completed: bool | None = None
    progress: int | None = None
    created: float | None = None
    updated: float | None = None
    error_text: str = ""
    error_code: str = ""
    error_class: ErrorClass | None = None
    usage: Usage = NO_USAGE
    invalid_fields: tuple[str, ...] = ()
    request_id: str = field(default="", compare=False)

    @property
    def is_queued(self) -> bool:
        """Whether the job waits in the API's own queue."""
        return self.status is JobStatus.PENDING

    @property
    def has_begun(self) -> bool:
        """Whether the job is under way and has progress, so that it had its turn."""
        return self.status.is_active and bool(self.progress)

    @property
    def inconsistent(self) -> bool:
        """Whether Status, Completed and Error contradict each other."""
        if self.status.is_final and self.completed is False:
            return True
        if self.status.is_active and self.completed is True:
            return True
        return self.status is JobStatus.SUCCESS and bool(self.error_text)

    def age(self, now: float) -> float | None:
        """Return seconds since the job was created; of a final job, those that it took.

        None where its times are not known. A clock that is behind the API's gives 0.
        """
        if self.created is None:
            return None
        if not self.status.is_final:
            return max(now - self.created, 0.0)
        return None if self.updated is None else self.updated - self.created


@dataclass(frozen=True, slots=True)
class Memory:
    """What the store remembers of a job from before this process, or from another one.

    Attributes:
        progress: the last one that was written down.
        progress_changed_at: when it was seen to change.
        turn_at: when the job's own time began.
        state: its last answer, where it has ended; None of a job that has not.
        ended_at: when its end was first seen, by the clock of who saw it; None likewise.
    """

    progress: int | None = None
    progress_changed_at: float | None = None
    turn_at: float | None = None
    state: JobState | None = None
    ended_at: float | None = None


DURATION_BUCKETS = (5, 15, 30, 60, 120, 300, 600, 1200, 1800, 3600, 7200, 14400)
"""The upper bounds of the histogram of how long jobs took, in seconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CollectionHistory:
    """What is remembered of all jobs of one kind in one collection, however long ago they ended.

    Attributes:
        collection: as in ``JobRef.collection_identity``.
        kind: of the jobs.
        finished: how many ended, by their status; each of the three final ones is there.
        lost: how many were given up, so that nobody knows how they ended.
        durations: how many took so long, in the order of ``DURATION_BUCKETS``, each alone; one
            more for those that took longer.
        duration_sum: seconds that all of them took.
        entries: that they uploaded.
        embedding_tokens: that they consumed.
        llm_input_tokens: likewise.
        llm_output_tokens: likewise.
        last_success: when the last success was first seen, by our clock; None before the first.
        last_completion: when the last end was first seen, likewise.
        last_status: of the newest job that has ended; None before the first.
    """

    collection: tuple[str, str, str, str]
    kind: str
    finished: Mapping[JobStatus, int]
    lost: int = 0
    durations: tuple[int, ...] = (0,) * (len(DURATION_BUCKETS) + 1)
    duration_sum: float = 0.0
    entries: int = 0
    embedding_tokens: int = 0
    llm_input_tokens: int = 0
    llm_output_tokens: int = 0
    last_success: float | None = None
    last_completion: float | None = None
    last_status: JobStatus | None = None


class ScrapeResult(enum.StrEnum):
    """How one job fared in one scrape."""

    FRESH = "fresh"  # queried, and answered
    CACHED = "cached"  # not due: the last answer stands
    FINAL = "final"  # will never change: not queried again
    FAILED = "failed"  # the last query failed
    LATE = "late"  # due, but there is no answer yet


@dataclass(frozen=True, slots=True)
class Observation:
    """What one scrape has to say about one job.

    Attributes:
        ref: the job.
        result: how it fared in this scrape.
        state: its last answer; None when there is none, or it is over ``scrape.max_age`` old.
        up: whether the last query worked; None before the first one ended.
        reason: why the last query failed; empty when it worked.
        queried_at: when the last query ended.
        answered_at: when the API last answered for it.
        progress_changed_at: when we last saw its progress change; the first sight counts, and so
            does the last moment at which it waited. None while it waits or may wait.
        progress_per_second: over the progress observed in the last five minutes, or in what there
            is of them; None in the first half minute, and of a job that has ended.
        turn_at: when its own time began: its CreateTime, or when its collection became free for
            it. None where neither is known, and while it waits or may wait.
        planned_end: when it should have ended; None without turn_at, or where its kind has no
            time limit, or needs expected_entries for it.
        waits: whether it waits, for its turn in its collection or in the API's own queue; None
            where that cannot be known.
            False for a job that is not under way. ``exporter.queues`` has the rule.
        behind: the job that it waits behind, or may wait behind; None where there is none, or it
            is not watched here.
    """

    ref: JobRef
    result: ScrapeResult
    state: JobState | None = None
    up: bool | None = None
    reason: str = ""
    queried_at: float | None = None
    answered_at: float | None = None
    progress_changed_at: float | None = None
    progress_per_second: float | None = None
    turn_at: float | None = None
    planned_end: float | None = None
    waits: bool | None = False
    behind: JobRef | None = None


@dataclass(frozen=True, slots=True)
class TargetHealth:
    """What the answers of one target say about clocks.

    Attributes:
        clock_skew: seconds that the API's clock is ahead of ours; None before any answer.
        time_zone_suspect: an active job's UpdateTime lies over a minute in the future.
    """

    clock_skew: float | None = None
    time_zone_suspect: bool = False


@dataclass(frozen=True, slots=True)
class StoreHealth:
    """How the store is.

    Attributes:
        is_up: whether its last work succeeded.
        active: how many announced jobs have not ended.
        ended: how many announced jobs have ended, and are still shown.
    """

    is_up: bool = True
    active: int = 0
    ended: int = 0


@dataclass(frozen=True, slots=True)
class Freshness:
    """How old the last success in a collection may be.

    Attributes:
        collection: as in ``JobRef.collection_identity``.
        kind: of the jobs.
        max_age: seconds.
    """

    collection: tuple[str, str, str, str]
    kind: str
    max_age: float


@dataclass(frozen=True, slots=True)
class Snapshot:
    """All that one scrape shows of the jobs, taken at one moment.

    Attributes:
        taken_at: the ``now`` of every sample.
        duration: seconds from the scrape's start to taken_at.
        observations: one for each watched job, in the watch list's order.
        targets: by name.
        file_errors: as in ``WatchList``.
        sources: likewise.
        patterns: likewise.
        dropped: likewise.
        dropped_unfinished: likewise.
        store: how it is.
        history: of all collections.
        freshness: as it is configured.
    """

    taken_at: float
    duration: float
    observations: tuple[Observation, ...]
    targets: Mapping[str, TargetHealth]
    file_errors: Mapping[str, bool]
    sources: tuple[str, ...] = ()
    patterns: tuple[PatternReport, ...] = ()
    dropped: int = 0
    dropped_unfinished: int = 0
    store: StoreHealth = StoreHealth()
    history: tuple[CollectionHistory, ...] = ()
    freshness: tuple[Freshness, ...] = ()
