"""What an HTTP answer of the API means, before anyone looks for a job in it. Pure."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from exporter.errors import (
    ApiError,
    ApiFailed,
    AuthRejected,
    BadAnswer,
    BadRequest,
    ClockSkewed,
    NotFound,
    PermissionDenied,
    Redirected,
    ServerFailed,
    Throttled,
)

CLOCK_SKEW_LIMIT = 600.0
"""Seconds between the two clocks past which an error is blamed on them.

The API refuses from 15 minutes on (the vendor's signature page), so ten are already suspicious.
"""

# By the part of Code before its first dot: one code comes with several endings and HTTP statuses.
_BY_FAMILY: Final[Mapping[str, type[ApiError]]] = {
    "invalidaccesskeyid": AuthRejected,
    "signaturedoesnotmatch": AuthRejected,
    "incompletesignature": AuthRejected,
    "invalidsecuritytoken": AuthRejected,
    "missingsecuritytoken": AuthRejected,
    "unauthorized": AuthRejected,
    "illegaltimestamp": ClockSkewed,
    "invalidtimestamp": ClockSkewed,
    "forbidden": PermissionDenied,
    "forbbiden": PermissionDenied,  # sic: the vendor's own spelling
    "forbedden": PermissionDenied,  # sic
    "nopermission": PermissionDenied,
    "missingparameter": BadRequest,
    "invalidparameter": BadRequest,
    "unsupportedparameter": BadRequest,
    "internalerror": ServerFailed,
    "serviceunavailable": ServerFailed,
}
_BY_STATUS: Final[Mapping[int, type[ApiError]]] = {
    401: AuthRejected,
    403: PermissionDenied,
    404: NotFound,
    429: Throttled,
}
_LONGEST_TEXT = 2_000  # characters of the API's own words; the log cuts them further


@dataclass(frozen=True, slots=True)
class Answer:
    """A good answer.

    Attributes:
        document: its JSON object.
        clock_skew: seconds that its Date header was ahead of our clock; None without one.
    """

    document: dict[str, object]
    clock_skew: float | None


def parse(http_status: int, headers: Mapping[str, str], body: bytes) -> dict[str, object]:
    """Return the JSON object of a good answer.

    Args:
        http_status: of the answer.
        headers: of the answer, by any case of the name (a case-insensitive mapping).
        body: its bytes, whole and not compressed.

    Raises:
        Redirected: for a 3xx.
        ApiError: the leaf that fits, for a 4xx or 5xx and for a 200 with the status ``fail``.
        BadAnswer: the body is no JSON object.
    """
    if 300 <= http_status < 400:
        raise Redirected(f"HTTP {http_status}: a redirect is never followed")
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        document = None
    if http_status >= 400:
        fields = document if isinstance(document, dict) else {}
        raise _api_error(http_status, headers, fields)
    if not isinstance(document, dict):
        raise BadAnswer(f"HTTP {http_status}: the body is not a JSON object")
    if _text(document, "Status").lower() == "fail":
        raise ApiFailed(_text(document, "Message"), http_status=http_status)
    return document


def blame_clock(error: ApiError, clock_skew: float | None) -> ApiError:
    """Return the error, or ClockSkewed where the two clocks are the likelier cause.

    Args:
        error: as ``parse`` raised it.
        clock_skew: seconds that the answer's Date header is ahead of our clock.
    """
    if clock_skew is None or abs(clock_skew) <= CLOCK_SKEW_LIMIT:
        return error
    if isinstance(error, Throttled | ServerFailed):
        return error
    return ClockSkewed(str(error), code=error.code, http_status=error.http_status)


def _api_error(
    http_status: int, headers: Mapping[str, str], fields: Mapping[str, object]
) -> ApiError:
    code = _text(fields, "Code")
    wait = headers.get("x-acs-retry-after")
    kind = _error_class(http_status, code, throttled=wait is not None)
    message = f"HTTP {http_status} {code}: {_text(fields, 'Message')}"
    return kind(message, code=code, http_status=http_status, retry_after=_seconds(wait))


def _error_class(http_status: int, code: str, *, throttled: bool) -> type[ApiError]:
    lowered = code.lower()
    family = lowered.split(".", 1)[0]
    if throttled or lowered.startswith("throttling"):
        return Throttled
    if lowered == "service.exception":  # a 400 that wraps anything
        return ApiFailed
    if family not in _AUTH_FAMILIES and lowered.endswith(("notfound", ".notexist")):
        return NotFound
    if family in _BY_FAMILY:
        return _BY_FAMILY[family]
    if http_status in _BY_STATUS:
        return _BY_STATUS[http_status]
    return ServerFailed if http_status >= 500 else BadRequest


# InvalidAccessKeyId.NotFound is about the key and not about the job.
_AUTH_FAMILIES = frozenset(name for name, kind in _BY_FAMILY.items() if kind is AuthRejected)


def _text(fields: Mapping[str, object], name: str) -> str:
    value = fields.get(name, fields.get(name.lower()))  # gateways answer in lower case
    return value[:_LONGEST_TEXT] if isinstance(value, str) else ""


def _seconds(text: str | None) -> float | None:
    """Read ``x-acs-retry-after``; the SDK takes it for milliseconds."""
    if text is None or not text.strip().isdecimal():
        return None
    return min(int(text.strip()[:9]) / 1000, 3600.0)
