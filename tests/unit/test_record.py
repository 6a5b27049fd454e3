from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.config.settings import DeadlineSettings
from exporter.errors import BadAnswer, NotFound, QueryError, ServerFailed, TimedOut
from exporter.gpdb.kinds import UPSERT_COLLECTION_DATA
from exporter.model import JobRef, JobState, JobStatus, Observation, ScrapeResult, Target
from exporter.polling.record import Record
from exporter.queues import QueuePosition
from exporter.secret import Secret

TARGET = Target("rag-prod", "cn-hangzhou", Secret("testpassword"), db_instance_id="gp-1")
REF = JobRef(
    "rag-prod",
    "cn-hangzhou",
    "job-1",
    "document",
    db_instance_id="gp-1",
    kind=UPSERT_COLLECTION_DATA,
)
RULE = DeadlineSettings()
RUNNING = JobState(JobStatus.RUNNING, progress=100, created=1_704_700_000.0)
FINAL = [JobStatus.SUCCESS, JobStatus.FAILED, JobStatus.CANCELLED]
NOT_FINAL = [JobStatus.START, JobStatus.RUNNING, JobStatus.CANCELLING, JobStatus.UNKNOWN]
MIN_INTERVAL = 5.0
MAX_AGE = 300.0
OFFSET = 1_704_700_000.0  # of the wall clock


def asked(record: Record, outcome: JobState | QueryError, now: float) -> Record:
    """Do what the poller does with a query that begins and ends at one moment."""
    record.queried_at = now
    if isinstance(outcome, QueryError):
        record.fail(outcome, now)
    else:
        record.answer(outcome, now)
    return record


def fresh_record() -> Record:
    """Return the record of a job that was never asked."""
    return Record(REF, TARGET)


def seen(record: Record, now: float, number: int = 1, **changed: Any) -> Observation:
    """Return what a scrape in this round has to say."""
    usual: dict[str, Any] = {"ref": record.ref, "limits": RULE, "offset": OFFSET}
    return record.observation(now=now, max_age=MAX_AGE, round_number=number, **{**usual, **changed})


def test_a_job_that_was_never_asked_is_due() -> None:
    """A new job is asked at once, even just after the machine has started."""
    assert fresh_record().is_due(0.001, MIN_INTERVAL)


def test_an_answered_job_is_due_after_min_interval() -> None:
    """No job is asked again sooner than min_interval after its last query began."""
    record = asked(fresh_record(), RUNNING, 100.0)

    assert not record.is_due(104.999, MIN_INTERVAL)
    assert record.is_due(105.0, MIN_INTERVAL)


def test_a_failed_job_is_due_after_min_interval() -> None:
    """A failure is no reason to ask sooner, nor later."""
    record = asked(fresh_record(), TimedOut("x"), 100.0)

    assert not record.is_due(104.999, MIN_INTERVAL)
    assert record.is_due(105.0, MIN_INTERVAL)


@pytest.mark.parametrize("status", FINAL)
def test_a_final_job_is_never_due(status: JobStatus) -> None:
    """Nobody asks about a job that cannot change any more."""
    record = asked(fresh_record(), JobState(status), 100.0)

    assert not record.is_due(1e9, MIN_INTERVAL)


@pytest.mark.parametrize("status", NOT_FINAL)
def test_any_other_job_stays_due(status: JobStatus) -> None:
    """An unknown status is no end."""
    record = asked(fresh_record(), JobState(status), 100.0)

    assert record.is_due(105.0, MIN_INTERVAL)


def test_a_job_that_is_being_asked_is_not_due() -> None:
    """A query under way is not doubled, however long it takes."""
    record = fresh_record()
    record.in_flight = True

    assert not record.is_due(1e9, MIN_INTERVAL)


def test_not_found_is_asked_ever_more_slowly() -> None:
    """After not_found the pauses double from 30 s to 15 minutes, and stay there."""
    record, now, pauses = fresh_record(), 100.0, []
    for _ in range(8):
        asked(record, NotFound("x", what="job"), now)
        pause = 0.0
        while not record.is_due(now + pause, MIN_INTERVAL):
            pause += 1.0
        pauses.append(pause)
        now += pause

    assert pauses == [30.0, 60.0, 120.0, 240.0, 480.0, 900.0, 900.0, 900.0]


