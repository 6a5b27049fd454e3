"""What an HTTP answer means, before anyone looks for a job in it. Pure.

Only a body that is the API's own speaks for the API: a JSON object with a ``Code``, or its XML
twin ``<Error><Code>``. Proxies, gateways and login pages answer with 401, 403, 404 and 5xx as
well; what they say is about the way, and never about a key or a job.

Codes come from the vendor's error centre and from sibling products, in several spellings, so they
are matched by their parts, in any letter case.
"""

import codecs
import email.utils
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC
from functools import lru_cache
from typing import Final
from xml.parsers import expat

from exporter.errors import (
    AccountLacking,
    ApiError,
    ApiFailed,
    AuthRejected,
    BadAnswer,
    BadRequest,
    ClockSkewed,
    InstanceNotReady,
    NamespacePasswordRejected,
    NotFound,
    PermissionDenied,
    ProxyRefused,
    QueryError,
    Redirected,
    ServerFailed,
    Throttled,
)

CLOCK_SKEW_LIMIT = 600.0
"""Seconds between the two clocks past which a refused key is blamed on them.

The API refuses from 15 minutes on (the vendor's signature page), so ten are already suspicious.
"""

_LONGEST_TEXT = 2_000  # characters of the API's own words; the log cuts them further
_LONGEST_ID = 100  # characters of a RequestId, which is a UUID
_LONGEST_XML = 65_536  # bytes; the API's own error has some hundred
_LONGEST_WAIT = 3600.0  # seconds that an answer may ask for

# What a code is about, by a pattern that is searched in it in lower case. The first that fits
# decides, so the more specific ones come first: InvalidAccessKeyId.NotFound is about the key,
# Forbidden.InstanceNotFound about the instance.
_RULES: Final[tuple[tuple[re.Pattern[str], type[QueryError]], ...]] = tuple(
    (re.compile(pattern), kind)
    for pattern, kind in (
        # The namespace's is the only password that a call carries.
        (r"password", NamespacePasswordRejected),
        (r"throttl|^qpslimitexceeded", Throttled),
        (r"accesskey|securitytoken", AuthRejected),
        (r"^signaturedoesnotmatch|^incompletesignature|^unauthorized(\.|$)", AuthRejected),
        (r"^(illegal|invalid)timestamp", ClockSkewed),
        (r"^usernotopenservice|arrearage|overdue|riskcontrol", AccountLacking),
        (r"^operationdenied|instancestat(e|us)|statusnotactive", InstanceNotReady),
        (r"instance\.?(is)?(locked|not(active|available|ready|running))", InstanceNotReady),
        (r"^invalid(api|action|product|version)(\.|notfound|$)", BadRequest),
        (r"not[._-]?(found|exist)|no[._-]?exist|nosuch", NotFound),
        # The second and the third are the vendor's own spellings.
        (r"^(forbidden|forbbiden|forbedden|nopermission|accessdenied)", PermissionDenied),
        (r"^(missing|invalid|unsupported)parameter", BadRequest),
        (r"^service\.?exception", ApiFailed),  # wraps anything
        (r"^internal(server)?(error|failure)|^unknownerror", ServerFailed),
        (r"^(service|server)unavailable|^(system|service|server)\.?busy", ServerFailed),
        # Something on the way sends our requests again.
        (r"^lasttokenprocessing|^signaturenonceused", ServerFailed),
    )
)

# What a NotFound is about: the first of these that its code has in it.
_SUBJECTS: Final = ("job", "collection", "namespace", "instance", "workspace", "region")

# What a code may say within a good HTTP status: it concerns more than the one job. Anything else
# there is ApiFailed, which costs least: the vendor documents no such answer.
_SAID_IN_A_200: Final = (
    Throttled,
    AuthRejected,
    ClockSkewed,
    PermissionDenied,
    NamespacePasswordRejected,
    InstanceNotReady,
    AccountLacking,
)
_YES: Final = frozenset({"", "0", "200", "ok", "true", "success", "successful", "succeeded"})
_NO: Final = frozenset({"fail", "failed", "false"})


@dataclass(frozen=True, slots=True)
class Answer:
    """A good answer.

    Attributes:
        document: its JSON object.
        clock_skew: seconds that its Date header was ahead of our clock; None without one.
        request_id: what the vendor's support asks for; empty where the answer has none.
    """

    document: Mapping[str, object] = field(repr=False)  # it may repeat the query
    clock_skew: float | None = None
    request_id: str = ""


