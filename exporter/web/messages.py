"""HTTP/1.1 messages as bytes: what a request's head says, and how a response is written. Pure.

Strict where leniency lets two programs read one message differently (request smuggling): RFC 9112,
sections 2.2, 3, 5 and 6.3. ``http.server`` takes folded lines, bare line feeds, blanks before
the colon and HTTP/0.9, so it is not used.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from email.utils import formatdate
from http import HTTPStatus
from urllib.parse import quote

TEXT = "text/plain; charset=utf-8"


@dataclass(frozen=True, slots=True)
class Request:
    """What a handler is told about a request. Its body was read and thrown away.

    Attributes:
        method: such as ``GET``; any token may come.
        path: as ``normal_path`` returns it, without the query.
        query: as it came, without the question mark.
        headers: by lower-case name; values of repeated ones are joined by a comma.
    """

    method: str
    path: str
    query: str = field(repr=False)
    headers: Mapping[str, str] = field(repr=False)  # Authorization is one of them


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


def text(status: int, message: str, *headers: tuple[str, str]) -> Response:
    """Return a response of one plain text."""
    return Response(status, TEXT, f"{message}\n".encode("utf-8", "backslashreplace"), headers)


class Refused(Exception):
    """A request that is answered by a 4xx, after which the connection is closed."""

    def __init__(self, status: int, why: str) -> None:
        super().__init__(why)
        self.response = text(status, why)


@dataclass(frozen=True, slots=True)
class Head:
    """All that stands before a request's body.

    Attributes:
        request: for the handler.
        keep_alive: whether the client wants to send another request.
        body_bytes: that follow.
        expects_continue: whether the client waits for a 100 before it sends them.
    """

    request: Request
    keep_alive: bool
    body_bytes: int
    expects_continue: bool


_TOKEN = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"  # noqa: S105  a token as RFC 9110, section 5.6.2 has it
_REQUEST_LINE = re.compile(rf"({_TOKEN}) ([!-~]+) HTTP/1\.([0-9])")
_BAD_LINE_END = re.compile(rb"(?<!\r)\n|\r(?=[^\n])")
_AUTHORITY = re.compile(r"https?://[^/?#]+", re.IGNORECASE)
_SPELLINGS = re.compile(r"""%[0-9A-Fa-f]{2}|[^!-~]|["<>\\^`{|}\[\]#]""")
_UNRESERVED = re.compile(r"[0-9A-Za-z\-._~]")  # RFC 3986, section 2.3
_NAME = re.compile(_TOKEN)
_VALUE = re.compile(r"[!-~\x80-\xff \t]*")
_HOST = re.compile(r"[0-9A-Za-z\-._~!$&'()*+,;=%:\[\]]*")
_LENGTH = re.compile(r"[0-9]{1,9}")
_ONCE = frozenset({"host", "content-length", "transfer-encoding"})


def find_head(received: bytes | bytearray, seen: int, *, line_limit: int, limit: int) -> int:
    """Return where the first request's head ends, -1 while its empty line has not come.

    What is wrong for certain is refused before the head is whole.

    Args:
        received: so far, without empty lines in front.
        seen: how many bytes of it an earlier call saw, so that a head that drips in is cheap.
        line_limit: bytes of the request line.
        limit: bytes of all headers.

    Raises:
        Refused: a bare CR or LF, no HTTP/1.x, or too long.
    """
    start = max(0, seen - 3)
    end = received.find(b"\r\n\r\n", start)
    stop = end if end >= 0 else len(received)
    line_end = received.find(b"\r\n", 0, line_limit + 2)
    if line_end < 0 and stop > line_limit:
        raise Refused(414, f"The request line is over {line_limit} bytes.")
    if _BAD_LINE_END.search(received, start, stop):
        raise Refused(400, "Lines end with CR LF.")
    if line_end >= start:
        _parse_request_line(received[:line_end].decode("latin-1"))
    if line_end >= 0 and stop - line_end > limit:
        raise Refused(431, f"The headers are over {limit} bytes.")
    return end


def parse_head(raw: bytes) -> Head:
    """Return what a request's head says.

    Args:
        raw: from the request line to the last header, without the empty line.

    Raises:
        Refused: it is malformed, ambiguous, or asks for what is not offered.
    """
    line, *fields = raw.decode("latin-1").split("\r\n")
    method, target, minor = _parse_request_line(line)
    path, query = _split_target(target)
    headers = _parse_fields(fields)
    _check_host(headers, minor)
    return Head(
        Request(method, path, query, headers),
        _wants_another(headers, minor),
        _body_bytes(headers),
        _expects_continue(headers, minor),
    )


def _parse_request_line(line: str) -> tuple[str, str, str]:
    """Return method, target and minor version."""
    matched = _REQUEST_LINE.fullmatch(line)
    if matched is None:
        raise Refused(400, "The request line is not METHOD TARGET HTTP/1.x.")
    return matched[1], matched[2], matched[3]


def _split_target(target: str) -> tuple[str, str]:
    if not target.startswith(("/", "*")):
        authority = _AUTHORITY.match(target)
        if authority is None:
            raise Refused(400, "The request target is neither a path nor an http URL.")
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


def _parse_fields(fields: list[str]) -> dict[str, str]:
    headers: dict[str, str] = {}
    for line in fields:
        name, colon, value = line.partition(":")
        if not (colon and _NAME.fullmatch(name) and _VALUE.fullmatch(value)):
            raise Refused(400, "A header line is not NAME: VALUE.")
        _add(headers, name.lower(), value.strip(" \t"))
    return headers


def _add(headers: dict[str, str], name: str, value: str) -> None:
    if name not in headers:
        headers[name] = value
    elif name in _ONCE:
        raise Refused(400, f"The header {name} came twice.")
    else:
        headers[name] = f"{headers[name]}, {value}"


def _check_host(headers: Mapping[str, str], minor: str) -> None:
    if "host" not in headers and minor != "0":
        raise Refused(400, "The header Host is missing.")
    if _HOST.fullmatch(headers.get("host", "")) is None:
        raise Refused(400, "The header Host names no host.")


def _body_bytes(headers: Mapping[str, str]) -> int:
    length = headers.get("content-length")
    if "transfer-encoding" in headers:
        if length is not None:
            raise Refused(400, "Content-Length and Transfer-Encoding came together.")
        raise Refused(411, "A body needs a Content-Length here.")
    if length is None:
        return 0
    if not (length.isascii() and length.isdigit()):
        raise Refused(400, "Content-Length is not a number.")
    if _LENGTH.fullmatch(length) is None:
        raise Refused(413, "The body is too large.")
    return int(length)


def _expects_continue(headers: Mapping[str, str], minor: str) -> bool:
    expected = headers.get("expect")
    if expected is None or minor == "0":
        return False
    if expected.lower() != "100-continue":
        raise Refused(417, "Only 100-continue can be expected here.")
    return True


def _wants_another(headers: Mapping[str, str], minor: str) -> bool:
    options = {option.strip().lower() for option in headers.get("connection", "").split(",")}
    return "close" not in options and (minor != "0" or "keep-alive" in options)


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
