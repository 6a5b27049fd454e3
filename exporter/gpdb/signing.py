"""The signature ACS3-HMAC-SHA256, as the vendor's V3 signature page defines it. Pure.

Source: https://www.alibabacloud.com/help/en/sdk/product-overview/v3-request-structure-and-signature
"""

import hashlib
import hmac
from collections.abc import Mapping
from functools import lru_cache
from urllib.parse import quote

ALGORITHM = "ACS3-HMAC-SHA256"


def canonical_query(parameters: Mapping[str, str]) -> str:
    """Return the query string that is both signed and sent: RFC 3986, sorted by name."""
    return _encoded(tuple(sorted(parameters.items())))


@lru_cache(maxsize=256)  # it names the instance: one for each target
def _encoded(parameters: tuple[tuple[str, str], ...]) -> str:
    return "&".join(
        f"{quote(name, safe='-_.~')}={quote(value, safe='-_.~')}" for name, value in parameters
    )


def content_hash(body: bytes) -> str:
    """Return the value of ``x-acs-content-sha256``: the body's SHA-256 in lower-case hex."""
    return hashlib.sha256(body).hexdigest()


def canonical_request(
    method: str, query: str, headers: Mapping[str, str], signed_headers: str, body_hash: str
) -> str:
    """Return the text whose hash is signed.

    Args:
        method: such as ``POST``.
        query: as ``canonical_query`` makes it.
        headers: by lower-case name; at least all those in signed_headers.
        signed_headers: lower-case names, sorted, joined by semicolons.
        body_hash: as ``content_hash`` makes it.
    """
    lines = "".join(f"{name}:{headers[name].strip()}\n" for name in signed_headers.split(";"))
    return f"{method}\n/\n{query}\n{lines}\n{signed_headers}\n{body_hash}"


def signature(canonical: str, access_key_secret: str) -> str:
    """Return the signature of a canonical request, in lower-case hex."""
    hashed = hashlib.sha256(canonical.encode()).hexdigest()
    string_to_sign = f"{ALGORITHM}\n{hashed}"
    return hmac.digest(access_key_secret.encode(), string_to_sign.encode(), "sha256").hex()


def authorization(
    method: str,
    query: str,
    headers: Mapping[str, str],
    body: bytes,
    *,
    access_key_id: str,
    access_key_secret: str,
) -> str:
    """Return the value of the header Authorization; every one of the headers is signed.

    Args:
        method: such as ``POST``.
        query: as ``canonical_query`` makes it.
        headers: all that are to be signed, by lower-case name.
        body: the bytes as they go on the wire.
        access_key_id: stands in the header in plain.
        access_key_secret: the key of the HMAC.
    """
    signed_headers = ";".join(sorted(headers))
    canonical = canonical_request(method, query, headers, signed_headers, content_hash(body))
    return (
        f"{ALGORITHM} Credential={access_key_id},SignedHeaders={signed_headers},"
        f"Signature={signature(canonical, access_key_secret)}"
    )
