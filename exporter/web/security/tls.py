"""TLS contexts of settings, and what is left to check once a client has shaken hands."""

import ipaddress
import os
import socket
import ssl
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any, Final, cast

from exporter import files
from exporter.config.locations import Report
from exporter.secret import Secret
from exporter.sockets import DeadlineTlsSocket
from exporter.web.security import kinds
from exporter.web.security.settings import TlsSettings

_LARGEST: Final = 4 << 20  # bytes of a PEM file
_MISMATCHES: Final = ("KEY_VALUES_MISMATCH", "KEY_TYPE_MISMATCH", "NO_CERTIFICATE_ASSIGNED")


_Step = Callable[[ssl.SSLContext, TlsSettings], None]


class _NotGiven(Exception):
    """A certificate or key is missing, or is wrong as a value."""


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
    except _NotGiven:
        return False
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
    if len({*settings.curve_preferences}) == 1:  # else all
        context.set_ecdh_curve(kinds.CURVES[settings.curve_preferences[0]])
    return context


def _load_authorities(context: ssl.SSLContext, settings: TlsSettings) -> None:
    if settings.has_authority:
        _load_certificates(context, _authority(settings))
    elif settings.verifies_given:  # as Go does
        context.load_default_certs(ssl.Purpose.CLIENT_AUTH)
    # As Go does: whatever is in the file is trusted, an authority in the middle too.
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    context.verify_mode = kinds.CLIENT_AUTH[settings.client_auth_type]


def _check_certificate(_: ssl.SSLContext, settings: TlsSettings) -> None:
    _load_certificates(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), _certificate(settings))


def _check_key(_: ssl.SSLContext, settings: TlsSettings) -> None:
    source = _key(settings)
    key = source.content()
    # An encrypted one is distinguished from none at all here: OpenSSL's error is the same.
    if b"PRIVATE KEY-----" not in key or b"ENCRYPTED" in key:
        why = "it is encrypted" if b"ENCRYPTED" in key else "it holds none"
        what = f"{source.expected} a PEM private key without a passphrase"
        raise _Unusable(source.name, f"{what}: {why}")


def _load_pair(context: ssl.SSLContext, settings: TlsSettings) -> None:
    certificate, key = _certificate(settings), _key(settings)
    with certificate.opened() as certificate_path, key.opened() as key_path:

        def load() -> None:
            # A password, though none is taken: without one OpenSSL would ask at the terminal.
            context.load_cert_chain(certificate_path, key_path, password="")

        try:
            files.within((context, certificate_path, key_path), load)
        except ssl.SSLError as error:
            if error.reason in _MISMATCHES:
                message = f"is not the key of the certificate in {certificate.name}"
                raise _Unusable(key.name, message) from None
            if error.reason:
                why = error.reason.replace("_", " ").lower()
                message = f"cannot be used: OpenSSL says {why!r}"
                raise _Unusable(certificate.name, message) from None
            raise _Unusable(key.name, "cannot be used: OpenSSL finds no key in it") from None
        except OSError as error:  # it has gone since it was read
            raise _Unusable(key.name, f"cannot be read: {error.strerror}") from None


def _load_certificates(context: ssl.SSLContext, source: "_Source") -> None:
    source.content()
    with source.opened() as path:
        try:
            files.within((context, path), lambda: context.load_verify_locations(path))
        except ssl.SSLError:
            message = f"{source.expected} PEM certificates: it holds none"
            raise _Unusable(source.name, message) from None
        except OSError as error:  # as above
            raise _Unusable(source.name, f"cannot be read: {error.strerror}") from None


@dataclass(frozen=True, slots=True)
class _Source:
    """Where PEM comes from: a file, or the configuration itself.

    Attributes:
        name: of the key of the configuration that says so.
        path: of the file; empty for none.
        text: of PEM, where there is no file.
    """

    name: str
    path: str
    text: Secret | None

    @property
    def expected(self) -> str:
        """What a message about it begins with."""
        return "expected" if self.text else "expected the path of a file of"

    def content(self) -> bytes:
        """Return what it holds; the message names no path, which may be a pasted secret.

        Raises:
            _NotGiven: it is neither, which is reported already.
            _Unusable: it cannot be read.
        """
        if self.text is not None:
            return self.text.reveal().encode()
        if not self.path:
            raise _NotGiven
        try:
            _, data = files.read(self.path, _LARGEST, regular=True)
        except OSError as error:
            raise _Unusable(self.name, f"cannot be read: {error.strerror}") from None
        except ValueError:  # a NUL
            raise _Unusable(self.name, "cannot be read: it is no path") from None
        return data

    @contextmanager
    def opened(self) -> Iterator[str]:
        """Return a path for OpenSSL, which reads files only; of a text, one that is on no disk."""
        if self.text is None:
            yield self.path
            return
        with os.fdopen(os.memfd_create("pem"), "w+b") as file:
            file.write(self.content())
            file.flush()
            yield f"/proc/self/fd/{file.fileno()}"


def _certificate(settings: TlsSettings) -> _Source:
    name = "cert" if settings.cert else "cert_file"
    return _Source(name, settings.cert_file, settings.cert)


def _key(settings: TlsSettings) -> _Source:
    return _Source("key" if settings.key else "key_file", settings.key_file, settings.key)


def _authority(settings: TlsSettings) -> _Source:
    name = "client_ca" if settings.client_ca else "client_ca_file"
    return _Source(name, settings.client_ca_file, settings.client_ca)
