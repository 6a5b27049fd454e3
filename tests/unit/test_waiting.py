"""When a wait is over: the job's end, its planned end, a timeout, or no hope. In virtual time."""

from dataclasses import replace
from typing import Any

import pytest

from exporter.config import DeadlineSettings
from exporter.errors import (
    AuthRejected,
    NoCredentials,
    NotFound,
    PermissionDenied,
    QueryError,
    ServerFailed,
    Throttled,
    TimedOut,
)
from exporter.gpdb.kinds import KINDS
from exporter.model import JobRef, JobState, JobStatus
from exporter.waiting import LONGEST, Outcome, Wait

REF = JobRef("t", "r", "id", "c", kind="upsert_collection_data")
RUNNING = JobState(JobStatus.RUNNING, "Running", created=1000.0)
LIMITS = DeadlineSettings()
NOW = 1000.0


def waiting(timeout: float | None = None, **facts: Any) -> Wait:
    """Return a wait that begins now."""
    return Wait(replace(REF, **facts), LIMITS, NOW, timeout)


@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        (JobStatus.SUCCESS, Outcome.SUCCESS),
        (JobStatus.FAILED, Outcome.FAILED),
        (JobStatus.CANCELLED, Outcome.CANCELLED),
        (JobStatus.CANCELLING, None),
        (JobStatus.PENDING, None),
        (JobStatus.START, None),
        (JobStatus.RUNNING, None),
        (JobStatus.UNKNOWN, None),
    ],
)
def test_only_an_end_ends_it(status: JobStatus, outcome: Outcome | None) -> None:
    """Neither an error text nor Completed says that a job has ended."""
    state = replace(RUNNING, status=status, completed=True, error_text="It broke.")

    assert waiting().answer(state, NOW) is outcome


@pytest.mark.parametrize(
    ("facts", "longest"),
    [
        ({}, LONGEST),
        ({"expected_entries": 20_000}, 1820.0),
        ({"expected_entries": 20_000, "deadline": 60.0}, 60.0),
        ({"kind": "upload_document"}, 7200.0),
        ({"kind": "create_index"}, LONGEST),
        ({"kind": "graph_rag", "deadline": 300.0}, 300.0),
        ({"timeout": 10.0, "expected_entries": 20_000}, 10.0),
    ],
)
def test_how_long_it_lasts(facts: dict[str, Any], longest: float) -> None:
    """A timeout, the job's own deadline, the vendor's limit of its kind, or a day."""
    wait = waiting(**facts)

    assert wait.answer(RUNNING, NOW + longest - 1) is None
    assert wait.answer(RUNNING, NOW + longest) is Outcome.UNFINISHED


def test_the_queue_does_not_count() -> None:
    """The time in which a job waits for its turn is no part of its planned end."""
    wait = waiting(kind="upload_document")
    pending = replace(RUNNING, status=JobStatus.PENDING)

    assert wait.answer(pending, NOW + 10_000) is None
    assert wait.answer(RUNNING, NOW + 17_199) is None
    assert wait.answer(RUNNING, NOW + 17_200) is Outcome.UNFINISHED


def test_a_job_that_began_long_ago() -> None:
    """What was past its planned end when the wait began is so at once."""
    wait = waiting(kind="upload_document")

    assert wait.answer(replace(RUNNING, created=NOW - 7200), NOW) is Outcome.UNFINISHED


@pytest.mark.parametrize(
    "error",
    [AuthRejected("x"), PermissionDenied("x"), NoCredentials("x"), NotFound("x", what="job")],
    ids=lambda error: str(error.reason),
)
def test_no_hope(error: QueryError) -> None:
    """What no patience makes better is given up after three tries in a row."""
    wait = waiting()

    assert wait.fail(error, NOW) is None
    assert wait.fail(error, NOW + 5) is None
    assert wait.answer(RUNNING, NOW + 10) is None
    assert wait.fail(error, NOW + 15) is None
    assert wait.fail(TimedOut("x"), NOW + 20) is None
    assert [wait.fail(error, NOW + 25 + n) for n in range(3)] == [None, None, Outcome.UNKNOWN]


@pytest.mark.parametrize(
    "error", [TimedOut("x"), Throttled("x"), ServerFailed("x")], ids=lambda error: str(error.reason)
)
def test_patience(error: QueryError) -> None:
    """An API that is away or throttles is asked until the end, and then the last answer counts."""
    never, once = waiting(kind="upload_document"), waiting(kind="upload_document")
    once.answer(RUNNING, NOW)

    assert {never.fail(error, NOW + n) for n in range(7200)} == {None}
    assert {once.fail(error, NOW + n) for n in range(7200)} == {None}
    assert never.fail(error, NOW + 7200) is Outcome.UNKNOWN
    assert once.fail(error, NOW + 7200) is Outcome.UNFINISHED


def test_every_kind_ends() -> None:
    """No kind of job is waited for without an end."""
    for kind in KINDS:
        assert waiting(kind=kind).answer(RUNNING, NOW + LONGEST) is Outcome.UNFINISHED
