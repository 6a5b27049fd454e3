"""One call of the API over real sockets: what is sent, and what comes of each bad answer."""

import gzip
from pathlib import Path
from urllib.parse import parse_qsl

import pytest

from exporter.gpdb.client import USER_AGENT
from exporter.gpdb.credentials import AccessKey
from exporter.secret import Secret
from tests.api_clients import GOOD, HASTY, KEY, PASSWORD, api_client, ask, failure
from tests.reference_signature import parts_of, reference_signature
from tests.upstream import (
    Behaviour,
    Upstream,
    both,
    drip,
    hang,
    hang_up,
    message,
    pour,
    reset,
    send,
)

MEBIBYTE = 1 << 20
good = send(message(GOOD))


def test_a_good_answer() -> None:
    """A good answer is the document as the API sent it."""
    with Upstream([good]) as upstream, api_client() as client:
        answer = ask(client, upstream.url)

    assert answer.document == GOOD
    assert answer.clock_skew is None


def test_the_request_on_the_wire() -> None:
    """What arrives is a POST whose parameters are where they belong, and whose signature fits."""
    with Upstream([good]) as upstream, api_client() as client:
        ask(client, upstream.url)

    (request,) = upstream.requests
    assert (request.method, request.target) == (
        "POST",
        "/?DBInstanceId=gp-xxxxxxxxx&RegionId=cn-hangzhou",
    )
    assert dict(parse_qsl(request.body.decode())) == {
        "Collection": "document",
        "JobId": "job-1",
        "NamespacePassword": PASSWORD,
    }
    parts = parts_of(request.headers["authorization"])
    assert parts["Credential"] == KEY.id
    assert parts["Signature"] == reference_signature(
        request.target, request.headers, parts["SignedHeaders"], request.body, KEY.secret.reveal()
    )


def test_the_headers_on_the_wire() -> None:
    """No header is sent but the signed ones, each once, and what HTTP itself needs."""
    with Upstream([good]) as upstream, api_client() as client:
        ask(client, upstream.url)

    (request,) = upstream.requests
    signed = parts_of(request.headers["authorization"])["SignedHeaders"].split(";")
    unsigned = ["accept-encoding", "authorization", "content-length"]
    names = [name.lower() for name, _ in request.header_lines]
    assert sorted(names) == sorted(signed + unsigned)
    assert request.headers["accept-encoding"] == "identity"
    assert request.headers["host"] == f"127.0.0.1:{upstream.port}"
    assert request.headers["user-agent"] == USER_AGENT


def test_a_temporary_key_on_the_wire() -> None:
    """A security token goes along, signed."""
    key = AccessKey("STS.id", Secret("secret"), Secret("CAISexample/STS+token=with&chars%25=="))
    with Upstream([good]) as upstream, api_client(key=key) as client:
        ask(client, upstream.url)

    (request,) = upstream.requests
    parts = parts_of(request.headers["authorization"])
    assert request.headers["x-acs-security-token"] == "CAISexample/STS+token=with&chars%25=="
    assert request.headers["x-acs-accesskey-id"] == "STS.id"
    assert {"x-acs-security-token", "x-acs-accesskey-id"} < set(parts["SignedHeaders"].split(";"))
    assert parts["Signature"] == reference_signature(
        request.target, request.headers, parts["SignedHeaders"], request.body, "secret"
    )


def test_netrc_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A login for the host in ~/.netrc does not take the signature's place."""
    (tmp_path / ".netrc").write_text("machine 127.0.0.1 login someone password else\n")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("NETRC", str(tmp_path / ".netrc"))

    with Upstream([good]) as upstream, api_client() as client:
        ask(client, upstream.url)

    assert upstream.requests[0].headers["authorization"].startswith("ACS3-HMAC-SHA256 ")


def test_cookies_are_not_kept() -> None:
    """A cookie of an answer, a broken one too, is not sent back."""
    cookies = [("Set-Cookie", "session=1; Path=/"), ("Set-Cookie", "=;;;\xff; expires=never")]
    with Upstream([send(message(GOOD, headers=cookies))]) as upstream, api_client() as client:
        for _ in range(2):
            ask(client, upstream.url)

    assert len(upstream.requests) == 2
    assert not any("cookie" in request.headers for request in upstream.requests)


