"""Certificates made at test time with the ``openssl`` command, good and bad ones."""

import ssl
import subprocess
import warnings
from pathlib import Path

_KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")


class Authority:
    """A certificate authority that nobody knows but those who are given its file.

    Attributes:
        ca_file: its own certificate, in PEM.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._key = directory / "ca.key"
        self.ca_file = directory / "ca.pem"
        subject = ("-subj", "/CN=Test CA", "-days", "2")
        _openssl("req", "-x509", *_KEY, "-keyout", self._key, "-out", self.ca_file, *subject)

    def server(self, names: str = "DNS:localhost,IP:127.0.0.1", *, days: int = 2) -> ssl.SSLContext:
        """Return the context of a server with a certificate of this authority.

        Args:
            names: as OpenSSL writes a subjectAltName.
            days: until it expires; -1 for yesterday.
        """
        return _context(*self.issue("server", names, days=days))

    def issue(self, file: str, names: str, *, days: int = 2) -> tuple[Path, Path]:
        """Return the paths of a new certificate of this authority and of its key.

        Args:
            file: what their names begin with.
            names: as OpenSSL writes a subjectAltName.
            days: until it expires; -1 for yesterday.
        """
        certificate, key, request = (
            self._directory / f"{file}.{end}" for end in ("pem", "key", "r")
        )
        alternatives = ("-addext", f"subjectAltName={names}")
        _openssl("req", "-new", *_KEY, "-keyout", key, "-out", request, "-subj", "/CN=x",
                 *alternatives)  # fmt: skip
        signer = ("-CA", self.ca_file, "-CAkey", self._key, "-CAcreateserial")
        _openssl("x509", "-req", "-in", request, *signer, "-copy_extensions", "copy",
                 "-days", str(days), "-out", certificate)  # fmt: skip
        return certificate, key

    def self_signed(self) -> ssl.SSLContext:
        """Return the context of a server whose certificate for localhost nobody has signed."""
        key, certificate = self._directory / "self.key", self._directory / "self.pem"
        name = ("-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost", "-days", "2")
        _openssl("req", "-x509", *_KEY, "-keyout", key, "-out", certificate, *name)
        return _context(certificate, key)

    def outdated(self) -> ssl.SSLContext:
        """Return the context of a server with a good certificate that speaks TLS 1.1 at most."""
        context = self.server()
        with warnings.catch_warnings(action="ignore", category=DeprecationWarning):
            context.minimum_version = ssl.TLSVersion.TLSv1
            context.maximum_version = ssl.TLSVersion.TLSv1_1
        context.set_ciphers("ALL:@SECLEVEL=0")  # OpenSSL 3 itself refuses at its usual level
        return context


def encrypted(key: Path) -> Path:
    """Return the path of a copy of a key that needs a passphrase."""
    copy = key.with_name(f"{key.stem}-encrypted.key")
    _openssl("pkcs8", "-topk8", "-in", key, "-out", copy, "-passout", "pass:planted")
    return copy


def _context(certificate: Path, key: Path) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate, key)
    return context


def _openssl(*arguments: str | Path) -> None:
    subprocess.run(["openssl", *arguments], check=True, capture_output=True, timeout=60)
