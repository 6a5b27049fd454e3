import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.web.messages import (
    Head,
    RefusedRequest,
    Request,
    find_head,
    parse_head,
    response_head,
    text,
)

HOST = "Host: x"


def parsed(*lines: str, limit: int = 40_000) -> Head:
    """Read a head of these lines, as the server does."""
    raw = "\r\n".join((*lines, "", "")).encode("latin-1")
    end = find_head(raw, 0, line_limit=limit, limit=limit)
    assert end == len(raw) - 4
    return parse_head(raw)


def status_of(refused: pytest.ExceptionInfo[RefusedRequest]) -> int:
    """Tell with which status it was refused."""
    return refused.value.response.status


def test_a_request_is_read() -> None:
    """Method, path, query and headers arrive as a handler wants them."""
    head = parsed("GET /metrics?name[]=a&b HTTP/1.1", HOST, "ACCEPT:  text/plain ")

    assert head == Head(
        Request("GET", "/metrics", "name[]=a&b", {"host": "x", "accept": "text/plain"}),
        keep_alive=True,
        body_bytes=0,
        expects_continue=False,
    )


@pytest.mark.parametrize(
    ("target", "path", "query"),
    [
        ("/", "/", ""),
        ("/a%20b%2f%41%7e", "/a%20b%2FA~", ""),
        ("/%00/../%ff", "/%00/../%FF", ""),
        ("/-%2fhealthy", "/-%2Fhealthy", ""),
        ("/%6Detrics", "/metrics", ""),
        ("//metrics", "//metrics", ""),
        ("http://host//metrics", "//metrics", ""),
        ("/./metrics/%2e", "/./metrics/.", ""),
        ("/a+b%2B", "/a+b%2B", ""),
        ("/100%", "/100%", ""),
        ("/%zz", "/%zz", ""),
        ("/a|b", "/a%7Cb", ""),
        ("/metrics#x", "/metrics%23x", ""),
        ("/p?", "/p", ""),
        ("/p?a?b%20", "/p", "a?b%20"),
        ("http://host:80/p?q", "/p", "q"),
        ("HTTPS://host", "/", ""),
        ("http://host?q", "/", "q"),
        ("*", "*", ""),
        ("/%d0%bc", "/%D0%BC", ""),
    ],
)
def test_a_target_gives_path_and_query(target: str, path: str, query: str) -> None:
    """A path is as it was sent, in one of its equivalent spellings; a whole URL is its path."""
    request = parsed(f"GET {target} HTTP/1.1", HOST).request

    assert (request.path, request.query) == (path, query)


@pytest.mark.parametrize(
    "line",
    [
        "GET /",  # HTTP/0.9
        "GET / HTTP/0.9",
        "GET / HTTP/2.0",
        "PRI * HTTP/2.0",
        "GET  / HTTP/1.1",
        "GET\t/ HTTP/1.1",
        "GET /\xe9 HTTP/1.1",
        "GET /\0 HTTP/1.1",
        "CONNECT host:443 HTTP/1.1",
        "GET ftp://host/ HTTP/1.1",
        "GET http:///p HTTP/1.1",
        "GET ?q HTTP/1.1",
        "\x16\x03\x01\x02",
    ],
)
def test_a_bad_request_line_is_400(line: str) -> None:
    """What is not METHOD TARGET HTTP/1.x, with a path or an http URL, is refused."""
    with pytest.raises(RefusedRequest) as refused:
        parsed(line, HOST)

    assert status_of(refused) == 400


@pytest.mark.parametrize(
    ("status", "fields"),
    [
        (400, ["Content-Length: 3", "Transfer-Encoding: chunked"]),
        (400, ["Transfer-Encoding: chunked", "Content-Length: 3"]),
        (400, ["Content-Length: 3", "Content-Length: 4"]),
        (400, ["Content-Length: 3", "content-length: 3"]),
        (400, ["Content-Length: 3, 3"]),
        (400, ["Content-Length: +3"]),
        (400, ["Content-Length: \xb3"]),  # a superscript three
        (400, ["Content-Length: " + "9" * 20_000]),
        (400, ["Content-Length : 3"]),
        (400, [" Content-Length: 3"]),
        (400, ["A: b", " folded"]),
        (400, ["A: b", "\tfolded"]),
        (400, ["A: b\0c"]),
        (400, ["A: b\x01c"]),
        (400, ["A: b\x7fc"]),
        (400, ["A: b\rContent-Length: 3"]),
        (400, ["A: b\nContent-Length: 3"]),
        (400, ["Host: y"]),
        (411, ["Transfer-Encoding: chunked"]),
        (411, ["Transfer-Encoding: xchunked"]),
        (411, ["Transfer-Encoding: identity, chunked"]),
        (411, ["Transfer-Encoding: chunked", "Transfer-Encoding: chunked"]),
        (417, ["Expect: a miracle"]),
    ],
)
def test_what_two_programs_may_read_differently_is_refused(status: int, fields: list[str]) -> None:
    """Ambiguous framing, and anything that is used to smuggle requests, gets a 4xx."""
    with pytest.raises(RefusedRequest) as refused:
        parsed("POST / HTTP/1.1", HOST, *fields)

    assert status_of(refused) == status


@pytest.mark.parametrize("fields", [[], ["Host: a b"], ["Host: <script>"], ["Host: a/b"]])
def test_a_request_names_its_host(fields: list[str]) -> None:
    """HTTP/1.1 without a Host, or with none that could be one, is refused."""
    with pytest.raises(RefusedRequest) as refused:
        parsed("GET / HTTP/1.1", *fields)

    assert status_of(refused) == 400


