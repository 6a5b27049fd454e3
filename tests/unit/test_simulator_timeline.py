"""What a job of each shape looks like as the seconds pass."""

import itertools
from dataclasses import replace

import pytest

from exporter.simulator.scenario import Job, Shape
from exporter.simulator.timeline import JobMoment, moment

HOUR = 3600.0
JOB = Job("id", "document", "rag", entries=6000, rate=100.0, after=20.0, created=10.0)
FINAL = {"Success", "Failed", "Cancelled"}


def at(job: Job, seconds: float) -> JobMoment:
    """The job's state, which must be known."""
    state = moment(job, seconds)
    assert state is not None
    return state


@pytest.mark.parametrize(
    ("shape", "seconds", "expected"),
    [
        # shape, seconds since the start: status, progress, completed, seconds of UpdateTime
        (Shape.STEADY, 10, ("Running", 0, False, 10)),
        (Shape.STEADY, 40, ("Running", 3000, False, 40)),
        (Shape.STEADY, 40.9, ("Running", 3000, False, 40)),
        (Shape.STEADY, 70, ("Success", 6000, True, 70)),
        (Shape.STEADY, 9999, ("Success", 6000, True, 70)),
        (Shape.FAST, 40, ("Running", 3000, False, 40)),
        (Shape.SLOW_START, 29, ("Start", 0, False, 10)),
        (Shape.SLOW_START, 40, ("Running", 1000, False, 40)),
        (Shape.SLOW_START, 90, ("Success", 6000, True, 90)),
        (Shape.STALLED, 20, ("Running", 1000, False, 20)),
        (Shape.STALLED, 30, ("Running", 2000, False, 30)),
        (Shape.STALLED, 9999, ("Running", 2000, False, 30)),
        (Shape.FAILED, 29, ("Running", 1900, False, 29)),
        (Shape.FAILED, 30, ("Failed", 2000, True, 30)),
        (Shape.FAILED, 9999, ("Failed", 2000, True, 30)),
        (Shape.CANCELLING, 29, ("Running", 1900, False, 29)),
        (Shape.CANCELLING, 30, ("Cancelling", 2000, False, 30)),
        (Shape.CANCELLING, 9999, ("Cancelling", 2000, False, 30)),
        (Shape.CANCELLED, 30, ("Cancelling", 2000, False, 30)),
        (Shape.CANCELLED, 90, ("Cancelled", 2000, True, 90)),
        (Shape.CANCELLED, 9999, ("Cancelled", 2000, True, 90)),
        (Shape.CONTRADICTORY, 10, ("Success", 6000, False, 10)),
        (Shape.CONTRADICTORY, 9999, ("Success", 6000, False, 10)),
    ],
)
def test_shapes(shape: Shape, seconds: float, expected: tuple[str, int, bool, float]) -> None:
    """Each shape has its states at their times."""
    state = at(replace(JOB, shape=shape), seconds)

    assert (state.status, state.progress, state.completed, state.updated) == expected
    assert state.created == 10


@pytest.mark.parametrize("shape", Shape)
def test_unknown_before_its_creation(shape: Shape) -> None:
    """A job that is not created yet is unknown, whatever its shape."""
    assert moment(replace(JOB, shape=shape), 9.99) is None


def test_unknown_for_ever() -> None:
    """The shape ``unknown`` never turns up."""
    assert moment(replace(JOB, shape=Shape.UNKNOWN), 9999) is None


@pytest.mark.parametrize("shape", Shape)
def test_only_failed_and_contradictory_have_an_error(shape: Shape) -> None:
    """Error has text for a failed and for a contradictory job, and for no other."""
    state = moment(replace(JOB, shape=shape), 9999)

    has_error = state is not None and bool(state.error)
    assert has_error is (shape in {Shape.FAILED, Shape.CONTRADICTORY})


@pytest.mark.parametrize("sway", [0.0, 0.5, 0.9])
@pytest.mark.parametrize("shape", [shape for shape in Shape if shape is not Shape.UNKNOWN])
def test_progress_and_times_never_fall(shape: Shape, sway: float) -> None:
    """Progress and UpdateTime only grow, UpdateTime is never ahead, and a final job rests."""
    job = replace(JOB, shape=shape, sway=sway, entries=150_000, created=0.0)
    states = [at(job, step * 0.7) for step in range(2400)]

    for index, (earlier, later) in enumerate(itertools.pairwise(states)):
        assert earlier.progress <= later.progress <= job.entries
        assert earlier.updated <= later.updated <= (index + 1) * 0.7
        if earlier.status in FINAL:
            assert later == earlier


def test_a_swaying_job_swings_around_its_rate() -> None:
    """Sway makes a job go faster and slower than its rate, and ends it at the same second."""
    job = replace(JOB, entries=350_000, created=0.0, sway=0.5)
    rates = [at(job, s + 10).progress - at(job, s).progress for s in range(0, 3500, 10)]

    assert 1400 < max(rates) <= 1501
    assert min(rates) < 600
    assert at(job, 3499.99).status == "Running"
    assert at(job, 3500).progress == job.entries


@pytest.mark.parametrize("shape", [Shape.STEADY, Shape.FAST, Shape.SLOW_START])
def test_healthy_jobs_move_every_second(shape: Shape) -> None:
    """A healthy job's progress moves in each second of hours of running."""
    job = replace(JOB, shape=shape, entries=2_000_000, created=-HOUR, sway=0.6)

    for second in range(0, 4 * 3600, 60):
        assert at(job, second + 1).progress > at(job, second).progress


def test_a_failure_comes_before_the_end() -> None:
    """A job that is to fail after its upload's end fails at the end, and never succeeds."""
    job = replace(JOB, shape=Shape.FAILED, after=9999.0)

    assert at(job, 69.9).status == "Running"
    assert at(job, 70).status == "Failed"


def test_an_upload_of_nothing_succeeds_at_once() -> None:
    """A job without entries is a success from its first moment."""
    assert at(replace(JOB, entries=0), 10) == JobMoment(
        status="Success", progress=0, completed=True, created=10, updated=10
    )
