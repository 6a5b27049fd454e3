"""Names and addresses on the way to a server: the first that answers, in time."""

import socket
from collections.abc import Iterator
from contextlib import ExitStack
from typing import cast

import pytest
import requests

from exporter.errors import QueryError
from exporter.gpdb import failures
from exporter.gpdb.authorities import Authorities
from exporter.gpdb.transport import Address, BoundedAdapter, Resolver, tls_context
from tests.api_clients import GOOD, HASTY, PATIENT, api_client, ask, failure
from tests.upstream import Upstream, message, send

good = send(message(GOOD))


def has_ipv6() -> bool:
    """Whether this machine has IPv6 on loopback."""
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        return False
    return True


def local(port: int) -> Address:
    """An address on this machine."""
    return (socket.AF_INET, ("127.0.0.1", port))


@pytest.fixture
def silent_port() -> Iterator[int]:
    """A port that answers no connection: its backlog is full, and nobody takes from it."""
    with ExitStack() as stack:
        listener = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
        port: int = listener.getsockname()[1]
        for _ in range(3):
            client = stack.enter_context(socket.socket())
            client.settimeout(0)
            client.connect_ex(("127.0.0.1", port))
        yield port


@pytest.fixture
def closed_port() -> int:
    """A port that refuses connections."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
    return port


def get(addresses: list[Address], *, connect_timeout: float) -> bytes:
    """Ask a host that has these addresses; raise our own error."""
    resolver = Resolver(lambda _host, _port: addresses)
    adapter = BoundedAdapter(1, tls_context(Authorities()), resolver)
    request = requests.Request("GET", "http://gpdb.example/").prepare()
    try:
        response = adapter.send(request, timeout=(connect_timeout, PATIENT), proxies={})
    except failures.FOREIGN as error:
        raise failures.translate(error) from None
    else:
        return response.content
    finally:
        adapter.close()


def test_a_dead_address_is_passed_over(closed_port: int) -> None:
    """Where a name has several addresses, the first that can be connected to is used."""
    with Upstream([good]) as upstream:
        addresses = [local(closed_port), local(upstream.port)]
        content = get(addresses, connect_timeout=PATIENT)

    assert content in message(GOOD)


def test_a_silent_address_takes_its_share_only(silent_port: int) -> None:
    """An address that is silent leaves time for the next."""
    with Upstream([good]) as upstream:
        content = get([local(silent_port), local(upstream.port)], connect_timeout=6.0)

    assert content in message(GOOD)


def test_an_address_of_an_unknown_family() -> None:
    """Where this machine has no IPv6, say, the next address is tried."""
    unknown: Address = (cast("socket.AddressFamily", 9999), ("::1", 1))
    with Upstream([good]) as upstream:
        content = get([unknown, local(upstream.port)], connect_timeout=PATIENT)

    assert content in message(GOOD)


def test_all_addresses_silent(silent_port: int) -> None:
    """A host of which every address is silent is a timeout."""
    with pytest.raises(QueryError) as caught:
        get([local(silent_port)] * 3, connect_timeout=HASTY)

    assert caught.value.reason == "timeout"


def test_no_address() -> None:
    """A name without any address is a connection that failed."""
    with pytest.raises(QueryError) as caught:
        get([], connect_timeout=PATIENT)

    assert caught.value.reason == "connection"


def test_a_silent_host(silent_port: int) -> None:
    """A call to a host that does not answer at all is a timeout."""
    with api_client(timeout=HASTY) as client:
        assert failure(client, f"http://127.0.0.1:{silent_port}").reason == "timeout"


@pytest.mark.parametrize("host", ["x" * 64 + ".example", "a..example"])
def test_no_such_name(host: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A call to a name that cannot be resolved says so."""
    monkeypatch.setenv("NO_PROXY", "*")

    with api_client() as client:
        assert failure(client, f"https://{host}").reason == "dns"


def test_a_silent_resolver() -> None:
    """A name whose server is silent says dns, not timeout, and in time."""

    def look_up(_host: str, _port: int) -> list[Address]:
        silence.recv(1)
        return []

    silence, other_end = socket.socketpair()
    with silence, other_end:
        adapter = BoundedAdapter(1, tls_context(Authorities()), Resolver(look_up))
        request = requests.Request("GET", "http://gpdb.example/").prepare()
        with pytest.raises(failures.FOREIGN) as caught:
            adapter.send(request, timeout=HASTY, proxies={})
        adapter.close()
        other_end.shutdown(socket.SHUT_RDWR)

    assert failures.translate(caught.value).reason == "dns"


@pytest.mark.skipif(not has_ipv6(), reason="this machine has no IPv6 on loopback")
def test_ipv6() -> None:
    """An IPv6 address stands in brackets in the URL, and is connected to without them."""
    with Upstream([good], host="::1") as upstream, api_client() as client:
        answer = ask(client, upstream.url)

    assert answer.document == GOOD
    assert upstream.requests[0].headers["host"] == f"[::1]:{upstream.port}"
