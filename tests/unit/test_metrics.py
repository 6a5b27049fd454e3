import re
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.errors import REASONS
from exporter.gpdb.kinds import KINDS, UPSERT_COLLECTION_DATA
from exporter.metrics import (
    COLLECTION_LABELS,
    COUNTED_FAMILIES,
    FAMILIES,
    HISTORY_FAMILIES,
    SCRAPE_FAMILIES,
    CountedFamily,
    HistoryFamily,
    JobFamily,
    ScrapeFamily,
    job_label_names,
)
from exporter.model import (
    ErrorClass,
    JobRef,
    JobState,
    JobStatus,
    Observation,
    PatternReport,
    ScrapeResult,
    Snapshot,
    TargetHealth,
)

NOW = 1_704_703_984.0  # 2024-01-08 16:53:04 in UTC+8
J = ("job_id", "collection", "collection_namespace", "db_instance_id", "workspace_id")

# The contract. Users' dashboards and alerts hang on it: change it on purpose only.
JOB_METRICS = {
    "adbpg_job_info": (*J, "kind", "target", "region_id", "team", "pipeline"),
    "adbpg_job_up": J,
    "adbpg_job_query_failed": (*J, "reason"),
    "adbpg_job_status": (*J, "status"),
    "adbpg_job_completed": J,
    "adbpg_job_progress_entries": J,
    "adbpg_job_progress_ratio": J,
    "adbpg_job_expected_entries": J,
    "adbpg_job_error": J,
    "adbpg_job_error_info": (*J, "class"),
    "adbpg_job_inconsistent": J,
    "adbpg_job_created_timestamp_seconds": J,
    "adbpg_job_updated_timestamp_seconds": J,
    "adbpg_job_age_seconds": J,
    "adbpg_job_progress_changed_timestamp_seconds": J,
    "adbpg_job_waiting": J,
    "adbpg_job_turn_timestamp_seconds": J,
    "adbpg_job_deadline_timestamp_seconds": J,
    "adbpg_job_embedding_tokens": J,
    "adbpg_job_embedding_entries": J,
    "adbpg_job_llm_tokens": (*J, "direction"),
    "adbpg_job_last_success_timestamp_seconds": J,
}
STATUSES = KINDS[UPSERT_COLLECTION_DATA].statuses
SCRAPE_METRICS: dict[str, tuple[str, ...]] = {
    "adbpg_exporter_scrape_duration_seconds": (),
    "adbpg_exporter_scrape_jobs": ("result",),
    "adbpg_exporter_jobs": ("source", "state"),
    "adbpg_exporter_job_file_error": ("file",),
    "adbpg_exporter_job_files": ("pattern",),
    "adbpg_exporter_job_files_broken": ("pattern",),
    "adbpg_exporter_job_files_readable": ("pattern",),
    "adbpg_exporter_jobs_dropped": (),
    "adbpg_exporter_registry_up": (),
    "adbpg_exporter_registered_jobs": ("state",),
    "adbpg_exporter_clock_skew_seconds": ("target",),
    "adbpg_exporter_time_zone_suspect": ("target",),
}
COUNTED_METRICS: dict[str, tuple[str, tuple[str, ...]]] = {
    "adbpg_exporter_api_requests_total": ("counter", ("target", "action")),
    "adbpg_exporter_api_errors_total": ("counter", ("target", "action", "reason")),
    "adbpg_exporter_api_request_duration_seconds": ("histogram", ("action",)),
    "adbpg_exporter_invalid_fields_total": ("counter", ("field",)),
    "adbpg_exporter_registrations_total": ("counter", ("result",)),
    "adbpg_exporter_registry_errors_total": ("counter", ("operation",)),
    "adbpg_exporter_config_last_reload_successful": ("gauge", ()),
    "adbpg_exporter_config_last_reload_success_timestamp_seconds": ("gauge", ()),
    "adbpg_exporter_web_config_last_reload_successful": ("gauge", ()),
    "adbpg_exporter_shard": ("gauge", ()),
    "adbpg_exporter_shards": ("gauge", ()),
    "adbpg_exporter_build_info": ("gauge", ("version", "revision", "python")),
}
C = ("collection", "collection_namespace", "db_instance_id", "workspace_id", "kind")
HISTORY_METRICS: dict[str, tuple[str, tuple[str, ...]]] = {
    "adbpg_collection_jobs_finished_total": ("counter", (*C, "status")),
    "adbpg_collection_jobs_lost_total": ("counter", C),
    "adbpg_collection_job_duration_seconds": ("histogram", C),
    "adbpg_collection_uploaded_entries_total": ("counter", C),
    "adbpg_collection_embedding_tokens_total": ("counter", C),
    "adbpg_collection_llm_tokens_total": ("counter", (*C, "direction")),
    "adbpg_collection_last_success_timestamp_seconds": ("gauge", C),
    "adbpg_collection_last_completion_timestamp_seconds": ("gauge", C),
    "adbpg_collection_last_job_status": ("gauge", (*C, "status")),
    "adbpg_collection_max_age_seconds": ("gauge", C),
}
REASON_VALUES = {
    *("throttled", "auth", "clock_skew", "permission", "namespace_password", "instance_state"),
    *("account", "not_found", "bad_request", "api_fail"),
    *("server", "bad_answer", "too_large", "redirect", "timeout", "connection", "dns", "tls"),
    *("proxy", "credentials", "internal"),
}
ROWS: list[JobFamily | ScrapeFamily | CountedFamily | HistoryFamily] = [
    *FAMILIES,
    *SCRAPE_FAMILIES,
    *HISTORY_FAMILIES,
    *COUNTED_FAMILIES,
]

