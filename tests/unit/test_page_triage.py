from typing import Any

import pytest

from exporter.advice import ADVICE
from exporter.errors import REASONS
from exporter.gpdb.kinds import KINDS, UPSERT_COLLECTION_DATA
from exporter.model import JobRef, JobState, JobStatus, Observation, ScrapeResult
from exporter.web.triage import Group, Level, examine, urgency
from exporter.web.wording import clock, count, duration, rate, utc

NOW = 1_704_700_000.0
JOB = JobRef("rag-prod", "cn-hangzhou", "job-1", "document", kind=UPSERT_COLLECTION_DATA)
RUNNING = JobState(JobStatus.RUNNING, created=NOW - 60)


def told(observation: Observation) -> list[tuple[Level, str]]:
    """Return level and title of what is said about a job."""
    return [(remark.level, remark.title) for remark in examine(observation, NOW).remarks]


def seen(state: JobState | None, **times: Any) -> Observation:
    """A job whose last query worked."""
    return Observation(JOB, ScrapeResult.FRESH, state, up=True, **times)


def test_a_healthy_job_needs_no_words() -> None:
    """A job under way and in time is under way, and that is all."""
    case = examine(seen(RUNNING, planned_end=NOW + 1, progress_changed_at=NOW - 899), NOW)

    assert case.remarks == ()
    assert case.group is Group.ACTIVE


@pytest.mark.parametrize(
    ("observation", "remark"),
    [
        (seen(RUNNING, planned_end=NOW - 1), (Level.WARNING, "Overdue")),
        (seen(RUNNING, progress_changed_at=NOW - 900), (Level.WARNING, "Stalled")),
        (seen(JobState(JobStatus.FAILED)), (Level.BAD, "Job failed")),
        (seen(JobState(JobStatus.UNKNOWN)), (Level.WARNING, "Status unknown")),
        (seen(JobState(JobStatus.START, completed=True)), (Level.WARNING, "Contradictory")),
        (
            seen(JobState(JobStatus.CANCELLED, error_text="x")),
            (Level.WARNING, "Error reported"),
        ),
        (Observation(JOB, ScrapeResult.FAILED, up=False), (Level.BAD, "Query failing")),
    ],
)
def test_what_needs_a_person(observation: Observation, remark: tuple[Level, str]) -> None:
    """Each kind of trouble has its title, and puts the job among the troubled."""
    assert told(observation) == [remark]
    assert examine(observation, NOW).group is Group.TROUBLED


@pytest.mark.parametrize("status", [JobStatus.SUCCESS, JobStatus.CANCELLED])
def test_an_ended_job_is_neither_late_nor_stalled(status: JobStatus) -> None:
    """Only what is under way can be overdue or stall."""
    case = examine(seen(JobState(status), planned_end=1, progress_changed_at=1), NOW)

    assert case.remarks == ()
    assert case.group is Group.ENDED


def test_an_unreadable_field_is_a_note() -> None:
    """What could not be read is said, but a job is not troubled by it."""
    state = JobState(JobStatus.RUNNING, invalid_fields=("Progress", "CreateTime"))

    case = examine(seen(state), NOW)

    assert [remark.level for remark in case.remarks] == [Level.NOTE]
    assert "Progress, CreateTime" in case.remarks[0].text
    assert case.group is Group.ACTIVE


def test_a_contradiction_is_told_fact_by_fact() -> None:
    """The vendor's own sample, Success with an Error and not Completed, is shown as it came."""
    state = JobState(JobStatus.SUCCESS, completed=False, error_text="x")

    texts = [remark.text for remark in examine(seen(state), NOW).remarks]

    assert texts[1] == (
        "The API contradicts itself: Status is Success, Completed is false and Error has a text. "
        "Each is shown as it came."
    )