def test_not_found_ten_thousand_times() -> None:
    """A job that is gone for weeks does not overflow the doubling."""
    record = fresh_record()
    for number in range(10_000):
        asked(record, NotFound("x", what="job"), 900.0 * number)

    assert record.is_due(900.0 * 10_000, MIN_INTERVAL)


def test_a_job_that_is_found_again_starts_anew() -> None:
    """A good answer ends the slow asking, and a later not_found begins with the short pause."""
    record = fresh_record()
    for now in (100.0, 200.0, 300.0):
        asked(record, NotFound("x", what="job"), now)
    asked(record, RUNNING, 1000.0)

    assert record.is_due(1005.0, MIN_INTERVAL)
    asked(record, NotFound("x", what="job"), 1005.0)
    assert record.is_due(1035.0, MIN_INTERVAL)


def test_never_asked() -> None:
    """Of a job that was never asked nothing is known, not even whether its queries work."""
    observation = seen(fresh_record(), 100.0)

    assert observation == Observation(ref=REF, result=ScrapeResult.LATE)
    assert observation.up is None


def test_answered() -> None:
    """An answered job is up, with its state and the moments on the wall clock."""
    record = asked(fresh_record(), RUNNING, 100.0)

    observation = seen(record, 100.0)

    assert observation.up is True
    assert observation.state == RUNNING
    assert observation.reason == ""
    assert observation.answered_at == observation.queried_at == OFFSET + 100.0
    assert observation.progress_changed_at == OFFSET + 100.0


def test_a_failure_leaves_the_last_answer() -> None:
    """After a failed query the job is not up, and its last state still stands."""
    record = asked(fresh_record(), RUNNING, 100.0)
    asked(record, ServerFailed("x"), 110.0)

    observation = seen(record, 110.0)

    assert observation.up is False
    assert observation.reason == "server"
    assert observation.state == RUNNING
    assert observation.answered_at == OFFSET + 100.0
    assert observation.queried_at == OFFSET + 110.0


def test_the_state_ages_out_while_queries_fail() -> None:
    """A state is shown while it is younger than max_age; the time of the last answer stays."""
    record = asked(fresh_record(), RUNNING, 100.0)
    asked(record, TimedOut("x"), 390.0)

    before, after = seen(record, 399.999), seen(record, 400.0)

    assert before.state == RUNNING
    assert before.progress_changed_at is not None
    assert after.state is None
    assert after.progress_changed_at is None
    assert after.progress_per_second is None
    assert after.planned_end is None
    assert after.up is False
    assert after.answered_at == OFFSET + 100.0


@pytest.mark.parametrize("status", FINAL)
def test_a_final_state_does_not_age(status: JobStatus) -> None:
    """What a job ended as is shown for ever."""
    record = asked(fresh_record(), JobState(status, progress=7), 100.0)

    observation = seen(record, 1e9, 99)

    assert observation.state == JobState(status, progress=7)
    assert observation.result is ScrapeResult.FINAL
    assert observation.up is True


def test_what_is_shown_of_an_ended_job_is_made_once() -> None:
    """A scrape shows the very same observation as the one before: nothing can have changed."""
    record = asked(fresh_record(), replace(RUNNING, status=JobStatus.SUCCESS), 100.0)
    record.done_in = 1

    first, second = (seen(record, 200.0 + number, number) for number in (2, 3))

    assert first.result is ScrapeResult.FINAL
    assert second is first


def test_a_reload_changes_what_is_shown_of_an_ended_job() -> None:
    """Other labels or other time limits show at the next scrape."""
    record = asked(fresh_record(), replace(RUNNING, status=JobStatus.SUCCESS), 100.0)
    record.done_in = 1
    ref = replace(REF, labels=(("team", "search"),), expected_entries=1000)
    seen(record, 200.0, 2)

    relabelled = seen(record, 200.0, 3, ref=ref)
    later = seen(record, 200.0, 4, ref=ref, limits=RULE.model_copy(update={"grace": 0.0}))

    assert relabelled.ref.labels == ref.labels
    assert relabelled.planned_end == 1_704_700_000.0 + 1.0 + 1800.0
    assert later.planned_end == 1_704_700_000.0 + 1.0


