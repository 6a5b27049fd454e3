import re
from gzip import compress, decompress
from urllib.parse import quote, urljoin

import pytest

from exporter.config import ScrapeSettings
from exporter.errors import ConfigurationError, Problem
from exporter.model import Snapshot
from exporter.web.app import (
    App,
    Settings,
    parse_external_url,
    parse_route_prefix,
    parse_telemetry_path,
    prefix_of,
)
from exporter.web.messages import Request, Response, parse_head

METRICS = b"adbpg_job_up 1\n" * 100
TYPE = "text/plain; version=0.0.4; charset=utf-8"


class FakeBackend:
    """Mimics the exporter behind the routes: fixed metrics, no jobs, and a note of what came."""

    def __init__(self) -> None:
        self.scrapes: list[tuple[str, tuple[str, ...], float]] = []
        self.reloads = 0
        self.problems: tuple[Problem, ...] = ()
        self.ready = True

    def scrape(
        self, accept: str, names: tuple[str, ...], budget: float, *, gzip: bool
    ) -> tuple[str, bytes]:
        """Return the same page every time."""
        self.scrapes.append((accept, names, budget))
        return TYPE, compress(METRICS) if gzip else METRICS

    def last_seen(self) -> Snapshot:
        """Return nothing at all, seen at the start of 1970."""
        return Snapshot(0.0, 0.0, (), {}, {})

    def reload(self) -> None:
        """Find the configured problems."""
        self.reloads += 1
        if self.problems:
            raise ConfigurationError(self.problems)

    def is_ready(self) -> bool:
        """Say what was set."""
        return self.ready


@pytest.fixture
def backend() -> FakeBackend:
    """One for each test."""
    return FakeBackend()


@pytest.fixture
def app(backend: FakeBackend) -> App:
    """As it is with the flag for reloading."""
    return App(backend, Settings("1.2.3", lifecycle=True), ScrapeSettings)


def ask(app: App, method: str, target: str, **headers: str) -> Response:
    """Ask the app as the server does."""
    path, _, query = target.partition("?")
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return app(Request(method, path, query, named))


def sent(method: str, target: str, **headers: str) -> Request:
    """Return a request as it is read from the wire."""
    fields = (f"{name}: {headers[name]}" for name in headers)
    lines = (f"{method} {target} HTTP/1.0", *fields, "", "")
    return parse_head("\r\n".join(lines).encode()).request


def header(response: Response, name: str) -> str | None:
    """Return the value of a further header, or None."""
    return dict(response.headers).get(name)


@pytest.mark.parametrize(
    ("method", "target", "status"),
    [
        ("GET", "/", 200),
        ("HEAD", "/", 200),
        ("GET", "/?unknown=1&paused", 200),
        ("GET", "/metrics", 200),
        ("HEAD", "/metrics", 200),
        ("GET", "/metrics?unknown=%zz&&;=", 200),
        ("GET", "/-/healthy", 200),
        ("HEAD", "/-/healthy", 200),
        ("GET", "/-/ready", 200),
        ("POST", "/-/reload", 200),
        ("POST", "/", 405),
        ("PUT", "/metrics", 405),
        ("DELETE", "/-/healthy", 405),
        ("OPTIONS", "/-/ready", 405),
        ("TRACE", "/metrics", 405),
        ("GET", "/-/reload", 405),
        ("HEAD", "/-/reload", 405),
        ("get", "/metrics", 405),
        ("GET", "/nothing", 404),
        ("POST", "/nothing", 404),
        ("GET", "/metrics/", 404),
        ("GET", "//metrics", 404),
        ("GET", "/../metrics", 404),
        ("GET", "/metrics\0", 404),
        ("GET", "/favicon.ico", 404),
        ("OPTIONS", "*", 404),
    ],
)
def test_routes(app: App, method: str, target: str, status: int) -> None:
    """Each path answers to its methods, and to nothing else."""
    assert ask(app, method, target).status == status


@pytest.mark.parametrize(
    ("method", "path", "takes"),
    [
        ("GET", "/metrics", False),
        ("HEAD", "/", False),
        ("POST", "/-/reload", True),
        ("POST", "/metrics", True),
        ("POST", "/nothing", True),
    ],
)
def test_which_requests_may_have_a_body(*, app: App, method: str, path: str, takes: bool) -> None:
    """Where a path reads nothing no body is taken; one that changes no answer is ignored."""
    assert (app.body_limit(Request(method, path, "", {})) > 0) is takes


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [("POST", "/metrics", "GET, HEAD"), ("GET", "/-/reload", "POST")],
)
def test_a_wrong_method_is_told_the_right_one(
    app: App, method: str, path: str, allowed: str
) -> None:
    """A 405 names what is allowed."""
    assert header(ask(app, method, path), "Allow") == allowed