REF = JobRef(
    target="rag-prod",
    region_id="cn-hangzhou",
    job_id="231460f8-75dc-405e-a669-0c5204887e91",
    collection="document",
    collection_namespace="rag",
    db_instance_id="gp-bp1",
    expected_entries=500_000,
    labels=(("team", "search"), ("pipeline", "nightly")),
    kind=UPSERT_COLLECTION_DATA,
)
RUNNING = Observation(
    ref=REF,
    result=ScrapeResult.FRESH,
    state=JobState(
        JobStatus.RUNNING,
        status_text="Running",
        completed=False,
        progress=1600,
        created=NOW - 400.0,
        updated=NOW - 10.0,
    ),
    up=True,
    queried_at=NOW - 0.5,
    answered_at=NOW - 0.5,
    progress_changed_at=NOW - 60.0,
    progress_per_second=12.5,
    turn_at=NOW - 400.0,
    planned_end=NOW + 1_900.0,
)
FINAL = replace(
    RUNNING,
    result=ScrapeResult.FINAL,
    state=JobState(
        JobStatus.SUCCESS,
        completed=True,
        progress=500_000,
        created=NOW - 86_400.0,
        updated=NOW - 86_000.5,
    ),
)
# The sample of the vendor's page: it contradicts itself. Its times are read in UTC+8.
VENDOR = replace(
    RUNNING,
    state=JobState(
        JobStatus.SUCCESS,
        completed=False,
        progress=1600,
        created=1_704_703_924.864664,
        updated=1_704_703_984.864664,
        error_text="Failed to connect database.",
        error_class=ErrorClass.INTERNAL,
    ),
)
NEVER_ASKED = Observation(ref=REF, result=ScrapeResult.LATE)
FAILED = replace(RUNNING, result=ScrapeResult.FAILED, up=False, reason="timeout")
AGED_OUT = Observation(
    ref=REF,
    result=ScrapeResult.FAILED,
    up=False,
    reason="timeout",
    queried_at=NOW,
    answered_at=NOW - 300.0,
)
WITHOUT_TIMES = replace(
    RUNNING,
    state=JobState(JobStatus.UNKNOWN, invalid_fields=("Status", "Progress")),
    progress_changed_at=None,
    turn_at=None,
    planned_end=None,
)
OBSERVATIONS = [RUNNING, FINAL, VENDOR, NEVER_ASKED, FAILED, AGED_OUT, WITHOUT_TIMES]


def shown(observation: Observation, now: float = NOW) -> dict[str, float]:
    """Return the samples of a job: name, the labels that the row adds, and value."""
    samples = {}
    for family in FAMILIES:
        for labels, value in family.samples(observation, now):
            extra = ",".join(labels)
            name = family.name.removeprefix("adbpg_job_")
            samples[f"{name}{{{extra}}}" if extra else name] = value
    return samples


