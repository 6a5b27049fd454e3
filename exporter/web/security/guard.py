"""Stands before the routes: asks for a password, and adds the configured headers."""

import time
from collections.abc import Callable, Collection
from dataclasses import replace

from exporter.web.app import HEALTHY, READY
from exporter.web.bucket import Bucket
from exporter.web.messages import Handler, Request, Response, text
from exporter.web.registration import JOBS
from exporter.web.security.file import WebConfig
from exporter.web.security.passwords import Passwords, Verdict

_CHALLENGE = ("WWW-Authenticate", 'Basic realm="adbpg-job-exporter", charset="UTF-8"')
_AGAIN = ("Retry-After", "1")  # seconds
# The server itself adds it to every answer.
_ALWAYS_SET = "X-Content-Type-Options"


class Guard:
    """A handler around another one.

    Args:
        handler: answers the requests that may pass.
        config: read at every request, since it may have changed.
        passwords: checks them.
        probes: the paths that may answer without one, if the configuration says so.
        token_paths: what begins with this asks for a token of its own, and takes no password.
        clock: monotonic seconds.
    """

    def __init__(
        self,
        handler: Handler,
        config: Callable[[], WebConfig],
        passwords: Passwords,
        probes: Collection[str] = (HEALTHY, READY),
        *,
        token_paths: str = JOBS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._handler = handler
        self._config = config
        self._passwords = passwords
        self._probes = probes
        self._token_paths = token_paths
        self._bucket = Bucket(clock)

    def __call__(self, request: Request) -> Response:
        """Answer a request, or refuse it."""
        config = self._config()
        response = self._refusal(config, request) or self._handler(request)
        there = {name for name, _ in response.headers} | {_ALWAYS_SET}
        added = tuple(header for header in config.headers if header[0] not in there)
        return replace(response, headers=response.headers + added) if added else response

    def _refusal(self, config: WebConfig, request: Request) -> Response | None:
        limit = config.rate_limit
        if not self._bucket.allows(limit.interval, limit.burst):
            return text(429, "Too many requests: see rate_limit of the web configuration.")
        if not config.users or self._needs_no_password(config, request.path):
            return None
        verdict = self._passwords.check(config.users, request.headers.get("authorization", ""))
        match verdict:
            case Verdict.GOOD:
                return None
            case Verdict.BAD:
                return text(401, "Unauthorized: a user's name and password are needed.", _CHALLENGE)
            case Verdict.BUSY:
                return text(503, "Too many passwords are being checked: try again.", _AGAIN)

    def _needs_no_password(self, config: WebConfig, path: str) -> bool:
        if path == self._token_paths or path.startswith(f"{self._token_paths}/"):
            return True
        return config.probes_without_auth and path in self._probes
