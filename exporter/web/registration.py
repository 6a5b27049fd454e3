"""The API with which pipelines announce jobs: who may, and what each request is answered."""

import hashlib
import hmac
import json
import logging
from collections.abc import Callable, Iterable, Mapping
from typing import Final, Protocol
from urllib.parse import unquote

from exporter.config import SHORTEST_TOKEN, Token
from exporter.errors import (
    ConfigurationError,
    Conflict,
    ForbiddenTarget,
    NoCredentials,
    RefusedAnnouncement,
    StoreFailed,
    TooManyJobs,
)
from exporter.web.bucket import Bucket
from exporter.web.messages import Request, Response, text

_log = logging.getLogger(__name__)

JOBS: Final = "/api/v1/jobs"
"""The path on which jobs are announced; each job has one below it."""
LARGEST_BODY: Final = 256 << 10
"""Bytes of an announcement."""

_JSON: Final = "application/json"
_INTERVAL: Final = 0.02  # seconds between two requests of one token, on average
_BURST: Final = 50
_CHALLENGE: Final = ("WWW-Authenticate", 'Bearer realm="adbpg-job-exporter"')
_AGAIN: Final = ("Retry-After", "1")  # seconds
_LATER: Final = ("Retry-After", "5")  # seconds
_REFUSALS: Final[Mapping[type[RefusedAnnouncement], tuple[int, str]]] = {
    ForbiddenTarget: (403, "forbidden"),
    Conflict: (409, "conflict"),
    TooManyJobs: (429, "limited"),
}
_NO_STORE: Final = ("Cache-Control", "no-store")


class Registry(Protocol):
    """What the API needs of the exporter. Every method is called in many threads at once."""

    def tokens(self) -> tuple[Token, ...]:
        """Return the tokens in force; none while announcing is off."""

    def announce(self, body: bytes, token: Token) -> list[dict[str, str]]:
        """Take over the jobs of a body; return target, id and result of each.

        Raises:
            ConfigurationError: with every mistake of the body.
            RefusedAnnouncement: a job cannot be taken.
            StoreFailed: no job can be taken now.
        """

    def forget(self, target: str, job_id: str) -> None:
        """Watch an announced job no longer; may raise StoreFailed."""

    def describe(self, target: str, job_id: str) -> str | None:
        """Return what is known of a job, as JSON; None if it is not watched.

        Raises:
            StoreFailed: that cannot be known now.
        """

    def registration_ended(self, result: str, number: int = 1) -> None:
        """Count how jobs or requests fared."""


class Registration:
    """Answers the requests of pipelines.

    Args:
        registry: takes over the jobs.
        redactor: masks secrets in what the API says of a job.
        clock: monotonic seconds.
    """

    def __init__(
        self, registry: Registry, redactor: Callable[[str], str], clock: Callable[[], float]
    ) -> None:
        self._registry = registry
        self._redactor = redactor
        self._clock = clock
        self._buckets: dict[str, Bucket] = {}
        self._unreadable: set[str] = set()

    @property
    def is_on(self) -> bool:
        """Whether anybody may announce jobs."""
        return bool(self._registry.tokens())

    def announce(self, request: Request) -> Response:
        """Answer a POST that announces jobs."""
        token = self._token(request)
        if isinstance(token, Response):
            return token
        media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if media_type != _JSON:
            return self._refused(415, "invalid", f"Send the header Content-Type: {_JSON}.")
        try:
            results = self._registry.announce(request.body, token)
        except StoreFailed:
            return self._unavailable()
        except ConfigurationError as error:
            self._registry.registration_ended("invalid")
            problems = [{"path": p.path, "message": p.message} for p in error.problems]
            return _json(400, {"errors": problems})
        except RefusedAnnouncement as error:
            return self._refused(*_REFUSALS[type(error)], f"Refused: {error}.")
        created = sum(each["result"] == "created" for each in results)
        facts = {"token": token.name, "jobs_new": created, "jobs_known": len(results) - created}
        _log.log(logging.INFO if created else logging.DEBUG, "jobs announced", extra=facts)
        self._registry.registration_ended("created", created)
        self._registry.registration_ended("known", len(results) - created)
        return _json(201 if created else 200, {"jobs": results})

    def one(self, request: Request, path: str) -> Response:
        """Answer a GET or a DELETE of one job.

        Args:
            request: of the client.
            path: what follows ``JOBS`` and a slash.
        """
        token = self._token(request)
        if isinstance(token, Response):
            return token
        target, _, job_id = (unquote(part) for part in path.partition("/"))
        is_allowed = target in token.targets
        if request.method == "DELETE":
            try:
                if is_allowed:
                    self._registry.forget(target, job_id)
            except StoreFailed:
                return self._unavailable()
            return Response(204, _JSON, b"", (_NO_STORE,))
        try:
            found = self._registry.describe(target, job_id) if is_allowed else None
        except StoreFailed:
            return self._unavailable()
        if found is None:
            return text(404, "No such job of a target of this token is watched.", _NO_STORE)
        return Response(200, _JSON, f"{self._redactor(found)}\n".encode(), (_NO_STORE,))

    def _token(self, request: Request) -> Token | Response:
        """Return the token of a request, or the answer to one that has none or comes too often."""
        scheme, _, given = request.headers.get("authorization", "").partition(" ")
        token = self._known(given.strip()) if scheme.lower() == "bearer" else None
        if token is None:
            message = "Send the header Authorization: Bearer TOKEN, with a token of registration."
            return self._refused(401, "unauthorized", message, _CHALLENGE)
        bucket = self._buckets.setdefault(token.name, Bucket(self._clock))
        if not bucket.allows(_INTERVAL, _BURST):
            message = "More than 50 requests a second: announce several jobs in one list."
            return self._refused(429, "limited", message, _AGAIN)
        return token

    def _known(self, given: str) -> Token | None:
        """Return the token of a value. Every token is compared, each in constant time."""
        found = None
        digest = hashlib.sha256(given.encode()).digest()
        for token, value in self._values(self._registry.tokens()):
            if hmac.compare_digest(hashlib.sha256(value.encode()).digest(), digest):
                found = token
        return found

    def _values(self, tokens: Iterable[Token]) -> Iterable[tuple[Token, str]]:
        for token in tokens:
            try:
                value = _revealed(token)
            except NoCredentials as error:
                if token.name not in self._unreadable:
                    self._unreadable.add(token.name)
                    _log.error("token cannot be used", extra={"token": token.name, "error": error})
                continue
            self._unreadable.discard(token.name)
            yield token, value

    def _unavailable(self) -> Response:
        message = "The store of announced jobs does not answer now: try again. The log says why."
        return self._refused(503, "unavailable", message, _LATER)

    def _refused(
        self, status: int, result: str, message: str, *headers: tuple[str, str]
    ) -> Response:
        self._registry.registration_ended(result)
        return text(status, message, _NO_STORE, *headers)


def _revealed(token: Token) -> str:
    """Return a token's value.

    Raises:
        NoCredentials: it cannot be read, or was renewed with one that is easily guessed.
    """
    value = token.secret.reveal()
    if len(value) < SHORTEST_TOKEN:
        raise NoCredentials(f"expected a token of at least {SHORTEST_TOKEN} characters")
    return value


def _json(status: int, value: Mapping[str, object]) -> Response:
    return Response(status, _JSON, f"{json.dumps(value, indent=2)}\n".encode(), (_NO_STORE,))