INFO = "info{upsert_collection_data,rag-prod,cn-hangzhou,search,nightly}"


def statuses(present: str) -> dict[str, float]:
    """Return the samples of a status."""
    names = ("Start", "Running", "Cancelling", "Cancelled", "Success", "Failed", "Unknown")
    return {f"status{{{name}}}": float(name == present) for name in names}


OF_RUNNING = {
    INFO: 1.0,
    "up": 1.0,
    **statuses("Running"),
    "completed": 0.0,
    "progress_entries": 1600.0,
    "progress_ratio": 0.0032,
    "expected_entries": 500_000.0,
    "error": 0.0,
    "inconsistent": 0.0,
    "created_timestamp_seconds": NOW - 400.0,
    "updated_timestamp_seconds": NOW - 10.0,
    "age_seconds": 400.0,
    "progress_changed_timestamp_seconds": NOW - 60.0,
    "waiting": 0.0,
    "turn_timestamp_seconds": NOW - 400.0,
    "deadline_timestamp_seconds": NOW + 1_900.0,
    "last_success_timestamp_seconds": NOW - 0.5,
}


OF_ENDED = {name: value for name, value in OF_RUNNING.items() if name != "waiting"}


def test_running() -> None:
    """A job under way has every sample, and its age is counted until now."""
    assert shown(RUNNING) == OF_RUNNING


def test_final() -> None:
    """A final job has its status, its age is the time that it took, and it waits for nothing."""
    assert shown(FINAL) == OF_ENDED | {
        **statuses("Success"),
        "completed": 1.0,
        "progress_entries": 500_000.0,
        "progress_ratio": 1.0,
        "created_timestamp_seconds": NOW - 86_400.0,
        "updated_timestamp_seconds": NOW - 86_000.5,
        "age_seconds": 399.5,
    }


def test_the_vendors_sample() -> None:
    """Success, not completed, with an error: each fact is shown as it came, and flagged."""
    assert shown(VENDOR) == OF_ENDED | {
        **statuses("Success"),
        "completed": 0.0,
        "error": 1.0,
        "error_info{internal}": 1.0,
        "inconsistent": 1.0,
        "progress_entries": 1600.0,
        "created_timestamp_seconds": 1_704_703_924.864664,
        "updated_timestamp_seconds": 1_704_703_984.864664,
        "age_seconds": 60.0,
    }


def test_never_asked() -> None:
    """A job that was never asked has its info, and nothing else."""
    assert shown(NEVER_ASKED) == {INFO: 1.0}


def test_failed() -> None:
    """After a failed query only up is different, and its reason is there."""
    assert shown(FAILED) == OF_RUNNING | {"up": 0.0, "query_failed{timeout}": 1.0}


@pytest.mark.parametrize(
    ("waits", "value"), [(True, {"waiting": 1.0}), (False, {"waiting": 0.0}), (None, {})]
)
def test_waiting(*, waits: bool | None, value: dict[str, float]) -> None:
    """Whether a job waits is shown where it is known, and only of a job that is under way."""
    assert {
        k: v for k, v in shown(replace(RUNNING, waits=waits)).items() if k == "waiting"
    } == value
    assert "waiting" not in shown(replace(FINAL, waits=waits))


def test_aged_out() -> None:
    """When the last answer is too old, only its time is left of it."""
    assert shown(AGED_OUT) == {
        INFO: 1.0,
        "up": 0.0,
        "query_failed{timeout}": 1.0,
        "expected_entries": 500_000.0,
        "last_success_timestamp_seconds": NOW - 300.0,
    }


def test_without_times_and_progress() -> None:
    """What an answer does not tell has no sample; a 0 would be taken for a fact."""
    assert shown(WITHOUT_TIMES) == {
        INFO: 1.0,
        "up": 1.0,
        **statuses("Unknown"),
        "expected_entries": 500_000.0,
        "error": 0.0,
        "inconsistent": 0.0,
        "last_success_timestamp_seconds": NOW - 0.5,
    }


def test_without_expected_entries() -> None:
    """A job of unknown size has no such sample, and no 0."""
    observation = replace(RUNNING, ref=replace(REF, expected_entries=None))

    assert "expected_entries" not in shown(observation)


