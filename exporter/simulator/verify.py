"""Whether a request is signed as the vendor's V3 signature page asks for. Pure.

Everything is recomputed from what came over the wire, with ``exporter.gpdb.signing``.
Codes and HTTP statuses are those of the vendor's gateway; the texts are ours.
"""

import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from urllib.parse import parse_qsl

from exporter.gpdb import signing
from exporter.secret import Secret
from exporter.simulator.operations import BY_ACTION
from exporter.simulator.scenario import AccessKey

VERSION = "2016-05-03"
CLOCK_TOLERANCE = 900.0
"""Seconds between the two clocks that the API accepts: 15 minutes (the vendor's signature page)."""

_AUTHORIZATION = re.compile(
    rf"{signing.ALGORITHM} Credential=([^,\s]+),\s*SignedHeaders=([a-z0-9;-]+),\s*"
    r"Signature=([0-9a-f]{64})"
)
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z")
_REQUIRED = (
    "x-acs-date",
    "x-acs-signature-nonce",
    "x-acs-content-sha256",
    "authorization",
)


class Rejected(Exception):
    """A call that the API says no to. Never leaves the simulator.

    Attributes:
        http_status: of the answer.
        code: of the answer; for an HTTP 200 what the counts call it.
        message: of the answer; never holds a secret.
    """

    def __init__(self, http_status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.http_status = http_status
        self.code = code
        self.message = message


@dataclass(frozen=True, slots=True)
class Request:
    """A request as it came over the wire.

    Attributes:
        method: such as ``POST``.
        path: without the query.
        query: the raw query string.
        headers: by lower-case name.
        body: the bytes.
        query_parameters: the query, decoded.
        form_parameters: the body, decoded.
    """

    method: str
    path: str
    query: str = field(repr=False)
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)
    query_parameters: Mapping[str, str] = field(init=False, repr=False)
    form_parameters: Mapping[str, str] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        form = self.body.decode("utf-8", "replace")
        object.__setattr__(self, "query_parameters", _decoded(self.query))
        object.__setattr__(self, "form_parameters", _decoded(form))


def _decoded(encoded: str) -> dict[str, str]:
    return dict(parse_qsl(encoded, keep_blank_values=True, errors="replace"))


@dataclass(frozen=True, slots=True)
class Signed:
    """Who signed a request.

    Attributes:
        access_key_id: of the signer.
        nonce: of the request; whether it is new, the caller has to know.
    """

    access_key_id: str
    nonce: str


def verify(request: Request, keys: Mapping[str, AccessKey], now: float) -> Signed:
    """Return who signed the request.

    Args:
        request: as it came.
        keys: the access keys that the API knows, by id.
        now: Unix seconds by the API's clock.

    Raises:
        Rejected: the request is not one that the API would let in.
    """
    _check_operation(request)
    headers = request.headers
    for name in _REQUIRED:
        if not headers.get(name):
            raise Rejected(400, "MissingParameter", f"{name} is mandatory for this action.")
    match = _AUTHORIZATION.fullmatch(headers["authorization"])
    if match is None:
        raise Rejected(
            400, "IncompleteSignature", "The header Authorization is not of the expected form."
        )
    key_id, signed_headers, given = match.groups()
    _check_signed_headers(headers, signed_headers)
    _check_date(headers["x-acs-date"], now)
    key = keys.get(key_id)
    if key is None:
        raise Rejected(404, "InvalidAccessKeyId.NotFound", "Specified access key is not found.")
    _check_token(headers, key)
    _check_signature(request, signed_headers, given, key.secret)
    return Signed(key_id, headers["x-acs-signature-nonce"])


def _check_operation(request: Request) -> None:
    action = request.headers.get("x-acs-action")
    version = request.headers.get("x-acs-version")
    if not action or not version:
        missing = "x-acs-version" if action else "x-acs-action"
        raise Rejected(400, "MissingParameter", f"{missing} is mandatory for this action.")
    if version != VERSION:
        raise Rejected(400, "InvalidVersion", "Specified parameter Version is not valid.")
    if action not in BY_ACTION or request.path != "/":
        raise Rejected(404, "InvalidAction.NotFound", "Specified API is not found.")
    if request.method != "POST":
        raise Rejected(405, "UnsupportedHTTPMethod", "This method is not supported: use POST.")


def _check_signed_headers(headers: Mapping[str, str], signed_headers: str) -> None:
    """Hold that host, content-type and all x-acs-* headers are signed, as the vendor asks.

    Of a call without a form the content-type need not be: the SDK signs none there, and its
    asynchronous client sends the one of its HTTP library.
    """
    has_form = bool(BY_ACTION[headers["x-acs-action"]].form)
    names = signed_headers.split(";")
    if names != sorted(set(names)):
        raise Rejected(400, "IncompleteSignature", "SignedHeaders is not sorted.")
    for name in names:
        if name not in headers:
            raise Rejected(400, "IncompleteSignature", f"The signed header {name} is missing.")
    for name in headers:
        must = name == "host" or name.startswith("x-acs-") or (name == "content-type" and has_form)
        if must and name not in names:
            raise Rejected(400, "IncompleteSignature", f"The header {name} is not signed.")


def _check_date(date: str, now: float) -> None:
    try:
        sent = _unix_seconds(date)
    except ValueError:
        raise Rejected(
            400, "InvalidTimeStamp.Format", "x-acs-date is not of the form yyyy-MM-ddTHH:mm:ssZ."
        ) from None
    if now - sent > CLOCK_TOLERANCE:
        raise Rejected(400, "InvalidTimeStamp.Expired", "Specified time stamp is expired.")
    if sent - now > CLOCK_TOLERANCE:
        raise Rejected(400, "IllegalTimestamp", "Specified time stamp lies in the future.")


def _unix_seconds(date: str) -> float:
    if not _DATE.fullmatch(date):
        raise ValueError(date)
    return datetime.fromisoformat(date).timestamp()


def _check_token(headers: Mapping[str, str], key: AccessKey) -> None:
    """Hold that a temporary key comes with its own token, and a lasting one with none."""
    token = headers.get("x-acs-security-token", "")
    wanted = key.security_token.reveal() if key.security_token else ""
    if wanted and not token:
        raise Rejected(400, "MissingSecurityToken", "x-acs-security-token is mandatory.")
    same_key = headers.get("x-acs-accesskey-id", key.id) == key.id
    if not hmac.compare_digest(token.encode(), wanted.encode()) or not same_key:
        raise Rejected(
            400,
            "InvalidSecurityToken.MismatchWithAccessKey",
            "Specified SecurityToken does not belong to this access key.",
        )


def _check_signature(request: Request, signed_headers: str, given: str, secret: Secret) -> None:
    hashed = signing.content_hash(request.body)
    if request.headers["x-acs-content-sha256"] != hashed:
        raise Rejected(
            400, "SignatureDoesNotMatch", "x-acs-content-sha256 is not the hash of the body."
        )
    canonical = signing.canonical_request(
        request.method,
        # Decoded and encoded anew, as the gateway does it: the SDK sends "+" for the space that
        # it signs as "%20".
        signing.canonical_query(request.query_parameters),
        request.headers,
        signed_headers,
        hashed,
    )
    if not hmac.compare_digest(signing.signature(canonical, secret.reveal()), given):
        raise Rejected(
            400,
            "SignatureDoesNotMatch",
            "Specified signature does not match our calculation: check the access key secret.",
        )