def test_not_found_ends_the_state_at_once() -> None:
    """A job that the API does not know has no state, only the time of its last answer."""
    record = asked(fresh_record(), RUNNING, 100.0)
    asked(record, NotFound("x", what="job"), 101.0)

    observation = seen(record, 101.0)

    assert observation.state is None
    assert observation.up is False
    assert observation.reason == "not_found"
    assert observation.progress_changed_at is None
    assert observation.answered_at == OFFSET + 100.0


@pytest.mark.parametrize("step", [3600.0, -3600.0])
@pytest.mark.parametrize("status", [JobStatus.RUNNING, JobStatus.SUCCESS])
def test_a_step_of_the_wall_clock_moves_every_time_that_is_shown(
    step: float, status: JobStatus
) -> None:
    """What happened ten seconds ago is shown as ten seconds ago, wherever the clock stands now."""
    record = asked(fresh_record(), replace(RUNNING, status=status), 100.0)
    record.done_in = 1
    seen(record, 105.0, 2)

    observation = seen(record, 110.0, 3, offset=OFFSET + step)

    assert observation.progress_changed_at == OFFSET + step + 100.0
    assert observation.answered_at == observation.queried_at == OFFSET + step + 100.0


def test_progress_changed() -> None:
    """The first sight of a progress counts as a change, and a fall; the same again does not."""
    record, changes = fresh_record(), []
    for now, progress in ((100.0, 5), (110.0, 5), (120.0, 6), (130.0, 6), (140.0, 4)):
        asked(record, replace(RUNNING, progress=progress), now)
        changes.append(seen(record, now).progress_changed_at)

    assert changes == [OFFSET + now for now in (100.0, 100.0, 120.0, 120.0, 140.0)]


def test_an_unreadable_progress_is_no_change() -> None:
    """An answer without a progress in between does not hide that the job stands still."""
    record = asked(fresh_record(), RUNNING, 100.0)
    asked(record, replace(RUNNING, progress=None), 110.0)
    asked(record, RUNNING, 120.0)

    observation = seen(record, 120.0)

    assert observation.progress_changed_at == OFFSET + 100.0


def test_a_job_without_any_progress_has_no_change() -> None:
    """What was never seen cannot have changed."""
    record = asked(fresh_record(), replace(RUNNING, progress=None), 100.0)

    observation = seen(record, 100.0)

    assert observation.progress_changed_at is None


def test_after_not_found_the_first_sight_counts_again() -> None:
    """A job that comes back is seen for the first time."""
    record = asked(fresh_record(), RUNNING, 100.0)
    asked(record, NotFound("x", what="job"), 110.0)
    asked(record, RUNNING, 200.0)

    observation = seen(record, 200.0)

    assert observation.progress_changed_at == OFFSET + 200.0


def test_the_rate_is_that_of_the_progress_observed() -> None:
    """What a page shows is the record's pace, while the job is under way."""
    record = asked(fresh_record(), RUNNING, 100.0)
    assert seen(record, 100.0).progress_per_second is None
    asked(record, replace(RUNNING, progress=1100), 200.0)
    assert seen(record, 210.0).progress_per_second == 10.0

    asked(record, replace(RUNNING, status=JobStatus.SUCCESS), 220.0)

    assert seen(record, 220.0).progress_per_second is None


def test_after_not_found_the_rate_is_unknown() -> None:
    """What comes back may be another upload."""
    record = asked(asked(fresh_record(), RUNNING, 100.0), RUNNING, 200.0)
    asked(record, NotFound("x", what="job"), 210.0)
    asked(record, RUNNING, 300.0)

    assert seen(record, 300.0).progress_per_second is None


def test_deadline() -> None:
    """A job's deadline is its CreateTime, its entries at the expected speed, and the grace."""
    record = fresh_record()
    record.ref = replace(REF, expected_entries=500_000)
    asked(record, RUNNING, 100.0)

    observation = seen(record, 100.0)

    assert observation.planned_end == 1_704_700_000.0 + 500.0 + 1800.0


@pytest.mark.parametrize(
    ("expected", "turn_at"), [(None, 1.0), (500_000, None)], ids=["not configured", "no start"]
)
def test_no_deadline(expected: int | None, turn_at: float | None) -> None:
    """Without expected entries, or where its start is not known, there is no deadline."""
    record = fresh_record()
    record.ref = replace(REF, expected_entries=expected)
    asked(record, replace(RUNNING, created=turn_at), 100.0)

    assert seen(record, 100.0).planned_end is None


