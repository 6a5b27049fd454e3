"""HTTP/1.1 messages as bytes: what a request's head says, and how a response is written. Pure.

h11 reads heads. What it lets through is refused here, where leniency lets two programs read one
message differently (request smuggling): RFC 9112, sections 2.2, 5 and 6.3. A body has a
Content-Length or there is none, so nothing else of h11 is needed.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from email.utils import formatdate
from http import HTTPStatus
from urllib.parse import quote

import h11

TEXT = "text/plain; charset=utf-8"


@dataclass(frozen=True, slots=True)
class Request:
    """A request as a handler gets it.

    Attributes:
        method: such as ``GET``; any token may come.
        path: as ``normal_path`` returns it, without the query.
        query: as it came, without the question mark.
        headers: by lower-case name; values of repeated ones are joined by a comma.
        body: the whole body; empty for none. Never more than the handler's ``body_limit``.
    """

    method: str
    path: str
    query: str = field(repr=False)
    headers: Mapping[str, str] = field(repr=False)  # Authorization is one of them
    body: bytes = field(default=b"", repr=False)


@dataclass(frozen=True, slots=True)
class Response:
    """What a handler answers. The server adds Content-Length, Date and Connection.

    Attributes:
        status: such as 200.
        content_type: with its charset.
        body: left out by the server in the answer to a HEAD.
        headers: further ones, as (name, value).
    """

    status: int
    content_type: str
    body: bytes
    headers: tuple[tuple[str, str], ...] = ()


Handler = Callable[[Request], Response]
BodyLimit = Callable[[Request], int]
"""How many bytes of body a handler takes with a request, whose body is still empty."""


def text(status: int, message: str, *headers: tuple[str, str]) -> Response:
    """Return a response of one plain text."""
    return Response(status, TEXT, f"{message}\n".encode("utf-8", "backslashreplace"), headers)


class RefusedRequest(Exception):
    """A request that is answered by a 4xx, after which the connection is closed."""

    def __init__(self, status: int, why: str) -> None:
        super().__init__(why)
        self.response = text(status, why)


@dataclass(frozen=True, slots=True)
class Head:
    """All that stands before a request's body.

    Attributes:
        request: for the handler; its body is still empty.
        keep_alive: whether the client wants to send another request.
        body_bytes: that follow.
        expects_continue: whether the client waits for a 100 before it sends them.
    """

    request: Request
    keep_alive: bool
    body_bytes: int
    expects_continue: bool


# A bare LF or CR, a folded line, or a control character. h11 takes all but the bare CR and NUL.
_BAD_LINE = re.compile(rb"(?<!\r)\n|\r(?=[^\n])|\r\n[ \t]|[\0-\x08\x0b\x0c\x0e-\x1f\x7f]")
_REQUEST_LINE = re.compile(rb"[!-~]+ [!-~]+ HTTP/1\.[0-9]")  # h11 takes every version
_LENGTHS = re.compile(rb"(?i)\ncontent-length:([^\r]*)")  # h11 takes a length that is said twice
_AUTHORITY = re.compile(r"https?://[^/?#]+", re.IGNORECASE)
_SPELLINGS = re.compile(r"""%[0-9A-Fa-f]{2}|[^!-~]|["<>\\^`{|}\[\]#]""")
_UNRESERVED = re.compile(r"[0-9A-Za-z\-._~]")  # RFC 3986, section 2.3
_HOST = re.compile(r"[0-9A-Za-z\-._~!$&'()*+,;=%:\[\]]*")


def find_head(received: bytes | bytearray, seen: int, *, line_limit: int, limit: int) -> int:
    """Return where the first request's head ends, -1 while its empty line has not come.

    What is wrong for certain is refused before the head is whole.

    Args:
        received: so far, without empty lines in front.
        seen: how many bytes of it an earlier call saw, so that a head that drips in is cheap.
        line_limit: bytes of the request line.
        limit: bytes of all headers.

    Raises:
        RefusedRequest: a line is malformed, or too long.
    """
    start = max(0, seen - 3)
    end = received.find(b"\r\n\r\n", start)
    stop = end if end >= 0 else len(received)
    line_end = received.find(b"\r\n", 0, line_limit + 2)
    if line_end < 0 and stop > line_limit:
        raise RefusedRequest(414, f"The request line is over {line_limit} bytes.")
    if _BAD_LINE.search(received, start, stop):
        raise RefusedRequest(400, "Lines end with CR LF, and hold no control characters.")
    if line_end >= start and _REQUEST_LINE.fullmatch(received, 0, line_end) is None:
        raise RefusedRequest(400, "The request line is not METHOD TARGET HTTP/1.x.")
    if line_end >= 0 and stop - line_end > limit:
        raise RefusedRequest(431, f"The headers are over {limit} bytes.")
    return end


