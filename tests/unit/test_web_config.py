import re
import socket
import ssl
import threading
from pathlib import Path

import pytest

from exporter.config.reader import keys_below
from exporter.errors import ConfigurationError
from exporter.web.security import WebConfig, load
from exporter.web.security.settings import HEADERS, WebFile
from exporter.web.security.tls import alternative_names
from tests.web_files import BAD_FILES, DATA, GOOD_FILES, PLANTED, expected_lines, lay_out

TLS = "tls_server_config:\n  cert_file: server.pem\n  key_file: server.key\n"
PAGE = Path(__file__).parents[2] / "docs" / "web-configuration.md"


@pytest.fixture(scope="session")
def samples(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the sample files and their certificates."""
    folder = tmp_path_factory.mktemp("web")
    lay_out(folder)
    return folder


def loaded(text: str, samples: Path) -> WebConfig:
    """Load a file of this text, beside the certificates."""
    path = samples / "written.yaml"
    path.write_text(text, "utf-8")
    return load(str(path))


def context(text: str, samples: Path) -> ssl.SSLContext:
    """Return the TLS context of a file of this text."""
    endpoint = loaded(text, samples).tls
    assert endpoint is not None
    return endpoint.context


def suites(context: ssl.SSLContext) -> set[str]:
    """Return the suites of TLS 1.2 of a context."""
    return {each["name"] for each in context.get_ciphers() if each["protocol"] != "TLSv1.3"}


@pytest.mark.parametrize("name", BAD_FILES)
def test_bad_file(name: str, samples: Path) -> None:
    """Each bad file is refused with exactly the lines beside it, and no secret is in them."""
    with pytest.raises(ConfigurationError) as caught:
        load(str(samples / name))

    assert str(caught.value).replace(f"{samples}/", "") + "\n" == expected_lines(name)
    shown = str(caught.value).replace(str(samples), "") + repr(caught.value.problems)
    assert not [secret for secret in PLANTED if secret in shown.lower()]


def test_every_bad_file_has_its_messages() -> None:
    """No file of messages is left over, and none is missing."""
    assert {path.stem for path in DATA.glob("*.txt")} == {Path(n).stem for n in BAD_FILES}


@pytest.mark.parametrize("name", GOOD_FILES)
def test_good_file(name: str, samples: Path) -> None:
    """Each good file is taken, and none of its secrets is in it as a debugger shows it."""
    config = load(str(samples / name))

    assert not [secret for secret in PLANTED if secret in repr(config).lower()]


def test_an_empty_file_asks_for_nothing(samples: Path) -> None:
    """As in the toolkit, no TLS and no users can be written as nothing at all."""
    assert load(str(samples / "good-empty.yaml")) == WebConfig()


def test_all_of_a_full_file_arrives(samples: Path) -> None:
    """What a file says is what the server gets."""
    config = load(str(samples / "good-full.yaml"))

    assert config.tls is not None
    assert config.tls.context.verify_mode is ssl.CERT_REQUIRED
    assert config.tls.allowed_sans == {"prometheus.example", "10.0.0.1"}
    assert suites(config.tls.context) == {"ECDHE-ECDSA-AES128-GCM-SHA256"}
    assert not config.tls.context.options & ssl.OP_CIPHER_SERVER_PREFERENCE
    assert config.verifies_clients
    assert dict(config.headers).keys() == HEADERS.keys()
    assert dict(config.headers)["X-XSS-Protection"] == "1"
    assert [*config.users] == [b"alice", "größe".encode()]
    assert config.probes_without_auth


def test_a_missing_file_is_told(tmp_path: Path) -> None:
    """A file that is not there is one line."""
    with pytest.raises(ConfigurationError, match=r"web\.yaml: cannot be read: No such file"):
        load(str(tmp_path / "web.yaml"))


def test_tls_12_and_13_by_default(samples: Path) -> None:
    """Nothing older is ever spoken; the versions can be narrowed."""
    usual = context(TLS, samples)
    new = context(TLS + "  min_version: TLS13\n", samples)
    old = context(TLS + "  max_version: TLS12\n", samples)

    assert usual.minimum_version is ssl.TLSVersion.TLSv1_2
    assert usual.maximum_version is ssl.TLSVersion.TLSv1_3
    assert new.minimum_version is ssl.TLSVersion.TLSv1_3
    assert old.maximum_version is ssl.TLSVersion.TLSv1_2


def test_our_order_of_suites_counts_by_default(samples: Path) -> None:
    """The toolkit's default is ours."""
    assert context(TLS, samples).options & ssl.OP_CIPHER_SERVER_PREFERENCE


def test_only_new_suites_mean_only_new_tls(samples: Path) -> None:
    """A list of TLS 1.3 suites alone leaves TLS 1.2 none, as in Go, so that is not spoken."""
    found = context(TLS + "  cipher_suites: [TLS_AES_128_GCM_SHA256]\n", samples)

    assert found.minimum_version is ssl.TLSVersion.TLSv1_3


def test_every_suite_of_go_is_known(samples: Path) -> None:
    """A file with all suites that the toolkit takes is taken, and each is on."""
    config = load(str(samples / "good-every-suite.yaml"))

    assert config.tls is not None
    assert len(suites(config.tls.context)) == 10


@pytest.mark.parametrize("curve", ["CurveP256", "CurveP384", "CurveP521", "X25519"])
def test_every_curve_can_be_chosen(curve: str, samples: Path) -> None:
    """OpenSSL knows each curve by the name that we give it."""
    endpoint = loaded(TLS + f"  curve_preferences: [{curve}]\n", samples).tls

    assert endpoint is not None


@pytest.mark.parametrize(
    ("name", "mode"),
    [
        ("NoClientCert", ssl.CERT_NONE),
        ("RequestClientCert", ssl.CERT_NONE),
        ("VerifyClientCertIfGiven", ssl.CERT_OPTIONAL),
        ("RequireAndVerifyClientCert", ssl.CERT_REQUIRED),
    ],
)
def test_what_a_client_must_show(name: str, mode: ssl.VerifyMode, samples: Path) -> None:
    """Go's names mean what they mean in Go."""
    authority = "" if mode is ssl.CERT_NONE else "  client_ca_file: ca.pem\n"

    found = context(f"{TLS}  client_auth_type: {name}\n{authority}", samples)

    assert found.verify_mode is mode


def test_relative_paths_begin_at_the_file(
    samples: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Where the process stands does not matter."""
    monkeypatch.chdir(tmp_path)

    assert loaded(TLS, samples).tls is not None


def test_a_dollar_is_a_dollar(samples: Path) -> None:
    """No environment is looked at: the toolkit does not, and each hash is full of dollars."""
    found = loaded(TLS + "http_server_config: {headers: {X-XSS-Protection: '${HOME}'}}", samples)

    assert found.headers == (("X-XSS-Protection", "${HOME}"),)


def test_names_of_a_client_are_written_as_go_does() -> None:
    """The list of allowed names of a file for other exporters fits."""
    certificate = {
        "subjectAltName": (
            ("DNS", "prometheus.example"),
            ("email", "ops@example.net"),
            ("URI", "spiffe://cluster/prometheus"),
            ("IP Address", "10.0.0.1"),
            ("IP Address", "2001:DB8:0:0:0:0:0:1"),
            ("othername", "<unsupported>"),
        )
    }

    assert alternative_names(certificate) == {
        "prometheus.example",
        "ops@example.net",
        "spiffe://cluster/prometheus",
        "10.0.0.1",
        "2001:db8::1",
    }


def test_every_key_is_documented() -> None:
    """Each key and header that a file can have is on its page, and each key that is refused."""
    page = PAGE.read_text("utf-8")
    keys = {name for name, _ in keys_below(WebFile)} | HEADERS.keys()

    assert {key for key in keys | {"rate_limit", "cert"} if f"`{key}`" not in page} == set()


def test_the_example_of_the_page_is_good(samples: Path) -> None:
    """Whoever copies the example gets what it says."""
    example = re.findall(
        r"```yaml\n(tls_server_config:.*?)```", PAGE.read_text("utf-8"), re.DOTALL
    )[0]

    config = loaded(example, samples)

    assert config.tls
    assert [*config.users] == [b"prometheus"]


def test_half_a_character_after_a_mistake(tmp_path: Path) -> None:
    """A file that is cut off within a character is told by its first mistake, as any other."""
    path = tmp_path / "web.yaml"
    path.write_bytes("a: b: c\n# größe".encode()[:-2])

    with pytest.raises(ConfigurationError, match=r"web\.yaml:1:5: a ':' that cannot be here"):
        load(str(path))


def test_without_an_authority_that_of_the_system_counts(
    samples: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As in Go, and with a warning: anybody can buy such a certificate."""
    monkeypatch.setenv("SSL_CERT_FILE", str(samples / "ca.pem"))

    config = loaded(TLS + "  client_auth_type: RequireAndVerifyClientCert\n", samples)

    assert config.tls is not None
    assert config.tls.context.verify_mode is ssl.CERT_REQUIRED
    assert len(config.tls.context.get_ca_certs()) == 1
    assert not config.has_authority
    (warning,) = config.warnings
    assert "any certificate that this system trusts is taken" in warning.message


@pytest.mark.parametrize(
    ("text", "part"),
    [
        (TLS + "  client_auth_type: RequestClientCert\n", "lets in everybody"),
        ("rate_limit: {interval: 1s}\n", "every request is refused"),
        (f"basic_auth_users: {{bob: $2y$15${'x' * 53}}}\n", "its cost is 15"),
    ],
)
def test_what_is_taken_but_unwise_is_told(samples: Path, text: str, part: str) -> None:
    """What protects less than it seems to, or takes long, gives a warning."""
    assert part in "".join(warning.message for warning in loaded(text, samples).warnings)


def inline(samples: Path, **files: str) -> str:
    """Return a section of TLS with the contents of files in place of their names."""
    lines = ["tls_server_config:\n"]
    for key, name in files.items():
        content = (samples / name).read_text("ascii").replace("\n", "\n    ")
        lines.append(f"  {key}: |\n    {content.rstrip()}\n")
    return "".join(lines)


def test_certificates_in_the_file_itself(samples: Path) -> None:
    """A certificate, a key and an authority as texts do what their files do."""
    files = {"cert": "server.pem", "key": "server.key", "client_ca": "ca.pem"}
    text = inline(samples, **files) + "  client_auth_type: RequireAndVerifyClientCert\n"

    config = loaded(text, samples)

    assert config.tls is not None
    assert len(config.tls.context.get_ca_certs()) == 1
    key = (samples / "server.key").read_text("ascii").splitlines()[1]
    assert key not in repr(config)
    ours, theirs = socket.socketpair()
    client = ssl.create_default_context(cafile=samples / "ca.pem")
    client.load_cert_chain(samples / "server.pem", samples / "server.key")
    thread = threading.Thread(target=config.tls.wrap(ours).do_handshake)
    thread.start()
    with client.wrap_socket(theirs, server_hostname="localhost") as connection:
        assert connection.getpeercert()
    thread.join()


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"cert": "server.pem", "key": "other.key"}, "key: is not the key of the certificate in "),
        ({"cert": "server.key", "key": "server.key"}, "cert: expected PEM certificates: it holds"),
        ({"cert": "server.pem", "key": "server.pem"}, "key: expected a PEM private key without a"),
    ],
)
def test_a_text_that_is_no_use(samples: Path, files: dict[str, str], message: str) -> None:
    """What is wrong with a text is said without a word of it."""
    with pytest.raises(ConfigurationError) as caught:
        loaded(inline(samples, **files), samples)

    assert f"tls_server_config.{message}" in str(caught.value)
    assert "BEGIN" not in str(caught.value)
