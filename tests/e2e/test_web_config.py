"""TLS and users, with the exporter as users start it, and curl as they ask it."""

import shutil
import socket
import ssl
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import bcrypt
import pytest

from exporter.files import NO_ANSWER
from tests.certificates import Authority
from tests.driver import Commands, one_process
from tests.faults.raw import configuration
from tests.hanging import hanging, needs_root
from tests.processes import KEY, PATIENCE, Page, Process, eventually, exporter, run
from tests.web_files import BAD_FILES, expected_lines, lay_out

TLS = "tls_server_config:\n  cert_file: server.pem\n  key_file: server.key\n"
CLIENTS = "  client_auth_type: RequireAndVerifyClientCert\n  client_ca_file: ca.pem\n"
GAUGE = "adbpg_exporter_web_config_last_reload_successful"
LONGEST = "x" * 72


def users(**passwords: str) -> str:
    """Return the section of users with these passwords."""
    lines = (
        f"  {name}: {bcrypt.hashpw(password.encode(), bcrypt.gensalt(4)).decode()}\n"
        for name, password in passwords.items()
    )
    return "basic_auth_users:\n" + "".join(lines)


class Site:
    """A folder with an authority, certificates and a web configuration.

    Attributes:
        folder: where all of it is.
        authority: of the server, and of clients.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.authority = Authority(folder)
        self.authority.issue("server", "DNS:localhost,IP:127.0.0.1")

    def write(self, text: str) -> None:
        """Replace the web configuration."""
        fresh = self.folder / "fresh"
        fresh.write_text(text, "utf-8")
        fresh.replace(self.folder / "web.yaml")

    @contextmanager
    def serving(self, text: str, *flags: str) -> Iterator[Process]:
        """Start the exporter with a web configuration of this text."""
        self.write(text)
        flags = ("--web.config.file=web.yaml", *flags)
        with exporter(configuration(), self.folder, *flags) as it:
            it.url = it.url.replace("http://", "https://")
            yield it

    def curl(self, it: Process, *flags: str, path: str = "/metrics") -> tuple[int, str]:
        """Return status and text as curl gets them; a negative exit code where it gets none."""
        program = shutil.which("curl")
        assert program, "curl is missing: run the tests with `make test`, which installs it"
        done = subprocess.run(
            [program, "-sS", "--cacert", self.authority.ca_file, "-w", "\n%{http_code}",
             *flags, it.url + path],
            cwd=self.folder, capture_output=True, text=True, timeout=PATIENCE, check=False,
        )  # fmt: skip
        text, _, status = done.stdout.rpartition("\n")
        return (int(status) if done.returncode == 0 else -done.returncode), text

    def context(self) -> ssl.SSLContext:
        """Return a client that trusts the authority."""
        return ssl.create_default_context(cafile=self.authority.ca_file)

    def connect(self, it: Process, context: ssl.SSLContext | None = None) -> ssl.SSLSocket:
        """Return a TLS connection to the exporter."""
        host, port = it.url.removeprefix("https://").rsplit(":", 1)
        plain = socket.create_connection((host, int(port)), timeout=PATIENCE)
        return (context or self.context()).wrap_socket(plain, server_hostname="localhost")

    def serial(self, it: Process) -> object:
        """Return the number of the certificate that a new client is shown."""
        with self.connect(it) as connection:
            return (connection.getpeercert() or {})["serialNumber"]


@pytest.fixture
def site(tmp_path: Path) -> Site:
    """A folder with certificates."""
    return Site(tmp_path)


@pytest.fixture(scope="module")
def samples(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the sample files, their certificates, and a good configuration."""
    folder = tmp_path_factory.mktemp("web")
    lay_out(folder)
    (folder / "config.yaml").write_text(configuration())
    return folder


@pytest.fixture(scope="module")
def commands(samples: Path) -> Iterator[Commands]:
    """Run commands of ours in the sample folder, all in one process."""
    with one_process(samples, KEY) as commands:
        yield commands


@pytest.mark.parametrize("name", BAD_FILES)
@pytest.mark.parametrize("command", ["check-config", "serve"])
def test_a_bad_file_is_told_by_start_and_check(commands: Commands, command: str, name: str) -> None:
    """Both print every problem of the file and exit with 1."""
    assert commands(command, f"--web.config.file={name}") == (1, "", expected_lines(name))


@pytest.mark.parametrize("command", ["check-config", "serve"])
def test_a_bad_file_is_told_as_users_start_it(samples: Path, command: str) -> None:
    """A process of its own does the same."""
    done = run(command, f"--web.config.file={BAD_FILES[0]}", cwd=samples)

    assert (done.returncode, done.stdout, done.stderr) == (1, "", expected_lines(BAD_FILES[0]))


