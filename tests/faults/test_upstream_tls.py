"""Servers that cannot be trusted, and proxies on the way."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.certificates import Authority
from tests.faults.bench import Scrape, bench, configuration, job_answer, scrape, target, well
from tests.processes import KEY, exporter, run
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


def test_proxy_without_a_scheme(
    authority: Authority, upstream: Upstream, proxy: Upstream, tmp_path: Path
) -> None:
    """Fault 54: a variable that names host and port only is a proxy all the same."""
    page = scrape_with(authority, upstream, tmp_path, https_proxy=f"127.0.0.1:{proxy.port}")

    assert page.is_complete("sick")
    assert {request.method for request in proxy.requests} == {"CONNECT"}


@pytest.mark.parametrize("status", [403, 407, 503])
def test_a_proxy_refuses(
    status: int, authority: Authority, upstream: Upstream, tmp_path: Path
) -> None:
    """Fault 54: a proxy's refusal is no word of the API, and has a reason of its own."""
    refusal = send(message({"Code": "InvalidJob.NotFound"}, status=status))
    with Upstream([refusal]) as proxy:
        url = proxy.url.replace("//", "//user:proxy-pw@")
        page = scrape_with(authority, upstream, tmp_path, HTTPS_PROXY=url)

    assert page.errors() == {("sick", "proxy"): 2}
    assert upstream.wires == []
    assert page.is_complete("well")


UNUSABLE = {
    "https_proxy": ("socks5://user:proxy-pw@127.0.0.1:1", "got socks5://: only HTTP proxies"),
    "ALL_PROXY": ("ftp://user:proxy-pw@127.0.0.1", "expected http://host:port or"),
    "REQUESTS_CA_BUNDLE": ("/nowhere/ca.pem", "cannot be read: No such file or directory"),
    "SSL_CERT_FILE": ("/dev/null", "it holds none"),
    "SSL_CERT_DIR": ("/nowhere", "cannot be read: No such file or directory"),
}


@pytest.mark.parametrize("command", [["check-config"], ["serve"], ["query"]])
@pytest.mark.parametrize("name", UNUSABLE)
def test_unusable_variables(name: str, command: list[str], tmp_path: Path) -> None:
    """Fault 54: a variable that cannot be used stops a start, and is named."""
    value, words = UNUSABLE[name]
    (tmp_path / "config.yaml").write_text(configuration(target("t", "https://localhost", ["job"])))
    asked = ["job", "--target=t", "--collection=c"] if command == ["query"] else []

    done = run(*command, *asked, cwd=tmp_path, environ={**KEY, name: value})

    assert done.returncode == 1
    assert done.stderr.startswith(f"{name}: ")
    assert words in done.stderr
    assert "proxy-pw" not in done.stderr
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("name", ["SSL_CERT_FILE", "REQUESTS_CA_BUNDLE"])
def test_authorities_of_the_environment(
    name: str, authority: Authority, stranger: Authority, upstream: Upstream, tmp_path: Path
) -> None:
    """Fault 23: a variable may name whom to trust; the configuration goes before it."""
    text = configuration(target("sick", upstream.url, ["sick"]))
    folders = [tmp_path / "own", tmp_path / "other"]
    for folder in folders:
        folder.mkdir()
    with exporter(text, folders[0], environ={**KEY, name: str(authority.ca_file)}) as process:
        trusted = scrape(process)
    text = configuration(target("sick", upstream.url, ["sick"]), api=trusting(stranger))
    with exporter(text, folders[1], environ={**KEY, name: str(authority.ca_file)}) as process:
        untrusted = scrape(process)

    assert trusted.up("sick") == 1
    assert untrusted.errors() == {("sick", "tls"): 1}
