"""The bounded server speaking TLS, over real sockets on loopback."""

import select
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path

import pytest

from exporter.web.connection import Limits
from exporter.web.messages import Handler, Request, Response, text
from exporter.web.security import TlsEndpoint, load
from exporter.web.server import Server
from tests.certificates import Authority
from tests.clients import answer, rest

LIMIT = 60.0  # seconds after which a test gives up waiting; never waited for when all is well
SOON = 1.0  # seconds: a deadline that a test waits for; who is quick needs a tenth of it
GET = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
LAST_GET = b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
HALF_A_RECORD = b"\x17\x03\x03\x40\x00" + bytes(100)  # application data, 16 KiB announced
TLS = "tls_server_config:\n  cert_file: server.pem\n  key_file: server.key\n"


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """An authority with a certificate for this machine, in its folder."""
    made = Authority(tmp_path_factory.mktemp("tls"))
    made.issue("server", "DNS:localhost,IP:127.0.0.1")
    return made


@pytest.fixture(scope="module")
def endpoint(authority: Authority) -> TlsEndpoint:
    """What a file with just a certificate gives."""
    return made_endpoint(authority)


def made_endpoint(authority: Authority, more: str = "") -> TlsEndpoint:
    """Load an endpoint from a file, as the exporter does."""
    path = authority.ca_file.with_name("web.yaml")
    path.write_text(TLS + more)
    endpoint = load(str(path)).tls
    assert endpoint is not None
    return endpoint


@pytest.fixture
def trusting(authority: Authority) -> ssl.SSLContext:
    """A client that trusts the authority."""
    return ssl.create_default_context(cafile=authority.ca_file)


def echo(request: Request) -> Response:
    """Answer with what was asked."""
    return text(200, f"{request.method} {request.path}")


@contextmanager
def serving(
    endpoint: TlsEndpoint | Callable[[], TlsEndpoint], handler: Handler = echo, **limits: float
) -> Iterator[Server]:
    """A server with these limits, on a free port."""
    tls = (lambda: endpoint) if isinstance(endpoint, TlsEndpoint) else endpoint
    server = Server(
        ("127.0.0.1", 0),
        handler,
        body_limit=lambda _: 65_536,
        limits=Limits(**limits),  # type: ignore[arg-type]
        tls=tls,
    )
    server.start()
    try:
        yield server
    finally:
        server.stop(LIMIT)


def silent(server: Server, sent: bytes = b"") -> socket.socket:
    """Open a connection and begin no handshake."""
    sock = socket.create_connection(server.address, timeout=LIMIT)
    sock.sendall(sent)
    return sock


def connect(
    server: Server,
    context: ssl.SSLContext,
    sent: bytes = b"",
    session: ssl.SSLSession | None = None,
) -> ssl.SSLSocket:
    """Open a connection, shake hands and send something."""
    sock = context.wrap_socket(
        silent(server), server_hostname="localhost", session=session, suppress_ragged_eofs=False
    )
    sock.sendall(sent)
    return sock


def web_threads() -> int:
    """Count the threads that serve connections."""
    return sum(thread.name == "web" for thread in threading.enumerate())


def eventually(condition: Callable[[], bool]) -> bool:
    """Wait until it holds; tell whether it ever did."""
    end = time.monotonic() + LIMIT
    while not condition() and time.monotonic() < end:
        time.sleep(0.005)
    return condition()


def client_hello(context: ssl.SSLContext) -> bytes:
    """Return what a client sends first."""
    sent = ssl.MemoryBIO()
    client = context.wrap_bio(ssl.MemoryBIO(), sent, server_hostname="localhost")
    with suppress(ssl.SSLWantReadError):
        client.do_handshake()
    return sent.read()


def test_a_connection_serves_many_requests(endpoint: TlsEndpoint, trusting: ssl.SSLContext) -> None:
    """A scraper keeps its connection, and so pays for one handshake."""
    with serving(endpoint) as server, connect(server, trusting) as client:
        for _ in range(3):
            client.sendall(GET)

            assert answer(client) == (200, b"GET /\n")


@pytest.mark.parametrize("offered", [["h2", "http/1.1"], ["http/1.1"], ["h2"], []])
def test_http_1_1_is_agreed_on(
    endpoint: TlsEndpoint, trusting: ssl.SSLContext, offered: list[str]
) -> None:
    """Of what a client offers http/1.1 is chosen; without it, HTTP/1.1 is spoken all the same."""
    if offered:
        trusting.set_alpn_protocols(offered)

    with serving(endpoint) as server, connect(server, trusting, GET) as client:
        chosen = client.selected_alpn_protocol()

        assert chosen == ("http/1.1" if "http/1.1" in offered else None)
        assert answer(client) == (200, b"GET /\n")


