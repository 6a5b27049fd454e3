"""What single values in the web configuration file can be. Pure.

The names are those of the exporter-toolkit, and so of Go's crypto/tls:
https://github.com/prometheus/exporter-toolkit/blob/master/docs/web-configuration.md
"""

import re
import ssl
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from exporter.config.kinds import InvalidValue, Kind, text
from exporter.secret import Secret

CHEAPEST, DEAREST = 4, 18  # costs of a bcrypt hash; each step doubles the time
_DEAR: Final = 15  # from here on a password takes seconds
_HASH = re.compile(r"\$2[aby]\$([0-9]{2})\$[./A-Za-z0-9]{53}")
_HEADER_VALUE = re.compile(r"[!-~](?:[ -~]{0,4094}[!-~])?")
_NOT_POSSIBLE: Final = (
    "Python's TLS cannot take a certificate that it does not verify; the nearest is "
)

VERSIONS: Final = {"TLS12": ssl.TLSVersion.TLSv1_2, "TLS13": ssl.TLSVersion.TLSv1_3}
_OLD_VERSION: Final = "this server speaks TLS 1.2 and later"
CLIENT_AUTH: Final = {
    "NoClientCert": ssl.CERT_NONE,
    "RequestClientCert": ssl.CERT_NONE,  # lets in everybody, as it does in Go
    "VerifyClientCertIfGiven": ssl.CERT_OPTIONAL,
    "RequireAndVerifyClientCert": ssl.CERT_REQUIRED,
}
_UNVERIFIED: Final = {
    "RequireAnyClientCert": _NOT_POSSIBLE + "RequireAndVerifyClientCert",
    "RequireClientCert": _NOT_POSSIBLE + "RequireAndVerifyClientCert",
}
TLS13_SUITES: Final = (
    "TLS_AES_128_GCM_SHA256",
    "TLS_AES_256_GCM_SHA384",
    "TLS_CHACHA20_POLY1305_SHA256",
)
"""Always on with TLS 1.3, in Go as here: to name them in a list changes nothing."""
TLS12_SUITES: Final = {
    "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256": "ECDHE-ECDSA-AES128-GCM-SHA256",
    "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384": "ECDHE-ECDSA-AES256-GCM-SHA384",
    "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256": "ECDHE-ECDSA-CHACHA20-POLY1305",
    "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256": "ECDHE-RSA-AES128-GCM-SHA256",
    "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384": "ECDHE-RSA-AES256-GCM-SHA384",
    "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256": "ECDHE-RSA-CHACHA20-POLY1305",
    "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA": "ECDHE-ECDSA-AES128-SHA",
    "TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA": "ECDHE-ECDSA-AES256-SHA",
    "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA": "ECDHE-RSA-AES128-SHA",
    "TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA": "ECDHE-RSA-AES256-SHA",
}
"""Go's name of a suite to OpenSSL's."""
CURVES: Final = {
    "CurveP256": "prime256v1",
    "CurveP384": "secp384r1",
    "CurveP521": "secp521r1",
    "X25519": "X25519",
}
"""Go's name of a curve to OpenSSL's."""


def file_path(holds: str) -> Kind:
    """Path of a file, from the web configuration's directory on. What is in it is seen later."""
    plain = text(1, 4096)

    def locate(directory: str, value: str) -> str:
        return str(Path(directory) / value)

    name = f"path of a file of {holds}"
    # A secret, since people paste what belongs into the file instead.
    return Kind(name=name, read=plain.read, schema=plain.schema, secret=True, locate=locate)


def client_auth() -> Kind:
    """What a client's certificate is to TLS, by Go's name."""
    return _word(dict(zip(CLIENT_AUTH, CLIENT_AUTH, strict=True)), _UNVERIFIED)


def version() -> Kind:
    """Version of TLS."""
    return _word(VERSIONS, {"TLS10": _OLD_VERSION, "TLS11": _OLD_VERSION})


def cipher_suite() -> Kind:
    """Suite, by Go's name; those of TLS 1.3 too."""
    names = (*TLS13_SUITES, *TLS12_SUITES)
    expected = "a suite such as TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256"

    def read(value: str) -> str:
        if value.startswith("TLS_RSA_WITH_"):
            raise InvalidValue(expected, "those without ECDHE have no forward secrecy")
        if value not in names:
            raise InvalidValue(expected, "it is not one of Go's that this server has")
        return value

    return Kind(name="cipher suite", read=read, schema={"enum": [*names]})


def curve() -> Kind:
    """Elliptic curve, by Go's name."""
    return _word(dict(zip(CURVES, CURVES, strict=True)), {})


def boolean(true_warning: str = "") -> Kind:
    """``true`` or ``false``; perhaps with the reason why ``true`` is unwise."""

    def warning(written: str) -> str:
        return true_warning if written == "true" else ""

    word = _word({"true": True, "false": False}, {})
    return Kind(
        name="true or false",
        read=word.read,
        schema={"type": "boolean"},
        written="either",
        show=word.show,
        warning=warning,
    )


def password_hash() -> Kind:
    """Hash of a password, as bcrypt makes it."""

    def read(value: str) -> Secret:
        found = _HASH.fullmatch(value)
        if found is None:
            advice = "`htpasswd -nBC 10 NAME` asks for a password and makes one"
            raise InvalidValue("a bcrypt hash, which begins with $2a$, $2b$ or $2y$", advice)
        if not CHEAPEST <= int(found[1]) <= DEAREST:
            advice = "each step doubles the time that a password takes; 10 is usual"
            raise InvalidValue(f"a bcrypt hash with a cost from {CHEAPEST} to {DEAREST}", advice)
        return Secret(value)

    def warning(written: str) -> str:
        found = _HASH.fullmatch(written)
        if found is None or int(found[1]) < _DEAR:
            return ""
        return f"its cost is {int(found[1])}, so a password takes seconds to check: 10 is usual"

    schema = {"type": "string"}
    return Kind(name="bcrypt hash", read=read, schema=schema, secret=True, warning=warning)


def pem(holds: str) -> Kind:
    """Text of PEM in the file itself."""

    def read(value: str) -> Secret:
        return Secret(value)

    schema = {"type": "string"}
    return Kind(name=f"text of {holds}", read=read, schema=schema, secret=True)


def header_value() -> Kind:
    """Value of a header, which may look like a number."""

    def read(value: str) -> str:
        if not _HEADER_VALUE.fullmatch(value):
            raise InvalidValue("1 to 4096 printable ASCII characters, no space at either end")
        return value

    return Kind(name="text", read=read, schema={"type": ["string", "number"]}, written="either")


def _word(values: Mapping[str, Any], refused: Mapping[str, str]) -> Kind:
    """One of a few words; of others that are known, the reason why they are not taken."""
    *first, last = values
    expected = f"{', '.join(first)} or {last}"

    def read(value: str) -> object:
        if value not in values:
            raise InvalidValue(expected, refused.get(value, ""))
        return values[value]

    shown = {value: name for name, value in values.items()}
    return Kind(name=expected, read=read, schema={"enum": [*values]}, show=shown.__getitem__)
