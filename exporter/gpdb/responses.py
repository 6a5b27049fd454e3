"""Answers as RFC 9112 frames them. http.client takes more, and each such answer shifts the next.

A head is bounded as a whole, an answer that only announces another (1xx) is passed over, and a body
whose end could be read in two ways is no answer: ``0x5``, ``+5`` and ``1_0`` are no lengths, two
lengths are none either, and a chunk ends where it says.
"""

import http.client
import re
from dataclasses import dataclass
from typing import Final, Protocol

LARGEST_HEAD: Final = 65_536  # bytes, with the heads of 1xx answers before it
_MOST_FIELDS: Final = 100
_LONGEST_CHUNK_LINE: Final = 1_024  # bytes of a chunk's length and extensions
_LARGEST_TRAILER: Final = 8_192  # bytes

_STATUS_LINE: Final = re.compile(rb"HTTP/1\.([0-9]) ([1-9][0-9]{2})(?: [\t -~\x80-\xff]*)?\r?\n")
_FIELD_NAME: Final = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_LENGTH: Final = re.compile("[0-9]+")
_CHUNK_LINE: Final = re.compile(rb"([0-9A-Fa-f]{1,15})(?:[ \t]*;[^\r\n]*)?\r\n")


class BadFraming(http.client.HTTPException):
    """The answer is not HTTP, or where it ends is not clear."""


class Lines(Protocol):
    """What comes from the other side."""

    def readline(self, limit: int, /) -> bytes:
        """Return a line with its end, or what there is of it."""


@dataclass(frozen=True, slots=True)
class Head:
    """The head of an answer.

    Attributes:
        version: 10 for HTTP/1.0, else 11.
        status: of three digits.
        fields: names and values of the headers, in their order.
    """

    version: int
    status: int
    fields: tuple[tuple[str, str], ...]


def read_head(lines: Lines) -> Head:
    """Read the head of the next answer that is not 1xx.

    Raises:
        http.client.RemoteDisconnected: the connection was closed before it.
        http.client.IncompleteRead: the connection was closed inside it.
        BadFraming: it is none, is too long, or changes the protocol.
    """
    left = LARGEST_HEAD
    while True:
        line = lines.readline(left + 1)
        if not line:
            raise http.client.RemoteDisconnected("")
        found = _STATUS_LINE.fullmatch(line)
        if found is None:
            if not line.endswith(b"\n") and len(line) <= left:
                raise http.client.IncompleteRead(b"")
            raise BadFraming("no status line")
        fields, left = _read_fields(lines, left - len(line))
        status = int(found[2])
        if status == 101:  # nothing else than HTTP was asked for
            raise BadFraming("another protocol")
        if status >= 200:
            return Head(10 if found[1] == b"0" else 11, status, tuple(fields))


def _read_fields(lines: Lines, left: int) -> tuple[list[tuple[str, str]], int]:
    """Read headers up to the empty line; return them and how many bytes are left."""
    fields: list[tuple[str, str]] = []
    while True:
        line = lines.readline(left + 1)
        if len(line) > left or len(fields) > _MOST_FIELDS:
            raise BadFraming("the head is too long")
        if not line.endswith(b"\n"):
            raise http.client.IncompleteRead(b"")
        left -= len(line)
        line = line[:-2] if line.endswith(b"\r\n") else line[:-1]
        if not line:
            return fields, left
        if b"\r" in line or b"\0" in line:
            raise BadFraming("a control character in a header")
        if line[0] in b" \t" and fields:  # a folded line (RFC 9112, section 5.2)
            name, value = fields[-1]
            fields[-1] = (name, f"{value} {line.strip().decode('latin-1')}")
            continue
        raw_name, colon, raw_value = line.partition(b":")
        if not colon or not _FIELD_NAME.fullmatch(raw_name):
            raise BadFraming("no header")
        fields.append((raw_name.decode("latin-1"), raw_value.strip(b" \t").decode("latin-1")))


def body_length(head: Head) -> tuple[bool, int | None]:
    """Return whether the body is chunked, and its length; None where the connection ends it.

    Raises:
        BadFraming: there are two ways to read it (RFC 9112, sections 6.1 and 6.3).
    """
    codings = [value.lower() for name, value in head.fields if name.lower() == "transfer-encoding"]
    lengths = [value for name, value in head.fields if name.lower() == "content-length"]
    if codings and (codings != ["chunked"] or lengths or head.version == 10):
        raise BadFraming("a transfer coding that is not chunked alone")
    if len(lengths) > 1 or (lengths and not _LENGTH.fullmatch(lengths[0])):
        raise BadFraming("no single Content-Length")
    if head.status in (204, 304):
        return False, 0
    if codings or not lengths:
        return bool(codings), None
    return False, int(lengths[0]) if len(lengths[0]) < 19 else 10**18


class StrictResponse(http.client.HTTPResponse):
    """The library's response, but for how heads and chunks are read."""

    def begin(self) -> None:
        """Read the head."""
        head = read_head(self.fp)
        chunked, self.length = body_length(head)
        self.chunked = chunked
        self.chunk_left = None
        self.version, self.code, self.status = head.version, head.status, head.status
        self.reason = ""
        self.headers = self.msg = _message(head)
        ends = self.length is None and not chunked
        self.will_close = ends or self._check_close()  # type: ignore[attr-defined]  # private there

    def _read_chunked(self, amt: int | None = None) -> bytes:
        """Read a chunked body, or as much of it as is asked for.

        The library would keep each chunk as an object: 50 bytes for a chunk of one.
        """
        body = bytearray()
        while (amt is None or len(body) < amt) and (left := self._get_chunk_left()):
            piece = self.fp.read(left if amt is None else min(left, amt - len(body)))
            if not piece:
                raise http.client.IncompleteRead(b"")
            self.chunk_left = left - len(piece)
            body += piece
        return bytes(body)

    def _get_chunk_left(self) -> int | None:
        """Return how many bytes of the chunk are to come; None after the last one."""
        if self.chunk_left:
            return self.chunk_left
        if self.chunk_left == 0 and self._line(2) != b"\r\n":
            raise BadFraming("a chunk that is longer than it says")
        found = _CHUNK_LINE.fullmatch(self._line(_LONGEST_CHUNK_LINE))
        if found is None:
            raise BadFraming("no length of a chunk")
        self.chunk_left = int(found[1], 16) or None
        if self.chunk_left is None:
            self._read_trailer()
            self._close_conn()  # type: ignore[attr-defined]  # private there
        return self.chunk_left

    def _read_trailer(self) -> None:
        left = _LARGEST_TRAILER
        while (line := self._line(left)) not in {b"\r\n", b"\n"}:
            left -= len(line)

    def _line(self, limit: int) -> bytes:
        line: bytes = self.fp.readline(limit)
        if not line.endswith(b"\n"):
            if len(line) >= limit:
                raise BadFraming("a line that is too long")
            raise http.client.IncompleteRead(b"")
        return line


def _message(head: Head) -> http.client.HTTPMessage:
    message = http.client.HTTPMessage()
    for name, value in head.fields:
        message[name] = value
    return message
