"""Calls through a proxy: it leads, and sees neither request nor password."""

import base64
from collections.abc import Iterator
from urllib.parse import quote_plus

import pytest

from exporter.secret import Secret
from tests.api_clients import GOOD, HASTY, PASSWORD, PATIENT, api_client, ask, failure
from tests.certificates import Authority
from tests.upstream import (
    Behaviour,
    Upstream,
    both,
    drip,
    hang,
    hang_up,
    listen,
    message,
    send,
    tunnel,
)

VARIABLES = ["http_proxy", "https_proxy", "all_proxy", "no_proxy"]
good = send(message(GOOD))


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """The authority that the client trusts."""
    return Authority(tmp_path_factory.mktemp("trusted"))


@pytest.fixture
def upstream(authority: Authority) -> Iterator[Upstream]:
    """The API, for localhost."""
    with Upstream([good], tls=authority.server()) as made:
        yield made


@pytest.fixture
def proxy(upstream: Upstream) -> Iterator[Upstream]:
    """A proxy that leads every call to the API."""
    with Upstream([tunnel(upstream.port)]) as made:
        yield made


@pytest.fixture(autouse=True)
def _no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    """This machine's own proxies are of no matter."""
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


def plain_texts() -> list[bytes]:
    """What a proxy must not see."""
    return [PASSWORD.encode(), quote_plus(PASSWORD).encode(), b"ACS3-HMAC", b"job-1", b"x-acs"]


