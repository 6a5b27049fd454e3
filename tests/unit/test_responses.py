"""Answers are read as RFC 9112 frames them; what can be read in two ways is refused."""

import http.client
import io
import tracemalloc
from collections.abc import Iterator
from typing import Any

import pytest

from exporter.gpdb.client import _is_dense
from exporter.gpdb.responses import LARGEST_HEAD, BadFraming, StrictResponse, read_head

GOOD = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


class Wire:
    """Mimics a socket that holds these bytes, and then its end."""

    def __init__(self, data: bytes) -> None:
        self.file = io.BytesIO(data)

    def makefile(self, _mode: str) -> io.BytesIO:
        """Return what comes."""
        return self.file


def response(data: bytes) -> StrictResponse:
    """Read the head of an answer."""
    wire: Any = Wire(data)
    made = StrictResponse(wire, method="POST")
    made.begin()
    return made


def body(data: bytes, most: int = 1000) -> bytes:
    """Read a whole answer."""
    return response(data).read(most)


@pytest.mark.parametrize(
    "data",
    [
        GOOD,
        GOOD.replace(b"\r\n", b"\n"),  # section 2.2 allows it
        GOOD.replace(b"Length: ", b"Length:\t"),
        GOOD.replace(b"200 OK", b"200 "),
        GOOD.replace(b"200 OK", b"200"),
        GOOD.replace(b"200 OK", b"200 d\xe9j\xe0 vu"),
        GOOD.replace(b"HTTP/1.1", b"HTTP/1.9"),
        GOOD.replace(b"HTTP/1.1", b"HTTP/1.0"),
        GOOD.replace(b"\r\nC", b"\r\nX-Folded: a\r\n\t b\r\nC"),
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" + GOOD,
        b"HTTP/1.1 200 OK\r\n\r\nhello",
        CHUNKED + b"5\r\nhello\r\n0\r\n\r\n",
        CHUNKED + b"2;a=b\r\nhe\r\n003 ;c\r\nllo\r\n000\r\nTrailer: x\r\n\r\n",
        CHUNKED.replace(b"chunked", b"Chunked") + b"5\r\nhello\r\n0\r\n\r\n",
    ],
)
def test_good(data: bytes) -> None:
    """However HTTP allows it to be written, an answer is read."""
    assert body(data) == b"hello"


@pytest.mark.parametrize(
    "head",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: +5\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 0x5\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5_0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5, 5\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5;\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: \xb2\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: \r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\ncontent-length: 5\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n 0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length : 5\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX: a\rContent-Length: 5\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX: a\0b\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nno header\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n: nothing\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n folded: onto nothing\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: identity\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: xchunked\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n",
        b"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\n\r\n",
        b"HTTP/1.1 099 Low\r\n\r\n",
        b"HTTP/1.1 2000 High\r\n\r\n",
        b"HTTP/1.1 +20 Plus\r\n\r\n",
        b"HTTP/1.1  200 OK\r\n\r\n",
        b"HTTP/2.0 200 OK\r\n\r\n",
        b"HTTP/1.10 200 OK\r\n\r\n",
        b"http/1.1 200 OK\r\n\r\n",
        b" HTTP/1.1 200 OK\r\n\r\n",
        b"\r\nHTTP/1.1 200 OK\r\n\r\n",
        b"HTTP/1.1 200 O\rK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 101 + b"\r\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"y" * LARGEST_HEAD + b"\r\n\r\n",
        b"H" * (LARGEST_HEAD + 1),
        b"HTTP/1.1 100 Continue\r\n\r\n" * 3_000 + b"HTTP/1.1 200 OK\r\n\r\n",
    ],
    ids=lambda head: repr(head[:90]),
)
def test_bad_heads(head: bytes) -> None:
    """A head that is no HTTP, is too long, or leaves the body's end open is refused."""
    with pytest.raises(BadFraming):
        response(head + b"hello")


