"""Requests that hostile clients send, as hypothesis strategies."""

import base64
import itertools
from dataclasses import dataclass

from hypothesis import strategies as st

USER = b"a:b"
"""A name and its password, where a server asks for one."""


@dataclass(frozen=True, slots=True)
class Talk:
    """What a client sends on one connection.

    Attributes:
        requests: one after the other, without waiting for an answer.
        cuts: where the bytes are split into segments.
    """

    requests: tuple[bytes, ...]
    cuts: tuple[int, ...]

    @property
    def segments(self) -> list[bytes]:
        """The bytes as they are sent."""
        whole = b"".join(self.requests)
        edges = sorted({0, len(whole), *(cut % (len(whole) + 1) for cut in self.cuts)})
        return [whole[start:end] for start, end in itertools.pairwise(edges)]


_METHODS = st.one_of(
    st.sampled_from([b"GET", b"GET", b"GET", b"HEAD", b"POST", b"PUT", b"TRACE", b"OPTIONS"]),
    st.sampled_from([b"CONNECT", b"PRI", b"get", b"G\x00T", b"", b"GE T", b"M" * 300, b"\xff"]),
)
_PATHS = st.sampled_from(
    [
        *(b"/metrics", b"/metrics", b"/", b"/-/healthy", b"/-/ready", b"/-/reload", b"/metrics/"),
        *(
            b"//metrics",
            b"/%6detrics",
            b"/%00",
            b"/%",
            b"/%zz",
            b"/..%2f",
            b"*",
            b"/%ff%fe",
            b"/%0d%0a",
        ),
        *(
            b"http://x/metrics",
            b"HTTPS://x:1/",
            b"http://",
            b"x:443",
            b"/\x1b[31m",
            b"/\xc3\xa9",
            b"/a b",
        ),
        *(b"/" + b"a" * 9_000, b"/metrics?" + b"name[]=x&" * 800, b"?", b"#", b"/#/metrics", b""),
    ]
)
_QUERIES = st.one_of(
    st.just(b""),
    st.sampled_from(
        [
            *(
                b"?paused",
                b"?paused=%zz&&;=",
                b"?name[]=adbpg_job_up",
                b"?name%5B%5D=adbpg_job_info",
            ),
            *(b"?name[]=", b"?name[]=%00%ff&name[]=x", b"?" + b"&" * 900, b"?name[]=%ud800", b"??"),
        ]
    ),
    st.binary(max_size=20).map(lambda junk: b"?" + junk),
)
_TARGETS = st.one_of(
    st.tuples(_PATHS, _QUERIES).map(b"".join), st.binary(max_size=20).map(lambda junk: b"/" + junk)
)
_VERSIONS = st.sampled_from(
    [b"HTTP/1.1"] * 8
    + [b"HTTP/1.0", b"HTTP/1.9", b"HTTP/2.0", b"HTTP/0.9", b"HTTP/1.", b"", b"\xff"]
)
_SPACES = st.sampled_from([b" "] * 12 + [b"  ", b"\t", b""])
_ENDS = st.sampled_from([b"\r\n"] * 20 + [b"\n", b"\r", b"\r\r\n"])

_JUNK = st.one_of(
    st.binary(max_size=15),
    st.sampled_from([b"", b" ", b"0", b"\0", b"\xff" * 3, b"a" * 5_000, b"1e999", b"NaN", b"-1"]),
)
_NAMED = {
    b"Host": [b"x", b"localhost:10077", b"[::1]:1", b"x y", b"<b>", b"x,y", b"", b"a" * 400],
    b"Content-Length": [b"0", b"3", b"17", b"-1", b"+5", b"5, 5", b"99999999999", b"70000", b"0x1"],
    b"Transfer-Encoding": [b"chunked", b"identity", b"gzip, chunked", b"xchunked", b""],
    b"Connection": [b"close", b"keep-alive", b"Upgrade", b"close, keep-alive", b"\xa0close", b","],
    b"Expect": [b"100-continue", b"100-Continue", b"nothing", b"", b"100-continue, 100-continue"],
    b"Accept": [
        *(b"*/*", b"application/openmetrics-text;version=1.0.0", b";q=x,,", b"text/html;q=9"),
        *(
            b"application/openmetrics-text;version=x",
            b"text/plain;version=1.x",
            b"text/plain;version=",
        ),
    ],
    b"Accept-Encoding": [b"gzip", b"gzip;q=0", b"*", b"gzip;q=1.0000", b"br, gzip;q=0.5", b",,;;"],
    b"X-Prometheus-Scrape-Timeout-Seconds": [
        b"10",
        b"0.2",
        b"-1",
        b"NaN",
        b"1e309",
        b"inf",
        b"1_0",
    ],
    b"Authorization": [
        b"Basic",
        b"Basic YTpi",
        b"Basic ====",
        b"Bearer x",
        b"Basic " + b"A" * 4_000,
    ],
    b"X": [b"a", b"a\r\n folded", b"a\nb", b"a\rb", b"a" * 40_000],
}


