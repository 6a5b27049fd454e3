"""What a row of the store says, and how a job and an answer about it become text and back. Pure."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any, Final

from exporter.model import (
    NO_USAGE,
    CollectionHistory,
    ErrorClass,
    Identity,
    JobRef,
    JobState,
    JobStatus,
    Memory,
    Usage,
)
from exporter.store.schema import BUCKET_COLUMNS, HISTORY_KEY

FORGOTTEN: Final = ""
"""In place of the name of a source: nobody wants the job watched."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredJob:
    """What the store holds of one job.

    Attributes:
        ref: the job; without its region, which is the target's, and with the source that named it.
        announced_at: when it was announced; None of one that never was.
        progress: as in ``Memory``.
        progress_changed_at: likewise.
        turn_at: likewise.
        seen_at: when the API last answered for it.
        state: its last answer that was written down.
        ended_at: when its end was first seen, or when it was given up; None before.
        is_lost: whether it was given up.
    """

    ref: JobRef
    announced_at: float | None = None
    progress: int | None = None
    progress_changed_at: float | None = None
    turn_at: float | None = None
    seen_at: float | None = None
    state: JobState | None = None
    ended_at: float | None = None
    is_lost: bool = False

    @property
    def kept_from(self) -> float | None:
        """When the time began for which a job that has ended is shown; None before its end."""
        if self.ended_at is None:
            return None
        return max(self.ended_at, self.announced_at or 0.0)

    @property
    def memory(self) -> Memory:
        """What an exporter that begins to watch it has to know."""
        if self.state is not None and self.state.status.is_final:
            return Memory(state=self.state, ended_at=self.ended_at)
        return Memory(
            progress=self.progress,
            progress_changed_at=self.progress_changed_at,
            turn_at=self.turn_at,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class End:
    """A job that has ended.

    Attributes:
        ref: the job.
        state: its last answer.
        seen_at: when its end was first seen.
        is_new: whether it goes into the history, unless it is there already.
    """

    ref: JobRef
    state: JobState
    seen_at: float
    is_new: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """A job that is under way; the attributes are those of ``StoredJob``."""

    ref: JobRef
    state: JobState
    progress_changed_at: float | None
    turn_at: float | None
    seen_at: float


@dataclass(frozen=True, slots=True)
class Changes:
    """What has changed in the store since a revision.

    Attributes:
        revision: up to which these are all changes.
        jobs: as they are now.
        history: of the collections of which anything was counted.
    """

    revision: int
    jobs: Sequence[StoredJob] = ()
    history: Sequence[CollectionHistory] = ()


@dataclass(frozen=True, slots=True)
class Taken:
    """An announced job as the store holds it now.

    Attributes:
        job: what the store holds.
        is_new: whether it was not announced before.
    """

    job: StoredJob
    is_new: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """What an exporter has seen, and the store does not hold yet.

    Attributes:
        collections: with their kind, of which there must be a history from now on.
        ends: of jobs.
        progress: of jobs that are under way.
        lost: jobs whose queries have failed for long.
        seen_before: Unix seconds; a job that any exporter had an answer for later is not lost.
        watched: jobs that are on an exporter's list, so that what is known of them stays.
    """

    collections: Sequence[tuple[str, ...]] = ()
    ends: Sequence[End] = ()
    progress: Sequence[Progress] = ()
    lost: Sequence[JobRef] = ()
    seen_before: float = 0.0
    watched: Sequence[Identity] = ()

    def __bool__(self) -> bool:
        """Whether there is anything to write."""
        return any((self.collections, self.ends, self.progress, self.lost, self.watched))


def job_of(row: Mapping[str, Any]) -> StoredJob:
    """Return what a row says of a job."""
    ref = JobRef(
        target=row["target"],
        region_id="",
        job_id=row["job_id"],
        collection=row["collection"],
        collection_namespace=row["collection_namespace"],
        db_instance_id=row["db_instance_id"],
        workspace_id=row["workspace_id"],
        kind=row["kind"],
        expected_entries=row["expected_entries"],
        deadline=row["deadline"],
        labels=tuple(json.loads(row["labels"]).items()),
        source=row["source"],
    )
    return StoredJob(
        ref=ref,
        announced_at=row["announced_at"],
        progress=row["progress"],
        progress_changed_at=row["progress_changed_at"],
        turn_at=row["turn_at"],
        seen_at=row["seen_at"],
        state=state_of(row["state"]) if row["state"] else None,
        ended_at=row["ended_at"],
        is_lost=bool(row["is_lost"]),
    )


def columns_of(ref: JobRef) -> tuple[object, ...]:
    """Return what a job is, in the order of ``JOB_COLUMNS``, up to the source."""
    labels = {name: value for name, value in ref.labels if value}
    return (
        *ref.identity,
        ref.target,
        ref.kind,
        ref.expected_entries,
        ref.deadline,
        json.dumps(labels, separators=(",", ":")),
        ref.source,
    )


_DEFAULTS: Final[Mapping[str, object]] = {
    each.name: each.default for each in fields(JobState) if each.name != "status"
}


def text_of(state: JobState) -> str:
    """Return an answer as JSON, without what it does not say."""
    facts = {
        name: getattr(state, name)
        for name, default in _DEFAULTS.items()
        if getattr(state, name) != default
    }
    if state.usage != NO_USAGE:
        facts["usage"] = {n: v for n, v in asdict(state.usage).items() if v is not None}
    return json.dumps({"status": state.status, **facts}, separators=(",", ":"))


def state_of(text: str) -> JobState | None:
    """Return the answer of such a text; None if this version cannot make anything of it."""
    try:
        facts = json.loads(text)
        return JobState(
            **{
                **facts,
                "status": JobStatus(facts["status"]),
                "usage": Usage(**facts.get("usage", {})),
                "error_class": facts.get("error_class") and ErrorClass(facts["error_class"]),
                "invalid_fields": tuple(facts.get("invalid_fields", ())),
            }
        )
    except (ValueError, TypeError, KeyError):
        return None


def history_of(row: Mapping[str, Any]) -> CollectionHistory:
    """Return what a row says of a collection."""
    collection, namespace, instance, workspace, kind = (row[name] for name in HISTORY_KEY)
    status = row["last_status"]
    return CollectionHistory(
        collection=(collection, namespace, instance, workspace),
        kind=kind,
        finished={
            JobStatus.SUCCESS: row["succeeded"],
            JobStatus.FAILED: row["failed"],
            JobStatus.CANCELLED: row["cancelled"],
        },
        lost=row["lost"],
        durations=tuple(row[name] for name in BUCKET_COLUMNS),
        duration_sum=row["duration_sum"],
        entries=row["entries"],
        embedding_tokens=row["embedding_tokens"],
        llm_input_tokens=row["llm_input_tokens"],
        llm_output_tokens=row["llm_output_tokens"],
        last_success=row["last_success"],
        last_completion=row["last_completion"],
        last_status=JobStatus(status) if status else None,
    )
