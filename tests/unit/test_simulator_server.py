"""The simulator speaks HTTP/1.1 as clients need it, and outlives what is no HTTP."""

import http.client
import json
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import replace
from email.utils import formatdate
from typing import Any

import pytest

from exporter.clock import Clock
from exporter.simulator.server import LONGEST_BODY, Simulator
from exporter.simulator.verify import Request
from tests.fakes import HandSetClock
from tests.simulator_requests import FORM, SCENARIO, START, STEADY, signed

STANDING = Clock(wall=lambda: START, monotonic=lambda: 0.0)
LIMIT = 60.0  # seconds: only a hang takes that long


@pytest.fixture
def simulator() -> Iterator[Simulator]:
    """A simulator whose clock stands still."""
    with Simulator(SCENARIO, clock=STANDING) as running:
        yield running


def port_of(simulator: Simulator) -> int:
    """The simulator's port."""
    return int(simulator.url.rpartition(":")[2])


def connect(simulator: Simulator) -> socket.socket:
    """A plain connection."""
    return socket.create_connection(("127.0.0.1", port_of(simulator)), timeout=LIMIT)


def on_wire(request: Request) -> bytes:
    """A request's bytes."""
    lines = [f"{request.method} /?{request.query} HTTP/1.1"]
    lines += [f"{name}: {value}" for name, value in request.headers.items()]
    lines.append(f"content-length: {len(request.body)}\r\n\r\n")
    return "\r\n".join(lines).encode() + request.body


def send(connection: http.client.HTTPConnection, request: Request) -> tuple[int, Any]:
    """HTTP status and JSON of one call."""
    headers = dict(request.headers)
    connection.request("POST", f"/?{request.query}", request.body, headers)
    response = connection.getresponse()
    return response.status, json.loads(response.read())


def counts_of(simulator: Simulator) -> dict[str, Any]:
    """What ``/-/calls`` tells."""
    connection = http.client.HTTPConnection("127.0.0.1", port_of(simulator), timeout=LIMIT)
    connection.request("GET", "/-/calls")
    counts: dict[str, Any] = json.loads(connection.getresponse().read())
    connection.close()
    return counts


def test_keep_alive(simulator: Simulator) -> None:
    """One connection serves call after call."""
    connection = http.client.HTTPConnection("127.0.0.1", port_of(simulator), timeout=LIMIT)
    connection.connect()
    before = connection.sock.getsockname()

    replies = [send(connection, signed(nonce=f"n{n}")) for n in range(5)]

    assert [status for status, _ in replies] == [200] * 5
    assert connection.sock.getsockname() == before
    connection.close()


def test_pipelining(simulator: Simulator) -> None:
    """Requests that come in one piece are answered one after the other, in order."""
    requests = [signed(form={**FORM, "JobId": f"job-{n}"}, nonce=f"n{n}") for n in range(20)]
    with connect(simulator) as connection:
        connection.sendall(b"".join(map(on_wire, requests)) + b"GET / HTTP/1.0\r\n\r\n")
        received = b"".join(iter(lambda: connection.recv(65_536), b""))

    assert received.count(b"HTTP/1.1 404 Not Found") == 20
    assert received.count(b"HTTP/1.1 400 Bad Request") == 1
    asked = [job_id for job_id in counts_of(simulator)["jobs"] if job_id]
    assert asked == [f"job-{n}" for n in range(20)]


def test_a_request_in_pieces(simulator: Simulator) -> None:
    """A request that comes byte by byte is answered when it is whole."""
    request = signed(headers={"connection": "close"})
    with connect(simulator) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for byte in on_wire(request):
            connection.sendall(bytes([byte]))
        received = b"".join(iter(lambda: connection.recv(65_536), b""))

    assert received.startswith(b"HTTP/1.1 200 OK\r\n")


def test_many_clients(simulator: Simulator) -> None:
    """As many clients at once as the exporter may have calls each get their own answers."""
    clients, calls = 128, 5

    def client(number: int) -> list[int]:
        connection = http.client.HTTPConnection("127.0.0.1", port_of(simulator), timeout=LIMIT)
        requests = (signed(nonce=f"{number}-{n}") for n in range(calls))
        statuses = [send(connection, request)[0] for request in requests]
        connection.close()
        return statuses

    with ThreadPoolExecutor(clients) as pool:
        statuses = list(pool.map(client, range(clients)))

    assert statuses == [[200] * calls] * clients
    assert counts_of(simulator)["answered"] == clients * calls


def test_latency_does_not_block_others() -> None:
    """While one call waits for its latency, other calls are answered."""
    patient = replace(SCENARIO, latency=3600.0)
    with Simulator(patient, clock=STANDING) as simulator, connect(simulator) as waiting:
        waiting.sendall(on_wire(signed()))

        # The counts come without latency, and after the call is counted.
        while not counts_of(simulator)["answered"]:
            pass

        assert counts_of(simulator)["jobs"]["steady-job"]["asked"] == 1