def test_the_worst_is_said_first() -> None:
    """Of several remarks the worst leads."""
    observation = Observation(
        JOB, ScrapeResult.FAILED, RUNNING, up=False, reason="dns", planned_end=NOW - 1
    )

    assert told(observation) == [(Level.BAD, "Query failing: dns"), (Level.WARNING, "Overdue")]


def test_urgency_is_by_level_then_by_the_last_change() -> None:
    """The worst come first, and among equals the one that changed last."""
    overdue = examine(seen(RUNNING, planned_end=NOW - 1), NOW)
    old = examine(seen(JobState(JobStatus.FAILED, updated=NOW - 99)), NOW)
    new = examine(seen(JobState(JobStatus.FAILED, updated=NOW - 9)), NOW)

    assert sorted([overdue, old, new], key=urgency) == [new, old, overdue]


@pytest.mark.parametrize(
    ("state", "age"),
    [
        (RUNNING, 60.0),
        (JobState(JobStatus.RUNNING, created=NOW + 5), 0.0),
        (JobState(JobStatus.SUCCESS, created=NOW - 500, updated=NOW - 400), 100.0),
        (JobState(JobStatus.SUCCESS, created=NOW - 500), None),
        (JobState(JobStatus.UNKNOWN, created=NOW - 500, updated=NOW), 500.0),
        (JobState(JobStatus.RUNNING), None),
        (None, None),
    ],
)
def test_age_is_as_in_the_metric(state: JobState | None, age: float | None) -> None:
    """A job ages, never below 0, until it is final; without its times it has no age."""
    assert examine(seen(state), NOW).age == age


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "0 s"),
        (0.9, "0 s"),
        (59.9, "59 s"),
        (60, "1 min"),
        (3599, "59 min"),
        (3600, "1 h"),
        (12_000, "3 h 20 min"),
        (86_399, "23 h 59 min"),
        (86_400, "1 d"),
        (180_000, "2 d 2 h"),
        (-90, "1 min"),
        (1e9, "11,574 d 1 h"),
    ],
)
def test_durations_have_two_units_at_most(seconds: float, words: str) -> None:
    """A length of time is as exact as a reader needs."""
    assert duration(seconds) == words


@pytest.mark.parametrize(
    ("number", "words"),
    [(0, "0"), (1234567.0, "1,234,567"), (1e300, "1e+300"), (10**400, "1e+300"), (-5, "-5")],
)
def test_counts_are_readable(number: float, words: str) -> None:
    """Thousands are set apart; what is beyond reading is cut short."""
    assert count(number) == words


@pytest.mark.parametrize(
    ("number", "words"), [(0, "0"), (0.04, "0.0"), (9.96, "10.0"), (10, "10"), (1012.3, "1,012")]
)
def test_small_rates_have_a_decimal(number: float, words: str) -> None:
    """A slow job is seen to move."""
    assert rate(number) == words


def test_moments_beyond_the_calendar_are_none() -> None:
    """A time that no calendar has is not made up."""
    assert utc(0) == ("1970-01-01T00:00:00Z", "1970-01-01 00:00:00 UTC")
    assert utc(1e18) is None


@pytest.mark.parametrize(
    ("moment", "words"),
    [
        (NOW, "07:46 UTC"),
        (NOW + 60_000, "9 Jan 00:26 UTC"),
        (NOW - 8 * 86_400, "31 Dec 2023"),
        (1e18, ""),
    ],
)
def test_a_moment_is_as_exact_as_people_say_it(moment: float, words: str) -> None:
    """Today the time is enough, this year the day with it, else the day."""
    assert clock(moment, NOW) == words


@pytest.mark.parametrize("reason", REASONS)
def test_every_reason_is_explained(reason: str) -> None:
    """For each way a query can fail the page says what it means, and what to do."""
    failed = Observation(JOB, ScrapeResult.FAILED, up=False, reason=reason)

    (remark,) = examine(failed, NOW).remarks

    assert remark.title == f"Query failing: {reason}"
    assert remark.text == " ".join(ADVICE[reason].in_general(KINDS[JOB.kind]))
