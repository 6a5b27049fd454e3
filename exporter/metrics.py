"""Every metric, one row each: name, help, labels, and how its samples follow from what was seen.

Pure. The rows feed the collector, docs/metrics.md and the tests; there is no second list.

Rules that hold for all of them: base units and Unix seconds; a value that is not known has no
sample, since a 0 would be taken for a fact; all samples of a scrape share one ``now``; nothing
that the API says in its own words becomes a label.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from exporter.errors import REASONS
from exporter.model import JobStatus, Observation, ScrapeResult, Snapshot

JOB_LABELS = ("job_id", "collection", "collection_namespace", "db_instance_id", "workspace_id")
"""The identity labels of a job, in the order of ``JobRef.identity``."""

Sample = tuple[tuple[str, ...], float]
"""The values of the labels that a row adds, and the sample's value."""


@dataclass(frozen=True, slots=True)
class JobFamily:
    """A metric of each job. All are gauges, and all have the identity labels.

    Attributes:
        name: as Prometheus sees it.
        help: one sentence.
        samples: an observation and ``now`` to the samples that it gives.
        labels: what it has beside the identity labels.
        notes: what to know when reading it: edge cases and blind spots. For docs/metrics.md.
    """

    name: str
    help: str
    samples: Callable[[Observation, float], Iterable[Sample]]
    labels: tuple[str, ...] = ()
    notes: str = ""


@dataclass(frozen=True, slots=True)
class ScrapeFamily:
    """A gauge about the scrape itself. The attributes are those of ``JobFamily``."""

    name: str
    help: str
    samples: Callable[[Snapshot], Iterable[Sample]]
    labels: tuple[str, ...] = ()
    notes: str = ""


@dataclass(frozen=True, slots=True)
class CountedFamily:
    """A metric that is counted while queries are made; ``instruments`` keeps it.

    Attributes:
        name: as Prometheus sees it.
        help: one sentence.
        type: its type.
        labels: all of its labels.
        notes: as in ``JobFamily``.
    """

    name: str
    help: str
    type: Literal["counter", "gauge", "histogram"]
    labels: tuple[str, ...] = ()
    notes: str = ""


Value = Callable[[Observation, float], float | bool | None]


def _one(value: Value) -> Callable[[Observation, float], Iterable[Sample]]:
    """A single sample, or none where the value is not known."""

    def samples(observation: Observation, now: float) -> Iterable[Sample]:
        known = value(observation, now)
        return () if known is None else (((), float(known)),)

    return samples


def _of_state(field: str) -> Value:
    def value(observation: Observation, _now: float) -> float | bool | None:
        found: float | bool | None = getattr(observation.state, field, None)
        return found

    return value


def _info(observation: Observation, _now: float) -> Iterable[Sample]:
    ref = observation.ref
    return (((ref.kind, ref.target, ref.region_id, *(v for _, v in ref.labels)), 1.0),)


def _status(observation: Observation, _now: float) -> Iterable[Sample]:
    state = observation.state
    if state is None:
        return ()
    return [((status.value,), float(status is state.status)) for status in JobStatus]


def _error(observation: Observation, _now: float) -> bool | None:
    return None if observation.state is None else bool(observation.state.error_text)


def age_seconds(observation: Observation, now: float) -> float | None:
    """Return the age of a job in seconds: growing while it runs, frozen once it is final."""
    state = observation.state
    if state is None or state.created is None:
        return None
    if not state.status.is_final:
        return max(now - state.created, 0.0)
    return None if state.updated is None else state.updated - state.created