def test_stop_drops_what_waits() -> None:
    """Stopping ends open and waiting connections, the thread and the port."""
    simulator = Simulator(replace(SCENARIO, latency=3600.0), clock=STANDING).start()
    port = port_of(simulator)
    with connect(simulator) as waiting:
        waiting.sendall(on_wire(signed()))
        while not counts_of(simulator)["answered"]:
            pass

        simulator.stop()

        assert waiting.recv(1) == b""
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port), timeout=LIMIT)
    assert not [thread for thread in threading.enumerate() if thread.name == "simulator"]
    simulator.stop()


def test_a_stopped_simulators_port_is_free_at_once() -> None:
    """A new simulator can take the port of one that had connections open."""
    with Simulator(SCENARIO) as first, connect(first) as connection:
        connection.sendall(b"GET /-/calls HTTP/1.1\r\n\r\n")
        assert connection.recv(1)
        port = port_of(first)

    with Simulator(SCENARIO, ("127.0.0.1", port)) as second:
        assert counts_of(second)["total"] == 0


def test_ipv6() -> None:
    """An IPv6 address is put into brackets in the URL."""
    if not socket.has_ipv6:
        pytest.skip("no IPv6 on this machine")
    with Simulator(SCENARIO, ("::1", 0)) as simulator:
        assert simulator.url.startswith("http://[::1]:")


def test_not_started() -> None:
    """A simulator that was not started says so when asked for its address."""
    with pytest.raises(RuntimeError, match="not been started"):
        _ = Simulator(SCENARIO).url


def test_seconds_are_of_the_clock() -> None:
    """The jobs' time starts with the simulator, and no step of the wall clock moves it."""
    time = HandSetClock()
    with Simulator(SCENARIO, clock=time.clock()) as simulator:
        time.advance(90.0)
        time.jump(3600.0)

        assert simulator.seconds == 90.0


def test_a_burst_of_connections(simulator: Simulator) -> None:
    """No connection of a burst is dropped, though none is used until all are there."""
    with ExitStack() as clients:
        burst = [clients.enter_context(connect(simulator)) for _ in range(256)]
        for client in burst:
            client.sendall(b"GET /-/calls HTTP/1.1\r\n\r\n")

        assert {client.makefile("rb").readline() for client in burst} == {b"HTTP/1.1 200 OK\r\n"}


def test_only_the_scenarios_clock_is_shown(simulator: Simulator) -> None:
    """An answer has one date, which is the scenario's, and says nothing of what serves it."""
    with connect(simulator) as connection:
        connection.sendall(on_wire(signed(headers={"connection": "close"})))
        received = b"".join(iter(lambda: connection.recv(65_536), b""))

    assert received.count(b"\r\nDate: ") == 1
    assert f"\r\nDate: {formatdate(START, usegmt=True)}\r\n".encode() in received
    assert b"\r\nServer:" not in received


@pytest.mark.parametrize(
    ("status", "sent"),
    [
        pytest.param(400, b"hello\r\n\r\n", id="words"),
        pytest.param(400, b"GET / HTTP/2\r\n\r\n", id="version"),
        pytest.param(400, b"POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n", id="length"),
        pytest.param(400, b"POST / HTTP/1.1\r\nContent-Length: 1e9\r\n\r\n", id="length word"),
        pytest.param(
            413,
            b"POST / HTTP/1.1\r\nContent-Length: %d\r\n\r\n" % (LONGEST_BODY + 1),
            id="long body",
        ),
        pytest.param(411, b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n", id="chunked"),
        pytest.param(431, b"GET / HTTP/1.1\r\nx: " + b"y" * 70_000 + b"\r\n\r\n", id="long head"),
    ],
)
def test_no_http(
    simulator: Simulator, status: int, sent: bytes, capfd: pytest.CaptureFixture[str]
) -> None:
    """What is no request ends in a 4xx and a closed connection, costs nobody else, logs nothing."""
    with connect(simulator) as connection:
        connection.sendall(sent)
        first_line = connection.makefile("rb").readline()

    assert first_line.startswith(b"HTTP/1.1 %d " % status)
    assert counts_of(simulator)["total"] == 0
    assert capfd.readouterr() == ("", "")


def test_half_a_body_is_no_call(simulator: Simulator) -> None:
    """A client that leaves before its body is whole has not called, and nothing is printed."""
    with connect(simulator) as connection:
        connection.sendall(b"POST / HTTP/1.1\r\nContent-Length: 10\r\n\r\nhalf")
        connection.shutdown(socket.SHUT_WR)

        assert connection.recv(1) == b""
    assert counts_of(simulator)["total"] == 0


def test_the_usual_job_is_known(simulator: Simulator) -> None:
    """The job that these tests ask about is really there."""
    connection = http.client.HTTPConnection("127.0.0.1", port_of(simulator), timeout=LIMIT)

    status, answer = send(connection, signed())
    connection.close()

    assert (status, answer["Job"]["Id"]) == (200, STEADY.id)
