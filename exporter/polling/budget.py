"""How many calls a host may have, and of a target. Time and chance are arguments."""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from exporter.backoff import Backoff
from exporter.errors import (
    AccountLacking,
    AnswerError,
    ApiError,
    ApiFailed,
    AuthRejected,
    BadRequest,
    InstanceNotReady,
    NamespacePasswordRejected,
    NotFound,
    PermissionDenied,
    QueryError,
    Throttled,
)
from exporter.polling.record import Record

_THROTTLED = Backoff(first=1.0, longest=60.0)  # how long a host is left alone
_AUTH_PAUSE = 60.0  # seconds between calls with an access key that was refused
_PROBE_PATIENCE = 0.5  # seconds that the first call of a target goes alone
# A host that is throttling or in trouble may say so before it looks at the key.
_KEY_ACCEPTED = (
    PermissionDenied,
    NamespacePasswordRejected,
    InstanceNotReady,
    AccountLacking,
    NotFound,
    BadRequest,
    ApiFailed,
)


class HostLimit:
    """Calls to one host: at most ``calls_per_second`` in any second, and a pause when it wants one.

    It keeps the times of the last calls, so that the limit holds in each second wherever that
    second begins, and not just on average. After a pause one call goes alone: the others wait
    until the host has answered it.
    """

    def __init__(self, calls_per_second: int) -> None:
        self._started: deque[float] = deque(maxlen=calls_per_second)
        self._throttled = 0  # times in a row
        self._probe: float | None = None  # when the one call after a pause began
        self.paused_until = 0.0
        self.is_probing = False

    def allow(self, calls_per_second: int) -> None:
        """Change the limit. The last calls and a pause still count."""
        self._started = deque(self._started, maxlen=calls_per_second)

    def wait(self, now: float) -> float | None:
        """Return the seconds until the next call may start; None when only an answer helps."""
        if self._probe is not None:
            return None
        earliest = self.paused_until
        if len(self._started) == self._started.maxlen:
            earliest = max(earliest, self._started[0] + 1.0)
        return max(earliest - now, 0.0)

    def started(self, now: float) -> None:
        """Note a call that starts now."""
        self._started.append(now)
        self._probe = now if self.is_probing else None

    def ended(
        self, began: float, now: float, error: QueryError | None, chance: Callable[[], float]
    ) -> None:
        """Note how a call ended, and pause where the host throttles or asks to wait.

        Args:
            began: monotonic seconds, when the call started.
            now: monotonic seconds.
            error: None for a good answer.
            chance: gives a number from 0 to 1, so that several exporters do not return as one.
        """
        is_probe = began == self._probe
        is_stale = self.is_probing and not is_probe  # it was under way when the pause began
        if is_probe:
            self._probe = None
        retry_after = error.retry_after if isinstance(error, ApiError) else None
        if isinstance(error, Throttled) and not is_stale:
            # By chance up to half less.
            self.paused_until = now + _THROTTLED.pause(self._throttled) * (1 - chance() / 2)
            self._throttled += 1
        if isinstance(error, Throttled) or retry_after:
            self.paused_until = max(self.paused_until, now + (retry_after or 0.0))
            self.is_probing = True
        elif not is_stale and (error is None or isinstance(error, ApiError | AnswerError)):
            self.is_probing = False  # else there was no answer: the next call goes alone, too
            if error is None:
                self._throttled = 0


@dataclass(slots=True)
class TargetBudget:
    """One target's part in the rounds. A dead target must not hold the calls of the others.

    A target may use its share of the calls, and one more for each answer that it gave in this
    round, good or bad: a healthy one soon has all that are free, a dead one never more than its
    share.

    Attributes:
        limit: of the target's host; shared with the targets of the same host.
        key_version: of the access key; a new key gets a new budget.
        queue: the jobs that are due in this round, the longest unqueried first.
        in_flight: calls under way.
        earned: answers in this round.
        proven: the present access key was not refused.
        refused_until: monotonic seconds; the key was refused, and is tried again after that.
        probe_until: monotonic seconds; until then the first call goes alone.
        api_clock: Unix seconds of the API's clock less our monotonic ones, at the last answer.
    """

    limit: HostLimit
    key_version: int = 0
    queue: deque[Record] = field(default_factory=deque)
    in_flight: int = 0
    earned: int = 0
    proven: bool = False
    refused_until: float = 0.0
    probe_until: float | None = None
    api_clock: float | None = None

    def is_open(self, now: float) -> bool:
        """Whether a query makes sense now: the key is not known to be refused, no pause."""
        return now >= self.refused_until and now >= self.limit.paused_until

    def wait(self, now: float, share: int) -> float | None:
        """Return the seconds until its next call may start; None when only an answer helps."""
        wait = self.limit.wait(now)
        if wait is None or self.in_flight >= share + self.earned:
            return None
        if not self.proven and self.in_flight:
            # A refused key costs one call. A target that is only slow is not waited for long.
            return None if self.probe_until is None else max(wait, self.probe_until - now)
        return wait

    def started(self, now: float) -> None:
        """Note a call that starts now."""
        if not self.proven and self.probe_until is None and not self.refused_until:
            self.probe_until = now + _PROBE_PATIENCE
        self.in_flight += 1
        self.limit.started(now)

    def answered(self) -> None:
        """Note a good answer."""
        self.in_flight -= 1
        self.earned += 1
        self._accepted()

    def failed(self, error: QueryError, now: float) -> None:
        """Note a failure."""
        self.in_flight -= 1
        if isinstance(error, AuthRejected):
            self.proven = False
            self.probe_until = None
            self.refused_until = now + _AUTH_PAUSE
            self.queue.clear()
        elif isinstance(error, ApiError | AnswerError):
            self.earned += 1
            if isinstance(error, _KEY_ACCEPTED):
                self._accepted()
        else:
            self.earned = 0

    def _accepted(self) -> None:
        self.proven = True
        self.refused_until = 0.0