def test_a_progress_of_nothing_is_known() -> None:
    """A 0 that the API says is a sample."""
    assert RUNNING.state is not None
    observation = replace(RUNNING, state=replace(RUNNING.state, progress=0))

    assert shown(observation)["progress_entries"] == 0.0


@pytest.mark.parametrize("status", sorted({*STATUSES.values(), JobStatus.UNKNOWN}))
def test_exactly_one_status_is_1(status: JobStatus) -> None:
    """Whatever the status, its own series is 1 and all others are there with 0."""
    samples = shown(replace(RUNNING, state=JobState(status)))

    assert {name: value for name, value in samples.items() if "status{" in name} == statuses(status)


@given(
    status=st.sampled_from(JobStatus),
    created=st.none() | st.floats(1e9, 2e9),
    took=st.none() | st.floats(0.0, 1e7),
    now=st.floats(1e9, 2e9),
)
def test_age_is_never_negative(
    status: JobStatus, created: float | None, took: float | None, now: float
) -> None:
    """A clock that is behind, or a wrong zone, gives the age 0; without a start there is none."""
    updated = None if created is None or took is None else created + took
    state = JobState(status, created=created, updated=updated)

    age = shown(replace(RUNNING, state=state), now).get("age_seconds")

    assert age is None or age >= 0.0
    assert (age is None) == (created is None or (status.is_final and updated is None))


@pytest.mark.parametrize("later", [0.0, 1.0, 3_600.0, 1e9, -1e9])
def test_the_age_of_a_final_job_is_frozen(later: float) -> None:
    """However late it is, a final job took as long as it took."""
    assert shown(FINAL, NOW + later)["age_seconds"] == 399.5


@pytest.mark.parametrize("observation", OBSERVATIONS)
def test_what_the_api_says_in_its_own_words_is_no_label(observation: Observation) -> None:
    """Texts of the API are in no sample."""
    state = observation.state or JobState(JobStatus.UNKNOWN)
    hostile = replace(state, status_text="EVIL", error_text="EVIL")

    samples = shown(replace(observation, state=hostile))

    assert "EVIL" not in str(samples)


def test_job_metrics_are_the_contracts() -> None:
    """The metrics of jobs and their labels are those that are promised, in this order."""
    families = {family.name: job_label_names(family, [RUNNING]) for family in FAMILIES}

    assert list(families.items()) == list(JOB_METRICS.items())


def test_the_exporters_own_metrics_are_the_contracts() -> None:
    """The metrics about the exporter, their types and labels are those that are promised."""
    assert {family.name: family.labels for family in SCRAPE_FAMILIES} == SCRAPE_METRICS
    assert {f.name: (f.type, f.labels) for f in COUNTED_FAMILIES} == COUNTED_METRICS


def test_the_metrics_of_collections_are_the_contracts() -> None:
    """The metrics of the history, their types and labels are those that are promised."""
    found = {f.name: (f.type, COLLECTION_LABELS + f.labels) for f in HISTORY_FAMILIES}

    assert found == HISTORY_METRICS


def test_reasons_are_the_contracts() -> None:
    """The reasons are a closed set."""
    assert set(REASONS) == REASON_VALUES
    assert len(REASONS) == len(REASON_VALUES)


@pytest.mark.parametrize("observation", OBSERVATIONS)
@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
def test_a_row_gives_as_many_values_as_it_has_labels(
    family: JobFamily, observation: Observation
) -> None:
    """Each sample has a value for each label of its row."""
    names = job_label_names(family, [observation])

    for values, _ in family.samples(observation, NOW):
        assert len(observation.ref.identity) + len(values) == len(names)


