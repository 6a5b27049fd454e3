"""The routes: which path answers what. Knows HTTP, and of the exporter only what Backend says."""

import gzip
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol
from urllib.parse import parse_qs

from exporter.errors import ConfigurationError
from exporter.model import EVERYTHING, Shard, Snapshot
from exporter.web.messages import Request, Response, text
from exporter.web.negotiation import accepts_gzip, scrape_budget

HEALTHY = "/-/healthy"
READY = "/-/ready"
RELOAD = "/-/reload"

_GET = ("GET", "HEAD")
_HTML = "text/html; charset=utf-8"
_GZIP = (("Content-Encoding", "gzip"),)
_PAGE_HEADERS = (
    ("Cache-Control", "no-store"),
    ("Referrer-Policy", "no-referrer"),
    ("Vary", "Accept-Encoding"),
)


class Backend(Protocol):
    """What the routes need of the exporter. Every method is called in many threads at once."""

    def scrape(
        self, accept: str, names: tuple[str, ...], budget: float, *, gzip: bool
    ) -> tuple[str, bytes]:
        """Return the metrics' content type and text.

        Args:
            accept: the value of the header Accept; empty for none.
            names: of the metrics asked for; empty for all.
            budget: seconds that this may take.
            gzip: whether the text is to be compressed.
        """

    def last_seen(self) -> Snapshot:
        """Return what scrapes have seen so far. Asks nothing of the API."""

    def reload(self) -> None:
        """Take a changed configuration into use.

        Raises:
            ConfigurationError: it cannot be used; the one in use stays.
        """

    def is_ready(self) -> bool:
        """Return whether the configuration is loaded and the process is not stopping."""


@dataclass(frozen=True, slots=True)
class Settings:
    """What the flags say about the routes.

    Attributes:
        version: of the exporter, for the page.
        telemetry_path: as ``parse_telemetry_path`` returns it.
        lifecycle: whether POST /-/reload is allowed.
        shard: which of the jobs are watched, for the page.
    """

    version: str
    telemetry_path: str = "/metrics"
    lifecycle: bool = False
    shard: Shard = EVERYTHING


@dataclass(frozen=True, slots=True)
class ScrapeTimeouts:
    """What the configuration says about a scrape's budget.

    Attributes:
        timeout: seconds, for a scrape that brings no X-Prometheus-Scrape-Timeout-Seconds.
        offset: seconds taken off that header.
    """

    timeout: float = 9.0
    offset: float = 0.5


def parse_telemetry_path(value: str) -> str:
    """Return the value of ``--web.telemetry-path``, checked.

    Raises:
        ValueError: no request could ever reach it. The message says what was expected.
    """
    if not value.startswith("/") or not value.isprintable() or set(value) & set("?#% "):
        raise ValueError(f"expected a path such as /metrics, got {value!r}")
    if value in (HEALTHY, READY, RELOAD):
        raise ValueError(f"expected a path other than {value}, which answers something else")
    return value


class App:
    """The handler that ``Server`` calls.

    Args:
        backend: what the routes show and do.
        settings: what the flags say.
        timeouts: asked at every scrape, since a reload may change them.
    """

    def __init__(
        self, backend: Backend, settings: Settings, timeouts: Callable[[], ScrapeTimeouts]
    ) -> None:
        self._backend = backend
        self._settings = settings
        self._timeouts = timeouts
        self._routes: dict[str, tuple[tuple[str, ...], Callable[[Request], Response]]] = {
            "/": (_GET, self._page),
            HEALTHY: (_GET, self._healthy),
            READY: (_GET, self._ready),
            RELOAD: (("POST",), self._reload),
            settings.telemetry_path: (_GET, self._metrics),
        }

    def __call__(self, request: Request) -> Response:
        """Answer a request."""
        methods, answer = self._routes.get(request.path, ((), None))
        if answer is None:
            return text(404, "Not found. There is a page at / that leads on.")
        if request.method not in methods:
            allowed = ", ".join(methods)
            return text(405, f"Only {allowed} can be asked of this path.", ("Allow", allowed))
        return answer(request)

    def _metrics(self, request: Request) -> Response:
        timeouts = self._timeouts()
        budget = scrape_budget(
            request.headers.get("x-prometheus-scrape-timeout-seconds"),
            timeout=timeouts.timeout,
            offset=timeouts.offset,
        )
        compress = accepts_gzip(request.headers.get("accept-encoding"))
        content_type, body = self._backend.scrape(
            request.headers.get("accept", ""), _names(request.query), budget, gzip=compress
        )
        headers = (("Vary", "Accept-Encoding, Accept"), *(_GZIP if compress else ()))
        return Response(200, content_type, body, headers)

    def _page(self, request: Request) -> Response:
        from exporter.web import page  # noqa: PLC0415  only the first view pays for Jinja2

        body = page.render(
            self._backend.last_seen(),
            version=self._settings.version,
            telemetry_path=self._settings.telemetry_path,
            shard=self._settings.shard,
            host=request.headers.get("host", ""),
            refreshing="paused" not in parse_qs(request.query, keep_blank_values=True),
        )
        headers = (("Content-Security-Policy", page.CONTENT_SECURITY_POLICY), *_PAGE_HEADERS)
        if not accepts_gzip(request.headers.get("accept-encoding")):
            return Response(200, _HTML, body, headers)
        compressed = gzip.compress(body, compresslevel=1, mtime=0)
        return Response(200, _HTML, compressed, (*headers, *_GZIP))

    def _healthy(self, _: Request) -> Response:
        return text(200, "Healthy.")

    def _ready(self, _: Request) -> Response:
        if self._backend.is_ready():
            return text(200, "Ready.")
        return text(503, "Not ready: starting or stopping.")

    def _reload(self, _: Request) -> Response:
        if not self._settings.lifecycle:
            return text(403, "Reloading by HTTP is off. Start with --web.enable-lifecycle.")
        try:
            self._backend.reload()
        except ConfigurationError as error:
            return text(400, str(error))
        return text(200, "Reloaded.")


def _names(query: str) -> tuple[str, ...]:
    return tuple(parse_qs(query).get("name[]", ()))
