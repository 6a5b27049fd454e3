"""The web configuration file as pydantic models. A key's kind and meaning stand in its annotation.

The format is the exporter-toolkit's, with one key of our own.
"""

import ssl
from collections.abc import Iterator, Mapping
from typing import Annotated, Final

from pydantic import Field

from exporter.config.kinds import duration, whole
from exporter.config.reader import Entry, Labels, ListOf
from exporter.secret import Secret
from exporter.web.security import kinds

_VERIFYING: Final = "VerifyClientCertIfGiven or RequireAndVerifyClientCert"
HEADERS: Final = {
    "Content-Security-Policy": (),
    "X-Frame-Options": ("deny", "sameorigin"),
    "X-Content-Type-Options": ("nosniff",),
    "X-XSS-Protection": (),
    "Strict-Transport-Security": (),
}
"""The headers that can be set, and the values of each; none for any."""


class TlsSettings(Entry):
    """The server's certificate, and which clients may connect."""

    exactly_one = (("cert_file", "cert"), ("key_file", "key"))

    cert_file: Annotated[
        str,
        kinds.file_path("PEM certificates"),
        Field(description="The server's certificate, then those that lead to its authority."),
    ] = ""
    cert: Annotated[
        Secret | None,
        kinds.pem("PEM certificates"),
        Field(description="The same as a text, in place of the file."),
    ] = None
    key_file: Annotated[
        str,
        kinds.file_path("a PEM private key"),
        Field(description="The certificate's key, without a passphrase."),
    ] = ""
    key: Annotated[
        Secret | None,
        kinds.pem("a PEM private key"),
        Field(description="The same as a text, in place of the file."),
    ] = None
    client_auth_type: Annotated[
        str,
        kinds.client_auth(),
        Field(
            description=(
                "Whether clients must show a certificate of `client_ca_file`, may, or need not."
            )
        ),
    ] = "NoClientCert"
    client_ca_file: Annotated[
        str,
        kinds.file_path("PEM certificates"),
        Field(description="Whose certificates clients may show."),
    ] = ""
    client_ca: Annotated[
        Secret | None,
        kinds.pem("PEM certificates"),
        Field(description="The same as a text, in place of the file."),
    ] = None
    client_allowed_sans: Annotated[
        tuple[Annotated[str, kinds.text()], ...],
        ListOf(minimum=1, unique=True),
        Field(
            description=(
                "One of these must be a DNS name, IP address, e-mail address or URI of the client's"
                " certificate. Goes with `RequireAndVerifyClientCert`."
            )
        ),
    ] = ()
    min_version: Annotated[
        ssl.TLSVersion,
        kinds.version(),
        Field(description="The oldest version of TLS that is spoken."),
    ] = ssl.TLSVersion.TLSv1_2
    max_version: Annotated[
        ssl.TLSVersion,
        kinds.version(),
        Field(description="The newest version of TLS that is spoken."),
    ] = ssl.TLSVersion.TLSv1_3
    cipher_suites: Annotated[
        tuple[Annotated[str, kinds.cipher_suite()], ...],
        ListOf(minimum=1, unique=True),
        Field(description="Suites of TLS 1.2, by Go's names. Those of TLS 1.3 are always on."),
    ] = ()
    prefer_server_cipher_suites: Annotated[
        bool,
        kinds.boolean(),
        Field(description="Whether our order of suites counts, and not the client's."),
    ] = True
    curve_preferences: Annotated[
        tuple[Annotated[str, kinds.curve()], ...],
        ListOf(minimum=1),
        Field(description="One curve, or all four. Python's TLS takes no other number."),
    ] = ()

    @property
    def has_authority(self) -> bool:
        """Whether it says whose certificates clients may show."""
        return bool(self.client_ca_file or self.client_ca)

    @property
    def verifies_given(self) -> bool:
        """Whether a certificate that a client shows must be one of an authority."""
        return kinds.CLIENT_AUTH[self.client_auth_type] is not ssl.CERT_NONE

    @property
    def tls12_suites(self) -> tuple[str, ...]:
        """OpenSSL's names of the suites of TLS 1.2 in the list."""
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
        authority = "client_ca" if self.client_ca else "client_ca_file"
        if self.max_version < self.min_version:
            yield "max_version", "expected at least min_version"
        elif self.max_version < self.oldest:
            yield "cipher_suites", "expected a suite of TLS 1.2, which is the max_version"
        if self.client_ca_file and self.client_ca:
            yield "client_ca", "expected client_ca or client_ca_file, not both"
        if self.has_authority and self.client_auth_type == "NoClientCert":
            yield authority, f"goes with client_auth_type: {_VERIFYING}"
        if self.client_allowed_sans and self.client_auth_type != "RequireAndVerifyClientCert":
            message = "goes with client_auth_type: RequireAndVerifyClientCert"
            yield "client_allowed_sans", f"{message}: else a client would just show no certificate"
        if 1 < len({*self.curve_preferences}) < len(kinds.CURVES):
            message = "expected one curve, or all four: Python's TLS takes no other number"
            yield "curve_preferences", message


class HttpSettings(Entry):
    """How HTTP is spoken."""

    http2: Annotated[
        bool,
        kinds.boolean("has no effect: this server speaks HTTP/1.1, as every client does"),
        Field(description="Taken, and without effect: this server speaks HTTP/1.1."),
    ] = False
    headers: Annotated[
        Mapping[str, Annotated[str, kinds.header_value()]],
        Labels(),
        Field(description="Added to every answer that does not have the header already."),
    ] = {}


class RateLimit(Entry):
    """How often requests may come, from all clients together."""

    interval: Annotated[
        float,
        duration("0s", "1d"),
        Field(description="Between two requests, on average. 0 for no limit."),
    ] = 0.0
    burst: Annotated[
        int, whole(0, 1_000_000), Field(description="Requests that may come at once.")
    ] = 0


class WebFile(Entry):
    """The web configuration file as it is written."""

    tls_server_config: TlsSettings | None = None
    http_server_config: HttpSettings = HttpSettings.model_construct()
    basic_auth_users: Annotated[
        Mapping[str, Annotated[Secret, kinds.password_hash()]],
        Labels(),
        Field(
            description=(
                "Who may ask: names, and bcrypt hashes of their passwords. Without users, everybody"
                " may."
            )
        ),
    ] = {}
    rate_limit: RateLimit = RateLimit.model_construct()
    probes_without_auth: Annotated[
        bool,
        kinds.boolean(),
        Field(
            description=(
                "Whether `/-/healthy` and `/-/ready` answer without a password. Not in the "
                "toolkit's format: other exporters refuse it."
            )
        ),
    ] = False
