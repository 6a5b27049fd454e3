"""The routes: which path answers what. Knows HTTP, and of the exporter only what Backend says."""

import gzip
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol
from urllib.parse import parse_qs, quote, unquote, urlsplit

from exporter.config import ScrapeSettings
from exporter.errors import ConfigurationError
from exporter.model import EVERYTHING, Shard, Snapshot
from exporter.web.messages import Request, Response, normal_path, text
from exporter.web.negotiation import accepts_gzip, is_cross_site, scrape_budget
from exporter.web.registration import JOBS, LARGEST_BODY, Registration

HEALTHY = "/-/healthy"
READY = "/-/ready"
RELOAD = "/-/reload"

_GET = ("GET", "HEAD")
_IGNORED = 65_536  # bytes of a body that no answer depends on
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
        """Return what scrapes have seen so far. Makes no call."""

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
        telemetry_path: as ``parse_telemetry_path`` returns it; below the prefix.
        lifecycle: whether POST /-/reload is allowed.
        shard: which of the jobs are watched, for the page.
        query_command: the words of the command ``query`` that work for this process.
        route_prefix: comes before every path; as ``parse_route_prefix`` returns it.
        external_url: as ``parse_external_url`` returns it; empty if it is not known.
    """

    version: str
    telemetry_path: str = "/metrics"
    lifecycle: bool = False
    shard: Shard = EVERYTHING
    query_command: tuple[str, ...] = ("adbpg-job-exporter", "query")
    route_prefix: str = ""
    external_url: str = ""


@dataclass(frozen=True, slots=True)
class Route:
    """What a path answers.

    Attributes:
        methods: others are answered by 405.
        answer: makes the response.
        body_bytes: that the path takes with a request; more is answered by 413.
    """

    methods: tuple[str, ...]
    answer: Callable[[Request], Response]
    body_bytes: int = 0


def parse_telemetry_path(value: str) -> str:
    """Return the value of ``--web.telemetry-path``, checked.

    Raises:
        ValueError: no request could ever reach it. The message says what was expected.
    """
    if not value.startswith("/") or not _can_be_requested(value):
        raise ValueError(f"expected a path such as /metrics, got {value!r}")
    if value in (HEALTHY, READY, RELOAD):
        raise ValueError(f"expected a path other than {value}, which answers something else")
    return value


def parse_route_prefix(value: str) -> str:
    """Return the value of ``--web.route-prefix`` without a slash at its end; empty for ``/``.

    Raises:
        ValueError: no request could ever reach what is below it.
    """
    prefix = "/" + value.strip("/")
    if not _can_be_requested(prefix):
        raise ValueError(f"expected a path such as /adbpg, got {value!r}")
    return prefix.rstrip("/")


def _can_be_requested(path: str) -> bool:
    """Whether a request can have it as its path, and a link: ``//`` leads to another host."""
    is_plain = path.isprintable() and not set(path) & set("?#% ")
    return is_plain and "//" not in path and not {".", ".."} & set(path.split("/"))


def parse_external_url(value: str) -> str:
    """Return the value of ``--web.external-url`` without a slash at its end; empty for none.

    Raises:
        ValueError: it is no URL of a server, or its path could be no prefix.
    """
    if value and not _is_server_url(value):
        raise ValueError(f"expected a URL such as https://example.com/adbpg/, got {value!r}")
    prefix_of(value)
    return value.rstrip("/")


def _is_server_url(value: str) -> bool:
    """Whether it is the URL of a server and a folder there, with neither query nor password."""
    try:
        url = urlsplit(value)
        port = url.port
    except ValueError:  # a port that is no number, brackets without an address
        return False
    named = url.scheme in ("http", "https") and bool(url.hostname) and port != 0
    return named and "@" not in url.netloc and not set(value) & set("?# \"'<>\\")


def prefix_of(external_url: str) -> str:
    """Return the route prefix that a URL's path gives.

    Raises:
        ValueError: its path could be no prefix.
    """
    return parse_route_prefix(unquote(urlsplit(external_url).path))


