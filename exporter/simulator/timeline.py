"""What a job looks like at a moment. Pure: the same moment gives the same state, always."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from exporter.simulator.operations import OPERATIONS
from exporter.simulator.scenario import Job, Shape

_SWING = 300.0  # seconds that one swing of the rate takes, roughly
_CANCELLING = 60.0  # seconds from Cancelling to Cancelled


@dataclass(frozen=True, slots=True)
class JobMoment:
    """A job's fields at one moment.

    Attributes:
        status: as the vendor's page spells it.
        progress: entries uploaded so far.
        completed: the field Completed.
        created: seconds since the simulator's start; negative for before.
        updated: likewise.
        error: the text of Error; empty for none.
    """

    status: str
    progress: int
    completed: bool
    created: float
    updated: float
    error: str = ""


def moment(job: Job, seconds: float) -> JobMoment | None:
    """Return the job's state, or None while the API does not know it.

    Args:
        job: as the scenario has it.
        seconds: since the simulator's start.
    """
    age = seconds - job.created
    if age < 0 or job.shape is Shape.UNKNOWN:
        return None
    return _SHAPES[job.shape](job, age)


def duration(job: Job) -> float:
    """Return how many seconds of Running the whole upload takes."""
    return job.entries / job.rate


def _uploaded(job: Job, age: float) -> int:
    """Return the entries that are there after ``age`` seconds of Running; it never falls.

    The swings are whole ones, so that a swaying job ends just when a steady one does.
    """
    whole = duration(job)
    if age >= whole:
        return job.entries
    share = age / whole
    swings = 2 * math.pi * max(1, round(whole / _SWING))
    return int(job.entries * (share + job.sway / swings * math.sin(swings * share)))


def _running(job: Job, age: float, started: float = 0.0) -> JobMoment:
    """Return an upload under way; the API writes progress down once a second."""
    written = math.floor(age)
    return JobMoment(
        status="Running",
        progress=_uploaded(job, written),
        completed=False,
        created=job.created,
        updated=job.created + started + written,
        error=job.error_while_running,
    )


def _turned(job: Job, status: str, at: float, progress_at: float, error: str = "") -> JobMoment:
    completed = status in {"Success", "Failed", "Cancelled"}
    progress = _uploaded(job, progress_at)
    return JobMoment(status, progress, completed, job.created, job.created + at, error)


def _turn(job: Job) -> float:
    """Return the age at which it fails or is cancelled: before the upload ends, at the latest."""
    return min(job.after, duration(job))


def _steady(job: Job, age: float, started: float = 0.0) -> JobMoment:
    whole = duration(job)
    if age < whole:
        return _running(job, age, started)
    return _turned(job, "Success", started + whole, whole)


def _late(status: str) -> Callable[[Job, float], JobMoment]:
    def shape(job: Job, age: float) -> JobMoment:
        if age < job.after:
            return _turned(job, status, 0.0, 0.0)
        return _steady(job, age - job.after, job.after)

    return shape


def _stalled(job: Job, age: float) -> JobMoment:
    return _running(job, min(age, _turn(job)))


def _failed(job: Job, age: float) -> JobMoment:
    turn = _turn(job)
    if age < turn:
        return _running(job, age)
    return _turned(job, "Failed", turn, turn, job.error)


def _cancelling(job: Job, age: float) -> JobMoment:
    turn = _turn(job)
    return _running(job, age) if age < turn else _turned(job, "Cancelling", turn, turn)


def _cancelled(job: Job, age: float) -> JobMoment:
    turn = _turn(job)
    lasts = _CANCELLING if "Cancelling" in OPERATIONS[job.kind].statuses else 0.0
    if age < turn + lasts:
        return _cancelling(job, age)
    return _turned(job, "Cancelled", turn + lasts, turn)


def _contradictory(job: Job, _: float) -> JobMoment:
    return JobMoment(
        status="Success",
        progress=job.entries,
        completed=False,
        created=job.created,
        updated=job.created,
        error=job.error,
    )


_SHAPES: Final[Mapping[Shape, Callable[[Job, float], JobMoment]]] = {
    Shape.STEADY: _steady,
    Shape.FAST: _steady,
    Shape.SLOW_START: _late("Start"),
    Shape.PENDING: _late("Pending"),
    Shape.STALLED: _stalled,
    Shape.FAILED: _failed,
    Shape.CANCELLING: _cancelling,
    Shape.CANCELLED: _cancelled,
    Shape.CONTRADICTORY: _contradictory,
}