def test_a_scrape_gets_the_metrics(app: App, backend: FakeBackend) -> None:
    """Format, names and budget of a scrape reach the backend, its answer the scraper."""
    response = ask(
        app,
        "GET",
        "/metrics?name[]=a&x=y&name%5B%5D=b%20c&name[]=",
        accept="application/openmetrics-text",
        x_prometheus_scrape_timeout_seconds="10",
    )

    assert backend.scrapes == [("application/openmetrics-text", ("a", "b c"), 9.5)]
    assert (response.content_type, response.body) == (TYPE, METRICS)
    assert header(response, "Vary") == "Accept-Encoding, Accept"
    assert header(response, "Content-Encoding") is None


def test_changed_timeouts_hold_at_once(backend: FakeBackend) -> None:
    """The configuration's timeouts are asked for at every scrape, since a reload changes them."""
    timeouts = iter([ScrapeSettings(timeout=4), ScrapeSettings(timeout=7)])
    app = App(backend, Settings("1.2.3"), lambda: next(timeouts))

    ask(app, "GET", "/metrics")
    ask(app, "GET", "/metrics")

    assert [budget for _, _, budget in backend.scrapes] == [4, 7]


@pytest.mark.parametrize("path", ["/metrics", "/"])
def test_large_answers_are_compressed_for_who_wants_it(app: App, path: str) -> None:
    """Compressed and plain, metrics and page say the same."""
    plain = ask(app, "GET", path)

    packed = ask(app, "GET", path, accept_encoding="gzip")

    assert header(packed, "Content-Encoding") == "gzip"
    assert decompress(packed.body) == plain.body
    assert len(packed.body) < len(plain.body)


def test_the_telemetry_path_can_be_another(backend: FakeBackend) -> None:
    """The metrics move, and the page links to where they are."""
    app = App(backend, Settings("1.2.3", telemetry_path="/probe"), ScrapeSettings)

    assert ask(app, "GET", "/probe").body == METRICS
    assert ask(app, "GET", "/metrics").status == 404
    assert b'href="./probe"' in ask(app, "GET", "/").body


def test_metrics_may_take_the_place_of_the_page(backend: FakeBackend) -> None:
    """With the telemetry path /, the metrics are there and the page is not."""
    app = App(backend, Settings("1.2.3", telemetry_path="/"), ScrapeSettings)

    assert ask(app, "GET", "/").body == METRICS


@pytest.mark.parametrize(
    ("path", "target", "status"),
    [
        ("/m\u00e9triques", "/m%C3%A9triques", 200),
        ("/m\u00e9triques", "/m%c3%a9tri%71ues", 200),
        ("/a|b", "/a|b", 200),
        ("/a|b", "/a%7cb", 200),
        ("/a/b", "/a%2Fb", 404),
        ("/a/b", "/a//b", 404),
        ("/a+b", "/a+b", 200),
        ("/a+b", "/a%2Bb", 404),
        ("/a", "/a%23", 404),
    ],
)
def test_the_telemetry_path_is_matched_as_sent(
    backend: FakeBackend, path: str, target: str, status: int
) -> None:
    """Only what RFC 3986 calls equivalent is the same path: an escaped slash is none."""
    app = App(backend, Settings("1.2.3", telemetry_path=path), ScrapeSettings)

    assert app(sent("GET", target)).status == status


@pytest.mark.parametrize("prefix", ["", "/\u6587/a"])
@pytest.mark.parametrize("route", ["/", "/metrics", "/-/healthy", "/-/ready", "/-/reload"])
def test_every_route_is_matched_as_sent(backend: FakeBackend, prefix: str, route: str) -> None:
    """No route answers to a spelling that means another path."""
    app = App(backend, Settings("1.2.3", lifecycle=True, route_prefix=prefix), ScrapeSettings)
    method = "POST" if route == "/-/reload" else "GET"
    path = quote(prefix) + route
    others = {path + "/", "/" + path, path + "%2F", path + "%00", path + ";x", path + "/."}
    others |= {
        "/" + path[1:].replace("/", "%2F"),
        path.replace("/-/", "/-%2f"),
        path.replace("/", "//"),
    }

    assert app(sent(method, path)).status == 200
    assert {app(sent(method, other)).status for other in others - {path}} == {404}