@pytest.mark.parametrize(
    "answer",
    [
        message(GOOD, chunk=7),
        message(GOOD, chunk=10_000),
        message(GOOD, headers=[("Content-Encoding", "identity")]),
        message(GOOD, headers=[("Content-Encoding", "Identity")]),
        message(GOOD, status=201),
        b"HTTP/1.1 100 Continue\r\n\r\n" + message(GOOD),
        b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\n" + message(GOOD).split(b"\r\n", 1)[1],
        message(GOOD, headers=[("Connection", "close")]),
    ],
    ids=lambda answer: repr(answer[:60]),
)
def test_forms_of_a_good_answer(answer: bytes) -> None:
    """However HTTP frames it, a good answer is a good answer, and the next call works too."""
    with Upstream([send(answer)]) as upstream, api_client() as client:
        answers = [ask(client, upstream.url) for _ in range(2)]

    assert [answer.document for answer in answers] == [GOOD, GOOD]


def test_an_answer_that_ends_with_its_connection() -> None:
    """An answer without any length ends where the server closes, and needs no second call."""
    behaviour = both(send(message(GOOD, length=-1)), hang_up())
    with Upstream([behaviour]) as upstream, api_client() as client:
        assert ask(client, upstream.url).document == GOOD

    assert len(upstream.requests) == 1


head, body = message(GOOD).split(b"\r\n\r\n")
SLOW: dict[str, Behaviour] = {
    "hangs at once": hang(),
    "hangs in the headers": both(send(head), hang()),
    "hangs before the body": both(send(head + b"\r\n\r\n"), hang()),
    "hangs in the body": both(send(message(GOOD)[:-1]), hang()),
    "hangs in a chunk": both(send(message(GOOD, chunk=9)[:-20]), hang()),
    # Without a limit for the whole these would all end well, some seconds later.
    "drips all of it": drip(message(GOOD)),
    "drips the headers": drip(message(GOOD, headers=[("X", "y" * 300)])),
    "drips the body": both(send(message(length=500)), drip(b" " * 498 + b"{}")),
    "drips chunks": both(
        send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"),
        drip(message(b" " * 100 + b"{}", chunk=1).split(b"\r\n\r\n", 1)[1]),
    ),
}


@pytest.mark.parametrize("behaviour", SLOW.values(), ids=SLOW)
def test_slow(behaviour: Behaviour) -> None:
    """An answer that is not whole in time is a timeout, however busy the server keeps us."""
    with Upstream([behaviour]) as upstream, api_client(timeout=HASTY) as client:
        error = failure(client, upstream.url)

    assert error.reason == "timeout"
    assert len(upstream.requests) <= 1


CUT: dict[str, tuple[Behaviour, set[str]]] = {
    "cut in the status line": (both(send(b"HTTP/1.1 2"), hang_up()), {"connection", "bad_answer"}),
    # http.client takes headers that end with the connection for whole.
    "cut in the headers": (both(send(head[:30]), hang_up()), {"connection", "bad_answer"}),
    "cut behind the headers": (both(send(head + b"\r\n\r\n"), hang_up()), {"connection"}),
    "cut in the body": (both(send(message(GOOD)[:-1]), hang_up()), {"connection"}),
    "Content-Length too big": (both(send(message(GOOD, length=999)), hang_up()), {"connection"}),
    "chunked without an end": (
        both(send(message(GOOD, chunk=9)[:-5]), hang_up()),
        {"connection"},
    ),
    "cut in a chunk": (both(send(message(GOOD, chunk=99)[:-20]), hang_up()), {"connection"}),
    "reset in the headers": (both(send(head[:30]), reset()), {"connection"}),
    "reset in the body": (both(send(message(GOOD)[:-1]), reset()), {"connection"}),
    "Content-Length too small": (send(message(GOOD, length=20)), {"bad_answer"}),
}


@pytest.mark.parametrize(("behaviour", "reasons"), CUT.values(), ids=CUT)
def test_cut(behaviour: Behaviour, reasons: set[str]) -> None:
    """An answer that ends too early is never a good one."""
    with Upstream([behaviour]) as upstream, api_client() as client:
        error = failure(client, upstream.url)

    assert error.reason in reasons
    assert len(upstream.requests) <= 2


