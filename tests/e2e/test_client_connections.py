"""Connections are kept from call to call, and one that breaks costs a retry at most."""

import socket
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.api_clients import GOOD, HASTY, api_client, ask, failure
from tests.upstream import (
    Behaviour,
    Upstream,
    Wire,
    both,
    hang,
    hang_up,
    message,
    reset,
    rest,
    send,
)

good = send(message(GOOD))


def test_a_request_is_sent_as_one() -> None:
    """Head and body travel together: one system call, one packet, one TLS record."""
    packets: list[int] = []

    def note(wire: Wire) -> None:
        # tcpi_data_segs_in of the kernel's struct tcp_info, include/uapi/linux/tcp.h
        info = wire.sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 192)
        packets.append(int.from_bytes(info[152:156], sys.byteorder))

    with Upstream([both(note, good)]) as upstream, api_client() as client:
        for _ in range(3):
            ask(client, upstream.url)

    assert packets == [1, 2, 3]


def test_a_timeout_does_not_poison_the_next_call() -> None:
    """After a late answer, the next call gets its own answer and not the late one's rest."""
    late = both(send(message(GOOD)[:-1]), hang())
    with Upstream([late, good]) as upstream, api_client(timeout=1.5) as client:
        assert failure(client, upstream.url).reason == "timeout"
        assert ask(client, upstream.url).document == GOOD

    assert [request.connection for request in upstream.requests] == [1, 2]


@pytest.mark.parametrize("drop", [hang_up(), reset()], ids=["closed", "reset"])
def test_a_dropped_connection_is_tried_again(drop: Behaviour) -> None:
    """A kept connection that is closed under us costs one more try, freshly signed."""
    with Upstream([good, drop, good]) as upstream, api_client() as client:
        ask(client, upstream.url)
        answer = ask(client, upstream.url)

    assert answer.document == GOOD
    assert [request.connection for request in upstream.requests] == [1, 1, 2]
    nonces = {request.headers["x-acs-signature-nonce"] for request in upstream.requests}
    assert len(nonces) == 3


@pytest.mark.parametrize("drop", [hang_up(), reset()], ids=["closed", "reset"])
def test_no_second_retry(drop: Behaviour) -> None:
    """A server that drops every request sees two of them for a call, and no more."""
    with Upstream([drop]) as upstream, api_client() as client:
        error = failure(client, upstream.url)

    assert error.reason == "connection"
    assert len(upstream.requests) == 2


def test_the_retry_is_within_the_time() -> None:
    """The second try has what the first one left of the time, and no more."""
    behaviours = [both(rest(HASTY * 0.7), hang_up()), both(rest(HASTY * 0.7), good)]
    with Upstream(behaviours) as upstream, api_client(timeout=HASTY) as client:
        error = failure(client, upstream.url)

    assert error.reason == "timeout"


def test_an_idle_connection_that_was_closed() -> None:
    """A connection that the server closes between two calls is not noticed by the second."""
    with Upstream([both(good, hang_up())]) as upstream, api_client() as client:
        answers = [ask(client, upstream.url) for _ in range(3)]

    assert [answer.document for answer in answers] == [GOOD] * 3


def test_refused() -> None:
    """A port where nobody listens is a connection that failed."""
    with Upstream() as upstream:
        url = upstream.url

    with api_client() as client:
        assert failure(client, url).reason == "connection"


ERRORS: dict[str, tuple[bytes, str]] = {
    "400": (message({"Code": "MissingParameter"}, status=400), "bad_request"),
    "403": (message({"Code": "Forbidden.RAM"}, status=403, chunk=8), "permission"),
    "404": (message({"Code": "InvalidJob.NotFound"}, status=404), "not_found"),
    "500": (message({"Code": "InternalError"}, status=500), "server"),
    "502": (message(b"<html>Bad Gateway</html>", status=502), "server"),
    "503": (message(status=503), "server"),
    "200": (message({"Status": "fail", "Message": "no"}), "api_fail"),
}


def test_connections_are_kept() -> None:
    """Twenty calls after one another go over one connection."""
    with Upstream([good]) as upstream, api_client() as client:
        for _ in range(20):
            ask(client, upstream.url)

    assert len(upstream.requests) == 20
    assert len(upstream.wires) == 1


@pytest.mark.parametrize(("answer", "reason"), ERRORS.values(), ids=ERRORS)
def test_connections_are_kept_after_an_error(answer: bytes, reason: str) -> None:
    """An error of the API costs the call, and not the connection."""
    with Upstream([send(answer), good]) as upstream, api_client() as client:
        assert failure(client, upstream.url).reason == reason
        assert ask(client, upstream.url).document == GOOD

    assert len(upstream.wires) == 1


def test_many_at_once() -> None:
    """Calls from many threads each get an answer, over no more connections than there are calls."""
    with Upstream([good]) as upstream, api_client() as client, ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda _: ask(client, upstream.url), range(40)))

    assert [answer.document for answer in answers] == [GOOD] * 40
    assert len(upstream.wires) <= 4
