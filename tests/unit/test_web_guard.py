import base64

import bcrypt
import pytest

from exporter.secret import Secret
from exporter.web.messages import Request, Response, text
from exporter.web.security import Guard, Passwords, WebConfig
from exporter.web.security.settings import RateLimit
from tests.fakes import HandSetClock

USERS = {b"alice": Secret(bcrypt.hashpw(b"right", bcrypt.gensalt(4)).decode())}
RIGHT = {"authorization": "Basic " + base64.b64encode(b"alice:right").decode()}
WRONG = {"authorization": "Basic " + base64.b64encode(b"alice:wrong").decode()}


def answered(
    config: WebConfig, path: str = "/metrics", method: str = "GET", **headers: str
) -> Response:
    """Return what a guard answers before a handler that always says hello."""
    guard = Guard(
        lambda _: text(200, "hello", ("Content-Security-Policy", "its own")),
        lambda: config,
        Passwords(b"k"),
    )
    return guard(Request(method, path, "", headers))


def test_without_users_everybody_may_ask() -> None:
    """No file, or one without users, changes nothing."""
    assert answered(WebConfig()).body == b"hello\n"


def test_the_right_password_passes() -> None:
    """The handler answers whoever knows a password."""
    assert answered(WebConfig(users=USERS), **RIGHT).body == b"hello\n"


@pytest.mark.parametrize("headers", [{}, WRONG])
@pytest.mark.parametrize("path", ["/metrics", "/", "/nowhere", "/-/healthy", "/-/ready"])
@pytest.mark.parametrize("method", ["GET", "HEAD", "POST"])
def test_nothing_is_told_without_one(method: str, path: str, headers: dict[str, str]) -> None:
    """Every path, known or not, answers 401 and says how to ask: the probes' paths too."""
    response = answered(WebConfig(users=USERS), path, method, **headers)

    assert response.status == 401
    assert dict(response.headers)["WWW-Authenticate"].startswith('Basic realm="')
    assert b"hello" not in response.body


def test_probes_can_be_let_in() -> None:
    """One key opens the two paths of probes, and no other."""
    config = WebConfig(users=USERS, probes_without_auth=True)

    statuses = {
        path: answered(config, path).status
        for path in ("/-/healthy", "/-/ready", "/-/reload", "/", "/metrics", "/-/healthy/")
    }

    assert {path for path, status in statuses.items() if status == 200} == {
        "/-/healthy",
        "/-/ready",
    }


def test_probes_below_a_prefix_can_be_let_in() -> None:
    """The paths that need no password move with the route prefix."""
    config = WebConfig(users=USERS, probes_without_auth=True)
    guard = Guard(lambda _: text(200, ""), lambda: config, Passwords(b"k"), ("/a/-/ready",))

    assert guard(Request("GET", "/a/-/ready", "", {})).status == 200
    assert guard(Request("GET", "/-/ready", "", {})).status == 401


@pytest.mark.parametrize("headers", [RIGHT, WRONG])
def test_configured_headers_are_added(headers: dict[str, str]) -> None:
    """Each answer has them, a refusal too; a header that the answer has already stays its own."""
    wanted = (
        ("Strict-Transport-Security", "max-age=1"),
        ("Content-Security-Policy", "configured"),
        ("X-Content-Type-Options", "nosniff"),
    )

    found = answered(WebConfig(users=USERS, headers=wanted), **headers).headers

    assert ("Strict-Transport-Security", "max-age=1") in found
    policies = [value for name, value in found if name == "Content-Security-Policy"]
    assert policies == ["its own" if headers is RIGHT else "configured"]
    assert "X-Content-Type-Options" not in dict(found)  # the server adds it itself


def test_too_many_guesses_are_sent_away() -> None:
    """A request that would have to queue too long for its check is told to come again."""
    passwords = Passwords(b"k")
    while passwords._places.acquire(blocking=False):
        pass

    response = Guard(lambda _: text(200, ""), lambda: WebConfig(users=USERS), passwords)(
        Request("GET", "/metrics", "", RIGHT)
    )

    assert response.status == 503
    assert dict(response.headers)["Retry-After"] == "1"


def statuses(guard: Guard, times: int) -> list[int]:
    """Return how so many requests are answered."""
    return [guard(Request("GET", "/metrics", "", {})).status for _ in range(times)]


def test_a_rate_limit() -> None:
    """A burst passes at once, then one request at each interval; the probes count, too."""
    clock = HandSetClock()
    config = WebConfig(rate_limit=RateLimit(interval=2.0, burst=3))
    guard = Guard(
        lambda _: text(200, "hello"), lambda: config, Passwords(b"k"), clock=lambda: clock.monotonic
    )

    assert statuses(guard, 4) == [200, 200, 200, 429]
    clock.advance(2.0)
    assert statuses(guard, 2) == [200, 429]
    clock.advance(1.0)
    assert statuses(guard, 1) == [429]
    clock.advance(1.0)
    assert statuses(guard, 2) == [200, 429]
    clock.advance(1000.0)
    assert statuses(guard, 4) == [200, 200, 200, 429]


@pytest.mark.parametrize(
    ("limit", "expected"),
    [(RateLimit(), 200), (RateLimit(burst=0, interval=0.0), 200), (RateLimit(interval=1.0), 429)],
)
def test_no_interval_is_no_limit(limit: RateLimit, expected: int) -> None:
    """An interval of 0 lets everybody in, and one without a burst nobody, as in the toolkit."""
    assert answered(WebConfig(rate_limit=limit)).status == expected


def test_a_rate_limit_comes_before_passwords() -> None:
    """Who tries out passwords is limited before one is checked."""
    limit = RateLimit(interval=1.0, burst=1)
    config = WebConfig(users=USERS, rate_limit=limit)
    guard = Guard(lambda _: text(200, "hello"), lambda: config, Passwords(b"k"), clock=lambda: 0.0)

    assert statuses(guard, 2) == [401, 429]


def test_another_limit_begins_anew() -> None:
    """A changed file counts with the next request."""
    configs = [WebConfig(rate_limit=RateLimit(interval=60.0, burst=burst)) for burst in (1, 2)]
    now = [configs[0]]
    guard = Guard(lambda _: text(200, "hello"), lambda: now[0], Passwords(b"k"), clock=lambda: 0.0)
    before = statuses(guard, 2)

    now[0] = configs[1]

    assert before == [200, 429]
    assert statuses(guard, 3) == [200, 200, 429]