@pytest.mark.parametrize("variable", ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"])
def test_variables(
    variable: str,
    authority: Authority,
    upstream: Upstream,
    proxy: Upstream,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The usual variables lead a call through a tunnel, of which the proxy knows the ends only."""
    monkeypatch.setenv(variable, proxy.url)

    with api_client(ca_file=str(authority.ca_file)) as client:
        answers = [ask(client, upstream.url) for _ in range(2)]

    assert [answer.document for answer in answers] == [GOOD, GOOD]
    (request,) = proxy.requests
    assert (request.method, request.target) == ("CONNECT", f"localhost:{upstream.port}")
    assert not [text for text in plain_texts() if text in proxy.wires[0].received]


def test_the_setting(
    authority: Authority, upstream: Upstream, proxy: Upstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The setting goes before the variables, and its password is for the proxy alone."""
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:1")
    setting = Secret(proxy.url.replace("//", "//user:proxy-pw@"))

    with api_client(ca_file=str(authority.ca_file), proxy=setting) as client:
        ask(client, upstream.url)

    login = base64.b64encode(b"user:proxy-pw").decode()
    assert proxy.requests[0].headers["proxy-authorization"] == f"Basic {login}"
    assert "proxy-authorization" not in upstream.requests[0].headers


def test_the_proxy_looks_names_up(authority: Authority) -> None:
    """A name that only the proxy knows is not looked up here."""
    server = authority.server("DNS:gpdb.nowhere.invalid")

    with (
        Upstream([good], tls=server) as upstream,
        Upstream([tunnel(upstream.port)]) as proxy,
        api_client(ca_file=str(authority.ca_file), proxy=Secret(proxy.url)) as client,
    ):
        answer = ask(client, "https://gpdb.nowhere.invalid")

    assert answer.document == GOOD
    assert proxy.requests[0].target == "gpdb.nowhere.invalid:443"


def test_a_proxy_does_not_vouch_for_names(
    authority: Authority, upstream: Upstream, proxy: Upstream
) -> None:
    """Behind a proxy, too, a server of the wrong name gets no request."""
    with api_client(ca_file=str(authority.ca_file), proxy=Secret(proxy.url)) as client:
        error = failure(client, "https://gpdb.nowhere.invalid")

    assert error.reason == "tls"
    assert upstream.requests == []


@pytest.mark.parametrize("no_proxy", ["localhost", "*", "example.org, localhost"])
@pytest.mark.parametrize("name", ["NO_PROXY", "no_proxy"])
def test_no_proxy(
    name: str,
    no_proxy: str,
    authority: Authority,
    upstream: Upstream,
    proxy: Upstream,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A host in NO_PROXY is called without the proxy."""
    monkeypatch.setenv("HTTPS_PROXY", proxy.url)
    monkeypatch.setenv(name, no_proxy)

    with api_client(ca_file=str(authority.ca_file)) as client:
        ask(client, upstream.url)

    assert proxy.wires == []
    assert len(upstream.requests) == 1


@pytest.mark.parametrize("variable", ["HTTP_PROXY", "http_proxy", "ALL_PROXY", "HTTPS_PROXY"])
def test_plain_http_never_takes_a_proxy(variable: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A loopback call over plain HTTP goes straight there, whatever the variables say."""
    with Upstream([good]) as proxy, Upstream([good]) as upstream:
        monkeypatch.setenv(variable, proxy.url)
        with api_client() as client:
            ask(client, upstream.url)

    assert proxy.wires == []
    assert len(upstream.requests) == 1


def test_plain_http_never_takes_the_setting() -> None:
    """Nor does a loopback call over plain HTTP take the proxy of the configuration."""
    with (
        Upstream([good]) as proxy,
        Upstream([good]) as upstream,
        api_client(proxy=Secret(proxy.url)) as client,
    ):
        ask(client, upstream.url)

    assert proxy.wires == []


@pytest.mark.parametrize("no_proxy", ["localhost", "*", "localhost:{port}", ".localhost"])
def test_no_proxy_goes_before_the_setting(
    no_proxy: str,
    authority: Authority,
    upstream: Upstream,
    proxy: Upstream,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """NO_PROXY names hosts that need no proxy, whoever names the proxy."""
    monkeypatch.setenv("NO_PROXY", no_proxy.replace("{port}", str(upstream.port)))

    with api_client(ca_file=str(authority.ca_file), proxy=Secret(proxy.url)) as client:
        ask(client, upstream.url)

    assert proxy.wires == []
    assert len(upstream.requests) == 1


@pytest.mark.parametrize(("no_proxy", "is_led"), [("127.0.0.0/8", False), ("10.0.0.0/8", True)])
def test_networks_in_no_proxy(
    no_proxy: str,
    authority: Authority,
    upstream: Upstream,
    proxy: Upstream,
    monkeypatch: pytest.MonkeyPatch,
    *,
    is_led: bool,
) -> None:
    """NO_PROXY may name a network, for endpoints that are addresses."""
    monkeypatch.setenv("NO_PROXY", no_proxy)

    with api_client(ca_file=str(authority.ca_file), proxy=Secret(proxy.url)) as client:
        ask(client, f"https://127.0.0.1:{upstream.port}")

    assert bool(proxy.wires) is is_led


def test_a_variable_without_a_scheme(
    authority: Authority, upstream: Upstream, proxy: Upstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    """host:port in a variable is an HTTP proxy, as for curl and requests."""
    monkeypatch.setenv("https_proxy", f"user:proxy-pw@127.0.0.1:{proxy.port}")

    with api_client(ca_file=str(authority.ca_file)) as client:
        ask(client, upstream.url)

    login = base64.b64encode(b"user:proxy-pw").decode()
    assert proxy.requests[0].headers["proxy-authorization"] == f"Basic {login}"
    assert len(upstream.requests) == 1


def test_a_proxy_behind_tls(
    authority: Authority, upstream: Upstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A variable may name a proxy that speaks TLS itself; its certificate is checked likewise."""
    with Upstream([tunnel(upstream.port)], tls=authority.server()) as proxy:
        monkeypatch.setenv("https_proxy", proxy.url)
        with api_client(ca_file=str(authority.ca_file)) as client:
            answers = [ask(client, upstream.url) for _ in range(2)]

    assert [answer.document for answer in answers] == [GOOD, GOOD]
    assert [request.method for request in proxy.requests] == ["CONNECT"]


def test_a_proxy_behind_tls_drips(authority: Authority, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor does such a proxy hold a call for longer than it may take."""
    drips = drip(b"HTTP/1.1 403 " + b"x" * 3000 + b"\r\n\r\n")
    with Upstream([drips], tls=authority.server()) as proxy:
        monkeypatch.setenv("https_proxy", proxy.url)
        with api_client(ca_file=str(authority.ca_file), timeout=HASTY) as client:
            error = failure(client, "https://gpdb.nowhere.invalid")

    assert error.reason == "timeout"


@pytest.mark.parametrize("status", [403, 407, 503])
def test_the_status_of_a_proxy(status: int) -> None:
    """A refusal is the proxy's, not the API's: reason and status say so."""
    refusal = message({"Code": "Throttling.User"}, status=status)
    with Upstream([send(refusal)]) as proxy, api_client(proxy=Secret(proxy.url)) as client:
        error = failure(client, "https://gpdb.nowhere.invalid")

    assert (error.reason, str(error)) == ("proxy", f"the proxy answered HTTP {status} to CONNECT")
    assert len(proxy.requests) == 1


LED = b"HTTP/1.1 200 Connection established\r\n\r\n"
PROXIES: dict[str, tuple[Behaviour, str, float]] = {
    "wants a login": (send(message(status=407)), "proxy 407", PATIENT),
    "refuses": (send(message(status=403)), "proxy 403", PATIENT),
    "cannot reach it": (send(message(status=502)), "proxy 502", PATIENT),
    "hangs up": (hang_up(), "connection", PATIENT),
    "hangs": (hang(), "timeout", HASTY),
    "hangs in its headers": (both(send(b"HTTP/1.1 200 OK\r\nX"), hang()), "timeout", HASTY),
    # Without a limit for the whole it would refuse in the end.
    "drips": (drip(b"HTTP/1.1 403 " + b"x" * 300 + b"\r\n\r\n"), "timeout", HASTY),
    "leads to silence": (both(send(LED), hang()), "timeout", HASTY),
    "drips a handshake": (
        both(send(LED), listen(), drip(bytes.fromhex("16 0303 4000") + bytes(500))),
        "timeout",
        HASTY,
    ),
    "speaks no TLS": (
        both(send(LED), listen(), send(b"hello there")),
        "tls",
        PATIENT,
    ),
}


@pytest.mark.parametrize(("behaviour", "reason", "timeout"), PROXIES.values(), ids=PROXIES)
def test_a_bad_proxy(behaviour: Behaviour, reason: str, timeout: float) -> None:
    """A proxy that fails costs the call, in time, and sees no request; its status is named."""
    with Upstream([behaviour]) as proxy:
        setting = Secret(proxy.url.replace("//", "//user:proxy-pw@"))
        with api_client(timeout=timeout, proxy=setting) as client:
            error = failure(client, "https://gpdb.nowhere.invalid")

    reason, _, status = reason.partition(" ")
    assert error.reason == reason
    assert f"HTTP {status}" in str(error) or not status
    assert "proxy-pw" not in str(error)
    assert 1 <= len(proxy.wires) <= 2
    seen = b"".join(bytes(wire.received) for wire in proxy.wires)
    assert not [text for text in plain_texts() if text in seen]


def test_a_dead_proxy() -> None:
    """A proxy that is not there is a connection that failed: nothing goes around it."""
    with Upstream() as gone:
        proxy = Secret(gone.url)

    with Upstream([good]) as upstream, api_client(proxy=proxy) as client:
        error = failure(client, f"https://localhost:{upstream.port}")

    assert error.reason == "connection"
    assert str(error).endswith("(at the proxy)")
    assert upstream.wires == []
