"""TLS of a call: only a trusted server of the right name sees a request."""

import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest

from exporter.gpdb.authorities import Authorities
from exporter.gpdb.client import ApiClient
from exporter.gpdb.transport import tls_context
from tests.api_clients import GOOD, HASTY, PASSWORD, PATIENT, api_client, ask, failure
from tests.certificates import Authority
from tests.upstream import (
    Behaviour,
    Upstream,
    both,
    drip,
    hang,
    hang_up,
    message,
    reset,
    rest,
    send,
)

good = send(message(GOOD))


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """The authority that the client trusts."""
    return Authority(tmp_path_factory.mktemp("trusted"))


@pytest.fixture(scope="module")
def stranger(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """An authority that the client does not know."""
    return Authority(tmp_path_factory.mktemp("stranger"))


@pytest.fixture
def client(authority: Authority) -> Iterator[ApiClient]:
    """A client that trusts the authority."""
    with api_client(ca_file=str(authority.ca_file)) as made:
        yield made


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever this machine's way to the outside is, these calls stay here."""
    monkeypatch.setenv("NO_PROXY", "*")


def test_a_private_authority(authority: Authority, client: ApiClient) -> None:
    """A server whose certificate is of the authority in ca_file is trusted."""
    with Upstream([good], tls=authority.server()) as upstream:
        answers = [ask(client, upstream.url) for _ in range(3)]

    assert [answer.document for answer in answers] == [GOOD] * 3
    assert upstream.tls_versions == ["TLSv1.3"]  # one, so the connection was kept


def test_an_address_as_name(authority: Authority, client: ApiClient) -> None:
    """An address in the certificate is as good as a name."""
    with Upstream([good], tls=authority.server()) as upstream:
        assert ask(client, f"https://127.0.0.1:{upstream.port}").document == GOOD


def test_tls_1_2(authority: Authority, client: ApiClient) -> None:
    """TLS 1.2 is still good enough."""
    server = authority.server()
    server.maximum_version = ssl.TLSVersion.TLSv1_2
    with Upstream([good], tls=server) as upstream:
        ask(client, upstream.url)

    assert upstream.tls_versions == ["TLSv1.2"]


@pytest.mark.parametrize("fault", ["wrong name", "expired", "self-signed", "stranger", "TLS 1.1"])
def test_untrusted(
    fault: str, authority: Authority, stranger: Authority, client: ApiClient
) -> None:
    """A server that cannot be trusted gets no request, neither over TLS nor in plain."""
    servers = {
        "wrong name": lambda: authority.server("DNS:gpdb.example,IP:127.0.0.2"),
        "expired": lambda: authority.server(days=-1),
        "self-signed": authority.self_signed,
        "stranger": stranger.server,
        "TLS 1.1": authority.outdated,
    }
    with Upstream([good], tls=servers[fault]()) as upstream:
        error = failure(client, upstream.url)

    assert error.reason == "tls"
    assert upstream.requests == []
    assert len(upstream.wires) == 1


def test_the_usual_authorities(authority: Authority) -> None:
    """Without ca_file, a private authority is not trusted."""
    with Upstream([good], tls=authority.server()) as upstream, api_client() as client:
        assert failure(client, upstream.url).reason == "tls"

    assert upstream.requests == []


def test_a_server_without_tls(client: ApiClient) -> None:
    """A server that speaks plain HTTP where TLS was expected sees no request."""
    with Upstream([good], greeting=both(send(message(GOOD)), hang_up())) as upstream:
        error = failure(client, f"https://localhost:{upstream.port}")

    assert error.reason == "tls"
    assert not any(PASSWORD.encode() in wire.received for wire in upstream.wires)


RECORD = bytes.fromhex("16 0303 4000")  # 16 KiB of a handshake follow, the server says
HANDSHAKES: dict[str, tuple[Behaviour, set[str], float]] = {
    "hangs": (hang(), {"timeout"}, HASTY),
    "hangs in a record": (both(send(RECORD), hang()), {"timeout"}, HASTY),
    "drips": (drip(RECORD + bytes(500)), {"timeout"}, HASTY),
    "closes": (hang_up(), {"tls", "connection"}, PATIENT),
    "resets": (reset(), {"connection", "tls"}, PATIENT),
}


@pytest.mark.parametrize(("behaviour", "reasons", "timeout"), HANDSHAKES.values(), ids=HANDSHAKES)
def test_no_handshake(behaviour: Behaviour, reasons: set[str], timeout: float) -> None:
    """A server that never completes the handshake does not hold the call."""
    with Upstream([good], greeting=behaviour) as upstream, api_client(timeout=timeout) as client:
        error = failure(client, f"https://localhost:{upstream.port}")

    assert error.reason in reasons
    assert len(upstream.wires) <= 2


def test_a_late_handshake(authority: Authority) -> None:
    """The handshake counts as connecting, which has a limit of its own."""
    with (
        Upstream([good], tls=authority.server(), greeting=rest(HASTY * 3)) as upstream,
        api_client(connect_timeout=HASTY, ca_file=str(authority.ca_file)) as client,
    ):
        error = failure(client, upstream.url)

    assert error.reason == "timeout"
    assert upstream.requests == []


SLOW: dict[str, Behaviour] = {
    "hangs": hang(),
    "hangs in the body": both(send(message(GOOD)[:-1]), hang()),
    "drips": drip(message(GOOD)),
    "drips the body": both(send(message(length=500)), drip(b" " * 498 + b"{}")),
}


@pytest.mark.parametrize("behaviour", SLOW.values(), ids=SLOW)
def test_slow(behaviour: Behaviour, authority: Authority) -> None:
    """Over TLS too, an answer that is not whole in time is a timeout."""
    with (
        Upstream([behaviour], tls=authority.server()) as upstream,
        api_client(timeout=0.6, ca_file=str(authority.ca_file)) as client,
    ):
        error = failure(client, upstream.url)

    assert error.reason == "timeout"
    assert len(upstream.requests) <= 1


@pytest.mark.parametrize("framing", ["length", "chunks"])
def test_cut(framing: str, authority: Authority, client: ApiClient) -> None:
    """Over TLS too, an answer that ends too early is never a good one."""
    whole = message(GOOD) if framing == "length" else message(GOOD, chunk=10_000)
    behaviour = both(send(whole[:-5]), hang_up())
    with Upstream([behaviour], tls=authority.server()) as upstream:
        assert failure(client, upstream.url).reason == "connection"


@pytest.mark.parametrize("drop", [hang_up(), reset()], ids=["closed", "reset"])
def test_a_dropped_connection_is_tried_again(
    drop: Behaviour, authority: Authority, client: ApiClient
) -> None:
    """A kept TLS connection that is closed under us costs one more handshake."""
    with Upstream([good, drop, good], tls=authority.server()) as upstream:
        answers = [ask(client, upstream.url) for _ in range(2)]

    assert [answer.document for answer in answers] == [GOOD, GOOD]
    assert [request.connection for request in upstream.requests] == [1, 1, 2]


def test_the_context(authority: Authority) -> None:
    """The context verifies certificate and name, from TLS 1.2 on."""
    for trusted in (Authorities(), Authorities(file=str(authority.ca_file))):
        context = tls_context(trusted)

        assert context.verify_mode is ssl.CERT_REQUIRED
        assert context.check_hostname
        assert context.minimum_version is ssl.TLSVersion.TLSv1_2


@pytest.mark.parametrize("content", [None, "", "no certificate"])
def test_a_useless_ca_file(content: str | None, tmp_path: Path) -> None:
    """A ca_file that is missing or holds no certificate is refused at once."""
    path = tmp_path / "ca.pem"
    if content is not None:
        path.write_text(content)

    with pytest.raises(OSError, match=r".+"):
        tls_context(Authorities(file=str(path)))
