"""What can go wrong, as a tree that is grouped by what the caller does about it.

::

    AdbpgError                   everything that this package raises on purpose
    ├── ConfigurationError       show the user every problem, start nothing
    ├── StoreFailed              scrapes go on without the store, requests are answered by a 503
    │   └── StoreUnusable
    ├── RefusedAnnouncement      announced jobs are not taken: answer by a 4xx
    │   ├── ForbiddenTarget
    │   ├── Conflict
    │   └── TooManyJobs
    └── QueryError               one query of one job failed: count its reason, go on
        ├── ApiError             the API answered, and said no
        │   ├── Throttled            throttled
        │   ├── AuthRejected         auth
        │   ├── ClockSkewed          clock_skew
        │   ├── PermissionDenied     permission
        │   ├── NamespacePasswordRejected    namespace_password
        │   ├── InstanceNotReady     instance_state
        │   ├── AccountLacking       account
        │   ├── NotFound             not_found
        │   ├── BadRequest           bad_request
        │   ├── ApiFailed            api_fail
        │   └── ServerFailed         server
        ├── AnswerError          something answered, but not as the API does
        │   ├── BadAnswer            bad_answer
        │   ├── AnswerTooLarge       too_large
        │   └── Redirected           redirect
        ├── NoAnswer             nothing answered
        │   ├── TimedOut             timeout
        │   ├── ConnectionFailed     connection
        │   ├── NameNotResolved      dns
        │   ├── TlsFailed            tls
        │   └── ProxyRefused         proxy
        └── NotSent              the query never left this process
            ├── NoCredentials        credentials
            └── InternalError        internal

Each leaf below ``QueryError`` has a ``reason``. It is the value of the label ``reason`` of
``adbpg_exporter_api_errors_total``, so a new leaf is a new label value by construction.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar


class AdbpgError(Exception):
    """Everything that this package raises on purpose."""


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """One mistake in a configuration: where it is and what was expected there.

    Attributes:
        file: the file's path as the user gave it.
        line: 1-based; 0 when the mistake has no place in the file (it is missing, unreadable).
        column: 1-based; 0 likewise.
        path: the key's path such as ``targets[0].jobs[1].id``; empty for the file as a whole.
        message: what was expected, and what to do. Never holds a value that may be secret.
    """

    file: str
    line: int
    column: int
    path: str
    message: str

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}:{self.column}" if self.line else self.file
        return ": ".join(part for part in (place, self.path, self.message) if part)


class ConfigurationError(AdbpgError):
    """The configuration cannot be used. Holds every problem found, in the file's order."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(sorted(problems))
        super().__init__("\n".join(map(str, self.problems)))


class StoreFailed(AdbpgError):
    """The store fails, and may do so later."""


class StoreUnusable(StoreFailed):
    """The store will not do so either: the configuration, or what is there, has to change."""


class RefusedAnnouncement(AdbpgError):
    """Announced jobs are not taken. The message says why."""


class ForbiddenTarget(RefusedAnnouncement):
    """The token is not for the target of a job, or there is no such target."""


class Conflict(RefusedAnnouncement):
    """A job of this id is known with another collection or kind, or cannot have these facts."""


class TooManyJobs(RefusedAnnouncement):
    """More unfinished jobs would be announced than can be watched."""


class QueryError(AdbpgError):
    """One query failed. The text is for the log; it holds no secret.

    Attributes:
        reason: why, out of a closed set.
        clock_skew: seconds that the answer's Date header was ahead of our clock, where there
            was an answer.
        request_id: the answer's RequestId, which the vendor's support asks for; empty without.
    """

    reason: ClassVar[str]
    clock_skew: float | None = None
    request_id: str = ""


class ApiError(QueryError):
    """The API answered, and said no.

    Attributes:
        code: the API's ``Code`` such as ``Throttling.User``; empty when it gave none.
        http_status: of the answer.
        retry_after: seconds that the API asks to wait, where it says so.
    """

    def __init__(
        self,
        message: str,
        *,
        code: str = "",
        http_status: int = 0,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.http_status = http_status
        self.retry_after = retry_after


class Throttled(ApiError):
    """Too many calls: this host wants fewer."""

    reason = "throttled"


class AuthRejected(ApiError):
    """The access key is unknown, disabled or wrong, or its temporary token has ended."""

    reason = "auth"


class ClockSkewed(ApiError):
    """This machine's clock and the API's differ by more than the API allows."""

    reason = "clock_skew"


class PermissionDenied(ApiError):
    """The access key is good, but may not do this."""

    reason = "permission"


class NamespacePasswordRejected(ApiError):
    """The password of the target's namespace is wrong. It says nothing about the access key."""

    reason = "namespace_password"


class InstanceNotReady(ApiError):
    """The instance restarts, is changed or is locked: it takes no calls for now."""

    reason = "instance_state"


class AccountLacking(ApiError):
    """The account has not opened the service, has not paid, or is held by risk control."""

    reason = "account"


class NotFound(ApiError):
    """The API does not know this job, collection, namespace or instance.

    Attributes:
        what: which of them, in one word; empty where its code names none. Only of a ``job`` does
            it say that the job is gone.
    """

    reason = "not_found"

    def __init__(
        self,
        message: str,
        *,
        what: str = "",
        code: str = "",
        http_status: int = 0,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message, code=code, http_status=http_status, retry_after=retry_after)
        self.what = what


class BadRequest(ApiError):
    """The API found a parameter missing or wrong."""

    reason = "bad_request"


class ApiFailed(ApiError):
    """The API says no within an HTTP 200, or by the catch-all ``Service.Exception``."""

    reason = "api_fail"


class ServerFailed(ApiError):
    """The API failed inside."""

    reason = "server"


class AnswerError(QueryError):
    """Something answered, but not as the API does."""


class BadAnswer(AnswerError):
    """No JSON object, no job in it, or another job than the one queried.

    Attributes:
        is_of_api: it is a JSON object as the API makes them; only the job is not in it.
    """

    reason = "bad_answer"

    def __init__(self, message: str, *, is_of_api: bool = False) -> None:
        super().__init__(message)
        self.is_of_api = is_of_api


class AnswerTooLarge(AnswerError):
    """The body is over ``api.max_response_bytes``."""

    reason = "too_large"


class Redirected(AnswerError):
    """A 3xx. It is never followed: the request carries the namespace password."""

    reason = "redirect"


class NoAnswer(QueryError):
    """Nothing answered."""


class TimedOut(NoAnswer):
    """No whole answer within ``api.request_timeout``."""

    reason = "timeout"


class ConnectionFailed(NoAnswer):
    """Refused, reset or closed before the whole answer was there."""

    reason = "connection"


class NameNotResolved(NoAnswer):
    """The host's name has no address, or the resolver is silent."""

    reason = "dns"


class TlsFailed(NoAnswer):
    """No trusted TLS connection: name, date, issuer or version."""

    reason = "tls"


class ProxyRefused(NoAnswer):
    """A proxy answered in the API's place, and did not let the call through."""

    reason = "proxy"


class NotSent(QueryError):
    """The query never left this process."""


class NoCredentials(NotSent):
    """No usable access key, or a secret's file cannot be read."""

    reason = "credentials"


class InternalError(NotSent):
    """A fault of our own. The log has the place."""

    reason = "internal"


def _leaves(cls: type[QueryError]) -> Iterator[type[QueryError]]:
    subclasses = cls.__subclasses__()
    if not subclasses:
        yield cls
    for subclass in subclasses:
        yield from _leaves(subclass)


REASONS: tuple[str, ...] = tuple(leaf.reason for leaf in _leaves(QueryError))
