"""Requests that no good client sends, to the exporter as it is started."""

from collections.abc import Iterator

import pytest

from tests.clients import answer, rest
from tests.faults.raw import HEALTHY, configuration, connect
from tests.processes import Process, exporter

MANY_HEADERS = b"".join(b"X-%d: a\r\n" % number for number in range(100_000))  # 1 MB and more
CHUNKED = b"Transfer-Encoding: chunked\r\n"
SMUGGLED = b"0\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n"


def request(start: bytes, headers: bytes = b"", body: bytes = b"") -> bytes:
    """Return the bytes of a request."""
    return start + b" HTTP/1.1\r\nHost: x\r\n" + headers + b"\r\n" + body


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Process]:
    """One exporter for all of them: none may harm the next."""
    with exporter(configuration(), tmp_path_factory.mktemp("hostile")) as it:
        yield it


@pytest.mark.parametrize(
    ("status", "sent"),
    [
        (414, request(b"GET /" + b"a" * 9_000)),
        (414, request(b"GET /metrics?" + b"a" * 5_000_000)),
        (431, request(b"GET /metrics", b"X: " + b"a" * 1_000_000 + b"\r\n")),
        (431, request(b"GET /metrics", MANY_HEADERS)),
        (405, request(b"POST /metrics", b"Content-Length: 3\r\n", b"a=b")),
        (405, request(b"TRACE /metrics")),
        (405, request(b"DELETE /")),
        (405, request(b"GET /-/reload")),
        (403, request(b"POST /-/reload")),
        (400, request(b"CONNECT example.org:443")),
        (400, request(b"POST /metrics", b"Content-Length: 5\r\n" + CHUNKED, SMUGGLED)),
        (411, request(b"POST /metrics", CHUNKED, SMUGGLED)),
        (411, request(b"POST /metrics", b"Transfer-Encoding: identity, chunked\r\n", SMUGGLED)),
        (400, request(b"POST /metrics", b"Transfer-Encoding : chunked\r\n", SMUGGLED)),
        (400, request(b"POST /metrics", b"Content-Length: +5\r\n", SMUGGLED)),
        (400, request(b"POST /", b"Content-Length: 5\r\nContent-Length: 50\r\n", SMUGGLED)),
        (400, request(b"POST /", b"Content-Length: 5, 5\r\n", SMUGGLED)),
        (413, request(b"GET /metrics", b"Content-Length: 3\r\n", b"a=b")),
        (413, request(b"POST /-/reload", b"Content-Length: 65537\r\n", b"a=b")),
        (413, request(b"POST /-/reload", b"Content-Length: 99999999999\r\n", b"a=b")),
        (400, request(b"GET /metrics", b"X: a\n\nGET /smuggled HTTP/1.1\r\n")),
        (400, request(b"GET /metrics", b"X: a\r\n folded\r\n")),
        (400, request(b"GET /metrics", b"X: a\x00b\r\n")),
        (400, b"GET /metrics HTTP/2.0\r\nHost: x\r\n\r\n"),
        (400, b"GET /metrics\r\n\r\n"),
        (400, b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\n"),  # TLS
        (404, request(b"GET /metrics%00")),
        (404, request(b"GET /%00")),
        (404, request(b"GET /../../etc/passwd")),
        (404, request(b"GET /%2e%2e/%2e%2e/etc/passwd")),
        (404, request(b"GET /metrics/..%2f..%2fconfig.yaml")),
        (404, request(b"GET //metrics")),
        (404, request(b"GET /%ff%fe")),
        (404, request(b"GET /nothing")),
    ],
    ids=lambda value: str(value) if isinstance(value, int) else ascii(value[:40].decode("latin-1")),
)
def test_hostile_requests(server: Process, status: int, sent: bytes) -> None:
    """Fault 31: what is too long, ambiguous or unknown gets one 4xx, and the next is served."""
    with connect(server) as client:
        client.sendall(sent)
        refused, _ = answer(client)
        after = b"" if refused in (403, 404, 405) else rest(client)

    assert refused == status
    assert not after  # nothing of it is taken for a second request
    with connect(server, HEALTHY) as good:
        assert answer(good)[0] == 200


@pytest.mark.parametrize("path", [b"/metrics", b"/", b"/-/healthy", b"/-/ready"])
def test_head(server: Process, path: bytes) -> None:
    """Fault 31: HEAD works wherever GET does, and has no body."""
    with connect(server, request(b"HEAD " + path, b"Connection: close\r\n")) as client:
        received = rest(client)

    assert received.startswith(b"HTTP/1.1 200 OK\r\n")
    assert b"\r\nContent-Length: " in received
    assert received.endswith(b"\r\n\r\n")


def test_hostile_requests_leave_no_trace_in_the_log(server: Process) -> None:
    """Fault 31: who sends nonsense cannot fill the log, or write into it."""
    with connect(server, request(b"GET /\x1b[31m")) as client:
        assert answer(client)[0] == 400

    facts = ("msg=configuration", "msg=listening", "msg=started", "msg=watching")
    assert all(any(fact in line for fact in facts) for line in server.log)
