import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from exporter.sockets import DeadlineSocket, DeadlineTlsSocket
from tests.certificates import Authority

TIMEOUT = 0.2  # seconds
BETWEEN_BYTES = 0.01  # far under the timeout, so that only a deadline can end the dripping
BYTES = 1_000  # a reader without a deadline sees them all, and then the end


@contextmanager
def dripping(sock: socket.socket) -> Iterator[None]:
    """A peer that sends a byte at a time, closes after BYTES of them, and hangs up at the end."""
    over = threading.Event()

    def drip() -> None:
        with sock, suppress(OSError):
            for _ in range(BYTES):
                if over.wait(BETWEEN_BYTES):
                    break
                sock.sendall(b"x")

    thread = threading.Thread(target=drip)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def read_to_the_end(sock: socket.socket) -> None:
    """Receive, byte by byte, until the peer closes."""
    while sock.recv(1):
        pass


@pytest.fixture
def pair() -> Iterator[tuple[DeadlineSocket, socket.socket]]:
    """Ours and the peer's end of a connection."""
    ours, theirs = socket.socketpair()
    with DeadlineSocket.adopt(ours) as adopted, theirs:
        yield adopted, theirs


@pytest.fixture
def contexts(tmp_path: Path) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """The client's context and the server's."""
    authority = Authority(tmp_path)
    server = authority.server()
    client = ssl.create_default_context(cafile=authority.ca_file)
    client.sslsocket_class = DeadlineTlsSocket
    return client, server


@pytest.fixture
def tls_pair(
    contexts: tuple[ssl.SSLContext, ssl.SSLContext],
) -> Iterator[tuple[ssl.SSLSocket, ssl.SSLSocket]]:
    """Ours and the peer's end of a connection over TLS, both shaken hands."""
    client, server = contexts
    ours, theirs = socket.socketpair()
    accepted: list[ssl.SSLSocket] = []
    thread = threading.Thread(
        target=lambda: accepted.append(server.wrap_socket(theirs, server_side=True))
    )
    thread.start()
    wrapped = client.wrap_socket(ours, server_hostname="localhost")
    thread.join()
    with wrapped, accepted[0]:
        yield wrapped, accepted[0]


def test_many_recvs_share_one_timeout(pair: tuple[DeadlineSocket, socket.socket]) -> None:
    """A peer that sends a byte at a time cannot hold a reader beyond the timeout."""
    ours, theirs = pair
    ours.settimeout(TIMEOUT)

    with dripping(theirs), pytest.raises(TimeoutError):
        read_to_the_end(ours)


def test_a_file_made_of_it_shares_the_timeout(pair: tuple[DeadlineSocket, socket.socket]) -> None:
    """Reading a line through makefile, as http.client does, ends at the timeout."""
    ours, theirs = pair
    ours.settimeout(TIMEOUT)

    with dripping(theirs), ours.makefile("rb") as file, pytest.raises(TimeoutError):
        file.readline()


def test_tls_recvs_share_one_timeout(tls_pair: tuple[ssl.SSLSocket, ssl.SSLSocket]) -> None:
    """Over TLS, records of one byte cannot hold a reader beyond the timeout."""
    ours, theirs = tls_pair
    ours.settimeout(TIMEOUT)

    with dripping(theirs), pytest.raises(TimeoutError):
        read_to_the_end(ours)


def test_a_tls_file_shares_the_timeout(tls_pair: tuple[ssl.SSLSocket, ssl.SSLSocket]) -> None:
    """Over TLS, reading a line through makefile ends at the timeout."""
    ours, theirs = tls_pair
    ours.settimeout(TIMEOUT)

    with dripping(theirs), ours.makefile("rb") as file, pytest.raises(TimeoutError):
        file.readline()


def test_the_handshake_is_bounded(contexts: tuple[ssl.SSLContext, ssl.SSLContext]) -> None:
    """A server that drips its first TLS record cannot hold the handshake beyond the timeout."""
    ours, theirs = socket.socketpair()
    theirs.sendall(bytes.fromhex("16 0303 4000"))  # a handshake record of 16 KiB follows
    ours.settimeout(TIMEOUT)

    with dripping(theirs), pytest.raises(TimeoutError):
        contexts[0].wrap_socket(ours, server_hostname="localhost")


def test_setting_the_timeout_again_starts_anew(pair: tuple[DeadlineSocket, socket.socket]) -> None:
    """A socket whose time was up reads on after the next settimeout."""
    ours, theirs = pair
    ours.settimeout(TIMEOUT)
    with pytest.raises(TimeoutError):
        ours.recv(1)
    theirs.sendall(b"late")

    ours.settimeout(60)

    assert ours.recv(10) == b"late"


def test_data_that_is_there_does_not_excuse_lateness(
    pair: tuple[DeadlineSocket, socket.socket],
) -> None:
    """Once the time is up nothing more is received, even what has already arrived."""
    ours, theirs = pair
    ours.settimeout(TIMEOUT)
    with pytest.raises(TimeoutError):
        ours.recv(1)
    theirs.sendall(b"late")

    with pytest.raises(TimeoutError):
        ours.recv(10)


@pytest.mark.parametrize("drop", [("settimeout", None), ("setblocking", True)])
def test_no_timeout_waits_for_ever(
    pair: tuple[DeadlineSocket, socket.socket], drop: tuple[str, bool | None]
) -> None:
    """None drops an earlier deadline, and so does setblocking(True)."""
    ours, theirs = pair
    ours.settimeout(TIMEOUT)
    with pytest.raises(TimeoutError):
        ours.recv(1)
    method, value = drop
    getattr(ours, method)(value)
    theirs.sendall(b"x")

    received = ours.recv(1)

    assert received == b"x"
    assert ours.gettimeout() is None


def test_zero_never_waits(pair: tuple[DeadlineSocket, socket.socket]) -> None:
    """A timeout of 0 raises BlockingIOError at once where nothing has arrived."""
    ours, _ = pair
    ours.settimeout(0)

    with pytest.raises(BlockingIOError):
        ours.recv(1)


def test_adopting_keeps_descriptor_and_timeout() -> None:
    """The adopted socket takes the other's place, and its timeout."""
    original, peer = socket.socketpair()
    original.settimeout(42)
    descriptor = original.fileno()

    adopted = DeadlineSocket.adopt(original)

    with adopted, peer:
        assert adopted.fileno() == descriptor
        assert adopted.gettimeout() == 42
        assert original.fileno() == -1


def test_a_timeout_that_is_right_to_a_millisecond_is_not_set_again() -> None:
    """Setting it is a system call, which thirty threads would wait for in each of their calls."""
    with DeadlineSocket() as sock:
        sock.settimeout(5.0)

        sock.settimeout(4.9999)
        kept = sock.gettimeout()
        sock.settimeout(4.9)

        assert kept == 5.0
        assert sock.gettimeout() == 4.9
