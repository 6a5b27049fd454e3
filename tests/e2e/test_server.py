"""The bounded server, over real sockets on loopback."""

import json
import logging
import re
import select
import socket
import struct
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager, suppress

import pytest

from exporter.web.addresses import listen
from exporter.web.connection import Connection, Limits
from exporter.web.messages import Handler, Request, Response, text
from exporter.web.server import Server
from tests.clients import answer, rest

LIMIT = 60.0  # seconds after which a test gives up waiting; never waited for when all is well
GET = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
LAST = b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
SMUGGLED = (
    b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 40\r\n"
    b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n"
)
BODY = 65_536  # bytes
SOON = 1.0  # seconds: a deadline that a test waits for; who is quick needs a tenth of it


def echo(request: Request) -> Response:
    """Answer with what was asked."""
    return text(200, f"{request.method} {request.path}")


@contextmanager
def serving(handler: Handler = echo, **limits: float) -> Iterator[Server]:
    """A server with these limits, on a free port, whose handler takes bodies of BODY bytes."""
    server = Server(
        ("127.0.0.1", 0),
        handler,
        body_limit=lambda _: BODY,
        limits=Limits(**limits),  # type: ignore[arg-type]
    )
    server.start()
    try:
        yield server
    finally:
        server.stop(LIMIT)


def connect(server: Server, sent: bytes = b"") -> socket.socket:
    """Open a connection and send something."""
    sock = socket.create_connection(server.address, timeout=LIMIT)
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


@contextmanager
def dripping(sock: socket.socket, data: bytes) -> Iterator[None]:
    """Send bytes one at a time, far faster than any deadline, until the server hangs up."""
    over = threading.Event()

    def drip() -> None:
        with suppress(OSError):  # the server has hung up
            for byte in data:
                if over.wait(SOON / 20):
                    break
                sock.sendall(bytes([byte]))

    thread = threading.Thread(target=drip)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


class Gate:
    """A handler whose requests wait until they are let through."""

    def __init__(self) -> None:
        self.entered = threading.Semaphore(0)
        self.open = threading.Event()

    def __call__(self, request: Request) -> Response:
        """Wait, then answer."""
        self.entered.release()
        assert self.open.wait(LIMIT)
        return echo(request)


def test_a_connection_serves_many_requests() -> None:
    """A scraper keeps its connection."""
    with serving() as server, connect(server) as client:
        for _ in range(3):
            client.sendall(GET)

            assert answer(client) == (200, b"GET /\n")


def test_requests_may_come_before_their_answers() -> None:
    """Pipelined requests are answered in their order, bodies and empty lines between."""
    post = b"\r\nPOST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\na\nb\rc"
    last = b"GET /b HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"

    with serving() as server, connect(server, GET + post + last) as client:
        received = rest(client)

    assert re.findall(rb"\r\n\r\n(.*)\n", received) == [b"GET /", b"POST /a", b"GET /b"]


def test_a_request_may_come_in_pieces() -> None:
    """Where the network cuts a request does not matter."""
    request = b"POST /p HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc"

    with serving() as server, connect(server) as client:
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for byte in request:
            client.sendall(bytes([byte]))

        assert answer(client) == (200, b"POST /p\n")


def test_head_gets_the_head_alone() -> None:
    """HEAD is told the length of what GET would bring, and the next answer follows at once."""
    head = GET.replace(b"GET", b"HEAD")

    with serving() as server, connect(server, head + GET) as client:
        received = client.recv(65_536)
        while not received.endswith(b"GET /\n"):
            received += client.recv(65_536)

    first, second, body = received.split(b"\r\n\r\n")
    assert b"Content-Length: 7" in first
    assert second.startswith(b"HTTP/1.1 200 OK\r\n")
    assert body == b"GET /\n"


