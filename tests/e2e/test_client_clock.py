"""Clocks and secrets of a call: what the Date header tells, and which key and password are used."""

import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from exporter.clock import Clock
from exporter.config import ApiSettings
from exporter.gpdb.client import ApiClient
from exporter.gpdb.credentials import EnvironmentCredentials, FileCredentials
from exporter.gpdb.deferred import DeferredClient
from exporter.gpdb.kinds import KINDS, UPSERT_COLLECTION_DATA
from exporter.model import Target
from exporter.secret import SecretFile
from tests.api_clients import GOOD, REF, api_client, ask, failure
from tests.upstream import Upstream, message, send

NOW = datetime(2024, 1, 8, 8, 53, 4, tzinfo=UTC).timestamp()
CLOCK = Clock(wall=lambda: NOW)
good = send(message(GOOD))


def dated(date: str, status: int = 200, body: dict[str, object] | None = None) -> bytes:
    """An answer with a Date."""
    return message(GOOD if body is None else body, status=status, headers=[("Date", date)])


def test_the_date_of_the_request() -> None:
    """The request is dated by the wall clock, in UTC and whole seconds."""
    with Upstream([good]) as upstream, api_client(clock=CLOCK) as client:
        ask(client, upstream.url)

    assert upstream.requests[0].headers["x-acs-date"] == "2024-01-08T08:53:04Z"


@pytest.fixture(params=["UTC", "Asia/Shanghai"])
def _process_zone(request: pytest.FixtureRequest) -> Iterator[None]:
    """The time zone that this process believes to be in."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TZ", request.param)
        time.tzset()
        yield
    time.tzset()


@pytest.mark.usefixtures("_process_zone")
@pytest.mark.parametrize(
    ("date", "skew"),
    [
        ("Mon, 08 Jan 2024 08:53:04 GMT", 0.0),
        ("Mon, 08 Jan 2024 09:13:04 GMT", 1200.0),
        ("Mon, 08 Jan 2024 08:33:04 GMT", -1200.0),
        ("Mon, 08 Jan 2024 16:53:05 +0800", 1.0),
        ("Mon, 08 Jan 2024 08:53:04 -0000", 0.0),
        ("Mon, 08 Jan 2024 08:53:04", 0.0),
        ("Monday, 08-Jan-24 08:53:04 GMT", 0.0),
        ("", None),
        ("soon", None),
        ("Mon, 99 Jan 2024 08:53:04 GMT", None),
        ("Mon, 08 Jan 99999999999999999999 08:53:04 GMT", None),
        ("Mon, 08 Jan 2024 08:53:04 +99999999999999999999", None),
        (f"Mon, 08 Jan {'9' * 5000} 08:53:04 GMT", None),
    ],
    ids=lambda part: str(part)[:50],
)
def test_clock_skew(date: str, skew: float | None) -> None:
    """The Date of an answer tells how far the API's clock is ahead; an unreadable one nothing."""
    with Upstream([send(dated(date))]) as upstream, api_client(clock=CLOCK) as client:
        assert ask(client, upstream.url).clock_skew == skew


@pytest.mark.parametrize(
    ("date", "status", "code", "reason"),
    [
        ("Mon, 08 Jan 2024 09:13:04 GMT", 400, "SignatureDoesNotMatch", "clock_skew"),
        ("Mon, 08 Jan 2024 08:33:04 GMT", 403, "SignatureDoesNotMatch", "clock_skew"),
        ("Mon, 08 Jan 2024 08:33:04 GMT", 403, "", "bad_answer"),
        ("Mon, 08 Jan 2024 08:33:04 GMT", 404, "InvalidJobId.NotFound", "not_found"),
        ("Mon, 08 Jan 2024 08:53:04 GMT", 400, "IllegalTimestamp", "clock_skew"),
        ("Mon, 08 Jan 2024 09:03:04 GMT", 400, "SignatureDoesNotMatch", "auth"),
        ("Mon, 08 Jan 2024 09:13:04 GMT", 503, "ServiceUnavailable", "server"),
        ("Mon, 08 Jan 2024 09:13:04 GMT", 400, "Throttling.User", "throttled"),
    ],
)
def test_an_error_with_a_date(date: str, status: int, code: str, reason: str) -> None:
    """A refused key with a Date over ten minutes off is blamed on the clock; all tell the skew."""
    answer = dated(date, status, {"Code": code})
    with Upstream([send(answer)]) as upstream, api_client(clock=CLOCK) as client:
        error = failure(client, upstream.url)

    assert error.reason == reason
    there = datetime.strptime(date, "%a, %d %b %Y %H:%M:%S GMT").replace(tzinfo=UTC)
    assert error.clock_skew == there.timestamp() - NOW


@pytest.mark.parametrize(
    ("answer", "reason"),
    [(message(b"{}", length=999_999), "too_large"), (message(status=302), "redirect")],
)
def test_a_bad_answer_with_a_date(answer: bytes, reason: str) -> None:
    """An answer that cannot be used still tells the API's clock."""
    date = b"\r\nDate: Mon, 08 Jan 2024 09:13:04 GMT\r\n"
    late = answer.replace(b"\r\n", date, 1)
    with Upstream([send(late)]) as upstream, api_client(clock=CLOCK) as client:
        error = failure(client, upstream.url)

    assert (error.reason, error.clock_skew) == (reason, 1200.0)


def test_no_credentials() -> None:
    """Without a key nothing is asked of anyone."""
    with Upstream([good]) as upstream:
        client = ApiClient(ApiSettings(), EnvironmentCredentials({}), connections=1, clock=CLOCK)
        error = failure(client, upstream.url)

    assert error.reason == "credentials"
    assert "ALIBABA_CLOUD_ACCESS_KEY_ID" in str(error)
    assert upstream.wires == []


def test_no_password(tmp_path: Path) -> None:
    """Without the namespace's password nothing is asked of anyone, until its file is there."""
    path = tmp_path / "password"
    with Upstream([good]) as upstream, api_client() as client:
        target = Target("t", "cn-hangzhou", SecretFile(str(path)), endpoint=upstream.url)
        with pytest.raises(Exception, match=f"secret file {path}: No such file") as caught:
            client.call(target, KINDS[UPSERT_COLLECTION_DATA], REF)
        asked_before = list(upstream.requests)
        path.write_text("from-a-file\n")
        client.call(target, KINDS[UPSERT_COLLECTION_DATA], REF)

    assert getattr(caught.value, "reason", "") == "credentials"
    assert asked_before == []
    (request,) = upstream.requests
    assert request.body.endswith(b"&NamespacePassword=from-a-file")


def test_rotated_key(tmp_path: Path) -> None:
    """A key that is rotated signs the next call, and its mark tells that it is another."""
    key_id, secret = tmp_path / "id", tmp_path / "secret"
    key_id.write_text("old")
    secret.write_text("old-secret")
    files = FileCredentials(SecretFile(str(key_id)), SecretFile(str(secret)), None)
    api = ApiClient(ApiSettings(), files, connections=1, clock=CLOCK)
    client = DeferredClient(files, lambda: api)
    with Upstream([good]) as upstream:
        ask(client, upstream.url)
        marks = [client.key_version(), client.key_version()]
        key_id.write_text("new-id")
        marks.append(client.key_version())
        ask(client, upstream.url)
        client.close()

    credentials = [request.headers["authorization"][28:34] for request in upstream.requests]
    assert credentials == ["old,Si", "new-id"]
    assert marks[0] == marks[1] != marks[2]