def _field(name: bytes, values: list[bytes]) -> st.SearchStrategy[bytes]:
    return st.one_of(st.sampled_from(values), _JUNK).map(lambda value: name + b": " + value)


_FIELDS = st.one_of(
    *(_field(name, values) for name, values in _NAMED.items()),
    st.sampled_from([b"Host : x", b" Host: x", b": x", b"no colon", b"H\xc3\xb6st: x", b"X:a"]),
    st.tuples(_JUNK, _JUNK).map(b":".join),
)
_BODIES = st.one_of(
    st.just(b""),
    st.sampled_from(
        [b"a=b", b"0\r\n\r\n", b"x" * 17, b"GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n"]
    ),
    st.binary(max_size=20),
)


@st.composite
def _written(draw: st.DrawFn) -> bytes:
    """A request whose parts may each be wrong."""
    first = draw(_SPACES).join([draw(_METHODS), draw(_TARGETS), draw(_VERSIONS)])
    fields = draw(st.lists(_FIELDS, max_size=4))
    if draw(st.integers(0, 9)):
        fields.insert(0, b"Host: x")
    lines = [line + draw(_ENDS) for line in (first, *fields)]
    return b"".join(lines) + draw(_ENDS) + draw(_BODIES)


@st.composite
def _decent(draw: st.DrawFn) -> bytes:
    """A request that is answered, with odd headers and a body of the length that it says."""
    method = draw(st.sampled_from([b"GET", b"GET", b"HEAD", b"POST", b"DELETE"]))
    path = draw(st.sampled_from([b"/metrics", b"/", b"/-/healthy", b"/-/reload", b"/nothing"]))
    query = draw(_QUERIES) if draw(st.booleans()) else b""
    names = (b"Accept", b"Accept-Encoding", b"X-Prometheus-Scrape-Timeout-Seconds")
    named = draw(st.lists(st.sampled_from(names), max_size=2, unique=True))
    fields = [name + b": " + draw(st.sampled_from(_NAMED[name])) for name in named]
    fields += draw(st.sampled_from([[], [b"Authorization: Basic " + base64.b64encode(USER)]]))
    body = draw(st.binary(max_size=30))
    if body:
        fields.append(b"Content-Length: %d" % len(body))
    query = query.replace(b" ", b"+")
    return b"\r\n".join(
        [b" ".join([method, path + query, b"HTTP/1.1"]), b"Host: x", *fields, b"", body]
    )


@st.composite
def _damaged(draw: st.DrawFn) -> bytes:
    data = draw(_decent())
    start = draw(st.integers(0, len(data)))
    end = draw(st.integers(start, min(start + 8, len(data))))
    return data[:start] + draw(st.binary(max_size=4)) + data[end:]


@st.composite
def _smuggled(draw: st.DrawFn) -> bytes:
    """A request of which two programs could think that it ends in two places."""
    names = st.sampled_from([b"Content-Length", b"Transfer-Encoding", b"Transfer-Encoding "])
    named = draw(st.lists(names, min_size=1, max_size=2))
    fields = [name + b":" + draw(st.sampled_from(_NAMED[name.strip()])) for name in named]
    rest = b"0\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n"
    return b"\r\n".join([b"POST /metrics HTTP/1.1", b"Host: x", *fields, b"", rest])


_REQUESTS = st.one_of(
    *(_decent(), _decent(), _decent(), _written(), _written()),
    *(_smuggled(), _damaged(), st.binary(max_size=60)),
)
_EDGES = st.lists(st.integers(0, 100_000), max_size=4).map(tuple)


def talks(requests: int) -> st.SearchStrategy[Talk]:
    """Connections of so many requests at most."""
    some = st.lists(_REQUESTS, min_size=1, max_size=requests).map(tuple)
    return st.builds(Talk, some, _EDGES)