@pytest.mark.parametrize(
    "chunks",
    [
        b"0x5\r\nhello\r\n0\r\n\r\n",
        b"+5\r\nhello\r\n0\r\n\r\n",
        b"-5\r\nhello\r\n0\r\n\r\n",
        b"0_5\r\nhello\r\n0\r\n\r\n",
        b" 5\r\nhello\r\n0\r\n\r\n",
        b"5 \r\nhello\r\n0\r\n\r\n",
        b"5\nhello\r\n0\r\n\r\n",
        b"5;a\rb\r\nhello\r\n0\r\n\r\n",
        b"\r\nhello\r\n0\r\n\r\n",
        b";a\r\nhello\r\n0\r\n\r\n",
        b"4\r\nhello\r\n0\r\n\r\n",
        b"5\r\nhello0\r\n\r\n",
        b"5\r\nhello\n0\r\n\r\n",
        b"0000000000000005\r\nhello\r\n0\r\n\r\n",
        b"5;" + b"x" * 2_000 + b"\r\nhello\r\n0\r\n\r\n",
        b"5\r\nhello\r\n0\r\n" + b"X: y\r\n" * 2_000 + b"\r\n",
    ],
    ids=lambda chunks: repr(chunks[:40]),
)
def test_bad_chunks(chunks: bytes) -> None:
    """A chunk's length is hexadecimal digits and nothing else, and it ends where it says."""
    with pytest.raises(BadFraming):
        body(CHUNKED + chunks)


def cuts(data: bytes) -> Iterator[bytes]:
    """Every beginning of an answer."""
    return (data[:length] for length in range(1, len(data)))


@pytest.mark.parametrize(
    "data",
    [
        b"HTTP/1.1 200 OK\r\nX: y\r\n\r\n"[:-1],
        CHUNKED + b"5;a=b\r\nhello\r\n0\r\nX: y\r\n\r\n",
    ],
)
def test_cut(data: bytes) -> None:
    """An answer that is cut anywhere is never a shorter one."""
    for cut in cuts(data):
        with pytest.raises(http.client.IncompleteRead):
            body(cut)


def test_nothing() -> None:
    """A connection that was closed before an answer is told apart: it is worth another try."""
    with pytest.raises(http.client.RemoteDisconnected):
        read_head(io.BytesIO(b""))


def test_a_folded_header() -> None:
    """A folded line continues the header before it (section 5.2)."""
    head = read_head(io.BytesIO(b"HTTP/1.1 200 OK\r\nX: a\r\n  b\r\n\tc\r\nY:z \r\n\r\n"))

    assert head.fields == (("X", "a b c"), ("Y", "z"))


def test_no_body() -> None:
    """A 204 and a 304 have none, whatever they announce."""
    for status in (b"204", b"304"):
        assert body(GOOD.replace(b"200", status)) == b""


def test_tiny_chunks_take_no_memory() -> None:
    """A body of chunks of one byte takes little more than the body."""
    data = CHUNKED + b"1\r\nx\r\n" * 200_000 + b"0\r\n\r\n"
    made = response(data)
    tracemalloc.start()
    read = made.read(300_000)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()

    assert read == b"x" * 200_000
    assert peak < 1_500_000


DENSE = {
    "lists": b"[" + b"[]," * 80_000 + b"0]",
    "objects": b"[" + b"{}," * 80_000 + b"0]",
    "depth": b'{"a":' * 40_000,
    "keys": b"{" + b",".join(b'"%x":0' % number for number in range(20_000)) + b"}",
    "numbers": b"[" + b"1.5," * 60_000 + b"0]",
    "strings": b'[""' + b',""' * 60_000 + b"]",
    "behind a string": rb'["\\\"[",' + b"[]," * 80_000 + b"0]",
    "behind backslashes": rb'["\\",' + b"[]," * 80_000 + b"0]",
    "UTF-16": ("[" + "[]," * 40_000 + "0]").encode("utf-16-le"),
    "UTF-16 with a mark": ("[" + "[]," * 40_000 + "0]").encode("utf-16"),
    "UTF-32": ("[" + "[]," * 20_000 + "0]").encode("utf-32-be"),
    "no UTF-8": b"[" + b"[]," * 1_000 + b'"\xff"]',
}


@pytest.mark.parametrize("text", DENSE.values(), ids=DENSE)
def test_dense_json(text: bytes) -> None:
    """JSON of many parts is told by looking at its marks, in little memory."""
    tracemalloc.start()
    is_dense = _is_dense(text)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()

    assert is_dense
    assert peak < 4 * len(text)


@pytest.mark.parametrize(
    "text",
    [
        b'{"Job": {"Error": "' + b"[{,:" * 50_000 + b'"}}',
        rb'{"Job": {"Error": "' + rb"\"[\\,\"{" * 20_000 + b'"}}',
        '{"Job": {"Error": "密'.encode() + b"x" * 200_000 + b'"}}',
        b"[" + b"0," * 3_000 + b"0]",
        b" " * 200_000,
        b"",
    ],
    ids=lambda text: repr(text[:30]),
)
def test_sparse_json(text: bytes) -> None:
    """What stands in a text is no part: an error's words may be long, and hold any marks."""
    assert not _is_dense(text)
