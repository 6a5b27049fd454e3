"""The web configuration file as typed records. Each key's kind and meaning stand in its annotation.

The format is the exporter-toolkit's, with one key of our own.
"""

import ssl
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Final

from exporter.config.places import Place
from exporter.config.shapes import Labels, ListOf, Record
from exporter.secret import Secret
from exporter.web.security import kinds

_INLINE: Final = "not supported here: put it into a file, and name that in {}"
_VERIFYING: Final = "VerifyClientCertIfGiven or RequireAndVerifyClientCert"
HEADERS: Final = {
    "Content-Security-Policy": (),
    "X-Frame-Options": ("deny", "sameorigin"),
    "X-Content-Type-Options": ("nosniff",),
    "X-XSS-Protection": (),
    "Strict-Transport-Security": (),
}
"""The headers that can be set, and the values of each; none for any."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TlsSettings:
    """The server's certificate, and which clients may connect."""

    cert_file: Annotated[
        str,
        kinds.file_path("PEM certificates"),
        "The server's certificate, then those that lead to its authority.",
    ]
    key_file: Annotated[
        str, kinds.file_path("a PEM private key"), "The certificate's key, without a passphrase."
    ]
    client_auth_type: Annotated[
        str,
        kinds.client_auth(),
        "Whether clients must show a certificate of `client_ca_file`, may, or need not.",
    ] = "NoClientCert"
    client_ca_file: Annotated[
        str, kinds.file_path("PEM certificates"), "Whose certificates clients may show."
    ] = ""
    client_allowed_sans: Annotated[
        tuple[str, ...],
        ListOf(kinds.text(), minimum=1, unique=True),
        "One of these must be a DNS name, IP address, e-mail address or URI of the client's "
        "certificate. Goes with `RequireAndVerifyClientCert`.",
    ] = ()
    min_version: Annotated[
        ssl.TLSVersion, kinds.version(), "The oldest version of TLS that is spoken."
    ] = ssl.TLSVersion.TLSv1_2
    max_version: Annotated[
        ssl.TLSVersion, kinds.version(), "The newest version of TLS that is spoken."
    ] = ssl.TLSVersion.TLSv1_3
    cipher_suites: Annotated[
        tuple[str, ...],
        ListOf(kinds.cipher_suite(), minimum=1, unique=True),
        "Suites of TLS 1.2, by Go's names. Those of TLS 1.3 are always on.",
    ] = ()
    prefer_server_cipher_suites: Annotated[
        bool, kinds.boolean(), "Whether our order of suites counts, and not the client's."
    ] = True
    curve_preferences: Annotated[
        tuple[str, ...],
        ListOf(kinds.curve(), minimum=1),
        "One curve. Python's TLS cannot be told several.",
    ] = ()
    place: Place = Place.NOWHERE

    @property
    def tls12_suites(self) -> tuple[str, ...]:
        """OpenSSL's names of the suites of TLS 1.2 that are asked for."""
        known = kinds.TLS12_SUITES
        return tuple(known[name] for name in self.cipher_suites if name in known)

    @property
    def oldest(self) -> ssl.TLSVersion:
        """The oldest version spoken; without a suite of TLS 1.2 in the list, that is 1.3."""
        if self.cipher_suites and not self.tls12_suites:
            return ssl.TLSVersion.TLSv1_3
        return self.min_version

    def contradictions(self) -> Iterator[tuple[str, str]]:
        """Yield key and message of each value that does not go with another."""
        verified = self.client_auth_type != "NoClientCert"
        if self.max_version < self.min_version:
            yield "max_version", "expected at least min_version"
        elif self.max_version < self.oldest:
            yield "cipher_suites", "expected a suite of TLS 1.2, which is the max_version"
        if verified and not self.client_ca_file:
            message = f"missing: client_auth_type: {self.client_auth_type} needs it"
            yield "client_ca_file", message
        if self.client_ca_file and not verified:
            yield "client_ca_file", f"goes with client_auth_type: {_VERIFYING}"
        if self.client_allowed_sans and self.client_auth_type != "RequireAndVerifyClientCert":
            message = "goes with client_auth_type: RequireAndVerifyClientCert"
            yield "client_allowed_sans", f"{message}: else a client would just show no certificate"
        if len(self.curve_preferences) > 1:
            yield "curve_preferences", "expected one curve: Python's TLS cannot be told several"


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpSettings:
    """How HTTP is spoken."""

    http2: Annotated[
        bool,
        kinds.boolean("has no effect: this server speaks HTTP/1.1, as every client does"),
        "Taken, and without effect: this server speaks HTTP/1.1.",
    ] = False
    headers: Annotated[
        Mapping[str, str],
        Labels(kinds.header_value()),
        "Added to every answer that does not have the header already.",
    ] = field(default_factory=dict)
    place: Place = Place.NOWHERE


_HTTP = Record(HttpSettings, placed=True)
_TLS = Record(
    TlsSettings,
    placed=True,
    refused={
        "cert": _INLINE.format("cert_file"),
        "key": _INLINE.format("key_file"),
        "client_ca": _INLINE.format("client_ca_file"),
    },
)


@dataclass(frozen=True, slots=True, kw_only=True)
class WebFile:
    """The web configuration file as it is written."""

    tls_server_config: Annotated[TlsSettings | None, _TLS, ""] = None
    http_server_config: Annotated[HttpSettings, _HTTP, ""] = field(default_factory=HttpSettings)
    basic_auth_users: Annotated[
        Mapping[str, Secret],
        Labels(kinds.password_hash()),
        "Who may ask: names, and bcrypt hashes of their passwords. Without users, everybody may.",
    ] = field(default_factory=dict)
    probes_without_auth: Annotated[
        bool,
        kinds.boolean(),
        "Whether `/-/healthy` and `/-/ready` answer without a password. Not in the toolkit's "
        "format: other exporters refuse it.",
    ] = False
    place: Place = Place.NOWHERE


WEB_FILE: Final = Record(
    WebFile,
    placed=True,
    refused={
        "rate_limit": "not supported here: this server has limits of its own, see its documentation"
    },
)