def parse(http_status: int, headers: Mapping[str, str], body: bytes, *, now: float) -> Answer:
    """Return a good answer.

    Args:
        http_status: of the answer.
        headers: of the answer, by any case of the name (a case-insensitive mapping).
        body: its bytes, whole and not compressed.
        now: this machine's Unix seconds, when the answer came.

    Raises:
        QueryError: the leaf that says what else the answer is, with clock_skew and request_id.
    """
    if 300 <= http_status < 400:
        raise Redirected(f"HTTP {http_status}: a redirect is never followed")
    document = _document(body)
    clock_skew = clock_skew_of(headers, now)
    error: QueryError | None
    if http_status >= 400:
        there = now + (clock_skew or 0.0)
        error = _error(http_status, document, _retry_after(headers, there))
    else:
        error = _refusal(http_status, document)
    if error is not None:
        error = blame_clock(error, clock_skew)
        error.request_id = request_id_of(headers, document)
        raise error
    return Answer(document or {}, clock_skew, request_id_of(headers, document))


def clock_skew_of(headers: Mapping[str, str], now: float) -> float | None:
    """Return the seconds that an answer's Date is ahead of our clock; None without one.

    Args:
        headers: of the answer.
        now: this machine's Unix seconds, when the answer came.
    """
    there = _unix_time(headers.get("date", ""))
    return None if there is None else there - now


def request_id_of(headers: Mapping[str, str], document: Mapping[str, object] | None = None) -> str:
    """Return an answer's RequestId, of its body or else of its headers; empty without one."""
    found = _text(document or {}, "RequestId") or headers.get("x-acs-request-id", "")
    return found.strip()[:_LONGEST_ID]


def blame_clock(error: QueryError, clock_skew: float | None) -> QueryError:
    """Return the error, or ClockSkewed where a key was refused and the clocks are far apart.

    Args:
        error: what the API said.
        clock_skew: seconds that the answer's Date header is ahead of our clock.
    """
    if clock_skew is None or abs(clock_skew) <= CLOCK_SKEW_LIMIT:
        return error
    if not isinstance(error, AuthRejected):
        return error
    return ClockSkewed(
        str(error), code=error.code, http_status=error.http_status, retry_after=error.retry_after
    )


def _document(body: bytes) -> dict[str, object] | None:
    """Return the body's JSON object, or the fields of an error in XML; None for all else."""
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        return _xml_error(body)
    return document if isinstance(document, dict) else None


def _error(
    http_status: int, document: Mapping[str, object] | None, retry_after: float | None
) -> QueryError:
    """Return what an answer with an HTTP status from 400 on says."""
    code = _code(document or {})
    if document and code:
        kind = _kind_of_code(code) or _kind_of_status(http_status) or BadRequest
        return _made(kind, _words(http_status, document, code), http_status, code, retry_after)
    kind = _kind_of_status(http_status) or BadAnswer
    if http_status not in _MAY_ASK_TO_WAIT:
        retry_after = None
    text = f"HTTP {http_status}: not an answer of the API, but of something on the way to it"
    return _made(kind, text, http_status, "", retry_after)


_MAY_ASK_TO_WAIT: Final = (429, 503)  # whoever answers


def _refusal(http_status: int, document: Mapping[str, object] | None) -> QueryError | None:
    """Return how an answer says no within a good HTTP status; None where it does not."""
    if document is None:
        return BadAnswer(f"HTTP {http_status}: the body is not a JSON object")
    status, success = _text(document, "Status").lower(), _text(document, "Success").lower()
    says_no = status in _NO or success in _NO
    if not says_no and isinstance(document.get("Job"), dict):
        return None
    code, message = _text(document, "Code"), _text(document, "Message").lower().rstrip(".!")
    if not says_no and all(said in _YES for said in (status, success, code.lower(), message)):
        return None  # it says nothing
    kind = _kind_of_code(code)
    if kind not in _SAID_IN_A_200:
        kind = ApiFailed
    return _made(kind, _words(http_status, document, code), http_status, code, None)


def _kind_of_code(code: str) -> type[QueryError] | None:
    lowered = code.lower()
    return next((kind for pattern, kind in _RULES if pattern.search(lowered)), None)


