"""One rule says which authorities are trusted, and who named those that cannot be used."""

from pathlib import Path

import pytest

from exporter.gpdb.authorities import Authorities, authorities
from tests.certificates import Authority


@pytest.mark.parametrize(
    ("ca_file", "environ", "expected"),
    [
        ("", {}, ("", "")),
        ("", {"SSL_CERT_FILE": "", "SSL_CERT_DIR": "", "REQUESTS_CA_BUNDLE": ""}, ("", "")),
        ("own", {"REQUESTS_CA_BUNDLE": "b", "SSL_CERT_FILE": "f"}, ("own", "")),
        ("", {"REQUESTS_CA_BUNDLE": "b", "SSL_CERT_FILE": "f", "SSL_CERT_DIR": "d"}, ("b", "")),
        ("", {"REQUESTS_CA_BUNDLE": "/"}, ("", "/")),
        ("", {"SSL_CERT_FILE": "f"}, ("f", "")),
        ("", {"SSL_CERT_DIR": "d:e"}, ("", "d:e")),
        ("", {"SSL_CERT_FILE": "f", "SSL_CERT_DIR": "d"}, ("f", "d")),
    ],
)
def test_what_is_trusted(ca_file: str, environ: dict[str, str], expected: tuple[str, str]) -> None:
    """api.ca_file, then REQUESTS_CA_BUNDLE, then SSL_CERT_FILE and SSL_CERT_DIR, then the usual."""
    trusted = authorities(ca_file, environ)

    assert (trusted.file, trusted.directory) == expected
    assert trusted.are_usual == (expected == ("", ""))


@pytest.mark.parametrize("name", ["REQUESTS_CA_BUNDLE", "SSL_CERT_FILE"])
@pytest.mark.parametrize(
    ("content", "why"),
    [
        (None, "it cannot be read: No such file or directory"),
        ("", "it holds none"),
        ("no certificate", "it holds none"),
    ],
)
def test_a_useless_file(name: str, content: str | None, why: str, tmp_path: Path) -> None:
    """A file that is missing, empty or something else is reported with the variable's name."""
    path = tmp_path / "ca.pem"
    if content is not None:
        path.write_text(content)

    problems = list(authorities("", {name: str(path)}).problems())

    assert problems == [(name, f"expected the path of a file of PEM certificates: {why}")]


def test_a_useless_directory(tmp_path: Path) -> None:
    """A directory counts where OpenSSL would find a certificate in it, by its hash."""
    (tmp_path / "ca.pem").write_text("whatever")
    environ = {"SSL_CERT_DIR": f"{tmp_path}:{tmp_path}/missing"}
    expected = "expected a directory of certificates as `openssl rehash` names them"

    assert list(authorities("", {"SSL_CERT_DIR": str(tmp_path)}).problems()) == [
        ("SSL_CERT_DIR", f"{expected}: there are none in it")
    ]
    assert "No such file" in next(authorities("", environ).problems())[1]
    (tmp_path / "0a1b2c3d.0").write_text("whatever")
    assert list(authorities("", environ).problems()) == []


def test_good_ones(tmp_path: Path) -> None:
    """What can be used is no problem, and neither is what nobody names."""
    good = str(Authority(tmp_path).ca_file)

    assert list(authorities("", {"SSL_CERT_FILE": good}).problems()) == []
    assert list(Authorities().problems()) == []
