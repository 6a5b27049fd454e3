"""Stands before the routes: asks for a password, and adds the configured headers."""

import threading
import time
from collections.abc import Callable, Collection
from dataclasses import replace

from exporter.web.app import HEALTHY, READY
from exporter.web.messages import Handler, Request, Response, text
from exporter.web.security.file import WebConfig
from exporter.web.security.passwords import Passwords, Verdict
from exporter.web.security.settings import RateLimit

_CHALLENGE = ("WWW-Authenticate", 'Basic realm="adbpg-job-exporter", charset="UTF-8"')
_AGAIN = ("Retry-After", "1")  # seconds
# The server itself adds it to every answer.
_ALWAYS_SET = "X-Content-Type-Options"


class Bucket:
    """A bucket of tokens: each request takes one, and each interval brings one.

    Args:
        clock: monotonic seconds.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._limit = RateLimit()
        self._tokens = 0.0
        self._at = 0.0  # when there were so many

    def allows(self, limit: RateLimit) -> bool:
        """Take a token, if the limit leaves one. Another limit begins with a full bucket."""
        if not limit.interval:
            return True
        now = self._clock()
        with self._lock:
            if limit != self._limit:
                self._limit, self._tokens = limit, float(limit.burst)
            else:
                more = (now - self._at) / limit.interval
                self._tokens = min(self._tokens + more, float(limit.burst))
            self._at = now
            if self._tokens < 1:
                return False
            self._tokens -= 1
            return True


class Guard:
    """A handler around another one.

    Args:
        handler: answers the requests that may pass.
        config: asked at every request, since it may have changed.
        passwords: checks them.
        probes: the paths that may answer without one, if the configuration says so.
        clock: monotonic seconds.
    """

    def __init__(
        self,
        handler: Handler,
        config: Callable[[], WebConfig],
        passwords: Passwords,
        probes: Collection[str] = (HEALTHY, READY),
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._handler = handler
        self._config = config
        self._passwords = passwords
        self._probes = probes
        self._bucket = Bucket(clock)

    def __call__(self, request: Request) -> Response:
        """Answer a request, or refuse it."""
        config = self._config()
        response = self._refusal(config, request) or self._handler(request)
        there = {name for name, _ in response.headers} | {_ALWAYS_SET}
        added = tuple(header for header in config.headers if header[0] not in there)
        return replace(response, headers=response.headers + added) if added else response

    def _refusal(self, config: WebConfig, request: Request) -> Response | None:
        if not self._bucket.allows(config.rate_limit):
            return text(429, "Too many requests: see rate_limit of the web configuration.")
        if not config.users:
            return None
        if config.probes_without_auth and request.path in self._probes:
            return None
        verdict = self._passwords.check(config.users, request.headers.get("authorization", ""))
        match verdict:
            case Verdict.GOOD:
                return None
            case Verdict.BAD:
                return text(401, "Unauthorized: a user's name and password are needed.", _CHALLENGE)
            case Verdict.BUSY:
                return text(503, "Too many passwords are being checked: ask again.", _AGAIN)
