import base64

import bcrypt
import pytest

from exporter.secret import Secret
from exporter.web.messages import Request, Response, text
from exporter.web.security import Guard, Passwords, WebConfig

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
