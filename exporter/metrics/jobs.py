"""The metrics of each job."""

from collections.abc import Iterable, Sequence
from functools import cache

from exporter.gpdb.kinds import KINDS, JobKind
from exporter.metrics.families import JOB_LABELS, JobFamily, Sample, Value
from exporter.model import ErrorClass, JobStatus, Observation, Unit


def _of_state(field: str) -> Value:
    def value(observation: Observation, _now: float) -> float | None:
        found: float | None = getattr(observation.state, field, None)
        return found

    return value


def _info(observation: Observation) -> Iterable[Sample]:
    ref = observation.ref
    return (((ref.kind, ref.target, ref.region_id, *(v for _, v in ref.labels)), 1),)


@cache
def _statuses(kind: JobKind) -> Sequence[tuple[JobStatus, tuple[str]]]:
    """Return the statuses that a job of this kind can have, with their label values."""
    known = {*kind.statuses.values(), JobStatus.UNKNOWN}
    return [(status, (status.value,)) for status in JobStatus if status in known]


def _status(observation: Observation) -> Iterable[Sample]:
    state = observation.state
    if state is None:
        return ()
    statuses = _statuses(KINDS[observation.ref.kind])
    return [(values, status is state.status) for status, values in statuses]


def _waiting(observation: Observation, _now: float) -> bool | None:
    state = observation.state
    return observation.waits if state is not None and state.status.is_active else None


def _query_failed(observation: Observation) -> Iterable[Sample]:
    return (((observation.reason,), 1),) if observation.up is False else ()


def _entries(observation: Observation, _now: float) -> float | None:
    state, kind = observation.state, KINDS[observation.ref.kind]
    return state.progress if state is not None and kind.unit is Unit.ENTRIES else None


def _ratio(observation: Observation, _now: float) -> float | None:
    state, ref = observation.state, observation.ref
    if state is None or state.progress is None:
        return None
    whole = 100 if KINDS[ref.kind].unit is Unit.PERCENT else ref.expected_entries
    return state.progress / whole if whole and state.progress <= whole else None


def _of_usage(field: str) -> Value:
    def value(observation: Observation, _now: float) -> float | None:
        usage = None if observation.state is None else observation.state.usage
        found: float | None = getattr(usage, field, None)
        return found

    return value


def _llm_tokens(observation: Observation) -> Iterable[Sample]:
    if observation.state is None:
        return ()
    usage = observation.state.usage
    directions = (("input", usage.llm_input_tokens), ("output", usage.llm_output_tokens))
    return [((name,), tokens) for name, tokens in directions if tokens is not None]


def _error(observation: Observation, _now: float) -> bool | None:
    return None if observation.state is None else bool(observation.state.error_text)


def _error_info(observation: Observation) -> Iterable[Sample]:
    kind = observation.state.error_class if observation.state else None
    return () if kind is None else (((kind.value,), 1),)