class App:
    """The handler that ``Server`` calls.

    Args:
        backend: what the routes show and do.
        settings: what the flags say.
        scrape: returns the settings of scrapes, called at each, since a reload may change them.
        error_text: makes of a job's error text what the page may show of it; empty for nothing.
        registration: answers those who announce jobs; None where nobody can.

    Attributes:
        probes: the paths of health and readiness.
        token_paths: what the paths of announced jobs begin with.
    """

    def __init__(
        self,
        backend: Backend,
        settings: Settings,
        scrape: Callable[[], ScrapeSettings],
        error_text: Callable[[str], str] = str,
        registration: Registration | None = None,
    ) -> None:
        self._backend = backend
        self._settings = settings
        self._scrape_settings = scrape
        self._error_text = error_text
        self._prefix = prefix = normal_path(settings.route_prefix)
        self._registration = registration
        self.probes = (prefix + HEALTHY, prefix + READY)
        self.token_paths = prefix + JOBS
        self._routes = {
            f"{prefix}/": Route(_GET, self._page),
            prefix + HEALTHY: Route(_GET, self._healthy),
            prefix + READY: Route(_GET, self._ready),
            # A reload needs no body, but a script may send one.
            prefix + RELOAD: Route(("POST",), self._reload, body_bytes=_IGNORED),
            prefix + normal_path(settings.telemetry_path): Route(_GET, self._metrics),
        }
        if prefix:
            self._routes |= dict.fromkeys(("/", prefix), Route(_GET, self._to_prefix))

    def body_limit(self, request: Request) -> int:
        """Return how many bytes of body are taken; for a 404 or a 405 as many as are ignored."""
        route = self._route(request.path)
        return route.body_bytes if route and request.method in route.methods else _IGNORED

    def __call__(self, request: Request) -> Response:
        """Answer a request."""
        route = self._route(request.path)
        if route is None:
            there = f"{self._settings.route_prefix}/"
            return text(404, f"Not found. There is a page at {there} that leads on.")
        if request.method not in route.methods:
            allowed = ", ".join(route.methods)
            return text(405, f"This path takes {allowed} only.", ("Allow", allowed))
        if route.methods != _GET and is_cross_site(request.headers, self._settings.external_url):
            return text(403, "Refused: the page of another site has sent this request.")
        return route.answer(request)

    def _route(self, path: str) -> Route | None:
        route = self._routes.get(path)
        registration = self._registration
        if route or registration is None or not path.startswith(self.token_paths):
            return route
        if not registration.is_on:
            return None
        if path == self.token_paths:
            return Route(("POST",), registration.announce, body_bytes=LARGEST_BODY)
        named = path.removeprefix(self.token_paths).removeprefix("/")
        if named.count("/") != 1 or path == self.token_paths + named:
            return None
        return Route((*_GET, "DELETE"), lambda request: registration.one(request, named))

    def _to_prefix(self, request: Request) -> Response:
        """Lead to the page, by a relative reference: a proxy may know this path by another."""
        prefix = self._settings.route_prefix
        there = prefix.rpartition("/")[2] if request.path == self._prefix else prefix[1:]
        return text(302, "The page is below the prefix.", ("Location", f"./{quote(there)}/"))

    def _metrics(self, request: Request) -> Response:
        settings = self._scrape_settings()
        budget = scrape_budget(
            request.headers.get("x-prometheus-scrape-timeout-seconds"),
            timeout=settings.timeout,
            offset=settings.timeout_offset,
        )
        compress = accepts_gzip(request.headers.get("accept-encoding"))
        content_type, body = self._backend.scrape(
            request.headers.get("accept", ""), _names(request.query), budget, gzip=compress
        )
        headers = (("Vary", "Accept-Encoding, Accept"), *(_GZIP if compress else ()))
        return Response(200, content_type, body, headers)

    def _page(self, request: Request) -> Response:
        from exporter.web import page, rows, views  # noqa: PLC0415  only the first view pays for Jinja2

        body = page.render(
            self._backend.last_seen(),
            version=self._settings.version,
            telemetry_path=self._settings.telemetry_path,
            shard=self._settings.shard,
            external_url=self._settings.external_url,
            view=views.View.parse(request.query),
            asides=rows.Asides(self._settings.query_command, self._error_text),
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