def test_problems_of_both_files_are_told_at_once(samples: Path) -> None:
    """Whoever starts with two bad files reads of both."""
    (samples / "broken.yaml").write_text("targets: []\n")

    done = run(
        "check-config", "--config.file=broken.yaml", "--web.config.file=bad-tab.yaml", cwd=samples
    )

    assert done.returncode == 1
    assert done.stderr.splitlines() == [
        "bad-tab.yaml:2:1: a tab: indent with spaces",
        "broken.yaml:1:1: targets: expected at least 1 entry, got none",
    ]


def test_a_good_file_is_told(samples: Path) -> None:
    """The check says what it found, and warns of what is unwise."""
    done = run("check-config", "--web.config.file=good-users-only.yaml", cwd=samples)

    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "good-users-only.yaml: good: no TLS, 1 user"
    assert "passwords travel in plain text" in done.stderr


def test_curl_with_certificate_and_password(site: Site) -> None:
    """TLS with a private authority and a user: curl needs both, and gets the page."""
    with site.serving(TLS + users(alice="open sesame")) as it:
        status, page = site.curl(it, "-u", "alice:open sesame")
        stranger, _ = site.curl(it, "-u", "alice:open sesame", "--capath", "/x", "--cacert", "/x")

    assert status == 200
    assert Page(page).value(GAUGE) == 1
    assert stranger < 0


@pytest.mark.parametrize(
    "password",
    ["", "wrong", LONGEST + "x", "x" * 71, "x" * 10_000, "größe", "x" * 72 + "\x01"],
    ids=lambda password: f"{len(password)} characters",
)
def test_a_wrong_password_is_401(site: Site, password: str) -> None:
    """However long it is; the right one of 72 bytes passes before and after it."""
    with site.serving(TLS + users(alice=LONGEST)) as it:
        before, _ = site.curl(it, "-u", f"alice:{LONGEST}")
        wrong, text = site.curl(it, "-u", f"alice:{password}")
        unknown, _ = site.curl(it, "-u", f"bob:{LONGEST}")
        after, _ = site.curl(it, "-u", f"alice:{LONGEST}")

    assert (before, wrong, unknown, after) == (200, 401, 401, 200)
    assert "adbpg_" not in text


def test_every_path_needs_a_password(site: Site) -> None:
    """Probes and reload too; what does not exist is not told apart."""
    paths = ("/", "/metrics", "/-/healthy", "/-/ready", "/-/reload", "/nowhere")
    with site.serving(TLS + users(alice="right"), "--web.enable-lifecycle") as it:
        statuses = {site.curl(it, path=path)[0] for path in paths}
        reload, _ = site.curl(it, "-u", "alice:right", "-X", "POST", path="/-/reload")

    assert statuses == {401}
    assert reload == 200


def test_probes_may_be_left_open(site: Site) -> None:
    """Our own key in the file lets a kubelet ask, and nobody else."""
    with site.serving(TLS + users(alice="right") + "probes_without_auth: true\n") as it:
        found = {path: site.curl(it, path=path)[0] for path in ("/-/healthy", "/-/ready", "/")}

    assert found == {"/-/healthy": 200, "/-/ready": 200, "/": 401}


def test_headers_are_added(site: Site) -> None:
    """What the file says is on the answers; the page keeps its strict policy."""
    text = TLS + "http_server_config:\n  headers:\n    X-Frame-Options: deny\n"
    with site.serving(text + "    Content-Security-Policy: default-src *\n") as it:
        _, metrics = site.curl(it, "-i")
        _, page = site.curl(it, "-i", path="/")

    assert "\nX-Frame-Options: deny\n" in metrics
    assert "\nContent-Security-Policy: default-src *\n" in metrics
    assert "\nX-Frame-Options: deny\n" in page
    assert "default-src *" not in page


