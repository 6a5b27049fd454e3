"""HTTP/1.1, as little of it as clients of the API speak. Pure."""

from http import HTTPStatus

from exporter.simulator.service import Reply

LONGEST_HEAD = 32_768  # bytes: request line and headers
LONGEST_BODY = 65_536  # bytes


class BadRequest(Exception):
    """Bytes that are no request. Never leaves the simulator."""


def parse_head(head: bytes) -> tuple[str, str, str, dict[str, str]]:
    """Return method, path, query and headers (by lower-case name) of a request's head.

    Args:
        head: the request line and the headers, without the empty line.

    Raises:
        BadRequest: it is none.
    """
    lines = head.decode("latin-1").split("\r\n")
    method, target, version = _three(lines[0])
    if not version.startswith("HTTP/1.") or not target.startswith("/"):
        raise BadRequest("expected an HTTP/1 request")
    headers: dict[str, str] = {}
    for line in lines[1:]:
        name, colon, value = line.partition(":")
        if not colon:
            raise BadRequest("expected a header")
        name, value = name.lower(), value.strip()
        headers[name] = f"{headers[name]},{value}" if name in headers else value
    if version == "HTTP/1.0":
        headers.setdefault("connection", "close")
    path, _, query = target.partition("?")
    return method, path, query, headers


def _three(line: str) -> tuple[str, str, str]:
    parts = line.split(" ")
    if len(parts) != 3:
        raise BadRequest("expected a request line")
    return parts[0], parts[1], parts[2]


def body_length(headers: dict[str, str]) -> int:
    """Return how many bytes of body follow.

    Raises:
        BadRequest: the headers do not tell, or it is too long.
    """
    if "transfer-encoding" in headers:
        raise BadRequest("expected Content-Length, not a transfer encoding")
    length = headers.get("content-length", "0")
    if not (length.isascii() and length.isdigit() and len(length) < 10):
        raise BadRequest("expected Content-Length to be a number")
    if int(length) > LONGEST_BODY:
        raise BadRequest("the body is too long")
    return int(length)


def render(reply: Reply, *, close: bool) -> bytes:
    """Return the reply as it goes on the wire, in one piece: two writes would wait for each other.

    Args:
        reply: what to send.
        close: whether the connection ends with it.
    """
    status = HTTPStatus(reply.http_status)
    lines = [f"HTTP/1.1 {status.value} {status.phrase}"]
    lines += [f"{name}: {value}" for name, value in reply.headers]
    lines.append(f"Content-Length: {len(reply.body)}")
    lines.append(f"Connection: {'close' if close else 'keep-alive'}\r\n\r\n")
    return "\r\n".join(lines).encode("latin-1") + reply.body