def _kind_of_status(http_status: int) -> type[QueryError] | None:
    if http_status == 429:
        return Throttled
    if http_status == 407:
        return ProxyRefused
    return ServerFailed if http_status >= 500 else None


def _made(
    kind: type[QueryError], text: str, http_status: int, code: str, retry_after: float | None
) -> QueryError:
    if not issubclass(kind, ApiError):
        return kind(text)
    error = kind(text, code=code, http_status=http_status, retry_after=retry_after)
    if isinstance(error, NotFound):
        error.what = next((name for name in _SUBJECTS if name in code.lower()), "")
    return error


def _words(http_status: int, document: Mapping[str, object], code: str) -> str:
    """Return the API's own words, one after the other."""
    head = f"HTTP {http_status} {code}".rstrip()
    message = _text(document, "Message")
    if not message and not code:
        named = ((name, _text(document, name)) for name in ("Status", "Success"))
        message = ", ".join(f"{name} is {value}" for name, value in named if value)
    return f"{head}: {message}" if message else head


def _code(document: Mapping[str, object]) -> str:
    """Return the API's Code; empty where there is none. A number is a gateway's."""
    value = _field(document, "Code")
    code = value.strip()[:_LONGEST_TEXT] if isinstance(value, str) else ""
    return "" if code.isdecimal() else code


def _field(document: Mapping[str, object], name: str) -> object:
    """Return a field by any case of its name: gateways answer in lower case."""
    if name in document:
        return document[name]
    lowered = name.lower()
    return next((value for key, value in document.items() if key.lower() == lowered), None)


def _text(document: Mapping[str, object], name: str) -> str:
    """Return a field as text, by any case of its name; empty where it is none."""
    value = _field(document, name)
    if isinstance(value, bool):
        return str(value).lower()
    return str(value)[:_LONGEST_TEXT].strip() if isinstance(value, str | int) else ""


def _xml_error(body: bytes) -> dict[str, object] | None:
    """Return the fields of ``<Error>``, the API's error in XML; None for any other body.

    A body over 64 KiB, one with a DOCTYPE, and so any with entities of its own, is none.
    """
    body = body.removeprefix(codecs.BOM_UTF8)
    if len(body) > _LONGEST_XML or not body.lstrip().startswith(b"<"):
        return None
    fields: dict[str, object] = {}
    path: list[str] = []
    texts: list[str] = []

    def start(name: str, _attributes: object) -> None:
        path.append(name)
        texts.clear()
        if path[0].lower() != "error":
            raise ValueError

    def end(name: str) -> None:
        if len(path) == 2:
            fields.setdefault(name, "".join(texts))
        path.pop()

    def refuse(*_declared: object) -> None:
        raise ValueError

    parser = expat.ParserCreate("utf-8")  # whatever the body declares
    parser.StartElementHandler, parser.EndElementHandler = start, end
    parser.CharacterDataHandler = texts.append
    parser.StartDoctypeDeclHandler = refuse
    try:
        parser.Parse(body, True)  # noqa: FBT003  a positional argument there
    except (expat.ExpatError, ValueError):
        return None
    return fields


def _retry_after(headers: Mapping[str, str], there: float) -> float | None:
    """Return the seconds that an answer asks to wait, at most an hour; None for none.

    Args:
        headers: of the answer. ``x-acs-retry-after`` has milliseconds, as the SDK takes it;
            ``Retry-After`` seconds or a date (RFC 9110).
        there: Unix seconds by the clock of who answers.
    """
    waits = []
    own, standard = (headers.get(name, "").strip() for name in ("x-acs-retry-after", "retry-after"))
    if own.isdecimal():
        waits.append(int(own[:9]) / 1000)
    if standard.isdecimal():
        waits.append(float(int(standard[:9])))
    elif (date := _unix_time(standard)) is not None:
        waits.append(max(date - there, 0.0))
    return min(max(waits), _LONGEST_WAIT) if waits else None


@lru_cache(maxsize=16)  # the answers of a second have one Date
def _unix_time(date: str) -> float | None:
    try:
        there = email.utils.parsedate_to_datetime(date)
    except (ValueError, OverflowError):  # OverflowError: a number of a hundred digits
        return None
    if there.tzinfo is None:  # "-0000", or no zone at all; never this process's own
        there = there.replace(tzinfo=UTC)
    return there.timestamp()
