"""The signature ACS3-HMAC-SHA256 as a server computes it, to measure ours by.

``test_request`` holds it against requests of the official SDK.
"""

import hashlib
import hmac
from collections.abc import Mapping


def reference_signature(
    target: str, headers: Mapping[str, str], signed_headers: str, body: bytes, secret: str
) -> str:
    """The signature, computed step by step from what is on the wire."""
    path, _, query = target.partition("?")
    lines = ["POST", path, query]
    lines += [f"{name}:{headers[name].strip()}" for name in signed_headers.split(";")]
    lines += ["", signed_headers, hashlib.sha256(body).hexdigest()]
    digest = hashlib.sha256("\n".join(lines).encode()).hexdigest()
    text = f"ACS3-HMAC-SHA256\n{digest}"
    return hmac.new(secret.encode(), text.encode(), hashlib.sha256).hexdigest()


def parts_of(authorization: str) -> dict[str, str]:
    """The three named values of a header Authorization."""
    scheme, _, rest = authorization.partition(" ")
    assert scheme == "ACS3-HMAC-SHA256"
    return dict(part.split("=", 1) for part in rest.split(","))
