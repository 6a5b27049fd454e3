"""When a wait for one job is over, and how it went. Pure: time is an argument."""

import enum
from dataclasses import dataclass
from typing import Final

from exporter.errors import (
    AccountLacking,
    AuthRejected,
    BadRequest,
    ClockSkewed,
    InternalError,
    NamespacePasswordRejected,
    NoCredentials,
    NotFound,
    PermissionDenied,
    QueryError,
)
from exporter.gpdb.kinds import KINDS, TimeLimits
from exporter.model import JobRef, JobState, JobStatus

INTERVAL: Final = 5.0
"""Seconds between two queries: the vendor's advice."""
LONGEST: Final = 86_400.0
"""Seconds of a wait where neither the user nor the vendor says how long the job may take."""

_TRIES = 3  # answers in a row that no patience makes better, until a wait gives up
_HOPELESS = (
    AccountLacking,
    AuthRejected,
    BadRequest,
    ClockSkewed,
    InternalError,
    NamespacePasswordRejected,
    NoCredentials,
    NotFound,
    PermissionDenied,
)
_QUEUED = (JobStatus.PENDING, JobStatus.START)


class Outcome(enum.IntEnum):
    """How a wait ended, as the exit code of the command."""

    SUCCESS = 0
    FAILED = 1
    CANCELLED = 3
    UNFINISHED = 4  # past its planned end or the timeout, and unfinished by its last answer
    UNKNOWN = 5  # no good answer says how the job ended


_ENDS = {
    JobStatus.SUCCESS: Outcome.SUCCESS,
    JobStatus.FAILED: Outcome.FAILED,
    JobStatus.CANCELLED: Outcome.CANCELLED,
}


@dataclass(slots=True)
class Wait:
    """A wait for the end of one job.

    Attributes:
        ref: the job.
        limits: how long jobs of its kind may take.
        began: Unix seconds, when the wait began.
        timeout: seconds that it may take; None for as long as the job may.
        state: the last good answer.
        error: why the last query failed; None when it worked.
        hopeless: failures in a row that no patience makes better.
        turn_at: Unix seconds, when the job was last observed to wait for its turn, or its creation.
    """

    ref: JobRef
    limits: TimeLimits
    began: float
    timeout: float | None = None
    state: JobState | None = None
    error: QueryError | None = None
    hopeless: int = 0
    turn_at: float | None = None

    @property
    def end(self) -> float:
        """When the wait ends, whatever the job does, in Unix seconds.

        A timeout is the user's word. Without one it is the job's planned end, counted from the
        creation, or from when it was last seen in a queue; before the first answer, from now.
        """
        if self.timeout is not None:
            return self.began + self.timeout
        longest = KINDS[self.ref.kind].longest(self.ref, self.limits)
        if longest is None or self.is_queued:
            return self.began + LONGEST
        return (self.began if self.turn_at is None else self.turn_at) + longest

    @property
    def is_queued(self) -> bool:
        """Whether the job has not begun, by its last answer."""
        return self.state is not None and self.state.status in _QUEUED

    def answer(self, state: JobState, now: float) -> Outcome | None:
        """Take over a good answer; return how the wait ended, or None while it goes on.

        Args:
            state: of the job.
            now: Unix seconds.
        """
        self.state, self.error, self.hopeless = state, None, 0
        if self.is_queued:
            self.turn_at = now
        elif self.turn_at is None:
            self.turn_at = state.created
        if state.status in _ENDS:
            return _ENDS[state.status]
        return Outcome.UNFINISHED if now >= self.end else None

    def fail(self, error: QueryError, now: float) -> Outcome | None:
        """Take over a failure; return how the wait ended, or None while it goes on."""
        self.error = error
        self.hopeless = self.hopeless + 1 if isinstance(error, _HOPELESS) else 0
        if self.hopeless >= _TRIES:
            return Outcome.UNKNOWN
        if now < self.end:
            return None
        return Outcome.UNKNOWN if self.state is None else Outcome.UNFINISHED
