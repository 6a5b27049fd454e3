"""Answers that are far too large cost their own job, and next to no memory."""

import gzip
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.bench import (
    Bench,
    Memory,
    Recorder,
    bench,
    configuration,
    job_answer,
    only_sick,
    scrape,
    target,
    well,
)
from tests.processes import exporter
from tests.upstream import Behaviour, Request, Upstream, both, message, pour, rest, send

MOST_GROWTH = 8 << 20  # bytes
HALF_GIGABYTE = 500 << 20
PIECE = b"x" * 65_536
GOOD = job_answer("sick")
BOMB = gzip.compress(gzip.compress(bytes(HALF_GIGABYTE), 9), 9)
CHUNKED = [("Transfer-Encoding", "chunked")]


def encoded(*encodings: str, body: bytes = BOMB) -> Behaviour:
    """A body with these values of Content-Encoding."""
    return send(message(body, headers=[("Content-Encoding", value) for value in encodings]))


BODIES: dict[str, tuple[Behaviour, str]] = {
    "told": (both(send(message(length=HALF_GIGABYTE)), pour(PIECE)), "too_large"),
    "untold": (both(send(message(length=-1)), pour(PIECE)), "too_large"),
    "one chunk": (
        both(send(message(length=-1, headers=CHUNKED) + b"1F400000\r\n"), pour(PIECE)),
        "too_large",
    ),
    "one chunk of a negative length": (
        both(send(message(length=-1, headers=CHUNKED) + b"-1\r\n"), pour(PIECE)),
        "bad_answer",
    ),
    "a length of 10,000 digits": (
        both(send(message(length=-1, headers=[("Content-Length", "9" * 10_000)])), pour(PIECE)),
        "too_large",
    ),
    "an error page": (
        both(send(message(status=500, length=HALF_GIGABYTE)), pour(PIECE)),
        "server",
    ),
}
ENCODINGS: dict[str, tuple[Behaviour, str]] = {
    "gzip bomb": (encoded("gzip"), "bad_answer"),
    "gzip bomb, in capitals": (encoded("GZip"), "bad_answer"),
    "deflate": (encoded("deflate"), "bad_answer"),
    "unknown": (encoded("br"), "bad_answer"),
    "no such": (encoded("x-nobody-knows", body=GOOD), "bad_answer"),
    "chained": (encoded("gzip, gzip"), "bad_answer"),
    "chained 1,000 times": (encoded(", ".join(["gzip"] * 1000)), "bad_answer"),
    "twice": (encoded("gzip", "gzip"), "bad_answer"),
    "20,000 headers": (
        send(message(GOOD, headers=[(f"X-{n}", "y" * 50) for n in range(20_000)])),
        "bad_answer",
    ),
    "a header of 100 MB": (
        both(send(b"HTTP/1.1 200 OK\r\nX: "), pour(PIECE)),
        "bad_answer",
    ),
    "a status line of 100 MB": (both(send(b"HTTP/1.1 200 "), pour(PIECE)), "bad_answer"),
    "headers without end": (
        both(send(b"HTTP/1.1 200 OK\r\n"), pour(b"X-Padding: y\r\n" * 4096)),
        "bad_answer",
    ),
}


class Switch:
    """A script that can be changed: for the job ``sick`` it does what it holds."""

    def __init__(self) -> None:
        self.behaviour = send(message(b"x" * 300_000))

    def __call__(self, request: Request) -> Behaviour:
        """Pick a behaviour."""
        return only_sick(self.behaviour)(request)


@pytest.fixture(scope="module")
def switch() -> Switch:
    """What the sick server does."""
    return Switch()


@pytest.fixture(scope="module")
def warm(switch: Switch, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    """An exporter that has seen answers of the largest size, and broken ones."""
    folder = tmp_path_factory.mktemp("large")
    with bench(
        Upstream(switch), folder, api={"request_timeout": "5s", "connect_timeout": "5s"}
    ) as it:
        for _ in range(20):
            it.scrape(6.0)
        yield it


def check(
    it: Bench, switch: Switch, case: tuple[Behaviour, str], record: Recorder, name: str
) -> None:
    """The job alone is lost in each of several scrapes, and memory stays where it was."""
    switch.behaviour, reason = case
    before = it.scrape(6.0).errors().get(("sick", reason), 0)
    sent = it.sick.sent
    memory = Memory(it.process)

    pages = [it.scrape(6.0) for _ in range(4)]

    record(f"growth in bytes: {name}", memory.growth)
    for page in pages:
        assert page.up("sick") == 0
        page.check_others()
    assert pages[-1].errors()["sick", reason] == before + 4
    assert memory.growth <= MOST_GROWTH
    assert it.sick.sent - sent < 4 * 10 * 2**20  # it hung up; sockets hold some megabytes each


@pytest.mark.parametrize("name", BODIES)
def test_body(warm: Bench, switch: Switch, name: str, record_testsuite_property: Recorder) -> None:
    """Fault 7: of a body of 500 MB no more than the limit is read."""
    check(warm, switch, BODIES[name], record_testsuite_property, name)


@pytest.mark.parametrize("name", ENCODINGS)
def test_encoding(
    warm: Bench, switch: Switch, name: str, record_testsuite_property: Recorder
) -> None:
    """Fault 8: compressed bodies are not unpacked, and headers are not collected without end."""
    check(warm, switch, ENCODINGS[name], record_testsuite_property, name)


def test_the_process_is_still_good(warm: Bench, switch: Switch, tmp_path: Path) -> None:
    """Fault 7: after all that, the first good answer is shown."""
    del tmp_path
    switch.behaviour = send(message(GOOD))

    assert warm.scrape().is_complete("sick")


MOST_DENSE = 64 * 2**20  # bytes, with what the first call imports; lists would take 200 MiB
DENSE: dict[str, bytes] = {
    "lists": b"[" + b"[]," * 80_000 + b"0]",
    "depth": b'{"a":' * 50_000,
    "keys": b"{" + b",".join(b'"%x":0' % number for number in range(20_000)) + b"}",
    "numbers": b"[" + b"1.5," * 60_000 + b"0]",
    "tiny chunks": b"[" + b" " * 40_000 + b"0]",
    "a wide text": job_answer("sick", Error="x" * 240_000 + "\U0001f600"),
}


@pytest.mark.parametrize("name", DENSE)
def test_dense(name: str, tmp_path: Path, record_testsuite_property: Recorder) -> None:
    """Fault 67: 32 answers at once, each dense JSON within the limit, take hardly any memory."""
    answer = message(DENSE[name], chunk=int(name == "tiny chunks"))
    jobs = [f"sick {number}" for number in range(200)]

    with Upstream([both(rest(0.2), send(answer))]) as sick, Upstream(well) as other:
        text = configuration(
            target("sick", sick.url, jobs),
            target("well", other.url, ["well"]),
            scrape={"min_interval": "0s"},
            api={"request_timeout": "60s", "connect_timeout": "60s"},
        )
        with exporter(text, tmp_path) as process:
            memory = Memory(process)
            pages = [scrape(process, 20.0) for _ in range(3)]
            growth = memory.growth

    record_testsuite_property(f"growth in bytes, dense: {name}", growth)
    assert growth <= MOST_DENSE
    assert all(page.is_complete("well") for page in pages)