FAMILIES: tuple[JobFamily, ...] = (
    JobFamily(
        "adbpg_job_info",
        "What does not change about a job; the configured job labels are labels here.",
        _info,
        ("kind", "target", "region_id"),
        "Always 1, for every watched job. Join it to give other metrics a team or pipeline: "
        "`adbpg_job_age_seconds * on (job_id, collection, collection_namespace, db_instance_id, "
        "workspace_id) group_left (team) adbpg_job_info`.",
    ),
    JobFamily(
        "adbpg_job_up",
        "Whether the last query of this job worked.",
        _one(lambda o, _: o.up),
        notes="Absent until the first query of the job has ended. The reason of a 0 is counted in "
        "`adbpg_exporter_api_errors_total`. A final job keeps its 1: it is not asked again.",
    ),
    JobFamily(
        "adbpg_job_status",
        "The job's status: 1 for the series of the present status, 0 for the others.",
        _status,
        ("status",),
        "`Unknown` stands for a missing status and for one that the API does not document.",
    ),
    JobFamily(
        "adbpg_job_completed",
        "The API's Completed, as it came.",
        _one(_of_state("completed")),
        notes="Not derived from the status: the two can contradict each other, see "
        "`adbpg_job_inconsistent`.",
    ),
    JobFamily(
        "adbpg_job_progress_entries",
        "Entries uploaded so far.",
        _one(_of_state("progress")),
        notes="A count, not percent; the API knows no total. It may fall: nothing promises that "
        "it cannot, so use `delta` and not `rate`.",
    ),
    JobFamily(
        "adbpg_job_expected_entries",
        "Entries that the upload holds, as configured.",
        _one(lambda o, _: o.ref.expected_entries),
    ),
    JobFamily(
        "adbpg_job_error",
        "Whether the API reported an error text for the job.",
        _one(_error),
        notes="The text is in the exporter's log, and `adbpg-job-exporter query` prints it.",
    ),
    JobFamily(
        "adbpg_job_inconsistent",
        "Whether Status, Completed and Error contradict each other.",
        _one(_of_state("inconsistent")),
        notes="The sample in the vendor's own documentation is Success, not completed, with an "
        "error. Every field is shown as it came; nothing is guessed.",
    ),
    JobFamily(
        "adbpg_job_created_timestamp_seconds",
        "When the job was created (CreateTime).",
        _one(_of_state("created")),
        notes="The API gives no time zone: the target's `time_zone` is applied.",
    ),
    JobFamily(
        "adbpg_job_updated_timestamp_seconds",
        "When the job was last updated (UpdateTime).",
        _one(_of_state("updated")),
        notes="As above.",
    ),
    JobFamily(
        "adbpg_job_age_seconds",
        "Time since the job was created; for a final job, the time that it took.",
        _one(age_seconds),
        notes="Never under 0. For a final job it is UpdateTime - CreateTime, right in any zone.",
    ),
    JobFamily(
        "adbpg_job_progress_changed_timestamp_seconds",
        "When this exporter last saw the progress change, by its own clock.",
        _one(lambda o, _: o.progress_changed_at),
        notes="The first sight of a job counts as a change, so that a job which never moves "
        "becomes visible. It starts anew with the exporter.",
    ),
    JobFamily(
        "adbpg_job_deadline_timestamp_seconds",
        "When the job should have ended.",
        _one(lambda o, _: o.deadline_at),
        notes="CreateTime + expected_entries / `deadline.entries_per_second` + `deadline.grace`, "
        "after the vendor's advice. Only for jobs with expected_entries.",
    ),
    JobFamily(
        "adbpg_job_last_success_timestamp_seconds",
        "When the API last answered for this job.",
        _one(lambda o, _: o.answered_at),
    ),
)


def _by_result(snapshot: Snapshot) -> Iterable[Sample]:
    counts = Counter(observation.result for observation in snapshot.observations)
    return [((result.value,), counts[result]) for result in ScrapeResult]


def _by_state(snapshot: Snapshot) -> Iterable[Sample]:
    counts = Counter((o.ref.source, _phase(o)) for o in snapshot.observations)
    return [
        ((source, phase), counts[source, phase])
        for source in ("config", "file")
        for phase in ("active", "final", "unseen")
    ]


def _phase(observation: Observation) -> str:
    if observation.state is None:
        return "unseen"
    return "final" if observation.state.status.is_final else "active"


def _file_errors(snapshot: Snapshot) -> Iterable[Sample]:
    return [((path,), float(broken)) for path, broken in sorted(snapshot.file_errors.items())]


