"""Looks for planted secrets in outputs, in every form that they could have taken."""

import base64
import json
import urllib.parse
from collections.abc import Iterable


def forms(secret: str) -> set[str]:
    """Return a secret plain and as URLs, JSON, Python, base64 and hex would hold it."""
    data = secret.encode()
    in_base64 = {  # wherever in a longer text it begins
        base64.b64encode(b"x" * shift + data)[4 * (shift > 0) : -4].decode() for shift in range(3)
    }
    return {
        secret,
        urllib.parse.quote(secret, safe=""),
        urllib.parse.quote_plus(secret),
        json.dumps(secret)[1:-1],
        json.dumps(secret, ensure_ascii=False)[1:-1],
        repr(secret)[1:-1],
        data.hex(),
        data.hex().upper(),
        *in_base64,
    }


def assert_absent(secrets: Iterable[str], text: str, where: str) -> None:
    """Fail if any of the secrets is in the text, in any form."""
    for secret in secrets:
        found = [form for form in forms(secret) if form in text]
        assert not found, f"a secret in {where}, as {found[0]!r}"