def test_a_refusal_quotes_nothing() -> None:
    """What was wrong may be a header with a password: it is not sent back."""
    with pytest.raises(RefusedRequest) as refused:
        parsed("GET / HTTP/1.1", HOST, "Authorization : Basic pl4nted")

    assert b"pl4nted" not in refused.value.response.body
    assert refused.value.__cause__ is None


def test_http_1_0_needs_no_host() -> None:
    """An old client is served without Host."""
    head = parsed("GET / HTTP/1.0")

    assert head.request.path == "/"


@pytest.mark.parametrize(
    ("version", "connection", "keep_alive"),
    [
        ("1.1", "", True),
        ("1.1", "close", False),
        ("1.1", "upgrade, Close", False),
        ("1.0", "", False),
        ("1.0", "Keep-Alive", True),
        ("1.0", "keep-alive, close", False),
    ],
)
def test_whether_another_request_follows(
    *, version: str, connection: str, keep_alive: bool
) -> None:
    """A connection is kept as version and Connection say."""
    head = parsed(f"GET / HTTP/{version}", HOST, f"Connection: {connection}")

    assert head.keep_alive is keep_alive


def test_repeated_headers_are_joined() -> None:
    """Values of a header that came twice are one list."""
    head = parsed("GET / HTTP/1.1", HOST, "Accept: a", "accept: b")

    assert head.request.headers["accept"] == "a, b"


def test_a_million_blanks_cost_nothing() -> None:
    """A value of blanks only is read in linear time: a quadratic reader would never end."""
    head = parsed("GET / HTTP/1.1", HOST, "A:" + " " * 1_000_000 + "\t", limit=2_000_000)

    assert head.request.headers["a"] == ""


@pytest.mark.parametrize(("version", "expected"), [("1.1", True), ("1.0", False)])
def test_a_client_may_wait_for_a_100(*, version: str, expected: bool) -> None:
    """100-continue is heeded, but not of HTTP/1.0, which knows no 100."""
    head = parsed(f"POST / HTTP/{version}", HOST, "Expect: 100-Continue", "Content-Length: 3")

    assert head.expects_continue is expected
    assert head.body_bytes == 3


WHOLE = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"


def found(received: bytes, seen: int = 0) -> int:
    """Look for the end of a head, under small limits."""
    return find_head(received, seen, line_limit=20, limit=30)


@pytest.mark.parametrize("after", [b"", b"GET /next HTTP/1.1\r\n\r\n", b"body\n with\rbare ends"])
def test_a_head_ends_at_its_empty_line(after: bytes) -> None:
    """What comes after the empty line is none of the head's business."""
    assert found(WHOLE + after) == len(WHOLE) - 4


def test_a_head_may_come_byte_by_byte() -> None:
    """A head that drips in is found at its last byte, and not before."""
    ends = [found(WHOLE[:size], size - 1) for size in range(1, len(WHOLE) + 1)]

    assert ends == [-1] * (len(WHOLE) - 1) + [len(WHOLE) - 4]


@pytest.mark.parametrize(
    ("status", "received"),
    [
        (400, b"GET / HTTP/1.1\n"),
        (400, b"GET / HTTP/1.1\r\nA: b\n"),
        (400, b"GET / HTTP/1.1\r\nA: b\rB"),
        (400, b"GET / HTTP/1.1\r\nA: b\r\n "),
        (400, b"\n"),
        (400, b"\x16\x03\x01"),  # TLS
        (414, b"GET /" + b"a" * 16),
        (414, b"GET /" + b"a" * 30 + b" HTTP/1.1\r\n\r\n"),
        (431, b"GET / HTTP/1.1\r\nA: " + b"a" * 30),
        (431, b"GET / HTTP/1.1\r\nA: " + b"a" * 30 + b"\r\n\r\n"),
    ],
)
def test_what_is_wrong_for_certain_is_refused_early(status: int, received: bytes) -> None:
    """Nobody waits for the rest of a head that cannot become right."""
    with pytest.raises(RefusedRequest) as refused:
        found(received)

    assert status_of(refused) == status


def test_a_line_of_just_the_limit_is_fine() -> None:
    """The limit of the request line is what is allowed, not what is refused."""
    line = b"GET /aaaaaa HTTP/1.1"
    assert len(line) == 20

    assert found(line + b"\r\n\r\n") == 20


def test_a_response_is_written() -> None:
    """Length, type and safety headers stand in a head, and no version of ours."""
    response = text(405, "No.", ("Allow", "GET"))

    head = response_head(response, keep_alive=False, now=0)

    assert head == (
        b"HTTP/1.1 405 Method Not Allowed\r\n"
        b"Date: Thu, 01 Jan 1970 00:00:00 GMT\r\n"
        b"Content-Type: text/plain; charset=utf-8\r\n"
        b"Content-Length: 4\r\n"
        b"X-Content-Type-Options: nosniff\r\n"
        b"Connection: close\r\n"
        b"Allow: GET\r\n"
        b"\r\n"
    )


def test_a_text_of_any_characters_is_written() -> None:
    """A lone surrogate out of a hostile file does not break an answer."""
    assert text(400, "a \ud800 b").body == b"a \\ud800 b\n"


@given(st.binary() | st.text(alphabet="GET /:\r\n\t,0hHostP.1", max_size=200).map(str.encode))
def test_no_bytes_break_the_reading(received: bytes) -> None:
    """Whatever comes is read, or refused by a 4xx."""
    status = 0
    try:
        end = find_head(received + b"\r\n\r\n", 0, line_limit=100, limit=100)
        parse_head((received + b"\r\n\r\n")[: end + 4])
    except RefusedRequest as refused:
        status = refused.response.status

    assert status in (0, 400, 411, 413, 414, 417, 431)