def test_a_request_may_come_in_pieces(endpoint: TlsEndpoint, trusting: ssl.SSLContext) -> None:
    """Where a request is cut into records does not matter, and several may share one."""
    request = b"POST /p HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc"

    with serving(endpoint) as server, connect(server, trusting) as client:
        for byte in request:
            client.sendall(bytes([byte]))
        assert answer(client) == (200, b"POST /p\n")

        client.sendall(request + LAST_GET)
        assert rest(client).count(b"200 OK") == 2


def test_a_large_answer_arrives(endpoint: TlsEndpoint, trusting: ssl.SSLContext) -> None:
    """An answer of many records is whole."""
    body = bytes(range(256)) * 20_000

    with (
        serving(endpoint, lambda _: Response(200, "x/y", body)) as server,
        connect(server, trusting, GET) as client,
    ):
        assert answer(client) == (200, body)


def test_the_end_is_told(endpoint: TlsEndpoint, trusting: ssl.SSLContext) -> None:
    """A last answer is followed by TLS's own farewell, so that nobody takes it for cut off."""
    with serving(endpoint) as server, connect(server, trusting, LAST_GET) as client:
        received = rest(client)  # raises where the farewell is missing

    assert received.endswith(b"\r\n\r\nGET /\n")


def test_a_refused_client_reads_why(endpoint: TlsEndpoint, trusting: ssl.SSLContext) -> None:
    """What is no HTTP within TLS is answered within TLS."""
    with serving(endpoint) as server, connect(server, trusting, b"nonsense\r\n" * 99) as client:
        received = rest(client)

    assert received.startswith(b"HTTP/1.1 400 ")


@pytest.mark.parametrize("sent", [GET, b"x", b"\r\n"])
def test_plain_http_is_told_so(endpoint: TlsEndpoint, sent: bytes) -> None:
    """Whoever speaks plain HTTP to the port reads in plain HTTP what to do."""
    with serving(endpoint) as server, silent(server, sent) as client:
        received = rest(client)

    assert received.startswith(b"HTTP/1.1 400 ")
    assert b"https://" in received


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_a_session_is_resumed(
    endpoint: TlsEndpoint, trusting: ssl.SSLContext, version: ssl.TLSVersion
) -> None:
    """A client that comes again saves half the handshake."""
    trusting.maximum_version = version
    with serving(endpoint) as server:
        with connect(server, trusting, GET) as client:
            answer(client)
            session = client.session
        with connect(server, trusting, GET, session) as client:
            status, _ = answer(client)

            assert client.session_reused
            assert status == 200


def test_no_session_outlives_its_configuration(
    authority: Authority, trusting: ssl.SSLContext
) -> None:
    """After a change every client shakes hands anew: nobody slips past a new client authority."""
    endpoints = [made_endpoint(authority) for _ in range(2)]
    with serving(lambda: endpoints[0]) as server:
        with connect(server, trusting, GET) as client:
            answer(client)
            session = client.session
        del endpoints[0]
        with connect(server, trusting, GET, session) as client:
            status, _ = answer(client)

            assert not client.session_reused
            assert status == 200


@pytest.mark.parametrize("sent", [b"", b"\x16", b"\x16\x03\x01\x02\x00"])
def test_a_silent_client_is_dropped(endpoint: TlsEndpoint, sent: bytes) -> None:
    """Whoever begins no handshake, or stops within one, is gone after the header deadline."""
    with serving(endpoint, request_seconds=SOON) as server, silent(server, sent) as client:
        assert rest(client) == b""

    assert web_threads() == 0


def test_a_dripped_handshake_is_dropped(endpoint: TlsEndpoint, trusting: ssl.SSLContext) -> None:
    """The deadline is for all of the handshake, however often a byte of it comes."""
    hello = client_hello(trusting)
    with serving(endpoint, request_seconds=SOON) as server, silent(server) as client:
        for byte in hello:
            if select.select([client], [], [], SOON / 20)[0]:
                break
            client.sendall(bytes([byte]))
        else:
            pytest.fail("all of it was taken")

        assert rest(client) == b""


def test_a_handshake_does_not_add_to_the_deadline(
    endpoint: TlsEndpoint, trusting: ssl.SSLContext
) -> None:
    """After the handshake a half request is dropped too, and told why."""
    with (
        serving(endpoint, request_seconds=5 * SOON) as server,  # time for the handshake
        connect(server, trusting, GET[:10]) as client,
    ):
        assert rest(client).startswith(b"HTTP/1.1 408 ")


