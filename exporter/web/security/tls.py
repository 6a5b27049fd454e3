"""TLS contexts of settings, and what is left to check once a client has shaken hands."""

import ipaddress
import socket
import ssl
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final, cast

from exporter import files
from exporter.config.places import Report
from exporter.sockets import DeadlineTlsSocket
from exporter.web.security import kinds
from exporter.web.security.settings import TlsSettings

_LARGEST: Final = 4 << 20  # bytes of a PEM file
_MISMATCHES: Final = ("KEY_VALUES_MISMATCH", "KEY_TYPE_MISMATCH", "NO_CERTIFICATE_ASSIGNED")


_Step = Callable[[ssl.SSLContext, TlsSettings], None]


class _Unusable(Exception):
    """A key's file cannot be used; the arguments are the key and the message."""


@dataclass(frozen=True, slots=True)
class TlsEndpoint:
    """How the server speaks TLS.

    Attributes:
        context: with certificate, versions and authorities; it wraps into DeadlineTlsSocket.
        allowed_sans: of a client's certificate, one of which it must have; empty for any.
    """

    context: ssl.SSLContext
    allowed_sans: frozenset[str] = frozenset()

    def wrap(self, sock: socket.socket) -> DeadlineTlsSocket:
        """Return the TLS end of a connection, before its handshake; the socket is used up."""
        wrapped = self.context.wrap_socket(sock, server_side=True, do_handshake_on_connect=False)
        return cast("DeadlineTlsSocket", wrapped)


def alternative_names(certificate: Mapping[str, Any]) -> set[str]:
    """Return the subject's alternative names as Go writes them: DNS, e-mail, URI and IP.

    Args:
        certificate: as ``getpeercert`` gives it. A malformed address in it is no name.
    """
    names = set()
    for kind, value in certificate.get("subjectAltName", ()):
        if kind in {"DNS", "email", "URI"}:
            names.add(value)
        elif kind == "IP Address":
            with suppress(ValueError):
                names.add(str(ipaddress.ip_address(value.strip())))
    return names


def make_endpoint(settings: TlsSettings, report: Report) -> TlsEndpoint | None:
    """Return the endpoint of settings; None when their files cannot be used, which is reported."""
    context = _context(settings)
    good = [_tried(step, context, settings, report) for step in (_check_certificate, _check_key)]
    if all(good):
        good.append(_tried(_load_pair, context, settings, report))
    good.append(_tried(_load_authorities, context, settings, report))
    return TlsEndpoint(context, frozenset(settings.client_allowed_sans)) if all(good) else None


def _tried(step: _Step, context: ssl.SSLContext, settings: TlsSettings, report: Report) -> bool:
    try:
        step(context, settings)
    except _Unusable as error:
        key, message = error.args
        report.problem(settings.place.child(key), message)
        return False
    return True


def _context(settings: TlsSettings) -> ssl.SSLContext:
    # A new one at each reading: its new ticket keys end every session that an older one began, so
    # that nobody resumes past a certificate authority that was taken out.
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.sslsocket_class = DeadlineTlsSocket
    context.set_alpn_protocols(["http/1.1"])
    context.minimum_version, context.maximum_version = settings.oldest, settings.max_version
    if settings.tls12_suites:
        context.set_ciphers(":".join(settings.tls12_suites))
    if not settings.prefer_server_cipher_suites:
        context.options &= ~ssl.OP_CIPHER_SERVER_PREFERENCE
    for curve in settings.curve_preferences:
        context.set_ecdh_curve(kinds.CURVES[curve])
    return context


def _load_authorities(context: ssl.SSLContext, settings: TlsSettings) -> None:
    if not settings.client_ca_file:
        return
    _load_certificates(context, "client_ca_file", settings.client_ca_file)
    # As Go does: whatever is in the file is trusted, an authority in the middle too.
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    context.verify_mode = kinds.CLIENT_AUTH[settings.client_auth_type]


def _check_certificate(_: ssl.SSLContext, settings: TlsSettings) -> None:
    _load_certificates(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), "cert_file", settings.cert_file)


def _check_key(_: ssl.SSLContext, settings: TlsSettings) -> None:
    key = _read("key_file", settings.key_file)
    # An encrypted one is told from none at all here: OpenSSL's error is the same.
    if b"PRIVATE KEY-----" not in key or b"ENCRYPTED" in key:
        expected = "expected the path of a file of a PEM private key without a passphrase"
        why = "it is encrypted" if b"ENCRYPTED" in key else "it holds none"
        raise _Unusable("key_file", f"{expected}: {why}")


def _load_pair(context: ssl.SSLContext, settings: TlsSettings) -> None:

    def load() -> None:
        # A password, though none is taken: without one OpenSSL would ask at the terminal.
        context.load_cert_chain(settings.cert_file, settings.key_file, password="")

    try:
        files.within((context, settings.cert_file, settings.key_file), load)
    except ssl.SSLError as error:
        if error.reason in _MISMATCHES:
            raise _Unusable("key_file", "is not the key of the certificate in cert_file") from None
        if error.reason:
            why = error.reason.replace("_", " ").lower()
            raise _Unusable("cert_file", f"cannot be used: OpenSSL says {why!r}") from None
        raise _Unusable("key_file", "cannot be used: OpenSSL finds no key in it") from None
    except OSError as error:  # it has gone since it was read
        raise _Unusable("key_file", f"cannot be read: {error.strerror}") from None


def _load_certificates(context: ssl.SSLContext, key: str, path: str) -> None:
    _read(key, path)
    try:
        files.within((context, path), lambda: context.load_verify_locations(path))
    except ssl.SSLError:
        expected = "expected the path of a file of PEM certificates"
        raise _Unusable(key, f"{expected}: it holds none") from None
    except OSError as error:  # as above
        raise _Unusable(key, f"cannot be read: {error.strerror}") from None


def _read(key: str, path: str) -> bytes:
    """Return what a file holds; the message names no path, which may be a pasted secret."""
    try:
        _, data = files.read(path, _LARGEST, regular=True)
    except OSError as error:
        raise _Unusable(key, f"cannot be read: {error.strerror}") from None
    except ValueError:  # a NUL
        raise _Unusable(key, "cannot be read: it is no path") from None
    return data