def _clock_skews(snapshot: Snapshot) -> Iterable[Sample]:
    return [
        ((name,), health.clock_skew)
        for name, health in snapshot.targets.items()
        if health.clock_skew is not None
    ]


def _zone_suspects(snapshot: Snapshot) -> Iterable[Sample]:
    return [((name,), float(h.time_zone_suspect)) for name, h in snapshot.targets.items()]


SCRAPE_FAMILIES: tuple[ScrapeFamily, ...] = (
    ScrapeFamily(
        "adbpg_exporter_scrape_duration_seconds",
        "How long this scrape waited for the API.",
        lambda snapshot: (((), snapshot.duration),),
    ),
    ScrapeFamily(
        "adbpg_exporter_scrape_jobs",
        "Jobs in this scrape, by how they fared.",
        _by_result,
        ("result",),
        "`fresh`: asked and answered. `cached`: asked less than `scrape.min_interval` ago. "
        "`final`: ended, not asked again. `failed`: the last query failed. `late`: due, but not "
        "answered within the scrape's budget, or left alone after throttling or a refused key.",
    ),
    ScrapeFamily(
        "adbpg_exporter_jobs",
        "Watched jobs, by where they are named and by what is known of them.",
        _by_state,
        ("source", "state"),
        "`unseen`: no answer yet, or the last one is older than `scrape.max_age`.",
    ),
    ScrapeFamily(
        "adbpg_exporter_job_file_error",
        "Whether the last reading of a job file failed; its last good list stays in use.",
        _file_errors,
        ("file",),
    ),
    ScrapeFamily(
        "adbpg_exporter_clock_skew_seconds",
        "How far the API's clock is ahead of this machine's, from the Date of its last answer.",
        _clock_skews,
        ("target",),
        "The API refuses calls from 900 seconds on. A Date has whole seconds, so a second either "
        "way means nothing.",
    ),
    ScrapeFamily(
        "adbpg_exporter_time_zone_suspect",
        "Whether a running job was updated in the future, so that time_zone must be wrong.",
        _zone_suspects,
        ("target",),
    ),
)

API_REQUESTS = CountedFamily(
    "adbpg_exporter_api_requests_total",
    "Queries made, those that failed included.",
    "counter",
    ("target", "action"),
)
API_ERRORS = CountedFamily(
    "adbpg_exporter_api_errors_total",
    "Queries that failed, by reason.",
    "counter",
    ("target", "action", "reason"),
    "All reasons are there from the start, at 0: " + ", ".join(f"`{r}`" for r in REASONS) + ".",
)
API_DURATION = CountedFamily(
    "adbpg_exporter_api_request_duration_seconds",
    "How long queries took, those that failed included.",
    "histogram",
    ("action",),
)
INVALID_FIELDS = CountedFamily(
    "adbpg_exporter_invalid_fields_total",
    "Fields of answers that could not be read, and so have no sample.",
    "counter",
    ("field",),
)
RELOAD_SUCCESSFUL = CountedFamily(
    "adbpg_exporter_config_last_reload_successful",
    "Whether the last loading of the configuration worked.",
    "gauge",
)
RELOAD_TIMESTAMP = CountedFamily(
    "adbpg_exporter_config_last_reload_success_timestamp_seconds",
    "When the configuration was last loaded with success.",
    "gauge",
)
BUILD_INFO = CountedFamily(
    "adbpg_exporter_build_info",
    "Always 1; the labels tell what is running.",
    "gauge",
    ("version", "revision", "python"),
)
COUNTED_FAMILIES: tuple[CountedFamily, ...] = (
    API_REQUESTS,
    API_ERRORS,
    API_DURATION,
    INVALID_FIELDS,
    RELOAD_SUCCESSFUL,
    RELOAD_TIMESTAMP,
    BUILD_INFO,
)


def job_label_names(family: JobFamily, observations: Sequence[Observation]) -> tuple[str, ...]:
    """Return the label names of a row; those of the info row depend on the configuration."""
    names = JOB_LABELS + family.labels
    if family.samples is _info and observations:
        names += tuple(name for name, _ in observations[0].ref.labels)
    return names