def test_only_clients_with_a_certificate(
    site: Site, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Where it is required, a client without a certificate of the authority is not served."""
    site.authority.issue("client", "DNS:anybody.example")
    other = Authority(tmp_path_factory.mktemp("other"))
    certificate, key = other.issue("client", "DNS:anybody.example")

    with site.serving(TLS + CLIENTS) as it:
        without, _ = site.curl(it)
        foreign, _ = site.curl(it, "--cert", str(certificate), "--key", str(key))
        status, page = site.curl(it, "--cert", "client.pem", "--key", "client.key")

    assert without < 0
    assert foreign < 0
    assert (status, Page(page).value(GAUGE)) == (200, 1)


def test_a_certificate_may_be_left_out_but_not_forged(
    site: Site, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """VerifyClientCertIfGiven lets those without one in, and nobody with a foreign one."""
    other = Authority(tmp_path_factory.mktemp("other"))
    certificate, key = other.issue("client", "DNS:anybody.example")
    text = TLS + CLIENTS.replace("RequireAndVerifyClientCert", "VerifyClientCertIfGiven")

    with site.serving(text) as it:
        without, _ = site.curl(it)
        foreign, _ = site.curl(it, "--cert", str(certificate), "--key", str(key))

    assert without == 200
    assert foreign < 0


@pytest.mark.parametrize(
    ("names", "served"),
    [
        ("DNS:prometheus.example", True),
        ("DNS:x.example,IP:10.0.0.1", True),
        ("email:ops@example.net", True),
        ("URI:spiffe://cluster/prometheus", True),
        ("IP:2001:db8::1", True),
        ("DNS:prometheus.example.evil", False),
        ("DNS:Prometheus.example", False),
        ("IP:10.0.0.2", False),
    ],
)
def test_only_clients_with_an_allowed_name(site: Site, names: str, served: bool) -> None:  # noqa: FBT001  a column of the table
    """One alternative name of any kind must be on the list; the log tells which came."""
    site.authority.issue("client", names)
    allowed = (
        "  client_allowed_sans: [prometheus.example, 10.0.0.1, ops@example.net, "
        "'spiffe://cluster/prometheus', '2001:db8::1']\n"
    )

    with site.serving(TLS + CLIENTS + allowed) as it:
        status, _ = site.curl(it, "--cert", "client.pem", "--key", "client.key")
        if not served:
            it.wait_for_log('"client certificate with no allowed name"')

    assert status == (200 if served else 403)


@pytest.mark.parametrize(
    "names",
    [
        "DER:30:07:87:05:01:02:03:04:05",  # an address of five bytes
        "DER:30:04:82:02:FF:FE",  # a DNS name that is no text
        "DER:30:05:82:03:61:00:62",  # a DNS name with a NUL
    ],
)
def test_a_client_with_a_malformed_name(site: Site, names: str) -> None:
    """A name that cannot be read is no allowed name, and no fault of the exporter."""
    site.authority.issue("client", names)

    with site.serving(TLS + CLIENTS + "  client_allowed_sans: [prometheus.example]\n") as it:
        status, _ = site.curl(it, "--cert", "client.pem", "--key", "client.key")
        it.wait_for_log('"client certificate with no allowed name"')

    assert status == 403
    assert not [line for line in it.log if "level=error" in line]


def test_a_client_without_a_certificate_reads_why(site: Site) -> None:
    """The alert arrives, though the client has already sent a request that nobody reads."""
    with site.serving(TLS + CLIENTS) as it:
        reasons = set()
        for _ in range(20):
            with site.connect(it) as connection, pytest.raises(ssl.SSLError) as caught:  # noqa: PT012  either may be the first to notice
                connection.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
                connection.recv(1)
            reasons.add(caught.value.reason)

    assert reasons == {"TLSV13_ALERT_CERTIFICATE_REQUIRED"}


@pytest.mark.parametrize(
    ("text", "newest", "spoken"),
    [
        ("", None, "TLSv1.3"),
        ("", ssl.TLSVersion.TLSv1_2, "TLSv1.2"),
        ("", ssl.TLSVersion.TLSv1_1, None),
        ("  min_version: TLS13\n", None, "TLSv1.3"),
        ("  min_version: TLS13\n", ssl.TLSVersion.TLSv1_2, None),
        ("  max_version: TLS12\n", None, "TLSv1.2"),
    ],
)
@pytest.mark.filterwarnings("ignore:ssl.TLSVersion.TLSv1:DeprecationWarning")
def test_versions(site: Site, text: str, newest: ssl.TLSVersion | None, spoken: str | None) -> None:
    """The file narrows the versions; TLS 1.1 is never spoken, however old the client."""
    context = site.context()
    if newest is not None:
        context.minimum_version = min(newest, ssl.TLSVersion.TLSv1_2)
        context.maximum_version = newest
        context.set_ciphers("ALL:@SECLEVEL=0")

    with site.serving(TLS + text) as it:
        try:
            with site.connect(it, context) as connection:
                found = connection.version()
        except ssl.SSLError:
            found = None

    assert found == spoken


def test_the_suite_of_the_file_is_used(site: Site) -> None:
    """A suite by Go's name is the one that a TLS 1.2 client gets, and another client gets none."""
    suites = "  cipher_suites: [TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256]\n"
    context, other = site.context(), site.context()
    context.maximum_version = other.maximum_version = ssl.TLSVersion.TLSv1_2
    other.set_ciphers("ECDHE-ECDSA-AES128-GCM-SHA256")

    with site.serving(TLS + suites) as it:
        with site.connect(it, context) as connection:
            found = connection.cipher()
        with pytest.raises(ssl.SSLError):
            site.connect(it, other)

    assert found is not None
    assert found[0] == "ECDHE-ECDSA-CHACHA20-POLY1305"


def test_a_new_certificate_is_shown_at_once(site: Site) -> None:
    """Fault 39: the next handshake after a rotation shows the new one; open connections go on."""
    with site.serving(TLS) as it, site.connect(it) as kept:
        before = site.serial(it)
        site.authority.issue("server", "DNS:localhost,IP:127.0.0.1")
        after = site.serial(it)
        kept.sendall(b"GET /-/healthy HTTP/1.1\r\nHost: x\r\n\r\n")

        assert before != after
        assert kept.recv(100).startswith(b"HTTP/1.1 200 ")


@needs_root
def test_a_certificate_that_hangs(site: Site) -> None:
    """The server goes on with the certificate that it has; the new one is shown once it answers."""
    with site.serving(TLS) as it:
        before = site.serial(it)
        site.authority.issue("server", "DNS:localhost,IP:127.0.0.1")
        with hanging(site.folder / "server.pem"):
            during = [site.serial(it) for _ in range(3)]
            _, page = site.curl(it)
            line = it.wait_for_log("web configuration not reloaded")
        eventually(lambda: site.serial(it) != before, "the new certificate")
        _, after = site.curl(it)

    assert during == [before] * 3
    assert f"tls_server_config.cert_file: cannot be read: {NO_ANSWER}" in line
    assert Page(page).value(GAUGE) == 0
    assert Page(after).value(GAUGE) == 1


def test_new_users_count_at_once(site: Site) -> None:
    """Fault 39: a removed user is out with the next request, on an open connection too."""
    with site.serving(TLS + users(alice="right")) as it:
        assert site.curl(it, "-u", "alice:right")[0] == 200

        site.write(TLS + users(bob="other"))

        assert site.curl(it, "-u", "alice:right")[0] == 401
        assert site.curl(it, "-u", "bob:other")[0] == 200


def test_a_broken_file_keeps_the_last_good_one(site: Site) -> None:
    """It is logged once, the gauge is 0, and scrapes go on; once mended, the gauge is 1."""
    text = TLS + users(alice="right")
    with site.serving(text) as it:
        serial = site.serial(it)
        for broken in (TLS + "basic_auth_users:\n  alice: planted\n", "", "\t"):
            site.write(broken)
            status, page = site.curl(it, "-u", "alice:right")
            assert (status, Page(page).value(GAUGE)) == (200, 0)
            assert site.curl(it)[0] == 401
        (site.folder / "web.yaml").unlink()
        (site.folder / "server.pem").write_text("junk")
        assert site.serial(it) == serial

        site.authority.issue("server", "DNS:localhost,IP:127.0.0.1")
        site.write(text)
        status, page = site.curl(it, "-u", "alice:right")

    assert (status, Page(page).value(GAUGE)) == (200, 1)
    logged = [line for line in it.log if "web configuration not reloaded" in line]
    assert len(logged) == 4
    assert "planted" not in "".join(it.log)


def test_no_secret_in_any_output(site: Site) -> None:
    """Neither hash nor password nor key is in the log at debug, nor on any page."""
    text = TLS + users(alice="planted-password")
    with site.serving(text, "--log.level=debug") as it:
        pages = [
            site.curl(it, "-i", "-u", f"alice:{password}", path=path)[1]
            for password in ("planted-password", "planted-guess")
            for path in ("/", "/metrics", "/nowhere")
        ]
        site.write(text.replace(": $2b$04$", ": $2b$99$"))
        pages.append(site.curl(it, "-u", "alice:planted-password")[1])

    shown = "".join([*pages, *it.log])
    key = (site.folder / "server.key").read_text().splitlines()[1]
    for secret in ("planted", "$2b$", key, "YWxpY2U6"):
        assert secret not in shown


def test_without_tls_users_are_asked_too(site: Site) -> None:
    """Behind a proxy that speaks TLS the file may hold users alone; a warning is logged."""
    with site.serving(users(alice="right")) as it:
        it.url = it.url.replace("https://", "http://")

        assert site.curl(it)[0] == 401
        assert site.curl(it, "-u", "alice:right")[0] == 200
        it.wait_for_log("passwords travel in plain text")


def test_bcrypt_is_not_loaded_without_users(site: Site) -> None:
    """A library less in memory for those who need no passwords."""
    with site.serving(TLS) as without:
        assert site.curl(without)[0] == 200
        assert "_bcrypt" not in Path(f"/proc/{without.popen.pid}/maps").read_text()
    with site.serving(TLS + users(alice="right")) as with_users:
        assert site.curl(with_users, "-u", "alice:right")[0] == 200
        assert "_bcrypt" in Path(f"/proc/{with_users.popen.pid}/maps").read_text()