@pytest.mark.parametrize("family", ROWS, ids=[row.name for row in ROWS])
def test_names_and_helps_follow_the_conventions(
    family: JobFamily | ScrapeFamily | CountedFamily | HistoryFamily,
) -> None:
    """What promtool's linter asks: snake case, base units, _total for counters only, a help."""
    kind = family.type if isinstance(family, CountedFamily | HistoryFamily) else "gauge"
    units = "milliseconds|minutes|hours|days|percent|kilobytes|megabytes|ms|kb|mb"

    assert re.fullmatch(r"adbpg_(job|jobs|collection|exporter)(_[a-z0-9]+)+", family.name)
    assert family.name.endswith("_total") == (kind == "counter")
    assert not re.search(r"_(count|sum|bucket)$", family.name)
    assert not re.search(rf"_({units})(_|$)", family.name)
    assert not re.search(r"_(gauge|counter|histogram|summary)(_|$)", family.name)
    assert re.fullmatch(r"[A-Z].*\.", family.help)
    assert "\n" not in family.help
    for label in family.labels:
        assert re.fullmatch(r"[a-z]+(_[a-z]+)*", label)
        assert label not in {"job", "instance", "namespace", "le", "quantile"}


def test_names_are_unique() -> None:
    """No two rows have one name."""
    names = [row.name for row in ROWS]

    assert len(set(names)) == len(names)


def scraped(name: str, snapshot: Snapshot) -> dict[tuple[str, ...], float]:
    """Return the samples of a scrape's family."""
    family = next(each for each in SCRAPE_FAMILIES if each.name == f"adbpg_exporter_{name}")
    return dict(family.samples(snapshot))


SNAPSHOT = Snapshot(
    taken_at=NOW,
    duration=1.25,
    observations=(
        RUNNING,
        FINAL,
        FAILED,
        AGED_OUT,
        replace(NEVER_ASKED, ref=replace(REF, source="file")),
        replace(RUNNING, ref=replace(REF, source="file"), result=ScrapeResult.CACHED),
    ),
    targets={
        "b": TargetHealth(clock_skew=-0.5, time_zone_suspect=True),
        "a": TargetHealth(),
    },
    file_errors={"/jobs/b.yaml": True, "/jobs/a.yaml": False},
    sources=("config", "file"),
    patterns=(
        PatternReport("/jobs/*.yaml", files=2, broken=1),
        PatternReport("/away/*.yaml", files=5, error="/away cannot be listed"),
    ),
    dropped=3,
    dropped_unfinished=1,
)
NOTHING = Snapshot(NOW, 0.0, (), {}, {}, ("config", "file"))


def test_scrape_families() -> None:
    """The families about a scrape count its jobs, and tell of its targets and files."""
    assert scraped("scrape_duration_seconds", SNAPSHOT) == {(): 1.25}
    assert scraped("scrape_jobs", SNAPSHOT) == {
        ("fresh",): 1,
        ("cached",): 1,
        ("final",): 1,
        ("failed",): 2,
        ("late",): 1,
    }
    assert scraped("jobs", SNAPSHOT) == {
        ("config", "active"): 2,
        ("config", "final"): 1,
        ("config", "unseen"): 1,
        ("file", "active"): 1,
        ("file", "final"): 0,
        ("file", "unseen"): 1,
    }
    assert scraped("job_file_error", SNAPSHOT) == {("/jobs/a.yaml",): 0, ("/jobs/b.yaml",): 1}


def test_job_files_by_pattern() -> None:
    """Each pattern has its files, how many are broken, and whether it can be read at all."""
    good, away = ("/jobs/*.yaml",), ("/away/*.yaml",)

    assert scraped("job_files", SNAPSHOT) == {good: 2, away: 5}
    assert scraped("job_files_broken", SNAPSHOT) == {good: 1, away: 0}
    assert scraped("job_files_readable", SNAPSHOT) == {good: 1, away: 0}


def test_dropped_jobs() -> None:
    """Jobs over the limit are a number, which is 0 where there are none."""
    assert scraped("jobs_dropped", SNAPSHOT) == {(): 3}
    assert scraped("jobs_dropped", NOTHING) == {(): 0}
    assert scraped("clock_skew_seconds", SNAPSHOT) == {("b",): -0.5}
    assert scraped("time_zone_suspect", SNAPSHOT) == {("b",): 1, ("a",): 0}


def test_counts_of_nothing_are_0() -> None:
    """Without jobs the counts are there, since it is known that there are none."""
    assert set(scraped("scrape_jobs", NOTHING).values()) == {0}
    assert set(scraped("jobs", NOTHING).values()) == {0}
    assert scraped("clock_skew_seconds", NOTHING) == {}