CROSS_SITE = [
    {"Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "same-site", "Origin": "http://here:10077"},
    {"Origin": "http://evil.example"},
    {"Origin": "http://here:10078"},
    {"Origin": "http://here"},
    {"Origin": "null"},
    {"Origin": ""},
    {"Origin": "http://"},
    {"Origin": "file://"},
    {"Origin": "http://here:10077, http://evil.example"},
    {"Origin": "http://here:10077.evil.example"},
]


@pytest.mark.parametrize("headers", CROSS_SITE, ids=str)
def test_no_page_of_another_site_reloads(
    app: App, backend: FakeBackend, headers: dict[str, str]
) -> None:
    """A browser that somebody has led to another site's page changes nothing here."""
    response = app(sent("POST", "/-/reload", Host="here:10077", **headers))

    assert response.status == 403
    assert b"another site" in response.body
    assert backend.reloads == 0


OWN_OR_NONE = [
    {},
    {"User-Agent": "curl/8"},
    {"Sec-Fetch-Site": "same-origin", "Origin": "https://proxied.example"},
    {"Sec-Fetch-Site": "none"},
    {"Origin": "http://here:10077"},
    {"Origin": "https://HERE:10077"},
    {"Origin": "https://known.example"},
    {"Origin": "http://here:80", "Host": "here"},
    {"Origin": "https://here", "Host": "here:443"},
    {"Origin": "http://[::1]", "Host": "[::1]:80"},
]


@pytest.mark.parametrize("headers", OWN_OR_NONE, ids=str)
def test_programs_and_own_pages_reload(backend: FakeBackend, headers: dict[str, str]) -> None:
    """curl, reloaders of operators, and pages of the same origin go on as before."""
    settings = Settings("1.2.3", lifecycle=True, external_url="https://known.example/adbpg")
    app = App(backend, settings, ScrapeSettings)

    response = app(sent("POST", "/-/reload", **{"Host": "here:10077", **headers}))

    assert response.status == 200
    assert backend.reloads == 1


@pytest.mark.parametrize("path", ["/metrics", "/", "/a/b", "/m\u00e9triques"])
def test_a_telemetry_path_is_taken(path: str) -> None:
    """What a request can ask for is taken as it is."""
    assert parse_telemetry_path(path) == path


@pytest.mark.parametrize(
    "path",
    ["", "metrics", "/a?b", "/a#b", "/a b", "/%41", "/a\n", "/-/ready", "//a", "/a//b", "/a/../b"],
)
def test_a_telemetry_path_out_of_reach_is_refused(path: str) -> None:
    """What no request could ask for, or what answers something else, is a mistake."""
    with pytest.raises(ValueError, match="expected a path"):
        parse_telemetry_path(path)


@pytest.mark.parametrize(
    ("method", "target", "status"),
    [
        ("GET", "/a/b/", 200),
        ("GET", "/a/b/metrics", 200),
        ("GET", "/a/b/-/healthy", 200),
        ("GET", "/a/b/-/ready", 200),
        ("POST", "/a/b/-/reload", 200),
        ("GET", "/metrics", 404),
        ("GET", "/-/healthy", 404),
        ("POST", "/-/reload", 404),
        ("GET", "/a/", 404),
        ("GET", "/a/bmetrics", 404),
        ("GET", "/a/b/a/b/", 404),
        ("POST", "/", 405),
    ],
)
def test_every_route_is_below_the_prefix(
    backend: FakeBackend, method: str, target: str, status: int
) -> None:
    """With a route prefix every path, the probes' too, answers below it and only there."""
    app = App(backend, Settings("1.2.3", lifecycle=True, route_prefix="/a/b"), ScrapeSettings)

    assert ask(app, method, target).status == status
    assert app.probes == ("/a/b/-/healthy", "/a/b/-/ready")


@pytest.mark.parametrize("path", ["/", "/a/b"])
def test_the_root_leads_to_the_page(backend: FakeBackend, path: str) -> None:
    """Who forgets the prefix, or the slash at its end, is led to the page, behind a proxy too."""
    app = App(backend, Settings("1.2.3", route_prefix="/a/b"), ScrapeSettings)

    response = ask(app, "GET", path)

    assert response.status == 302
    there = urljoin(f"https://there/proxied{path}", header(response, "Location"))
    assert there == "https://there/proxied/a/b/"


def test_links_work_wherever_the_page_is(backend: FakeBackend) -> None:
    """No link begins at the root of a host that other programs share."""
    page = ask(App(backend, Settings("1.2.3"), ScrapeSettings), "GET", "/").body.decode()

    links = re.findall(r'(?:href|action|src)="([^"]*)"', page)
    assert {"./metrics", "./-/healthy", "./-/ready"} <= set(links)
    assert [link for link in links if not link.startswith(("./", "data:"))] == []


@pytest.mark.parametrize(
    ("value", "prefix"),
    [("", ""), ("/", ""), ("a", "/a"), ("/a", "/a"), ("/a/b/", "/a/b"), ("/\u6587", "/\u6587")],
)
def test_a_route_prefix_is_read_as_prometheus_reads_it(value: str, prefix: str) -> None:
    """Slashes around it make no difference, and / is none at all."""
    assert parse_route_prefix(value) == prefix


@pytest.mark.parametrize("value", ["/a?b", "/a b", "/%41", "/a//b", "/../a", "/a\n"])
def test_a_prefix_out_of_reach_is_refused(value: str) -> None:
    """A prefix that no request could have is a mistake."""
    with pytest.raises(ValueError, match="expected a path such as /adbpg"):
        parse_route_prefix(value)


@pytest.mark.parametrize(
    ("value", "url", "prefix"),
    [
        ("", "", ""),
        ("http://there", "http://there", ""),
        ("https://there:8443/", "https://there:8443", ""),
        ("https://there/a/b/", "https://there/a/b", "/a/b"),
        ("http://[::1]:80/%E6%96%87", "http://[::1]:80/%E6%96%87", "/\u6587"),
    ],
)
def test_an_external_url_gives_the_prefix(value: str, url: str, prefix: str) -> None:
    """The path of the external URL is the default of the route prefix."""
    assert parse_external_url(value) == url
    assert prefix_of(url) == prefix


@pytest.mark.parametrize(
    "value",
    [
        "there",
        "/a",
        "ftp://there",
        "http://",
        "http://u:p@there",
        "http://there/?a",
        "http://there/#a",
        "http://there:x/",
        "http://[::1/",
        "http://there/a b",
        "http://there/<b>",
        "http://there/%20",
    ],
)
def test_what_is_no_external_url_is_refused(value: str) -> None:
    """A URL that nobody could open, or that holds a password, is a mistake."""
    with pytest.raises(ValueError, match="expected a"):
        parse_external_url(value)


def test_stopping_is_not_ready_but_healthy(app: App, backend: FakeBackend) -> None:
    """While the process stops it is out of rotation, and not restarted for it."""
    backend.ready = False

    assert ask(app, "GET", "/-/ready").status == 503
    assert ask(app, "GET", "/-/healthy").status == 200


def test_reloading_needs_its_flag(backend: FakeBackend) -> None:
    """Without --web.enable-lifecycle nothing is reloaded, and the answer names the flag."""
    app = App(backend, Settings("1.2.3"), ScrapeSettings)

    response = ask(app, "POST", "/-/reload")

    assert response.status == 403
    assert b"--web.enable-lifecycle" in response.body
    assert backend.reloads == 0


def test_a_bad_configuration_is_told_line_by_line(app: App, backend: FakeBackend) -> None:
    """Reloading a broken file answers 400 with every problem."""
    backend.problems = (
        Problem("c.yaml", 3, 1, "scrape", "unknown key"),
        Problem("c.yaml", 9, 2, "targets[0].name", "expected a text"),
    )

    response = ask(app, "POST", "/-/reload")

    assert response.status == 400
    assert response.body.decode().splitlines() == [
        "c.yaml:3:1: scrape: unknown key",
        "c.yaml:9:2: targets[0].name: expected a text",
    ]


def test_the_page_may_load_nothing_and_be_framed_by_nobody(app: App) -> None:
    """The page's policy allows its own style, icon and form, and no script, base or frame."""
    response = ask(app, "GET", "/")

    policy = dict(
        directive.strip().split(" ", 1)
        for directive in (header(response, "Content-Security-Policy") or "").split(";")
    )
    assert policy.pop("style-src").startswith("'sha256-")
    assert policy == {
        "default-src": "'none'",
        "img-src": "data:",
        "base-uri": "'none'",
        "form-action": "'self'",
        "frame-ancestors": "'none'",
    }
    assert header(response, "Referrer-Policy") == "no-referrer"
    assert header(response, "Cache-Control") == "no-store"


def test_the_page_can_be_held_still(app: App) -> None:
    """A reader who is disturbed by a page that loads itself again can pause it."""
    assert b'http-equiv="refresh"' in ask(app, "GET", "/").body
    assert b'http-equiv="refresh"' not in ask(app, "GET", "/?paused").body
