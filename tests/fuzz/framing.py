"""HTTP messages around an answer: well made, or broken wherever HTTP can break."""

from dataclasses import dataclass

from hypothesis import strategies as st

from tests.fuzz.answers import ANSWERS, Answer


@dataclass(frozen=True, slots=True)
class Message:
    """The bytes of an answer.

    Attributes:
        data: to send.
        stay: whether to keep the connection; only where the client can tell where it ends.
    """

    data: bytes
    stay: bool = False


def written(answer: Answer, *fields: str, body: bytes | None = None) -> bytes:
    """Return a message; without further fields, a Content-Length that is right."""
    named = [f"{name}: {value}" for name, value in answer.headers]
    last = fields or (f"Content-Length: {len(answer.body)}",)
    head = "\r\n".join([f"HTTP/1.1 {answer.status} Whatever", *named, *last, "", ""])
    return head.encode("latin-1", "replace") + (answer.body if body is None else body)


def chunked(body: bytes, sizes: list[int], extension: str = "") -> bytes:
    """Return a body in chunks of these sizes, the last one for the rest."""
    pieces = []
    for size in sizes:
        pieces.append(body[:size])
        body = body[size:]
    pieces = [piece for piece in [*pieces, body] if piece]
    framed = [b"%x%b\r\n%b\r\n" % (len(each), extension.encode(), each) for each in pieces]
    return b"".join(framed) + b"0\r\n\r\n"


_LENGTHS = st.one_of(
    st.integers(-2, 300).map(str),
    st.sampled_from(
        ["", "abc", "+5", "0x10", "5, 5", "5, 6", "1e2", "²", "9" * 12, "9" * 5_000, " 7 ", "-0"]
    ),
)
_CODINGS = st.sampled_from(
    ["chunked", "Chunked", "gzip, chunked", "chunked, identity", "identity", "", "xchunked"]
)
_CHUNK_SIZES = st.sampled_from(
    [b"-1", b"0x5", b"5;a=b", b"", b"zz", b"7fffffff", b"f" * 40, b" 5 ", b"5\n", b"+5", b"5_0"]
)
_STATUS_LINES = st.one_of(
    st.sampled_from(
        [
            *(b"HTTP/1.1", b"HTTP/1.1 ", b"HTTP/1.1 abc OK", b"HTTP/1.1 -200 OK", b"HTTP/1.1 99 ?"),
            *(
                b"HTTP/1.1 1000 ?",
                b"HTTP/2 200",
                b"HTTP/9.9 200 OK",
                b"HTTP/0.9 200",
                b"ICY 200 OK",
            ),
            *(b"HTTP/1.1 200 " + b"x" * 70_000, b"\x16\x03\x01\0\x02", b"HTTP/1.0 200 OK"),
            *(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK", b"HTTP/1.1 101 Switching", b""),
            *(
                b"HTTP/1.1 103 Early Hints\r\nLink: a\r\n\r\nHTTP/1.1 200 OK",
                b"HTTP/1.1 2\xb200 OK",
            ),
        ]
    ),
    st.binary(max_size=30),
)
_HEADER_LINES = st.one_of(
    st.sampled_from(
        [
            *(b"no colon", b": no name", b" folded", b"X: a\r\n folded", b"X : a", b"X: \0"),
            *(
                b"X: \xff\xfe",
                b"X: " + b"y" * 70_000,
                b"\r\n".join([b"X: 1"] * 150),
                b"X: a\n Y: b",
            ),
            *(b"Content-Length: 2", b"Content-Length: 3", b"Transfer-Encoding: chunked", b""),
        ]
    ),
    st.binary(max_size=30),
)


@st.composite
def _well_made(draw: st.DrawFn) -> Message:
    answer = draw(ANSWERS)
    trailing = draw(st.sampled_from([b"", b"", b"", b"\r\n", b"HTTP/1.1 200 OK\r\n\r\n", b"x"]))
    if draw(st.booleans()):
        return Message(written(answer) + trailing, stay=True)
    sizes = draw(st.lists(st.integers(1, 50), max_size=4))
    body = chunked(answer.body, sizes, draw(st.sampled_from(["", "", ";a=b", ';a="\\""'])))
    return Message(written(answer, "Transfer-Encoding: chunked", body=body) + trailing, stay=True)


@st.composite
def _lying(draw: st.DrawFn) -> Message:
    """What says how long the body is is wrong, or there twice."""
    answer = draw(ANSWERS)
    length = _LENGTHS.map(lambda value: f"Content-Length: {value}")
    coding = _CODINGS.map(lambda value: f"Transfer-Encoding: {value}")
    fields = draw(st.lists(st.one_of(length, length, coding), min_size=1, max_size=2))
    body = answer.body
    if any("chunked" in field for field in fields):
        damaged = draw(_CHUNK_SIZES) + b"\r\n" + body
        body = (damaged, chunked(body, []), chunked(body, [5])[:-9])[draw(st.integers(0, 2))]
    return Message(written(answer, *fields, body=body))


@st.composite
def _odd_lines(draw: st.DrawFn) -> Message:
    answer = draw(ANSWERS)
    first, _, rest = written(answer).partition(b"\r\n")
    if draw(st.booleans()):
        first = draw(_STATUS_LINES)
    added = b"".join(line + b"\r\n" for line in draw(st.lists(_HEADER_LINES, max_size=3)))
    return Message(first + b"\r\n" + added + rest)


@st.composite
def _cut(draw: st.DrawFn) -> Message:
    whole = draw(st.one_of(_well_made(), _lying())).data
    start = draw(st.integers(0, len(whole)))
    kept = draw(st.sampled_from([0, 0, 1, 2, 8]))
    return Message(whole[:start] + draw(st.binary(max_size=3)) + (whole[-kept:] if kept else b""))


MESSAGES = st.one_of(
    _well_made(), _well_made(), _lying(), _odd_lines(), _cut(), st.binary(max_size=80).map(Message)
)
