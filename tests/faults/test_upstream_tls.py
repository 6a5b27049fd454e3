"""Servers that cannot be trusted, and proxies on the way."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.certificates import Authority
from tests.faults.bench import Scrape, bench, configuration, job_answer, scrape, target, well
from tests.processes import KEY, exporter
from tests.upstream import Upstream, both, hang, hang_up, listen, message, send, tunnel

PLAIN_TEXTS = (b"POST", b"ACS3-HMAC", b"x-acs-", b"NamespacePassword", b"pw-of-rag", b"JobId")


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """The authority that the exporter trusts."""
    return Authority(tmp_path_factory.mktemp("trusted"))


@pytest.fixture(scope="module")
def stranger(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """An authority that it does not know."""
    return Authority(tmp_path_factory.mktemp("stranger"))


@pytest.mark.parametrize(
    "fault", ["wrong name", "expired", "self-signed", "stranger", "TLS 1.1 at most"]
)
def test_untrusted(fault: str, authority: Authority, stranger: Authority, tmp_path: Path) -> None:
    """Fault 23: a server that cannot be trusted costs its jobs, and gets no request at all."""
    servers = {
        "wrong name": lambda: authority.server("DNS:gpdb.example,IP:127.0.0.2"),
        "expired": lambda: authority.server(days=-1),
        "self-signed": authority.self_signed,
        "stranger": stranger.server,
        "TLS 1.1 at most": authority.outdated,
    }
    upstream = Upstream(well, tls=servers[fault]())
    with bench(upstream, tmp_path, api={"ca_file": str(authority.ca_file)}) as it:
        page = it.scrape()

    assert_untrusted(page)
    assert upstream.requests == []


def test_tls_1_0(authority: Authority, tmp_path: Path) -> None:
    """Fault 23: nor is a server trusted that answers the handshake with TLS 1.0."""
    # A ServerHello of TLS 1.0, with the cipher TLS_RSA_WITH_AES_128_CBC_SHA.
    hello = bytes.fromhex("16 0301 002a 02 000026 0301") + bytes(32) + bytes.fromhex("00 002f 00")
    upstream = Upstream(greeting=both(listen(), send(hello), hang()))
    endpoint = f"https://localhost:{upstream.port}"
    with bench(upstream, tmp_path, endpoint=endpoint, api=trusting(authority)) as it:
        page = it.scrape()

    assert_untrusted(page)
    assert_nothing_told(upstream)


def test_no_tls_at_all(authority: Authority, tmp_path: Path) -> None:
    """Fault 23: a server that speaks plain HTTP where https is configured gets no request."""
    good = message(job_answer("sick"))
    upstream = Upstream(greeting=both(listen(), send(good), hang_up()))
    endpoint = f"https://localhost:{upstream.port}"
    with bench(upstream, tmp_path, endpoint=endpoint, api=trusting(authority)) as it:
        page = it.scrape()

    assert_untrusted(page)
    assert_nothing_told(upstream)


def trusting(authority: Authority) -> dict[str, str]:
    """Settings of an exporter that trusts the authority."""
    return {"ca_file": str(authority.ca_file)}


def assert_untrusted(page: Scrape) -> None:
    """Both jobs of the server are lost, and those of the other are complete."""
    assert page.up("sick") == page.up("neighbour") == 0
    assert page.errors() == {("sick", "tls"): 2}
    assert page.is_complete("well")
    page.check_time()


def assert_nothing_told(upstream: Upstream) -> None:
    """The server was connected to, and saw no plain text."""
    assert upstream.wires
    seen = b"".join(bytes(wire.received) for wire in upstream.wires)
    assert not [text for text in PLAIN_TEXTS if text in seen]


@pytest.fixture
def upstream(authority: Authority) -> Iterator[Upstream]:
    """A healthy API behind TLS."""
    with Upstream(well, tls=authority.server()) as made:
        yield made


@pytest.fixture
def proxy(upstream: Upstream) -> Iterator[Upstream]:
    """A proxy that leads every call to the API."""
    with Upstream([tunnel(upstream.port)]) as made:
        yield made


def scrape_with(authority: Authority, upstream: Upstream, folder: Path, **variables: str) -> Scrape:
    """Scrape an exporter with these environment variables."""
    with Upstream(well) as other:
        text = configuration(
            target("sick", upstream.url, ["sick", "neighbour"]),
            target("well", other.url, ["well"]),
            api=trusting(authority),
        )
        with exporter(text, folder, environ={**KEY, **variables}) as process:
            return scrape(process)


@pytest.mark.parametrize("variable", ["HTTPS_PROXY", "https_proxy", "ALL_PROXY"])
def test_proxy(
    variable: str, authority: Authority, upstream: Upstream, proxy: Upstream, tmp_path: Path
) -> None:
    """Fault 54: the usual variables lead calls through a proxy, which sees where to, not what."""
    page = scrape_with(authority, upstream, tmp_path, **{variable: proxy.url})

    assert page.is_complete("sick")
    page.check_others()
    assert len(upstream.requests) == 2
    assert {(r.method, r.target) for r in proxy.requests} == {
        ("CONNECT", f"localhost:{upstream.port}")
    }
    seen = b"".join(bytes(wire.received) for wire in proxy.wires)
    assert not [text for text in PLAIN_TEXTS if text in seen]


@pytest.mark.parametrize("variable", ["NO_PROXY", "no_proxy"])
def test_no_proxy(
    variable: str, authority: Authority, upstream: Upstream, proxy: Upstream, tmp_path: Path
) -> None:
    """Fault 54: a host in NO_PROXY is called without the proxy."""
    variables = {"HTTPS_PROXY": proxy.url, variable: "example.org,localhost"}

    page = scrape_with(authority, upstream, tmp_path, **variables)

    assert page.is_complete("sick")
    page.check_others()
    assert proxy.wires == []


def test_plain_http_takes_no_proxy(tmp_path: Path, authority: Authority) -> None:
    """Fault 54: what goes to loopback in plain is never shown to a proxy."""
    with Upstream(well) as plain, Upstream([send(message(b"{}"))]) as spy:
        variables = {"HTTP_PROXY": spy.url, "http_proxy": spy.url, "ALL_PROXY": spy.url}
        page = scrape_with(authority, plain, tmp_path, **variables)

    assert page.is_complete("sick")
    page.check_others()
    assert spy.wires == []


def test_dead_proxy(authority: Authority, upstream: Upstream, tmp_path: Path) -> None:
    """Fault 54: a proxy that is gone costs the calls that need it; nothing goes around it."""
    with Upstream() as gone:
        url = gone.url

    page = scrape_with(authority, upstream, tmp_path, HTTPS_PROXY=url)

    assert page.up("sick") == 0
    assert page.errors() == {("sick", "connection"): 2}
    assert upstream.wires == []
    assert page.is_complete("well")
    page.check_time()