FAMILIES: tuple[JobFamily, ...] = (
    JobFamily(
        "adbpg_job_info",
        "What does not change about a job; the configured job labels are labels here.",
        labels=("kind", "target", "region_id"),
        labelled=_info,
        notes="Always 1, for every watched job. Join it to give other metrics a team or pipeline, "
        "each job once however many exporters watch it: "
        "`max by (job_id, collection, collection_namespace, db_instance_id, workspace_id) "
        "(adbpg_job_age_seconds) * on (job_id, collection, collection_namespace, db_instance_id, "
        "workspace_id) group_left (team) topk by (job_id, collection, collection_namespace, "
        "db_instance_id, workspace_id) (1, max by (job_id, collection, collection_namespace, "
        "db_instance_id, workspace_id, team) (adbpg_job_info))`.",
    ),
    JobFamily(
        "adbpg_job_up",
        "Whether the last query of this job worked.",
        lambda o, _: o.up,
        notes="Absent until the first query of the job has ended. `adbpg_job_query_failed` has the "
        "reason of a 0. A final job keeps its 1: it is not queried again.",
    ),
    JobFamily(
        "adbpg_job_query_failed",
        "Always 1; why the last query of this job failed.",
        labels=("reason",),
        labelled=_query_failed,
        notes="Absent where the last query worked, and until the first one has ended. The reasons "
        "are those of `adbpg_exporter_api_errors_total`, which counts them for the whole target.",
    ),
    JobFamily(
        "adbpg_job_status",
        "The job's status: 1 for the series of the present status, 0 for the others.",
        labels=("status",),
        labelled=_status,
        notes="A job has a series for each status of its kind. `Pending` is a job in the API's own "
        "queue. `Unknown` is a missing status, or one that the API does not document.",
    ),
    JobFamily(
        "adbpg_job_completed",
        "The API's Completed, as it came.",
        _of_state("completed"),
        notes="Not derived from the status: the two can contradict each other, see "
        "`adbpg_job_inconsistent`.",
    ),
    JobFamily(
        "adbpg_job_progress_entries",
        "Entries uploaded so far.",
        _entries,
        notes="Only of uploads of vectors. A count, not percent; the API knows no total. It "
        "may fall: nothing promises that it cannot, so use `delta` and not `rate`.",
    ),
    JobFamily(
        "adbpg_job_progress_ratio",
        "How much of the job is done, from 0 to 1.",
        _ratio,
        notes="The API's percentage; of an upload of vectors the entries uploaded, of those "
        "that the configuration expects. Absent where one is not known, and over 1. Instances "
        "before V7.0 do not report how far an index build is.",
    ),
    JobFamily(
        "adbpg_job_expected_entries",
        "Entries that the upload holds, as configured.",
        lambda o, _: None if o.up is None else o.ref.expected_entries,
        notes="Absent, as all but the info, until the first query of the job has ended.",
    ),
    JobFamily(
        "adbpg_job_error",
        "Whether the API reported an error text for the job.",
        _error,
        notes="Beside a job that is under way such a text is usual: only the status says that a "
        "job has failed. The text is on the page for people and in the exporter's log, and "
        "`adbpg-job-exporter query` prints it.",
    ),
    JobFamily(
        "adbpg_job_error_info",
        "What the API's error code and text are about, of a closed set of classes.",
        labels=("class",),
        labelled=_error_info,
        notes="Always 1; only for a job with an error text or code. The exporter finds the class "
        "by patterns, since the vendor documents neither: "
        + ", ".join(f"`{kind}`" for kind in ErrorClass)
        + ". Experimental: a class may be split.",
    ),
    JobFamily(
        "adbpg_job_inconsistent",
        "Whether Status, Completed and Error contradict each other.",
        _of_state("inconsistent"),
        notes="The sample in the vendor's own documentation is Success, not completed, with an "
        "error. Every field is shown as it came; nothing is guessed.",
    ),
    JobFamily(
        "adbpg_job_created_timestamp_seconds",
        "When the job was created (CreateTime).",
        _of_state("created"),
        notes="The API gives no time zone: the target's `time_zone` is applied.",
    ),
    JobFamily(
        "adbpg_job_updated_timestamp_seconds",
        "When the job was last updated (UpdateTime).",
        _of_state("updated"),
        notes="As above.",
    ),
    JobFamily(
        "adbpg_job_age_seconds",
        "Time since the job was created; for a final job, the time that it took.",
        lambda o, now: None if o.state is None else o.state.age(now),
        notes="Never under 0. For a final job it is UpdateTime - CreateTime, right in any zone.",
    ),
    JobFamily(
        "adbpg_job_progress_changed_timestamp_seconds",
        "When this exporter last saw the progress change, by its own clock.",
        lambda o, _: o.progress_changed_at,
        notes="The first sight of a job counts as a change, so that a job which never moves "
        "becomes visible; so does the last moment at which it waited. Absent while the job waits, "
        "or may wait. It starts anew with the exporter.",
    ),
    JobFamily(
        "adbpg_job_waiting",
        "Whether the job waits behind another job of its collection, or in the API's own queue.",
        _waiting,
        notes="See [Jobs that wait](#jobs-that-wait). Only of jobs under way; absent where it "
        "cannot be known.",
    ),
    JobFamily(
        "adbpg_job_turn_timestamp_seconds",
        "When the job's own time began: its turn in its collection, or its leaving of Pending.",
        lambda o, _: o.turn_at,
        notes="CreateTime, or later: when it was last observed to wait. Absent while the job "
        "waits, or may wait, and where neither is known.",
    ),
    JobFamily(
        "adbpg_job_deadline_timestamp_seconds",
        "When the job should have ended.",
        lambda o, _: o.planned_end,
        notes="`adbpg_job_turn_timestamp_seconds` + the job's `deadline`. Without one, of "
        "an upload of vectors: + expected_entries / `deadline.entries_per_second` + "
        "`deadline.grace`, after the vendor's advice; of a document: + "
        "`deadline.documents`. Absent where none of these is known, and while the job waits, or "
        "may wait.",
    ),
    JobFamily(
        "adbpg_job_embedding_tokens",
        "Tokens that the job's texts had when they were embedded.",
        _of_usage("embedding_tokens"),
        notes="Of documents and knowledge graphs, as the API counts them.",
    ),
    JobFamily(
        "adbpg_job_embedding_entries",
        "Entries that the job has embedded.",
        _of_usage("embedding_entries"),
        notes="Of documents.",
    ),
    JobFamily(
        "adbpg_job_llm_tokens",
        "Tokens that the job has exchanged with the large language model.",
        labels=("direction",),
        labelled=_llm_tokens,
        notes="Of knowledge graphs: `input` and `output`. They are billed.",
    ),
    JobFamily(
        "adbpg_job_last_success_timestamp_seconds",
        "When the API last answered for this job.",
        lambda o, _: o.answered_at,
    ),
)


def job_label_names(family: JobFamily, observations: Sequence[Observation]) -> tuple[str, ...]:
    """Return the label names of a row; those of the info row depend on the configuration."""
    names = JOB_LABELS + family.labels
    if family.labelled is _info and observations:
        names += tuple(name for name, _ in observations[0].ref.labels)
    return names
