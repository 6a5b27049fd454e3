"""A name is looked up within its time, and however silent its server is, by one thread at most."""

import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from exporter.gpdb.transport import Address, Resolver

LIMIT = 60.0  # seconds that a lookup which ends by itself may take
SHORT = 0.05  # seconds after which a silent one is given up
FOUND: list[Address] = [(socket.AF_INET, ("192.0.2.1", 443))]


class SilentServer:
    """Mimics the C library with a name server that is silent, until it is told to answer."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.answering = threading.Event()

    def look_up(self, host: str, port: int) -> list[Address]:
        """Return an address, once."""
        self.asked.append(host)
        assert port == 443
        assert self.answering.wait(LIMIT)
        return FOUND


@pytest.fixture
def server() -> Iterator[SilentServer]:
    """A silent server that lets its threads go in the end."""
    made = SilentServer()
    yield made
    made.answering.set()


def test_found() -> None:
    """The addresses are those of the library."""
    assert Resolver(lambda _host, _port: FOUND).resolve("gpdb.example", 443, LIMIT) == FOUND


def test_a_name_of_this_machine() -> None:
    """The library is the C library."""
    found = Resolver().resolve("localhost", 80, LIMIT)

    assert (socket.AF_INET, ("127.0.0.1", 80)) in found


def test_silence(server: SilentServer) -> None:
    """A lookup that takes too long is a name that was not found."""
    with pytest.raises(socket.gaierror):
        Resolver(server.look_up).resolve("gpdb.example", 443, SHORT)


def test_one_thread_a_name(server: SilentServer) -> None:
    """However many ask for a silent name, at once and again, one thread waits for it."""
    resolver = Resolver(server.look_up)

    def ask(_: int) -> None:
        with pytest.raises(socket.gaierror):
            resolver.resolve("gpdb.example", 443, SHORT)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(ask, range(24)))

    assert server.asked == ["gpdb.example"]


def test_a_silent_name_holds_no_other(server: SilentServer) -> None:
    """While one name is silent, others are found."""

    def look_up(host: str, port: int) -> list[Address]:
        return server.look_up(host, port) if host == "silent.example" else FOUND

    resolver = Resolver(look_up)
    with pytest.raises(socket.gaierror):
        resolver.resolve("silent.example", 443, SHORT)

    assert resolver.resolve("gpdb.example", 443, LIMIT) == FOUND


def test_a_server_that_answers_again(server: SilentServer) -> None:
    """Once the server answers, so does the name."""
    resolver = Resolver(server.look_up)
    with pytest.raises(socket.gaierror):
        resolver.resolve("gpdb.example", 443, SHORT)

    server.answering.set()

    assert resolver.resolve("gpdb.example", 443, LIMIT) == FOUND


def test_each_time_anew() -> None:
    """No answer is kept: a new address is used at once, and a failure is not remembered."""
    answers: Iterator[list[Address] | OSError] = iter(
        [FOUND, socket.gaierror(), [(socket.AF_INET, ("192.0.2.2", 443))]]
    )

    def look_up(_host: str, _port: int) -> list[Address]:
        answer = next(answers)
        if isinstance(answer, OSError):
            raise answer
        return answer

    resolver = Resolver(look_up)

    assert resolver.resolve("gpdb.example", 443, LIMIT) == FOUND
    with pytest.raises(socket.gaierror):
        resolver.resolve("gpdb.example", 443, LIMIT)
    assert resolver.resolve("gpdb.example", 443, LIMIT) == [(socket.AF_INET, ("192.0.2.2", 443))]


@pytest.mark.parametrize("host", ["x" * 64 + ".example", "a..example", ".example"])
def test_no_name(host: str) -> None:
    """What cannot be a name is not found, and no server is asked."""
    with pytest.raises(socket.gaierror):
        Resolver().resolve(host, 443, LIMIT)


@pytest.mark.parametrize(
    ("host", "address"),
    [
        ("127.0.0.1", (socket.AF_INET, ("127.0.0.1", 443))),
        ("::1", (socket.AF_INET6, ("::1", 443, 0, 0))),
    ],
)
def test_an_address_is_not_looked_up(host: str, address: Address, server: SilentServer) -> None:
    """An address stands for itself."""
    assert Resolver(server.look_up).resolve(host, 443, SHORT) == [address]
    assert server.asked == []


def test_no_more_threads() -> None:
    """A process that gets no thread fails the lookup, and the next one is tried afresh."""
    resolver = Resolver(lambda _host, _port: FOUND)
    usual = threading.stack_size(1 << 46)  # more than there is address space
    try:
        with pytest.raises(socket.gaierror):
            resolver.resolve("gpdb.example", 443, LIMIT)
    finally:
        threading.stack_size(usual)

    assert resolver.resolve("gpdb.example", 443, LIMIT) == FOUND
