import logging
import threading

import pytest

from exporter.errors import BadAnswer, QueryError, TimedOut
from exporter.gpdb.kinds import UPSERT_COLLECTION_DATA
from exporter.model import JobRef, JobState, JobStatus, Target
from exporter.polling.journal import Journal
from exporter.polling.record import Record
from exporter.secret import Secret

TARGET = Target("rag-prod", "cn-hangzhou", Secret("testpassword"))
REF = JobRef("rag-prod", "cn-hangzhou", "job-1", "document", kind=UPSERT_COLLECTION_DATA)
RUNNING = JobState(JobStatus.RUNNING, progress=100)


class Story:
    """A job's outcomes, told to a journal as the poller does; and what the log then holds."""

    def __init__(self, caplog: pytest.LogCaptureFixture) -> None:
        caplog.set_level(logging.DEBUG)
        self._caplog = caplog
        self.journal = Journal()

    def tell(self, *outcomes: JobState | QueryError) -> list[tuple[str, str]]:
        """Return level and message of each line about these outcomes of a new job."""
        record, now = Record(REF, TARGET), 0.0
        for outcome in outcomes:
            self.journal.queried(record, outcome, 0.1)
            if isinstance(outcome, QueryError):
                record.fail(outcome, now)
            else:
                record.answer(outcome, now)
        return [(line.levelname, line.getMessage()) for line in self._caplog.records]

    def last(self, field: str) -> object:
        """Return a field of the last line."""
        return vars(self._caplog.records[-1])[field]


@pytest.fixture
def story(caplog: pytest.LogCaptureFixture) -> Story:
    """A journal, and the log."""
    return Story(caplog)


def test_all_is_well(story: Story) -> None:
    """A job that runs makes no line, however often it is asked about."""
    assert story.tell(RUNNING, RUNNING, RUNNING) == []


def test_a_failure_is_told_once(story: Story) -> None:
    """A query that goes on failing for the same reason is told once; then it is for debugging."""
    lines = story.tell(RUNNING, TimedOut("no whole answer in time"), TimedOut("x"), TimedOut("x"))

    assert lines == [
        ("WARNING", "job query failed"),
        ("DEBUG", "job query failed"),
        ("DEBUG", "job query failed"),
    ]


def test_a_new_reason_is_told(story: Story) -> None:
    """Another reason is news."""
    lines = story.tell(TimedOut("x"), BadAnswer("the answer holds no job"))

    assert lines == [("WARNING", "job query failed")] * 2
    assert story.last("reason") == "bad_answer"
    assert story.last("error") == "the answer holds no job"
    assert story.last("job_id") == "job-1"
    assert story.last("target") == "rag-prod"


def test_a_recovery_is_told(story: Story) -> None:
    """The first answer after failures is told, the next ones are not."""
    lines = story.tell(TimedOut("x"), RUNNING, RUNNING)

    assert lines[1:] == [("INFO", "job answers again")]


@pytest.mark.parametrize(
    ("status", "line"),
    [
        (JobStatus.SUCCESS, ("INFO", "job ended")),
        (JobStatus.CANCELLED, ("INFO", "job ended")),
        (JobStatus.FAILED, ("WARNING", "job failed")),
    ],
)
def test_an_end_is_told(story: Story, status: JobStatus, line: tuple[str, str]) -> None:
    """A job that was seen to run and then to end makes one line, with how far it came."""
    lines = story.tell(RUNNING, JobState(status, progress=1600))

    assert lines == [line]
    assert story.last("status") == status.value
    assert story.last("progress") == 1600


def test_an_old_end_is_not_told(story: Story) -> None:
    """A job that had ended before we first looked makes no line: a restart repeats nothing."""
    assert story.tell(JobState(JobStatus.SUCCESS)) == []
    assert story.tell(JobState(JobStatus.FAILED)) == []


def test_the_error_text_of_a_failed_job_is_told(story: Story) -> None:
    """A failed job's error text is in its line."""
    lines = story.tell(RUNNING, JobState(JobStatus.FAILED, error_text="Failed to connect"))

    assert lines == [("WARNING", "job failed")]
    assert story.last("error") == "Failed to connect"


@pytest.mark.parametrize("status", JobStatus)
def test_an_error_text_is_told_when_it_appears(story: Story, status: JobStatus) -> None:
    """An error text at first sight is told whatever the status: no metric shows it."""
    lines = story.tell(JobState(status, status_text="x", error_text="Failed to connect"))

    level = "INFO" if status.is_active else "WARNING"  # beside an active one it is usual
    assert lines[-1] == (level, "job reports an error")
    assert story.last("error") == "Failed to connect"
    assert story.last("status") == status.value


def test_an_error_text_that_changes_every_time_is_told_once(story: Story) -> None:
    """A hostile API cannot fill the log with ever new texts."""
    states = [JobState(JobStatus.RUNNING, error_text=f"batch {n}") for n in range(50)]

    assert story.tell(RUNNING, *states) == [("INFO", "job reports an error")]


def test_an_unknown_status_is_told_once_for_each_value(story: Story) -> None:
    """A status that nobody documented is told by its own text, once for all jobs."""
    paused = JobState(JobStatus.UNKNOWN, status_text="Paused")
    queued = JobState(JobStatus.UNKNOWN, status_text="Queued")

    story.tell(paused, paused, queued, paused)
    lines = story.tell(paused, queued)

    assert lines == [("WARNING", "unknown job status")] * 2
    assert story.last("status") == "Queued"


def test_invented_statuses_are_bounded(story: Story) -> None:
    """An API that invents a new status each time makes a hundred lines and no more."""
    states = [JobState(JobStatus.UNKNOWN, status_text=f"S{n}") for n in range(300)]

    assert len(story.tell(*states)) == 100


def test_many_threads_tell_an_unknown_status_once(
    story: Story, caplog: pytest.LogCaptureFixture
) -> None:
    """Queries end in many threads, and still a value is told once."""
    together = threading.Barrier(8)

    def tell() -> None:
        for number in range(50):
            together.wait()
            state = JobState(JobStatus.UNKNOWN, status_text=f"S{number}")
            story.journal.queried(Record(REF, TARGET), state, 0.1)

    threads = [threading.Thread(target=tell) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(caplog.records) == 50