@pytest.mark.parametrize("state", [None, replace(RUNNING, created=None)])
def test_without_a_create_time_the_start_is_not_known(state: JobState | None) -> None:
    """Without a CreateTime, or before the first answer, there is neither turn nor deadline."""
    record = fresh_record()
    record.ref = replace(REF, expected_entries=500_000)
    if state is not None:
        asked(record, state, 100.0)

    observation = seen(record, 100.0)

    assert (observation.turn_at, observation.planned_end) == (None, None)


@pytest.mark.parametrize(
    ("outcomes", "due_in", "done_in", "result"),
    [
        ([RUNNING], 7, 7, ScrapeResult.FRESH),
        ([JobState(JobStatus.SUCCESS)], 7, 7, ScrapeResult.FRESH),
        ([TimedOut("x")], 7, 7, ScrapeResult.FAILED),
        ([RUNNING], 7, 8, ScrapeResult.FRESH),
        ([RUNNING], 7, 6, ScrapeResult.LATE),
        ([TimedOut("x")], 7, 6, ScrapeResult.LATE),
        ([RUNNING], 6, 6, ScrapeResult.CACHED),
        ([RUNNING, BadAnswer("x")], 6, 6, ScrapeResult.FAILED),
        ([JobState(JobStatus.SUCCESS)], 6, 6, ScrapeResult.FINAL),
        ([], 7, 0, ScrapeResult.LATE),
        ([], 0, 0, ScrapeResult.LATE),
    ],
    ids=[
        "answered now",
        "ended now",
        "failed now",
        "answered while a later round is under way",
        "due, not yet answered",
        "due, not yet answered, failed before",
        "not due",
        "not due, failed before",
        "ended before",
        "new, not yet answered",
        "new, not even due",
    ],
)
def test_result(
    outcomes: list[JobState | QueryError], due_in: int, done_in: int, result: ScrapeResult
) -> None:
    """How a job fared in the scrape of round 7 follows from when it was due and done."""
    record = fresh_record()
    for outcome in outcomes:
        asked(record, outcome, 100.0)
    record.due_in, record.done_in = due_in, done_in

    observation = seen(record, 100.0, 7)

    assert observation.result is result


@given(
    outcomes=st.lists(
        st.tuples(
            st.floats(0.0, 1_000.0),
            st.sampled_from(
                [RUNNING, TimedOut("x"), NotFound("x", what="job"), JobState(JobStatus.UNKNOWN)]
            ),
        ),
        max_size=20,
    ),
    later=st.floats(0.0, 1_000.0),
)
def test_whatever_happens_up_and_state_agree(
    outcomes: list[tuple[float, JobState | QueryError]], later: float
) -> None:
    """Up follows the last outcome, and no state is shown that is not a young answer of the API."""
    record, now, answered = fresh_record(), 0.0, None
    for pause, outcome in outcomes:
        now += pause
        asked(record, outcome, now)
        answered = now if isinstance(outcome, JobState) else answered

    observation = seen(record, now + later)

    last = outcomes[-1][1] if outcomes else None
    assert observation.up == (None if last is None else isinstance(last, JobState))
    if observation.state is not None:
        assert answered is not None
        assert now + later - answered < MAX_AGE
        assert not isinstance(last, NotFound)


@pytest.mark.parametrize(
    ("created", "free_since", "turn_at"),
    [(900.0, None, 900.0), (900.0, 950.0, 950.0), (900.0, 850.0, 900.0), (None, 950.0, 950.0)],
)
def test_the_turn_of_a_job_that_does_not_wait(
    created: float | None, free_since: float | None, turn_at: float
) -> None:
    """It is its CreateTime, or when its collection became free for it, whatever is later."""
    record = asked(fresh_record(), replace(RUNNING, created=created), 100.0)
    record.ref = replace(REF, expected_entries=60_000)
    made = seen(record, 100.0)

    placed = record.placed(
        made, QueuePosition(free_since=free_since), RULE, now=100.0, offset=OFFSET
    )

    assert placed == replace(made, turn_at=turn_at, planned_end=turn_at + 60 + 1800)