def parse_head(raw: bytes) -> Head:
    """Return what a request's head says.

    Args:
        raw: from the request line to the empty line; ``find_head`` has found no fault in it.

    Raises:
        RefusedRequest: it is malformed, ambiguous, or asks for what is not offered.
    """
    if b"," in b",".join(_LENGTHS.findall(raw)):
        raise RefusedRequest(400, "The header Content-Length came twice.")
    http = h11.Connection(h11.SERVER)
    http.receive_data(raw)
    try:
        event = http.next_event()
    except h11.RemoteProtocolError as error:
        if error.error_status_hint == HTTPStatus.NOT_IMPLEMENTED:  # another coding than chunked
            raise _no_length() from None
        raise _malformed() from None
    if not isinstance(event, h11.Request):
        raise _malformed()
    path, query = _split_target(event.target.decode("ascii"))
    headers: dict[str, str] = {}
    for raw_name, raw_value in event.headers:
        name, value = raw_name.decode("ascii"), raw_value.decode("latin-1")
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    if _HOST.fullmatch(headers.get("host", "")) is None:
        raise RefusedRequest(400, "The header Host names no host.")
    if "transfer-encoding" in headers:
        if "content-length" in headers:
            raise RefusedRequest(400, "Content-Length and Transfer-Encoding came together.")
        raise _no_length()
    is_old = event.http_version == b"1.0"  # it knows no 100, and closes unless it says otherwise
    expects_continue = http.they_are_waiting_for_100_continue
    if "expect" in headers and not (expects_continue or is_old):
        raise RefusedRequest(417, "Only 100-continue can be expected here.")
    options = {option.strip().lower() for option in headers.get("connection", "").split(",")}
    return Head(
        Request(event.method.decode("ascii"), path, query, headers),
        "close" not in options and (not is_old or "keep-alive" in options),
        int(headers.get("content-length", "0")),
        expects_continue,
    )


def _malformed() -> RefusedRequest:
    expected = "lines of NAME: VALUE, with one Host"
    return RefusedRequest(400, f"The headers are malformed: expected {expected}.")


def _no_length() -> RefusedRequest:
    return RefusedRequest(411, "A body needs a Content-Length here.")


def _split_target(target: str) -> tuple[str, str]:
    if not target.startswith(("/", "*")):
        authority = _AUTHORITY.match(target)
        if authority is None:
            raise RefusedRequest(400, "The request target is neither a path nor an http URL.")
        target = target[authority.end() :]
    path, _, query = target.partition("?")
    return normal_path(path) or "/", query


def normal_path(path: str) -> str:
    """Return a path in one of the spellings that are equivalent by RFC 3986, section 6.2.2.

    Escapes of letters, digits and ``-._~`` are decoded, the others keep their meaning: ``%2F`` is
    no slash. What no URL may hold is escaped. Nothing is taken away: ``//`` and ``/./`` stay.
    """
    return _SPELLINGS.sub(_spelt, path)


def _spelt(found: re.Match[str]) -> str:
    part = found[0]
    if len(part) == 1:
        return quote(part, safe="")
    decoded = chr(int(part[1:], 16))
    return decoded if _UNRESERVED.fullmatch(decoded) else part.upper()


def response_head(response: Response, *, keep_alive: bool, now: float) -> bytes:
    """Return the status line and the headers of a response, with the empty line.

    Args:
        response: its body is counted, not written.
        keep_alive: whether another request may follow.
        now: Unix seconds.
    """
    headers = (
        ("Date", formatdate(now, usegmt=True)),
        ("Content-Type", response.content_type),
        ("Content-Length", str(len(response.body))),
        ("X-Content-Type-Options", "nosniff"),
        ("Connection", "keep-alive" if keep_alive else "close"),
        *response.headers,
    )
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers)
    phrase = HTTPStatus(response.status).phrase
    return f"HTTP/1.1 {response.status} {phrase}\r\n{lines}\r\n".encode("latin-1")