BIG: dict[str, Behaviour] = {
    "declared": send(message(b"{", length=500 * MEBIBYTE)),
    "declared, and sent": both(send(message(length=500 * MEBIBYTE)), pour(b" " * 65_536)),
    "declared with a thousand digits": send(message(b"{", length=10**1000)),
    "without a length": both(send(message(length=-1)), pour(b" " * 65_536)),
    "in one chunk": both(
        send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1f400000\r\n"),
        pour(b" " * 65_536),
    ),
    "in endless chunks": both(
        send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"),
        pour(b"1000\r\n" + b" " * 0x1000 + b"\r\n"),
    ),
    "one byte more": send(message(b" " * 1023 + b"{}")),
}


@pytest.mark.parametrize("behaviour", BIG.values(), ids=BIG)
def test_too_large(behaviour: Behaviour) -> None:
    """A body over the limit is refused as soon as that is known; the rest is left unread."""
    with Upstream([behaviour]) as upstream, api_client(max_response_bytes=1024) as client:
        error = failure(client, upstream.url)

    assert error.reason == "too_large"
    assert upstream.sent < 32 * MEBIBYTE  # what fits into the kernel's buffers, of 500 or endless


def test_just_large_enough() -> None:
    """A body of exactly the limit is read."""
    behaviour = send(message(b" " * 1022 + b"{}"))
    with Upstream([behaviour]) as upstream, api_client(max_response_bytes=1024) as client:
        assert ask(client, upstream.url).document == {}


BOMB = gzip.compress(b" " * MEBIBYTE)
GARBAGE: dict[str, Behaviour] = {
    "gzip": send(message(BOMB, headers=[("Content-Encoding", "gzip")])),
    "gzip that is none": send(message(GOOD, headers=[("Content-Encoding", "GZIP")])),
    "chained encodings": send(message(BOMB, headers=[("Content-Encoding", "gzip, " * 99 + "br")])),
    "unknown encoding": send(message(GOOD, headers=[("Content-Encoding", "zpaq")])),
    "20,000 headers": send(message(GOOD, headers=[("X", "y")] * 20_000)),
    "an endless header": both(send(b"HTTP/1.1 200 OK\r\nX: "), pour(b"y" * 65_536)),
    "an endless status line": pour(b"H" * 65_536),
    "no HTTP": both(send(b"SSH-2.0-OpenSSH_9.2\r\n\r\n"), hang_up()),
    "no status": both(send(b"HTTP/1.1 good\r\n\r\n"), hang_up()),
    "HTML": send(message(b"<html>welcome</html>")),
    "nothing": send(message()),
    "null": send(message(b"null")),
    "a million brackets": send(message(b"[" * 200_000)),
    "204": send(message(status=204)),
    "goes on with 100 Continue": pour(b"HTTP/1.1 100 Continue\r\n\r\n"),
}


@pytest.mark.parametrize("behaviour", GARBAGE.values(), ids=GARBAGE)
def test_garbage(behaviour: Behaviour) -> None:
    """What is no answer of the API is a bad answer."""
    with Upstream([behaviour]) as upstream, api_client() as client:
        error = failure(client, upstream.url)

    assert error.reason == "bad_answer"
    assert len(upstream.requests) == 1


@pytest.mark.parametrize("length", [0, 500 * MEBIBYTE])
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_redirect(status: int, length: int) -> None:
    """A redirect is not followed: the other host, which would get the password, sees nothing."""
    with Upstream([good]) as elsewhere, api_client() as client:
        location = [("Location", f"{elsewhere.url}/"), ("Content-Encoding", "gzip")]
        answer = message(status=status, headers=location, length=length)
        with Upstream([send(answer)]) as upstream:
            error = failure(client, upstream.url)

    assert error.reason == "redirect"
    assert elsewhere.wires == []
    assert len(upstream.requests) == 1


def test_a_compressed_error_page() -> None:
    """The compressed error page of a gateway is told by its status."""
    page = message(BOMB, status=502, headers=[("Content-Encoding", "gzip")])
    with Upstream([send(page)]) as upstream, api_client() as client:
        assert failure(client, upstream.url).reason == "server"