def test_an_old_client_is_served_and_let_go() -> None:
    """HTTP/1.0 without keep-alive gets its answer and the end."""
    with serving() as server, connect(server, b"GET / HTTP/1.0\r\n\r\n") as client:
        received = rest(client)

    assert received.startswith(b"HTTP/1.1 200 OK\r\n")
    assert b"Connection: close\r\n" in received
    assert received.endswith(b"\r\n\r\nGET /\n")


def test_no_answer_tells_what_serves_it() -> None:
    """No banner helps whoever looks for a version with a hole; nosniff is on every answer."""
    with serving() as server, connect(server, GET + b"nonsense\r\n\r\n") as client:
        received = rest(client)

    assert b"\r\nServer:" not in received
    assert b"Python" not in received
    assert received.count(b"X-Content-Type-Options: nosniff\r\n") == 2


@pytest.mark.parametrize(
    ("status", "request_head"),
    [
        (400, b"GET /\r\n"),
        (400, b"GET / HTTP/1.1\nHost: x\n\n"),
        (400, b"GET / HTTP/1.1\r\n\r\n"),
        (400, b"GET / HTTP/1.1\r\nHost: x\r\nA : b\r\n\r\n"),
        (400, b"GET / HTTP/1.1\r\nHost: x\r\nA: b\r\n c\r\n\r\n"),
        (400, b"\x16\x03\x01\x00\xa5\x01\x00\x00\xa1\x03\x03\n"),  # a TLS handshake
        (400, b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n"),
        (400, SMUGGLED),
        (411, b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
        (413, b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n" + b"x" * 100_000),
        (414, b"GET /" + b"a" * 9_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n"),
        (431, b"GET / HTTP/1.1\r\nHost: x\r\nA: " + b"a" * 1_000_000 + b"\r\n\r\n"),
    ],
)
def test_a_bad_request_is_refused_and_ends_the_connection(
    status: int, request_head: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    """Its sender can send all of it, gets one 4xx and the end, and the log gets no line."""
    with serving() as server, connect(server) as client:
        client.sendall(request_head + GET)
        received = rest(client)

    assert received.startswith(b"HTTP/1.1 %d " % status)
    assert received.count(b"HTTP/1.1") == 1
    assert b"Connection: close\r\n" in received
    assert not [record for record in caplog.records if record.levelno > logging.DEBUG]


def test_a_client_may_ask_before_it_sends_a_body() -> None:
    """Who expects a 100 gets it before the body, and the answer after."""
    head = b"POST / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n"

    with serving() as server, connect(server, head) as client:
        invited = client.recv(100)
        client.sendall(b"abc")

        assert invited == b"HTTP/1.1 100 Continue\r\n\r\n"
        assert answer(client) == (200, b"POST /\n")


def test_a_body_reaches_the_handler_and_no_byte_more() -> None:
    """A handler gets exactly the body, cut wherever, and what follows is the next request."""
    bodies: list[bytes] = []

    def note(request: Request) -> Response:
        bodies.append(request.body)
        return echo(request)

    body = bytes(range(256)) * (BODY // 256)
    post = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % BODY

    with serving(note) as server, connect(server, post + body[:1000]) as client:
        client.sendall(body[1000:] + GET + LAST.replace(b"GET", b"POST"))
        rest(client)

    assert bodies == [body, b"", b""]


def test_each_path_has_its_own_limit_of_a_body() -> None:
    """The handler says for each request how long a body may be; one byte more is a 413."""
    limits = {"/five": 5, "/none": 0}
    server = Server(("127.0.0.1", 0), echo, body_limit=lambda request: limits[request.path])
    server.start()

    def status(path: bytes, body: bytes) -> int:
        head = b"POST %b HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % (path, len(body))
        with connect(server, head + body) as client:
            return answer(client)[0]

    try:
        found = [status(b"/five", b"12345"), status(b"/five", b"123456"), status(b"/none", b"1")]
    finally:
        server.stop(LIMIT)

    assert found == [200, 413, 413]


def test_a_client_that_leaves_in_its_body_calls_no_handler() -> None:
    """Half a body is never taken for a whole one."""
    calls: list[Request] = []

    def note(request: Request) -> Response:
        calls.append(request)
        return echo(request)

    half = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nab"
    with serving(note) as server, connect(server, half) as client:
        client.shutdown(socket.SHUT_WR)

        assert rest(client) == b""
    assert not calls


def test_no_one_is_invited_to_send_too_much() -> None:
    """Who asks to send a large body is refused before it is sent."""
    head = b"POST / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 99999\r\n\r\n"

    with serving() as server, connect(server, head) as client:
        assert rest(client).startswith(b"HTTP/1.1 413 ")


def test_a_fault_of_the_handler_costs_one_answer(caplog: pytest.LogCaptureFixture) -> None:
    """The client gets a 500 that gives nothing away, the log the place; the server goes on."""

    def fail_once(request: Request) -> Response:
        if request.path == "/bad":
            raise RuntimeError("the secret")
        return echo(request)

    bad = GET.replace(b"/ ", b"/bad ")

    with serving(fail_once) as server, connect(server, bad) as client:
        first = answer(client)
        client.sendall(GET)

        assert first == (500, b"Internal error. The exporter's log says where.\n")
        assert answer(client) == (200, b"GET /\n")
    (record,) = [record for record in caplog.records if record.levelno >= logging.WARNING]
    assert record.exc_info is not None
    assert record.__dict__["path"] == "/bad"


@pytest.mark.parametrize("sent", [b"", b"GET / HTTP/1.1\r\nHos"])
def test_a_half_open_client_is_dropped(sent: bytes) -> None:
    """Who sends no whole head in time is let go; who sent something is told why."""
    with serving(request_seconds=SOON) as server, connect(server, sent) as client:
        received = rest(client)

    assert received.startswith(b"HTTP/1.1 408 ") if sent else not received


@pytest.mark.parametrize(
    "start", [b"GET /", b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 60000\r\n\r\n"]
)
def test_dripping_does_not_prolong_a_deadline(start: bytes) -> None:
    """A head or a body that comes a byte at a time has as long as any other."""
    with (
        serving(request_seconds=SOON) as server,
        connect(server, start) as client,
        dripping(client, b"a" * 5_000),
    ):
        assert rest(client).startswith(b"HTTP/1.1 408 ")


def test_an_idle_connection_is_closed() -> None:
    """A kept connection is given up when nothing comes for long, without a word."""
    with serving(idle_seconds=SOON) as server, connect(server, GET) as client:
        assert answer(client) == (200, b"GET /\n")
        assert rest(client) == b""


def test_the_second_head_has_a_deadline_too() -> None:
    """On a kept connection a head that has begun must end as soon as a first one."""
    with serving(request_seconds=SOON) as server, connect(server, GET) as client:
        answer(client)
        client.sendall(b"GET")

        assert rest(client).startswith(b"HTTP/1.1 408 ")


def test_the_oldest_half_open_client_makes_room() -> None:
    """With all slots taken by clients that send nothing, a good one is served at once."""
    with (
        serving(slots=2) as server,
        connect(server) as oldest,
        connect(server, b"GET") as younger,
        connect(server, GET) as good,
    ):
        assert answer(good) == (200, b"GET /\n")
        assert rest(oldest) == b""
        younger.sendall(GET[3:])
        assert answer(younger) == (200, b"GET /\n")


def test_an_idle_connection_makes_room() -> None:
    """A kept connection that is not used gives its slot to a new client."""
    with serving(slots=1) as server, connect(server, GET) as idle:
        answer(idle)
        with connect(server, GET) as good:
            assert answer(good) == (200, b"GET /\n")
            assert rest(idle) == b""


def test_who_is_served_is_not_evicted() -> None:
    """With all slots truly serving, a new client waits for its turn, and gets it."""
    gate = Gate()
    with serving(gate, slots=2, patience_seconds=LIMIT) as server, ExitStack() as clients:
        served = [clients.enter_context(connect(server, LAST)) for _ in range(2)]
        for _ in served:
            assert gate.entered.acquire(timeout=LIMIT)
        waiting = [clients.enter_context(connect(server, LAST)) for _ in range(3)]

        gate.open.set()

        assert [answer(client) for client in served + waiting] == [(200, b"GET /\n")] * 5


def test_a_crowd_is_served_by_a_few() -> None:
    """Far more good clients than slots, all at once, get their answers: none drives others out."""
    with serving(slots=2, patience_seconds=LIMIT) as server, ExitStack() as clients:
        crowd = [clients.enter_context(connect(server, LAST)) for _ in range(100)]

        assert [answer(client) for client in crowd] == [(200, b"GET /\n")] * 100


@contextmanager
def accepted(sent: bytes, asked: list[Connection]) -> Iterator[Connection]:
    """The server's end of a connection that may not wait, and notes when it asks to."""

    def may_wait(connection: Connection) -> bool:
        asked.append(connection)
        return False

    with listen(("127.0.0.1", 0), 1) as listener:
        client = socket.create_connection(listener.getsockname(), timeout=LIMIT)
        client.sendall(sent)
        sock, _ = listener.accept()
        assert not sent or select.select([sock], [], [], LIMIT)[0]
        connection = Connection(sock, Limits(), may_wait)
        with client, closing(connection):
            yield connection


def test_a_request_that_is_there_is_read_without_waiting() -> None:
    """Who sent a whole request never counts as waiting for one, however busy the server is."""
    asked: list[Connection] = []

    with accepted(GET, asked) as connection:
        head = connection.read_request(lambda _: 0)

    assert head is not None
    assert asked == []


def test_a_refused_client_that_lingers_can_be_evicted() -> None:
    """Waiting for a refused client to hang up is waiting like any other."""
    asked: list[Connection] = []

    with accepted(b"", asked) as connection:
        connection.linger()

    assert asked == [connection]


def test_a_refused_client_may_send_on() -> None:
    """A client that is refused in the middle of its request is not reset while it still sends."""
    with serving() as server, connect(server, b"GET /" + b"a" * 9_000) as client:
        status, _ = answer(client)
        for _ in range(10):
            client.sendall(b"a" * 1_000)

    assert status == 414


def test_half_open_clients_take_no_threads_from_others() -> None:
    """Through 200 half-open connections a good one gets its answer, with 64 threads at most."""
    before = web_threads()
    with serving() as server, ExitStack() as clients:
        for _ in range(200):
            clients.enter_context(connect(server, b"GET / HTTP/1.1\r\n"))

        with connect(server, GET) as good:
            assert answer(good) == (200, b"GET /\n")
        assert web_threads() - before <= 64 + 1  # one may be on its last line


@pytest.mark.parametrize("reads", [False, True], ids=["not at all", "slowly"])
def test_a_slow_reader_is_dropped(*, reads: bool) -> None:
    """Who does not take a whole answer in time gives its slot to the next client."""
    large = Response(200, "text/plain", b"x" * 50_000_000)

    def handle(request: Request) -> Response:
        return large if request.path == "/large" else echo(request)

    with serving(handle, slots=1, write_seconds=SOON, request_seconds=LIMIT * 2) as server:
        slow = connect(server, GET.replace(b"/ ", b"/large "))
        over = threading.Event()

        def sip() -> None:
            while not over.wait(SOON / 50) and slow.recv(1_000):
                pass

        reader = threading.Thread(target=sip if reads else over.wait)
        reader.start()
        with slow, connect(server, GET) as next_client:
            assert answer(next_client) == (200, b"GET /\n")
            over.set()
            reader.join()
            assert len(rest(slow)) < len(large.body)


def test_clients_that_vanish_leave_nothing(caplog: pytest.LogCaptureFixture) -> None:
    """After many clients reset their connections mid-answer no thread is left, and no log line."""
    before = web_threads()
    body = Response(200, "text/plain", b"x" * 5_000_000)

    with serving(lambda _: body) as server:
        for _ in range(50):
            client = connect(server, GET)
            client.recv(1)
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            client.close()

        assert eventually(lambda: web_threads() == before)
    assert not [record for record in caplog.records if record.levelno > logging.DEBUG]


def test_stopping_lets_a_request_end() -> None:
    """A request in flight is answered in full; new ones are answered until then, and not after."""
    gate = Gate()

    def handle(request: Request) -> Response:
        return gate(request) if request.path == "/" else echo(request)

    def is_stopping() -> bool:
        with connect(server, GET.replace(b"/ ", b"/new ")) as newcomer:
            return b"Connection: close\r\n" in newcomer.recv(65_536)

    with serving(handle) as server, connect(server, GET) as client:
        assert gate.entered.acquire(timeout=LIMIT)
        stopping = threading.Thread(target=server.stop, args=(LIMIT,))
        stopping.start()
        assert eventually(is_stopping)

        gate.open.set()
        received = rest(client)
        stopping.join()

        assert b"Connection: close\r\n" in received
        assert received.endswith(b"\r\n\r\nGET /\n")
        assert not listens(server)


def listens(server: Server) -> bool:
    """Tell whether a connection to it can be made."""
    try:
        connect(server).close()
    except OSError:
        return False
    return True


def test_stopping_does_not_wait_for_idle_clients() -> None:
    """Idle, half-open and silent connections are closed at once."""
    with serving() as server, connect(server, GET) as idle, connect(server, b"GET") as half:
        answer(idle)

        server.stop(LIMIT * 10)  # the idle time is 120 s, so waiting for it would be seen

        assert rest(idle) == b""
        assert rest(half) == b""


def test_stopping_cuts_what_outlasts_the_grace() -> None:
    """A request that does not end in time is cut, so that the process can end."""
    gate = Gate()
    with serving(gate) as server, connect(server, GET) as client:
        assert gate.entered.acquire(timeout=LIMIT)

        server.stop(0)

        assert rest(client) == b""
        gate.open.set()


def test_a_server_that_never_started_can_stop() -> None:
    """What is bound is let go, also when the start failed half-way."""
    server = Server(("127.0.0.1", 0), echo)

    server.stop(0)
    server.stop(0)

    assert not listens(server)


def test_servers_share_a_handler() -> None:
    """Each --web.listen-address serves the same."""
    with serving() as one, serving() as other, connect(one, GET) as a, connect(other, GET) as b:
        assert answer(a) == answer(b) == (200, b"GET /\n")


SHORT_OF_DESCRIPTORS = """
    import logging, resource, sys
    from exporter.web.connection import Limits
    from exporter.web.messages import text
    from exporter.web.server import Server
    resource.setrlimit(resource.RLIMIT_NOFILE, (32, 32))
    logging.basicConfig(stream=sys.stderr, format="%(levelname)s %(message)s")
    limits = Limits(request_seconds=600)  # so that only eviction makes room
    server = Server(("127.0.0.1", 0), lambda request: text(200, "fine"), limits=limits)
    server.start()
    print(server.address[1], flush=True)
    sys.stdin.read()
    server.stop(1)
"""


def test_a_lack_of_descriptors_is_survived() -> None:
    """With fewer descriptors than slots, half-open clients are shed for a good one; one warning."""
    program = [sys.executable, "-c", textwrap.dedent(SHORT_OF_DESCRIPTORS)]
    pipe = subprocess.PIPE
    with (
        subprocess.Popen(program, stdin=pipe, stdout=pipe, stderr=pipe, text=True) as process,
        ExitStack() as clients,
    ):
        assert process.stdout is not None
        address = ("127.0.0.1", json.loads(process.stdout.readline()))
        for _ in range(60):
            clients.enter_context(closing(socket.create_connection(address, LIMIT)))

        good = clients.enter_context(socket.create_connection(address, LIMIT))
        good.sendall(GET)

        assert answer(good) == (200, b"fine\n")
        _, log = process.communicate(timeout=LIMIT)
    assert log.splitlines() == ["WARNING cannot take a connection"]
    assert process.returncode == 0
