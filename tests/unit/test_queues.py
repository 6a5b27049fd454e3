"""Which job of a collection has its turn: every case of docs/metrics.md, "Jobs that wait"."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exporter.gpdb.kinds import UPSERT_COLLECTION_DATA
from exporter.model import JobRef, JobState, JobStatus, Observation, ScrapeResult
from exporter.queues import QueuePosition, line_up, places

NOW = 1_704_700_000.0
START, RUNNING, CANCELLING = JobStatus.START, JobStatus.RUNNING, JobStatus.CANCELLING
FREE = QueuePosition()


def ref(job_id: str, collection: str = "document") -> JobRef:
    """Return a job of one namespace."""
    return JobRef(
        "rag-prod", "cn-hangzhou", job_id, collection, "rag", "gp-1", kind=UPSERT_COLLECTION_DATA
    )


def job(
    job_id: str,
    status: JobStatus = START,
    *,
    result: ScrapeResult = ScrapeResult.FRESH,
    collection: str = "document",
    **state: Any,
) -> Observation:
    """Return a job that answered."""
    facts = {"created": NOW, "progress": 0, **state}
    return Observation(ref(job_id, collection), result, JobState(status, **facts), up=True)


def unknown(job_id: str, reason: str = "timeout") -> Observation:
    """Return a job without a state: it was never asked, or its queries fail for too long."""
    failed = bool(reason)
    return Observation(
        ref(job_id), ScrapeResult.FAILED, up=False if failed else None, reason=reason
    )


def behind(observation: Observation) -> QueuePosition:
    """Return the place of a job that waits behind another."""
    return QueuePosition(waits=True, behind=observation.ref)


def test_a_job_alone_does_not_wait() -> None:
    """Whatever its status, a job without others is in front."""
    for status in JobStatus:
        assert places([job("a", status)]) == [FREE]


def test_all_wait_behind_one_that_has_uploaded_something() -> None:
    """Neither an earlier CreateTime nor the status Running puts a job before one that moves."""
    moves = job("moves", RUNNING, progress=1, created=NOW)
    earlier = job("earlier", START, created=NOW - 99)
    running = job("running", RUNNING, created=NOW - 99)

    assert places([earlier, moves, running]) == [behind(moves), FREE, behind(moves)]


def test_two_that_upload_at_once_do_not_wait() -> None:
    """That uploads run one after the other is not proven: progress counts more."""
    jobs = [job("a", RUNNING, progress=5), job("b", RUNNING, progress=1), job("c")]

    assert [place.waits for place in places(jobs)] == [False, False, True]


def test_a_cancelled_job_that_uploaded_holds_its_collection() -> None:
    """While it is being cancelled, the others wait behind it."""
    jobs = [job("a", CANCELLING, progress=5), job("b", RUNNING)]

    assert places(jobs) == [FREE, behind(jobs[0])]


@pytest.mark.parametrize(
    ("first", "then"),
    [
        (job("z", RUNNING, created=NOW), job("a", CANCELLING, created=NOW - 99)),
        (job("z", CANCELLING, created=NOW), job("a", START, created=NOW - 99)),
        (job("z", START, created=NOW - 1), job("a", START, created=NOW)),
        (job("z", START, created=NOW), job("a", START, created=None)),
        (job("a", START), job("b", START)),
        (job("z", RUNNING, progress=None), job("a", START, progress=None, created=NOW - 99)),
    ],
)
def test_who_is_in_front_where_none_has_uploaded_anything(
    first: Observation, then: Observation
) -> None:
    """By status, then CreateTime, then id; whatever their order in the configuration."""
    assert places([first, then]) == [FREE, behind(first)]
    assert places([then, first]) == [behind(first), FREE]


@pytest.mark.parametrize(
    "other", [unknown("x"), unknown("x", reason=""), job("x", JobStatus.UNKNOWN)]
)
def test_a_job_whose_state_is_not_known_may_be_in_front(other: Observation) -> None:
    """Of those that have uploaded nothing it cannot be said whether they wait."""
    jobs = [job("a", RUNNING), other, job("b")]

    may_wait = QueuePosition(waits=None, behind=other.ref)
    assert places(jobs) == [may_wait, FREE, may_wait]


def test_a_running_job_without_progress_may_have_uploaded_something() -> None:
    """Behind another it may wait or not; one in Start has not begun, whatever its progress."""
    jobs = [
        job("a", RUNNING, progress=1),
        job("b", RUNNING, progress=None),
        job("c", progress=None),
    ]

    assert places(jobs) == [FREE, QueuePosition(waits=None, behind=jobs[0].ref), behind(jobs[0])]


def test_progress_settles_what_is_not_known() -> None:
    """Where a job moves, that one is in front, whatever is not known of others."""
    jobs = [job("a", RUNNING, progress=1), unknown("x"), job("b")]

    assert places(jobs) == [FREE, FREE, behind(jobs[0])]


@pytest.mark.parametrize(
    "other",
    [
        unknown("x", "not_found"),
        job("x", JobStatus.SUCCESS, progress=9),
        job("x", JobStatus.FAILED),
    ],
)
def test_nobody_waits_behind_a_job_that_is_not_there(other: Observation) -> None:
    """A job that has ended, or that the API does not know, holds nothing."""
    assert places([other, job("a")]) == [FREE, FREE]


def test_a_job_in_front_may_wait_for_one_of_another_shard() -> None:
    """Of one in front that has uploaded nothing a shard cannot know; of the others it can."""
    first, then = job("a", created=NOW - 1), job("b")

    assert places([first, then], is_split=True) == [QueuePosition(waits=None), behind(first)]
    assert places([job("a", progress=1)], is_split=True) == [FREE]


def test_collections_are_lined_up_each_by_itself() -> None:
    """Jobs of other collections do not matter, and neither does their order."""
    jobs = [job("a"), job("b", collection="other"), job("c"), job("d", collection="split")]

    found = line_up(jobs, {jobs[3].ref.collection_identity})

    assert found == {2: behind(jobs[0]), 3: QueuePosition(waits=None)}


def test_a_job_is_free_since_the_one_before_has_ended() -> None:
    """After a restart, the UpdateTime of the latest job created before it says when."""
    jobs = [
        job("1", JobStatus.SUCCESS, created=NOW - 900, updated=NOW - 300),
        job("2", JobStatus.FAILED, created=NOW - 800, updated=NOW - 500),
        job("3", RUNNING, progress=7, created=NOW - 700),
        job("4", JobStatus.SUCCESS, created=NOW - 600, updated=NOW - 100),
    ]

    found = line_up(jobs, set())

    assert found[2] == QueuePosition(free_since=NOW - 300)
    assert found[1] == QueuePosition(free_since=NOW - 300)
    assert found[3].free_since == NOW - 300
    assert 0 not in found


ENDED = job("before", JobStatus.SUCCESS, created=NOW - 900, updated=NOW - 300)


@pytest.mark.parametrize(
    ("before", "free_since"),
    [
        (ENDED, NOW - 300),
        (replace(ENDED, ref=replace(ENDED.ref, kind="upload_document")), None),
        (replace(ENDED, ref=ref("before", "another")), None),
        (job("before", JobStatus.SUCCESS, created=None, updated=NOW - 300), None),
        (job("before", JobStatus.SUCCESS, created=NOW - 900), None),
        (job("before", JobStatus.UNKNOWN, created=NOW - 900, updated=NOW - 300), None),
        (job("before", JobStatus.SUCCESS, created=NOW + 900, updated=NOW + 999), None),
        (unknown("before", "not_found"), None),
    ],
)
def test_what_counts_as_the_one_before(before: Observation, free_since: float | None) -> None:
    """Only an earlier job of its collection and of a kind that takes turns, with both times."""
    runs = job("runs", RUNNING, progress=7, created=NOW)

    found = line_up([before, replace(ENDED, ref=ref("x", "third")), runs], set())

    assert found.get(2, FREE) == QueuePosition(free_since=free_since)


def test_a_job_that_ended_before_keeps_its_place() -> None:
    """It is shown as it was, and is not looked at again."""
    ended = [
        job(str(n), JobStatus.SUCCESS, result=ScrapeResult.FINAL, created=NOW + n, updated=NOW + 99)
        for n in range(3)
    ]

    assert line_up(ended, set()) == {}


STATES = st.builds(
    JobState,
    status=st.sampled_from(JobStatus),
    progress=st.none() | st.integers(0, 2),
    created=st.none() | st.floats(NOW, NOW + 2),
)


@settings(deadline=None)
@given(states=st.lists(st.none() | STATES, max_size=5), is_split=st.booleans())
def test_somebody_always_has_the_turn(*, states: list[JobState | None], is_split: bool) -> None:
    """Where all states are known, some job under way does not wait, so that a stall is noticed."""
    jobs = [
        replace(unknown(str(n)), state=state, reason="" if state else "timeout")
        for n, state in enumerate(states)
    ]

    found = places(jobs, is_split=is_split)

    known = all(state and state.status is not JobStatus.UNKNOWN for state in states)
    active = [n for n, state in enumerate(states) if state and state.status.is_active]
    if known and active:
        assert any(found[n].behind is None for n in active)
    for place, each in zip(found, jobs, strict=True):
        if each.state and each.state.has_begun:
            assert place == FREE
        assert place.behind is not each.ref
