"""Connections are kept from call to call, and one that breaks costs a retry at most."""

import socket
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from exporter.gpdb.transport import LIFETIME
from tests.api_clients import GOOD, PATIENT, api_client, ask, failure
from tests.certificates import Authority
from tests.fakes import HandSetClock
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
    with Upstream([late, good]) as upstream, api_client(timeout=5.0) as client:
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
    behaviours = [both(rest(2.0), hang_up()), both(rest(3.0), good)]
    with Upstream(behaviours) as upstream, api_client(timeout=4.0) as client:
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
def test_an_error_ends_its_connection(answer: bytes, reason: str) -> None:
    """An error names no job, and may have been another call's: nothing follows it."""
    with Upstream([send(answer), good]) as upstream, api_client() as client:
        assert failure(client, upstream.url).reason == reason
        assert ask(client, upstream.url).document == GOOD

    assert [request.connection for request in upstream.requests] == [1, 2]


OTHER = message({"Status": "success", "Job": {"Id": "job-2", "Status": "Running"}})
UNNAMED: dict[str, object] = {"Status": "success", "Job": {"Status": "Running"}}
unnamed = send(message(UNNAMED))


def test_a_stray_answer() -> None:
    """An answer about another job ends its connection, and a fresh one brings the right answer."""
    stray = both(send(OTHER), rest(PATIENT))
    with Upstream([good, stray, good]) as upstream, api_client() as client:
        answers = [ask(client, upstream.url) for _ in range(2)]

    assert [answer.document for answer in answers] == [GOOD, GOOD]
    assert [request.connection for request in upstream.requests] == [1, 1, 2]
    nonces = {request.headers["x-acs-signature-nonce"] for request in upstream.requests}
    assert len(nonces) == 3


def test_stray_answers_only() -> None:
    """A server that answers about another job twice has given a bad answer, and is left alone."""
    with Upstream([send(OTHER)]) as upstream, api_client() as client:
        error = failure(client, upstream.url)

    assert (error.reason, str(error)) == ("bad_answer", "the answer is about another job")
    assert [request.connection for request in upstream.requests] == [1, 2]


def test_a_stray_answer_is_asked_again_within_the_time() -> None:
    """The second request has what the first one left of the time, and no more."""
    slow_stray = both(rest(2.0), send(OTHER))
    behaviours = [slow_stray, both(rest(3.0), good)]
    with Upstream(behaviours) as upstream, api_client(timeout=4.0) as client:
        error = failure(client, upstream.url)

    assert error.reason == "timeout"


def test_an_answer_without_an_id_on_a_fresh_connection() -> None:
    """It can only be ours; the next call has a connection of its own, for the same reason."""
    with Upstream([unnamed]) as upstream, api_client() as client:
        answers = [ask(client, upstream.url) for _ in range(3)]

    assert [answer.document for answer in answers] == [UNNAMED] * 3
    assert [request.connection for request in upstream.requests] == [1, 2, 3]


def test_an_answer_without_an_id_on_a_used_connection() -> None:
    """It may be another call's, and is asked for once more on a fresh one."""
    with Upstream([good, unnamed]) as upstream, api_client() as client:
        answers = [ask(client, upstream.url) for _ in range(2)]

    assert [answer.document for answer in answers] == [GOOD, UNNAMED]
    assert [request.connection for request in upstream.requests] == [1, 1, 2]


@pytest.mark.parametrize("tls", [False, True], ids=["plain", "TLS"])
def test_what_comes_unasked_is_no_answer(tmp_path: Path, *, tls: bool) -> None:
    """A connection on which something waits to be read is not used for the next call."""
    more = threading.Event()
    answer = b"".join([message(GOOD), OTHER])
    authority = Authority(tmp_path)
    with (
        Upstream(
            [both(send(answer), lambda _: more.set()), good],
            tls=authority.server() if tls else None,
        ) as upstream,
        api_client(ca_file=str(authority.ca_file)) as client,
    ):
        first = ask(client, upstream.url)
        assert more.wait(PATIENT)
        second = ask(client, upstream.url)

    assert (first.document, second.document) == (GOOD, GOOD)


def test_a_late_answer_waits_on_a_kept_connection() -> None:
    """An answer too many that came after the first was read leaves its connection unused."""
    asked, sent = threading.Event(), threading.Event()

    def twice(wire: Wire) -> None:
        wire.send(message(GOOD))
        assert asked.wait(PATIENT)
        wire.send(OTHER)
        sent.set()

    with Upstream([twice, good]) as upstream, api_client() as client:
        ask(client, upstream.url)
        asked.set()
        assert sent.wait(PATIENT)
        answer = ask(client, upstream.url)

    assert answer.document == GOOD
    assert [request.connection for request in upstream.requests] == [1, 2]


def test_a_request_timeout_on_a_kept_connection() -> None:
    """A 408 for a connection that was idle too long is no answer to a request that came then."""
    with Upstream([good, send(message(status=408)), good]) as upstream, api_client() as client:
        answers = [ask(client, upstream.url) for _ in range(2)]

    assert [answer.document for answer in answers] == [GOOD, GOOD]
    assert [request.connection for request in upstream.requests] == [1, 1, 2]


def test_connections_grow_old() -> None:
    """A kept connection is used for a minute or so: the host's name may have another address."""
    clock = HandSetClock()
    with Upstream([good]) as upstream, api_client(clock=clock.clock()) as client:
        ask(client, upstream.url)
        clock.advance(LIFETIME[0] - 1)
        ask(client, upstream.url)
        clock.advance(LIFETIME[1] - LIFETIME[0] + 2)
        ask(client, upstream.url)

    assert [request.connection for request in upstream.requests] == [1, 1, 2]


def test_many_at_once() -> None:
    """Calls from many threads each get an answer, over no more connections than there are calls."""
    with Upstream([good]) as upstream, api_client() as client, ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda _: ask(client, upstream.url), range(40)))

    assert [answer.document for answer in answers] == [GOOD] * 40
    assert len(upstream.wires) <= 4
