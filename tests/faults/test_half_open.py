"""A crowd of clients on the TLS port that never say anything, or stop halfway."""

import contextlib
import resource
import select
import socket
import ssl
import statistics
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import bcrypt
import pytest

from tests.certificates import Authority
from tests.clients import answer, rest
from tests.faults.raw import SCRAPE, configuration, connect, vitals
from tests.processes import Process, exporter

SILENT = 1_000
HALF_A_HELLO = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"
HALF_A_REQUEST = b"GET /metrics HTTP/1.1\r\nHost: x\r\n"
AUTHORIZED = SCRAPE.replace(b"\r\n\r\n", b"\r\nAuthorization: Basic YWxpY2U6cmlnaHQ=\r\n\r\n")
SLOTS = 64  # connections that are served at a time
DROPPED = 5.0  # seconds until a connection without a request is dropped


@pytest.fixture
def many_descriptors() -> Iterator[None]:
    """This process is the crowd."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (before[1], before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


@contextlib.contextmanager
def secured(folder: Path) -> Iterator[tuple[Process, ssl.SSLContext]]:
    """Start the exporter with TLS and a user; gives it, and a client's context."""
    authority = Authority(folder)
    authority.issue("server", "DNS:localhost,IP:127.0.0.1")
    hashed = bcrypt.hashpw(b"right", bcrypt.gensalt(10)).decode()
    (folder / "web.yaml").write_text(
        "tls_server_config:\n  cert_file: server.pem\n  key_file: server.key\n"
        f"basic_auth_users:\n  alice: {hashed}\n"
    )
    with exporter(configuration(), folder, "--web.config.file=web.yaml") as it:
        yield it, ssl.create_default_context(cafile=authority.ca_file)


def scraped_in(it: Process, context: ssl.SSLContext) -> float:
    """Return the seconds that a new client needs for connection, handshake and scrape."""
    began = time.monotonic()
    with context.wrap_socket(connect(it), server_hostname="localhost") as client:
        client.sendall(AUTHORIZED)
        assert answer(client)[0] == 200
    return time.monotonic() - began


@pytest.mark.usefixtures("many_descriptors")
@pytest.mark.parametrize("sent", [b"", HALF_A_HELLO], ids=["silent", "half a hello"])
def test_silent_tls_connections(
    sent: bytes, tmp_path: Path, record_testsuite_property: Callable[[str, object], None]
) -> None:
    """Fault 29: 1,000 silent TLS connections hold up no scrape, and all are dropped."""
    seconds, threads = [], []
    with secured(tmp_path) as (it, context), contextlib.ExitStack() as clients:
        scraped_in(it, context)
        crowd = []
        came = time.monotonic()
        for number in range(SILENT):
            crowd.append(clients.enter_context(connect(it, sent)))
            if number % 50 == 0:
                seconds.append(scraped_in(it, context))
                threads.append(vitals(it).threads)
        began = time.monotonic()
        for client in crowd:
            rest(client)  # returns once it is dropped
        dropped = time.monotonic() - began

    p99 = statistics.quantiles(seconds, n=100)[98]
    what = "half a hello" if sent else "silent"
    record_testsuite_property(f"fault 29, TLS, {what}: p99 of a scrape, seconds", round(p99, 3))
    record_testsuite_property(f"fault 29, TLS, {what}: dropped after, seconds", round(dropped, 1))
    record_testsuite_property(f"fault 29, TLS, {what}: threads", max(threads))
    # So long it would take if the crowd made no room.
    assert began - came < SILENT / SLOTS * DROPPED
    assert max(threads) <= 80


@pytest.mark.usefixtures("many_descriptors")
def test_half_a_request_over_tls(tmp_path: Path) -> None:
    """Fault 29: clients that shake hands and then stop within a request make room too."""
    with secured(tmp_path) as (it, context), contextlib.ExitStack() as clients:
        crowd = []
        for _ in range(200):
            client = context.wrap_socket(connect(it), server_hostname="localhost")
            crowd.append(clients.enter_context(client))
            client.sendall(HALF_A_REQUEST)
        scraped_in(it, context)
        threads = vitals(it).threads
        answers = [rest(client) for client in crowd]  # returns once each is dropped

    assert threads <= 80
    assert all(text == b"" or text.startswith(b"HTTP/1.1 408 ") for text in answers)


class SlowClient:
    """A TLS client whose handshake is taken step by step."""

    def __init__(self, sock: socket.socket, context: ssl.SSLContext) -> None:
        self._sock = sock
        self._received, self._sent = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._received, self._sent, server_hostname="localhost")

    def say_hello(self) -> None:
        """Send what comes first, and read nothing."""
        with contextlib.suppress(ssl.SSLWantReadError):
            self._tls.do_handshake()
        self._sock.sendall(self._sent.read())

    def finish(self, request: bytes) -> None:
        """Read what the server said, end the handshake and send something."""
        while self._tls.version() is None:
            data = self._sock.recv(65_536)
            assert data, "dropped before the handshake's end"
            self._received.write(data)
            self.say_hello()
        self._tls.write(request)
        self._sock.sendall(self._sent.read())


def test_who_is_late_gets_no_more_time(tmp_path: Path) -> None:
    """Fault 29: the five seconds are for handshake and request together, however they are spent.

    A client that came later, yet before the others went on, is dropped after them.
    """
    pause = threading.Event()
    with secured(tmp_path) as (it, context), connect(it) as late, connect(it) as slow:
        client = SlowClient(slow, context)
        client.say_hello()
        pause.wait(1.8)
        with connect(it) as newcomer:
            pause.wait(1.2)
            late.sendall(HALF_A_HELLO)
            client.finish(HALF_A_REQUEST)
            rest(late)
            rest(slow)

            assert select.select([newcomer], [], [], 0)[0] == []


def test_a_flood_of_guesses(
    tmp_path: Path, record_testsuite_property: Callable[[str, object], None]
) -> None:
    """Whoever was let in once is answered while others try out passwords on all connections."""
    guess = AUTHORIZED.replace(b"YWxpY2U6cmlnaHQ=", b"YWxpY2U6%06d").replace(
        b"Connection: close", b"Connection: keep-alive"
    )
    with secured(tmp_path) as (it, context), contextlib.ExitStack() as clients:
        scraped_in(it, context)
        crowd, seconds, statuses, waiting = [], [], set(), 0
        for turn in range(5):
            for number in range(40):
                if turn == 0:
                    client = context.wrap_socket(connect(it), server_hostname="localhost")
                    crowd.append(clients.enter_context(client))
                password = b"%06d==" % (turn * 100 + number)
                crowd[number].sendall(guess.replace(b"%06d", password))
            seconds.append(scraped_in(it, context))
            waiting += len(crowd) - len(select.select(crowd, [], [], 0)[0])
            statuses |= {answer(client)[0] for client in crowd}

    record_testsuite_property("flood of guesses: slowest scrape, seconds", round(max(seconds), 3))
    assert statuses == {401, 503}
    assert waiting > 0  # guesses, when the scrapes were answered