@pytest.mark.parametrize("sent", [b"", b"\x16\x03\x01\x02\x00"])
def test_silent_clients_make_room(
    endpoint: TlsEndpoint, trusting: ssl.SSLContext, sent: bytes
) -> None:
    """A new client takes the place of who has begun a handshake and does not go on."""
    with serving(endpoint, slots=2) as server, ExitStack() as clients:
        crowd = [clients.enter_context(silent(server, sent)) for _ in range(5)]

        with connect(server, trusting, GET) as client:
            assert answer(client) == (200, b"GET /\n")
        dropped = sum(rest(each) == b"" for each in crowd[:4])

    assert dropped == 4


def test_half_a_record_makes_room(endpoint: TlsEndpoint, trusting: ssl.SSLContext) -> None:
    """A kept connection with a record that does not end holds no slot against others."""
    sent = threading.Event()

    def answer_late(request: Request) -> Response:
        assert sent.wait(LIMIT)
        return echo(request)

    with (
        serving(endpoint, answer_late, slots=1) as server,
        connect(server, trusting, GET) as sleeper,
    ):
        socket.socket.sendall(sleeper, HALF_A_RECORD)
        sent.set()
        answer(sleeper)

        with connect(server, trusting, GET) as client:
            assert answer(client) == (200, b"GET /\n")


def test_who_is_hung_up_reads_no_ciphertext(
    endpoint: TlsEndpoint, trusting: ssl.SSLContext
) -> None:
    """To cut a connection in another thread does not take TLS away from its reader."""
    ours, theirs = socket.socketpair()
    with ours, closing(endpoint.wrap(theirs)) as server, ThreadPoolExecutor(1) as thread:
        shaken = thread.submit(server.do_handshake)
        with trusting.wrap_socket(ours, server_hostname="localhost") as client:
            shaken.result(LIMIT)
            client.sendall(b"planted")

            server.cut()

            assert server.recv(100) in (b"planted", b"")


def test_a_slow_reader_is_dropped(endpoint: TlsEndpoint, trusting: ssl.SSLContext) -> None:
    """The write deadline is for all of an answer, over TLS too."""
    body = bytes(50_000_000)
    with (
        serving(endpoint, lambda _: Response(200, "x/y", body), write_seconds=SOON) as server,
        connect(server, trusting, GET) as client,
    ):
        pause, read = threading.Event(), 0
        while web_threads():  # it takes something all the time, but would need far too long
            read += len(client.recv(65_536))
            pause.wait(SOON / 20)

    assert read < len(body) / 2


@pytest.mark.parametrize("sent", [b"", b"\x16\x03\x01\x02\x00"])
def test_a_stop_does_not_wait_for_handshakes(endpoint: TlsEndpoint, sent: bytes) -> None:
    """Clients without a request are left at once."""
    with (
        serving(endpoint, request_seconds=LIMIT) as server,
        closing(silent(server, sent)) as client,
    ):
        assert eventually(lambda: web_threads() == 1)

        server.stop(0.0)

        assert rest(client) == b""
        assert eventually(lambda: web_threads() == 0)


def test_a_client_that_agrees_on_nothing_costs_nothing(
    endpoint: TlsEndpoint, trusting: ssl.SSLContext, caplog: pytest.LogCaptureFixture
) -> None:
    """A failed handshake ends its connection alone, and is no warning: any scanner makes some."""
    stranger = ssl.create_default_context()
    with serving(endpoint) as server:
        with pytest.raises(ssl.SSLCertVerificationError):
            connect(server, stranger)
        with silent(server, b"\x16" + b"junk" * 100) as client:
            rest(client)
        with connect(server, trusting, GET) as client:
            assert answer(client) == (200, b"GET /\n")

    assert [record.message for record in caplog.records if record.levelname != "DEBUG"] == []


def test_a_thousand_clients_leave_nothing(endpoint: TlsEndpoint, trusting: ssl.SSLContext) -> None:
    """Neither handshakes that fail nor those that work leave a descriptor or a thread."""
    folder = Path("/proc/self/fd")
    with serving(endpoint) as server:
        before = len(list(folder.iterdir()))
        for _ in range(250):
            silent(server).close()
            silent(server, b"\x16\x03").close()
            silent(server, GET).close()
            connect(server, trusting, GET).close()

        assert eventually(lambda: web_threads() == 0)
        assert len(list(folder.iterdir())) == before
